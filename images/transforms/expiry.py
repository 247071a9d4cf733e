"""The end of transforms: what the sweeper does about them. Triggers leave their objects to the
outbox."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db.models import F, Sum, Window
from django.db.models.functions import Now

from groups.models import Group, Team
from images.models import Transform
from images.transforms import claims, queue
from images.uploads.queue import depth

QUEUED_BEFORE_ENQUEUING = timedelta(minutes=1)
# Teams whose transforms nobody uses do not grow.
LOOKED_AT = timedelta(minutes=10)
BATCH = 500


def sweep() -> None:
    """Queues lost transforms again, fails those that crash, and deletes those that nobody uses, or
    that a team has no room for."""
    room = max(0, BATCH - depth(queue.NAME))
    for transform_id in claims.WORK.stuck_ids(queued_longer_than=QUEUED_BEFORE_ENQUEUING)[:room]:
        claims.WORK.mark_enqueued(transform_id)
        queue.enqueue(transform_id)
    claims.fail_crashed()
    _delete_unused()
    _make_room()


def _delete_unused() -> None:
    unused_since = Now() - timedelta(days=settings.TRANSFORM_UNUSED_DAYS)
    old = Transform.objects.filter(last_used_at__lt=unused_since).order_by("last_used_at")
    Transform.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:BATCH])).delete()


def _make_room() -> None:
    """Deletes, of teams over their limit, the transforms that were not used for longest."""
    used = Transform.objects.filter(last_used_at__gt=Now() - LOOKED_AT).order_by()
    groups = Group.objects.filter(pk__in=used.values("group_id"))
    for team in Team.objects.filter(pk__in=groups.values("team")):
        theirs = Transform.objects.done().filter(group_id__in=team.groups.values("pk"))
        newest_first = [F("last_used_at").desc(), F("pk").desc()]
        totals = theirs.annotate(total=Window(Sum("byte_size"), order_by=newest_first))
        over = totals.filter(total__gt=settings.TRANSFORM_MAX_BYTES_PER_TEAM)
        Transform.objects.filter(pk__in=list(over.values_list("pk", flat=True))).delete()
