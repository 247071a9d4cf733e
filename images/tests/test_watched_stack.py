"""A whole Bandpics is watched while photos arrive: its logs tell where a photo is and hold no
secret, and its metrics have what the dashboard and the alerts ask for."""

from __future__ import annotations

import http.client
import json
import re
import socket
import time
from contextlib import suppress
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import urllib3
import yaml

from bandpics.local import addresses, environment
from bandpics.local.stack import ROLES
from bandpics.testing.pytest_plugin import started_stack
from images.tests import drawn_pictures
from images.tests.guest_client import described, put

pytestmark = pytest.mark.xdist_group("stack")

PATIENCE_SECONDS = 120
LATITUDE, LONGITUDE = 48.208174, 16.373819
FILENAME = "Anna-und-Bernd-geheim.jpg"
PASSWORD = "grey horses on the lake"
HOST, GUEST = "hanna.secret@example.org", "gustav.secret@example.org"
TRAIL = ["announced", "signed", "arrived", "queued", "claimed", "decoded", "rendered", "stored"]
_pool = urllib3.PoolManager(retries=False, timeout=60)
MONITORING = environment.PROJECT / "infra" / "monitoring"


class Evening:
    """What one host and one guest did, and all secrets they used."""

    def __init__(self, stack):
        self.stack, self.secrets, self.answers = stack, [HOST, GUEST, PASSWORD, FILENAME], {}

    def call(self, method, path, *, key="", says=(200, 201, 202, 204), **more):
        headers = {"Authorization": key} if key else {}
        url = self.stack["web_url"] + path
        answer = _pool.request(
            method, url, headers=headers | more.pop("headers", {}), redirect=False, **more
        )
        assert answer.status in says, answer.data
        return answer

    def api(self, method, path, **more):
        answer = self.call(method, f"/api/v1/{path}", **more)
        return answer.json() if answer.data else None

    def ready(self, image_id, key):
        """Waits until the photo is final; returns it."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not (found := self.api("GET", f"uploads/{image_id}/", key=key))["is_final"]:
            assert time.monotonic() < end, found
            time.sleep(0.2)
        return found

    def send(self, data, key, **more):
        body = {"files": [described(data, filename=FILENAME)], **more.pop("body", {})}
        (ticket,) = self.api("POST", "uploads/", key=key, json=body, **more)["uploads"]
        self.secrets.append(re.search("X-Amz-Signature=([0-9a-f]+)", ticket["upload"]["url"])[1])
        assert put(ticket["upload"], data).status == 200
        self.api("POST", f"uploads/{ticket['id']}/complete/", key=key)
        self.ready(ticket["id"], key)
        return ticket["id"]

    def run(self):
        account = {"email": HOST, "password": PASSWORD}
        key = self.api("POST", "users/", json=account)["api_key"]
        host = f"Api-Key {key}"
        group = self.api("POST", "groups/", key=host, json={"name": "The evening"})["id"]
        other = self.api("POST", "groups/", key=host, json={"name": "Another one"})["id"]
        asked = {"group": group, "kind": "personal", "email": GUEST, "name": "Gustav"}
        link = self.api("POST", "invitations/", key=host, json=asked)
        token = link["upload_link"].rstrip("/").rpartition("/")[2]
        guest = f"Invitation {token}"
        tokens = self.api("POST", "token/", json=account)
        self.secrets += [key, token, tokens["access"], tokens["refresh"]]

        photo = drawn_pictures.jpeg(lat=LATITUDE, lon=LONGITUDE, seed=1)
        sent = {"headers": {"X-Request-Id": "from-a-phone.1"}}
        self.image_id = self.send(photo, guest, **sent)
        self.duplicate_id = self.send(photo, host, body={"group": group})
        self.bad_id = self.send(b"\xff\xd8\xff no picture at all", guest)
        path = f"images/{self.image_id}/"
        self.api("POST", f"{path}moderate/", key=host, json={"decision": "approve"})
        self.api("DELETE", f"{path}location/", key=guest)
        self.api("DELETE", path, key=host)
        self.api("POST", f"{path}restore/", key=host)
        self.api("PATCH", path, key=host, json={"group": other})
        self.pages(token, tokens, path)
        self.group = group

    def pages(self, token, tokens, path):
        """Opens pages, rightly and wrongly."""
        wrong = "f" * 32
        self.secrets += ["wrong.secretsecretsecret", wrong]
        self.call("GET", f"/i/{token}/")
        self.call("GET", f"/i/{wrong}/photos/", says=(403, 404))
        self.call("GET", f"/i/{token}/nothing/", says=(404,))
        self.call("GET", f"/w/{token}/", says=(403,))
        self.call("GET", f"/api/v1/{path}", key=f"Bearer {tokens['access']}", says=(200, 404))
        self.call("GET", f"/api/v1/{path}?access_token={token}", says=(200, 404))
        self.call("GET", "/api/v1/images/", key="Api-Key wrong.secretsecretsecret", says=(401,))
        self.call("POST", "/login/", fields={"username": HOST, "password": PASSWORD}, says=(403,))
        missing = self.call("GET", "/api/v1/groups/nothing/", key="Bearer x", says=(404,))
        self.problem = missing.json()
        self.problem_id = missing.headers["X-Request-Id"]
        charset = {"Content-Type": "application/json; charset=rot13"}
        self.call("POST", "/api/v1/token/", body=b"{}", headers=charset, says=(400,))
        self.call("HEAD", "/api/v1/groups/nothing/", says=(404,))
        self.call("HEAD", "/login/")
        self.refused = {
            status: self.rude(status, head)
            for status, head in {
                400: f"GET /i/{token}/\r\n\r\n",
                414: f"GET /i/{token}/?{'x' * 9000} HTTP/1.1\r\nHost: localhost\r\n\r\n",
                431: f"GET /i/{token}/ HTTP/1.1\r\n{'X-Long: 1' * 1000}\r\n\r\n",
            }.items()
        }

    def rude(self, status, head):
        """Sends what no browser sends; returns the answer, which gives its request's id."""
        parts = urlsplit(self.stack["web_url"])
        with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
            connection.sendall(head.encode())
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            problem = json.loads(answer.read())
        assert answer.status == problem["status"] == status
        assert problem["request_id"] == answer.headers["X-Request-Id"]
        return problem


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("watched")
    first = _free_ports()
    backups = tmp_path_factory.mktemp("backups")
    (backups / "bandpics-1.dump").write_bytes(b"PGDMP")
    settings = {
        "BACKUP_DIR": str(backups),
        "LOGS_BUCKET": "bandpics-logs",
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "DEBUG",
        "METRICS_PORT": str(first),
        "REGISTRATION": "open",
    }
    with started_stack(folder, **settings) as stack:
        evening = Evening(stack)
        evening.secrets += json.loads((folder / "secrets.json").read_text()).values()
        evening.secrets += [stack["admin_password"], stack["admin_api_key"]]
        evening.run()
        _wait_for_sweep(first + ROLES.index("sweeper"))
        metrics = {
            role: _metrics(first + ROLES.index(role)) for role in ROLES if role != "captions"
        }
        texts = {path.stem: path.read_text() for path in (folder / "logs").glob("*.log")}
    yield SimpleNamespace(evening=evening, metrics=metrics, texts=texts)


def _free_ports():
    """The first of as many free ports in a row as there are roles."""
    while True:
        first = addresses.free_port(addresses.LOOPBACK)
        with suppress(OSError):
            if all(
                addresses.free_port(addresses.LOOPBACK, preferred=first + i) == first + i
                for i in range(len(ROLES))
            ):
                return first


def _metrics(port):
    answer = _pool.request("GET", f"http://127.0.0.1:{port}/metrics")
    assert answer.status == 200
    return answer.data.decode()


def _wait_for_sweep(port):
    end = time.monotonic() + PATIENCE_SECONDS
    while "\nbandpics_sweep_age_seconds " not in _metrics(port):
        assert time.monotonic() < end
        time.sleep(0.5)


def lines_of(watched, *roles):
    """The lines of these roles: all of them JSON, but what Python itself warned of at the start."""
    found = []
    for role in roles:
        for line in watched.texts[role].splitlines():
            if line.startswith("{"):
                found.append(json.loads(line))
    return found


def test_one_search_for_a_photos_id_tells_its_life(watched):
    image_id = watched.evening.image_id
    lines = [
        line
        for line in lines_of(watched, "web", "worker", "sweeper")
        if line.get("image_id") == image_id and line["logger"] == "images.journey"
    ]
    lines.sort(key=lambda line: line["timestamp"])
    told = [line["event"] for line in lines]
    assert told == [
        *(*TRAIL, "done", "approved", "place_forgotten", "trashed", "restored", "moved"),
    ]
    by_step = {line["event"]: line for line in lines}
    assert all(by_step[step]["upload_id"] == image_id for step in [*TRAIL, "done"])
    # From the phone's own id to the worker's task.
    assert by_step["announced"]["request_id"] == "from-a-phone.1"
    assert by_step["decoded"]["format"] == "jpeg"
    assert by_step["claimed"]["task"] == "images.tasks.process_upload"
    assert by_step["claimed"]["request_id"] == by_step["arrived"]["request_id"]
    assert by_step["claimed"]["task_id"] == by_step["done"]["task_id"]


def test_what_became_of_the_others_is_told_too(watched):
    evening = watched.evening
    ends = {
        line["upload_id"]: line
        for line in lines_of(watched, "worker")
        if line["event"] in {"duplicate", "failed"}
    }
    assert ends[evening.duplicate_id]["duplicate_of"] == evening.image_id
    assert ends[evening.bad_id]["reason"] in {"damaged", "not-an-image"}


def test_each_request_leaves_one_line_that_says_who_asked(watched):
    lines = [line for line in lines_of(watched, "web") if line["event"] == "request"]
    ids = [line["request_id"] for line in lines]
    assert len(ids) == len(set(ids))
    by_credential = {line.get("credential"): line for line in lines}
    assert {"api-key", "invitation", "token", "none"} <= by_credential.keys()
    assert len(by_credential["api-key"]["prefix"]) == 8
    assert "invitation_id" in by_credential["invitation"]
    assert "user_id" in by_credential["token"]
    assert all(line["duration_ms"] >= 0 and line["method"] for line in lines if "method" in line)
    assert any(line["status"] == 400 and line["route"] == "other" for line in lines)


def test_a_problem_names_its_request(watched):
    evening = watched.evening
    assert evening.problem["request_id"] == evening.problem_id
    (line,) = [
        line
        for line in lines_of(watched, "web")
        if line.get("request_id") == evening.problem_id and line["event"] == "request"
    ]
    assert (line["status"], line["problem"]) == (404, "not-found")


def test_what_the_server_ends_itself_leaves_a_line_too(watched):
    lines = {line.get("request_id"): line for line in lines_of(watched, "web")}
    for status, problem in watched.evening.refused.items():
        line = lines[problem["request_id"]]
        assert (line["event"], line["status"], line["route"]) == ("request", status, "other")
        assert line["network"] == "127.0.0.0"
        assert f'bandpics_refused_total{{status="{status}"}} 1.0' in watched.metrics["web"]


def test_a_4xx_is_no_warning(watched):
    lines = lines_of(watched, "web")
    assert {line["status"] for line in lines if line["event"] == "request"} >= {400, 401, 403, 404}
    loud = [line for line in lines if line["level"] in {"warning", "error", "critical"}]
    assert loud == []


def test_no_log_holds_a_secret(watched):
    places = [f"{LATITUDE:.3f}", f"{LONGITUDE:.3f}"]
    secrets = [secret for secret in watched.evening.secrets if len(secret) >= 8] + places
    found = {
        (role, secret)
        for role in ROLES
        for secret in secrets
        if secret in watched.texts.get(role, "")
    }
    assert found == set()


def test_no_line_needed_the_scrubber(watched):
    """What it hid would have been in the log but for it: whoever logged it has to be changed."""
    hidden = [
        line
        for line in lines_of(watched, *set(ROLES) & watched.texts.keys())
        if "[hidden]" in json.dumps(line)
    ]
    assert hidden == [], hidden


def names_in(expression):
    return set(re.findall(r"\bbandpics_[a-z_]+", expression))


def shown(watched, *roles):
    texts = [watched.metrics[role] for role in roles or watched.metrics]
    return set(re.findall(r"^(bandpics_[a-z_]+)", "\n".join(texts), re.MULTILINE))


def test_the_dashboard_asks_for_metrics_that_are_there(watched):
    dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text())
    asked = [each["expr"] for panel in dashboard["panels"] for each in panel["targets"]]
    assert len(asked) > 20
    assert set().union(*map(names_in, asked)) <= shown(watched)


def test_the_alerts_ask_for_metrics_that_are_there(watched):
    (group,) = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    asked = [rule["expr"] for rule in group["rules"]]
    assert len(asked) > 8
    assert set().union(*map(names_in, asked)) <= shown(watched)
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["summary"]


def test_web_counts_requests_by_route_and_never_by_address(watched):
    text = watched.metrics["web"]
    route = 'route="api/v1/uploads/<uuid:upload_id>/complete/"'
    assert re.search(rf'bandpics_requests_total{{method="POST",{route},status="202"}} 3.0', text)
    assert watched.evening.image_id not in text
    assert 'bandpics_uploads_total{step="announced"} 3.0' in text


def test_the_worker_counts_what_it_did_in_its_children(watched):
    text = watched.metrics["worker"]
    # The duplicate is made a photo once the other one has moved.
    for series in [
        'bandpics_photo_seconds_count{format="jpeg"}',
        'bandpics_uploads_total{step="done"}',
        'bandpics_uploads_total{step="duplicate"}',
        'bandpics_uploads_total{step="failed"}',
        'bandpics_storage_seconds_count{operation="put"}',
        'bandpics_tasks_total{state="SUCCESS",task="images.tasks.process_upload"}',
    ]:
        assert re.search(rf"^{re.escape(series)} [1-9]", text, re.MULTILINE), series


def test_archives_shows_that_none_failed(watched):
    text = watched.metrics["archives"]
    assert 'bandpics_failures_total{kind="archive",reason="crashed"} 0.0' in text
    assert 'bandpics_leases_lost_total{kind="archive"} 0.0' in text


def test_only_the_sweeper_reads_numbers_from_the_database(watched):
    of_the_sweeper = {"bandpics_queue_depth", "bandpics_outbox_depth", "bandpics_sweep_age_seconds"}
    assert of_the_sweeper <= shown(watched, "sweeper")
    assert not of_the_sweeper & shown(watched, "web", "worker", "archives", "beat")
    assert "bandpics_unreadable_metrics 0.0" in watched.metrics["sweeper"]


def test_the_public_port_has_no_metrics(watched):
    lines = [line for line in lines_of(watched, "web") if line.get("route") == "metrics"]
    assert lines == []
