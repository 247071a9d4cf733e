"""Changes what people say of a photo: caption, time and place. Columns of the latter are made by
images.uploads.when_and_where."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from images import history
from images.models import ONCE_PER_GROUP, Image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from bandpics.users.models import User


class ChangedMeanwhile(Exception):
    """The photo is gone, or no longer what the caller has seen."""


class DuplicateInGroup(Exception):
    """The other group shows a photo of the same bytes already."""


class Refused(Exception):
    """Some of many photos do not allow what was asked; nothing was changed. `why` names them."""

    def __init__(self, why: dict[UUID, str]) -> None:
        super().__init__(f"{len(why)} photos do not allow it.")
        self.why = why


# Why one of many photos is refused.
GONE, DECIDED, NOT_READY, DUPLICATE = "gone", "decided-meanwhile", "not-ready", "duplicate-in-group"
CHANGED = "changed-meanwhile"


@contextmanager
def once_per_group() -> Iterator[None]:
    """A transaction. Raises DuplicateInGroup if the group would show the same bytes twice."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if ONCE_PER_GROUP not in str(error):
            raise
        raise DuplicateInGroup from error


@transaction.atomic
def change(
    image: Image,
    columns: dict[str, Any],
    *,
    expected: dict[str, Any],
    by: User | None = None,
    by_uploader: bool = False,
) -> None:
    """Updates the row if it still says what is expected. Raises ChangedMeanwhile."""
    rows = Image.objects.kept().filter(pk=image.pk, **expected)
    found = rows.select_for_update().only("uploader_name", *columns).first()
    if found is None:
        raise ChangedMeanwhile
    Image.objects.filter(pk=found.pk).update(**columns, updated_at=Now())
    history.record_edit(found, columns, by=by, by_uploader=by_uploader)
