"""Becoming a user, where the operator lets people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import NotAuthenticated, Throttled
from rest_framework.permissions import AllowAny
from rest_framework.response import Response

from bandpics import limits
from bandpics.api.accounts import PASSWORD_LENGTH, UserSerializer, check_password_is_good
from bandpics.api.base import ApiView
from bandpics.api.idempotency import idempotent
from bandpics.api.problems import Forbidden, wrong
from bandpics.api.unknown_names import KnownFieldsOnly
from bandpics.users.models import User
from groups import registration
from groups.models import Group
from invitations.api.authentication import CREDENTIAL_PARAMETERS, InvitationAuthentication, guest
from invitations.api.problems import InvitationExpired, RegistrationClosed
from invitations.models import Invitation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rest_framework.request import Request
    from rest_framework.views import APIView


class RegistrationSerializer(KnownFieldsOnly, serializers.Serializer[Any]):
    instead: ClassVar[Mapping[str, str]] = {
        "username": "Send `email`; it is the name to sign in with.",
        "full_name": "Send `name`.",
    }
    email = serializers.EmailField(max_length=254)
    name = serializers.CharField(max_length=120, required=False, default="", allow_blank=True)
    password = serializers.CharField(
        max_length=PASSWORD_LENGTH, trim_whitespace=False, required=False, write_only=True
    )
    plain_password = serializers.CharField(
        max_length=PASSWORD_LENGTH,
        trim_whitespace=False,
        required=False,
        write_only=True,
        help_text="The password, by another name.",
    )

    def validate_email(self, value: str) -> str:
        # The validator ignores case so well that a long s and the sign for kelvin pass.
        if not value.rpartition("@")[0].isascii():
            raise serializers.ValidationError("Enter a valid email address.", code="invalid")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        given = [name for name in ("password", "plain_password") if name in attrs]
        if not given:
            raise wrong("password", "Choose one.", "required")
        if len(given) == 2 and attrs["password"] != attrs["plain_password"]:
            raise wrong("plain_password", "It differs from `password`. Send one of them.")
        someone = User(email=attrs["email"], name=attrs["name"])
        check_password_is_good(attrs[given[0]], user=someone, field=given[0])
        attrs["password"] = attrs[given[0]]
        return attrs


class PlaceSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()


class RegisteredSerializer(UserSerializer):
    api_key = serializers.CharField(
        allow_null=True, help_text="Shown only now. Null when a call is repeated by its key."
    )
    team = PlaceSerializer()
    group = PlaceSerializer(help_text="Photos can be added here at once.")

    class Meta(UserSerializer.Meta):
        fields = [*UserSerializer.Meta.fields, "api_key", "team", "group"]
        read_only_fields = fields


def _remember(answer: dict[str, Any]) -> dict[str, Any]:
    return {"user": answer["id"], "group": answer["group"]["id"]}


def _again(_view: APIView, _request: Request, known: dict[str, Any]) -> dict[str, Any]:
    user = get_object_or_404(User, pk=known["user"])
    group = get_object_or_404(Group.objects.select_related("team"), pk=known["group"])
    return _answer(user, group, api_key=None)


class Register(ApiView):
    serializer_class = RegistrationSerializer
    credential_parameters = CREDENTIAL_PARAMETERS
    authentication_classes = [InvitationAuthentication]
    permission_classes = [AllowAny]

    @extend_schema(
        responses={201: RegisteredSerializer},
        examples=[
            OpenApiExample(
                "Somebody new",
                {"email": "ada@example.org", "password": "a long enough password", "name": "Ada"},
                request_only=True,
            )
        ],
    )
    @idempotent(remember=_remember, again=_again)
    def post(self, request: Request) -> Response:
        """Register: an account, a team and a group of my own, and an API key.

        Open to all, to those with a personal invitation for the same e-mail address, or to
        nobody, as the server is set up.
        """
        invitation = guest(request)
        _refuse_early(invitation)
        _limit(request, invitation)
        wanted = self.sent()
        _check_invited(invitation, wanted["email"])
        made = registration.register(
            email=wanted["email"], password=wanted["password"], name=wanted["name"]
        )
        return Response(
            _answer(made.user, made.group, api_key=made.api_key), status=status.HTTP_201_CREATED
        )


def _refuse_early(invitation: Invitation | None) -> None:
    """Before anything is looked at that might tell who is a user here."""
    if settings.REGISTRATION == "closed":
        raise RegistrationClosed
    if settings.REGISTRATION == "invite":
        if invitation is None:
            raise NotAuthenticated("Send the `Authorization: Invitation <token>` of your link.")
        if invitation.is_expired:
            raise InvitationExpired
        if invitation.kind != Invitation.Kind.PERSONAL:
            raise Forbidden("This link is for everybody; registering takes a personal one.")


def _limit(request: Request, invitation: Invitation | None) -> None:
    whose = str(invitation.pk) if invitation else limits.address_of(request)
    if seconds := limits.consume(("register", whose)):
        raise Throttled(wait=seconds)


def _check_invited(invitation: Invitation | None, email: str) -> None:
    if settings.REGISTRATION != "invite" or invitation is None:
        return
    if not Invitation.objects.personal_to(email, group=invitation.group).contains(invitation):
        raise wrong("email", "The invitation was sent to another address.", "not-invited")


def _answer(user: User, group: Group, *, api_key: str | None) -> dict[str, Any]:
    return {
        **UserSerializer(user).data,
        "api_key": api_key,
        "team": {"id": str(group.team_id), "name": group.team.name},
        "group": {"id": str(group.pk), "name": group.name},
    }
