"""`manage.py set_up_bucket`, on a store that has never seen the bucket."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

from images.storage.objects import photo_storage


@pytest.fixture
def point_at(settings):
    def change(**options):
        default = settings.STORAGES["default"]
        settings.STORAGES = {
            **settings.STORAGES,
            "default": {**default, "OPTIONS": {**default["OPTIONS"], **options}},
        }

    return change


def test_a_missing_bucket_is_made_once(point_at, settings, capsys):
    point_at(bucket_name=f"{settings.S3_BUCKET}-fresh")
    call_command("set_up_bucket")
    assert "made." in capsys.readouterr().out
    photo_storage().check()
    call_command("set_up_bucket")
    assert "is there." in capsys.readouterr().out


def test_a_store_that_is_not_there_is_named(point_at):
    point_at(endpoint_url="http://127.0.0.1:1")
    with pytest.raises(CommandError, match="S3_ENDPOINT_URL"):
        call_command("set_up_bucket")
