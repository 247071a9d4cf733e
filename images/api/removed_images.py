"""The list of photos that are gone: `trashed=true` with `updated_since`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from groups.models import Group
from images.access import GuestAccess
from images.listing import image_rows, removals
from images.listing.pagination import Page
from images.listing.removals import Removal, Wanted
from images.models import Image

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request

    from images.access import MemberAccess
    from images.listing.filters import ImageFilters

NARROWED_BY = frozenset({"trashed", "updated_since", "group", "ids"})


class RemovalSerializer(serializers.Serializer[Removal]):
    id = serializers.UUIDField()
    group = serializers.UUIDField(source="group_id")
    trashed_at = serializers.DateTimeField(source="updated_at")


def answer(request: Request, access: MemberAccess | GuestAccess, filters: ImageFilters) -> Response:
    """Ids and times; all of a photo that is in the trash of a group the caller owns.

    Raises ValidationError for what only the list of photos that are here can be asked.
    """
    more = filters.filters.keys() & filters.data.keys() - NARROWED_BY
    if more:
        why = "With trashed and updated_since, only group and ids narrow the list."
        raise ValidationError({name: [why] for name in more})
    page = Page.asked_for(request, known={"updated_at"}, default="updated_at")
    asked = filters.form.cleaned_data
    wanted = Wanted(asked["updated_since"], groups=asked["group"], ids=asked["ids"])
    found = (
        removals.of_guest(access, wanted)
        if isinstance(access, GuestAccess)
        else removals.of_member(access, wanted)
    )
    filled = page.filled(found.cut(page))
    body: dict[str, Any] = {} if page.offset is None else {"count": found.count()}
    body |= {"next": filled.next_url, "previous": filled.previous_url}
    whole = _whole(access, [row.id for row in filled.rows])
    rows = [whole.get(str(row.id)) or RemovalSerializer(row).data for row in filled.rows]
    return Response(body | {"results": rows})


def _whole(access: MemberAccess | GuestAccess, ids: list[UUID]) -> dict[str, Any]:
    """Photos as JSON by id, of those in the trash of the groups somebody owns."""
    if isinstance(access, GuestAccess):
        return {}
    owned = Group.objects.owned_by(access)
    rows = Image.objects.trashed().filter(pk__in=ids, group__in=owned)
    found = image_rows.as_json(list(rows.values_list("pk", flat=True)), access=access)
    return {row["id"]: row for row in found}
