"""The cast of groups; what else these tests need."""

from __future__ import annotations

import pytest
from django.test import Client

from bandpics.celery import app
from groups.tests.conftest import ada, admin, ben, dora, group, team, vera

__all__ = ["ada", "admin", "ben", "dora", "group", "team", "vera"]


@pytest.fixture
def browser_of():
    """A browser in which somebody is signed in."""

    def sign_in(user, **headers):
        client = Client(headers={"User-Agent": "Firefox on Linux", **headers})
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def tasks_at_once():
    """Runs tasks where they are queued: this suite has no worker."""
    app.conf.task_always_eager = app.conf.task_eager_propagates = True
    yield
    app.conf.task_always_eager = app.conf.task_eager_propagates = False
