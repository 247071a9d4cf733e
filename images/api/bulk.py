"""One call that changes many photos, all of them or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.response import Response

from bandpics.api import problems
from bandpics.api.fields import ListField
from bandpics.api.idempotency import idempotent
from bandpics.api.problems import Conflict, Forbidden, NotThere
from bandpics.api.unknown_names import KnownFieldsOnly
from bandpics.users.models import Scope
from images.access import GuestAccess
from images.api.access import PhotoViewSet
from images.lifecycle import bulk, editing, moderation, moving
from images.models import Image
from invitations.api.authentication import refuse_if_closed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from django.utils.functional import _StrPromise
    from rest_framework.request import Request

    from images.access import Rights

TRASH, RESTORE, MOVE = "trash", "restore", "move"
DECISIONS = (moderation.APPROVE, moderation.REJECT, moderation.WAIT)
WHY: dict[str, _StrPromise] = {
    editing.GONE: _("This photo is in the trash, or its time there is over."),
    editing.DECIDED: _("Somebody else has decided about this photo meanwhile."),
    editing.CHANGED: _("Somebody else has changed this photo meanwhile."),
    editing.NOT_READY: _("This photo is not ready yet."),
    editing.DUPLICATE: _("The group shows a photo of the same bytes."),
}


class SomeRefused(Conflict):
    slug = "some-photos-refused"
    title = _("Some of these photos do not allow it")
    default_detail = _("Nothing was changed. `errors` names the photos and says why.")
    explanation = (
        "A call for many photos changes all of them or none. `errors` names the first 20 that "
        "stand in the way, by their place in `ids`: leave them out, or read them again."
    )


class BulkSerializer(KnownFieldsOnly, serializers.Serializer[Any]):
    ids = ListField(child=serializers.UUIDField(), min_length=1, max_length=bulk.AT_MOST)
    action = serializers.ChoiceField(choices=[*DECISIONS, TRASH, RESTORE, MOVE])
    reason = serializers.CharField(
        max_length=500, allow_blank=True, default="", help_text="Of a rejection, for the senders."
    )
    expected = serializers.ChoiceField(
        choices=Image.Moderation.choices,
        required=False,
        help_text="What each must be before it is approved, rejected or made to wait: so that "
        "nobody undoes unseen what another host has decided.",
    )
    group = serializers.UUIDField(
        required=False, help_text="To move them to: one to which you may add photos."
    )

    def validate_ids(self, ids: list[UUID]) -> list[UUID]:
        first: dict[UUID, int] = {}
        doubles = {
            place: [f"This is the same photo as number {first[image_id]}."]
            for place, image_id in enumerate(ids)
            if first.setdefault(image_id, place) != place
        }
        if doubles:
            raise serializers.ValidationError(doubles)  # type: ignore[arg-type]  # places
        return ids

    def validate(self, sent: dict[str, Any]) -> dict[str, Any]:
        if sent["action"] == MOVE and "group" not in sent:
            raise serializers.ValidationError({"group": ["Say which group to move them to."]})
        if sent["action"] != MOVE and "group" in sent:
            raise serializers.ValidationError({"group": ["Only `move` takes a group."]})
        if sent["action"] not in DECISIONS and "expected" in sent:
            raise serializers.ValidationError({"expected": ["Only decisions take this."]})
        return sent


class BulkDoneSerializer(serializers.Serializer[Any]):
    action = serializers.CharField()
    ids = serializers.ListField(child=serializers.UUIDField())


class BulkImages(PhotoViewSet):
    @extend_schema(
        responses=BulkDoneSerializer,
        examples=[
            OpenApiExample(
                "Approve two",
                value={
                    "ids": [
                        "01234567-89ab-7def-8123-456789abcdef",
                        "01234567-89ab-7def-8123-456789abcdf0",
                    ],
                    "action": "approve",
                    "expected": "pending",
                },
                request_only=True,
            )
        ],
    )
    @action(detail=False, methods=["post"], filter_backends=[], pagination_class=None)
    @idempotent()
    def bulk(self, request: Request) -> Response:
        """Approve, reject, trash, restore or move up to 200 photos: all of them, or none.

        Owners any photos of their groups; others trash, restore and move their own. What stands
        in the way is named in `errors` by its place, `#/ids/3`.
        """
        asked = self.sent()
        ids, what = asked["ids"], asked["action"]
        rights = self._rights(ids, what)
        by = self.user
        try:
            if what == MOVE:
                moving.move_all(ids, self.writable_group(asked["group"]), by=by)
            elif what == RESTORE:
                bulk.restore(ids, by=by)
            elif what == TRASH:
                own = {image_id for image_id in ids if rights[image_id].is_own}
                bulk.put_in_trash(ids, by=by, own=own)
            else:
                more = {"reason": asked["reason"], "expected": asked.get("expected", "")}
                bulk.moderate(ids, what, by=self.member.user, **more)
        except editing.Refused as refusal:
            errors = {image_id: (code, WHY[code]) for image_id, code in refusal.why.items()}
            raise SomeRefused(errors=_at(ids, errors)) from None
        return Response(BulkDoneSerializer({"action": what, "ids": ids}).data)

    def _rights(self, ids: list[UUID], what: str) -> dict[UUID, Rights]:
        """By id. Raises NotThere or Forbidden, and names the photos."""
        rows = Image.objects.in_kept_groups().filter(pk__in=ids).defer("exif", "search_vector")
        images = {image.pk: image for image in rows}
        rights = self.access.rights_on_all(images.values())
        hidden = set(ids) - self._seen(images, rights)
        if hidden:
            said = ("not-found", NotThere.title)
            raise NotThere(errors=_at(ids, dict.fromkeys(hidden, said)))
        if what in DECISIONS:
            detail = _("Only owners of its group decide who sees a photo.")
            refused = {image_id for image_id in ids if not rights[image_id].is_host}
        else:
            detail = _("Only whoever sent a photo, and the host, may change it.")
            refused = {image_id for image_id in ids if not rights[image_id].may_change}
        if what == MOVE and self.access.is_guest:
            detail, refused = _("With a link photos cannot be moved."), set(ids)
        if refused:
            said = ("permission-denied", detail)
            raise Forbidden(detail, errors=_at(ids, dict.fromkeys(refused, said)))
        self._need_scopes(what, rights)
        return rights

    def _seen(self, images: Mapping[UUID, Image], rights: Mapping[UUID, Rights]) -> set[UUID]:
        access = self.access
        seen = set(access.images().filter(pk__in=images).values_list("pk", flat=True))
        if isinstance(access, GuestAccess):
            seen |= set(access.own_images().filter(pk__in=images).values_list("pk", flat=True))

        def is_seen(image: Image) -> bool:
            """As of one photo: image_to_change() and image_to_restore()."""
            if image.trashed_at is None:
                return image.pk in seen
            return rights[image.pk].may_restore(image)

        return {image.pk for image in images.values() if is_seen(image)}

    def _need_scopes(self, what: str, rights: Mapping[UUID, Rights]) -> None:
        if self.access.invitation is not None:
            refuse_if_closed(self.access.invitation)
        if what in DECISIONS:
            self.need_scope(Scope.MODERATE)
        elif what == MOVE:
            self.need_scope(Scope.UPLOAD)
        else:
            for each in set(rights.values()):
                self.need_scope_for(each)


def _at(ids: list[UUID], errors: Mapping[UUID, tuple[str, Any]]) -> list[dict[str, str]]:
    return problems.errors_at(
        {f"#/ids/{place}": errors[each] for place, each in enumerate(ids) if each in errors}
    )
