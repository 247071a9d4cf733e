"""Celery tasks of invitations."""

from __future__ import annotations

from celery import shared_task

from invitations import delivery

# More than delivery.RUN_SECONDS and a slow mail on top, and less than outbox.LEASE.
SOFT_LIMIT_SECONDS, LIMIT_SECONDS = 180, 240


@shared_task(soft_time_limit=SOFT_LIMIT_SECONDS, time_limit=LIMIT_SECONDS)
def send_mail() -> None:
    delivery.send_due()
