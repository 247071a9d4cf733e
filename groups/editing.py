"""Creates groups, and changes what they say and what their guests may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from django.db import transaction
from django.db.models.functions import Now

from bandpics.audit import trail
from bandpics.audit.models import Action
from groups import licences
from groups.models import Group

if TYPE_CHECKING:
    from groups.models import Team

LONGEST_RETENTION_DAYS = 36_500
TIME_ZONES = frozenset(available_timezones())


class ChangedMeanwhile(Exception):
    """The group is gone, or no longer what the caller has seen."""


@transaction.atomic
def create(team: Team, about: dict[str, Any]) -> Group:
    """Creates a group. `about` holds columns, and `licence` as in change()."""
    columns = dict(about)
    licence = columns.pop("licence", None)
    group = Group.objects.create(team=team, **columns)
    if licence is not None:
        group.licence = licences.version_of(group, licence)
        group.save(update_fields=["licence"])
    trail.record(Action.GROUP_CREATED, team_id=team.pk, group_id=group.pk)
    return group


@transaction.atomic
def change(
    group: Group, changes: dict[str, Any], *, expected: dict[str, Any] | None = None
) -> None:
    """Changes columns of a group, and its `licence`: None, or {kind, text} of another sentence.

    Raises ChangedMeanwhile unless the row still says what is expected. Sentences are never
    changed: another wording is another row.
    """
    if not changes:
        return
    rows = Group.objects.kept().filter(pk=group.pk, **(expected or {}))
    found = rows.select_related("team", "licence").select_for_update(of=("self",)).first()
    if found is None:
        raise ChangedMeanwhile
    columns = dict(changes)
    if "licence" in columns:
        columns["licence"] = licences.version_of(found, columns["licence"])
    Group.objects.filter(pk=found.pk).update(**columns, updated_at=Now())
    is_closing = set(changes) == {"closes_at"} and changes["closes_at"] is not None
    trail.record(
        Action.GROUP_CLOSED if is_closing else Action.GROUP_CHANGED,
        team_id=found.team_id,
        group_id=found.pk,
        details={"fields": sorted(changes)},
    )
