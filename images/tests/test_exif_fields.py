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
    assert set(ExifSerializer().fields) == {*exif_fields.SHOWN_NAMES, *others}


def test_each_code_has_its_words_beside_it():
    names = exif_fields.SHOWN_NAMES
    for name in ("flash", "metering_mode", "exposure_program", "white_balance"):
        assert names[names.index(name) + 1] == f"{name}_label"
    assert set(names) - set(exif_fields.NAMES) == set(exif_fields.CODES)


@pytest.mark.django_db
def test_the_api_says_codes_in_the_words_of_exif(cleo, ada, signed_in):
    codes = {0x9209: 16, 0x9207: 5, 0x8822: 3, 0xA403: 1}
    block = exif_block(exif={tag: (SHORT, code) for tag, code in codes.items()})
    image = cleo.send_and_process(drawn_pictures.jpeg(exif=block))
    api = signed_in(ada)
    said = api.get(f"/api/v1/images/{image.pk}/").json()["exif"]
    assert (said["flash"], said["flash_label"]) == (16, "Flash did not fire, compulsory flash mode")
    assert (said["metering_mode"], said["metering_mode_label"]) == (5, "Pattern")
    assert (said["exposure_program"], said["exposure_program_label"]) == (3, "Aperture priority")
    assert (said["white_balance"], said["white_balance_label"]) == (1, "Manual white balance")
    (listed,) = api.get("/api/v1/images/").json()["results"]
    assert listed["exif"] == {name: value for name, value in said.items() if name != "raw"}


def test_a_code_that_the_standard_reserves_has_no_words():
    """As cameras write all the same; a wrong word would be worse than none."""
    values = dict.fromkeys(exif_fields.NAMES) | {"flash": 0x50, "metering_mode": 99}
    shown = exif_fields.with_labels(values.values())
    assert (shown["flash"], shown["flash_label"]) == (0x50, None)
    assert (shown["metering_mode"], shown["metering_mode_label"]) == (99, None)
    assert (shown["white_balance"], shown["white_balance_label"]) == (None, None)


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
