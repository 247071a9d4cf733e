"""Photos in the database alone, for tests that look at many and fetch none."""

from __future__ import annotations

import hashlib
import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.utils import timezone

from images.models import Image, Upload, UploaderKey, UploaderKind, Variant

if TYPE_CHECKING:
    from django.db.models import Model

    from groups.models import Group

SOMEBODY = UploaderKey(UploaderKind.MEMBER, "0")
_count = itertools.count()


def photo(
    group: Group, *, status: str = "done", variants: tuple[str, ...] = (), **columns: Any
) -> Image:
    """One photo and its upload. `created_at`, `updated_at` and what belongs to the upload too;
    `uploader` is an UploaderKey."""
    number = next(_count)
    image = Image(
        **{
            "group": group,
            **columns.pop("uploader", SOMEBODY).columns,
            "version": 1 if status == "done" else 0,
            "original_filename": f"IMG_{number:04}.jpg",
            "content_type": "image/jpeg",
            "byte_size": 1000,
            "sha256": hashlib.sha256(str(number).encode()).hexdigest(),
            "width": 40,
            "height": 30,
        }
        | {name: value for name, value in columns.items() if name not in _LATER | _UPLOAD}
    )
    image.save()
    later = {name: columns[name] for name in _LATER & columns.keys()}
    if later:
        Image.objects.filter(pk=image.pk).update(**later)
    upload(image, status=status, **{name: columns[name] for name in _UPLOAD & columns.keys()})
    for width, name in enumerate(variants, start=10):
        Variant.objects.create(
            image=image,
            version=image.version,
            name=name,
            key=f"{group.pk}/{name}/{image.pk}-{image.version}.jpg",
            width=width,
            height=5,
            byte_size=100,
            content_type="image/jpeg",
        )
    image.refresh_from_db()
    return image


# Set by Django itself, whatever save() is told.
_LATER = {"created_at", "updated_at"}
_UPLOAD = {"processing_ms", "finished_at", "arrived_at", "uploaded_at"}


def upload(image: Image, *, status: str, version: int = 1, **columns: Any) -> Upload:
    uploaded_at = columns.pop("uploaded_at", None)
    first = {"id": image.pk} if version == 1 else {}  # the first upload has the id of its photo
    row = Upload.objects.create(
        **first,
        image=image,
        version=version,
        **image.uploader_key.columns,
        announced_to=image.group_id if image.uploader_kind == "member" else image.uploader_id,
        status=status,
        failure="damaged" if status == "failed" else "",
        attempt=1,
        lease_until=timezone.now() if status == "processing" else None,
        declared_content_type="image/jpeg",
        declared_byte_size=1000,
        **columns,
    )
    if uploaded_at:
        Upload.objects.filter(pk=row.pk).update(created_at=uploaded_at)
    return row


def many(group: Group, count: int) -> None:
    """Enough photos for Postgres to look for an index; it copies the first one, which is faster."""
    first = datetime(2026, 6, 21, 20, tzinfo=UTC)
    one = Image.objects.create(
        group=group,
        **SOMEBODY.columns,
        version=1,
        original_filename="DSC_00000.jpg",
        content_type="image/jpeg",
        byte_size=1000,
        sha256=f"{0:064}",
        width=40,
        height=30,
        description="Song 0, as sung at table 0",
        sort_at=first,
        taken_at=first,
    )
    changed = {
        "id": "uuidv7()",
        "original_filename": "'DSC_' || lpad(n::text, 5, '0') || '.jpg'",
        "sha256": "lpad(n::text, 64, '0')",
        "description": "'Song ' || n || ', as sung at table ' || mod(n, 97)",
        "sort_at": "one.sort_at + n * interval '1 minute'",
        "taken_at": "one.taken_at + n * interval '1 minute'",
        "created_at": "clock_timestamp()",
        "updated_at": "clock_timestamp()",
    }
    copied(one, changed, f"generate_series(1, {count - 1}) n")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE images_image")


INSERT = "INSERT INTO {table} ({columns}) SELECT {values} FROM {table} one, {numbers} WHERE {where}"


def copied(row: Model, changed: dict[str, str], numbers: str, where: str = "TRUE") -> None:
    """Copies one row as often as there are numbers `n`, with other values in some columns."""
    columns = [field.column for field in row._meta.concrete_fields if not field.generated]
    statement = INSERT.format(
        table=row._meta.db_table,
        columns=", ".join(columns),
        values=", ".join(changed.get(column, f"one.{column}") for column in columns),
        numbers=numbers,
        where=f"one.id = '{row.pk}' AND {where}",
    )
    with connection.cursor() as cursor:
        cursor.execute(statement)


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.json()
    return [row["id"] for row in answer.json()["results"]]


def names(answer: Any) -> list[str]:
    """What the listed photos are called, also where whoever asked is not told."""
    listed = ids(answer)
    found = {str(image.pk): image for image in Image.objects.filter(pk__in=listed)}
    return [found[image_id].original_filename for image_id in listed]


def refused(answer: Any) -> set[str]:
    """The parameters that a 400 names."""
    assert answer.status_code == 400, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    return {error["pointer"] for error in answer.json()["errors"]}
