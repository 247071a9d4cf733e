"""The store says that bytes arrived, by webhook: the bucket decides, as ever."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time

import pytest
import redis
from django.conf import settings as live_settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import Client

from images.models import Upload
from images.storage_events import events
from images.tests import drawn_pictures
from images.tests.guest_client import put

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]

URL = "/api/v1/storage-events/"
SECRET = "a secret of the store, long enough"


@pytest.fixture(autouse=True)
def switched_on(settings):
    settings.STORAGE_EVENTS_SECRET = SECRET


@pytest.fixture
def arrived(cleo):
    """An upload whose browser never said complete."""
    data = drawn_pictures.jpeg()
    ticket = cleo.announce_one(data)
    assert put(ticket["upload"], data).status == 200
    return Upload.objects.get(pk=ticket["id"])


def told(*keys: str, name: str = "ObjectCreated:Put", bucket: str = "") -> dict:
    """As Amazon S3 writes it."""
    bucket = bucket or live_settings.S3_BUCKET
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "eventName": name,
                "s3": {"bucket": {"name": bucket}, "object": {"key": key, "size": 1}},
            }
            for key in keys
        ]
    }


def send(body: object, **headers: str):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = headers or {"authorization": f"Bearer {SECRET}"}
    return Client(headers=headers).post(URL, data, content_type="application/json")


def signed(body: bytes, *, at: float | None = None, key: bytes = SECRET.encode()) -> dict[str, str]:
    """As https://www.standardwebhooks.com says; written here once more, on purpose."""
    sent_at = str(int(time.time() if at is None else at))
    mac = hmac.new(key, b"msg_1." + sent_at.encode() + b"." + body, hashlib.sha256)
    signature = base64.b64encode(mac.digest()).decode()
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": sent_at,
        "webhook-signature": f"v1,{signature}",
    }


def status_of(upload) -> str:
    return Upload.objects.get(pk=upload.pk).status


def test_bytes_the_browser_never_reported_are_queued_once(arrived):
    body = told(arrived.incoming_key)
    assert (send(body).status_code, send(body).json()) == (200, {"queued": 0})
    assert status_of(arrived) == "queued"


def in_shapes(key: str) -> dict[str, dict]:
    encoded = key.replace("/", "%2F")
    bucket = live_settings.S3_BUCKET
    sns = {"Type": "Notification", "TopicArn": "arn", "Message": json.dumps(told(encoded))}
    return {
        "aws": told(encoded),
        "multipart": told(key, name="ObjectCreated:CompleteMultipartUpload"),
        "minio": {
            "EventName": "s3:ObjectCreated:Put",
            "Key": f"{bucket}/{key}",
            **told(encoded, name="s3:ObjectCreated:Put"),
        },
        "sns": sns,
        "eventbridge": {
            "detail-type": "Object Created",
            "source": "aws.s3",
            "detail": {"bucket": {"name": bucket}, "object": {"key": key, "size": 1}},
        },
        "r2": {"action": "PutObject", "bucket": bucket, "object": {"key": key}},
    }


@pytest.mark.parametrize("shape", list(in_shapes("x")))
def test_every_store_is_understood(arrived, shape):
    assert send(in_shapes(arrived.incoming_key)[shape]).json() == {"queued": 1}


def test_the_signature_of_standard_webhooks_opens(arrived):
    body = json.dumps(told(arrived.incoming_key)).encode()
    assert send(body, **signed(body)).json() == {"queued": 1}


def test_so_does_a_secret_in_their_own_form_among_several_signatures(arrived, settings):
    key = bytes(range(32))
    settings.STORAGE_EVENTS_SECRET = f"whsec_{base64.b64encode(key).decode()}"
    body = json.dumps(told(arrived.incoming_key)).encode()
    headers = signed(body, key=key)
    headers["webhook-signature"] = f"v1a,xyz v1,AAAA {headers['webhook-signature']}"
    assert send(body, **headers).json() == {"queued": 1}


BODY = b'{"Records": []}'


@pytest.mark.parametrize(
    ("headers", "slug"),
    [
        ({"accept": "*/*"}, "not-authenticated"),
        ({"authorization": "Bearer wrong"}, "credential-invalid"),
        ({"authorization": f"Basic {SECRET}"}, "credential-invalid"),
        ({"authorization": "Bearer \u00e4"}, "credential-invalid"),
        (signed(BODY + b" "), "credential-invalid"),
        (signed(BODY, key=b"another"), "credential-invalid"),
        (signed(BODY, at=time.time() - 3700), "credential-invalid"),
        (signed(BODY, at=time.time() + 3700), "credential-invalid"),
        ({**signed(BODY), "webhook-timestamp": "now"}, "credential-invalid"),
        ({**signed(BODY), "webhook-timestamp": "\u00b2"}, "credential-invalid"),
        ({**signed(BODY), "webhook-id": "msg_2"}, "credential-invalid"),
        # A wrong signature is not made good by a right token.
        (
            {**signed(BODY, key=b"x"), "authorization": f"Bearer {SECRET}"},
            "credential-invalid",
        ),
    ],
)
def test_a_wrong_sender_is_refused(headers, slug):
    answer = send(BODY, **headers)
    assert answer.status_code == 401
    assert answer.json()["type"] == f"/problems/{slug}/"
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_without_a_secret_the_door_is_shut_and_says_so(settings, arrived):
    settings.STORAGE_EVENTS_SECRET = None
    answer = send(told(arrived.incoming_key), authorization="Bearer ")
    assert answer.status_code == 404
    assert answer.json()["type"] == "/problems/storage-events-off/"
    assert status_of(arrived) == "pending"


def test_what_is_not_about_an_upload_is_harmless(arrived):
    key = arrived.incoming_key
    harmless = [
        told(),
        told("incoming/0190a5e0-0000-7000-8000-000000000000", "incoming/nonsense", "a/b", ""),
        told(key, name="ObjectRemoved:Delete"),
        told(key, bucket="another"),
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "x"},
        {"Type": "SubscriptionConfirmation", "SubscribeURL": "http://127.0.0.1:1/"},
        {"detail-type": "Object Deleted", "detail": {}},
        {"action": "DeleteObject"},
    ]
    for body in harmless:
        answer = send(body)
        assert (answer.status_code, answer.json()) == (200, {"queued": 0}), body
    assert status_of(arrived) == "pending"


def test_an_event_before_its_bytes_or_after_the_end_changes_nothing(cleo, arrived):
    early = cleo.announce_one(b"not sent yet")
    cancelled = cleo.announce_one(b"cancelled")
    cleo.client.delete(f"/api/v1/uploads/{cancelled['id']}/")
    keys = [f"incoming/{each['id']}" for each in (early, cancelled)]
    assert send(told(*keys)).json() == {"queued": 0}
    assert send(told(*keys, arrived.incoming_key)).json() == {"queued": 1}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b"{}",
        b'{"Records": 5}',
        b'{"Records": [{"eventName": 5}]}',
        b'{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": [], "object": 1}}]}',
        b'{"Type": "Notification", "Message": "x"}',
        b'{"Type": "Notification"}',
        b'{"detail-type": "Object Created"}',
    ],
)
def test_what_no_store_sends_is_refused(body):
    answer = send(body)
    assert answer.status_code == 400
    assert answer.json()["type"] == "/problems/invalid/"


def test_a_body_has_an_end():
    answer = send(b" " * (events.MAX_BYTES + 1))
    assert answer.status_code == 413
    assert answer.json()["type"] == "/problems/body-too-large/"


def test_while_the_bucket_is_away_the_store_is_asked_to_repeat(arrived, settings):
    default = settings.STORAGES["default"]
    away = {**default["OPTIONS"], "endpoint_url": "http://127.0.0.1:1"}
    there = settings.STORAGES
    settings.STORAGES = {**there, "default": {**default, "OPTIONS": away}}
    answer = send(told(arrived.incoming_key))
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    settings.STORAGES = there
    assert send(told(arrived.incoming_key)).json() == {"queued": 1}


@pytest.mark.django_db(transaction=True)
def test_browser_and_store_at_once_are_one_job(cleo, arrived):
    broker = redis.Redis.from_url(live_settings.REDIS_URL)
    broker.flushdb()
    codes: list[int] = []

    def tell(by_store: bool) -> None:
        if by_store:
            codes.append(send(told(arrived.incoming_key)).status_code)
        else:
            codes.append(cleo.complete(str(arrived.pk)).status_code)
        connection.close()

    threads = [threading.Thread(target=tell, args=[number % 2 == 0]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(set(codes) - {202}) == [200]
    assert broker.llen("images") == 1
    broker.close()


@pytest.mark.parametrize("secret", ["short", "whsec_notbase64!", "whsec_AAAA", "ä" * 40])
def test_a_secret_that_is_none_stops_the_start(secret):
    from environs import ValidationError

    from bandpics.settings.parsers import webhook_secret

    with pytest.raises(ValidationError):
        webhook_secret(secret)


def test_settings_that_are_wrong_are_named(monkeypatch):
    import importlib

    from bandpics import settings as module

    monkeypatch.setenv("STORAGE_EVENTS_QUEUE_URL", "a-queue")
    with pytest.raises(ImproperlyConfigured, match="STORAGE_EVENTS_QUEUE_URL"):
        importlib.reload(module)
    monkeypatch.undo()
    importlib.reload(module)
