"""The words for what a gallery is filtered by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from images.listing.event_time import Span, on_the_wall

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, tzinfo

MODERATION: Final[dict[str, Callable[[], str]]] = {
    "pending": lambda: _("Waiting for approval"),
    "approved": lambda: _("Approved"),
    "rejected": lambda: _("Rejected"),
}
UNFINISHED: Final[dict[str, Callable[[], str]]] = {
    "processing": lambda: _("Being processed"),
    "failed": lambda: _("Failed"),
}
YES: Final[dict[str, Callable[[], str]]] = {
    "has_gps": lambda: _("With a place"),
    "may_be_published": lambda: _("May be published"),
}
NO: Final[dict[str, Callable[[], str]]] = {
    "has_gps": lambda: _("Without a place"),
    "may_be_published": lambda: _("May not be published"),
    "bbox": lambda: _("In a part of the map"),
}
_FORMATS: Final[dict[int, tuple[Callable[[], str], Callable[[], str]]]] = {
    # By the length of the text: in full, and below the date it is a part of.
    4: (lambda: pgettext("date format", "Y"), lambda: pgettext("date format", "Y")),
    7: (lambda: pgettext("date format", "F Y"), lambda: pgettext("date format", "F Y")),
    10: (lambda: pgettext("date format", "D, j F Y"), lambda: pgettext("date format", "D, j M")),
    13: (lambda: pgettext("date format", "j F Y, H:00"), lambda: pgettext("date format", "H:00")),
}


def of_date(text: str, at: datetime, *, is_short: bool = False) -> str:
    """Returns a year, month, day or hour, as Span.parse() reads it, in words."""
    return date_format(at, _FORMATS[len(text)][is_short]())


def of(name: str, value: str, zone: tzinfo) -> str:
    """Returns a filter that is on in words."""
    if name == "q":
        return _("“{words}”").format(words=value)
    if name == "during":
        return of_date(value, Span.parse(value, zone).first)
    if name == "status":
        return UNFINISHED[value]()
    if name == "moderation":
        return MODERATION[value]()
    if name in {"taken_after", "taken_before"} and (moment := parse_datetime(value)):
        at = on_the_wall(moment, zone) if moment.tzinfo else moment
        format_ = _("From {moment}") if name == "taken_after" else _("Until {moment}")
        return format_.format(moment=date_format(at, pgettext("date format", "j F Y H:i")))
    known = YES if value == "true" else NO
    return known[name]() if name in known else value
