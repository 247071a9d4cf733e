"""A creating call that is sent twice is done once."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from bandpics.api import idempotency
from bandpics.api.tests import urls
from bandpics.api.tests.conftest import problem
from bandpics.users.models import IdempotencyRecord

pytestmark = [pytest.mark.django_db, pytest.mark.urls("bandpics.api.tests.urls")]
THINGS = "/api/v1/things/"


@pytest.fixture(autouse=True)
def _no_calls():
    urls.CALLS.clear()
    urls.STARTED.clear()
    urls.MAY_END.clear()


@pytest.fixture
def post(ada):
    client = APIClient()
    client.force_login(ada)

    def send(body, key="one", path=THINGS, by=client):
        headers = {} if key is None else {"Idempotency-Key": key}
        return by.post(path, body, headers=headers)

    return send


def test_the_second_call_is_answered_like_the_first_and_not_done(post):
    first, second = post({"a": 1, "b": 2}), post({"b": 2, "a": 1})
    assert (second.status_code, second.json()) == (201, first.json())
    assert second["Location"] == first["Location"]
    assert second["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first
    assert len(urls.CALLS) == 1


def test_without_a_key_each_call_is_its_own(post):
    assert post({}, key=None).json() != post({}, key=None).json()
    assert not IdempotencyRecord.objects.exists()


def test_another_body_is_refused(post):
    post({"a": 1})
    problem(post({"a": 2}), 422, "idempotency-mismatch")
    assert len(urls.CALLS) == 1


def test_keys_of_different_people_and_routes_have_nothing_to_do_with_each_other(post, dora):
    post({})
    other = APIClient()
    other.force_login(dora)
    assert post({}, by=other).json()["number"] == 2
    assert post({}, path="/api/v1/secrets/").json()["id"] == 3


@pytest.mark.parametrize("key", ["", "x" * 256, "ü", "a\tb", "a b"])
def test_a_key_that_cannot_be_one_is_refused(post, key):
    problem(post({}, key=key), 400, "idempotency-key-invalid")


def test_a_refused_call_may_be_corrected_with_the_same_key(post):
    assert post({"refuse": True}).status_code == 400
    assert post({"refuse": False}).status_code == 201


def test_a_broken_call_may_be_repeated(post, ada):
    client = APIClient(raise_request_exception=False)
    client.force_login(ada)
    assert post({"break": True}, by=client).status_code == 500
    assert not IdempotencyRecord.objects.exists()


def test_secrets_are_never_stored_but_made_anew(post):
    first = post({}, path="/api/v1/secrets/")
    assert first.json()["api_key"] == "secret"
    assert IdempotencyRecord.objects.get().answer["data"] == {"id": 1}
    assert post({}, path="/api/v1/secrets/").json() == {"id": 1, "api_key": "made anew"}


def test_a_view_that_would_store_a_secret_is_found_by_its_first_test(post):
    with pytest.raises(AssertionError, match="holds secrets"):
        post({}, path="/api/v1/careless/")


def test_bodies_are_stored_only_as_a_keyed_hash(post):
    post({"password": "hunter2"}, path="/api/v1/secrets/")
    record = IdempotencyRecord.objects.get()
    assert "hunter2" not in str(vars(record))
    assert len(record.body_digest) == 64


def test_after_a_day_the_key_is_new_again(post):
    post({"a": 1})
    IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert post({"a": 2}).json()["number"] == 2


def test_expired_records_are_swept(post):
    post({}, key="old")
    IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(hours=25))
    post({}, key="young")
    assert idempotency.forget_expired() == 1
    assert IdempotencyRecord.objects.count() == 1


def test_a_call_whose_process_died_holds_its_key_for_some_minutes(post):
    post({})
    IdempotencyRecord.objects.update(status=None)
    problem(post({}), 409, "idempotency-in-flight")
    IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(minutes=6))
    assert post({}).json()["number"] == 2


@pytest.mark.django_db(transaction=True)
def test_while_the_first_is_at_work_the_second_waits(post):
    answers = []

    def first():
        answers.append(post({"wait": True}))
        connection.close()

    thread = threading.Thread(target=first)
    thread.start()
    assert urls.STARTED.wait(10)
    meanwhile = post({"wait": True})
    urls.MAY_END.set()
    thread.join()
    problem(meanwhile, 409, "idempotency-in-flight")
    assert int(meanwhile["Retry-After"]) > 0
    assert answers[0].status_code == 201
    assert post({"wait": True}).json() == answers[0].json()


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_is_done(post):
    codes = []

    def send():
        codes.append(post({}).status_code)
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(urls.CALLS) == 1
    assert set(codes) <= {201, 409}
    assert 201 in codes


def test_files_count_by_their_bytes(post, ada):
    client = APIClient()
    client.force_login(ada)

    def send(content):
        body = {"group": "1", "file": SimpleUploadedFile("a.jpg", content)}
        headers = {"Idempotency-Key": "one"}
        return client.post("/api/v1/files/", body, format="multipart", headers=headers)

    assert send(b"one").json() == {"read": "one"}
    assert send(b"one").json() == {"read": "one"}
    assert len(urls.CALLS) == 1
    problem(send(b"two"), 422, "idempotency-mismatch")
