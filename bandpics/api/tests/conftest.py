"""Ada has an account; how she shows who she is differs from test to test."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from bandpics.users import api_keys
from bandpics.users.models import Scope
from bandpics.users.tests.factories import UserFactory

ME = "/api/v1/users/me/"


@pytest.fixture
def ada(db):
    return UserFactory(email="ada@example.org", name="Ada")


@pytest.fixture
def dora(db):
    return UserFactory(email="dora@example.org", name="Dora")


@pytest.fixture
def key_of():
    """Makes a key and returns its row and its text."""

    def make(user, **about):
        return api_keys.issue(user, **{"name": "script", "scopes": Scope.values, **about})

    return make


@pytest.fixture
def with_header():
    """A client that sends this Authorization header and nothing else."""

    def make(value, **options):
        client = APIClient(**options)
        client.credentials(HTTP_AUTHORIZATION=value)
        return client

    return make


def problem(answer, status, slug):
    """The answer is this problem, and looks like one."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["type"] == f"/problems/{slug}/"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    return body
