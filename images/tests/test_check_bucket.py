"""`manage.py check_bucket`: on a store that does all, and on stores that lack something."""

from __future__ import annotations

import hmac

import pytest
from django.core.management import CommandError, call_command

from images.storage import contract
from images.storage.objects import PhotoStorage, logs_storage, photo_storage
from images.storage.presign import Signer

ORIGIN = "https://photos.example.org"


@pytest.fixture
def problems(settings):
    """{check: what is missing}."""

    def of(storage=None, origin=None):
        found = contract.check(storage or photo_storage(), origin=origin or settings.PUBLIC_URL)
        return {each.name: each.problem for each in found if each.problem}

    return of


def other(settings, **options):
    return PhotoStorage(**{**settings.STORAGES["default"]["OPTIONS"], **options})


def test_the_store_of_the_tests_does_all_that_photos_need(bucket, capsys):
    call_command("check_bucket")
    said = capsys.readouterr().out
    assert "Photos can be sent" in said
    assert "NO " not in said
    assert said.count("yes ") >= 10
    assert list(bucket.list_keys("")) == []  # nothing stays
    assert list(bucket.open_multiparts("")) == []


def test_a_store_that_is_away_is_named_and_nothing_else_is_tried(settings, problems):
    found = problems(other(settings, endpoint_url="http://127.0.0.1:1"))
    assert list(found) == ["The bucket answers"]
    assert "S3_ENDPOINT_URL" in found["The bucket answers"]


def test_a_missing_bucket_and_wrong_keys_are_named(settings, problems):
    found = problems(other(settings, bucket_name="no-such-bucket-here"))
    assert "no-such-bucket-here" in found["The bucket answers"]
    assert "The bucket answers" in problems(other(settings, secret_key="wrong" * 8))


def test_pages_by_https_need_a_store_by_https(problems):
    assert "mixed content" in problems(origin=ORIGIN)["Browsers may reach it from our pages"]


def test_a_public_endpoint_that_nobody_answers_is_named(settings, problems):
    settings.S3_PUBLIC_ENDPOINT_URL = "http://127.0.0.1:1"
    found = problems(other(settings))
    assert "S3_PUBLIC_ENDPOINT_URL" in found["A signed PUT is taken"]
    assert "Objects are copied and deleted" not in found


def test_a_clock_that_is_wrong_is_named(problems, monkeypatch):
    monkeypatch.setattr(contract, "MOST_SKEW_SECONDS", -1)
    assert "NTP" in problems()["Its clock agrees with ours"]


def test_signatures_that_are_refused_are_quoted(problems, monkeypatch):
    prepare = Signer.prepare

    def wrong(self, *args, **options):
        made = prepare(self, *args, **options)
        return type(made)(**{**vars(made), "signature": hmac.new(b"wrong", digestmod="sha256")})

    monkeypatch.setattr(Signer, "prepare", wrong)
    found = problems()
    assert "403" in found["A signed PUT is taken"]
    assert "403" in found["A signed GET is answered"]


def test_the_bucket_of_logs_is_tried_where_there_is_one(settings, capsys, bucket):
    settings.LOGS_BUCKET = "no-such-logs-here"
    logs = {"BACKEND": settings.STORAGES["default"]["BACKEND"]}
    options = {**settings.STORAGES["default"]["OPTIONS"], "bucket_name": settings.LOGS_BUCKET}
    settings.STORAGES = {**settings.STORAGES, "logs": {**logs, "OPTIONS": options}}
    with pytest.raises(CommandError, match="lacks"):
        call_command("check_bucket")
    said = capsys.readouterr().out
    assert "NO   The bucket of logs answers" in said
    assert "LOGS_BUCKET" in said
    call_command("set_up_bucket")
    call_command("check_bucket")
    assert "yes  Objects are written to the bucket of logs" in capsys.readouterr().out
    assert list(logs_storage().list_keys("")) == []


def test_the_command_fails_where_photos_could_not_arrive(settings, capsys):
    settings.PUBLIC_URL = ORIGIN
    with pytest.raises(CommandError, match="lacks"):
        call_command("check_bucket")
    assert "NO   Browsers may reach it" in capsys.readouterr().out
