"""Stacks photos of a group that look alike: each carries the id of its stack.

A trigger marks a photo as due when it is done, replaced, moved, trashed or restored, when its time
changes, or when a host takes its stack apart; the sweeper compares the photos that are due. Two
photos are of one stack if a chain of photos that look alike leads from one to the other, so the
order in which they arrive does not matter.
"""

from __future__ import annotations

import time
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import BooleanField, F, Func, IntegerField, Value
from django.db.models.lookups import LessThanOrEqual

from images.models import HashBands, Image, locks
from images.photofile import likeness

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from uuid import UUID

    from groups.models import Group
    from images.models import ImageQuerySet

STACK_LOCK = 0x7374616B  # any number that nobody else uses
BATCH = 500
SECONDS_PER_SWEEP = 5.0
# A camera on a tripod may send thousands: their stacks are compared pair by pair.
MAX_STACK = 200
MAX_CONCERNED = 1000  # a photo that would concern more stands alone

_COLUMNS = (
    *("id", "group", "stack_id", "perceptual_hash", "placeholder", "width", "height"),
    *("sort_at", "taken_at_local", "trashed_at", "version", "stands_alone"),
)


def update_due() -> int:
    """Compares photos that are due, the oldest first, for a few seconds at most. Returns how many
    it compared; a second call at the same time does nothing."""
    end, count = time.monotonic() + SECONDS_PER_SWEEP, 0
    with locks.alone(STACK_LOCK) as is_alone:
        if not is_alone:
            return 0
        due = Image.objects.filter(stack_due=True).order_by("id").values_list("pk", flat=True)
        for image_id in due[:BATCH]:
            count += _update(image_id)
            if time.monotonic() > end:
                break
    return count


def take_apart(group: Group, stack_id: UUID) -> list[UUID]:
    """Says that the photos of a stack are not alike: they stand alone from now on, and no other
    photo joins them. Returns which they were."""
    with transaction.atomic():
        rows = Image.objects.in_group(group).ready().order_by("pk").select_for_update()
        taken = list(rows.filter(stack_id=stack_id).values_list("pk", flat=True))
        Image.objects.filter(pk__in=taken).update(stands_alone=True, stack_id=None)
    return taken


def compare_again(group: Group, image_ids: Collection[UUID]) -> int:
    """Undoes take_apart() for these photos. Returns how many there were."""
    rows = Image.objects.in_group(group).filter(pk__in=image_ids, stands_alone=True)
    return rows.update(stands_alone=False)


def _update(image_id: UUID) -> bool:
    """Compares one photo with its group. False if somebody is changing one of those concerned: then
    it stays due."""
    with transaction.atomic():
        # Rows that others hold are skipped: who waits for nobody is in no deadlock.
        rows = Image.objects.select_for_update(skip_locked=True).only(*_COLUMNS)
        photo = rows.filter(pk=image_id, stack_due=True).first()
        if photo is None:
            return False
        concerned = _with_their_stacks(photo)
        found = {row.pk: row for row in rows.filter(pk__in=concerned)}
        if found.keys() != concerned:
            return False
        for stack_id, members in _stacks(photo, found.values()).items():
            changed = [row.pk for row in members if row.stack_id != stack_id]
            if changed:
                Image.objects.filter(pk__in=changed).update(stack_id=stack_id)
        Image.objects.filter(pk=photo.pk).update(stack_due=False)
    return True


def _with_their_stacks(photo: Image) -> set[UUID]:
    """The photo, those it may be like, and all that share a stack with one of them."""
    near = {photo.pk, *_candidates(photo)}
    stacks = Image.objects.filter(pk__in=near, stack_id__isnull=False).values("stack_id")
    members = Image.objects.filter(stack_id__in=stacks).values_list("pk", flat=True)
    concerned = near | set(members[: MAX_CONCERNED + 1])
    return concerned if len(concerned) <= MAX_CONCERNED else {photo.pk}


def _candidates(photo: Image) -> list[UUID]:
    """Photos whose hashes are near enough, the nearest first."""
    if photo.perceptual_hash is None or not _is_comparable(photo):
        return []
    others = _comparable(photo).exclude(pk=photo.pk)
    copies = others.filter(
        _Overlap(
            HashBands("group", "perceptual_hash"),
            HashBands(Value(photo.group_id), Value(photo.perceptual_hash)),
        ),
        _is_near(photo.perceptual_hash, likeness.COPY_DISTANCE),
    )
    found = list(copies.values_list("pk", flat=True)[:MAX_STACK])
    if photo.taken_at_local is None:
        return found
    pause = timedelta(seconds=likeness.BURST_SECONDS)
    burst = others.filter(
        _is_near(photo.perceptual_hash, likeness.BURST_DISTANCE),
        sort_at__range=(photo.sort_at - pause, photo.sort_at + pause),
        taken_at_local__isnull=False,
    )
    return [*found, *burst.values_list("pk", flat=True)[:MAX_STACK]]


def _comparable(photo: Image) -> ImageQuerySet:
    """What the index `image_alike` holds of the photo's group."""
    return Image.objects.filter(
        group=photo.group_id, perceptual_hash__isnull=False, trashed_at=None, stands_alone=False
    )


def _is_comparable(photo: Image) -> bool:
    is_shown = photo.version > 0 and photo.trashed_at is None
    return is_shown and photo.perceptual_hash is not None and not photo.stands_alone


class _BitCount(Func):
    """How many bits of a number are set."""

    template = "bit_count((%(expressions)s)::bit(64))"
    output_field = IntegerField()


class _Overlap(Func):
    """Whether two arrays have an element in common, which an index answers."""

    template = "%(expressions)s"
    arg_joiner = " && "
    output_field = BooleanField()


def _is_near(perceptual_hash: int, distance: int) -> LessThanOrEqual:
    bits = _BitCount(F("perceptual_hash").bitxor(perceptual_hash))
    return LessThanOrEqual(bits, Value(distance))


# --- Which photos are of one stack ------------------------------------------------------------


def _stacks(photo: Image, rows: Collection[Image]) -> dict[UUID | None, list[Image]]:
    """Returns the stack that each row belongs to; None for those that stand alone.

    The former stack of the photo may fall apart without it, so its members are compared with all;
    of other stacks only those that the photo is like matter: they stay together.
    """
    looks = {row.pk: _look(row) for row in rows if _is_comparable(row)}
    sets = _Sets(looks)
    by_id = {row.pk: row for row in rows}
    former = photo.stack_id
    kept: dict[UUID, UUID] = {}
    for one in looks:
        row = by_id[one]
        if one == photo.pk or (former is not None and row.stack_id == former):
            for other in looks:
                is_here = by_id[other].group_id == row.group_id
                if is_here and likeness.are_alike(looks[one], looks[other]):
                    sets.join(one, other)
        elif row.stack_id is not None:
            sets.join(one, kept.setdefault(row.stack_id, one))
    found: dict[UUID | None, list[Image]] = {
        None: [by_id[pk] for pk in by_id.keys() - looks.keys()]
    }
    for members in sets.all():
        is_stack = 1 < len(members) <= MAX_STACK
        name = uuid.uuid5(min(members), "stack") if is_stack else None
        found.setdefault(name, []).extend(by_id[pk] for pk in members)
    return found


def _look(row: Image) -> likeness.Look:
    assert row.perceptual_hash is not None  # noqa: S101 - it is comparable
    return likeness.Look(
        row.perceptual_hash,
        bytes(row.placeholder),
        (row.width or 1) / (row.height or 1),
        row.sort_at if row.taken_at_local else None,
    )


class _Sets:
    """Sets of ids that are joined where they meet."""

    def __init__(self, ids: Iterable[UUID]) -> None:
        self._set_of = {one: {one} for one in ids}

    def join(self, one: UUID, other: UUID) -> None:
        joined, added = self._set_of[one], self._set_of[other]
        if joined is not added:
            joined |= added
            self._set_of.update(dict.fromkeys(added, joined))

    def all(self) -> list[set[UUID]]:
        return list({id(members): members for members in self._set_of.values()}.values())
