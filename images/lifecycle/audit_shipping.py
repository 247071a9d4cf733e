"""Ships the audit trail to the bucket of logs, as gzipped JSON lines.

Which events a shipment holds is committed before its object is written, and the object's key and
bytes follow from that alone. So a crash at any moment loses no event, and a second attempt writes
the same object again: nothing is there twice.
"""

from __future__ import annotations

import gzip
import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from bandpics.advisory_lock import alone
from bandpics.audit.models import AuditEvent, AuditOutbox, AuditShipment
from bandpics.ids import new_id
from images.storage.objects import logs_storage

if TYPE_CHECKING:
    from uuid import UUID

LOCK = 0x61756469  # of Postgres; nobody else takes it
EVENTS_PER_OBJECT = 5000
OBJECTS_AT_ONCE = 20  # the next call ships what is left


def ship() -> int:
    """Ships what is waiting; returns how many objects it wrote. Without LOGS_BUCKET it writes none,
    and all waits. One process at a time does it. Raises StorageUnavailable."""
    if not settings.LOGS_BUCKET:
        return 0
    with alone(LOCK) as is_ours:
        if not is_ours:
            return 0
        for number in range(OBJECTS_AT_ONCE):  # one that was begun comes first
            shipment = AuditShipment.objects.filter(shipped_at=None).order_by("pk").first()
            shipment = shipment or _decide()
            if shipment is None:
                return number
            _write(shipment)
        return OBJECTS_AT_ONCE


@transaction.atomic
def _decide() -> AuditShipment | None:
    """Decides what the next shipment holds. Events whose transaction commits later come later."""
    waiting = AuditOutbox.objects.filter(shipment=None).order_by("event_id")
    ids = list(waiting.values_list("event_id", flat=True)[:EVENTS_PER_OBJECT])
    if not ids:
        return None
    now, shipment_id = timezone.now(), new_id()
    key = f"audit/{now:%Y/%m/%d}/{shipment_id}.jsonl.gz"
    shipment = AuditShipment.objects.create(
        pk=shipment_id, created_at=now, key=key, events=len(ids)
    )
    AuditOutbox.objects.filter(event_id__in=ids).update(shipment=shipment)
    return shipment


def _write(shipment: AuditShipment) -> None:
    events = AuditEvent.objects.filter(
        pk__in=AuditOutbox.objects.filter(shipment=shipment).values("event_id")
    )
    text = "".join(f"{json.dumps(_line(each))}\n" for each in events.order_by("pk"))
    # No time in it: the same events are the same bytes.
    packed = gzip.compress(text.encode(), mtime=0)
    logs_storage().put_stream(
        shipment.key, BytesIO(packed), byte_size=len(packed), content_type="application/gzip"
    )
    with transaction.atomic():
        AuditShipment.objects.filter(pk=shipment.pk).update(shipped_at=timezone.now())
        AuditOutbox.objects.filter(shipment=shipment).delete()


def _line(event: AuditEvent) -> dict[str, Any]:
    """Returns an event as one line of JSON says it; ids as text, times in UTC."""
    return {
        "id": str(event.pk),
        "at": event.at.isoformat(),
        "action": event.action,
        "user": event.user_id,
        "invitation": _text(event.invitation_id),
        "credential": event.credential,
        "key_prefix": event.key_prefix,
        "address": event.address,
        "request_id": event.request_id,
        "team": _text(event.team_id),
        "group": _text(event.group_id),
        "objects": [str(each) for each in event.object_ids],
        "details": event.details,
    }


def _text(key: UUID | None) -> str | None:
    return None if key is None else str(key)
