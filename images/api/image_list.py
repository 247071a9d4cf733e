"""The list of photos: whose, which, in what order, how many at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from images.api import removed_images
from images.api.access import PhotoView
from images.api.image_serializers import ImageSerializer
from images.listing import image_rows, pagination
from images.listing.filters import FORMATS, MAX_IDS, MAX_TEXT, ImageFilters
from images.listing.pagination import Page, count_of
from images.models import Image, Upload

if TYPE_CHECKING:
    from rest_framework.request import Request


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
    _parameter("uploaded_after", _MOMENT, "Announced then or later." + _MOMENT_NOTE),
    _parameter("uploaded_before", _MOMENT, "Announced earlier." + _MOMENT_NOTE),
    _parameter(
        "updated_since",
        _MOMENT,
        "Edited, arrived, finished or failed then or later." + _MOMENT_NOTE,
    ),
    _parameter("has_gps", _BOOLEAN, "Whether you see where it was taken."),
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


class ImageList(PhotoView):
    parameters: ClassVar = {"GET": [each.name for each in PARAMETERS]}

    @extend_schema(parameters=PARAMETERS, responses=ImagePageSerializer, operation_id="images_list")
    def get(self, request: Request) -> Response:
        """Photos I may see, newest first: a member's teams', a guest's own or approved ones."""
        access = self.access
        # Its cursor, too, would say what others called their files.
        hidden = {"original_filename"} if access.is_guest else set()
        page = Page.asked_for(request, known=pagination.ORDERINGS.keys() - hidden)
        groups, rows = access.groups(), Image.objects.filter(access.shown())
        is_selective, sought = False, None
        if ImageFilters.are_asked(request.query_params):
            filtered = ImageFilters(request.query_params, rows, scope=access.scope())
            rows, is_selective = filtered.narrowed(), filtered.is_selective
            if filtered.asks_for_removals:
                return removed_images.answer(request, access, filtered)
            sought = filtered.sought
            groups = groups.filter(pk__in=filtered.groups) if filtered.groups else groups
        else:
            rows = rows.kept()
        if is_selective:
            rows, sought = sought.anywhere(rows) if sought else rows, None
            cut = page.cut(rows.filter(group__in=groups))
        else:
            cut = page.cut_of(groups, rows, sought)
        filled = page.filled(page.places(cut))
        answer: dict[str, Any] = (
            {} if page.offset is None else {"count": count_of(groups, rows, sought)}
        )
        answer |= {"next": filled.next_url, "previous": filled.previous_url}
        answer |= self.hint_without_device()
        ids = [row.id for row in filled.rows]
        return Response(answer | {"results": image_rows.as_json(ids, access=access)})
