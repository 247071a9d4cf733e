"""The history of a photo in sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from images import history
from images.models import Image, PhotoChange
from images.views import photo_facts

if TYPE_CHECKING:
    from django.utils.safestring import SafeString

AT_MOST = 50
Kind = PhotoChange.Kind
SENTENCES: dict[str, Any] = {
    Kind.DESCRIPTION: gettext_lazy("{name} changed the description"),
    Kind.CAPTION: gettext_lazy("{name} changed the caption"),
    Kind.GENERATED_CAPTION: gettext_lazy("{name} corrected what a model wrote"),
    Kind.CAPTION_HIDDEN: gettext_lazy("{name} hid what a model wrote"),
    Kind.CAPTION_SHOWN: gettext_lazy("{name} showed again what a model wrote"),
    Kind.DATE: gettext_lazy("{name} changed when it was taken"),
    Kind.CLOCK: gettext_lazy("{name} corrected the clock of the camera"),
    Kind.PLACE: gettext_lazy("{name} changed the place"),
    Kind.PLACE_FORGOTTEN: gettext_lazy("{name} had the place forgotten"),
    Kind.REPLACED: gettext_lazy("{name} replaced the file"),
    Kind.MOVED: gettext_lazy("{name} moved it from another group"),
    Kind.TRASHED: gettext_lazy("{name} moved it to the trash"),
    Kind.RESTORED: gettext_lazy("{name} took it out of the trash"),
    Kind.APPROVED: gettext_lazy("{name} approved it"),
    Kind.REJECTED: gettext_lazy("{name} rejected it"),
    Kind.UNDECIDED: gettext_lazy("{name} made it wait for approval again"),
    Kind.REMOVAL_ASKED: gettext_lazy("{name} asked for its removal"),
    Kind.MADE_FROM: gettext_lazy("{name} made it from {photo}"),
}


@dataclass(frozen=True)
class Line:
    """One change, as the page tells it."""

    sentence: SafeString
    at: str
    machine: str  # ISO 8601


def lines(image: Image) -> list[Line]:
    """Returns who changed what, latest first; at the end who sent the photo."""
    found = list(history.of(image)[: AT_MOST + 1])
    shown = [
        Line(
            _with_name(
                SENTENCES[change.kind], history.name_of(change), photo=_origin(change, image)
            ),
            photo_facts.moment_in(image.group, change.created_at),
            change.created_at.isoformat(),
        )
        for change in found[:AT_MOST]
    ]
    if len(found) > AT_MOST:
        return shown
    sent = _with_name(_("{name} sent it"), image.uploader_name)
    at = photo_facts.moment_in(image.group, image.created_at)
    return [*shown, Line(sent, at, image.created_at.isoformat())]


def _with_name(sentence: Any, name: str, **values: Any) -> SafeString:
    shown_name = format_html("<bdi>{}</bdi>", name or _("Somebody"))
    return format_html(str(sentence), name=shown_name, **values)


def _origin(change: PhotoChange, image: Image) -> SafeString | str:
    """Returns the photo of which this one was made: a link while it is in the same group."""
    if change.kind != Kind.MADE_FROM:
        return ""
    words, origin_id = _("another photo"), change.details["image"]
    if not Image.objects.ready().filter(pk=origin_id, group=image.group_id).exists():
        return words
    return format_html('<a href="{}">{}</a>', reverse("photo", args=[origin_id]), words)
