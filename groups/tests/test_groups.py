"""Teams and groups: who sees which, and what the database refuses."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from bandpics.users.access import Access
from bandpics.users.models import User
from groups.models import Group, Membership
from groups.tests.factories import GroupFactory, MembershipFactory

pytestmark = pytest.mark.django_db


def test_members_see_their_teams_groups_and_no_others():
    membership = MembershipFactory()
    group = GroupFactory(team=membership.team)
    GroupFactory()
    assert Group.objects.visible_to(Access(membership.user)).get() == group


@pytest.mark.parametrize(("role", "may"), [("owner", True), ("member", True), ("viewer", False)])
def test_viewers_only_look(role, may):
    membership = MembershipFactory(role=role)
    group = GroupFactory(team=membership.team)
    assert Group.objects.visible_to(Access(membership.user)).filter(pk=group.pk).exists()
    assert Group.objects.writable_by(Access(membership.user)).filter(pk=group.pk).exists() is may


def test_one_is_in_a_team_once():
    membership = MembershipFactory()
    with pytest.raises(IntegrityError, match="membership_once_per_team"), transaction.atomic():
        MembershipFactory(team=membership.team, user=membership.user)


def test_a_role_nobody_knows_is_refused():
    with pytest.raises(IntegrityError, match="membership_role_is_known"), transaction.atomic():
        MembershipFactory(role="king")
    assert not Membership.objects.filter(role="king").exists()


@pytest.mark.parametrize("place", [(91, 0), (0, 181), (48, None), (None, 16)])
def test_a_place_is_whole_and_on_earth(place):
    with pytest.raises(IntegrityError, match="group_place"), transaction.atomic():
        GroupFactory(latitude=place[0], longitude=place[1])


def test_an_email_is_used_once_whatever_the_case():
    User.objects.create_user("ada@example.org")
    with pytest.raises(IntegrityError, match="user_email_once"), transaction.atomic():
        User.objects.create_user("ADA@example.org")
    with pytest.raises(ValueError, match="e-mail"):
        User.objects.create_user("")
