"""Deletes an account: what becomes of its teams, groups and photos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q
from django.db.models.functions import Now

from bandpics.audit import trail
from bandpics.audit.models import Action
from bandpics.users.models import User
from groups import trash as group_trash
from groups.models import Group, Membership, Team
from images import history
from images.models import Image, UploaderKey, UploaderKind
from invitations.models import TeamInvitation

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from groups.models import GroupQuerySet, TeamQuerySet
    from images.models import ImageQuerySet


class MustHandOver(Exception):
    """The user is the last owner of teams that have other members."""

    def __init__(self, teams: list[Team]) -> None:
        super().__init__([team.name for team in teams])
        self.teams = teams


class LastAdmin(Exception):
    """Nobody else runs this service."""


@dataclass(frozen=True)
class Outlook:
    """What deleting an account would do."""

    to_hand_over: list[Team]
    groups: list[Group]  # that go, with `photo_count`
    photos: int  # in these groups, whoever sent them
    kept_photos: int  # of the user, in groups of other teams
    other_teams: list[Team]  # that the user leaves
    is_last_admin: bool


def outlook(user: User) -> Outlook:
    """Tells what would happen, for a person to decide."""
    alone = _teams_alone(user)
    shown = Q(images__version__gt=0, images__trashed_at=None)
    going = Group.objects.kept().filter(team__in=alone).select_related("team")
    groups = list(going.annotate(photo_count=Count("images", filter=shown)).order_by("name"))
    others = Team.objects.filter(memberships__user=user).exclude(pk__in=alone.values("pk"))
    return Outlook(
        to_hand_over=list(_teams_without_another_owner(user)),
        groups=groups,
        photos=sum(getattr(group, "photo_count", 0) for group in groups),
        kept_photos=_photos_elsewhere(user, alone).ready().count(),
        other_teams=list(others.order_by("name")),
        is_last_admin=_is_last_admin(user),
    )


@transaction.atomic
def delete(user: User, *, keep_name: bool, at_once: bool) -> None:
    """Deletes the account with its sessions, keys and tokens.

    Teams in which nobody else is go to the trash with their groups and photos, or are purged by
    the next sweep if `at_once`. Photos in groups of other teams stay there, under the person's
    name if `keep_name`. Raises MustHandOver, LastAdmin.
    """
    mine = Team.objects.filter(Exists(Membership.objects.filter(team=OuterRef("pk"), user=user)))
    # Nobody joins or leaves these teams until the end. In one order, or two of us would deadlock.
    list(mine.order_by("pk").select_for_update(no_key=True))
    # Nothing new refers to the user from here on: that would fail the deletion.
    User.objects.select_for_update().filter(pk=user.pk).first()
    if teams := list(_teams_without_another_owner(user)):
        raise MustHandOver(teams)
    if _is_last_admin(user):
        raise LastAdmin
    alone = Team.objects.filter(pk__in=list(_teams_alone(user).values_list("pk", flat=True)))
    _leave_photos(user, alone, keep_name=keep_name)
    TeamInvitation.objects.filter(team__in=alone).delete()
    _trash_groups(Group.objects.filter(team__in=alone), at_once=at_once)
    has_groups = Exists(Group.objects.filter(team=OuterRef("pk")))
    alone.filter(~has_groups).delete()  # the sweeper deletes the others after their last group
    trail.record(Action.ACCOUNT_DELETED, details={"of_user": user.pk})
    user.delete()


def _leave_photos(user: User, alone: TeamQuerySet, *, keep_name: bool) -> None:
    """Takes the person's address off their photos in other teams, and the name if wanted."""
    photos = _photos_elsewhere(user, alone)
    if not keep_name:
        photos.exclude(uploader_name="").update(uploader_name="", updated_at=Now())
    else:
        # Without a name of their own, photos were credited to the address.
        photos.filter(uploader_name=user.email).update(uploader_name=user.name, updated_at=Now())
        history.keep_name(user)


def _trash_groups(groups: GroupQuerySet, *, at_once: bool) -> None:
    for group in groups.filter(trashed_at=None):
        group_trash.put(group)
    if at_once:
        groups.update(trashed_at=group_trash.just_overdue())


def _teams_alone(user: User) -> TeamQuerySet:
    others = Membership.objects.filter(team=OuterRef("pk")).exclude(user=user)
    return Team.objects.filter(~Exists(others), memberships__user=user)


def _teams_without_another_owner(user: User) -> TeamQuerySet:
    """Teams with other members that would have no owner any more."""
    others = Membership.objects.filter(team=OuterRef("pk")).exclude(user=user)
    owners = others.filter(role=Membership.Role.OWNER, user__is_active=True)
    mine = Membership.objects.filter(team=OuterRef("pk"), user=user, role=Membership.Role.OWNER)
    return Team.objects.filter(Exists(mine), Exists(others), ~Exists(owners)).order_by("name")


def _photos_elsewhere(user: User, alone: QuerySet[Team]) -> ImageQuerySet:
    sent = Image.objects.sent_by(UploaderKey(UploaderKind.MEMBER, str(user.pk)))
    going = Group.objects.filter(team__in=alone.values("pk"))
    photos: ImageQuerySet = sent.exclude(group__in=going.values("pk"))
    return photos


def _is_last_admin(user: User) -> bool:
    admins = User.objects.filter(is_superuser=True, is_active=True)
    return user.is_superuser and not admins.exclude(pk=user.pk).exists()
