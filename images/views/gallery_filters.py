"""What a gallery shows, and in what order: filters, search and dates, of members and guests alike.

The address says it all, so a page works without a script, and can be sent to somebody. Most
parameters are those of the API's list of photos, and ask in the same way. A value that makes no
sense is left out: the page shows what is left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from django.db.models import Count, Exists, OuterRef, Q
from django.http import QueryDict
from django.utils.translation import gettext as _

from groups.models import Group
from images.listing import event_time, overview, pagination, timeline
from images.listing.event_time import Span, on_the_wall
from images.listing.filters import ImageFilters
from images.models import Image, Upload
from images.views import filter_words
from images.views.stacks import Stacks

if TYPE_CHECKING:
    from django.http import HttpRequest

    from images.access import PhotoAccess
    from images.listing.overview import Overview
    from images.listing.search_plan import Search
    from images.models import ImageQuerySet

OF_GUESTS = ("q", "uploader", "during")
OF_MEMBERS = (
    *(*OF_GUESTS, "camera_model", "has_gps", "may_be_published", "moderation", "status"),
    *("bbox", "taken_after", "taken_before"),
)
ORDERINGS: Final = ("-sort_at", "sort_at", "-created_at")
# Photos without a finished version: what became of their upload.
UNFINISHED: Final = {
    "processing": (Upload.Status.QUEUED, Upload.Status.PROCESSING),
    "failed": (Upload.Status.FAILED,),
}
FEW = 12  # values that are shown as chips; more are a list to choose from
YES_OR_NO = ("true", "false")


@dataclass(frozen=True)
class Chip:
    """A value of a filter, and the address of the gallery with it, or without it if it is on."""

    name: str
    value: str
    label: str
    url: str
    count: int | None = None
    is_on: bool = False


@dataclass(frozen=True)
class Facet:
    """A filter with the values it can take."""

    name: str
    label: str
    chips: list[Chip]

    @property
    def is_long(self) -> bool:
        return len(self.chips) > FEW


@dataclass(frozen=True)
class Jump:
    """A date of the group's photos, and the address of the page on which it begins."""

    label: str
    value: str
    url: str
    count: int | None
    is_here: bool
    within: list[Jump]


@dataclass
class GalleryFilters:
    """The filters of one request for the photos of a group.

    `only` narrows what this access sees: pages of guests show what was approved.
    """

    request: HttpRequest
    group: Group
    access: PhotoAccess
    only: Q | None = None

    @cached_property
    def asked(self) -> dict[str, str]:
        """The filters that are on, by their parameters."""
        names = OF_GUESTS if self.access.is_guest else OF_MEMBERS
        given = {name: self.request.GET.get(name, "").strip() for name in names}
        asked = {
            name: value for name, value in given.items() if value and self._is_known(name, value)
        }
        wrong = self._filters(asked).errors
        return {
            name: value for name, value in asked.items() if _API_NAME.get(name, name) not in wrong
        }

    def _is_known(self, name: str, value: str) -> bool:
        if name == "during":
            return self._span(value) is not None
        if name == "status":
            return value in UNFINISHED
        if name == "moderation":
            return value in Image.Moderation.values
        return name not in {"has_gps", "may_be_published"} or value in YES_OR_NO

    def _span(self, text: str) -> Span | None:
        try:
            return Span.parse(text, self.group.zone)
        except ValueError:
            return None

    def _filters(self, asked: dict[str, str]) -> ImageFilters:
        """The same as filters of the API."""
        more = {"group": str(self.group.pk)}
        if span := self._span(asked.get("during", "")):
            more |= {
                "sort_at_after": span.start.isoformat(),
                "sort_at_before": span.end.isoformat(),
            }
        if status := asked.get("status"):
            more["status"] = ",".join(UNFINISHED[status])
        known = {name: value for name, value in asked.items() if name != "during"}
        return ImageFilters(QueryDict(urlencode(known | more)), self.access)

    @cached_property
    def ordering(self) -> str:
        asked = self.request.GET.get("ordering", "")
        return asked if asked in ORDERINGS else pagination.DEFAULT_ORDERING

    @property
    def by_upload(self) -> bool:
        return self.ordering.endswith("created_at")

    @property
    def shows_unfinished(self) -> bool:
        """Whether photos without a finished version are asked for, which have no picture."""
        return "status" in self.asked

    @property
    def is_oldest_first(self) -> bool:
        return not self.ordering.startswith("-")

    @property
    def is_useful(self) -> bool:
        """Whether there is something to search and to filter."""
        return self.overview.total > 1 or bool(self.asked) or any(self.unfinished.values())

    # --- Photos -------------------------------------------------------------------------------

    @cached_property
    def page(self) -> pagination.Filled[Any]:
        """The page of photos. Raises Http404 for a cursor that makes no sense."""
        photos = self.cut.with_variants().defer("exif", "search_vector")
        if self.shows_unfinished:
            photos = photos.with_status()
        page: pagination.Filled[Any] = self.place.filled(list[Any](photos))
        event_time.set_shown_at(page.rows, self.group.zone, by_upload=self.by_upload)
        return page

    @cached_property
    def place(self) -> pagination.Page:
        """Which page is asked for. Raises Http404, as `page`."""
        at = self._span(self.request.GET.get("at", ""))
        return pagination.gallery_place(self.request, ordering=self.ordering, at=at)

    @property
    def cut(self) -> ImageQuerySet:
        """The photos of the page, and one more: see Page.filled()."""
        return self.search().cut(self.place)

    def search(self) -> Search:
        search = self._filters(self.asked).search()
        rows: ImageQuerySet = search.rows.filter(self.only) if self.only else search.rows
        rows = rows.filter(version=0) if self.shows_unfinished else rows.ready()
        return replace(search, rows=self.stacks.narrow(rows))

    @cached_property
    def stacks(self) -> Stacks:
        visible = self.access.shown() if self.only is None else self.only
        return Stacks.asked_for(self.request, visible=visible, is_narrowed=bool(self.asked))

    @property
    def unfinished_photos(self) -> list[tuple[Image, str]]:
        """The photos of the page if they have no picture, and why."""
        return [
            (photo, str(Upload.Failure(photo.failure).label) if photo.failure else "")
            for photo in self.page.rows
        ]

    # --- Numbers ------------------------------------------------------------------------------

    @cached_property
    def overview(self) -> Overview:
        return overview.of(self.group, approved_only=self.only is not None)

    @property
    def count(self) -> int | None:
        """How many photos match, where that is known without counting them."""
        if not self.asked and self.stacks.stack_id is None:
            return self.overview.total
        if self.page.next_url is None and self.page.previous_url is None:
            return len(self.page.rows)
        return None

    @cached_property
    def unfinished(self) -> dict[str, int]:
        """Counts the photos without a finished version by UNFINISHED."""
        rows = Image.objects.in_group(self.group).kept().filter(version=0).order_by()
        counted = dict(rows.values_list("uploads__status").annotate(Count("pk")))
        return {
            name: sum(counted.get(status, 0) for status in statuses)
            for name, statuses in UNFINISHED.items()
        }

    @cached_property
    def _kinds(self) -> dict[str, bool]:
        """Which photos there are, of those that only some groups have."""
        ready = Image.objects.ready().filter(group=OuterRef("pk"))
        kinds = {
            "places": Q(latitude__isnull=False),
            "licences": Q(licence__isnull=False),
            **{state: Q(moderation=state) for state in ("pending", "rejected")},
        }
        rows = Group.objects.filter(pk=self.group.pk)
        found = rows.values(**{f"has_{name}": Exists(ready.filter(q)) for name, q in kinds.items()})
        return {name.removeprefix("has_"): bool(there) for name, there in found[0].items()}

    # --- Addresses ----------------------------------------------------------------------------

    def url(self, **changes: str | None) -> str:
        """The address of the first page with these parameters changed; None leaves one out."""
        asked = {**self.asked, **changes}
        if "ordering" not in changes and self.ordering != pagination.DEFAULT_ORDERING:
            asked["ordering"] = self.ordering
        if "select" in self.request.GET:
            asked["select"] = ""
        return "?" + urlencode({name: value for name, value in asked.items() if value is not None})

    @property
    def select_url(self) -> str:
        """The same photos, to select some."""
        return f"?{urlencode([*self.kept(), ('select', '')])}"

    @property
    def unselect_url(self) -> str:
        return "?" + urlencode(self.kept())

    @property
    def clear_url(self) -> str:
        return self.url(**dict.fromkeys(self.asked))

    def kept(self, *but: str) -> list[tuple[str, str]]:
        """The parameters that a form has to send along, beside those it asks for."""
        found = dict(self.asked)
        if self.ordering != pagination.DEFAULT_ORDERING:
            found["ordering"] = self.ordering
        return [(name, value) for name, value in found.items() if name not in but]

    @property
    def kept_by_search(self) -> list[tuple[str, str]]:
        return self.kept("q")

    @property
    def kept_by_jump(self) -> list[tuple[str, str]]:
        return self.kept("at")

    # --- Chips --------------------------------------------------------------------------------

    def _chip(self, name: str, value: str, label: str, count: int | None = None) -> Chip:
        is_on = self.asked.get(name, "").casefold() == value.casefold()
        url = self.url(**{name: None if is_on else value})
        return Chip(name, value, label, url, count, is_on)

    @cached_property
    def chips(self) -> list[Chip]:
        """The filters that are on; the address of each is without it."""
        return [
            Chip(
                name,
                value,
                filter_words.of(name, value, self.group.zone),
                self.url(**{name: None}),
                is_on=True,
            )
            for name, value in self.asked.items()
        ]

    @cached_property
    def facets(self) -> list[Facet]:
        """The filters that can be set, those without a choice left out."""
        facets = [
            Facet(
                "uploader",
                _("From"),
                [
                    self._chip("uploader", name, name, count)
                    for name, count in self.overview.uploaders
                ],
            ),
            Facet("during", _("Day"), self._days()),
        ]
        if not self.access.is_guest:
            cameras = self.overview.cameras
            facets += [
                Facet(
                    "camera_model",
                    _("Camera"),
                    [self._chip("camera_model", name, name, count) for name, count in cameras],
                ),
                Facet("more", _("Only"), self._more()),
            ]
        return [facet for facet in facets if len(facet.chips) > (facet.name != "more")]

    def _days(self) -> list[Chip]:
        days = timeline.grouped(list(self.overview.hours), "day")
        if len(days) > timeline.MOST:
            return []
        chips = []
        for at, hours in days:
            text = f"{at:%Y-%m-%d}"
            count = sum(count for _, count in hours)
            chips.append(self._chip("during", text, filter_words.of_date(text, at), count))
        return chips

    def _more(self) -> list[Chip]:
        chips = []
        if self._kinds["places"]:
            chips.append(self._chip("has_gps", "true", filter_words.YES["has_gps"]()))
        if self._kinds["licences"]:
            chips.append(
                self._chip("may_be_published", "true", filter_words.YES["may_be_published"]())
            )
        chips += [
            self._chip("moderation", state, filter_words.MODERATION[state]())
            for state in ("pending", "rejected")
            if self._kinds[state]
        ]
        if chips and (self._kinds["pending"] or self._kinds["rejected"]):
            chips.append(
                self._chip("moderation", "approved", filter_words.MODERATION["approved"]())
            )
        return chips + [
            self._chip("status", name, filter_words.UNFINISHED[name](), count)
            for name, count in self.unfinished.items()
            if count
        ]

    @property
    def orders(self) -> list[Chip]:
        labels = (_("Newest first"), _("Oldest first"), _("Last sent first"))
        return [
            Chip("ordering", name, label, self.url(ordering=name), is_on=name == self.ordering)
            for name, label in zip(ORDERINGS, labels, strict=True)
        ]

    # --- The dates at the side ----------------------------------------------------------------

    @cached_property
    def jumps(self) -> list[Jump]:
        """The dates to jump to; none where one page shows all, or the order is not theirs."""
        is_short = self.overview.total <= pagination.GALLERY_LIMIT
        if is_short or self.by_upload or self.shows_unfinished:
            return []
        rows = self.page.rows
        here = on_the_wall(rows[0].sort_at, self.group.zone) if rows else None
        hours = self.overview.hours if self.ordering.startswith("-") else self.overview.hours[::-1]
        return self._jumps(timeline.dates_of(hours, here=here))

    def _jumps(self, dates: list[timeline.Date]) -> list[Jump]:
        return [
            Jump(
                filter_words.of_date(date.text, date.at, is_short=True),
                date.text,
                self.url(at=date.text),
                None if self.asked else date.count,
                date.is_here,
                self._jumps(date.within),
            )
            for date in dates
        ]


# The parameter of the API that a filter becomes, where its name is another.
_API_NAME = {"during": "sort_at_after"}
