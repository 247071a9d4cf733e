"""A link's token in the address next to an Authorization header: neither hides the other."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from bandpics.users import api_keys
from images.tests.bulk_rows import photo
from images.tests.guest_client import Guest
from invitations.tests.factories import InvitationFactory

pytestmark = pytest.mark.django_db

PHOTOS = "/api/v1/images/"


def ask(header, **query):
    return APIClient().get(PHOTOS, query, headers={"Authorization": header} if header else {})


@pytest.fixture
def own(group, invitation):
    return photo(group, uploader=Guest(invitation).key)


def test_the_address_alone_is_enough(own, invitation):
    for header in (None, "", f"Invitation {invitation.token}", f"invitation  {invitation.token}"):
        answer = ask(header, access_token=invitation.token)
        assert [row["id"] for row in answer.json()["results"]] == [str(own.pk)]


@pytest.mark.parametrize(
    "header",
    [
        *("Api-Key wrong.wrong", "Bearer wrong", "Basic YTpi", "nonsense", "Invitation"),
        *("Invitation " + "A" * 43, "Invitation a b"),
    ],
)
def test_a_wrong_header_is_not_hidden_by_a_right_address(own, invitation, header):
    answer = ask(header, access_token=invitation.token)
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/two-credentials/"
    assert answer.json()["detail"]


def test_nor_may_two_right_ones_differ(ada, own, invitation):
    _, key = api_keys.issue(ada, name="script", scopes=["read"])
    for header in (
        f"Api-Key {key}",
        f"Bearer {AccessToken.for_user(ada)}",
        f"Invitation {InvitationFactory().token}",
    ):
        assert ask(header).status_code == 200
        assert ask(header, access_token=invitation.token).status_code == 400
        assert ask(header, access_token="").status_code == 400


def test_a_right_header_does_not_hide_a_wrong_address(own, invitation):
    answer = ask(f"Invitation {invitation.token}", access_token="A" * 43)
    assert answer.json()["type"] == "/problems/two-credentials/"


def test_the_browsers_session_is_no_header(ada, own, invitation, signed_in):
    """Somebody with an account opens a link: the link is what they showed."""
    photo(own.group)
    answer = signed_in(ada).get(PHOTOS, {"access_token": invitation.token})
    assert [row["id"] for row in answer.json()["results"]] == [str(own.pk)]
