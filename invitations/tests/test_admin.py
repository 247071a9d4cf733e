"""Invitations in the admin, with the actions of the API."""

from __future__ import annotations

import pytest

from bandpics.users.tests.factories import UserFactory
from invitations.models import Invitation
from invitations.tests.factories import InvitationFactory

pytestmark = pytest.mark.django_db
LIST = "/admin/invitations/invitation/"


@pytest.fixture
def act(client):
    client.force_login(UserFactory(is_staff=True, is_superuser=True))

    def do(action):
        ids = [str(pk) for pk in Invitation.objects.values_list("pk", flat=True)]
        return client.post(LIST, {"action": action, "_selected_action": ids}, follow=True)

    return do


def test_selected_links_are_revoked_at_once(act, invitation):
    assert "1 links revoked." in act("revoke").content.decode()
    assert "0 links revoked." in act("revoke").content.decode()
    assert Invitation.objects.get().state == "revoked"


def test_selected_links_are_rotated_but_dead_ones_stay_dead(act, invitation):
    dead = InvitationFactory(revoked_at="2026-01-01T00:00:00Z")
    tokens = [invitation.token, dead.token]
    assert "1 links rotated." in act("rotate").content.decode()
    assert not Invitation.objects.with_token(tokens[0]).exists()
    assert Invitation.objects.with_token(tokens[1]).get() == dead


def test_a_link_whose_key_is_gone_says_what_to_do(act, invitation, client, settings):
    settings.INVITATION_TOKEN_KEY = "another key, at least 32 characters"
    assert "Rotate it for a new one" in client.get(LIST).content.decode()
    act("rotate")
    assert "Rotate it for a new one" not in client.get(LIST).content.decode()
