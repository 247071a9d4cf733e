"""Guests are limited by their link and device, not by the address they share."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from invitations.tests.factories import InvitationFactory

pytestmark = pytest.mark.django_db
UPLOADS = "/api/v1/uploads/"


def guest(invitation, device="d" * 32):
    client = APIClient(headers={"Bandpics-Device": device})
    client.credentials(HTTP_AUTHORIZATION=f"Invitation {invitation.token}")
    return client


@pytest.fixture
def rates(settings):
    def set_rates(**changes):
        settings.RATE_LIMITS = {**settings.RATE_LIMITS, **changes}

    return set_rates


def test_a_whole_wedding_sits_behind_one_address(rates):
    rates(address="1/minute", guess="1/minute")
    wall = InvitationFactory(kind="shared", email="")
    for number in range(40):
        assert guest(wall, device=f"{number:032}").get(UPLOADS).status_code == 200


def test_a_guesser_at_that_address_is_stopped_and_nobody_else(rates):
    rates(guess="3/minute")
    cleo, wrong = guest(InvitationFactory()), APIClient()
    wrong.credentials(HTTP_AUTHORIZATION="Invitation " + "A" * 43)
    assert [wrong.get(UPLOADS).status_code for _ in range(5)] == [403, 403, 403, 429, 429]
    assert wrong.get(UPLOADS).json()["type"] == "/problems/too-many-requests/"
    assert int(wrong.get(UPLOADS)["Retry-After"]) > 0
    assert cleo.get(UPLOADS).status_code == 200


def test_the_page_of_unknown_links_counts_too(rates, client):
    rates(guess="2/minute")
    codes = [client.get(f"/i/{'A' * 43}/").status_code for _ in range(4)]
    assert codes == [403, 403, 429, 429]
    assert client.get(f"/i/{InvitationFactory().token}/").status_code == 200


def test_one_device_and_one_link_have_their_own_measure(rates):
    rates(device="2/minute", invitation="5/minute")
    wall = InvitationFactory(kind="shared", email="")
    cleo, dan = guest(wall, "c" * 32), guest(wall, "d" * 32)
    assert [cleo.get(UPLOADS).status_code for _ in range(3)] == [200, 200, 429]
    assert [dan.get(UPLOADS).status_code for _ in range(2)] == [200, 200]
    assert guest(wall, "e" * 32).get(UPLOADS).status_code == 429
    assert guest(InvitationFactory()).get(UPLOADS).status_code == 200
