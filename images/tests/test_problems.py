"""Every problem the API can answer with is explained on a page."""

from __future__ import annotations

from importlib import import_module

import pytest

from bandpics.api import problems
from bandpics.api.views import PROBLEMS
from images.media import storage


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


WELL = dict.fromkeys(["database", "redis", "storage", "disk"], "ok")


@pytest.mark.django_db
def test_without_redis_it_is_not_ready_and_says_so(client, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == WELL | {"redis": "unavailable"}


@pytest.mark.django_db
def test_without_the_store_it_is_not_ready_until_the_store_is_back(client, s3_proxy, monkeypatch):
    monkeypatch.setattr(storage, "PAUSE_SECONDS", 0.0)
    s3_proxy.down()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, WELL | {"storage": "unavailable"})
    s3_proxy.up()
    assert client.get("/readyz").json() == WELL


@pytest.mark.django_db
@pytest.mark.parametrize("folder", ["/proc", "/nowhere"])
def test_without_room_to_work_it_is_not_ready(client, settings, folder):
    """/proc is a disk without a free byte, on every Linux and for everybody."""
    settings.WORK_DIR = folder
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, WELL | {"disk": "unavailable"})
