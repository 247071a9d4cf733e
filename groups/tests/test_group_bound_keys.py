"""An API key for some groups manages neither their team nor its other groups."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from bandpics.users import api_keys
from bandpics.users.models import Scope
from groups.models import Group, Membership, Team
from groups.tests.factories import GroupFactory

pytestmark = pytest.mark.django_db
TEAMS, GROUPS = "/api/v1/teams/", "/api/v1/groups/"


@pytest.fixture
def bound(ada, group):
    """Ada's key for one group, with every scope."""
    return client_with_key(ada, group)


def client_with_key(user, *groups):
    _, key = api_keys.issue(
        user, name="script", scopes=Scope.values, group_ids=[group.pk for group in groups]
    )
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {key}")
    return client


def test_it_does_not_change_the_team_or_its_members(ada, ben, team, bound):
    members = f"{TEAMS}{team.pk}/members/"
    before = list(Membership.objects.order_by("pk").values("user", "role"))
    calls = [
        bound.patch(f"{TEAMS}{team.pk}/", {"name": "Mine"}),
        bound.delete(f"{TEAMS}{team.pk}/"),
        bound.post(members, {"email": "dora@example.org"}),
        bound.patch(f"{members}{ben.pk}/", {"role": "owner"}),
        bound.delete(f"{members}{ben.pk}/"),
        bound.delete(f"{members}{ada.pk}/"),
    ]
    assert [answer.status_code for answer in calls] == [403] * len(calls)
    assert Team.objects.get().name == "The Band"
    assert list(Membership.objects.order_by("pk").values("user", "role")) == before


def test_it_does_not_change_the_account(ada, bound):
    before = ada.name
    answer = bound.patch("/api/v1/users/me/", {"name": "Somebody else"})
    assert answer.status_code == 403
    assert "some groups" in answer.json()["detail"]
    ada.refresh_from_db()
    assert ada.name == before
    assert bound.get("/api/v1/users/me/").status_code == 200


def test_it_makes_no_group_and_reaches_no_other_one(team, group, bound):
    other = GroupFactory(team=team)
    assert bound.post(GROUPS, {"name": "G", "team": str(team.pk)}).status_code == 403
    assert bound.post(GROUPS, {"name": "G"}).status_code == 403
    for call in (bound.get, bound.patch, bound.delete):
        assert call(f"{GROUPS}{other.pk}/").status_code == 404
    assert [row["id"] for row in bound.get(GROUPS).json()["results"]] == [str(group.pk)]
    assert bound.patch(f"{GROUPS}{group.pk}/", {"name": "Renamed"}).status_code == 200
    assert set(Group.objects.values_list("name", flat=True)) == {"Renamed", other.name}


def test_that_of_an_admin_rules_and_makes_no_team(admin, team, group):
    """The same admin without a key does both."""
    admin.is_superuser = True
    admin.save()
    bound = client_with_key(admin, group)
    assert bound.get(TEAMS).json()["results"] == []
    assert bound.patch(f"{TEAMS}{team.pk}/", {"name": "Mine"}).status_code == 404
    assert bound.post(TEAMS, {"name": "Mine"}).status_code == 403
    free = client_with_key(admin)
    assert free.patch(f"{TEAMS}{team.pk}/", {"name": "Renamed"}).status_code == 200
    assert free.post(TEAMS, {"name": "Another"}).status_code == 201


def test_it_sees_only_the_teams_of_its_groups(ada, group, bound):
    other = GroupFactory()
    Membership.objects.create(team=other.team, user=ada, role=Membership.Role.OWNER)
    assert [row["id"] for row in bound.get(TEAMS).json()["results"]] == [str(group.team_id)]
    assert bound.get(f"{TEAMS}{other.team_id}/").status_code == 404
