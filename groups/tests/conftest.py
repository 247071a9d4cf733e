"""The cast: Ada runs the band, Ben is a member, Vera is a viewer, Dora is a stranger; the
admin runs the server."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from bandpics.users.tests.factories import UserFactory
from groups.models import Membership
from groups.tests.factories import GroupFactory, MembershipFactory, TeamFactory


@pytest.fixture
def team(db):
    return TeamFactory(name="The Band")


@pytest.fixture
def group(team):
    return GroupFactory(team=team, name="Summer concert")


@pytest.fixture
def ada(team):
    user = UserFactory(email="ada@example.org", name="Ada")
    MembershipFactory(team=team, user=user, role=Membership.Role.OWNER)
    return user


@pytest.fixture
def ben(team):
    user = UserFactory(email="ben@example.org", name="Ben")
    MembershipFactory(team=team, user=user, role=Membership.Role.MEMBER)
    return user


@pytest.fixture
def vera(team):
    user = UserFactory(email="vera@example.org", name="Vera")
    MembershipFactory(team=team, user=user, role=Membership.Role.VIEWER)
    return user


@pytest.fixture
def dora(db):
    user = UserFactory(email="dora@example.org", name="Dora")
    MembershipFactory(user=user, role=Membership.Role.OWNER)
    return user


@pytest.fixture
def admin(db):
    user = UserFactory(email="admin@example.org", is_staff=True)
    may = Permission.objects.filter(codename__in=["add_team", "change_team"])
    user.user_permissions.set(may)
    return user


@pytest.fixture
def signed_in():
    def sign_in(user):
        client = APIClient()
        client.force_login(user)
        return client

    return sign_in
