"""What a photo says of itself, as people read it: when and how it was taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from images.models import Image
from images.photofile.metadata import capture_time, exif_fields, exif_words
from images.templatetags import photos

if TYPE_CHECKING:
    from datetime import datetime

    from groups.models import Group

# Codes by which a camera says that it says nothing.
NOTHING_SAID = {exif_words.METERING_MODE[0], exif_words.EXPOSURE_PROGRAM[0]}
FLASH_FIRED = 1  # the first bit of EXIF's Flash


def exposure_line(image: Image) -> str:
    """`f/1.8 · 1/120 s · ISO 64 · 26 mm`, of what the camera wrote."""
    parts = []
    if image.aperture:
        parts.append(f"f/{photos.short(image.aperture)}")
    if image.exposure_time:
        parts.append(photos.exposure(image.exposure_time))
    if image.iso:
        parts.append(f"ISO{photos.NBSP}{image.iso}")
    if millimetres := _focal_length(image):
        parts.append(f"{photos.short(millimetres)}{photos.NBSP}mm")
    if image.flash is not None and image.flash & FLASH_FIRED:
        parts.append(_("flash"))
    return " · ".join(parts)


def camera_settings(image: Image) -> str:
    """`Flash fired, auto mode · Metering: Pattern · …`, of the codes the camera wrote, in words."""
    said = {name: words.get(getattr(image, name)) for name, words in exif_fields.WORDS.items()}
    shown = {name: _(words) for name, words in said.items() if words and words not in NOTHING_SAID}
    sentences = {
        "metering_mode": _("Metering: {words}"),
        "exposure_program": _("Exposure program: {words}"),
    }
    return " · ".join(
        sentences.get(name, "{words}").format(words=words) for name, words in shown.items()
    )


def _focal_length(image: Image) -> float | None:
    """Returns millimetres on 35 mm film where the camera says them, else those of the lens: the
    lens of a phone has 7 mm, and people know it as 26."""
    equivalent = image.exif.get("Exif", {}).get("FocalLengthIn35mmFilm")
    if isinstance(equivalent, int | float) and equivalent > 0:
        return equivalent
    return image.focal_length


@dataclass(frozen=True)
class When:
    """The time of a photo, and in what sense it is meant."""

    text: str
    note: str
    machine: str  # ISO 8601, for <time>


def when_taken(image: Image, group: Group) -> When | None:
    """Returns when a photo was taken: in the group's time zone if the moment is known, else by the
    clock that was read. None if nobody knows."""
    local = image.taken_at_local
    if local is None:
        return None
    clock = local.replace(tzinfo=None)
    by_person = image.taken_source == Image.TimeSource.PERSON
    if image.taken_at is None:
        note = _("As somebody said.") if by_person else _("By the camera's clock.")
        return When(_second(clock), note, clock.isoformat())
    here = image.taken_at.astimezone(group.zone)
    zone = group.time_zone.replace("_", " ")
    note = _("In the group's time zone: {zone}.").format(zone=zone)
    if here.replace(tzinfo=None) != clock:
        clock_text = _second(clock) if clock.date() != here.date() else _time(clock)
        note += " " + _as_said(clock_text, image.utc_offset_minutes, by_person=by_person)
    return When(_second(here), note, here.isoformat())


def _as_said(time: str, offset_minutes: int | None, *, by_person: bool) -> str:
    offset = capture_time.offset_text(offset_minutes)
    if by_person:
        return _("Somebody said: {time}, UTC{offset}.").format(time=time, offset=offset or "")
    if offset is None:
        return _("The camera's clock said: {time}.").format(time=time)
    return _("The camera said: {time}, UTC{offset}.").format(time=time, offset=offset)


def _time(moment: datetime) -> str:
    return date_format(moment, pgettext("date format", "H:i:s"))


def _second(moment: datetime) -> str:
    return date_format(moment, pgettext("date format", "j F Y, H:i:s"))


def moment_in(group: Group, moment: datetime) -> str:
    """Returns a moment to the minute, in the group's time zone."""
    here = moment.astimezone(group.zone)
    return date_format(here, pgettext("date format", "j F Y, H:i"))
