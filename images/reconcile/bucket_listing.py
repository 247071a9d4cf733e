"""What the bucket holds, listed once and then asked for by key and by photo.

It is kept in a temporary table of Postgres, so that memory stays flat, whatever the order a store
lists in.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import connection

from images.photofile import variants
from images.storage import object_keys
from images.storage.objects import StoredObject

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from uuid import UUID

T = TypeVar("T")

BATCH = 1000


@contextmanager
def empty() -> Iterator[BucketListing]:
    """One that nothing was added to yet, and that ends with the block. One at a time."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS stored_objects")
        cursor.execute(
            "CREATE TEMP TABLE stored_objects (key text PRIMARY KEY, photo text NOT NULL,"
            " byte_size bigint NOT NULL, modified_at timestamptz NOT NULL)"
        )
        cursor.execute("CREATE INDEX ON stored_objects (photo, key)")
        try:
            yield BucketListing()
        finally:
            if not connection.needs_rollback:
                cursor.execute("DROP TABLE stored_objects")


class BucketListing:
    """What the store listed, by key and by photo."""

    def add(self, found: Sequence[StoredObject]) -> None:
        with connection.cursor() as cursor:
            # A store that lists while objects come and go may tell one twice.
            cursor.execute(
                "INSERT INTO stored_objects SELECT * FROM"
                " unnest(%s::text[], %s::text[], %s::bigint[], %s::timestamptz[])"
                " ON CONFLICT (key) DO NOTHING",
                [
                    [each.key for each in found],
                    [_photo_of(each.key) for each in found],
                    [each.byte_size for each in found],
                    [each.modified_at for each in found],
                ],
            )

    def sizes(self, wanted: Iterable[str]) -> dict[str, int]:
        """{key: bytes} of those that are there."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT key, byte_size FROM stored_objects WHERE key = ANY(%s)", [list(wanted)]
            )
            return dict(cursor.fetchall())

    def _in_order(self) -> Iterator[StoredObject]:
        """Those of a photo come together."""
        after = ("", "")
        while True:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT photo, key, byte_size, modified_at FROM stored_objects"
                    " WHERE (photo, key) > (%s, %s) ORDER BY photo, key LIMIT %s",
                    [*after, BATCH],
                )
                rows = cursor.fetchall()
            for _, key, byte_size, modified_at in rows:
                yield StoredObject(key, byte_size, modified_at)
            if len(rows) < BATCH:
                return
            after = rows[-1][:2]

    def by_photo(self) -> Iterator[list[list[StoredObject]]]:
        """Photos, so many that it is about a batch of objects."""
        photos: list[list[StoredObject]] = []
        size = 0
        for photo, objects in groupby(self._in_order(), key=lambda each: _photo_of(each.key)):
            # What is of no photo is not one: there may be any number of it.
            for batch in batches(objects, BATCH) if not photo else [list(objects)]:
                photos.append(batch)
                size += len(batch)
                if size >= BATCH:
                    yield photos
                    photos, size = [], 0
        if photos:
            yield photos

    def pages_under(self, *prefixes: str) -> Iterator[list[StoredObject]]:
        """What is stored under any of these, by key, so many at a time."""
        after = ""
        while True:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT key, byte_size, modified_at FROM stored_objects"
                    " WHERE key ^@ ANY(%s) AND key > %s ORDER BY key LIMIT %s",
                    [list(prefixes), after, BATCH],
                )
                page = [StoredObject(*row) for row in cursor.fetchall()]
            if page:
                yield page
                after = page[-1].key
            if len(page) < BATCH:
                return

    def has_photo(self, image_id: UUID) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT EXISTS (SELECT FROM stored_objects WHERE photo = %s)", [str(image_id)]
            )
            return bool(cursor.fetchone()[0])

    def count(self, *, of_photos: bool = False) -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM stored_objects WHERE photo <> '' OR NOT %s", [of_photos]
            )
            return int(cursor.fetchone()[0])


def _photo_of(key: str) -> str:
    """What brings the objects of a photo together; empty for what is none of a photo."""
    place = object_keys.place_of(key)
    return str(place.version.image_id) if place else ""


def by_version(
    found: Iterable[StoredObject],
) -> Iterator[tuple[object_keys.Version, list[StoredObject]]]:
    versions_: dict[object_keys.Version, list[StoredObject]] = defaultdict(list)
    for each in found:
        if place := object_keys.place_of(each.key):
            versions_[place.version].append(each)
    yield from versions_.items()


def batches(all_of_them: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(all_of_them)
    while batch := list(islice(iterator, size)):
        yield batch


def pages(rows: Any) -> Iterator[list[Any]]:
    """All rows by id, so many at a time; what is changed on the way is not told twice."""
    after = None
    while True:
        page = list((rows.filter(pk__gt=after) if after else rows).order_by("pk")[:BATCH])
        if page:
            yield page
        if len(page) < BATCH:
            return
        after = page[-1].pk


def best_of(found: Iterable[StoredObject]) -> StoredObject | None:
    """The original, or the largest rendering: what a photo can be made of again."""
    by_folder = {place.folder: each for each in found if (place := object_keys.place_of(each.key))}
    return by_folder.get("original") or by_folder.get(variants.FULLSIZE.name)
