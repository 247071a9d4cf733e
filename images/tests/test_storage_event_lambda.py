"""The store's events by a function of AWS Lambda: SQS' real event against the real functions."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from types import SimpleNamespace

import boto3
import pytest
from django.db import connection

from bandpics.local.environment import PRETENDED, PROJECT
from bandpics.telemetry import logs
from bandpics.testing.aws_server import aws_server
from images.models import Upload
from images.storage_events import lambda_handler
from images.tests import drawn_pictures
from images.tests.guest_client import put
from images.tests.test_storage_events import told

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]


@pytest.fixture
def arrived(cleo):
    data = drawn_pictures.jpeg()
    ticket = cleo.announce_one(data)
    assert put(ticket["upload"], data).status == 200
    return Upload.objects.get(pk=ticket["id"])


def from_sqs(*bodies: str) -> dict:
    """As "Using Lambda with Amazon SQS" of AWS' documentation shows it."""
    return {
        "Records": [
            {
                "messageId": f"message-{number}",
                "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183"},
                "messageAttributes": {},
                "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:bandpics-storage-events",
                "awsRegion": "eu-central-1",
            }
            for number, body in enumerate(bodies)
        ]
    }


def failed(answer: dict) -> list[str]:
    return [row["itemIdentifier"] for row in answer["batchItemFailures"]]


def test_an_arrived_photo_is_queued_and_a_repetition_changes_nothing(arrived):
    event = from_sqs(json.dumps(told(arrived.incoming_key)))
    assert failed(lambda_handler.handler(event, None)) == []
    assert Upload.objects.get().status == "queued"
    assert failed(lambda_handler.handler(event, None)) == []


def test_what_is_no_event_comes_back_alone(arrived, caplog):
    event = from_sqs("poison", json.dumps(told(arrived.incoming_key)))
    assert failed(lambda_handler.handler(event, None)) == ["message-0"]
    assert Upload.objects.get().status == "queued"
    assert "Message message-0 is no storage event: It is not JSON." in caplog.text


def test_its_lines_name_the_message_and_the_invocation(arrived, caplog):
    caplog.set_level(logging.INFO)
    shown = []

    class Shown(logging.Handler):
        def emit(self, record):
            shown.append(json.loads(logs.formatter(logs.JSON).format(record)))

    root, handler = logging.getLogger(), Shown()
    root.addHandler(handler)
    try:
        event = from_sqs("poison", json.dumps(told(arrived.incoming_key)))
        lambda_handler.handler(event, SimpleNamespace(aws_request_id="8f5-invocation"))
    finally:
        root.removeHandler(handler)
    assert {line["request_id"] for line in shown} == {"8f5-invocation"}
    by_event = {(line["event"], line.get("message_id")): line for line in shown}
    assert by_event["storage event", "message-0"]["state"] == "RETRY"
    assert by_event["storage event", "message-1"]["state"] == "SUCCESS"
    assert by_event["arrived", "message-1"]["upload_id"] == str(arrived.pk)


def test_while_the_bucket_is_away_the_message_comes_back(arrived, settings):
    default = settings.STORAGES["default"]
    away = {**default["OPTIONS"], "endpoint_url": "http://127.0.0.1:1"}
    settings.STORAGES = {**settings.STORAGES, "default": {**default, "OPTIONS": away}}
    event = from_sqs(json.dumps(told(arrived.incoming_key)))
    assert failed(lambda_handler.handler(event, None)) == ["message-0"]
    assert Upload.objects.get().status == "pending"


@pytest.fixture
def secrets_manager():
    with aws_server() as url:
        yield url


def test_a_new_process_reads_its_secrets_from_secrets_manager(secrets_manager):
    """Neither secret is in its environment, as at Lambda."""
    keys = {"AWS_ACCESS_KEY_ID": "anything", "AWS_SECRET_ACCESS_KEY": "anything"}
    variables = {**keys, "AWS_DEFAULT_REGION": "eu-central-1"}
    client = boto3.client(
        "secretsmanager",
        endpoint_url=secrets_manager,
        region_name="eu-central-1",
        aws_access_key_id="anything",
        aws_secret_access_key="anything",
    )
    url = os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{connection.settings_dict['NAME']}"
    values = {"DATABASE_URL": url, "SECRET_KEY": "a-secret-of-more-than-32-characters"}
    arns = {
        name: client.create_secret(Name=name, SecretString=value)["ARN"]
        for name, value in values.items()
    }
    unknown = json.dumps(told("incoming/0190a5e0-0000-7000-8000-000000000000", bucket="bandpics"))
    program = (
        "import json, sys; from images.storage_events.lambda_handler import handler;"
        "print(json.dumps(handler(json.load(sys.stdin), None)))"
    )
    pretended = {name: value for name, value in PRETENDED.items() if name not in values}
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT,
        env={
            **pretended,
            **variables,
            "PATH": os.environ["PATH"],
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": secrets_manager,
            "SECRET_ARNS": json.dumps(arns),
            "LOG_FORMAT": "json",
        },
        input=json.dumps(from_sqs(unknown, "poison")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert failed(json.loads(run.stdout)) == ["message-1"]
    lines = [json.loads(line) for line in run.stderr.splitlines()]  # as its image logs
    ends = {line["message_id"]: line["state"] for line in lines if line["event"] == "storage event"}
    assert ends == {"message-0": "SUCCESS", "message-1": "RETRY"}
    assert all(len(line["request_id"]) == 32 for line in lines if "message_id" in line)
