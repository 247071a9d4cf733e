"""Invitations: who was asked for photos, by which link, and how much they may send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.shortcuts import get_object_or_404
from django.utils.translation import get_language
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import Throttled
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from bandpics import limits
from bandpics.api import etags
from bandpics.api.base import MemberViewSet
from bandpics.api.filters import Panel
from bandpics.api.idempotency import idempotent
from bandpics.api.pagination import Pages
from bandpics.api.problems import Conflict, Forbidden
from bandpics.users.models import Scope
from groups.models import Group
from invitations import delivery, links, outbox, qr
from invitations.api import serializers
from invitations.models import Invitation

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request

    from bandpics.users.models import User
    from invitations.models import InvitationQuerySet


DAY_SECONDS = 24 * 3600


class TooManyMails(Throttled):
    def __init__(self, seconds: int) -> None:
        super().__init__(seconds, "So many e-mails are enough for now. Invite without send_email.")


def _limit_mails(user: User) -> None:
    seconds = limits.consume(("mail", str(user.pk)))
    if not seconds and not outbox.room(user):
        seconds = DAY_SECONDS
    if seconds:
        raise TooManyMails(seconds)


class InvitationFilter(filters.FilterSet):
    group = filters.UUIDFilter(field_name="group_id")
    state = filters.ChoiceFilter(choices=Invitation.State.choices, method="in_state")
    kind = filters.ChoiceFilter(choices=Invitation.Kind.choices)
    email = filters.CharFilter(lookup_expr="iexact", max_length=254)

    def in_state(self, rows: InvitationQuerySet, _: str, state: str) -> InvitationQuerySet:
        return rows.in_state(state)


def _what_was_answered(data: dict[str, Any]) -> dict[str, Any]:
    """Returns the answer without the link, which is a secret and is made again."""
    return {"id": data["id"], "email_sent": data["email_sent"]}


def _as_it_is_now(view: Any, _: Request, answered: dict[str, Any]) -> dict[str, Any]:
    response: Response = view.invited(answered["id"], email_sent=answered["email_sent"])
    return dict(response.data)


class SvgRenderer(BaseRenderer):
    media_type = "image/svg+xml"
    format = "svg"
    render_style = "binary"
    charset = None

    def render(self, data: bytes, *_: Any) -> bytes:
        return data


class PngRenderer(SvgRenderer):
    media_type = "image/png"
    format = "png"


class ByFormatOrAccept(DefaultContentNegotiation):
    """`?format=` decides; elsewhere the name belongs to a filter, and DRF leaves it alone."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        wanted = format_suffix or request.query_params.get("format")
        return super().select_renderer(request, renderers, wanted)


class InvitationViewSet(MemberViewSet):
    """Invitations: links by which people without an account send photos to a group."""

    write_scope = Scope.ADMIN
    serializer_class = serializers.InvitationSerializer
    serializer_classes: ClassVar = {
        "create": serializers.NewInvitationSerializer,
        "partial_update": serializers.InvitationChangesSerializer,
        "revoke": Serializer,
        "rotate": Serializer,
    }
    queryset = Invitation.objects.none()  # for the documentation
    filter_backends = [Panel]
    filterset_class = InvitationFilter
    lookup_url_kwarg = "invitation_id"
    parameters: ClassVar = {
        "list": [*InvitationFilter.base_filters, *Pages.parameters],
        "qr": ["format"],
    }

    def finalize_response(self, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(*args, **kwargs)
        response.headers.setdefault("Cache-Control", "private, no-store")  # links are secrets
        return response

    def list(self, request: Request) -> Response:
        """Invitations to the groups I add to, newest first."""
        return self.paginated(self.visible().order_by("-created_at", "-pk"))

    @extend_schema(
        responses={
            200: OpenApiResponse(
                serializers.InvitedSerializer, "Invited before: the same link, longer."
            ),
            201: OpenApiResponse(serializers.InvitedSerializer, "A new link."),
        },
        examples=[
            OpenApiExample(
                "One person",
                {
                    "group": "0198c0de-0000-7000-8000-000000000001",
                    "email": "cleo@example.org",
                    "name": "Cleo",
                    "send_email": True,
                },
                request_only=True,
            ),
            OpenApiExample(
                "A QR code for the wall",
                {
                    "group": "0198c0de-0000-7000-8000-000000000001",
                    "kind": "shared",
                    "name": "At the bar",
                    "max_files": 500,
                },
                request_only=True,
            ),
        ],
    )
    @idempotent(remember=_what_was_answered, again=_as_it_is_now)
    def create(self, request: Request) -> Response:
        """Invite somebody. The same address again: the same link, for 7 more days from now.

        Who was revoked gets another link, from owners and whoever had invited them. Owners and
        members may invite; only owners set `trusted` and `visibility`. `send_email` sends the link
        once all is stored.
        """
        options = self.sent()
        group = self._group_to_fill(options.pop("group"))
        send_email = options.pop("send_email")
        is_owner = self.owns(group)
        _refuse_what_only_owners_grant(options, is_owner=is_owner)
        if send_email:
            _limit_mails(self.access.user)
        invitation, is_new_link = links.invite(
            group, by=self.access.user, is_owner=is_owner, **options
        )
        email_sent = None
        if send_email:
            language = get_language() or settings.LANGUAGE_CODE
            email_sent = delivery.send_link(invitation, sender=self.access.user, language=language)
        response = self.invited(invitation.pk, email_sent=email_sent)
        if is_new_link:
            response.status_code = status.HTTP_201_CREATED
        return response

    def retrieve(self, request: Request, invitation_id: UUID) -> Response:
        """One invitation."""
        invitation = self.visible_invitation(invitation_id)
        data = serializers.InvitationSerializer(invitation).data
        return Response(data, headers=etags.headers(invitation))

    @extend_schema(parameters=[etags.IF_MATCH])
    def partial_update(self, request: Request, invitation_id: UUID) -> Response:
        """Change its name, limits or life. For owners, and for whoever sent it.

        Limits may not be below what was used; only owners set `trusted` and `visibility`.
        """
        invitation = self.managed_invitation(invitation_id)
        changes = self.sent(invitation)
        _refuse_what_only_owners_grant(changes, is_owner=self.owns(invitation.group))
        links.change(invitation, only_if=etags.expected(request, invitation), **changes)
        return self.retrieve(request, invitation_id)

    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, invitation_id: UUID) -> Response:
        """End the link at once. Photos that came by it stay. Safe to call twice."""
        links.revoke(self.managed_invitation(invitation_id))
        return self.retrieve(request, invitation_id)

    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, invitation_id: UUID) -> Response:
        """Another link; the old one is dead at once. All else stays."""
        links.rotate(self.managed_invitation(invitation_id))
        return self.retrieve(request, invitation_id)

    @extend_schema(
        parameters=[OpenApiParameter("format", str, enum=qr.KINDS, description="Or by `Accept`.")],
        responses={
            (200, SvgRenderer.media_type): OpenApiTypes.STR,
            (200, PngRenderer.media_type): OpenApiTypes.BINARY,
        },
    )
    @action(
        detail=True,
        renderer_classes=[SvgRenderer, PngRenderer],
        content_negotiation_class=ByFormatOrAccept,
    )
    def qr(self, request: Request, invitation_id: UUID) -> Response:
        """The upload link as a QR code, SVG or PNG. For those who are shown the link itself."""
        invitation = self.managed_invitation(invitation_id)
        if not invitation.shows_link:
            raise Forbidden("This takes an API key with the scope `admin`.")
        if invitation.is_revoked:
            raise Conflict("It was revoked: the code would lead nowhere.")
        renderer: Any = request.accepted_renderer
        return Response(qr.draw(invitation.upload_link, kind=renderer.format))

    def handle_exception(self, exc: Exception) -> Response:
        if SvgRenderer in self.renderer_classes:  # no picture of a problem
            self.request.accepted_renderer = JSONRenderer()
            self.request.accepted_media_type = JSONRenderer.media_type
        return super().handle_exception(exc)

    def visible(self) -> InvitationQuerySet:
        rows = Invitation.objects.visible_to(self.access).with_rights_of(self.access)
        return rows.select_related("group__team")

    def visible_invitation(self, invitation_id: UUID) -> Invitation:
        invitation: Invitation = get_object_or_404(self.visible(), pk=invitation_id)
        return invitation

    def managed_invitation(self, invitation_id: UUID) -> Invitation:
        invitation = self.visible_invitation(invitation_id)
        if not invitation.may_manage:
            raise Forbidden("Only owners of the team, and whoever sent it, may do this.")
        return invitation

    def owns(self, group: Group) -> bool:
        return Group.objects.owned_by(self.access).filter(pk=group.pk).exists()

    def invited(self, invitation_id: UUID, *, email_sent: bool | None) -> Response:
        invitation: Any = self.visible_invitation(invitation_id)
        invitation.email_sent = email_sent
        data = serializers.InvitedSerializer(invitation).data
        return Response(data, headers=etags.headers(invitation))

    def _group_to_fill(self, group_id: UUID) -> Group:
        group = get_object_or_404(Group.objects.visible_to(self.access), pk=group_id)
        if not Group.objects.writable_by(self.access).filter(pk=group.pk).exists():
            raise Forbidden("Viewers of a team may look at its photos, but not invite anybody.")
        return group


def _refuse_what_only_owners_grant(options: dict[str, Any], *, is_owner: bool) -> None:
    if is_owner:
        return
    for field in ("trusted", "visibility"):
        if options.pop(field, None):
            raise Forbidden(f"Only owners of the team set `{field}`.")
