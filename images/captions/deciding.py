"""What hosts decide about a generated caption: correct it, hide it, show it again."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models.functions import Now

from images import history
from images.captions import plain_text
from images.models import GeneratedCaption, Image, PhotoChange

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bandpics.users.models import User

State = GeneratedCaption.State
Kind = PhotoChange.Kind


class NoCaption(Exception):
    """The photo has no generated caption: it waits, failed, or is not wanted."""


class ChangedMeanwhile(Exception):
    """The text is not what the caller has seen."""


def of(image: Image) -> GeneratedCaption | None:
    """Returns the row of a photo, in whatever state."""
    return GeneratedCaption.objects.filter(image=image.pk).first()


def correct(image: Image, text: str, *, by: User, expected: str | None = None) -> None:
    """Replaces the text, if it is still the `expected` one. Raises NoCaption, ChangedMeanwhile,
    plain_text.Nonsense."""
    words = plain_text.plain(text)
    with _written(image) as (photo, caption):
        if expected is not None and caption.text != expected:
            raise ChangedMeanwhile
        if words != caption.text:
            GeneratedCaption.objects.filter(pk=caption.pk).update(text=words, is_corrected=True)
            history.record([photo], Kind.GENERATED_CAPTION, by=by)


def hide(image: Image, *, by: User) -> None:
    """Shows it nowhere any more. Safe to call twice. Raises NoCaption."""
    with _written(image) as (photo, caption):
        if caption.hidden_at is None:
            GeneratedCaption.objects.filter(pk=caption.pk).update(hidden_at=Now())
            history.record([photo], Kind.CAPTION_HIDDEN, by=by)


def show(image: Image, *, by: User) -> None:
    """Shows it again. Safe to call twice. Raises NoCaption."""
    with _written(image) as (photo, caption):
        if caption.hidden_at is not None:
            GeneratedCaption.objects.filter(pk=caption.pk).update(hidden_at=None)
            history.record([photo], Kind.CAPTION_SHOWN, by=by)


@contextmanager
def _written(image: Image) -> Iterator[tuple[Image, GeneratedCaption]]:
    """Holds a photo that is not in the trash, and its caption."""
    with transaction.atomic():
        photos = Image.objects.kept().select_for_update(no_key=True).only("uploader_name")
        photo = photos.filter(pk=image.pk).first()
        caption = GeneratedCaption.objects.filter(image=image.pk, state=State.DONE).first()
        if photo is None or caption is None:
            raise NoCaption
        yield photo, caption
