"""API keys by HTTP: mine, another one, one in place of another, none any more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers, status
from rest_framework.response import Response

from bandpics.api.base import MemberViewSet
from bandpics.api.fields import ListField, in_our_time
from bandpics.api.idempotency import idempotent
from bandpics.api.pagination import Pages
from bandpics.api.problems import Forbidden, wrong
from bandpics.api.unknown_names import KnownFieldsOnly
from bandpics.users import api_keys
from bandpics.users.access import Access
from bandpics.users.models import ApiKey, Scope, User
from groups.models import Group

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from rest_framework.request import Request


def _scopes(**options: Any) -> ListField:
    each = serializers.ChoiceField(choices=Scope.choices)
    return ListField(child=each, min_length=1, max_length=4, **options)


class KeySerializer(serializers.ModelSerializer[ApiKey]):
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.choices))
    groups = serializers.ListField(
        source="group_ids", child=serializers.UUIDField(), help_text="Empty: all of mine."
    )
    created_at = serializers.DateTimeField(source="created")
    expires_at = serializers.DateTimeField(source="expiry_date", allow_null=True)

    class Meta:
        model = ApiKey
        fields = ["prefix", "name", "scopes", "groups", "created_at", "expires_at", "last_used_at"]
        read_only_fields = fields


class ShownKeySerializer(KeySerializer):
    api_key = serializers.CharField(
        read_only=True,
        allow_null=True,
        help_text="Shown only now; null when the call is repeated by its Idempotency-Key.",
    )

    class Meta(KeySerializer.Meta):
        fields = ["api_key", *KeySerializer.Meta.fields]
        read_only_fields = fields


class ReplacedKeySerializer(serializers.Serializer[Any]):
    prefix = serializers.CharField()
    expires_at = serializers.DateTimeField()


class RotatedKeySerializer(ShownKeySerializer):
    replaces = ReplacedKeySerializer(read_only=True, allow_null=True)

    class Meta(ShownKeySerializer.Meta):
        fields = [*ShownKeySerializer.Meta.fields, "replaces"]
        read_only_fields = fields


class NewKeySerializer(KnownFieldsOnly, serializers.Serializer[Any]):
    """The options of a new key. A key cannot make one that is good for more than itself."""

    name = serializers.CharField(max_length=50)
    scopes = _scopes()
    groups = ListField(
        child=serializers.UUIDField(), required=False, max_length=100, help_text="Empty: all mine."
    )
    expires_at = serializers.DateTimeField(
        required=False,
        allow_null=True,
        validators=[in_our_time],
        help_text="Null: never.",
    )

    def validate_expires_at(self, value: datetime | None) -> datetime | None:
        if value is not None and value <= timezone.now():
            raise serializers.ValidationError("This time has passed.", code="past")
        return value


class RotationSerializer(NewKeySerializer):
    """All of it may be left out: then the new key is good for what the old one was."""

    prefix = serializers.CharField(
        max_length=8, required=False, help_text="Which key; not needed if there is only one."
    )
    name = serializers.CharField(max_length=50, required=False)
    scopes = _scopes(required=False)


def _without_secret(view: Any, _request: Request, prefix: str) -> dict[str, Any]:
    row = get_object_or_404(ApiKey, user=view.access.user, prefix=prefix)
    return _shown(row, None)


class KeyViewSet(MemberViewSet):
    """API keys: what programs sign in with."""

    serializer_class = KeySerializer
    serializer_classes: ClassVar = {"create": NewKeySerializer, "rotate": RotationSerializer}
    queryset = ApiKey.objects.none()
    read_scope = write_scope = Scope.ADMIN
    parameters: ClassVar = {"list": Pages.parameters}
    lookup_url_kwarg, lookup_value_converter = "prefix", "slug"

    def list(self, request: Request) -> Response:
        """My keys that are good now, newest first. Their text is not known any more.

        A key sees those that are good for no more than itself.
        """
        return self.paginated(_reached(self.access, api_keys.usable(self.access.user)))

    @extend_schema(
        responses={201: ShownKeySerializer},
        examples=[
            OpenApiExample(
                "For a script that only adds photos",
                {"name": "photo booth", "scopes": ["read", "upload"]},
                request_only=True,
            )
        ],
    )
    @idempotent(remember=lambda answer: answer["prefix"], again=_without_secret)
    def create(self, request: Request) -> Response:
        """Another key. The answer is the only one that shows it."""
        wanted, access = self.sent(), self.access
        row, key = api_keys.issue(
            access.user,
            name=wanted["name"],
            scopes=_within(access, wanted["scopes"]),
            group_ids=_visible_group_ids(access, access.user, wanted.get("groups") or []),
            expires_at=wanted.get("expires_at"),
        )
        return Response(_shown(row, key), status=status.HTTP_201_CREATED)

    def destroy(self, request: Request, prefix: str) -> Response:
        """Revoke a key of mine, at once and for ever. Safe to call twice."""
        access = self.access
        if not _reached(access, ApiKey.objects.filter(user=access.user, prefix=prefix)):
            raise Http404
        api_keys.revoke(access.user, prefix=prefix)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(responses={201: RotatedKeySerializer})
    def rotate(self, request: Request, user_id: int) -> Response:
        """Another key in place of one of mine, which goes on working for 24 hours.

        Whoever has none yet is given their first.
        """
        access = self.access
        people = User.objects.filter(is_active=True)
        if not access.user.is_superuser or access.group_ids is not None:
            people = people.filter(pk=access.user.pk)
        person = get_object_or_404(people, pk=user_id)
        wanted = self.sent()
        old = _which(access, request, person, wanted.get("prefix"))
        scopes = wanted.get("scopes", old.scopes if old else Scope.values)
        group_ids = wanted.get("groups", old.group_ids if old else [])
        about: dict[str, Any] = {
            "name": wanted.get("name") or (old.name if old else "First key"),
            "scopes": _within(access, scopes),
            "group_ids": _visible_group_ids(access, person, group_ids),
            "expires_at": wanted.get("expires_at", _as_long_as(old)),
        }
        if old is None:
            row, key = api_keys.issue(person, **about)
            replaces = None
        else:
            row, key = api_keys.rotate(old, **about)
            replaces = {"prefix": old.prefix, "expires_at": old.expiry_date}
        answer = _shown(row, key) | {
            "replaces": ReplacedKeySerializer(replaces).data if replaces else None
        }
        return Response(answer, status=status.HTTP_201_CREATED)


def _which(access: Access, request: Request, person: User, prefix: str | None) -> ApiKey | None:
    """The key to replace; None if the person has none at all."""
    usable = _reached(access, api_keys.usable(person))
    if prefix is None and isinstance(request.auth, ApiKey) and request.auth.user_id == person.pk:
        prefix = request.auth.prefix
    if prefix is not None:
        found = next((key for key in usable if key.prefix == prefix), None)
        if found is None:
            why = "There is no such key, or it was revoked or has expired."
            raise wrong("prefix", why, "unknown")
        return found
    if len(usable) > 1:
        names = ", ".join(f"{key.prefix} ({key.name})" for key in usable)
        raise wrong("prefix", f"There are several keys. Say which: {names}.", "ambiguous")
    return usable[0] if usable else None


def _reached(access: Access, rows: Iterable[ApiKey]) -> list[ApiKey]:
    """Those that are good for nothing that this credential is not good for itself."""
    return [
        key
        for key in rows
        if access.scopes.issuperset(key.scopes)
        and (
            access.group_ids is None
            or (key.group_ids and access.group_ids.issuperset(key.group_ids))
        )
    ]


def _within(access: Access, scopes: list[str]) -> list[str]:
    if not access.scopes.issuperset(scopes):
        raise Forbidden("An API key cannot make one with more scopes than it has itself.")
    return scopes


def _visible_group_ids(access: Access, person: User, group_ids: list[UUID]) -> list[UUID]:
    """The same, once it is sure that the person sees each of these groups, and so does the key."""
    if not group_ids:
        if access.group_ids is not None:
            raise Forbidden("An API key for some groups cannot make one for all.")
        return []
    reach = Access(person, group_ids=access.group_ids)
    seen = set(
        Group.objects.visible_to(reach).filter(pk__in=group_ids).values_list("pk", flat=True)
    )
    errors: Any = {
        str(index): ["There is no such group, or none that this credential may see."]
        for index, group_id in enumerate(group_ids)
        if group_id not in seen
    }
    if errors:
        raise serializers.ValidationError({"groups": errors}, code="unknown")
    return group_ids


def _as_long_as(old: ApiKey | None) -> datetime | None:
    """An expiry that gives the new key the life of the old one."""
    if old is None or old.expiry_date is None:
        return None
    lifetime = old.expiry_date - old.created
    try:
        return timezone.now() + lifetime
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def _shown(row: ApiKey, key: str | None) -> dict[str, Any]:
    return {"api_key": key, **KeySerializer(row).data}
