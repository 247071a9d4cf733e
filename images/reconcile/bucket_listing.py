"""Lists the bucket into a temporary table of Postgres, to be asked by key and by photo.

So memory stays flat, whatever the order a store lists in.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from itertools import chain, groupby, islice
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import connection

from images.photofile import variants
from images.storage import object_keys
from images.storage.objects import StoredObject, photo_storage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from uuid import UUID

T = TypeVar("T")

BATCH = 1000


def listed(*prefixes: str) -> Iterator[list[StoredObject]]:
    """Yields what the store lists under these prefixes, in batches."""
    yield from batches(chain.from_iterable(map(photo_storage().list_keys, prefixes)))


@contextmanager
def bucket_listing(*prefixes: str) -> Iterator[BucketListing]:
    """Lists these prefixes into a table that ends with the block. One at a time."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS stored_objects")
        cursor.execute(
            "CREATE TEMP TABLE stored_objects (key text PRIMARY KEY, photo text NOT NULL,"
            " byte_size bigint NOT NULL, modified_at timestamptz NOT NULL)"
        )
        cursor.execute("CREATE INDEX ON stored_objects (photo, key)")
        try:
            listing = BucketListing()
            for batch in listed(*prefixes):
                listing.add(batch)
            yield listing
        finally:
            if not connection.needs_rollback:
                cursor.execute("DROP TABLE stored_objects")


class BucketListing:
    """The objects that the store listed, by key and by photo."""

    def add(self, found: Sequence[StoredObject]) -> None:
        rows = [(each.key, _photo_of(each.key), each.byte_size, each.modified_at) for each in found]
        with connection.cursor() as cursor:
            # A store that lists while objects come and go may list one twice.
            cursor.execute(
                "INSERT INTO stored_objects SELECT * FROM"
                " unnest(%s::text[], %s::text[], %s::bigint[], %s::timestamptz[])"
                " ON CONFLICT (key) DO NOTHING",
                [list(column) for column in zip(*rows, strict=True)],
            )

    def sizes(self, wanted: Iterable[str]) -> dict[str, int]:
        """{key: bytes} of those that are there."""
        sql = "SELECT key, byte_size FROM stored_objects WHERE key = ANY(%s)"
        return dict(_fetch(sql, list(wanted)))

    def under(self, *prefixes: str) -> Iterator[StoredObject]:
        """Objects under any of these prefixes; those of one photo follow each other."""
        after = ("", "")
        while True:
            rows = _fetch(
                "SELECT photo, key, byte_size, modified_at FROM stored_objects"
                " WHERE (photo, key) > (%s, %s) AND key ^@ ANY(%s) ORDER BY photo, key LIMIT %s",
                *after,
                list(prefixes),
                BATCH,
            )
            for _, key, byte_size, modified_at in rows:
                yield StoredObject(key, byte_size, modified_at)
            if len(rows) < BATCH:
                return
            after = rows[-1][:2]

    def by_photo(self) -> Iterator[list[list[StoredObject]]]:
        """Yields the objects of some photos at a time: together about a batch of objects."""
        photos: list[list[StoredObject]] = []
        size = 0
        for photo, objects in groupby(self.under(""), key=lambda each: _photo_of(each.key)):
            # Objects of no photo may be any number.
            for batch in [list(objects)] if photo else batches(objects):
                photos.append(batch)
                size += len(batch)
                if size >= BATCH:
                    yield photos
                    photos, size = [], 0
        if photos:
            yield photos

    def has_photo(self, image_id: UUID) -> bool:
        return bool(_fetch("SELECT FROM stored_objects WHERE photo = %s LIMIT 1", str(image_id)))

    def count(self, *, of_photos: bool = False) -> int:
        sql = "SELECT count(*) FROM stored_objects WHERE photo <> '' OR NOT %s"
        return int(_fetch(sql, of_photos)[0][0])


def _fetch(sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def _photo_of(key: str) -> str:
    """The photo's id; empty for an object of no photo."""
    place = object_keys.place_of(key)
    return str(place.version.image_id) if place else ""


def by_version(
    found: Iterable[StoredObject],
) -> dict[object_keys.Version, list[StoredObject]]:
    versions: dict[object_keys.Version, list[StoredObject]] = defaultdict(list)
    for each in found:
        if place := object_keys.place_of(each.key):
            versions[place.version].append(each)
    return versions


def batches(items: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def pages(rows: Any) -> Iterator[list[Any]]:
    """Yields all rows by id, a batch at a time; rows changed on the way do not come twice."""
    after = None
    while True:
        page = list((rows.filter(pk__gt=after) if after else rows).order_by("pk")[:BATCH])
        if page:
            yield page
        if len(page) < BATCH:
            return
        after = page[-1].pk


def best_of(found: Iterable[StoredObject]) -> StoredObject | None:
    """The original, or the largest rendering: what a photo can be made from again."""
    by_folder = {place.folder: each for each in found if (place := object_keys.place_of(each.key))}
    return by_folder.get("original") or by_folder.get(variants.FULLSIZE.name)
