"""`manage.py consume_storage_events`, against a real SQS server (moto's) over HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading

import boto3
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from bandpics.local.environment import PROJECT
from bandpics.testing.aws_server import aws_server
from images.models import Upload
from images.storage_events import consumer, sqs
from images.storage_events.sqs import EventQueue
from images.tests import drawn_pictures
from images.tests.guest_client import put
from images.tests.test_storage_events import told

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]

KEYS = {"AWS_ACCESS_KEY_ID": "anything", "AWS_SECRET_ACCESS_KEY": "anything"}
PATIENCE_SECONDS = 20


@pytest.fixture(scope="module")
def sqs_client():
    with aws_server() as url:
        yield boto3.client(
            "sqs",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="anything",
            aws_secret_access_key="anything",
        )


@pytest.fixture
def queue_url(sqs_client, settings, monkeypatch, request):
    """A queue whose messages come back after a moment, and end beside it after two receipts."""
    name = str(abs(hash(request.node.nodeid)))
    dead = sqs_client.create_queue(QueueName=f"dead-{name}")["QueueUrl"]
    arn = sqs_client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
    policy = {"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": 2}
    url = sqs_client.create_queue(QueueName=name, Attributes={"RedrivePolicy": json.dumps(policy)})
    for variable, value in KEYS.items():
        monkeypatch.setenv(variable, value)
    settings.STORAGE_EVENTS_QUEUE_URL = url["QueueUrl"]
    settings.STORAGE_EVENTS_QUEUE_REGION = "us-east-1"
    settings.STORAGE_EVENTS_QUEUE_ENDPOINT_URL = sqs_client.meta.endpoint_url
    monkeypatch.setattr(sqs, "VISIBILITY_SECONDS", 1)
    monkeypatch.setattr(consumer, "FIRST_PAUSE_SECONDS", 0.1)
    return url["QueueUrl"]


@pytest.fixture
def running_consumer(queue_url):
    """Runs until the test is over."""
    stop = threading.Event()

    def run() -> None:
        try:
            consumer.consume(EventQueue(wait_seconds=1), stop=stop)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    yield thread
    stop.set()
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()


@pytest.fixture
def arrived(cleo):
    data = drawn_pictures.jpeg()
    ticket = cleo.announce_one(data)
    assert put(ticket["upload"], data).status == 200
    return Upload.objects.get(pk=ticket["id"])


def left(sqs_client, url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = sqs_client.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(counts[name]) for name in names)


def until(is_so) -> None:
    waiting = threading.Event()
    for _ in range(PATIENCE_SECONDS * 20):
        if is_so():
            return
        waiting.wait(0.05)
    raise AssertionError


def send(sqs_client, url: str, *bodies: object) -> None:
    for body in bodies:
        text = body if isinstance(body, str) else json.dumps(body)
        sqs_client.send_message(QueueUrl=url, MessageBody=text)


def test_messages_are_taken_and_deleted_repeated_unknown_and_test_ones_too(
    sqs_client, queue_url, running_consumer, arrived
):
    test_event = {"Service": "Amazon S3", "Event": "s3:TestEvent"}
    unknown = told("incoming/0190a5e0-0000-7000-8000-000000000000")
    body = told(arrived.incoming_key)
    wrapped = {"Type": "Notification", "Message": json.dumps(body)}
    send(sqs_client, queue_url, test_event, unknown, body, wrapped, body)
    running_consumer.start()
    until(lambda: left(sqs_client, queue_url) == 0)
    assert Upload.objects.get().status == "queued"


def test_what_is_no_event_ends_in_the_dead_letter_queue(
    sqs_client, queue_url, running_consumer, arrived, caplog
):
    send(sqs_client, queue_url, "poison", told(arrived.incoming_key))
    running_consumer.start()
    dead = queue_url.replace(queue_url.rpartition("/")[2], f"dead-{queue_url.rpartition('/')[2]}")
    until(lambda: left(sqs_client, dead) == 1 and left(sqs_client, queue_url) == 0)
    assert Upload.objects.get().status == "queued"
    assert "is no storage event: It is not JSON." in caplog.text


def test_while_the_bucket_is_away_the_message_stays(
    sqs_client, queue_url, running_consumer, arrived, settings
):
    there, default = settings.STORAGES, settings.STORAGES["default"]
    away = {**default["OPTIONS"], "endpoint_url": "http://127.0.0.1:1"}
    settings.STORAGES = {**there, "default": {**default, "OPTIONS": away}}
    send(sqs_client, queue_url, told(arrived.incoming_key))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(consumer, "FIRST_PAUSE_SECONDS", 60.0)  # it gives up receiving meanwhile
        stop, paused = threading.Event(), threading.Event()
        patch.setattr(consumer.logger, "warning", lambda *_: paused.set())
        thread = threading.Thread(
            target=lambda: (
                consumer.consume(EventQueue(wait_seconds=1), stop=stop),
                connection.close(),
            )
        )
        thread.start()
        assert paused.wait(PATIENCE_SECONDS)
        stop.set()
        thread.join(PATIENCE_SECONDS)
    assert left(sqs_client, queue_url) == 1
    assert Upload.objects.get().status == "pending"
    settings.STORAGES = there
    running_consumer.start()
    until(lambda: Upload.objects.get().status == "queued")
    until(lambda: left(sqs_client, queue_url) == 0)


def test_the_command_runs_until_sigterm(sqs_client, queue_url, arrived):
    send(sqs_client, queue_url, told(arrived.incoming_key))
    process = subprocess.Popen(
        [sys.executable, "manage.py", "consume_storage_events"],
        cwd=PROJECT,
        env={
            **os.environ,
            **KEYS,
            "DATABASE_URL": os.environ["DATABASE_URL"].rpartition("/")[0]
            + f"/{connection.settings_dict['NAME']}",
            "STORAGE_EVENTS_QUEUE_URL": queue_url,
            "STORAGE_EVENTS_QUEUE_ENDPOINT_URL": sqs_client.meta.endpoint_url,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        until(lambda: Upload.objects.get().status == "queued" and left(sqs_client, queue_url) == 0)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=PATIENCE_SECONDS)
    finally:
        process.kill()
    assert process.returncode == 0, out
    assert out.rstrip().endswith("Stopped.")


def test_a_queue_that_is_not_there_is_waited_for(
    settings, queue_url, sqs_client, arrived, running_consumer
):
    settings.STORAGE_EVENTS_QUEUE_URL = queue_url + "-none"
    running_consumer.start()
    settings.STORAGE_EVENTS_QUEUE_URL = queue_url
    send(sqs_client, queue_url, told(arrived.incoming_key))
    until(lambda: left(sqs_client, queue_url) == 0)


def test_without_a_queue_the_command_says_what_to_set(settings):
    settings.STORAGE_EVENTS_QUEUE_URL = None
    with pytest.raises(CommandError, match="STORAGE_EVENTS_QUEUE_URL"):
        call_command("consume_storage_events")
