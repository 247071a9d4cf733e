"""Every problem the API can answer with is explained on a page."""

from __future__ import annotations

from importlib import import_module

import pytest

from bandpics.api import problems
from bandpics.api.views import PROBLEMS


def _subclasses(of):
    for each in of.__subclasses__():
        yield each
        yield from _subclasses(each)


def test_every_slug_has_its_explanation():
    for module in ["images.api", "invitations.authentication"]:
        import_module(module)
    slugs = {each.slug for each in _subclasses(problems.Problem)}
    slugs |= {slug for slug, _ in problems._BY_STATUS.values()}
    assert slugs == set(PROBLEMS)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_running_server_is_healthy_and_ready(client, path):
    assert client.get(path).status_code == 200


@pytest.mark.django_db
def test_without_redis_it_is_not_ready_and_says_so(client, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"database": "ok", "redis": "unavailable", "storage": "ok"}
