"""The page that shows owners the photos of their group in numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext
from django.views.decorators.http import require_POST, require_safe

from groups.models import Group
from images.captions import deciding
from images.listing import overview, stats
from images.views.desk import OWNER, Desk, desk_page

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from django.http import HttpRequest, HttpResponse

MAX_BARS = 96
# What the moments of one bar share: an hour, a day, a month, a year.
UNITS: tuple[dict[str, int], ...] = (
    {},
    {"hour": 0},
    {"hour": 0, "day": 1},
    {"hour": 0, "day": 1, "month": 1},
)
STATES = {
    "pending": gettext_lazy("Announced, not arrived"),
    "queued": gettext_lazy("Waiting for a worker"),
    "processing": gettext_lazy("Being processed"),
    "failed": gettext_lazy("Failed"),
}


@dataclass(frozen=True)
class Row:
    """One bar of a chart, and one line of the table beside it."""

    label: str
    count: int
    bytes: int | None = None


@dataclass(frozen=True)
class Chart:
    name: str  # in the page
    title: str
    of: str  # heading of the labels
    rows: list[Row]

    @property
    def has_bytes(self) -> bool:
        return any(row.bytes is not None for row in self.rows)

    @property
    def most(self) -> Row:
        return max(self.rows, key=lambda row: row.count)


@desk_page(needs=OWNER)
@require_safe
def group_stats(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Shows charts and tables."""
    found = stats.of(Group.objects.filter(pk=desk.group.pk))
    charts = [chart for chart in _charts(desk.group, found) if any(row.count for row in chart.rows)]
    waiting = [(STATES[name], found.statuses[name]) for name in STATES if found.statuses[name]]
    context = desk.context(
        numbers=found, charts=charts, waiting=waiting, captions_on=settings.CAPTIONS_ON
    )
    return render(request, "groups/stats.html", context)


@desk_page(needs=OWNER)
@require_POST
def retry_captions(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Has a model asked again for captions that failed."""
    if count := deciding.retry_of_group(desk.group):
        text = ngettext(
            "A model will be asked about %(count)d photo again.",
            "A model will be asked about %(count)d photos again.",
            count,
        )
        messages.success(request, text % {"count": count})
    else:
        messages.warning(request, _("None can be tried again now. Look again tomorrow."))
    return redirect("group-stats", desk.group.pk)


def _charts(group: Group, found: stats.Stats) -> list[Chart]:
    day = pgettext("of a calendar", "Day")
    return [
        Chart("taken", _("By the time they were taken"), _("Time"), _times(group)),
        Chart(
            "arrived",
            _("Uploads of the last 30 days"),
            day,
            [Row(_day(each["date"]), each["count"]) for each in found.uploads_per_day],
        ),
        Chart(
            "uploaders",
            _("By uploader"),
            _("Name"),
            _uploaders(found),
        ),
        Chart("cameras", _("By camera"), _("Camera"), _cameras(found)),
        Chart(
            "formats",
            _("By format"),
            _("Format"),
            [Row(each["format"].upper(), each["count"]) for each in found.formats],
        ),
        Chart("sizes", _("By size of the file"), _("Size"), _sizes(found)),
    ]


def _uploaders(found: stats.Stats) -> list[Row]:
    """Photos of guests who gave no name share the last bar."""
    rows = [Row(each["name"], each["count"], each["bytes"]) for each in found.uploaders]
    if found.unnamed_photos:
        rows.append(Row(_("without a name"), found.unnamed_photos, found.unnamed_bytes))
    return rows


def _cameras(found: stats.Stats) -> list[Row]:
    """One bar for each label: some cameras name their maker in the model, some in both."""
    counts = Counter[str]()
    for each in found.cameras:
        make, model = each["make"], each["model"]
        counts[model if model.startswith(make) else f"{make} {model}".strip()] += each["count"]
    return [Row(label, count) for label, count in counts.most_common()]


def _sizes(found: stats.Stats) -> list[Row]:
    bounds = [each["below"] for each in found.sizes if each["below"]]
    labels = [_("< {megabytes} MB").format(megabytes=number_format(below)) for below in bounds]
    labels.append(_("≥ {megabytes} MB").format(megabytes=number_format(bounds[-1])))
    return [Row(label, each["count"]) for label, each in zip(labels, found.sizes, strict=True)]


def _times(group: Group) -> list[Row]:
    """By hour; by day, month or year where that would be too many bars, and then the latest."""
    hours = overview.of(group).hours
    has_years = {at.year for at, _ in hours} != {timezone.now().astimezone(group.zone).year}
    bars_of_units = [_bars(hours, shared) for shared in UNITS]
    few = (unit for unit, bars in enumerate(bars_of_units) if len(bars) <= MAX_BARS)
    unit = next(few, len(UNITS) - 1)
    bars = bars_of_units[unit]
    return [
        Row(_moment(at, unit, has_years=has_years), bars[at]) for at in sorted(bars)[-MAX_BARS:]
    ]


def _bars(hours: Iterable[tuple[datetime, int]], shared: dict[str, int]) -> Counter[datetime]:
    bars: Counter[datetime] = Counter()
    for at, count in hours:
        bars[_start(at, shared)] += count
    return bars


def _moment(at: datetime, unit: int, *, has_years: bool) -> str:
    day_of_a_year = pgettext("day of a year on an axis", "j M Y")
    if unit == 0:
        day = date_format(at, day_of_a_year) if has_years else _day(at)
        return f"{day} {date_format(at, 'H:i')}"
    if unit == 1:
        return date_format(at, day_of_a_year)
    return date_format(at, pgettext("month on an axis", "M Y") if unit == 2 else "Y")


def _day(at: Any) -> str:
    return date_format(at, pgettext("day on an axis", "j M"))


def _start(at: datetime, shared: dict[str, int]) -> datetime:
    month, day, hour = (shared.get(name, getattr(at, name)) for name in ("month", "day", "hour"))
    return at.replace(month=month, day=day, hour=hour)
