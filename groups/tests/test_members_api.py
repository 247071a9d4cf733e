"""Members of a team through the API: owners change them, and one owner always stays."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from bandpics.users.tests.factories import UserFactory
from groups.models import Membership, Team
from groups.tests.factories import MembershipFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def members(team):
    return f"/api/v1/teams/{team.pk}/members/"


def roles(team):
    return dict(Membership.objects.filter(team=team).values_list("user__email", "role"))


def test_an_owner_takes_somebody_in_by_email(ada, admin, dora, team, members, signed_in):
    eve = UserFactory(email="eve@example.org")
    by_email = signed_in(ada).post(members, {"email": "DORA@example.org"})
    by_id = signed_in(admin).post(members, {"user": eve.pk, "role": "viewer"})
    assert (by_email.status_code, by_id.status_code) == (201, 201)
    assert by_email.json()["email"] == "dora@example.org"
    assert roles(team) == {
        "ada@example.org": "owner",
        "dora@example.org": "member",
        "eve@example.org": "viewer",
    }


def test_everybody_in_the_team_sees_who_else_is(ada, ben, vera, members, signed_in):
    for person in [ada, ben, vera]:
        rows = signed_in(person).get(members).json()["results"]
        assert [(row["name"], row["role"]) for row in rows] == [
            ("Ada", "owner"),
            ("Ben", "member"),
            ("Vera", "viewer"),
        ]
    assert signed_in(vera).get(f"{members}{ben.pk}/").json()["email"] == "ben@example.org"


def test_an_owner_changes_a_role_and_takes_somebody_out(ada, ben, team, members, signed_in):
    client = signed_in(ada)
    answer = client.patch(f"{members}{ben.pk}/", {"role": "owner"})
    assert answer.status_code == 200
    assert answer.json()["role"] == "owner"
    assert client.delete(f"{members}{ben.pk}/").status_code == 204
    assert client.delete(f"{members}{ben.pk}/").status_code == 404
    assert roles(team) == {"ada@example.org": "owner"}


def test_everybody_may_leave(ben, vera, ada, team, members, signed_in):
    for person in [ben, vera]:
        assert signed_in(person).delete(f"{members}{person.pk}/").status_code == 204
    assert roles(team) == {"ada@example.org": "owner"}


def test_an_admin_manages_every_team(admin, ada, team, members, signed_in):
    client = signed_in(admin)
    assert client.post(members, {"user": admin.pk, "role": "owner"}).status_code == 201
    assert client.delete(f"{members}{ada.pk}/").status_code == 204
    assert roles(team) == {"admin@example.org": "owner"}


# --- No credential, wrong person ------------------------------------------------------------


def test_members_and_viewers_manage_nobody(ada, ben, vera, dora, team, members, signed_in):
    before = roles(team)
    for person in [ben, vera]:
        client = signed_in(person)
        assert client.post(members, {"user": dora.pk}).status_code == 403
        assert client.patch(f"{members}{person.pk}/", {"role": "owner"}).status_code == 403
        assert client.delete(f"{members}{ada.pk}/").status_code == 403
    assert roles(team) == before


def test_a_stranger_gets_404_not_403(ada, dora, members, signed_in):
    client = signed_in(dora)
    assert client.get(members).status_code == 404
    assert client.post(members, {"user": dora.pk, "role": "owner"}).status_code == 404
    for call in [client.get, client.patch, client.delete]:
        assert call(f"{members}{ada.pk}/").status_code == 404
        assert call(f"{members}{dora.pk}/").status_code == 404


# --- Closed ---------------------------------------------------------------------------------


def test_the_last_owner_neither_leaves_nor_steps_down(ada, ben, team, members, signed_in):
    client = signed_in(ada)
    for answer in [
        client.delete(f"{members}{ada.pk}/"),
        client.patch(f"{members}{ada.pk}/", {"role": "member"}),
    ]:
        assert answer.status_code == 409
        assert answer.json()["type"] == "/problems/last-owner/"
    assert roles(team)["ada@example.org"] == "owner"
    client.patch(f"{members}{ben.pk}/", {"role": "owner"})
    assert client.patch(f"{members}{ada.pk}/", {"role": "viewer"}).status_code == 200


def test_nobody_joins_a_personal_team(ada, dora, team, members, signed_in):
    Team.objects.filter(pk=team.pk).update(is_personal=True)
    assert signed_in(ada).post(members, {"email": dora.email}).status_code == 409


# --- Bad input ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/email"),
        ({"email": "ben@example.org", "user": 1}, "#/email"),
        ({"email": "nobody@example.org"}, "#/email"),
        ({"email": "not an address"}, "#/email"),
        ({"user": 2**62}, "#/user"),
        ({"user": 2**80}, "#/user"),
        ({"user": "x"}, "#/user"),
        ({"email": "ben@example.org", "role": "king"}, "#/role"),
    ],
)
def test_who_cannot_join_is_refused_with_a_pointer(ada, ben, members, signed_in, body, pointer):
    answer = signed_in(ada).post(members, body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_half_a_character_is_refused_though_the_answer_repeats_it(ada, ben, members, signed_in):
    raw = r'{"email": "ben@example.org", "role": "\ud800"}'
    answer = signed_in(ada).post(members, raw, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "#/role"


def test_an_unknown_address_is_told_what_to_do(ada, members, signed_in):
    error = signed_in(ada).post(members, {"email": "nobody@example.org"}).json()["errors"][0]
    assert error["code"] == "unknown-person"
    assert "register" in error["detail"]


def test_somebody_who_was_switched_off_is_unknown(ada, members, signed_in):
    eve = UserFactory(is_active=False)
    assert signed_in(ada).post(members, {"email": eve.email}).status_code == 400


def test_owners_do_not_read_off_by_id_who_has_an_account(ada, dora, team, members, signed_in):
    client = signed_in(ada)
    one = {"headers": {"X-Request-Id": "one"}}
    answers = [client.post(members, {"user": each}, **one) for each in (dora.pk, 2**62)]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["errors"][0]["pointer"] == "#/user"
    assert roles(team) == {"ada@example.org": "owner"}


@pytest.mark.parametrize("user_id", [0, 2**62, 2**80])
def test_who_is_not_in_the_team_is_404(ada, members, signed_in, user_id):
    assert signed_in(ada).get(f"{members}{user_id}/").status_code == 404


# --- Repeated -------------------------------------------------------------------------------


def test_taking_somebody_in_twice_changes_nothing(ada, ben, team, members, signed_in):
    client = signed_in(ada)
    assert client.post(members, {"email": ben.email, "role": "member"}).status_code == 200
    assert client.post(members, {"email": ben.email, "role": "owner"}).status_code == 409
    assert roles(team)["ben@example.org"] == "member"


@pytest.mark.django_db(transaction=True)
def test_two_owners_who_leave_at_once_do_not_both_get_away(ada, team, members, signed_in):
    eve = UserFactory(email="eve@example.org")
    MembershipFactory(team=team, user=eve, role="owner")
    barrier, answers = threading.Barrier(2), []

    def leave(client, person):
        try:
            barrier.wait()
            answers.append(client.delete(f"{members}{person.pk}/").status_code)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=leave, args=(signed_in(person), person)) for person in [ada, eve]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [204, 409]
    assert list(roles(team).values()) == ["owner"]
