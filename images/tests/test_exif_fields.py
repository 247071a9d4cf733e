"""One list declares the EXIF fields; the columns, the worker and the API follow it."""

from __future__ import annotations

from typing import get_type_hints

import pytest
from django.db import models

from images.api.image_serializers import ExifSerializer
from images.models import Image
from images.photofile.metadata import exif, exif_fields
from images.tests import drawn_pictures
from images.tests.drawn_exif import SHORT, UNDEFINED, exif_block

COLUMN_TYPES = {
    str | None: models.CharField,
    int | None: (models.PositiveIntegerField, models.PositiveSmallIntegerField),
    float | None: models.FloatField,
}


def test_every_field_has_a_column_of_its_type():
    columns = {field.name: field for field in Image._meta.concrete_fields}
    missing = [name for name in exif_fields.NAMES if name not in columns]
    assert missing == [], "add these columns to Image"
    kinds = get_type_hints(exif_fields.ExifFields)
    for name in exif_fields.NAMES:
        assert isinstance(columns[name], COLUMN_TYPES[kinds[name]]), name
        assert columns[name].null == (name not in exif_fields.TEXT_NAMES), name


def test_every_column_of_the_camera_is_a_field_of_the_list():
    """In the model they stand together; what stands among them and is not listed is named."""
    names = [field.name for field in Image._meta.concrete_fields]
    first, last = names.index("camera_make"), names.index("exif")
    assert sorted(names[first:last]) == sorted(exif_fields.NAMES)


def test_the_api_shows_every_field():
    others = {"datetime_original", "offset_time", "gps"}
    assert set(ExifSerializer().fields) == {*exif_fields.NAMES, *others}


@pytest.mark.django_db
def test_a_photo_has_what_the_reader_found(cleo, tmp_path):
    codes = {tag: (SHORT, tag % 7) for tag in (0x9209, 0x9207, 0x8822, 0xA403, 0xA409, 0xA40A)}
    block = exif_block(lens="Lens", iso=320, exif={**codes, 0x9000: (UNDEFINED, b"0232")})
    data = drawn_pictures.jpeg(exif=block)
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    read, image = exif.read(path), cleo.send_and_process(data)
    assert (image.camera_make, image.software, image.metering_mode) == ("Drawn", "", 0x9207 % 7)
    for name in exif_fields.NAMES:
        nothing = "" if name in exif_fields.TEXT_NAMES else None
        value = getattr(read, name)
        assert getattr(image, name) == (nothing if value is None else value), name
