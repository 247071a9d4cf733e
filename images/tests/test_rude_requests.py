"""What no browser sends, and clocks that no wall shows: answered, not broken by."""

from __future__ import annotations

from datetime import date

import pytest

from bandpics.testing.matrix import few
from groups.models import Group
from invitations.models import Invitation
from invitations.tests.factories import InvitationFactory

pytestmark = pytest.mark.django_db

PAGES = ("", "settings/", "close/", "invitations/", "cards/", "moderation/")


@pytest.fixture
def page(client, ada):
    client.force_login(ada)
    return client


@pytest.mark.parametrize("when", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
@pytest.mark.parametrize("field", ["closes_at", "reveal_at"])
def test_a_group_takes_no_moment_that_its_pages_cannot_show(signed_in, ada, group, field, when):
    answer = signed_in(ada).patch(f"/api/v1/groups/{group.pk}/", {field: when})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == f"#/{field}"


def test_a_link_and_a_key_take_no_moment_that_their_pages_cannot_show(signed_in, ada, ben, group):
    far = {"expires_at": "9999-12-31T23:59:59Z"}
    body = {"group": str(group.pk), "kind": "shared", **far}
    assert signed_in(ben).post("/api/v1/invitations/", body).status_code == 400
    invitation = InvitationFactory(group=group)
    path = f"/api/v1/invitations/{invitation.pk}/"
    assert signed_in(ada).patch(path, far).status_code == 400
    key = {"name": "Booth", "scopes": ["read"], **far}
    assert signed_in(ada).post("/api/v1/users/me/keys/", key).status_code == 400


@pytest.mark.parametrize("zone", few(["Asia/Tokyo", "America/New_York"], 1))
@pytest.mark.parametrize("day", [date(1, 1, 1), date(9999, 12, 31)])
def test_the_pages_of_an_event_at_the_end_of_time_open(page, group, zone, day):
    Group.objects.filter(pk=group.pk).update(time_zone=zone, event_date=day)
    assert page.post(f"/groups/{group.pk}/share/").status_code == 302
    invitation = Invitation.objects.get()
    one = f"invitations/{invitation.pk}/"
    for path in (*PAGES, one):
        assert page.get(f"/groups/{group.pk}/{path}").status_code == 200, path
    sent = {"expires_at": invitation.expires_at.isoformat()}
    assert page.post(f"/groups/{group.pk}/{one}extend/", sent, follow=True).status_code == 200


@pytest.mark.parametrize("seen", ["[" * 32_000, '{"a":' * 6_000, "9" * 30_000, '{"closes_at": []}'])
def test_what_the_settings_have_seen_may_be_nonsense(page, group, seen):
    sent = {"name": "Hanna", "seen": seen}
    assert page.post(f"/groups/{group.pk}/settings/", sent).status_code in {400, 409}


def test_a_role_that_was_none_changes_nothing(page, team, ben):
    sent = {"action": "role", "role": "owner", "was": "\0"}
    assert page.post(f"/teams/{team.pk}/people/{ben.pk}/", sent).status_code == 302
    assert ben.memberships.get().role == "member"


@pytest.mark.parametrize("field", ["name", "visibility"])
def test_a_link_that_was_seen_as_none_can_be_stays_as_it_is(page, group, field):
    invitation = InvitationFactory(group=group)
    path = f"/groups/{group.pk}/invitations/{invitation.pk}/"
    sent = {"name": "Cleo", "visibility": "own", "until": "2030-01-01", f"initial-{field}": "\0"}
    assert page.post(path, sent).status_code == 422
    invitation.refresh_from_db()
    assert invitation.visibility == ""


@pytest.mark.parametrize("moment", ["\0", "0001-01-01", "9999-12-31T23:59:59-14:00"])
def test_a_link_that_was_seen_at_no_time_stays_as_it_is(page, group, moment):
    invitation = InvitationFactory(group=group)
    before = invitation.expires_at
    path = f"/groups/{group.pk}/invitations/{invitation.pk}/extend/"
    assert page.post(path, {"expires_at": moment}).status_code == 302
    invitation.refresh_from_db()
    assert invitation.expires_at == before
