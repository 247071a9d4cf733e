"""The filters of a list of photos, and what each parameter takes.

A value that makes no sense is an error that names the parameter. What somebody may not see does
not match, and does not show: an id of somebody else's photo is silently absent.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

import django_filters as filters
from django import forms
from django.core.exceptions import ValidationError as Invalid
from django.db.models import DateTimeField, F, FloatField, Func, Q, Value
from django.db.models.functions import Coalesce, Concat
from rest_framework.exceptions import ValidationError

from images.access import COARSE_STEPS
from images.listing import across_groups
from images.listing.removals import Wanted
from images.listing.search_plan import ChangedSince, Search, TextMatch
from images.models import Image, Upload, search_vector
from images.photofile import formats

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from images.access import PhotoAccess
    from images.listing.search_plan import SearchPlan
    from images.models import ImageQuerySet, UploadQuerySet

MAX_IDS = 200
MAX_TEXT = 200
FORMATS = [format_.name for format_ in formats.ACCEPTED]

# Taken, as the order by time reads it: without an offset the camera's clock counts as UTC.
TAKEN = Coalesce("taken_at", "taken_at_local", output_field=DateTimeField())
CAMERA = Concat("camera_make", Value(" "), "camera_model")


def coarse(column: str) -> Func:
    """access.coarse() in SQL: the same arithmetic, so what is shown is what is found."""
    template = f"floor(%(expressions)s * {COARSE_STEPS} + 0.5) / {COARSE_STEPS}"
    return Func(F(column), template=template, output_field=FloatField())


# --- Fields ---------------------------------------------------------------------------------


class EachOf(forms.Field):
    """Several values: repeated, or separated by commas."""

    class widget(forms.TextInput):  # noqa: N801 - Django looks for this name
        def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str] | None:
            given = data.getlist(name) if hasattr(data, "getlist") else [data.get(name, "")]
            return [part.strip() for text in given for part in text.split(",")] or None

    def __init__(self, *, one: Callable[[str], Any], at_most: int, **options: Any) -> None:
        super().__init__(**options)
        self.one = one
        self.at_most = at_most

    def to_python(self, value: Any) -> list[Any]:
        if not value:
            return []
        if len(value) > self.at_most:
            raise Invalid(f"Give {self.at_most} values at most, not {len(value)}.")
        return [self.one(text) for text in value]


def one_of(choices: list[str]) -> Callable[[str], str]:
    def one(text: str) -> str:
        if text not in choices:
            raise Invalid(f"Give one or more of {', '.join(choices)}.")
        return text

    return one


def one_id(text: str) -> UUID:
    if not re.fullmatch(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}", text):
        raise Invalid("Give ids as they stand in answers: 01234567-89ab-cdef-0123-456789abcdef.")
    return UUID(text)


class Moment(forms.Field):
    """ISO 8601. Without an offset it is UTC; a date alone is its first moment."""

    def to_python(self, value: str | None) -> datetime | None:
        if not value:
            return None
        # A plus sign that nobody encoded arrives as a space.
        text = re.sub(r"(T[\d:.]+) (\d\d:?\d\d)$", r"\1+\2", value.strip())
        try:
            moment = datetime.fromisoformat(text)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            raise Invalid(
                "Give a time such as 2026-06-21T21:30:00+02:00 or 2026-06-21T19:30:00Z,"
                " or a date such as 2026-06-21; without an offset it is UTC."
            ) from None


class TrueOrFalse(forms.Field):
    def to_python(self, value: str | None) -> bool | None:
        if not value:
            return None
        if value not in {"true", "false"}:
            raise Invalid("Give true or false.")
        return value == "true"


@dataclass(frozen=True)
class Box:
    """Degrees, WGS 84. West of east, unless it crosses the 180th meridian."""

    west: float
    south: float
    east: float
    north: float

    def around(self, latitude: str, longitude: str) -> Q:
        """A condition on the columns of that name."""
        inside = Q((f"{latitude}__range", (self.south, self.north)))
        if self.west <= self.east:
            return inside & Q((f"{longitude}__range", (self.west, self.east)))
        return inside & (Q((f"{longitude}__gte", self.west)) | Q((f"{longitude}__lte", self.east)))


class BoxField(forms.Field):
    def to_python(self, value: str | None) -> Box | None:
        if not value:
            return None
        try:
            west, south, east, north = (float(part) for part in value.split(","))
        except ValueError:
            west = south = east = north = math.nan
        if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
            raise Invalid(
                "Give minLon,minLat,maxLon,maxLat in degrees: longitudes from -180 to 180,"
                " latitudes from -90 to 90, the smaller one first. Only where it crosses the"
                " 180th meridian may minLon be larger than maxLon."
            )
        return Box(west, south, east, north)


# --- Filters --------------------------------------------------------------------------------


class EachOfFilter(filters.Filter):
    field_class = EachOf


class MomentFilter(filters.Filter):
    field_class = Moment


class TrueOrFalseFilter(filters.Filter):
    field_class = TrueOrFalse


class BoxFilter(filters.Filter):
    field_class = BoxField


class CheckedFilters(filters.FilterSet):
    """Takes no empty parameter, and says what is wrong with each."""

    def checked(self) -> Any:
        """The rows that match. Raises ValidationError, which names each wrong parameter."""
        errors: dict[str, Any] = {
            name: ["Give a value, or leave it out."]
            for name in self.filters
            if name in self.data and not self.data[name].strip()
        }
        errors = {**self.errors, **errors}
        if errors:
            raise ValidationError(errors)
        return self.qs


class UploadFilters(CheckedFilters):
    group = EachOfFilter(field_name="image__group", lookup_expr="in", one=one_id, at_most=MAX_IDS)
    status = EachOfFilter(
        field_name="status", lookup_expr="in", one=one_of(Upload.Status.values), at_most=20
    )
    updated_since = MomentFilter(method="changed_since")

    def changed_since(self, rows: UploadQuerySet, _name: str, moment: datetime) -> UploadQuerySet:
        return rows.changed_since(moment)


class ImageFilters(CheckedFilters):
    q = filters.CharFilter(method="containing", max_length=MAX_TEXT)
    group = EachOfFilter(field_name="group", lookup_expr="in", one=one_id, at_most=MAX_IDS)
    status = EachOfFilter(method="in_state", one=one_of(Upload.Status.values), at_most=20)
    moderation = EachOfFilter(
        field_name="moderation", lookup_expr="in", one=one_of(Image.Moderation.values), at_most=20
    )
    uploader = filters.CharFilter(method="sent_by", max_length=MAX_TEXT)
    camera = filters.CharFilter(lookup_expr="icontains", max_length=MAX_TEXT)
    camera_model = filters.CharFilter(lookup_expr="iexact", max_length=MAX_TEXT)
    format = EachOfFilter(method="in_format", one=one_of(FORMATS), at_most=20)
    taken_after = MomentFilter(field_name="taken", lookup_expr="gte")
    taken_before = MomentFilter(field_name="taken", lookup_expr="lt")
    sort_at_after = MomentFilter(field_name="sort_at", lookup_expr="gte")
    sort_at_before = MomentFilter(field_name="sort_at", lookup_expr="lt")
    uploaded_after = MomentFilter(field_name="created_at", lookup_expr="gte")
    uploaded_before = MomentFilter(field_name="created_at", lookup_expr="lt")
    updated_since = MomentFilter(method="left_to_the_plan")
    has_gps = TrueOrFalseFilter(method="with_place")
    may_be_published = TrueOrFalseFilter(method="with_licence")
    bbox = BoxFilter(method="inside")
    ids = EachOfFilter(field_name="id", lookup_expr="in", one=one_id, at_most=MAX_IDS)
    stack = EachOfFilter(method="in_stack", one=one_id, at_most=MAX_IDS)

    trashed = TrueOrFalseFilter(method="in_trash")

    # What matches one of these is found by an index of its own, in whichever group it is.
    SELECTIVE: ClassVar = ("ids", "trashed")
    NARROW_REMOVALS: ClassVar = frozenset({"trashed", "updated_since", "group", "ids"})

    def __init__(self, data: Mapping[str, str], access: PhotoAccess) -> None:
        rows = Image.objects.filter(access.shown()).alias(camera=CAMERA, taken=TAKEN)
        super().__init__(data, rows)
        self.access, self.scope = access, access.scope()

    @classmethod
    def are_asked(cls, data: Mapping[str, str]) -> bool:
        """Most lists are not narrowed, and to build a form costs a tenth of a page."""
        return not cls.base_filters.keys().isdisjoint(data)

    def search(self) -> Search:
        """Returns the search that the parameters ask for. Raises ValidationError, which names each
        wrong parameter."""
        rows: ImageQuerySet = self.checked()
        asked = self.form.cleaned_data
        groups, plan = self.access.groups(), self._plan(asked)
        if not asked["trashed"]:
            rows = rows.kept()
        if asked["updated_since"] and not isinstance(plan, ChangedSince):
            rows = rows.changed_since(asked["updated_since"])
        return Search(
            groups.filter(pk__in=asked["group"]) if asked["group"] else groups,
            rows,
            plan,
            is_selective=any(asked[name] for name in self.SELECTIVE),
            is_wide=not asked["group"] and across_groups.are_many(self.access),
            is_narrowed=not self.data.keys() & self.filters.keys() <= {"q", "group"},
        )

    @staticmethod
    def _plan(asked: dict[str, Any]) -> SearchPlan | None:
        if query := search_vector.query_of(asked["q"]):
            return TextMatch(query)
        return ChangedSince(asked["updated_since"]) if asked["updated_since"] else None

    def removals(self) -> Wanted | None:
        """Returns the query for photos that are gone, if the parameters ask for them.

        Raises ValidationError, as search(), and for what only photos that are here can be asked.
        """
        self.checked()
        asked = self.form.cleaned_data
        if not asked["trashed"] or asked["updated_since"] is None:
            return None
        if more := self.filters.keys() & self.data.keys() - self.NARROW_REMOVALS:
            why = "With trashed and updated_since, only group and ids narrow the list."
            raise ValidationError({name: [why] for name in more})
        return Wanted(asked["updated_since"], groups=asked["group"], ids=asked["ids"])

    def in_trash(self, rows: ImageQuerySet, _name: str, wanted: bool) -> ImageQuerySet:
        if not wanted:
            return rows
        if self.scope.trash_of is None:
            return rows.none()
        return rows.filter(trashed_at__isnull=False, group__in=self.scope.trash_of)

    def containing(self, rows: ImageQuerySet, _name: str, text: str) -> ImageQuerySet:
        """Returns the photos that the plan finds, less those that match only by a filename that is
        not shown."""
        query, shown = search_vector.query_of(text), self.scope.filenames
        if query is None:
            return rows.none()
        return rows.filter(shown | Q(search_vector.matching_shown(query))) if shown else rows

    def sent_by(self, rows: ImageQuerySet, _name: str, name: str) -> ImageQuerySet:
        return rows.filter(self.scope.uploaders, uploader_name__iexact=name)

    def in_state(self, rows: ImageQuerySet, _name: str, wanted: list[str]) -> ImageQuerySet:
        return rows.in_state(wanted)

    def in_format(self, rows: ImageQuerySet, _name: str, wanted: list[str]) -> ImageQuerySet:
        return rows.filter(content_type__in=[f"image/{name}" for name in wanted])

    def left_to_the_plan(self, rows: ImageQuerySet, _name: str, _moment: datetime) -> ImageQuerySet:
        return rows

    def with_place(self, rows: ImageQuerySet, _name: str, wanted: bool) -> ImageQuerySet:
        seen = self.scope.exact_places
        if self.scope.coarse_places is not None:
            seen |= self.scope.coarse_places
        has_place = seen & Q(latitude__isnull=False)
        return rows.filter(has_place) if wanted else rows.exclude(has_place)

    def with_licence(self, rows: ImageQuerySet, _name: str, wanted: bool) -> ImageQuerySet:
        # Who may not know the filename may not know this either.
        agreed = Q(licence__isnull=False) & self.scope.filenames
        return rows.filter(agreed) if wanted else rows.exclude(agreed)

    def in_stack(self, rows: ImageQuerySet, _name: str, wanted: list[UUID]) -> ImageQuerySet:
        # Whom the answer does not tell the stack finds nothing by it.
        return rows.filter(self.scope.filenames, stack_id__in=wanted)

    def inside(self, rows: ImageQuerySet, _name: str, box: Box) -> ImageQuerySet:
        found = self.scope.exact_places & box.around("latitude", "longitude")
        if self.scope.coarse_places is not None:
            rows = rows.alias(coarse_lat=coarse("latitude"), coarse_lon=coarse("longitude"))
            found |= self.scope.coarse_places & box.around("coarse_lat", "coarse_lon")
        return rows.filter(found)
