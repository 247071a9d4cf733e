"""Photos of a list as JSON, straight from rows: the same JSON as ImageSerializer's, for a fraction
of what models and serializers cost. A test holds one against the other.

One statement fetches all that is shown. It is the only SQL we write by hand: to compile it anew,
and to make objects of its times, would take longer than to run it.
"""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson
from django.db import connection

from groups.models import Licence
from images.models import (
    UPLOADER_COLUMNS,
    GeneratedCaption,
    Image,
    Upload,
    Variant,
    is_final,
)
from images.photofile import placeholder
from images.photofile.metadata import exif_fields
from images.photofile.metadata.capture_time import offset_text
from images.storage.objects import photo_storage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from images.access import PhotoAccess
    from images.storage.objects import PhotoStorage
    from images.storage.presign import Credentials, Prepared

# Everything the JSON shows. Not `exif`: the dump is for one photo alone.
COLUMNS = (
    *("id", "group_id", *UPLOADER_COLUMNS, "uploaded_by_id", "version"),
    *("original_filename", "content_type", "byte_size", "sha256", "width", "height"),
    *("description", "caption", "moderation", "moderation_reason", "uploader_name"),
    *("taken_at", "taken_at_local", "utc_offset_minutes"),
    *("gps_source", "latitude", "longitude", "altitude", "direction", "gps_at"),
    *exif_fields.NAMES,
    *("created_at", "updated_at", "original_dropped_at", "trashed_at", "licence_agreed_at"),
    *("placeholder", "stack_id"),
)
_MOMENTS = (
    *("taken_at", "taken_at_local", "gps_at", "created_at", "updated_at"),
    *("original_dropped_at", "trashed_at", "licence_agreed_at"),
)
_EXIF = slice(COLUMNS.index(exif_fields.NAMES[0]), COLUMNS.index(exif_fields.NAMES[-1]) + 1)
_OF_UPLOAD = ("status", "failure", "processing_ms", "finished_at")
_OF_LICENCE = ("licence_number", "licence_text")
_OF_CAPTION = ("generated_text", "generated_model", "generated_language", "is_corrected")


def _moment(column: str) -> str:
    """Times as DRF writes them."""
    text = f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
    return f"replace({text}, '.000000Z', 'Z')"


def _select(column: str) -> str:
    if column == "taken_at_local":
        return f"rtrim({_moment('image.taken_at_local')}, 'Z')"
    if column in _MOMENTS:
        return _moment(f"image.{column}")
    if column in exif_fields.TEXT_NAMES:
        return f"NULLIF(image.{column}, '')"
    return f"image.{column}::text" if column in {"id", "group_id"} else f"image.{column}"


# The newest upload: the first of Upload.objects.shown() by version, as with_status() says.
_SHOWN = f"""
        {", ".join(map(_select, COLUMNS))},
        upload.status, upload.failure, upload.processing_ms, {_moment("upload.finished_at")},
        licence.number, licence.text,
        image.generated_text, written.model, written.language, written.is_corrected,
        (
            SELECT json_agg(json_build_array(name, key, content_type, width, height) ORDER BY width)
            FROM {Variant._meta.db_table} variant
            WHERE variant.image_id = image.id AND variant.version = image.version
        )::text
"""  # noqa: S608 - all of it is ours
_JOINED = f"""
    LEFT JOIN LATERAL (
        SELECT status, failure, processing_ms, finished_at
        FROM {Upload._meta.db_table} upload
        WHERE upload.image_id = image.id
            AND NOT (status IN ('pending', 'discarded') AND version > 1)
        ORDER BY version DESC
        LIMIT 1
    ) upload ON true
    LEFT JOIN {Licence._meta.db_table} licence ON licence.id = image.licence_id
    LEFT JOIN {GeneratedCaption._meta.db_table} written
        ON image.generated_text <> '' AND written.image_id = image.id
"""  # noqa: S608 - all of it is ours
_BY_ID = f"""
    SELECT {_SHOWN}, NULL
    FROM {Image._meta.db_table} image {_JOINED}
    WHERE image.id = ANY(%s)
"""  # noqa: S608 - all of it is ours
_NAMES = [*COLUMNS, *_OF_UPLOAD, *_OF_LICENCE, *_OF_CAPTION, "variants", "place"]
Row: Any = namedtuple("Row", _NAMES)  # type: ignore[misc]  # as many as there are names


def as_json(ids: Sequence[UUID], *, access: PhotoAccess) -> list[dict[str, Any]]:
    """Returns the photos as JSON, in this order, with what this access may know. It makes one
    query."""
    with connection.cursor() as cursor:
        cursor.execute(_BY_ID, [list(ids)])
        found = {row[0]: Row._make(row) for row in cursor.fetchall()}
    rows = [found[text] for text in map(str, ids) if text in found]
    return rows_as_json(rows, access=access)


def with_places(sql: str, *, is_moment: bool) -> str:
    """Returns SQL for Rows of the photos that `sql` selects, in its order; it selects their ids,
    and their places in that order, which may be moments."""
    place = _moment("cut.place") if is_moment else "cut.place"
    return f"""
        SELECT {_SHOWN}, {place}
        FROM (
            SELECT id, place, row_number() OVER () AS number FROM ({sql}) AS page(id, place)
        ) cut
        JOIN {Image._meta.db_table} image ON image.id = cut.id
        {_JOINED}
        ORDER BY cut.number
    """  # noqa: S608 - all of it is ours


def rows_as_json(rows: Sequence[Any], *, access: PhotoAccess) -> list[dict[str, Any]]:
    """Returns Rows as JSON, with what this access may know."""
    storage, until, moment = photo_storage(), access.expires_at, datetime.now(UTC)
    if until is None or until > moment:  # else URLs are of this very moment
        moment = moment.replace(minute=0, second=0, microsecond=0)
    period = _period(storage, storage.credentials(), moment, until)
    return [_row_json(row, _variants_json(row.variants, period), access) for row in rows]


@dataclass(frozen=True, eq=False)  # eq: compared by identity, for each photo
class _Period:
    """What the URL of an object follows from, beside its key and its type."""

    storage: PhotoStorage
    credentials: Credentials
    moment: datetime
    until: datetime | None


_period = lru_cache(maxsize=50)(_Period)


# For an hour a photo has the same URLs, and those who look at an evening look at the same newest
# photos. Each takes 4 kB. Nobody may change what is returned.
@lru_cache(maxsize=500)
def _variants_json(variants: str | None, period: _Period) -> dict[str, Any]:
    rows = orjson.loads(variants or b"[]")
    prepared = {content_type: _prepared(content_type, period) for _, _, content_type, *_ in rows}
    return {
        name: {"url": prepared[content_type].url(key), "width": width, "height": height}
        for name, key, content_type, width, height in rows
    }


@lru_cache(maxsize=50)
def _prepared(content_type: str, period: _Period) -> Prepared:
    return period.storage.prepare_get(content_type=content_type, until=period.until)


def _licence_json(row: Any) -> dict[str, Any] | None:
    if row.licence_agreed_at is None:
        return None
    return {
        "number": row.licence_number,
        "text": row.licence_text,
        "agreed_at": row.licence_agreed_at,
    }


def _generated_json(row: Any) -> dict[str, Any] | None:
    if not row.generated_text:
        return None
    return {
        "text": row.generated_text,
        "model": row.generated_model,
        "language": row.generated_language,
        "is_corrected": row.is_corrected,
    }


def _row_json(row: Any, variants: dict[str, Any], access: PhotoAccess) -> dict[str, Any]:
    sees_all = access.sees_all_of(row)
    place = access.place_of(row)
    offset = offset_text(row.utc_offset_minutes)
    return {
        "id": row.id,
        "group": row.group_id,
        "status": row.status,
        "is_final": is_final(row.status),
        "failure": row.failure or None,
        "original_filename": row.original_filename if sees_all else None,
        "format": row.content_type.partition("/")[2] or None,
        "content_type": row.content_type or None,
        "byte_size": row.byte_size,
        "sha256": (row.sha256 or None) if sees_all else None,
        "width": row.width,
        "height": row.height,
        "description": row.description,
        "caption": row.caption,
        "generated_caption": _generated_json(row),
        "moderation": row.moderation,
        "moderation_reason": (row.moderation_reason or None) if sees_all else None,
        "licence": _licence_json(row) if sees_all else None,
        "taken_at": row.taken_at,
        "taken_at_local": row.taken_at_local,
        "utc_offset": offset,
        "uploader": access.uploader_of(row),
        "gps_source": (row.gps_source or None) if sees_all else None,
        "exif": {
            "datetime_original": row.taken_at_local,
            "offset_time": offset,
            **exif_fields.with_labels(row[_EXIF]),
            "gps": None if place is None else vars(place),
        },
        "placeholder": placeholder.data_uri(row.placeholder) or None,
        "stack": row.stack_id and str(row.stack_id) if sees_all else None,
        "variants": variants,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "uploaded_at": row.created_at,
        "processed_at": row.finished_at,
        "processing_ms": row.processing_ms,
        "original_dropped_at": row.original_dropped_at,
        "trashed_at": row.trashed_at,
    }
