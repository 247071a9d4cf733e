"""Existing invitations through the API: listed, changed, revoked, rotated."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from bandpics.users import api_keys
from groups.tests.factories import GroupFactory
from invitations.models import Invitation
from invitations.tests.factories import InvitationFactory

pytestmark = pytest.mark.django_db
INVITATIONS = "/api/v1/invitations/"


@pytest.fixture
def path(invitation):
    return f"{INVITATIONS}{invitation.pk}/"


# --- Seeing ---------------------------------------------------------------------------------


def test_owners_and_members_see_invitations_newest_first(ada, ben, group, invitation, signed_in):
    newer = InvitationFactory(group=group)
    InvitationFactory()  # somebody else's
    for person in [ada, ben]:
        rows = signed_in(person).get(INVITATIONS).json()["results"]
        assert [row["id"] for row in rows] == [str(newer.pk), str(invitation.pk)]


def test_a_link_is_shown_to_who_may_manage_it(ada, ben, invitation, path, signed_in):
    both = (invitation.token, invitation.upload_link)
    for person, seen in [(ada, both), (ben, (None, None))]:
        row = signed_in(person).get(path).json()
        assert (row["token"], row["upload_link"]) == seen
    Invitation.objects.update(created_by=ben)
    assert signed_in(ben).get(path).json()["token"] == invitation.token


@pytest.mark.parametrize("scopes", [["read"], ["read", "upload", "moderate"]])
def test_a_key_that_does_not_manage_is_shown_no_link(ada, invitation, path, scopes):
    def ask(*scopes, where):
        _, key = api_keys.issue(ada, name="script", scopes=scopes)
        return APIClient().get(where, headers={"Authorization": f"Api-Key {key}"})

    for where in [INVITATIONS, path]:
        answer = ask(*scopes, where=where)
        assert answer.status_code == 200
        assert invitation.token not in answer.content.decode()
        assert invitation.token in ask("read", "admin", where=where).content.decode()
    assert ask(*scopes, where=f"{path}qr/").status_code == 403
    assert ask("read", "admin", where=f"{path}qr/").status_code == 200


def test_one_invitation_shows_where_it_stands(ada, invitation, path, signed_in):
    Invitation.objects.update(max_bytes=1000, used_bytes=400, used_files=2)
    answer = signed_in(ada).get(path)
    row = answer.json()
    assert (row["used_files"], row["used_bytes"], row["max_bytes"]) == (2, 400, 1000)
    assert row["can_rotate"] is True
    assert answer["ETag"]


@pytest.mark.parametrize(
    ("state", "is_so"),
    [
        ("open", {}),
        ("open", {"max_files": 2, "used_files": 1}),
        ("exhausted", {"max_files": 1, "used_files": 1}),
        ("exhausted", {"max_bytes": 1, "used_bytes": 1}),
        ("expired", {"expires_at": timezone.now() - timedelta(days=1)}),
        ("expired", {"expires_at": timezone.now() - timedelta(days=1), "max_files": 0}),
        ("revoked", {"revoked_at": timezone.now()}),
    ],
)
def test_each_is_listed_by_the_state_it_tells(ada, group, state, is_so, signed_in):
    InvitationFactory(group=group, **is_so)
    client = signed_in(ada)
    assert client.get(INVITATIONS).json()["results"][0]["state"] == state
    for asked in Invitation.State.values:
        count = client.get(f"{INVITATIONS}?state={asked}").json()["count"]
        assert count == (1 if asked == state else 0)


def test_the_list_is_filtered_by_group_kind_and_email(ada, team, group, invitation, signed_in):
    other = InvitationFactory(group=GroupFactory(team=team), kind="shared", email="")
    client = signed_in(ada)
    for query, expected in [
        (f"group={other.group.pk}", other),
        ("kind=shared", other),
        (f"group={group.pk}", invitation),
        ("email=CLEO@example.org", invitation),
    ]:
        rows = client.get(f"{INVITATIONS}?{query}").json()["results"]
        assert [row["id"] for row in rows] == [str(expected.pk)]


@pytest.mark.parametrize("query", ["state=dead", "group=x", "kind=y", "limit=-1"])
def test_a_filter_that_cannot_be_is_refused(ada, query, signed_in):
    answer = signed_in(ada).get(f"{INVITATIONS}?{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == f"#/{query.partition('=')[0]}"


def test_a_list_costs_the_same_number_of_queries_whatever_it_holds(
    ada, group, signed_in, django_assert_max_num_queries
):
    for _ in range(5):
        InvitationFactory(group=group)
    client = signed_in(ada)
    with django_assert_max_num_queries(4):  # session, user, count, invitations
        assert client.get(INVITATIONS).json()["count"] == 5


def test_without_its_key_a_link_is_not_shown_but_can_be_rotated(
    ada, invitation, path, settings, signed_in
):
    settings.INVITATION_TOKEN_KEY = "another key, at least 32 characters"
    client = signed_in(ada)
    row = client.get(path).json()
    assert (row["token"], row["upload_link"], row["can_rotate"]) == (None, None, True)
    assert client.post(f"{path}rotate/").json()["upload_link"]


# --- Changing -------------------------------------------------------------------------------


def test_an_owner_changes_what_a_link_allows(ada, invitation, path, signed_in):
    until = (timezone.now() + timedelta(days=2)).replace(microsecond=0)
    answer = signed_in(ada).patch(
        path,
        {
            "name": "Cleo K.",
            "max_files": 5,
            "max_bytes": None,
            "expires_at": until.isoformat(),
            "trusted": True,
            "visibility": "drop",
        },
    )
    assert answer.status_code == 200
    row = answer.json()
    assert (row["name"], row["max_files"], row["max_bytes"]) == ("Cleo K.", 5, None)
    assert (row["trusted"], row["visibility"]) == (True, "drop")
    invitation.refresh_from_db()
    assert invitation.expires_at == until
    assert row["token"] == invitation.token


def test_a_change_is_made_to_what_was_seen_or_not_at_all(ada, path, signed_in):
    client = signed_in(ada)
    seen = client.get(path)["ETag"]
    first = client.patch(path, {"name": "One"}, headers={"If-Match": seen})
    second = client.patch(path, {"name": "Two"}, headers={"If-Match": seen})
    assert (first.status_code, second.status_code) == (200, 412)
    assert second.json()["type"] == "/problems/precondition-failed/"
    assert first["ETag"] != seen
    again = client.patch(path, {"name": "Two"}, headers={"If-Match": f'"x", {first["ETag"]}'})
    assert again.status_code == 200
    for wrong in ['"x"', "nonsense", f"W/{again['ETag']}", ""]:
        assert client.patch(path, {"name": "x"}, headers={"If-Match": wrong}).status_code == 412
    assert client.patch(path, {"name": "x"}, headers={"If-Match": "*"}).status_code == 200


def test_a_limit_is_not_below_what_was_sent(ada, path, signed_in):
    Invitation.objects.update(used_files=3, used_bytes=300)
    client = signed_in(ada)
    for field, too_little, enough in [("max_files", 2, 3), ("max_bytes", 299, 300)]:
        answer = client.patch(path, {field: too_little})
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["pointer"] == f"#/{field}"
        assert answer.json()["errors"][0]["code"] == "below-use"
        assert client.patch(path, {field: enough}).json()["state"] == "exhausted"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"email": "other@example.org"}, "#/email"),
        ({"kind": "shared"}, "#/kind"),
        ({"group": "0198c0de-0000-7000-8000-000000000001"}, "#/group"),
        ({"expires_at": "2000-01-01T00:00:00Z"}, "#/expires_at"),
        ({"expires_at": None}, "#/expires_at"),
        ({"max_files": -1}, "#/max_files"),
        ({"trusted": "perhaps"}, "#/trusted"),
    ],
)
def test_what_cannot_be_changed_so_is_refused_with_a_pointer(ada, path, signed_in, body, pointer):
    answer = signed_in(ada).patch(path, body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize("body", [[], "x", None, 1])
def test_a_body_that_is_no_object_is_refused(ada, path, signed_in, body):
    import json

    answer = signed_in(ada).patch(path, json.dumps(body), content_type="application/json")
    assert answer.status_code == 400


def test_what_was_read_can_be_sent_back(ada, path, signed_in):
    client = signed_in(ada)
    row = client.get(path).json()
    answer = client.patch(path, {**row, "name": "Cleo K.", "used_files": 7})
    assert answer.status_code == 200
    assert answer.json()["used_files"] == 0
    assert client.patch(path, {}).status_code == 200


# --- Revoke and rotate ----------------------------------------------------------------------


def test_a_revoked_link_is_dead_and_stays_so(ada, invitation, path, signed_in, client):
    owner = signed_in(ada)
    first = owner.post(f"{path}revoke/").json()
    again = owner.post(f"{path}revoke/").json()
    assert first["state"] == "revoked"
    assert again["revoked_at"] == first["revoked_at"]
    assert again["can_rotate"] is False
    assert owner.post(f"{path}rotate/").status_code == 409
    assert owner.get(f"{path}qr/").status_code == 409
    assert client.get(f"/i/{invitation.token}/").status_code == 403


def test_a_rotated_link_works_and_the_old_one_is_dead_at_once(
    ada, invitation, path, signed_in, client
):
    Invitation.objects.update(used_files=3)
    row = signed_in(ada).post(f"{path}rotate/").json()
    assert row["token"] != invitation.token
    assert (row["id"], row["used_files"]) == (str(invitation.pk), 3)
    assert client.get(f"/i/{invitation.token}/").status_code == 403
    assert client.get(f"/i/{row['token']}/").status_code == 200


def test_looking_changes_nothing(ada, invitation, path, signed_in, client):
    before = Invitation.objects.values().get()
    owner = signed_in(ada)
    for url in [INVITATIONS, path, f"{path}qr/"]:
        owner.get(url)
    client.get(f"/i/{invitation.token}/")
    assert Invitation.objects.values().get() == before
    for url in [f"{path}revoke/", f"{path}rotate/"]:
        assert owner.get(url).status_code == 405


# --- No credential, wrong person ------------------------------------------------------------


def test_a_member_manages_only_what_they_sent(ada, ben, group, invitation, path, signed_in):
    client = signed_in(ben)
    mine = InvitationFactory(group=group, created_by=ben)
    for call, url in [
        (client.patch, path),
        (client.post, f"{path}revoke/"),
        (client.post, f"{path}rotate/"),
    ]:
        assert call(url).status_code == 403
    assert client.get(path).json()["can_rotate"] is False
    assert client.patch(f"{INVITATIONS}{mine.pk}/", {"name": "C"}).status_code == 200
    assert client.patch(f"{INVITATIONS}{mine.pk}/", {"trusted": True}).status_code == 403
    assert client.post(f"{INVITATIONS}{mine.pk}/revoke/").status_code == 200
    assert signed_in(ada).patch(f"{INVITATIONS}{mine.pk}/", {"name": "D"}).status_code == 200


def test_strangers_and_viewers_see_no_links(vera, dora, path, signed_in):
    for person in [vera, dora]:
        client = signed_in(person)
        assert client.get(INVITATIONS).json()["results"] == []
        for call, url in [
            (client.get, path),
            (client.patch, path),
            (client.post, f"{path}revoke/"),
            (client.post, f"{path}rotate/"),
            (client.get, f"{path}qr/"),
        ]:
            assert call(url).status_code == 404


def test_without_a_credential_there_is_nothing(client, invitation, path):
    for url in [INVITATIONS, path, f"{path}qr/"]:
        answer = client.get(url)
        assert answer.status_code == 401
        assert answer["Content-Type"] == "application/problem+json"
        as_guest = client.get(url, headers={"Authorization": f"Invitation {invitation.token}"})
        assert as_guest.status_code == 401


# --- Forms ----------------------------------------------------------------------------------


def test_a_form_changes_nothing_that_was_not_filled_in(ada, invitation, signed_in):
    """Empty inputs and boxes that are not ticked are left out, as fields of JSON can be."""
    limits = {"max_files": 5, "max_bytes": 10**6, "visibility": "drop", "trusted": True}
    Invitation.objects.filter(pk=invitation.pk).update(**limits)
    form = {
        "group": str(invitation.group_id),
        "email": invitation.email,
        "name": "",
        "max_files": "",
        "max_bytes": "",
        "visibility": "",
    }
    again = signed_in(ada).post(INVITATIONS, form, format="multipart")
    assert again.status_code == 200, again.json()
    assert again.json()["id"] == str(invitation.pk)
    assert Invitation.objects.filter(pk=invitation.pk, **limits).exists()


def test_a_form_that_changes_the_name_keeps_the_trust(ada, invitation, path, signed_in):
    Invitation.objects.filter(pk=invitation.pk).update(trusted=True)
    assert signed_in(ada).patch(path, {"name": "Mia"}, format="multipart").status_code == 200
    assert Invitation.objects.filter(pk=invitation.pk, name="Mia", trusted=True).exists()
    untick = signed_in(ada).patch(path, {"trusted": "false"}, format="multipart")
    assert untick.json()["trusted"] is False


def test_a_wrong_method_at_the_qr_code_is_answered_by_a_problem(ada, path, signed_in):
    answer = signed_in(ada).post(f"{path}qr/")
    assert answer.status_code == 405
    assert answer.json()["type"].endswith("/problems/method-not-allowed/")
