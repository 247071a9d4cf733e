"""Teams through the API: admins make them, owners rename and remove them."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission

from bandpics.users.tests.factories import UserFactory
from groups.models import Membership, Team
from groups.tests.factories import GroupFactory, TeamFactory

pytestmark = pytest.mark.django_db
TEAMS = "/api/v1/teams/"


def test_an_admin_makes_a_team_and_owns_it(admin, signed_in):
    client = signed_in(admin)
    answer = client.post(TEAMS, {"name": "The Band"})
    assert answer.status_code == 201
    made = answer.json()
    assert (made["name"], made["role"], made["is_personal"]) == ("The Band", "owner", False)
    assert client.get(f"{TEAMS}{made['id']}/").json() == made


def test_one_sees_ones_own_teams_by_name(ada, team, signed_in):
    TeamFactory(name="Another Band")
    page = signed_in(ada).get(TEAMS).json()
    assert [row["name"] for row in page["results"]] == ["The Band"]
    assert page["results"][0]["role"] == "owner"
    assert page["count"] == 1


def test_an_admin_sees_all_teams(admin, ada, team, signed_in):
    row = signed_in(admin).get(TEAMS).json()["results"][0]
    assert (row["id"], row["role"]) == (str(team.pk), None)


def test_an_owner_renames_a_team(ada, team, signed_in):
    answer = signed_in(ada).patch(f"{TEAMS}{team.pk}/", {"name": "The Big Band"})
    assert answer.status_code == 200
    assert answer.json()["name"] == "The Big Band"
    team.refresh_from_db()
    assert team.name == "The Big Band"


def test_an_owner_removes_an_empty_team(ada, team, signed_in):
    assert signed_in(ada).delete(f"{TEAMS}{team.pk}/").status_code == 204
    assert not Team.objects.filter(pk=team.pk).exists()
    assert signed_in(ada).delete(f"{TEAMS}{team.pk}/").status_code == 404


# --- No credential, wrong person ------------------------------------------------------------


def test_without_a_credential_there_are_no_teams(client, team):
    for path in [TEAMS, f"{TEAMS}{team.pk}/", f"{TEAMS}{team.pk}/members/"]:
        answer = client.get(path)
        assert answer.status_code in {401, 403}
        assert answer["Content-Type"] == "application/problem+json"


def test_only_an_admin_makes_teams(ada, dora, signed_in):
    for person in [ada, dora]:
        answer = signed_in(person).post(TEAMS, {"name": "Mine"})
        assert answer.status_code == 403
        assert answer.json()["type"] == "/problems/permission-denied/"
    assert not Team.objects.filter(name="Mine").exists()


def test_a_stranger_gets_404_not_403(dora, team, signed_in):
    client, path = signed_in(dora), f"{TEAMS}{team.pk}/"
    assert client.get(path).status_code == 404
    assert client.patch(path, {"name": "x"}).status_code == 404
    assert client.delete(path).status_code == 404
    assert client.get(f"{path}members/").status_code == 404


def test_members_and_viewers_manage_nothing(ben, vera, team, signed_in):
    path = f"{TEAMS}{team.pk}/"
    for person in [ben, vera]:
        client = signed_in(person)
        assert client.get(path).status_code == 200
        assert client.patch(path, {"name": "x"}).status_code == 403
        assert client.delete(path).status_code == 403


# --- Closed ---------------------------------------------------------------------------------


def test_a_team_with_groups_stays(ada, group, team, signed_in):
    answer = signed_in(ada).delete(f"{TEAMS}{team.pk}/")
    assert answer.status_code == 409
    assert "groups" in answer.json()["detail"]
    assert Team.objects.filter(pk=team.pk).exists()


def test_a_personal_team_stays(ada, team, signed_in):
    Team.objects.update(is_personal=True)
    assert signed_in(ada).delete(f"{TEAMS}{team.pk}/").status_code == 409


# --- Bad input ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "   ", None, "x" * 121, ["x"], "a\0b"])
def test_a_name_that_cannot_be_is_refused_with_a_pointer(ada, admin, team, signed_in, name):
    for answer in [
        signed_in(admin).post(TEAMS, {"name": name}),
        signed_in(ada).patch(f"{TEAMS}{team.pk}/", {"name": name}),
    ]:
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["pointer"] == "#/name"


def test_half_a_character_is_refused(admin, signed_in):
    raw = r'{"name": "\ud800"}'
    answer = signed_in(admin).post(TEAMS, raw, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "#/name"


def test_what_is_not_theirs_to_set_is_left_alone(ada, team, signed_in):
    body = {"is_personal": True, "role": "viewer", "id": "x", "created_at": "2000-01-01"}
    answer = signed_in(ada).patch(f"{TEAMS}{team.pk}/", body)
    assert answer.status_code == 200
    team.refresh_from_db()
    assert not team.is_personal
    assert Membership.objects.get(user=ada).role == "owner"


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "offset=-1", "skip=1.5", "limit=²"]
)
def test_a_page_that_cannot_be_is_refused(ada, signed_in, query):
    answer = signed_in(ada).get(f"{TEAMS}?{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == f"#/{query.partition('=')[0]}"


def test_pages_follow_each_other_by_offset_or_skip(admin, signed_in):
    for n in range(5):
        TeamFactory(name=f"Band {n}")
    client = signed_in(admin)
    names = []
    url = f"{TEAMS}?limit=2"
    while url:
        page = client.get(url).json()
        names += [row["name"] for row in page["results"]]
        url = page["next"]
    assert names == [f"Band {n}" for n in range(5)]
    skipped = client.get(f"{TEAMS}?limit=200&skip=3").json()["results"]
    assert [row["name"] for row in skipped] == names[3:]
    assert client.get(f"{TEAMS}?offset={10**17}").json()["results"] == []


def test_a_list_costs_the_same_number_of_queries_whatever_it_holds(
    admin, signed_in, django_assert_max_num_queries
):
    for _ in range(5):
        GroupFactory()
    client = signed_in(admin)
    with django_assert_max_num_queries(6):  # session, user, permissions (2), count, teams
        client.get(TEAMS)


@pytest.mark.parametrize("where", ["", "{team}/", "{team}/members/"])
@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_a_browser_is_shown_pages(ada, team, signed_in, where, method):
    path = TEAMS + where.format(team=team.pk)
    answer = getattr(signed_in(ada), method)(path, headers={"Accept": "text/html"})
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/html")


def test_staff_without_a_permission_rule_no_team(ada, team, signed_in):
    staff = UserFactory(is_staff=True)
    client, path = signed_in(staff), f"{TEAMS}{team.pk}/"
    assert client.get(TEAMS).json()["results"] == []
    assert client.post(TEAMS, {"name": "Mine"}).status_code == 403
    assert client.post(f"{path}members/", {"email": staff.email}).status_code == 404
    staff.user_permissions.add(Permission.objects.get(codename="change_team"))
    assert client.patch(path, {"name": "Another"}).status_code == 200
    assert client.post(TEAMS, {"name": "Mine"}).status_code == 403  # takes add_team


def test_a_permission_without_staff_is_none(dora, team, signed_in):
    dora.user_permissions.add(Permission.objects.get(codename="change_team"))
    assert signed_in(dora).get(f"{TEAMS}{team.pk}/").status_code == 404
