"""Completes uploads when the store notifies us that an object was created, even if the browser
never does.

An event is believed no more than a browser: transfer.complete() asks the bucket.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from django.conf import settings

from images.models import Upload
from images.storage import object_keys
from images.uploads import transfer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

logger = logging.getLogger(__name__)

MAX_BYTES = 1024 * 1024  # SQS and SNS carry no larger message


class NotAnEvent(Exception):
    """No store sends such a message; says why in one line."""


def complete_uploads(body: bytes | str) -> int:
    """Completes the uploads that a notification is about; returns how many it queued.

    Safe to call twice, late, or in any order. Raises NotAnEvent, StorageUnavailable.
    """
    queued = 0
    for upload_id in upload_ids(body):
        upload = Upload.objects.filter(pk=upload_id).first()
        if upload is None:
            continue
        try:
            queued += transfer.complete(upload)
        except transfer.CannotComplete as error:
            logger.info("Event for upload %s changes nothing: %r", upload_id, error)
    return queued


def upload_ids(body: bytes | str) -> list[UUID]:
    """The uploads whose objects in quarantine it says were created, each once. Raises NotAnEvent.

    Understands Amazon S3 event notifications ("Event message structure" of its User Guide; so do
    MinIO, Ceph and SeaweedFS), the same inside an Amazon SNS envelope, Amazon EventBridge events,
    and those of Cloudflare R2.
    """
    found = [
        upload_id
        for bucket, key in _created(_parsed(body))
        if bucket == settings.S3_BUCKET and (upload_id := object_keys.upload_id_of(key)) is not None
    ]
    return list(dict.fromkeys(found))


def _parsed(body: bytes | str) -> dict[str, Any]:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        raise NotAnEvent("It is not JSON.") from None
    if not isinstance(message, dict):
        raise NotAnEvent("It is not a JSON object.")
    return message


def _created(message: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(bucket, key) of every object it says was created."""
    try:
        if message.get("Event") == "s3:TestEvent" or message.get("Type") in _SNS_ADMINISTRATION:
            return
        if message.get("Type") == "Notification":
            yield from _created(_parsed(message["Message"]))
        elif "Records" in message:
            for record in message["Records"]:
                # "ObjectCreated:Put" at AWS, "s3:ObjectCreated:Put" elsewhere.
                if _text(record["eventName"]).removeprefix("s3:").startswith("ObjectCreated:"):
                    # "The key name value is URL encoded", spaces as plus signs.
                    key = unquote_plus(_text(record["s3"]["object"]["key"]))
                    yield _text(record["s3"]["bucket"]["name"]), key
        elif message.get("detail-type"):
            if message["detail-type"] == "Object Created":
                detail = message["detail"]
                # Unlike in S3's own notifications, the key is not encoded.
                yield _text(detail["bucket"]["name"]), _text(detail["object"]["key"])
        elif "action" in message:
            if message["action"] in _R2_CREATED:
                yield _text(message["bucket"]), _text(message["object"]["key"])
        else:
            raise NotAnEvent("It has none of Records, Message, detail-type or action.")
    except (KeyError, TypeError, AttributeError) as error:
        raise NotAnEvent(f"It is not built like an event: {error!r}") from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


# No address in these is ever fetched: an operator confirms a subscription by hand.
_SNS_ADMINISTRATION = {"SubscriptionConfirmation", "UnsubscribeConfirmation"}
_R2_CREATED = {"PutObject", "CopyObject", "CompleteMultipartUpload"}
