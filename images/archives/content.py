"""Decides what is in an archive: the files, their paths, and their lines of the manifest.

It follows from the group, from who may look (members or guests) and from what was asked for alone.
So all who order the same share one archive, and a worker that starts again finds the same.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - of a dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django.db.models import Exists, OuterRef, Q
from django.utils.dateparse import parse_datetime

from images.access import name_for_guests
from images.archives import manifest
from images.archives.names import Paths
from images.models import NAMED_BY_ADDRESS, Image, Upload, Variant
from images.photofile import variants
from images.photofile.metadata import capture_time
from images.storage import object_keys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from groups.models import Group
    from images.models import ImageQuerySet

What = dict[str, Any]  # one of `images`, `uploader`, `since`; empty: all

BATCH = 2000
# An archive has one line and one file for each: what it holds beside them.
_COLUMNS = (
    *("id", "group_id", "version", "original_filename", "content_type", "byte_size", "sha256"),
    *("uploader_name", "caption", "description", "moderation", "licence_agreed_at"),
    *("taken_at_local", "utc_offset_minutes", "sort_at", "latitude", "longitude"),
    *("original_dropped_at", "original_lost_at", "place_forgotten_at", "licence__text"),
)


@dataclass(frozen=True)
class File:
    """One photo of an archive. Without a key the store has nothing of it."""

    image_id: UUID
    version: int
    key: str
    name: str
    byte_size: int
    sha256: str  # empty where only its bytes tell
    modified: datetime  # as a clock on the wall showed it
    row: list[str]  # its line of the manifest, but for path and SHA-256

    @property
    def is_size_known(self) -> bool:
        """An original without its place is another file than the one that arrived."""
        return bool(self.sha256) or not self.key


def photos(group: Group, what: What, *, for_guests: bool) -> ImageQuerySet:
    """Returns the photos that were asked for, as far as they are shown."""
    rows = Image.objects.in_group(group).ready().in_kept_groups()
    if for_guests:
        rows = rows.filter(moderation=Image.Moderation.APPROVED)
    if "images" in what:
        rows = rows.filter(pk__in=what["images"])
    if "uploader" in what:
        rows = rows.filter(uploader_name__iexact=what["uploader"])
        rows = rows.exclude(NAMED_BY_ADDRESS) if for_guests else rows
    if since := parse_datetime(what.get("since", "")):
        rows = rows.filter(_became_visible_after(since, for_guests=for_guests))
    return rows


def _became_visible_after(moment: datetime, *, for_guests: bool) -> Q:
    finished = Upload.objects.filter(
        image=OuterRef("pk"),
        version=OuterRef("version"),
        status=Upload.Status.DONE,
        finished_at__gte=moment,
    )
    is_new = Q(Exists(finished))
    return is_new | Q(moderated_at__gte=moment) if for_guests else is_new


def files(group: Group, what: What, *, for_guests: bool) -> Iterator[File]:
    """Yields the files in the order in which they are written."""
    rows = photos(group, what, for_guests=for_guests).order_by("sort_at", "pk")
    zone, paths = ZoneInfo(group.time_zone), Paths()
    found = rows.values(*_COLUMNS).iterator(chunk_size=BATCH)
    batch: list[dict[str, Any]] = []
    for row in found:
        batch.append(row)
        if len(batch) == BATCH:
            yield from _files(batch, paths, zone, for_guests=for_guests)
            batch = []
    yield from _files(batch, paths, zone, for_guests=for_guests)


def fingerprint(found: list[File]) -> str:
    """Returns the same for archives with the same files and the same manifest."""
    hashed = hashlib.sha256()
    for file in found:
        parts = [str(file.image_id), file.version, file.key, file.name, file.sha256, file.row]
        hashed.update(json.dumps(parts).encode())
    return hashed.hexdigest()


def _files(
    rows: list[dict[str, Any]], paths: Paths, zone: ZoneInfo, *, for_guests: bool
) -> Iterator[File]:
    needed = [row["id"] for row in rows if for_guests or row["original_dropped_at"]]
    largest = Variant.objects.filter(image__in=needed, name=variants.FULLSIZE.name)
    sizes = {(each.image_id, each.version): each for each in largest}
    for row in rows:
        if for_guests:
            row["uploader_name"] = name_for_guests(row["uploader_name"])
        yield _file(row, sizes.get((row["id"], row["version"])), paths, zone, for_guests)


def _file(
    row: dict[str, Any], fullsize: Variant | None, paths: Paths, zone: ZoneInfo, for_guests: bool
) -> File:
    note = ""
    if for_guests or row["original_dropped_at"]:
        key, size, sha256 = (fullsize.key, fullsize.byte_size, "") if fullsize else ("", 0, "")
        if not for_guests:
            is_lost = row["original_lost_at"] == row["original_dropped_at"]
            note = manifest.LOST if is_lost else manifest.DROPPED
    else:
        version = object_keys.Version(row["group_id"], row["id"], row["version"])
        key = version.original(content_type=row["content_type"])
        size, sha256 = row["byte_size"], "" if row["place_forgotten_at"] else row["sha256"]
    # Other people's filenames are not for guests.
    filename = "" if for_guests else row["original_filename"]
    extension = key.rpartition(".")[2] or "jpg"
    taken = row["taken_at_local"]
    return File(
        image_id=row["id"],
        version=row["version"],
        key=key,
        name=paths.of(row["uploader_name"], filename, extension=extension),
        byte_size=size,
        sha256=sha256,
        modified=taken or row["sort_at"].astimezone(zone),
        row=_line(row, taken, note if key else manifest.MISSING, for_guests=for_guests),
    )


def _line(row: dict[str, Any], taken: datetime | None, note: str, *, for_guests: bool) -> list[str]:
    offset = capture_time.offset_text(row["utc_offset_minutes"]) or ""
    line = [
        manifest.text(row["uploader_name"]),
        f"{taken:%Y-%m-%dT%H:%M:%S}{offset}" if taken else "",
        manifest.text(row["caption"]),
        manifest.text(row["description"]),
        note,
    ]
    if for_guests:
        return line
    agreed = row["licence_agreed_at"]
    place = row["latitude"] is not None and row["longitude"] is not None
    return [
        *line,
        manifest.text(row["original_filename"]),
        str(row["id"]),
        manifest.text(row["licence__text"] or ""),
        agreed.isoformat() if agreed else "",
        row["moderation"],
        *([f"{row['latitude']:.7f}", f"{row['longitude']:.7f}"] if place else ["", ""]),
    ]
