"""Listing the bucket: the times of a page of 1,000 objects are read fast, and read right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from images.storage.client import parsed_moment
from images.storage.objects import PhotoStorage, photo_storage


def refuse(*_):
    raise AssertionError("dateutil was asked")


def test_times_of_a_listing_are_not_read_by_dateutil(monkeypatch, settings):
    monkeypatch.setattr("botocore.parsers.DEFAULT_TIMESTAMP_PARSER", refuse)
    storage = PhotoStorage(**settings.STORAGES["default"]["OPTIONS"])
    photo_storage().client.put_object(Bucket=storage.bucket_name, Key="listed/one", Body=b"12345")
    (found,) = storage.list_keys("listed/")
    assert (found.key, found.byte_size) == ("listed/one", 5)
    assert abs(datetime.now(UTC) - found.modified_at) < timedelta(hours=1)
    storage.delete_keys(["listed/one"])


@pytest.mark.parametrize(
    "text",
    [
        "2026-06-21T19:30:00.000Z",
        "2026-06-21T19:30:00Z",
        "2026-06-21T21:30:00+02:00",
        "Sun, 21 Jun 2026 19:30:00 GMT",
        "1782070200",
        1782070200,
    ],
)
def test_a_time_is_read_in_whichever_form_a_store_writes_it(text):
    assert parsed_moment(text) == datetime(2026, 6, 21, 19, 30, tzinfo=UTC)
