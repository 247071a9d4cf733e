"""Receives the store's events as a function of AWS Lambda, which SQS calls with up to ten messages.

Does what the role `events` does. Lambda gives no secrets to its functions, so that the settings in
SECRET_ARNS (JSON: name -> ARN) are read from Secrets Manager first, once for each process.
"""

from __future__ import annotations

import json
import logging
import os
import time
from typing import TYPE_CHECKING, Any

import boto3
import django
from django.apps import apps

from bandpics.telemetry import context, errors, tracing

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)


def read_secrets(arns: Mapping[str, str]) -> dict[str, str]:
    """Returns the values of these secrets. Raises botocore's errors, and Lambda starts it again."""
    client: Any = boto3.client("secretsmanager") if arns else None
    return {
        name: client.get_secret_value(SecretId=arn)["SecretString"] for name, arn in arns.items()
    }


def set_up() -> None:
    """Reads secrets and settings, unless Django is set up. Its logs replace those of Lambda's
    runtime. Safe to call twice."""
    if not apps.ready:
        os.environ.update(read_secrets(json.loads(os.environ.get("SECRET_ARNS") or "{}")))
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bandpics.settings")
        django.setup()
        errors.start()
        tracing.start()


set_up()

from django.db import DatabaseError, InterfaceError, close_old_connections  # noqa: E402

from images.storage.objects import StorageUnavailable  # noqa: E402 - it needs the settings
from images.storage_events import events  # noqa: E402


def handler(event: Mapping[str, Any], invocation: object) -> dict[str, Any]:
    """Completes the uploads of each message. Returns those that SQS is to send again: what is no
    event ends in the dead-letter queue after some receipts.

    Lines of the logs name the message, and the invocation as AWS' own lines do."""
    close_old_connections()
    context.forget()
    context.say(request_id=context.accepted(str(getattr(invocation, "aws_request_id", ""))))
    failed = []
    for record in event["Records"]:
        with context.saying(message_id=record["messageId"]):
            started_at = time.monotonic()
            is_done = _process(record)
            facts = {
                "state": "SUCCESS" if is_done else "RETRY",
                "duration_ms": round((time.monotonic() - started_at) * 1000),
            }
            logger.info("storage event", extra=facts)
        if not is_done:
            failed.append(record["messageId"])
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _process(record: Mapping[str, Any]) -> bool:
    try:
        events.complete_uploads(record["body"])
    except events.NotAnEvent as error:
        logger.error("Message %s is no storage event: %s", record["messageId"], error)
        return False
    except (StorageUnavailable, DatabaseError, InterfaceError) as error:
        logger.warning("Message %s is tried again: %s", record["messageId"], error)
        return False
    return True
