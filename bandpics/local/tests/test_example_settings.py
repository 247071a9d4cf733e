"""Nothing starts with the secrets of `.env.example`, which everybody can read."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from bandpics.local import environment
from bandpics.local.s3_server import KEEPER
from bandpics.testing.matrix import representative

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLE = dict(
    line.split("=", 1)
    for line in (environment.PROJECT / ".env.example").read_text().splitlines()
    if "=" in line and not line.startswith("#")
)
FILLED = {
    "DATABASE_URL": "postgres://bandpics:a-password@postgres:5432/bandpics",
    "REDIS_URL": "redis://redis:6379/0",
    **EXAMPLE,
    "SECRET_KEY": "a-secret-of-more-than-32-characters",
    "INVITATION_TOKEN_KEY": "another-secret-of-more-than-32-characters",
    "S3_ACCESS_KEY": "an-access-key",
    "S3_SECRET_KEY": "a-secret-access-key",
}
SECRETS = ["SECRET_KEY", "INVITATION_TOKEN_KEY", "S3_ACCESS_KEY", "S3_SECRET_KEY"]
COMPOSE = yaml.safe_load((environment.PROJECT / "docker-compose.yml").read_text())


def start(**variables: str) -> str:
    """Returns the error of an app container that does not start, or nothing."""
    result = subprocess.run(
        [sys.executable, "-c", "import bandpics.settings"],
        cwd=environment.PROJECT,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stderr


def test_filled_it_starts():
    assert start(**FILLED) == ""


def test_as_it_is_every_secret_is_refused_at_once():
    said = start(**FILLED | EXAMPLE)
    for name in SECRETS:
        assert f"{name}: is still that of .env.example" in said


@pytest.mark.parametrize("name", representative(SECRETS, lambda name: name == "S3_SECRET_KEY"))
def test_one_that_was_forgotten_is_named(name):
    said = start(**FILLED | {name: EXAMPLE[name]})
    assert f"{name}: is still that of .env.example" in said
    assert EXAMPLE[name] not in said


def test_a_password_of_the_database_from_an_older_example_is_refused():
    said = start(
        **FILLED | {"DATABASE_URL": "postgres://bandpics:change-me@postgres:5432/bandpics"}
    )
    assert "The password in DATABASE_URL is still that of .env.example" in said


def test_compose_wants_a_password_before_it_makes_a_database():
    # It would stay the password of the database after a change of .env.
    assert EXAMPLE["POSTGRES_PASSWORD"] == ""
    settings = COMPOSE["services"]["postgres"]["environment"]
    assert settings["POSTGRES_PASSWORD"].startswith("${POSTGRES_PASSWORD:?")


@pytest.mark.parametrize(
    "keys",
    [
        (EXAMPLE["S3_ACCESS_KEY"], FILLED["S3_SECRET_KEY"]),
        (FILLED["S3_ACCESS_KEY"], EXAMPLE["S3_SECRET_KEY"]),
        ("", ""),
        (FILLED["S3_ACCESS_KEY"], ""),
    ],
)
def test_the_store_of_compose_opens_no_port_with_them(keys, tmp_path):
    result = run_store(tmp_path, *keys)
    assert result.returncode == 1
    assert "S3_SECRET_KEY" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_with_keys_of_ones_own_the_store_starts(tmp_path):
    result = run_store(tmp_path, FILLED["S3_ACCESS_KEY"], FILLED["S3_SECRET_KEY"])
    assert result.stdout.split()[:4] == ["serve", "s3", str(tmp_path), "--addr=:9000"]
    assert (tmp_path / "bandpics" / KEEPER).exists()


def run_store(folder: Path, access_key: str, secret_key: str) -> subprocess.CompletedProcess[str]:
    """Runs the command of compose's store, with an rclone that prints its arguments."""
    store = COMPOSE["services"]["s3"]
    (script,) = store["command"]
    script = script.replace("$$", "$").replace("/data", str(folder))
    variables = {"S3_BUCKET": "bandpics", "PUBLIC_URL": "http://localhost:8000"}
    keys = store["environment"]["RCLONE_AUTH_KEY"]
    keys = keys.replace("${S3_ACCESS_KEY-}", access_key).replace("${S3_SECRET_KEY-}", secret_key)
    says_its_arguments = 'rclone() { echo "$@"; }\n'
    return subprocess.run(
        [*store["entrypoint"], says_its_arguments + script.replace("exec rclone", "rclone")],
        env={"PATH": os.defpath, "RCLONE_AUTH_KEY": keys, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
