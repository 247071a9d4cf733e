"""What operators see first in Django admin: what the service holds, what waits, how long photos
take, what failed, and how much is stored."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from bandpics import health
from groups.models import Group, Team
from images.listing import service, stats
from images.models import Image, TakedownRequest, Upload
from invitations.models import Invitation, OutgoingMail

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from django.utils.functional import _StrOrPromise

    from images.listing.numbers import Kept
    from images.listing.service import Waiting

SWEEP_SECONDS = 60  # the sweeper runs six times as often
# Captions may wait for the next day (CAPTION_PER_DAY), and mails for their server.
PATIENCE = {"images": 600, "transforms": 600, "archives": 3600, "deletions": 3600, "audit": 900}
LISTS = {
    "images": ("images_upload", "status__exact=queued"),
    "deletions": ("images_pendingdeletion", ""),
    "mails": ("invitations_outgoingmail", "state__exact=queued"),
}
UNITS = (("TB", 2**40), ("GB", 2**30), ("MB", 2**20), ("KB", 2**10))  # as `filesizeformat`
UNKNOWN = gettext_lazy("unknown")
TOO_SLOW = gettext_lazy("The database took too long to say.")
# Queues, outboxes and kinds of objects, by the names that code has for them.
NAMES = {
    "images": gettext_lazy("Images"),
    "transforms": gettext_lazy("Transforms"),
    "captions": gettext_lazy("Captions"),
    "archives": gettext_lazy("Archives"),
    "deletions": gettext_lazy("Deletions"),
    "mails": gettext_lazy("Mails"),
    "originals": gettext_lazy("Originals"),
    "variants": gettext_lazy("Variants"),
}


@dataclass(frozen=True)
class Figure:
    """One number of the overview, and the list that it counts."""

    label: str
    value: int | _StrOrPromise
    url: str = ""
    is_bad: bool = False


@dataclass(frozen=True)
class Line:
    """One queue or outbox: what waits there."""

    name: str
    waiting: int
    at_work: int
    oldest: str
    messages: int | None  # at the broker, of queues of workers
    url: str
    is_bad: bool


@dataclass(frozen=True)
class Row:
    """One bar of a chart, and one line of the table beside it."""

    label: str
    count: float
    cells: list[str]
    url: str = ""


@dataclass(frozen=True)
class Chart:
    name: str  # in the page
    title: str
    heads: list[str]
    rows: list[Row] = field(default_factory=list)
    nothing: _StrOrPromise = TOO_SLOW  # what it says without rows


def context() -> dict[str, Any]:
    """Returns what the start page shows; the same number of queries always, each of which ends
    within seconds."""
    counted = service.in_time(stats.counted)(Group.objects.kept(), parts=("totals", "days"))
    queues, outboxes = service.queues(), service.outboxes()
    charts = [_uploads(counted), _times(), _failures(), _stored()]
    return {
        "figures": [*_contents(counted), *_health()],
        "waiting": _waiting(queues, outboxes),
        "waiting_nothing": TOO_SLOW if queues is None or outboxes is None else "",
        "charts": charts,
        "counted_at": _counted_at(counted),
    }


def in_words(seconds: int | None) -> str:
    """Says how long that is in its largest unit: "3 min"."""
    if seconds is None:
        return ""
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _counted_at(counted: Kept | None) -> datetime | None:
    return counted.counted_at if counted else None


def _contents(counted: Kept | None) -> list[Figure]:
    totals: dict[str, int] = counted.numbers.get("totals", Counter()) if counted else {}
    nothing = 0 if counted else UNKNOWN
    waiting = Image.objects.filter(group__trashed_at=None).waiting_for_approval()
    takedowns = TakedownRequest.objects.filter(state=TakedownRequest.State.OPEN)
    shown = Group.objects.kept()
    return [
        Figure(
            _("Photos"),
            totals.get("photos", nothing),
            _list("images_image", "trashed_at__isempty=1"),
        ),
        Figure(_("Groups"), _number(shown.count), _list("groups_group", "trashed_at__isempty=1")),
        Figure(_("Teams"), _number(Team.objects.count), _list("groups_team")),
        Figure(
            _("Open links"),
            _number(Invitation.objects.open().count),
            _list("invitations_invitation"),
        ),
        Figure(
            _("Wait for approval"),
            _number(waiting.count),
            _list("images_image", "moderation__exact=pending&trashed_at__isempty=1"),
        ),
        Figure(
            _("Asked to remove"),
            _number(takedowns.count),
            _list("images_takedownrequest", "state__exact=open"),
        ),
        Figure(
            _("In the trash"),
            totals.get("trashed", nothing),
            _list("images_image", "trashed_at__isempty=0"),
        ),
    ]


def _health() -> list[Figure]:
    failed = _number(OutgoingMail.objects.filter(state=OutgoingMail.State.FAILED).count)
    swept = health.seconds_since_sweep()
    return [
        Figure(
            _("Mails given up"),
            failed,
            _list("invitations_outgoingmail", "state__exact=failed"),
            is_bad=bool(failed),
        ),
        Figure(
            _("Seconds since the last sweep"),
            UNKNOWN if swept is None else swept,
            is_bad=swept is None or swept > SWEEP_SECONDS,
        ),
    ]


def _number(count: Callable[[], int]) -> int | _StrOrPromise:
    found = service.in_time(count)()
    return UNKNOWN if found is None else found


def _waiting(*found: list[Waiting] | None) -> list[Line]:
    messages = service.broker_messages() or {}
    return [_line(each, messages.get(each.name)) for lines in found for each in lines or []]


def _line(found: Waiting, messages: int | None) -> Line:
    patience = PATIENCE.get(found.name)
    return Line(
        _name(found.name),
        found.waiting,
        found.at_work,
        in_words(found.oldest_seconds),
        messages,
        _list(*LISTS[found.name]) if found.name in LISTS else "",
        is_bad=patience is not None and (found.oldest_seconds or 0) > patience,
    )


def _name(name: str) -> str:
    return str(NAMES.get(name, name.capitalize()))


def _uploads(counted: Kept | None) -> Chart:
    days = stats.per_day(counted.numbers) if counted else []
    return Chart(
        "uploads",
        _("Uploads per day, last 30 days (UTC)"),
        [pgettext("of a calendar", "Day"), _("Uploads")],
        [
            Row(
                date_format(each["date"], pgettext("day on an axis", "j M")),
                each["count"],
                [str(each["count"])],
            )
            for each in days
        ],
    )


def _times() -> Chart:
    found = service.processing_times()
    return Chart(
        "times",
        _("Milliseconds that 95 of 100 photos took at most (of the latest {number})").format(
            number=number_format(service.LATEST, force_grouping=True)
        ),
        [_("Format"), _("95 of 100, in ms"), _("Median, in ms"), _("Photos")],
        [
            Row(
                each.format.upper(),
                round(each.p95_ms),
                [f"{each.p95_ms:,.0f}", f"{each.median_ms:,.0f}", f"{each.count:,}"],
            )
            for each in found or []
        ],
        nothing=TOO_SLOW if found is None else _("No photo was processed yet."),
    )


def _failures() -> Chart:
    found = service.failures()
    labels = {str(failure.value): str(failure.label) for failure in Upload.Failure}
    rows = [
        Row(
            f"{_name(queue)}: {labels.get(reason, reason)}",
            count,
            [str(count)],
            _list("images_upload", f"failure__exact={reason}") if queue == "images" else "",
        )
        for queue, reasons in (found or {}).items()
        for reason, count in reasons.items()
    ]
    title = _("Failed in the last {days} days").format(days=service.FAILURE_DAYS)
    nothing = TOO_SLOW if found is None else _("Nothing failed.")
    return Chart("failures", title, [_("Reason"), _("How many")], rows, nothing)


def _stored() -> Chart:
    stored = service.stored_bytes()
    found = stored or {}
    most = max(found.values(), default=0)
    unit, size = next((one for one in UNITS if most >= 10 * one[1]), ("bytes", 1))
    rows = [Row(_name(name), n / size, [filesizeformat(n)]) for name, n in found.items()]
    nothing = TOO_SLOW if stored is None else _("The sweeper has not counted yet.")
    title = _("Stored, in {unit}").format(unit=unit)
    return Chart("stored", title, [_("Kind"), _("Size")], rows if most else [], nothing)


def _list(name: str, query: str = "") -> str:
    return reverse(f"admin:{name}_changelist") + (f"?{query}" if query else "")
