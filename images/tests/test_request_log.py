"""Each request leaves one line: what was asked, by whom, and how it ended; no token."""

from __future__ import annotations

import logging

import pytest
from celery import signals
from django.test import Client

from bandpics.telemetry import context
from bandpics.telemetry.tasks import REQUEST_ID
from bandpics.users import api_keys
from images.tests import drawn_pictures

pytestmark = pytest.mark.django_db
LOGGER = "bandpics.middleware.request_log"


@pytest.fixture
def line_of(caplog):
    """Returns the line of the request that a function makes, and its answer."""
    caplog.set_level(logging.DEBUG, logger=LOGGER)

    def call(ask):
        caplog.clear()
        answer = ask()
        (record,) = [record for record in caplog.records if record.name == LOGGER]
        return record, answer

    return call


@pytest.fixture
def said(monkeypatch):
    """What is known of a request when its line is written."""
    known = {}
    forget = context.forget

    def remember():
        known.clear()
        known.update(context.known())
        forget()

    monkeypatch.setattr(context, "forget", remember)
    return known


def test_a_guest_is_named_by_their_invitation(line_of, said, cleo, invitation):
    line, answer = line_of(lambda: cleo.client.get("/api/v1/uploads/"))
    assert (line.method, line.route, line.status) == ("GET", "api/v1/uploads/", 200)
    assert line.duration_ms > 0
    assert said == {
        "request_id": answer["X-Request-Id"],
        "credential": "invitation",
        "invitation_id": str(invitation.pk),
        "group_id": str(invitation.group_id),
        "team_id": str(invitation.group.team_id),
    }
    assert invitation.token not in str(vars(line))


def test_a_page_of_a_link_is_named_by_its_route(line_of, said, client, invitation):
    line, _ = line_of(lambda: client.get(f"/i/{invitation.token}/"))
    assert line.route == "i/<str:token>/"
    assert said["invitation_id"] == str(invitation.pk)
    assert invitation.token not in str(vars(line)) + str(said)


def test_a_key_is_named_by_its_prefix(line_of, said, ada):
    key, secret = api_keys.issue(ada, name="script", scopes=["read"])
    client = Client(headers={"Authorization": f"Api-Key {secret}"})
    line, _ = line_of(lambda: client.get("/api/v1/groups/"))
    assert (said["credential"], said["prefix"], line.user_id) == ("api-key", key.prefix, ada.pk)
    assert secret.partition(".")[2] not in str(vars(line)) + str(said)


def test_a_session_is_named_by_its_user(line_of, signed_in, ada, group):
    client = signed_in(ada)
    line, _ = line_of(lambda: client.get(f"/groups/{group.pk}/"))
    assert (line.credential, line.user_id, line.group_id) == ("session", ada.pk, str(group.pk))
    assert ada.email not in str(vars(line))


def test_without_a_credential_nobody_is_named(line_of, client):
    line, _ = line_of(lambda: client.get("/login/"))
    assert line.credential == "none"
    assert not hasattr(line, "user_id")


def test_the_line_asks_the_database_nothing(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert client.get("/nothing/").status_code == 404


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/nothing/at/all/", "other"),
        ("/static/nothing.css", "static"),
        ("/i/unknown-token/photos/", "i/<str:token>/photos/"),
    ],
)
def test_routes_are_few(line_of, client, path, route):
    line, _ = line_of(lambda: client.get(path))
    assert line.route == route


def test_probes_leave_a_line_only_when_they_fail(line_of, client):
    line, _ = line_of(lambda: client.get("/healthz"))
    assert line.levelno == logging.DEBUG
    line, _ = line_of(lambda: client.post("/healthz"))
    assert (line.levelno, line.status) == (logging.INFO, 405)


def test_a_wrong_credential_is_no_warning(line_of, said, client, caplog):
    headers = {"Authorization": "Api-Key wrong.secret"}
    line, answer = line_of(lambda: client.get("/api/v1/groups/", headers=headers))
    assert (line.levelno, line.status) == (logging.INFO, 401)
    assert said["problem"] == "credential-invalid"
    assert answer.json()["request_id"] == answer["X-Request-Id"]


def test_the_id_of_a_proxy_is_kept_and_answered(client):
    answer = client.get("/api/v1/groups/", headers={"X-Request-Id": "proxy-17"})
    assert (answer["X-Request-Id"], answer.json()["request_id"]) == ("proxy-17", "proxy-17")
    assert (
        client.get("/login/", headers={"X-Request-Id": "proxy 17\n"})["X-Request-Id"] != "proxy 17"
    )


@pytest.mark.parametrize(
    ("address", "network"), [("203.0.113.77", "203.0.113.0"), ("2001:db8:1:2::3", "2001:db8:1::")]
)
def test_of_an_address_half_is_kept(line_of, client, address, network):
    line, _ = line_of(lambda: client.get("/login/", REMOTE_ADDR=address))
    assert line.network == network


def test_problems_outside_of_views_name_their_request_too(client):
    for path in ("/api/v1/nothing/", "/api/v1/uploads/not-a-uuid/"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert answer.json()["request_id"] == answer["X-Request-Id"]


def test_the_next_request_of_the_thread_begins_anew(client, cleo):
    cleo.announce_one(drawn_pictures.jpeg())
    assert context.known() == {}


@pytest.mark.django_db(transaction=True)
def test_a_task_carries_the_id_of_its_request(cleo):
    published = []

    def remember(**sent):
        published.append(sent["headers"])

    signals.after_task_publish.connect(remember, dispatch_uid="test")
    try:
        cleo.send(drawn_pictures.jpeg())
    finally:
        signals.after_task_publish.disconnect(dispatch_uid="test")
    (headers,) = published
    assert len(headers[REQUEST_ID]) == 32
