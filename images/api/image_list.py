"""The list of photos: whose, which, in what order, how many at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    extend_schema,
    extend_schema_serializer,
)
from rest_framework import serializers
from rest_framework.response import Response

from images.api.access import PhotoViewSet
from images.api.browsing import FilterPanel, Neighbours
from images.api.image_serializers import ImageSerializer
from images.listing import image_rows, pagination, removals, whole_list
from images.listing.filters import FORMATS, MAX_IDS, MAX_TEXT, ImageFilters
from images.listing.pagination import Page
from images.listing.removals import Removal
from images.models import Image, Upload

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from rest_framework.request import Request

    from images.listing.pagination import Filled
    from images.listing.removals import Wanted


@extend_schema_serializer(many=False)
class ImagePageSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField(
        required=False, help_text="How many match. Only with offset or skip: counting takes time."
    )
    next = serializers.URLField(allow_null=True, help_text="The address of the next page.")
    previous = serializers.URLField(allow_null=True, help_text="And of the one before.")
    results = ImageSerializer(many=True)
    hint = serializers.CharField(
        required=False, help_text="Why own photos are missing: a shared link without a device."
    )


def _parameter(
    name: str, schema: Any, description: str, *examples: tuple[str, Any]
) -> OpenApiParameter:
    is_list = schema["type"] == "array"
    return OpenApiParameter(
        name,
        schema,
        description=description,
        examples=[OpenApiExample(title, value=value) for title, value in examples],
        # Several values by comma; the parameter repeated is understood, too.
        style="form" if is_list else None,
        explode=False if is_list else None,
    )


def _text(limit: int) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": limit}


def _each(items: dict[str, Any], at_most: int = 20) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "maxItems": at_most, "items": items}


_ID = {"type": "string", "format": "uuid"}
_BOOLEAN = {"type": "boolean"}
_MOMENT = {"type": "string", "format": "date-time"}
_MOMENT_NOTE = " ISO 8601; without an offset it is UTC, a date alone is its first moment."
_ORDERINGS = [f"{sign}{name}" for name in pagination.ORDERINGS for sign in ("-", "")]

PARAMETERS = [
    _parameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": pagination.MAX_LIMIT, "default": 50},
        "How many photos a page has.",
    ),
    _parameter(
        "cursor",
        {"type": "string", "minLength": 1},
        "Where the page starts, as `next` and `previous` give it: photos that come meanwhile "
        "neither shift a page nor repeat on it. It belongs to one ordering.",
    ),
    _parameter(
        "offset",
        {"type": "integer", "minimum": 0, "maximum": pagination.MAX_OFFSET},
        "How many photos to leave out, instead of a cursor; the answer then has a `count`. "
        "Beyond the maximum follow `next`.",
    ),
    _parameter(
        "skip",
        {"type": "integer", "minimum": 0, "maximum": pagination.MAX_OFFSET},
        "The same as offset.",
    ),
    _parameter(
        "ordering",
        {"type": "string", "enum": _ORDERINGS, "default": pagination.DEFAULT_ORDERING},
        "With a minus downwards. `sort_at` is when it was taken, or else uploaded. Photos without "
        "the value come last, either way. Guests do not order by filename.",
    ),
    _parameter(
        "q",
        _text(MAX_TEXT),
        "Words of filename, description, caption or uploader, in any case: all of them, the last "
        "one also as a beginning. `IMG_4021.jpg` has the words img, 4021 and jpg. For guests, not "
        "of the filenames of other people's photos.",
        ("Words", "stage 40"),
    ),
    _parameter("group", _each(_ID, MAX_IDS), "Photos of these groups."),
    _parameter(
        "status",
        _each({"type": "string", "enum": Upload.Status.values}),
        "What became of the newest upload of each photo.",
        ("Not ready yet", ["queued", "processing"]),
    ),
    _parameter(
        "moderation",
        _each({"type": "string", "enum": Image.Moderation.values}),
        "Whether the photo was approved.",
    ),
    _parameter("uploader", _text(MAX_TEXT), "The whole name, in any case.", ("Name", "Anna")),
    _parameter("camera", _text(MAX_TEXT), "Part of make and model.", ("Model", "iPhone 13")),
    _parameter(
        "camera_model", _text(MAX_TEXT), "The whole model, in any case.", ("Model", "iPhone 13")
    ),
    _parameter("format", _each({"type": "string", "enum": FORMATS}), "Of the original."),
    _parameter(
        "taken_after",
        _MOMENT,
        "Taken then or later. A camera that told no offset from UTC counts as if set to it."
        + _MOMENT_NOTE,
        ("With an offset", "2026-06-21T21:30:00+02:00"),
        ("A date", "2026-06-21"),
    ),
    _parameter("taken_before", _MOMENT, "Taken earlier." + _MOMENT_NOTE),
    _parameter(
        "sort_at_after",
        _MOMENT,
        "Taken, or else uploaded, then or later: as the list is ordered by `sort_at`, and so found "
        "at once in a group of any size." + _MOMENT_NOTE,
    ),
    _parameter("sort_at_before", _MOMENT, "Taken, or else uploaded, earlier." + _MOMENT_NOTE),
    _parameter("uploaded_after", _MOMENT, "Announced then or later." + _MOMENT_NOTE),
    _parameter("uploaded_before", _MOMENT, "Announced earlier." + _MOMENT_NOTE),
    _parameter(
        "updated_since",
        _MOMENT,
        "Edited, arrived, finished or failed then or later." + _MOMENT_NOTE,
    ),
    _parameter("has_gps", _BOOLEAN, "Whether you see where it was taken."),
    _parameter(
        "may_be_published",
        _BOOLEAN,
        "Whether its sender agreed to a sentence of the hosts; of photos you see all of.",
    ),
    _parameter("stack", _each({"type": "string", "format": "uuid"}), "Of a stack of photos alike."),
    _parameter(
        "bbox",
        {"type": "string", "pattern": r"^[-+.\deE]+(,[-+.\deE]+){3}$"},
        "Taken inside minLon,minLat,maxLon,maxLat (degrees), as far as you see where. A minLon "
        "larger than maxLon means across the 180th meridian.",
        ("Vienna", "16.18,48.12,16.58,48.32"),
        ("Fiji", "177,-19,-178,-16"),
    ),
    _parameter(
        "ids", _each(_ID, MAX_IDS), "These photos; those you may not see are silently left out."
    ),
    _parameter(
        "trashed",
        _BOOLEAN,
        "True: the trash of the groups you own, and nothing else. With `updated_since`: each photo "
        "that left what you see from then on, because it was trashed, moved to a group you do not "
        "see, or deleted for good, or its group was; the oldest first. Of those that you may not "
        "see any more, only `id`, `group` and `trashed_at`, which is when it left.",
    ),
]


class RemovalSerializer(serializers.Serializer[Removal]):
    id = serializers.UUIDField()
    group = serializers.UUIDField(source="group_id")
    trashed_at = serializers.DateTimeField(source="updated_at")


class ImageList(PhotoViewSet):
    queryset = Image.objects.none()  # for the filter panel
    filter_backends = [FilterPanel]
    pagination_class = Neighbours
    parameters: ClassVar = {"list": [each.name for each in PARAMETERS]}

    def filters(self) -> ImageFilters:
        return ImageFilters(self.request.query_params, self.access)

    @extend_schema(parameters=PARAMETERS, filters=False, responses=ImagePageSerializer)
    def list(self, request: Request) -> Response:
        """Photos I may see, newest first: a member's teams', a guest's own or approved ones."""
        access, asked = self.access, request.query_params
        # Its cursor, too, would say what others called their files.
        hidden = {"original_filename"} if access.is_guest else set()
        page = Page.asked_for(request, known=pagination.ORDERINGS.keys() - hidden)
        search = None
        if ImageFilters.are_asked(asked):
            filters = self.filters()
            if wanted := filters.removals():
                return self._removed(wanted)
            search = filters.search()
            filled = page.filled(page.places(search.cut(page)))
            results = image_rows.as_json([row.id for row in filled.rows], access=access)
        else:
            filled, results = whole_list.listed(access, page)
        Neighbours.show(filled, on=self)
        count = None
        if page.offset is not None:
            count = (search or whole_list.search(access)).count()
        return _answer(filled, count, results, **self.hint_without_device())

    def _removed(self, wanted: Wanted) -> Response:
        """Photos that are gone: ids and times; all of one in the trash of a group of mine."""
        page = Page.asked_for(self.request, known={"updated_at"}, default="updated_at")
        found = removals.of(self.access, wanted)
        filled = page.filled(found.cut(page))
        whole = self._in_own_trash([row.id for row in filled.rows])
        rows = [whole.get(str(row.id)) or RemovalSerializer(row).data for row in filled.rows]
        return _answer(filled, None if page.offset is None else found.count(), rows)

    def _in_own_trash(self, ids: Sequence[UUID]) -> dict[str, Any]:
        """Photos as JSON, by id."""
        trash_of = self.access.scope().trash_of
        if trash_of is None:
            return {}
        rows = Image.objects.trashed().filter(pk__in=ids, group__in=trash_of)
        found = image_rows.as_json(list(rows.values_list("pk", flat=True)), access=self.access)
        return {row["id"]: row for row in found}


def _answer(filled: Filled[Any], count: int | None, results: list[Any], **more: str) -> Response:
    counted = {} if count is None else {"count": count}
    pages = {"next": filled.next_url, "previous": filled.previous_url}
    return Response({**counted, **pages, **more, "results": results})
