"""Compose files, read as data: what each container may do, and what it is told."""

from __future__ import annotations

import os
import re
import subprocess
import time

import psycopg
import pytest
from django.conf import settings

from bandpics import entrypoint
from bandpics.local import postgres
from bandpics.local.environment import PROJECT
from bandpics.testing import compose
from images.storage_events import sqs
from invitations import delivery

SERVICES = compose.read(PROJECT / "docker-compose.yml")["services"]
CADDY = compose.read(PROJECT / "compose.caddy.yml")["services"]
SMALL = compose.read(PROJECT / "compose.small.yml")["services"]
APP = {name: body for name, body in SERVICES.items() if body["image"] == "bandpics"}
# The image says where it writes; web listens on 8000 inside, and WEB_PORT is the port outside.
NOT_TOLD = {"STATIC_ROOT", "WORK_DIR", "WEB_PORT", "METRICS_HOST", "DEBUG"}
SECRETS = {
    "S3_SECRET_KEY": {*APP} - {"beat", "migrate"},
    "JWT_SIGNING_KEY": {"web"},
    "STORAGE_EVENTS_SECRET": {"web"},
    "EMAIL_URL": {"web", "sweeper"},
    "INVITATION_TOKEN_KEY_FALLBACKS": {"web", "sweeper"},
    "CAPTION_API_KEY": {"web", "sweeper", "captions"},
}


def names_in_table():
    rows = re.findall(r"^\| (`[^|]*) \|", (PROJECT / "docs/settings.md").read_text(), re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([A-Z0-9_]+)`", row)}


def test_every_role_has_a_service():
    roles = {*entrypoint.ROLES} - {"all"}
    assert {body["command"] for body in APP.values()} == {*roles, "set_up_bucket"}


def test_on_a_small_server_one_container_runs_all_roles_and_is_told_what_each_is():
    apart = {name for name, body in SMALL.items() if body.get("profiles") == ["apart"]}
    assert SMALL["web"]["command"] == "all"
    assert {*apart, "web", "captions"} == {*entrypoint.TOGETHER}
    told = {*SERVICES["web"]["environment"], *SMALL["web"]["environment"]}
    for name in (*apart, "captions"):
        assert {*SERVICES[name]["environment"]} <= told, name
    # As long as the slowest of them needs.
    graces = [SERVICES[name].get("stop_grace_period", "10s") for name in (*apart, "web")]
    assert int(SMALL["web"]["stop_grace_period"][:-1]) >= max(int(each[:-1]) for each in graces)
    assert SMALL["web"]["healthcheck"]["test"][-2:] == ["bandpics/probe.py", "all"]


def test_every_setting_reaches_some_container():
    told = {name for body in APP.values() for name in body["environment"]}
    assert names_in_table() - told == NOT_TOLD
    assert told - names_in_table() == set()


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_told_to_those_who_use_it(secret):
    assert {name for name, body in APP.items() if secret in body["environment"]} == SECRETS[secret]


def test_no_container_is_told_all_of_env():
    assert not any("env_file" in body for body in SERVICES.values())


@pytest.mark.parametrize("name", [*SERVICES, "caddy"])
def test_containers_are_confined(name):
    body = SERVICES.get(name) or CADDY[name]
    assert body["read_only"] is True
    assert body["cap_drop"] == ["ALL"]
    assert body["mem_limit"] and body["pids_limit"]
    assert body["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    if name != "caddy":
        assert body["security_opt"] == ["no-new-privileges:true"]
    if name not in {"postgres", "caddy"}:
        assert "cap_add" not in body


def test_any_number_of_web_servers_can_run():
    for body in [*SERVICES.values(), *CADDY.values()]:
        assert "container_name" not in body
    assert SERVICES["web"]["ports"] == ["${WEB_PORT:-8000}:8000"]
    # Behind Caddy no port of theirs is taken, and it asks Docker for all of them.
    assert (
        "web:\n    # Caddy alone is reached from outside.\n    ports: !reset []"
        in (PROJECT / "compose.caddy.yml").read_text()
    )
    assert "dynamic a {\n\t\t\tname web" in (PROJECT / "infra/caddy/Caddyfile").read_text()


def test_each_role_has_the_time_that_what_it_does_may_take():
    """docker stop kills what has not ended by then."""
    seconds = {name: int(body.get("stop_grace_period", "10s")[:-1]) for name, body in APP.items()}
    photo = settings.CELERY_TASK_TIME_LIMIT
    assert min(seconds["worker"], seconds["transforms"], seconds["archives"]) > photo
    assert seconds["captions"] > settings.CAPTION_TIMEOUT_SECONDS
    assert seconds["web"] > settings.WEB_DRAIN_SECONDS + entrypoint.REQUEST_SECONDS
    assert seconds["sweeper"] > delivery.RUN_SECONDS
    assert seconds["events"] > 2 * sqs.WAIT_SECONDS
    # ECS gives as much.
    text = (PROJECT / "infra/terraform/services.tf").read_text()
    (block,) = re.findall(r"stop_seconds = \{(.*?)\}", text, re.DOTALL)
    on_ecs = {name: int(number) for name, number in re.findall(r"(\w+)\s*= (\d+)", block)}
    (otherwise,) = re.findall(r"lookup\(local.stop_seconds, each.key, (\d+)\)", text)
    for role in set(entrypoint.ROLES) - {"migrate", "all"}:
        assert seconds[role] <= on_ecs.get(role, int(otherwise)) <= 120, role


def test_health_checks_load_nothing_of_the_application():
    for name, body in APP.items():
        if name not in {"migrate", "bucket", "events"}:
            assert body["healthcheck"]["test"][:4] == ["CMD", "python", "-I", "bandpics/probe.py"]


def test_the_proxy_waits_for_what_web_finishes():
    caddy = (PROJECT / "infra/caddy/Caddyfile").read_text()
    grace = int(re.search(r"grace_period (\d+)s", caddy)[1])
    assert entrypoint.REQUEST_SECONDS < grace < int(CADDY["caddy"]["stop_grace_period"][:-1])


def test_names_of_env_example_are_of_the_docs_or_of_compose():
    """A name that nobody reads would be set in vain."""
    example = (PROJECT / ".env.example").read_text()
    names = set(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", example, re.MULTILINE))
    both = "".join(
        (PROJECT / name).read_text() for name in ("docker-compose.yml", "compose.caddy.yml")
    )
    of_compose = {*re.findall(r"\$\{([A-Z0-9_]+)[:}-]", both), "COMPOSE_PROFILES", "COMPOSE_FILE"}
    assert names - names_in_table() - of_compose == set()


# --- The backup job --------------------------------------------------------------------------


@pytest.fixture
def backup(tmp_path):
    """Runs the script of the service once, on the database server of this test run."""
    url = psycopg.conninfo.conninfo_to_dict(os.environ["DATABASE_URL"])

    def run(**variables):
        return subprocess.run(
            ["/bin/sh", PROJECT / "infra/backup/backup.sh", "once"],
            env={
                "PATH": f"{postgres.binaries()}:{os.environ['PATH']}",
                "PGHOST": str(url.get("host", "127.0.0.1")),
                "PGPORT": str(url.get("port", "5432")),
                "PGUSER": str(url["user"]),
                "PGPASSWORD": str(url.get("password", "")),
                "PGDATABASE": "postgres",
                "BACKUP_DIR": str(tmp_path),
                "BACKUP_KEEP_DAYS": "14",
                **variables,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def dumps(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_backup_can_be_read_and_replaces_old_ones(backup, tmp_path):
    old, recent = tmp_path / "bandpics-old.dump", tmp_path / "bandpics-recent.dump"
    for path, days in ((old, 16), (recent, 3)):
        path.touch()
        moment = time.time() - days * 24 * 3600
        os.utime(path, (moment, moment))
    run = backup()
    assert run.returncode == 0, run.stderr
    new, kept = dumps(tmp_path)
    assert kept == "bandpics-recent.dump"
    assert (tmp_path / new).read_bytes().startswith(b"PGDMP")


def test_a_backup_that_fails_leaves_the_old_ones(backup, tmp_path):
    old = tmp_path / "bandpics-old.dump"
    old.touch()
    os.utime(old, (0, 0))
    run = backup(PGDATABASE="there-is-none")
    assert run.returncode == 1
    assert "backup-failed" in run.stderr
    assert dumps(tmp_path) == ["bandpics-old.dump"]
