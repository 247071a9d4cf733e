"""Reads the queue a store puts its events into: Amazon SQS, or a server with its API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

WAIT_SECONDS = 5  # SQS allows 20, but whoever stops this would wait as long
# Long enough for ten messages while the bucket answers slowly; then others may receive them.
VISIBILITY_SECONDS = 120


class QueueUnavailable(Exception):
    """The queue did not answer, or refused."""


@dataclass(frozen=True)
class Message:
    id: str
    body: str
    receipt: str


class EventQueue:
    """Messages stay in the queue until they are deleted, hidden from others for a while."""

    def __init__(self, *, wait_seconds: int = WAIT_SECONDS) -> None:
        self._wait_seconds = wait_seconds
        # At AWS one role or key opens both; other stores' keys mean nothing to a queue.
        is_aws = settings.S3_ENDPOINT_URL is None
        self._client: Any = boto3.client(
            "sqs",
            endpoint_url=settings.STORAGE_EVENTS_QUEUE_ENDPOINT_URL,
            region_name=settings.STORAGE_EVENTS_QUEUE_REGION,
            aws_access_key_id=settings.S3_ACCESS_KEY if is_aws else None,
            aws_secret_access_key=settings.S3_SECRET_KEY if is_aws else None,
            config=Config(
                connect_timeout=5, read_timeout=wait_seconds + 10, retries={"total_max_attempts": 2}
            ),
        )

    def receive(self) -> list[Message]:
        """Up to ten, as soon as there is one. Raises QueueUnavailable."""
        answer = self._call(
            "receive_message",
            MaxNumberOfMessages=10,
            WaitTimeSeconds=self._wait_seconds,
            VisibilityTimeout=VISIBILITY_SECONDS,
        )
        return [
            Message(row["MessageId"], row["Body"], row["ReceiptHandle"])
            for row in answer.get("Messages", [])
        ]

    def delete(self, message: Message) -> None:
        """Raises QueueUnavailable."""
        self._call("delete_message", ReceiptHandle=message.receipt)

    def give_back(self, message: Message) -> None:
        """Lets others receive it at once. Raises QueueUnavailable."""
        self._call("change_message_visibility", ReceiptHandle=message.receipt, VisibilityTimeout=0)

    def _call(self, operation: str, **parameters: Any) -> Any:
        try:
            call = getattr(self._client, operation)
            return call(QueueUrl=settings.STORAGE_EVENTS_QUEUE_URL, **parameters)
        except (ClientError, BotoCoreError) as error:
            raise QueueUnavailable(f"The event queue does not answer: {error}") from error
