"""Every problem the API can answer with is explained on a page."""

from __future__ import annotations

from importlib import import_module

import pytest
import redis
from django.conf import settings as live_settings
from django.db import connections

from bandpics import health
from bandpics.api import problems
from groups import teams
from images.lifecycle import editing, sweeper
from images.storage import client as storage_client
from images.uploads import announce, quota, transfer
from invitations import links


def _subclasses(of):
    for each in of.__subclasses__():
        yield each
        yield from _subclasses(each)


def test_every_slug_has_its_explanation():
    for module in ["images.api", "invitations.api.authentication"]:
        import_module(module)
    slugs = {each.slug for each in _subclasses(problems.Problem)}
    slugs |= {slug for slug, *_ in problems._BY_STATUS.values()}
    assert slugs == set(problems.EXPLANATIONS)


def test_no_slug_is_declared_twice():
    declared = [each.slug for each in _subclasses(problems.Problem) if "slug" in vars(each)]
    assert sorted(declared) == sorted(set(declared))


@pytest.mark.parametrize(
    ("error", "slug", "status"),
    [
        (transfer.NotPending(), "upload-not-pending", 409),
        (transfer.NotArrived([2]), "upload-not-arrived", 409),
        (announce.ClientIdTaken(), "client-id-taken", 409),
        (editing.DuplicateInGroup(), "duplicate-in-group", 409),
        (quota.Exhausted(), "invitation-exhausted", 403),
        (links.NotYours(), "permission-denied", 403),
        (links.BelowUse("max_files"), "invalid", 400),
        (teams.LastOwner(), "last-owner", 409),
    ],
)
def test_an_exception_of_the_domain_is_answered_by_its_problem(error, slug, status):
    import_module("groups.api.urls")
    answer = problems.exception_handler(error, {})
    assert (answer.data["type"], answer.status_code) == (f"/problems/{slug}/", status)


def test_an_exception_nobody_knows_is_no_answer():
    assert problems.exception_handler(ValueError("a bug"), {}) is None


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_running_server_is_healthy_and_ready(client, path):
    assert client.get(path).status_code == 200


WELL = dict.fromkeys(["database", "redis", "storage", "disk"], "ok") | {"stopping": False}


def said(answer):
    """How each is; how long ago somebody swept is another matter."""
    return {name: how for name, how in answer.json().items() if name != "seconds_since_sweep"}


@pytest.mark.django_db
def test_it_says_how_long_ago_somebody_swept(client):
    health.record_sweep()
    assert 0 <= client.get("/readyz").json()["seconds_since_sweep"] <= 60
    with redis.Redis.from_url(live_settings.REDIS_URL) as store:
        store.expire(health.SWEPT, health.SWEPT_REMEMBERED_SECONDS - 3600)
        answer = client.get("/readyz")
        assert 3600 <= answer.json()["seconds_since_sweep"] <= 3660
        assert answer.status_code == 200  # the web itself is well
        store.delete(health.SWEPT)
    assert client.get("/readyz").json()["seconds_since_sweep"] is None
    sweeper.sweep()
    assert 0 <= client.get("/readyz").json()["seconds_since_sweep"] <= 60


@pytest.mark.django_db
def test_without_redis_it_is_ready_and_says_so(client, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    answer = client.get("/readyz")
    assert (answer.status_code, said(answer)) == (200, WELL | {"redis": "unavailable"})


@pytest.mark.django_db
def test_a_store_that_is_away_is_said_until_it_is_back(client, s3_proxy, monkeypatch):
    monkeypatch.setattr(storage_client, "PAUSE_SECONDS", 0.0)
    s3_proxy.down()
    answer = client.get("/readyz")
    assert (answer.status_code, said(answer)) == (200, WELL | {"storage": "unavailable"})
    s3_proxy.up()
    assert said(client.get("/readyz")) == WELL


@pytest.mark.django_db
@pytest.mark.parametrize("folder", ["/proc", "/nowhere"])
def test_a_full_disk_is_said(client, settings, folder):
    """/proc is a disk without a free byte, on every Linux and for everybody."""
    settings.WORK_DIR = folder
    answer = client.get("/readyz")
    assert (answer.status_code, said(answer)) == (200, WELL | {"disk": "unavailable"})


def test_without_postgres_it_is_not_ready(client, django_db_blocker, monkeypatch):
    with django_db_blocker.unblock():
        away = connections.create_connection("default")
        away.settings_dict = {**away.settings_dict, "HOST": "127.0.0.1", "PORT": "1"}
        monkeypatch.setattr(health, "connection", away)
        answer = client.get("/readyz")
    assert (answer.status_code, said(answer)) == (503, WELL | {"database": "unavailable"})
