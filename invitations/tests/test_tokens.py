"""The secret in a link is derived, not stored, and found by its digest."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from invitations import tokens
from invitations.models import Invitation
from invitations.tests.factories import InvitationFactory

pytestmark = pytest.mark.django_db


def test_the_link_can_be_shown_again(settings):
    invitation = InvitationFactory()
    again = Invitation.objects.get(pk=invitation.pk)
    assert again.token == invitation.token
    assert len(again.token) == tokens.TOKEN_LENGTH
    assert again.upload_link == f"{settings.PUBLIC_URL}/i/{invitation.token}/"


def test_the_database_does_not_hold_it():
    invitation = InvitationFactory()
    row = Invitation.objects.values().get()
    assert invitation.token not in str(row)


def test_it_is_found_by_its_digest_alone(django_assert_num_queries):
    invitation = InvitationFactory()
    with django_assert_num_queries(1):
        assert Invitation.objects.with_token(invitation.token).get() == invitation
    assert not Invitation.objects.with_token(invitation.token[:-1] + "_").exists()


def test_a_new_secret_ends_the_old_link():
    invitation = InvitationFactory()
    old = invitation.token
    invitation.new_secret()
    invitation.save()
    assert invitation.token != old
    assert not Invitation.objects.with_token(old).exists()


def test_a_new_key_still_shows_links_of_the_old_one(settings):
    invitation = InvitationFactory()
    token = invitation.token
    settings.INVITATION_TOKEN_KEY_FALLBACKS = [settings.INVITATION_TOKEN_KEY]
    settings.INVITATION_TOKEN_KEY = "another key, at least 32 characters"
    assert invitation.token == token


def test_without_the_key_the_link_works_but_cannot_be_shown(settings):
    invitation = InvitationFactory()
    token = invitation.token
    settings.INVITATION_TOKEN_KEY = "another key, at least 32 characters"
    with pytest.raises(tokens.TokenLost):
        _ = invitation.token
    assert Invitation.objects.with_token(token).exists()


def test_a_link_lives_seven_days():
    left = InvitationFactory().expires_at - timezone.now()
    assert timedelta(days=7) - left < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("wrong", "constraint"),
    [
        ({"email": ""}, "invitation_personal_has_an_email"),
        ({"visibility": "all"}, "invitation_visibility_is_known"),
    ],
)
def test_the_database_keeps_the_promise(wrong, constraint):
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        InvitationFactory(**wrong)


def test_a_person_is_invited_once_per_group_whatever_the_case():
    invitation = InvitationFactory(email="cleo@example.org")
    with pytest.raises(IntegrityError, match="invitation_once_per_person"), transaction.atomic():
        InvitationFactory(group=invitation.group, email="CLEO@example.org")
    InvitationFactory(email="cleo@example.org")  # another group
    for _ in range(2):
        InvitationFactory(group=invitation.group, email="", kind="shared")


def test_open_means_neither_revoked_nor_expired():
    invitation = InvitationFactory()
    InvitationFactory(expires_at=Now())
    InvitationFactory(revoked_at=Now())
    assert Invitation.objects.open().get() == invitation
