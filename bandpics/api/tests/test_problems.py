"""Whatever goes wrong below /api/ is said as problem+json, and says nothing of our insides."""

from __future__ import annotations

import json

import pytest
from django.conf import settings
from django.db import OperationalError
from django.urls import reverse
from rest_framework.test import APIClient

from bandpics.api.tests.conftest import ME, problem

TOKEN = "/api/v1/token/"


@pytest.fixture
def api(db):
    return APIClient(raise_request_exception=False)


@pytest.mark.parametrize("path", ["/api/", "/api/v2/", "/api/v2/x/", "/api/v1/nothing/", "/api/x"])
def test_an_unknown_address_is_a_problem(api, path):
    problem(api.get(path), 404, "not-found")
    problem(api.post(path, {}), 404, "not-found")


def test_a_call_without_its_last_slash_is_sent_on_whole(api):
    answer = api.post("/api/v1/token", {"email": "a@b.example", "password": "x"})
    assert (answer.status_code, answer["Location"]) == (308, TOKEN)
    again = api.post("/api/v1/token", {"email": "a@b.example", "password": "x"}, follow=True)
    problem(again, 401, "credential-invalid")


def test_elsewhere_it_is_a_page(api):
    answer = api.get("/nothing/")
    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("text/html")


def test_another_method_is_a_problem_that_says_which(api):
    answer = api.get(TOKEN)
    problem(answer, 405, "method-not-allowed")
    assert "POST" in answer["Allow"]


def test_another_type_of_body_is_a_problem(api):
    answer = api.post(TOKEN, "a=b", content_type="application/x-www-form-urlencoded")
    problem(answer, 415, "unsupported-media-type")


def test_another_type_of_answer_is_a_problem(api):
    problem(api.post(TOKEN, {}, headers={"Accept": "image/png"}), 406, "not-acceptable")


@pytest.mark.parametrize(
    "body", [b"{nonsense", b"\xff\xfe", b'{"email": NaN}', b"[" * 100_000, b'{"a":' * 50_000]
)
def test_what_cannot_be_read_is_a_problem(api, body):
    answer = api.post(TOKEN, body, content_type="application/json")
    problem(answer, 400, "invalid")


@pytest.mark.parametrize("body", [[], "x", 1, None, True])
def test_json_of_another_shape_is_a_problem(api, body):
    answer = api.post(TOKEN, json.dumps(body), content_type="application/json")
    problem(answer, 400, "invalid")


def test_an_endless_body_is_refused_before_it_is_read(api):
    answer = api.post(TOKEN, b" " * (2 * 1024 * 1024 + 1), content_type="application/json")
    problem(answer, 413, "body-too-large")


def test_a_host_we_do_not_know_is_a_problem(api):
    problem(api.get(ME, headers={"Host": "evil.example.org"}), 400, "invalid")


@pytest.mark.urls("bandpics.api.tests.urls")
def test_a_bug_says_nothing_of_our_insides(api):
    answer = api.get("/api/v1/broken/")
    problem(answer, 500, "internal-error")
    assert b"ZeroDivision" not in answer.content
    assert b"business" not in answer.content


@pytest.mark.urls("bandpics.api.tests.urls")
def test_a_silent_database_is_503_and_worth_another_try(api):
    answer = api.get("/api/v1/without-database/")
    problem(answer, 503, "unavailable")
    assert int(answer["Retry-After"]) > 0
    assert b"password" not in answer.content


@pytest.mark.urls("bandpics.api.tests.urls")
def test_a_full_disk_is_507_and_worth_another_try(api):
    answer = api.get("/api/v1/without-room/")
    problem(answer, 507, "disk-full")
    assert int(answer["Retry-After"]) > 0
    page = api.get("/without-room/")
    assert (page.status_code, page["Retry-After"]) == (507, answer["Retry-After"])
    assert b"try again" in page.content


@pytest.mark.parametrize("path", ["/", "/login/", "/admin/"])
def test_so_it_is_for_a_page(client, db, path, monkeypatch):
    def gone(*args, **kwargs):
        raise OperationalError("server closed the connection, password=hunter2")

    client.raise_request_exception = False
    client.cookies[settings.SESSION_COOKIE_NAME] = "of-a-person"
    with monkeypatch.context() as for_now:
        for_now.setattr("django.db.backends.utils.CursorWrapper.execute", gone)
        answer = client.get(path)
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert b"try again" in answer.content
    assert b"password=" not in answer.content


def test_a_browser_gets_a_page_that_our_policy_lets_it_draw(api):
    answer = api.get(ME, headers={"Accept": "text/html"})
    assert answer.status_code == 401
    assert answer["Content-Type"].startswith("text/html")
    policy = set(answer["Content-Security-Policy"].split("; "))
    assert {"style-src 'self' 'unsafe-inline'", "script-src 'self'"} <= policy


def test_the_type_of_a_problem_is_a_page(api):
    kind = api.get("/api/v1/nothing/").json()["type"]
    assert kind == reverse("problem", args=["not-found"])
    assert api.get(kind).status_code == 200
