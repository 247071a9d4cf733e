"""Registration: open to all, to invited people, or to nobody."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from bandpics.users.models import IdempotencyRecord, User
from bandpics.users.tests.factories import UserFactory
from groups.models import Group
from invitations.models import Invitation
from invitations.tests.factories import InvitationFactory

pytestmark = pytest.mark.django_db
USERS, ME = "/api/v1/users/", "/api/v1/users/me/"
PASSWORD = "a long enough password"
ADA = {"email": "ada@example.org", "password": PASSWORD, "name": "Ada"}


@pytest.fixture
def anyone(settings):
    settings.REGISTRATION = "open"
    return APIClient()


def guest(invitation):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Invitation {invitation.token}")
    return client


@pytest.fixture
def invitation(settings):
    settings.REGISTRATION = "invite"
    return InvitationFactory(email="Ada@example.org")


@pytest.mark.parametrize("field", ["password", "plain_password"])
def test_the_answer_holds_a_key_that_works_and_a_group_to_fill(anyone, field):
    answer = anyone.post(USERS, {"email": "ada@example.org", field: PASSWORD, "name": "Ada"})
    assert answer.status_code == 201
    made = answer.json()
    assert set(made) == {"id", "email", "name", "created_at", "api_key", "team", "group"}
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {made['api_key']}")
    assert client.get(ME).json()["id"] == made["id"]
    announced = client.post(
        "/api/v1/uploads/",
        {
            "group": made["group"]["id"],
            "files": [{"filename": "a.jpg", "content_type": "image/jpeg", "size": 3}],
        },
    )
    assert announced.status_code == 201
    assert PASSWORD not in answer.content.decode()
    signed_in = anyone.post("/api/v1/token/", {"email": "ada@example.org", "password": PASSWORD})
    assert signed_in.status_code == 200


def test_nobody_makes_themselves_more_than_a_user(anyone):
    wanted = {**ADA, "is_staff": True, "is_superuser": True, "id": 7, "is_active": False}
    assert anyone.post(USERS, wanted).status_code == 400
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"email": "nonsense"}, "#/email"),
        ({"email": ""}, "#/email"),
        ({"email": None}, "#/email"),
        ({"email": "a@b.example\x00"}, "#/email"),
        ({"email": "\u017fam@example.org"}, "#/email"),  # a long s
        ({"email": "\u212aim@example.org"}, "#/email"),  # the sign for kelvin
        ({"password": "short"}, "#/password"),
        ({"password": "password123"}, "#/password"),
        ({"password": "0123456789876"}, "#/password"),
        ({"password": "ada@example.org"}, "#/password"),
        ({"password": "x" * 1025}, "#/password"),
        ({"plain_password": "another long password"}, "#/plain_password"),
        ({"name": "x" * 121}, "#/name"),
    ],
)
def test_what_is_wrong_is_named_and_nobody_is_made(anyone, changes, pointer):
    answer = anyone.post(USERS, {**ADA, **changes})
    assert answer.status_code == 400, answer.json()
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert not User.objects.exists()


def test_a_password_is_needed(anyone):
    answer = anyone.post(USERS, {"email": "ada@example.org"})
    assert answer.json()["errors"][0] == {
        "pointer": "#/password",
        "code": "required",
        "detail": "Choose one.",
    }


def test_an_address_is_used_once_whatever_the_case(anyone):
    assert anyone.post(USERS, ADA).status_code == 201
    answer = anyone.post(USERS, {**ADA, "email": "ADA@example.org"})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "unique"
    assert User.objects.count() == 1


def test_addresses_that_only_look_alike_are_two_people(anyone):
    """Such accounts exist from before registration refused them, or from an issuer."""
    people = [UserFactory(email=f"{first}am@example.org") for first in ("s", "\u017f")]
    for person in people:
        answer = anyone.post("/api/v1/token/", {"email": person.email, "password": PASSWORD})
        assert answer.status_code == 200, answer.content


# --- Closed ---------------------------------------------------------------------------------


def test_closed_is_closed_and_tells_nothing_of_who_is_here(settings):
    settings.REGISTRATION = "closed"
    UserFactory(email="ada@example.org")
    answers = [
        APIClient(headers={"X-Request-Id": "one"}).post(USERS, {**ADA, "email": email})
        for email in ("ada@example.org", "new@example.org", "nonsense")
    ]
    assert {answer.status_code for answer in answers} == {403}
    assert {answer.json()["type"] for answer in answers} == {"/problems/registration-closed/"}
    assert len({answer.content for answer in answers}) == 1


def test_closed_is_closed_to_the_invited_too(invitation, settings):
    settings.REGISTRATION = "closed"
    assert guest(invitation).post(USERS, ADA).status_code == 403


# --- By invitation --------------------------------------------------------------------------


def test_the_invited_register_with_the_address_of_their_invitation(invitation):
    assert guest(invitation).post(USERS, ADA).status_code == 201
    assert guest(invitation).post(USERS, ADA).json()["errors"][0]["code"] == "unique"


def test_without_an_invitation_nobody_registers_or_learns_who_has(invitation):
    UserFactory(email="ada@example.org")
    answer = APIClient().post(USERS, ADA)
    assert answer.status_code == 401
    assert "Invitation" in answer["WWW-Authenticate"]


def test_another_address_than_the_invited_is_refused(invitation):
    UserFactory(email="dora@example.org")
    for email in ("dora@example.org", "nobody@example.org"):
        answer = guest(invitation).post(USERS, {**ADA, "email": email})
        assert answer.json()["errors"][0]["code"] == "not-invited"
        assert not re.search(r"\bada\b", answer.content.decode(), re.IGNORECASE)
    assert not User.objects.filter(email="nobody@example.org").exists()


def test_a_link_for_everybody_registers_nobody(invitation):
    shared = InvitationFactory(kind="shared", email="")
    assert guest(shared).post(USERS, ADA).status_code == 403


def test_an_expired_or_revoked_invitation_registers_nobody(invitation):
    now = timezone.now()
    Invitation.objects.update(expires_at=now - timedelta(seconds=1))
    answer = guest(invitation).post(USERS, ADA)
    assert answer.json()["type"] == "/problems/invitation-expired/"
    Invitation.objects.update(expires_at=now + timedelta(days=1), revoked_at=now)
    answer = guest(invitation).post(USERS, ADA)
    assert answer.json()["type"] == "/problems/invitation-revoked/"
    assert not User.objects.exists()


# --- Again and again ------------------------------------------------------------------------


def test_a_repeated_call_makes_nobody_twice_and_shows_no_key_again(anyone):
    headers = {"Idempotency-Key": "b7e6e1f2"}
    first = anyone.post(USERS, ADA, headers=headers)
    again = anyone.post(USERS, ADA, headers=headers)
    assert again.status_code == 201
    assert again.json() == {**first.json(), "api_key": None}
    assert User.objects.count() == 1
    stored = str(vars(IdempotencyRecord.objects.get()))
    assert first.json()["api_key"] not in stored
    assert PASSWORD not in stored
    other = anyone.post(USERS, {**ADA, "password": "some other password"}, headers=headers)
    assert other.json()["type"] == "/problems/idempotency-mismatch/"


def test_one_address_registers_so_many_and_no_more(anyone, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "register": "2/hour"}
    codes = [anyone.post(USERS, {**ADA, "email": f"{n}@example.org"}).status_code for n in range(3)]
    assert codes == [201, 201, 429]


def test_the_invited_do_not_share_that_limit(invitation, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "register": "1/hour"}
    other = InvitationFactory(email="ben@example.org")
    assert guest(invitation).post(USERS, ADA).status_code == 201
    assert guest(other).post(USERS, {**ADA, "email": "ben@example.org"}).status_code == 201


def test_a_repeated_call_after_the_group_is_gone_finds_nothing(anyone):
    headers = {"Idempotency-Key": "b7e6e1f2"}
    made = anyone.post(USERS, ADA, headers=headers).json()
    Group.objects.filter(pk=made["group"]["id"]).delete()
    assert anyone.post(USERS, ADA, headers=headers).status_code == 404
