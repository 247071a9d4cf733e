"""People make an account on a page: all of them, the invited, or nobody."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from bandpics.users.models import ApiKey, User
from bandpics.users.tests.factories import UserFactory
from groups.models import Group
from invitations.models import Invitation, TeamInvitation
from invitations.tests.factories import InvitationFactory

pytestmark = pytest.mark.django_db
PAGE, PASSWORD = "/signup/", "grey horses on the lake"
HANNA = {"name": "Hanna", "email": "hanna@example.org", "password": PASSWORD}


@pytest.fixture(autouse=True)
def registration(settings):
    settings.REGISTRATION = "open"
    return settings


def text(answer):
    return answer.content.decode()


def test_an_account_is_signed_in_and_leads_home(client):
    answer = client.post(PAGE, HANNA, follow=True)
    assert answer.redirect_chain == [("/", 302)]
    assert "Your account is ready" in text(answer)
    hanna = User.objects.get()
    assert (hanna.email, hanna.name, hanna.check_password(PASSWORD)) == (
        "hanna@example.org",
        "Hanna",
        True,
    )
    assert not hanna.is_staff
    assert Group.objects.get().team.memberships.get().user == hanna
    assert not ApiKey.objects.exists()  # nobody would see it


def test_it_leads_to_the_page_people_came_from_and_to_no_other_site(client):
    assert client.post(PAGE, {**HANNA, "next": "/groups/new/"})["Location"] == "/groups/new/"
    client.logout()
    other = {**HANNA, "email": "b@example.org", "next": "https://evil.example/"}
    assert client.post(PAGE, other)["Location"] == "/"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"email": "nonsense"}, "Enter a valid email address"),
        ({"email": "\u017fam@example.org"}, "Enter a valid e-mail address"),
        ({"email": "a" * 250 + "@example.org"}, "at most 254 characters"),
        ({"password": "short"}, "too short"),
        ({"password": "0123456789876"}, "entirely numeric"),
        ({"password": "hanna@example.org"}, "too similar"),
        ({"name": ""}, "This field is required"),
        ({"name": "x" * 121}, "at most 120 characters"),
        ({"name": "a\0b"}, "Null characters are not allowed"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(client, changes, says):
    answer = client.post(PAGE, {**HANNA, **changes})
    assert answer.status_code == 400
    assert says in text(answer)
    if "email" not in changes:
        assert 'value="hanna@example.org"' in text(answer)
    assert PASSWORD not in text(answer)
    assert not User.objects.exists()


def test_a_taken_address_leads_to_signing_in(client):
    UserFactory(email="Hanna@example.org")
    answer = client.post(PAGE, HANNA)
    assert answer.status_code == 400
    assert "Sign in instead" in text(answer)
    assert User.objects.count() == 1


def test_one_network_makes_so_many_and_no_more(client, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "register": "1/hour"}
    client.post(PAGE, {**HANNA, "password": "short"})
    answer = client.post(PAGE, HANNA)
    assert answer.status_code == 400
    assert "Try again in" in text(answer)
    assert not User.objects.exists()


def test_whoever_is_signed_in_needs_no_other_account(client):
    client.force_login(UserFactory())
    assert client.get(PAGE)["Location"] == "/"


def test_closed_says_so_and_tells_nobody_who_is_here(client, registration):
    registration.REGISTRATION = "closed"
    UserFactory(email="hanna@example.org")
    answers = [client.post(PAGE, {**HANNA, "email": email}) for email in ("hanna@example.org", "x")]
    assert {answer.status_code for answer in answers} == {403}
    assert len({re.sub(r'value="[^"]{64}"', "", text(answer)) for answer in answers}) == 1  # CSRF
    assert "Make an account" not in text(client.get("/login/"))


# --- By invitation --------------------------------------------------------------------------


@pytest.fixture
def link(registration):
    registration.REGISTRATION = "invite"
    return InvitationFactory(email="Hanna@example.org").upload_link


def test_a_personal_link_lets_its_address_register(client, link):
    assert "by invitation" in text(client.get(PAGE))
    assert client.post(PAGE, HANNA).status_code == 400
    assert client.post(PAGE, {**HANNA, "link": link}).status_code == 302
    assert User.objects.get().email == "hanna@example.org"


def test_an_invitation_to_a_team_lets_its_address_register_and_join(
    client, registration, ada, team
):
    registration.REGISTRATION = "invite"
    invitation = TeamInvitation.objects.create(team=team, email="hanna@example.org", role="member")
    path = f"/teams/join/{invitation.token}/"
    page = client.get(PAGE, {"next": path})
    assert f'value="{path}"' in text(page)  # nobody has to paste it
    answer = client.post(PAGE, {**HANNA, "link": path, "next": path})
    assert answer["Location"] == path
    assert client.post(path)["Location"] == f"/teams/{team.pk}/"
    assert team.memberships.get(user__email="hanna@example.org").role == "member"


def test_another_address_than_the_invited_is_refused_and_not_told_which(client, link):
    answer = client.post(PAGE, {**HANNA, "email": "dora@example.org", "link": link})
    assert answer.status_code == 400
    assert "sent to another address" in text(answer)
    assert "hanna@" not in text(answer).lower()
    assert not User.objects.exists()


@pytest.mark.parametrize("why", ["shared", "expired", "revoked", "cut", "elsewhere", "nonsense"])
def test_a_link_that_is_not_good_registers_nobody(client, link, why):
    now = timezone.now()
    if why == "shared":
        link = InvitationFactory(kind="shared", email="").upload_link
    elif why == "expired":
        Invitation.objects.update(expires_at=now - timedelta(seconds=1))
    elif why == "revoked":
        Invitation.objects.update(revoked_at=now)
    elif why == "cut":
        link = link[:-9]
    else:
        link = {"elsewhere": "/groups/new/", "nonsense": "http://[::1"}[why]
    answer = client.post(PAGE, {**HANNA, "link": link})
    assert answer.status_code == 400
    assert "does not work any more" in text(answer)
    assert not User.objects.exists()
