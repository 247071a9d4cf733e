"""Inviting through the API: a new link, or the same one for longer."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from groups.tests.factories import GroupFactory
from invitations.models import Invitation

pytestmark = pytest.mark.django_db
INVITATIONS = "/api/v1/invitations/"
WEEK = timedelta(days=7)


@pytest.fixture
def invite(signed_in, group):
    def post(person, **body):
        return signed_in(person).post(INVITATIONS, {"group": str(group.pk), **body})

    return post


def lives(row):
    return parse_datetime(row["expires_at"]) - timezone.now()


def about(span, expected):
    return abs(span - expected) < timedelta(minutes=1)


def test_an_invitation_carries_its_link(ada, group, invite, settings):
    answer = invite(ada, email="cleo@example.org", name="Cleo", max_files=20)
    assert answer.status_code == 201
    row = answer.json()
    invitation = Invitation.objects.get(pk=row["id"])
    assert row["upload_link"] == f"{settings.PUBLIC_URL}/i/{row['token']}/"
    assert row["token"] == invitation.token
    assert (row["group"], row["kind"], row["state"]) == (str(group.pk), "personal", "open")
    assert (row["name"], row["max_files"], row["used_files"]) == ("Cleo", 20, 0)
    assert about(lives(row), WEEK)
    assert row["email_sent"] is None
    assert invitation.created_by == ada
    assert answer["ETag"]
    assert "no-store" in answer["Cache-Control"]


def test_a_link_opens_for_everybody_who_holds_it(ada, invite, client):
    first = invite(ada, kind="shared", name="At the bar").json()
    second = invite(ada, kind="shared").json()
    assert first["token"] != second["token"]
    assert first["email"] == ""


def test_the_host_may_choose_how_long(ada, invite):
    until = timezone.now() + timedelta(days=30)
    row = invite(ada, email="cleo@example.org", expires_at=until.isoformat()).json()
    assert about(lives(row), timedelta(days=30))


def test_members_invite_too_but_only_owners_trust(ada, ben, invite):
    assert invite(ben, email="cleo@example.org").status_code == 201
    for extra in [{"trusted": True}, {"visibility": "gallery"}]:
        answer = invite(ben, email="carl@example.org", **extra)
        assert answer.status_code == 403
        assert next(iter(extra)) in answer.json()["detail"]
    row = invite(ada, email="carl@example.org", trusted=True, visibility="gallery").json()
    assert (row["trusted"], row["visibility"]) == (True, "gallery")


# --- No credential, wrong person ------------------------------------------------------------


def test_without_a_credential_nobody_invites(client, group):
    body = {"group": str(group.pk), "email": "cleo@example.org"}
    answer = client.post(INVITATIONS, body, content_type="application/json")
    assert answer.status_code == 401


def test_a_guest_invites_nobody(client, invitation, group):
    answer = client.post(
        INVITATIONS,
        {"group": str(group.pk), "email": "x@example.org"},
        content_type="application/json",
        headers={"Authorization": f"Invitation {invitation.token}"},
    )
    assert answer.status_code == 401


def test_a_stranger_gets_404_and_a_viewer_403(dora, vera, invite):
    assert invite(dora, email="cleo@example.org").status_code == 404
    assert invite(vera, email="cleo@example.org").status_code == 403
    assert not Invitation.objects.exists()


# --- Bad input ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/email"),
        ({"email": ""}, "#/email"),
        ({"email": "no address"}, "#/email"),
        ({"email": f"a@{'.'.join(['b' * 60] * 4)}.example.org"}, "#/email"),
        ({"email": "a@example.org\nBcc: all@example.org"}, "#/email"),
        ({"kind": "shared", "send_email": True}, "#/email"),
        ({"email": "a@example.org", "kind": "secret"}, "#/kind"),
        ({"email": "a@example.org", "max_files": 0}, "#/max_files"),
        ({"email": "a@example.org", "max_files": 2**31}, "#/max_files"),
        ({"email": "a@example.org", "max_bytes": 2**63}, "#/max_bytes"),
        ({"email": "a@example.org", "expires_at": "2000-01-01T00:00:00Z"}, "#/expires_at"),
        ({"email": "a@example.org", "expires_at": "soon"}, "#/expires_at"),
        ({"email": "a@example.org", "visibility": "all"}, "#/visibility"),
        ({"email": "a@example.org", "name": "x" * 121}, "#/name"),
        ({"email": "a@example.org", "group": "x"}, "#/group"),
        ({"email": "a@example.org", "group": None}, "#/group"),
    ],
)
def test_what_cannot_be_is_refused_with_a_pointer(ada, invite, body, pointer):
    answer = invite(ada, **body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert not Invitation.objects.exists()


def test_what_is_not_for_clients_to_set_is_refused(ada, dora, invite):
    answer = invite(
        ada,
        email="cleo@example.org",
        token="A" * 43,
        used_files=5,
        revoked_at="2020-01-01T00:00:00Z",
        created_by=dora.pk,
        id="0198c0de-0000-7000-8000-000000000001",
    )
    assert answer.status_code == 400
    assert {each["code"] for each in answer.json()["errors"]} == {"unknown-field"}
    assert not Invitation.objects.exists()


def test_a_name_stays_on_one_line(ada, invite):
    row = invite(ada, email="cleo@example.org", name=" Cleo\n\u2028 K.\t").json()
    assert row["name"] == "Cleo K."


# --- Repeated -------------------------------------------------------------------------------


def test_the_same_address_again_is_the_same_link_for_longer(ada, invite):
    first = invite(ada, email="cleo@example.org", name="Cleo", max_files=9).json()
    Invitation.objects.update(expires_at=timezone.now() + timedelta(days=1))
    answer = invite(ada, email="CLEO@Example.org")
    again = answer.json()
    assert answer.status_code == 200
    assert again["id"] == first["id"]
    assert again["token"] == first["token"]
    assert about(lives(again), WEEK)
    assert (again["name"], again["max_files"], again["email"]) == ("Cleo", 9, "cleo@example.org")
    assert again["updated_at"] > first["updated_at"]


def test_an_expired_link_lives_again(ada, invite, invitation):
    Invitation.objects.update(expires_at=timezone.now() - timedelta(days=30))
    row = invite(ada, email="cleo@example.org").json()
    assert (row["state"], row["token"]) == ("open", invitation.token)


def test_a_life_is_never_shortened(ada, invite):
    far = (timezone.now() + timedelta(days=90)).isoformat()
    soon = (timezone.now() + timedelta(days=1)).isoformat()
    invite(ada, email="cleo@example.org", expires_at=far)
    for body in [{}, {"expires_at": soon}]:
        row = invite(ada, email="cleo@example.org", **body).json()
        assert about(lives(row), timedelta(days=90))


def test_inviting_again_may_change_what_the_link_allows(ada, invite):
    invite(ada, email="cleo@example.org", max_files=3)
    Invitation.objects.update(used_files=3)
    row = invite(ada, email="cleo@example.org", max_files=10, name="Cleo K.").json()
    assert (row["max_files"], row["name"], row["state"]) == (10, "Cleo K.", "open")
    answer = invite(ada, email="cleo@example.org", max_files=2)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "#/max_files"
    assert Invitation.objects.get().max_files == 10


def test_a_member_only_extends_what_an_owner_granted(ada, ben, invite):
    invite(ada, email="cleo@example.org", max_files=3)
    assert invite(ben, email="cleo@example.org").status_code == 200
    assert invite(ben, email="cleo@example.org", max_files=300).status_code == 403
    assert Invitation.objects.get().max_files == 3


def test_a_revoked_address_gets_another_link(ada, invite):
    first = invite(ada, email="cleo@example.org", trusted=True, name="Cleo").json()
    Invitation.objects.update(revoked_at=timezone.now())
    answer = invite(ada, email="cleo@example.org")
    again = answer.json()
    assert answer.status_code == 201
    assert again["id"] == first["id"]
    assert again["token"] != first["token"]
    assert (again["state"], again["revoked_at"], again["trusted"]) == ("open", None, False)
    assert not Invitation.objects.with_token(first["token"]).exists()


def test_the_same_person_in_another_group_is_another_invitation(ada, team, invite, signed_in):
    first = invite(ada, email="cleo@example.org").json()
    other = GroupFactory(team=team)
    answer = signed_in(ada).post(INVITATIONS, {"group": str(other.pk), "email": "cleo@example.org"})
    assert answer.status_code == 201
    assert answer.json()["token"] != first["token"]


def test_with_an_idempotency_key_it_is_done_once(ada, group, signed_in, mailoutbox):
    client = signed_in(ada)
    body = {"group": str(group.pk), "kind": "shared", "email": "c@example.org", "send_email": True}
    first, again = (
        client.post(INVITATIONS, body, headers={"Idempotency-Key": "one"}) for _ in range(2)
    )
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.json()["upload_link"]
    assert Invitation.objects.count() == len(mailoutbox) == 1


@pytest.mark.django_db(transaction=True)
def test_inviting_one_person_many_times_at_once_makes_one_link(ada, group, signed_in):
    people, answers = 8, []
    barrier = threading.Barrier(people)

    def post(client, email):
        try:
            barrier.wait()
            answers.append(client.post(INVITATIONS, {"group": str(group.pk), "email": email}))
        finally:
            connection.close()

    emails = ["cleo@example.org", "CLEO@example.org"] * (people // 2)
    threads = [threading.Thread(target=post, args=(signed_in(ada), email)) for email in emails]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200] * (people - 1) + [201]
    assert len({answer.json()["token"] for answer in answers}) == 1
    assert Invitation.objects.count() == 1


# --- Whose invitation it is -----------------------------------------------------------------


def test_a_member_does_not_say_how_long_anothers_link_lives(ada, ben, invite):
    row = invite(ada, email="cleo@example.org").json()
    answer = invite(ben, email="cleo@example.org", expires_at="2099-01-01T00:00:00Z")
    assert answer.status_code == 403
    assert about(lives(row), WEEK)
    assert invite(ben, email="cleo@example.org").status_code == 200


def test_only_owners_and_who_sent_it_let_the_revoked_in_again(ada, ben, invite):
    first = invite(ada, email="cleo@example.org").json()
    Invitation.objects.update(revoked_at=timezone.now())
    assert invite(ben, email="cleo@example.org").status_code == 403
    assert Invitation.objects.get().is_revoked
    again = invite(ada, email="cleo@example.org")
    assert again.status_code == 201
    assert again.json()["token"] != first["token"]
    Invitation.objects.update(revoked_at=timezone.now(), created_by=ben)
    assert invite(ben, email="cleo@example.org").status_code == 201
