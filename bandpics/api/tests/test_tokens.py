"""Our own JWTs: a password for two tokens, and everything that ends them."""

from __future__ import annotations

from datetime import timedelta

import jwt
import pytest
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from bandpics.api.tests.conftest import ME, problem
from bandpics.users.models import User
from bandpics.users.tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

TOKEN, REFRESH = "/api/v1/token/", "/api/v1/token/refresh/"


def sign_in(**said):
    return APIClient().post(TOKEN, said)


@pytest.mark.parametrize("name", ["email", "username"])
@pytest.mark.parametrize("email", ["ada@example.org", "ADA@Example.org"])
def test_a_password_gives_tokens_that_work(ada, with_header, name, email):
    answer = sign_in(**{name: email, "password": PASSWORD})
    assert answer.status_code == 200
    assert set(answer.json()) == {"access", "refresh"}
    me = with_header(f"Bearer {answer.json()['access']}").get(ME)
    assert me.json()["email"] == "ada@example.org"


def test_refreshing_gives_another_access_token(ada, with_header):
    refresh = sign_in(email=ada.email, password=PASSWORD).json()["refresh"]
    answer = APIClient().post(REFRESH, {"refresh": refresh})
    assert with_header(f"Bearer {answer.json()['access']}").get(ME).status_code == 200


def without_id(answer):
    """Each request has its own id, which is in its problem."""
    return {name: value for name, value in answer.items() if name != "request_id"}


def test_a_wrong_password_and_an_unknown_address_are_answered_alike(ada):
    wrong = sign_in(email=ada.email, password="not hers")
    unknown = sign_in(email="nobody@example.org", password="not hers")
    problem(wrong, 401, "credential-invalid")
    assert without_id(wrong.json()) == without_id(unknown.json())
    assert "Bearer" in wrong["WWW-Authenticate"]


def test_somebody_deactivated_gets_none_and_keeps_none(ada, with_header):
    tokens = sign_in(email=ada.email, password=PASSWORD).json()
    User.objects.update(is_active=False)
    problem(sign_in(email=ada.email, password=PASSWORD), 401, "credential-invalid")
    problem(with_header(f"Bearer {tokens['access']}").get(ME), 401, "credential-invalid")
    problem(APIClient().post(REFRESH, {"refresh": tokens["refresh"]}), 401, "credential-invalid")


def test_a_changed_password_ends_both_tokens(ada, with_header):
    tokens = sign_in(email=ada.email, password=PASSWORD).json()
    ada.set_password("another long password")
    ada.save()
    body = problem(with_header(f"Bearer {tokens['access']}").get(ME), 401, "credential-invalid")
    assert "password was changed" in body["detail"]
    problem(APIClient().post(REFRESH, {"refresh": tokens["refresh"]}), 401, "credential-invalid")


def test_tokens_of_somebody_removed_die(ada, with_header):
    tokens = sign_in(email=ada.email, password=PASSWORD).json()
    User.objects.all().delete()
    problem(with_header(f"Bearer {tokens['access']}").get(ME), 401, "credential-invalid")
    problem(APIClient().post(REFRESH, {"refresh": tokens["refresh"]}), 401, "credential-invalid")


def _forged(ada, **changes):
    claims = {**AccessToken.for_user(ada).payload, **changes}
    return {
        "unsigned": jwt.encode(claims, None, algorithm="none"),
        "signed by somebody else": jwt.encode(claims, "x" * 64, algorithm="HS256"),
        "of another algorithm": _with_our_key(claims, "HS512"),
        "of another issuer": _with_our_key({**claims, "iss": "elsewhere"}, "HS256"),
        "without issuer": _with_our_key(
            {name: value for name, value in claims.items() if name != "iss"}, "HS256"
        ),
    }


def _with_our_key(claims, algorithm):
    from django.conf import settings

    return jwt.encode(claims, settings.SIMPLE_JWT["SIGNING_KEY"], algorithm=algorithm)


@pytest.mark.parametrize(
    "kind",
    [
        "unsigned",
        "signed by somebody else",
        "of another algorithm",
        "of another issuer",
        "without issuer",
    ],
)
def test_a_forged_token_is_refused(ada, with_header, kind):
    problem(
        with_header(f"Bearer {_forged(ada, iss='bandpics')[kind]}").get(ME),
        401,
        "credential-invalid",
    )


@pytest.mark.parametrize("header", ["Bearer", "Bearer x", "Bearer a.b.c", "Bearer a b", "Bearer ü"])
def test_nonsense_is_refused_and_never_falls_through_to_the_session(ada, with_header, header):
    client = with_header(header)
    client.force_login(ada)
    problem(client.get(ME), 401, "credential-invalid")


def test_an_expired_token_is_refused(ada, with_header):
    token = AccessToken.for_user(ada)
    token.set_exp(lifetime=timedelta(seconds=-60))
    problem(with_header(f"Bearer {token}").get(ME), 401, "credential-invalid")


def test_a_refresh_token_is_no_access_token_nor_the_reverse(ada, with_header):
    problem(with_header(f"Bearer {RefreshToken.for_user(ada)}").get(ME), 401, "credential-invalid")
    answer = APIClient().post(REFRESH, {"refresh": str(AccessToken.for_user(ada))})
    problem(answer, 401, "credential-invalid")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/password"),
        ({"password": "x"}, "#/email"),
        ({"email": "ada@example.org"}, "#/password"),
        ({"email": "\x00", "password": "x"}, "#/email"),
        ({"email": ["x"], "password": {}}, "#/email"),
    ],
)
def test_a_missing_or_odd_field_is_named(db, body, pointer):
    answer = APIClient().post(TOKEN, body)
    assert pointer in [each["pointer"] for each in problem(answer, 400, "invalid")["errors"]]


def test_guessing_a_password_is_slowed_down_for_the_right_one_too(ada, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "password": "3 per 15 minutes"}
    for _ in range(3):
        assert sign_in(email=ada.email, password="guess").status_code == 401
    answer = sign_in(email=ada.email, password=PASSWORD)
    problem(answer, 429, "too-many-requests")
    assert 0 < int(answer["Retry-After"]) <= 900
    problem(sign_in(email="ADA@example.org", password=PASSWORD), 429, "too-many-requests")


def test_right_passwords_do_not_count(ada, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "password": "3 per 15 minutes"}
    for _ in range(5):
        assert sign_in(email=ada.email, password=PASSWORD).status_code == 200


def test_the_sign_in_page_says_so_in_words(ada, client, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "password": "1 per 15 minutes"}
    said = {"username": ada.email, "password": "guess"}
    client.post("/login/", said)
    answer = client.post("/login/", {**said, "password": PASSWORD})
    assert b"Too many wrong passwords. Try again in 15 minutes." in answer.content
