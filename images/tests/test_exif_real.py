"""What we read of real cameras' files is what exiftool reads."""

from __future__ import annotations

from typing import Any

import pytest

from images.photofile.metadata import exif
from images.tests import real_photos

FIELDS = {
    "camera_make": "EXIF:IFD0:Make",
    "camera_model": "EXIF:IFD0:Model",
    "software": "EXIF:IFD0:Software",
    "orientation": "EXIF:IFD0:Orientation",
    "x_resolution": "EXIF:IFD0:XResolution",
    "y_resolution": "EXIF:IFD0:YResolution",
    "lens_model": "EXIF:ExifIFD:LensModel",
    "offset_time": "EXIF:ExifIFD:OffsetTimeOriginal",
    "iso": "EXIF:ExifIFD:ISO",
    "focal_length": "EXIF:ExifIFD:FocalLength",
    "aperture": "EXIF:ExifIFD:FNumber",
    "exposure_time": "EXIF:ExifIFD:ExposureTime",
    "flash": "EXIF:ExifIFD:Flash",
    "metering_mode": "EXIF:ExifIFD:MeteringMode",
    "exposure_program": "EXIF:ExifIFD:ExposureProgram",
    "exif_version": "EXIF:ExifIFD:ExifVersion",
}
GPS_FIELDS = {
    "lat": "Composite:GPSLatitude",
    "lon": "Composite:GPSLongitude",
    "altitude": "Composite:GPSAltitude",
    "direction": "EXIF:GPS:GPSImgDirection",
}

# Looked at one by one.
DIFFERENT_ON_PURPOSE = {
    # exiftool's JSON turned the text "1.00" into a number.
    ("cameras/jpg/tests/35-empty.jpg", "software"): "1.00",
    # 0 is no orientation of EXIF's eight.
    ("orientation/Landscape_0.jpg", "orientation"): None,
    ("orientation/Portrait_0.jpg", "orientation"): None,
}


def _agree(ours: Any, truth: Any) -> bool:
    if isinstance(ours, str):
        return ours == str(truth)
    if isinstance(ours, int | float) and isinstance(truth, int | float):
        return ours == pytest.approx(truth, rel=1e-6, abs=1e-6)
    return ours == truth


def test_real_photos_read_as_exiftool_reads_them():
    disagreements = {}
    compared = 0
    for name, truth in real_photos.TAKEN.items():
        read = exif.read(real_photos.FOLDER / name)
        pairs = [(field, getattr(read, field), truth.get(key)) for field, key in FIELDS.items()]
        if "Composite:GPSLatitude" in truth:
            pairs += [
                (field, getattr(read.gps, field, None), truth.get(key))
                for field, key in GPS_FIELDS.items()
            ]
        else:
            assert read.gps is None, name
        taken = read.datetime_original
        date = truth.get("EXIF:ExifIFD:DateTimeOriginal") or truth.get("EXIF:ExifIFD:CreateDate")
        pairs.append(("date", taken and taken.strftime("%Y:%m:%d %H:%M:%S"), date))
        for field, ours, theirs in pairs:
            if theirs is None:
                continue
            compared += 1
            expected = DIFFERENT_ON_PURPOSE.get((name, field), theirs)
            if not _agree(ours, expected):
                disagreements[name, field] = (ours, theirs)
    assert disagreements == {}
    assert compared > 800 or not real_photos.TAKEN
