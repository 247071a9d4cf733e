"""Mails to members about photos that arrived: many photos, and many uploaders, in one mail."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Count, F, Max, Min, OuterRef, Q, Subquery
from django.urls import reverse
from django.utils import timezone

from groups.models import GroupSubscription, Membership
from images.listing.group_cards import LONGEST_WAY
from images.models import UPLOADER_COLUMNS, Image, Upload, locks
from invitations import mail, outbox
from invitations.models import OutgoingMail

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

# A mail is written once nothing has arrived for so long,
QUIET = timedelta(minutes=10)
# or once the first photo of those it tells has been there for so long.
LONGEST_WAIT = timedelta(hours=1)
# A photo is dated when it is finished, and seen when that is committed.
OVERLAP = timedelta(seconds=5)
MOST_UPLOADERS = 20  # in one mail
BATCH = 500
NEWS_LOCK = 0x6E657773  # any number that nobody else uses


def tell_subscribers() -> None:
    """Queues the mails that are due; a second call at the same time does nothing."""
    if not mail.can_send():
        return
    with locks.alone(NEWS_LOCK) as is_alone:
        if not is_alone:
            return
        rows = GroupSubscription.objects.filter(group__trashed_at=None, user__is_active=True)
        rows = rows.select_related("group", "user").order_by("pk")
        for subscription in rows.iterator(chunk_size=BATCH):
            _tell(subscription)


def _tell(subscription: GroupSubscription) -> None:
    until = timezone.now() - OVERLAP
    arrivals = _arrivals(subscription, until)
    if not arrivals:
        return
    is_quiet = max(each["last"] for each in arrivals) <= until - QUIET
    has_waited = min(each["first"] for each in arrivals) <= until - LONGEST_WAIT
    if not (is_quiet or has_waited):
        return
    told = GroupSubscription.objects.filter(pk=subscription.pk, told_until=subscription.told_until)
    with transaction.atomic():
        if told.update(told_until=until):
            outbox.enqueue_to_member(
                OutgoingMail.Kind.NEW_PHOTOS,
                subscription.user,
                subscription.group,
                language=subscription.language,
                details=_details(subscription, arrivals),
            )


def _arrivals(subscription: GroupSubscription, until: datetime) -> list[dict[str, Any]]:
    """Returns how many photos of others each uploader added since the last mail, and when, those
    who added most first."""
    # The first upload has the id of its photo.
    arrived = Upload.objects.filter(pk=OuterRef("pk")).values("finished_at")
    rows = (
        Image.objects.in_group(subscription.group)
        .ready()
        .filter(Q(uploaded_by=None) | ~Q(uploaded_by=subscription.user))
        .filter(created_at__gt=subscription.told_until - LONGEST_WAY)
        .annotate(arrived_at=Subquery(arrived))
        .filter(arrived_at__gt=subscription.told_until, arrived_at__lte=until)
    )
    return list(
        rows.order_by()
        .values(*UPLOADER_COLUMNS)
        .annotate(
            count=Count("pk"),
            first=Min("arrived_at"),
            last=Max("arrived_at"),
            name=Max("uploader_name"),
        )
        .order_by(F("count").desc(), "first")
    )


def _details(subscription: GroupSubscription, arrivals: Sequence[dict[str, Any]]) -> dict[str, Any]:
    group = subscription.group
    named = [{"name": each["name"], "count": each["count"]} for each in arrivals[:MOST_UPLOADERS]]
    is_owner = Membership.objects.filter(
        team=group.team_id, user=subscription.user, role=Membership.Role.OWNER
    ).exists()
    waiting = Image.objects.in_group(group).waiting_for_approval().count() if is_owner else 0
    return {
        "path": reverse("group-gallery", args=[group.pk]),
        "photo_count": sum(each["count"] for each in arrivals),
        "uploaders": named,
        "others": sum(each["count"] for each in arrivals[MOST_UPLOADERS:]),
        "waiting": waiting,
    }
