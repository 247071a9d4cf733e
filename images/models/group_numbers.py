"""What was counted of each group, kept so that nobody counts a million photos for a page."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from django.db import models
from django.db.models import DurationField, ExpressionWrapper, F, Q, Value
from django.db.models.functions import Greatest, Now

# A group that changes is counted again after so many times as long as counting it took.
SHARE = 100
SHORTEST = timedelta(seconds=10)
# What no photo shows, like the end of a ZIP, is in the numbers by then.
LONGEST = timedelta(hours=6)


class GroupNumbersQuerySet(models.QuerySet["GroupNumbers"]):
    def due(self) -> Self:
        """Numbers that are to be counted anew, those of new groups first."""
        pause = Greatest(
            ExpressionWrapper(F("took") * Value(SHARE), output_field=DurationField()),
            Value(SHORTEST),
        )
        is_due = (
            Q(counted_at=None)
            | Q(changed_at__gte=F("counted_at"))
            | Q(counted_at__lt=Now() - LONGEST)
        )
        has_paused = Q(tried_at=None) | Q(tried_at__lt=Now() - pause)
        return self.filter(is_due, has_paused).order_by(
            F("tried_at").asc(nulls_first=True), "group_id"
        )


class GroupNumbers(models.Model):
    """The numbers of one group, as `images.listing.numbers` counted them.

    The sweeper writes it. It has no foreign key, as PhotoCount has none; the sweeper deletes the
    numbers of a group that is gone.
    """

    group_id = models.UUIDField(primary_key=True)
    numbers = models.JSONField(default=dict)
    changed_at = models.DateTimeField(help_text="When photos of the group were last seen to change")
    counted_at = models.DateTimeField(null=True, blank=True)
    tried_at = models.DateTimeField(null=True, blank=True)
    took = models.DurationField(default=timedelta)

    objects = GroupNumbersQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "group numbers"

    def __str__(self) -> str:
        return f"Numbers of {self.group_id}"
