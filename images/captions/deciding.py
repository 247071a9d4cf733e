"""What hosts decide about a generated caption: correct it, hide it, show it again, have one that
failed tried again."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from images import history
from images.captions import claims, plain_text, queue, waiting
from images.models import GeneratedCaption, Image, PhotoChange

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet

    from bandpics.users.models import User
    from groups.models import Group

State = GeneratedCaption.State
Kind = PhotoChange.Kind


class NoCaption(Exception):
    """The photo has no generated caption: it waits, failed, or is not wanted."""


class NotFailed(Exception):
    """No caption of the photo failed; or the group wants none of it any more."""


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


def retry(image: Image) -> None:
    """Queues a caption that failed, as if it were new: the caps of the day count. Raises
    NotFailed."""
    if not _retry(GeneratedCaption.objects.filter(image=image.pk)):
        raise NotFailed


def retry_of_group(group: Group) -> int:
    """Queues the newest captions of a group that failed, as many as may wait. Returns how many."""
    return _retry(GeneratedCaption.objects.filter(image__group=group.pk))


def can_be_retried(image: Image) -> bool:
    """Whether the photo has a caption that failed, and the group still wants one."""
    failed = GeneratedCaption.objects.filter(image=image.pk, state=State.FAILED)
    return settings.CAPTIONS_ON and failed.filter(claims.IS_SHOWN).exists()


def _retry(rows: QuerySet[GeneratedCaption]) -> int:
    """FAILED -> QUEUED. Returns how many."""
    if not settings.CAPTIONS_ON:
        return 0
    failed = rows.filter(claims.IS_SHOWN, state=State.FAILED)
    with transaction.atomic():
        found = list(failed.order_by("-image_id").values_list("pk", "image_id")[: waiting.room()])
        # First the photos, as whoever trashes or replaces one does: see images/models.
        photos = Image.objects.select_for_update(no_key=True)
        list(photos.filter(pk__in=[image for _, image in found]).order_by("pk").values("pk"))
        ids = list(failed.filter(pk__in=[pk for pk, _ in found]).values_list("pk", flat=True))
        GeneratedCaption.objects.filter(pk__in=ids, state=State.FAILED).update(
            state=State.QUEUED,
            failure="",
            attempts=0,
            next_attempt_at=None,
            done_at=None,
            last_checked_at=Now(),
        )
        for caption_id in ids:
            transaction.on_commit(partial(queue.enqueue, caption_id))
    return len(ids)


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
