"""Keyset paging over photos: the hundredth page costs what the first does.

A cursor holds the last row's place in the order. The next page starts after that place by a row
comparison an index answers, whatever was added meanwhile.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar
from uuid import UUID

from django.db.models import BooleanField, Expression, F, Func, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import GreaterThan, LessThan
from django.http import Http404
from rest_framework.exceptions import ValidationError
from rest_framework.utils.urls import remove_query_param, replace_query_param

from images.models import BEFORE_ALL_TIME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

    from django.http import HttpRequest
    from rest_framework.request import Request

    from images.listing.event_time import Span
    from images.models import ImageQuerySet

DEFAULT_LIMIT = 50
GALLERY_LIMIT = 60
MAX_LIMIT = 200
MAX_OFFSET = 10_000

DEFAULT_ORDERING = "-sort_at"
NEWEST_FIRST = "-created_at"
NO_CURSOR = "This is no cursor of this list. Take it from `next` or `previous`."
# What may be asked for, and the column it means.
ORDERINGS = {
    "sort_at": "sort_at",
    "taken_at": "taken_at",
    "created_at": "created_at",
    "uploaded_at": "created_at",
    "updated_at": "updated_at",
    "byte_size": "byte_size",
    "original_filename": "original_filename",
}
# Columns that have two indexes in their order: of each group, and of all photos.
_INDEXED = {"sort_at", "created_at", "updated_at"}
# Nothing sorts last, in either direction: (stands for it downwards, upwards).
_NOTHING: dict[str, tuple[Any, Any]] = {
    "taken_at": (BEFORE_ALL_TIME, datetime(9999, 12, 31, tzinfo=UTC)),
    "byte_size": (-1, 2**63 - 1),
}


class Placed(Protocol):
    """A row, or a photo, that has its id and the column it is sorted by."""

    @property
    def id(self) -> UUID: ...


Row = TypeVar("Row", bound=Placed)


@dataclass(frozen=True)
class Ordering:
    """One of ORDERINGS, `-` in front for downwards; the id breaks ties the same way."""

    name: str

    @property
    def is_descending(self) -> bool:
        return self.name.startswith("-")

    @property
    def column(self) -> str:
        return ORDERINGS[self.name.removeprefix("-")]

    @property
    def has_index(self) -> bool:
        """Whether reading the beginning of a group in this order costs nothing more the larger the
        group is."""
        return self.column in _INDEXED or self.name == "-taken_at"

    @property
    def has_index_of_all(self) -> bool:
        """Whether reading the beginning of all photos in this order costs nothing more either."""
        return self.column in _INDEXED

    @property
    def key(self) -> Expression | F:
        """The expression that rows are sorted by. It is never NULL, so that one comparison places
        every row."""
        if self.column not in _NOTHING:
            return F(self.column)
        return Coalesce(F(self.column), Value(self._nothing))

    @property
    def _nothing(self) -> Any:
        downwards, upwards = _NOTHING[self.column]
        return downwards if self.is_descending else upwards

    def key_of(self, row: Placed) -> Any:
        value = getattr(row, self.column)
        return self._nothing if value is None else value

    def sort(self, rows: ImageQuerySet, *, backwards: bool = False) -> ImageQuerySet:
        key = self.key
        if self.is_descending != backwards:
            return rows.order_by(key.desc(), "-id")
        return rows.order_by(key.asc(), "id")

    def beyond(self, rows: ImageQuerySet, cursor: Cursor) -> ImageQuerySet:
        """The rows after the cursor's place; before it, if it looks backwards."""
        here = _Row(self.key, F("id"))
        there = _Row(Value(cursor.key), Value(cursor.id))
        is_smaller = self.is_descending != cursor.backwards
        return rows.filter(LessThan(here, there) if is_smaller else GreaterThan(here, there))


class _Row(Func):
    """SQL's row constructor: rows compare like words in a dictionary, and an index knows how."""

    function = "ROW"
    output_field = BooleanField()  # Django wants some type; Postgres compares piece by piece


@dataclass(frozen=True)
class Cursor:
    ordering: str
    backwards: bool
    key: Any
    id: UUID

    def encode(self) -> str:
        key = self.key.isoformat() if isinstance(self.key, datetime) else self.key
        text = json.dumps([self.ordering, self.backwards, key, self.id.hex], ensure_ascii=False)
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Self:
        """Raises ValueError for anything that encode() did not write."""
        try:
            padded = text.encode("ascii") + b"=" * (-len(text) % 4)
            ordering, backwards, key, hex_id = json.loads(
                base64.b64decode(padded, altchars=b"-_", validate=True)
            )
            column = ORDERINGS[ordering.removeprefix("-")]
            return cls(ordering, bool(backwards), _parsed(column, key), UUID(hex=hex_id))
        except (
            *(binascii.Error, UnicodeError, TypeError, AttributeError),
            *(KeyError, OverflowError, RecursionError),
        ) as error:
            raise ValueError("This is no cursor.") from error


def _parsed(column: str, key: Any) -> Any:
    if column == "byte_size":
        if type(key) is not int or not -1 <= key < 2**63:
            raise ValueError(key)
        return key
    if not isinstance(key, str) or "\0" in key:
        raise ValueError(key)
    if column == "original_filename":
        key.encode()  # a lone surrogate is no text
        return key
    moment = datetime.fromisoformat(key)
    if moment.tzinfo is None:
        raise ValueError(key)
    return moment.astimezone(UTC)


# --- Pages ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Page:
    """Which part of a list is asked for: so many rows from a cursor, or from an offset."""

    url: str
    ordering: Ordering
    limit: int
    cursor: Cursor | None = None
    offset: int | None = None

    @classmethod
    def asked_for(
        cls,
        request: Request,
        *,
        known: Set[str] = ORDERINGS.keys(),
        default: str = DEFAULT_ORDERING,
    ) -> Self:
        """`known` names the orderings that may be asked for.

        Raises ValidationError, which names each parameter that makes no sense.
        """
        asked: Mapping[str, str] = request.query_params
        errors: dict[str, list[str]] = {}
        limit = _number(asked, "limit", errors, at_least=1, at_most=MAX_LIMIT)
        offset = _number(asked, "offset", errors, at_least=0, at_most=MAX_OFFSET)
        skip = _number(asked, "skip", errors, at_least=0, at_most=MAX_OFFSET)
        if offset is not None and skip is not None:
            errors["skip"] = ["Give either offset or skip: they mean the same."]
        offset = skip if offset is None else offset
        cursor = _cursor(asked, errors)
        if cursor and offset is not None:
            errors["cursor"] = ["Give either a cursor or an offset."]
        ordering = _ordering(asked, cursor, errors, known=known, default=default)
        if errors:
            raise ValidationError(errors)
        return cls(request.build_absolute_uri(), ordering, limit or DEFAULT_LIMIT, cursor, offset)

    @classmethod
    def newest_first(cls, request: Request, *, default_limit: int = DEFAULT_LIMIT) -> Self:
        """Returns the page of a list that has this order alone. Raises ValidationError, as
        asked_for()."""
        asked: Mapping[str, str] = request.query_params
        errors: dict[str, list[str]] = {}
        limit = _number(asked, "limit", errors, at_least=1, at_most=MAX_LIMIT)
        cursor = _cursor(asked, errors)
        if cursor and cursor.ordering != NEWEST_FIRST:
            errors["cursor"] = [NO_CURSOR]
        if errors:
            raise ValidationError(errors)
        url = request.build_absolute_uri()
        return cls(url, Ordering(NEWEST_FIRST), limit or default_limit, cursor)

    @property
    def backwards(self) -> bool:
        return self.cursor is not None and self.cursor.backwards

    @property
    def is_downwards(self) -> bool:
        """Whether the rows are read in descending order."""
        return self.ordering.is_descending != self.backwards

    @property
    def end(self) -> int:
        """So many rows are up to the end of the page, and one more."""
        return (self.offset or 0) + self.limit + 1

    def cut(self, rows: Any) -> Any:
        """The page, in the order it is read, and one row more, which tells whether there is
        another page."""
        return self.sorted(rows)[self.offset or 0 : self.end]

    def head(self, rows: ImageQuerySet) -> ImageQuerySet:
        """All rows up to the end of the page, and one more."""
        return self.sorted(rows)[: self.end]

    def places(self, cut: ImageQuerySet) -> list[Any]:
        """Ids and places in the order alone: enough for filled(). One query."""
        columns = dict.fromkeys(["id", self.ordering.column])
        return list(cut.values_list(*columns, named=True))

    def sorted(self, rows: ImageQuerySet) -> ImageQuerySet:
        """The rows from the page on, in the order they are read."""
        return self.ordering.sort(self.beyond(rows), backwards=self.backwards)

    def beyond(self, rows: ImageQuerySet) -> ImageQuerySet:
        """The rows from the page on."""
        return self.ordering.beyond(rows, self.cursor) if self.cursor else rows

    def filled(self, cut: Sequence[Row]) -> Filled[Row]:
        """The page and its neighbours' addresses, from the rows that cut() gave."""
        has_more = len(cut) > self.limit
        rows = list(cut[: self.limit])
        if self.backwards:
            rows.reverse()
        if self.offset is None:
            older = self._from(rows, -1) if has_more or self.backwards else None
            newer = self._from(rows, 0) if (has_more if self.backwards else self.cursor) else None
        else:
            older = self._at_offset(self.offset + self.limit, rows) if has_more else None
            newer = self._at_offset(max(0, self.offset - self.limit), rows) if self.offset else None
        return Filled(rows, next_url=older, previous_url=newer)

    def _from(self, rows: Sequence[Placed], index: int) -> str:
        """The page after the last row, or before the first."""
        backwards = index == 0
        if rows:
            row = rows[index]
            key = self.ordering.key_of(row)
            cursor = Cursor(self.ordering.name, backwards, key, row.id)
        else:  # all of it was deleted meanwhile: turn round where we are
            assert self.cursor is not None  # noqa: S101 - without one there are no neighbours
            cursor = self._turned_round(self.cursor)
        return replace_query_param(self.url, "cursor", cursor.encode())

    def _turned_round(self, cursor: Cursor) -> Cursor:
        """Returns the cursor that reads the other way, from the row on which this one stands."""
        place = cursor.id.int + (-1 if self.is_downwards else 1)
        beside = UUID(int=min(max(place, 0), 2**128 - 1))
        return replace(cursor, backwards=not cursor.backwards, id=beside)

    def _at_offset(self, offset: int, rows: Sequence[Placed]) -> str:
        url = remove_query_param(remove_query_param(self.url, "skip"), "offset")
        if offset > MAX_OFFSET:
            return replace(self, url=url)._from(rows, -1)
        return replace_query_param(url, "offset", offset)


@dataclass(frozen=True)
class Filled(Generic[Row]):
    rows: list[Row]
    next_url: str | None
    previous_url: str | None


def _number(
    asked: Mapping[str, str],
    name: str,
    errors: dict[str, list[str]],
    *,
    at_least: int,
    at_most: int,
) -> int | None:
    if name not in asked:
        return None
    text = asked[name]
    if text.isascii() and text.isdigit() and len(text) < 10 and at_least <= int(text) <= at_most:
        return int(text)
    errors[name] = [f"Give a whole number from {at_least} to {at_most}."]
    if name != "limit":
        errors[name][0] += " To go further, follow `next`: its cursor has no limit."
    return None


def _cursor(asked: Mapping[str, str], errors: dict[str, list[str]]) -> Cursor | None:
    if "cursor" not in asked:
        return None
    try:
        return Cursor.decode(asked["cursor"])
    except ValueError:
        errors["cursor"] = [NO_CURSOR]
        return None


def _ordering(
    asked: Mapping[str, str],
    cursor: Cursor | None,
    errors: dict[str, list[str]],
    *,
    known: Set[str],
    default: str,
) -> Ordering:
    name = asked.get("ordering", cursor.ordering if cursor else default)
    if name.removeprefix("-") not in known:
        names = ", ".join(sorted(known))
        errors["ordering"] = [f"Order by one of {names}; with a - in front, downwards."]
    elif cursor and cursor.ordering != name:
        errors["cursor"] = [
            f"This cursor is of the list ordered by {cursor.ordering}. Start without a cursor."
        ]
    return Ordering(name)


# --- The gallery page -----------------------------------------------------------------------


def gallery_page(images: ImageQuerySet, request: HttpRequest) -> Filled[Any]:
    """A page of a group's gallery. A cursor that makes no sense is an address without page."""
    page = gallery_place(request)
    return page.filled(list(page.cut(images)))


def gallery_place(
    request: HttpRequest, *, ordering: str = DEFAULT_ORDERING, at: Span | None = None
) -> Page:
    """Returns which page of a gallery is asked for; without a cursor, the one on which the photos
    of `at` begin. Raises Http404 for a cursor that makes no sense."""
    errors: dict[str, list[str]] = {}
    cursor = _cursor(request.GET, errors)
    if errors or (cursor and cursor.ordering != ordering):
        raise Http404
    if cursor is None and at is not None and ordering.removeprefix("-") == "sort_at":
        cursor = _before(at, ordering)
    url = remove_query_param(request.build_absolute_uri(), "at")
    return Page(url, Ordering(ordering), GALLERY_LIMIT, cursor)


def _before(span: Span, ordering: str) -> Cursor:
    """The place just before the photos of the span, in this order."""
    if ordering.startswith("-"):
        return Cursor(ordering, backwards=False, key=span.end, id=UUID(int=0))
    return Cursor(ordering, backwards=False, key=span.start, id=UUID(int=0))
