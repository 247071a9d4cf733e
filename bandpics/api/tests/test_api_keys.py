"""Signing in by API key: what works, what is refused, what is noted."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from bandpics.api.tests.conftest import ME, problem
from bandpics.users.models import ApiKey

pytestmark = pytest.mark.django_db


def test_a_key_says_whose_it_is(ada, key_of, with_header):
    _, key = key_of(ada)
    for scheme in ("Api-Key", "api-key"):
        assert with_header(f"{scheme} {key}").get(ME).json()["email"] == "ada@example.org"


def test_the_secret_is_stored_nowhere(ada, key_of):
    row, key = key_of(ada)
    secret = key.partition(".")[2]
    assert len(secret) == 32
    assert not any(secret in str(value) for value in vars(row).values())


@pytest.mark.parametrize(
    "header",
    [
        "Api-Key",
        "Api-Key ",
        "Api-Key x",
        "Api-Key x.y z",
        "Api-Key \x00.x",
        "Api-Key ü.ü",
        "Api-Key {prefix}.wrong",
        "Api-Key {prefix}",
    ],
)
def test_a_wrong_key_is_refused_and_told_so(ada, key_of, with_header, header):
    row, _ = key_of(ada)
    answer = with_header(header.replace("{prefix}", row.prefix)).get(ME)
    problem(answer, 401, "credential-invalid")
    assert "Api-Key" in answer["WWW-Authenticate"]


def test_a_wrong_key_never_falls_through_to_the_session(ada, with_header):
    client = with_header("Api-Key wrong.key")
    client.force_login(ada)
    problem(client.get(ME), 401, "credential-invalid")


@pytest.mark.parametrize(
    "header", ["Basic YWRhOmFkYQ==", "Token abc", "abc", "Invitation " + "A" * 43]
)
def test_a_credential_of_another_kind_is_refused_even_beside_a_session(ada, with_header, header):
    client = with_header(header)
    client.force_login(ada)
    problem(client.get(ME), 401, "credential-invalid")


def test_a_revoked_key_dies_at_once(ada, key_of, with_header):
    row, key = key_of(ada)
    client = with_header(f"Api-Key {key}")
    assert client.get(ME).status_code == 200
    ApiKey.objects.filter(pk=row.pk).update(revoked=True)
    problem(client.get(ME), 401, "credential-invalid")


def test_an_expired_key_is_refused(ada, key_of, with_header):
    _, key = key_of(ada, expires_at=timezone.now() - timedelta(seconds=1))
    problem(with_header(f"Api-Key {key}").get(ME), 401, "credential-invalid")


def test_the_key_of_somebody_deactivated_is_refused(ada, key_of, with_header):
    _, key = key_of(ada)
    ada.is_active = False
    ada.save()
    problem(with_header(f"Api-Key {key}").get(ME), 401, "credential-invalid")


def test_a_key_is_good_for_its_scopes_only(ada, key_of, with_header):
    _, key = key_of(ada, scopes=["read"])
    client = with_header(f"Api-Key {key}")
    assert client.get(ME).status_code == 200
    problem(client.patch(ME, {"name": "Eve"}), 403, "permission-denied")
    _, key = key_of(ada, scopes=["upload"])
    problem(with_header(f"Api-Key {key}").get(ME), 403, "permission-denied")


def test_use_is_noted_once_a_minute(ada, key_of, with_header, django_assert_num_queries):
    row, key = key_of(ada)
    client = with_header(f"Api-Key {key}")
    client.get(ME)
    row.refresh_from_db()
    first = row.last_used_at
    assert first is not None
    with django_assert_num_queries(1):  # the key with its person; nothing is written
        client.get(ME)
    ApiKey.objects.update(last_used_at=first - timedelta(minutes=2))
    client.get(ME)
    row.refresh_from_db()
    assert row.last_used_at >= first
