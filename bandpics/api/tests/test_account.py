"""My own account, by session, token or key."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from bandpics.api.tests.conftest import ME, problem
from bandpics.users.tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
NEW = "another long enough password"


@pytest.fixture
def session(ada):
    client = APIClient()
    client.force_login(ada)
    return client


def test_it_says_who_i_am(ada, session):
    assert session.get(ME).json() == {
        "id": ada.pk,
        "email": "ada@example.org",
        "name": "Ada",
        "created_at": ada.created_at.isoformat().replace("+00:00", "Z"),
    }


def test_nobody_is_nobody(db):
    answer = APIClient().get(ME)
    problem(answer, 401, "not-authenticated")
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_the_session_writes_only_with_the_csrf_token(ada):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(ada)
    problem(client.patch(ME, {"name": "Eve"}), 403, "csrf-failed")
    assert client.get(ME).status_code == 200


def test_my_name_can_be_changed_and_nothing_that_is_not_mine_to_change(ada, session):
    body = {"name": "Ada L.", "email": "x@example.org", "id": 1}
    assert session.patch(ME, body).json()["name"] == "Ada L."
    problem(session.patch(ME, {"name": "Eve", "is_staff": True, "is_superuser": 1}), 400, "invalid")
    ada.refresh_from_db()
    assert (ada.name, ada.email) == ("Ada L.", "ada@example.org")
    assert (ada.is_staff, ada.is_superuser) == (False, False)


def test_another_password_ends_tokens_and_keeps_this_session(ada, session, with_header):
    token = with_header(f"Bearer {AccessToken.for_user(ada)}")
    elsewhere = APIClient()
    elsewhere.force_login(ada)
    assert token.get(ME).status_code == 200
    answer = session.patch(ME, {"password": NEW, "current_password": PASSWORD})
    assert answer.status_code == 200
    assert PASSWORD not in answer.content.decode()
    assert session.get(ME).status_code == 200
    assert elsewhere.get(ME).status_code == 401
    problem(token.get(ME), 401, "credential-invalid")
    ada.refresh_from_db()
    assert ada.check_password(NEW)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"password": NEW}, "#/current_password"),
        ({"password": NEW, "current_password": "wrong"}, "#/current_password"),
        ({"password": "short", "current_password": PASSWORD}, "#/password"),
        ({"password": "ada@example.org", "current_password": PASSWORD}, "#/password"),
        ({"name": "x" * 121}, "#/name"),
        ({"name": None}, "#/name"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_changed(ada, session, body, pointer):
    answer = session.patch(ME, {"name": "Eve", **body})
    assert problem(answer, 400, "invalid")["errors"][0]["pointer"] == pointer
    ada.refresh_from_db()
    assert ada.name == "Ada"
    assert ada.check_password(PASSWORD)


def test_the_present_password_cannot_be_guessed_here_either(ada, session, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "password": "2 per 15 minutes"}
    guess = {"password": NEW, "current_password": "guess"}
    for _ in range(2):
        assert session.patch(ME, guess).status_code == 400
    problem(session.patch(ME, guess), 429, "too-many-requests")
