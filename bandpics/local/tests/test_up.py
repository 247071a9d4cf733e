"""What one running `make run` prints, writes, listens on, hides and restarts."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys

import psutil
import psycopg
import pytest
import redis
import urllib3

from bandpics.local import environment, postgres
from bandpics.local import stack as stack_of
from bandpics.local.tests.conftest import healthz, is_root, refused, until, worker_listens
from bandpics.testing import pytest_plugin
from bandpics.testing.matrix import representative

pytestmark = pytest.mark.xdist_group("up")


@pytest.fixture
def stack(shared_up):
    return json.loads((shared_up.data_dir / "stack.json").read_text())


def test_it_prints_the_link_its_qr_code_and_a_password(shared_up, stack):
    said = shared_up.said()
    assert stack["upload_link"] in said
    assert "▀▀▀▀▀▀" in said
    assert stack["admin_password"] in said
    assert f"{stack['web_url']}/api/v1/docs/" in said
    assert "\x1b" not in said  # plain text, also in a log


def test_stack_json_says_everything_to_the_owner_alone(shared_up, stack):
    assert set(stack) == {
        *("web_url", "upload_link", "admin_email", "admin_password", "admin_api_key"),
        *("database_url", "redis_url"),
        *("s3_endpoint_url", "s3_bucket", "s3_access_key", "s3_secret_key"),
    }
    for name in ("stack.json", "env", "secrets.json"):
        assert stat.S_IMODE((shared_up.data_dir / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(shared_up.data_dir.stat().st_mode) & 0o077 in {0, 0o055}


def test_an_e_mail_lies_in_a_folder_and_no_log_holds_a_secret(shared_up, stack):
    folder = shared_up.data_dir / "mail"
    assert f"Mail     none is sent; it is kept in {folder}" in shared_up.said()
    key = {"Authorization": f"Api-Key {stack['admin_api_key']}"}
    api = f"{stack['web_url']}/api/v1"
    group = urllib3.request("GET", f"{api}/groups/", headers=key).json()["results"][0]["id"]
    data = {"group": group, "email": "cleo@example.org", "send_email": True}
    answer = urllib3.request("POST", f"{api}/invitations/", json=data, headers=key).json()
    assert answer["email_sent"] is False
    (letter,) = folder.iterdir()
    assert answer["upload_link"] in letter.read_text()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    secrets = json.loads((shared_up.data_dir / "secrets.json").read_text())
    secrets |= {"demo link": stack["upload_link"].split("/")[-2], "link": answer["token"]}
    logs = [log for log in (shared_up.data_dir / "logs").iterdir() if log.stat().st_size]
    assert logs
    for log in logs:
        assert [name for name, value in secrets.items() if value in log.read_text()] == [], log


def test_everything_answers(stack):
    assert healthz(stack["web_url"]) == 200
    with psycopg.connect(stack["database_url"]) as connection:
        assert connection.execute("SELECT count(*) FROM users_user").fetchone() == (1,)
    assert redis.Redis.from_url(stack["redis_url"]).ping()


def test_the_admins_key_opens_the_api_and_is_not_printed(shared_up, stack):
    headers = {"Authorization": f"Api-Key {stack['admin_api_key']}"}
    answer = urllib3.request("GET", f"{stack['web_url']}/api/v1/users/me/", headers=headers)
    assert answer.json()["email"] == stack["admin_email"]
    assert stack["admin_api_key"] not in shared_up.said()


def test_the_stores_let_nobody_in_without_a_password(stack):
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(stack["database_url"].replace(":", ":x", 2).replace("x//", "//", 1))
    without = "redis://127.0.0.1:" + stack["redis_url"].rpartition(":")[2]
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url(without).ping()


def test_secrets_are_not_in_arguments_that_anyone_may_read(shared_up):
    secrets = json.loads((shared_up.data_dir / "secrets.json").read_text())
    words = [word for child in shared_up.descendants() for word in child.cmdline()]
    assert len(words) > 20
    for name, value in secrets.items():
        assert not any(value in word for word in words), name


@pytest.mark.parametrize(
    "how", representative(["apart", "in one word", "by variable"], lambda how: how == "apart")
)
def test_another_command_runs_beside_it(shared_up, how):
    folder = str(shared_up.data_dir)
    words = {"apart": ["--data-dir", folder], "in one word": [f"--data-dir={folder}"]}.get(how, [])
    result = manage(
        *words,
        *("shell", "-v0", "-c"),
        "from bandpics.users.models import User; print(User.objects.get().email)",
        **({"BANDPICS_DATA_DIR": folder} if how == "by variable" else {}),
    )
    assert result.stdout.strip() == "admin@example.org", result.stderr


def test_a_command_that_finds_no_stack_says_how_to_name_its_folder(tmp_path):
    result = manage("reconcile", BANDPICS_DATA_DIR=str(tmp_path))
    assert result.returncode == 1
    assert "SECRET_KEY" in result.stderr
    assert "manage.py --data-dir FOLDER" in result.stderr.splitlines()[-1]


def test_a_folder_without_a_stack_is_refused(tmp_path):
    result = manage("--data-dir", str(tmp_path), "reconcile")
    assert result.returncode == 1
    assert result.stderr == f"bandpics: {tmp_path} holds no stack: `up` never ran there.\n"


def test_a_second_one_on_the_same_data_is_told_where_the_first_is(shared_up, stack):
    line = refused("--data-dir", str(shared_up.data_dir), "--port", "0")
    assert "is in use" in line
    assert stack["web_url"] in line
    assert "--data-dir" in line


def test_a_taken_port_is_named_with_another_to_try(shared_up, tmp_path):
    line = refused("--data-dir", str(tmp_path / "other"), "--port", str(shared_up.port))
    assert f"Port {shared_up.port} is taken" in line
    assert f'ARGS="--port {shared_up.port + 1}"' in line


def test_postgres_and_redis_listen_on_this_machine_alone(shared_up):
    for name in ("postgres", "redis"):
        listening = [
            connection.laddr.ip
            for connection in shared_up.child(name).net_connections(kind="inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert listening == ["127.0.0.1"], name


@pytest.mark.skipif(not is_root(), reason="only root runs Postgres as somebody else")
def test_as_root_postgres_is_nobody_and_no_folder_is_opened(shared_up):
    assert shared_up.child("postgres").username() == "nobody"
    for folder in (shared_up.data_dir.parent, *shared_up.data_dir.parent.parents[:2]):
        if folder.name.startswith(("up", "pytest")):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
    assert shared_up.data_dir.stat().st_uid == 0


def test_the_worker_waits_for_work(shared_up, stack):
    until(lambda: worker_listens(stack), shared_up.log, seconds=20)


def test_the_web_port_is_open_to_this_machine_only(shared_up):
    with socket.create_connection(("127.0.0.1", shared_up.port), timeout=5):
        pass
    (listening,) = {
        connection.laddr.ip
        for connection in shared_up.child("web").net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == "127.0.0.1"


@pytest.mark.skipif(sys.platform != "linux", reason="roles are forks on Linux")
def test_roles_share_the_memory_of_what_they_import(shared_up):
    roles = [shared_up.child(name) for name in stack_of.ROLES if name != stack_of.CAPTIONS]
    assert [role.name() for role in roles] == [
        name for name in stack_of.ROLES if name != stack_of.CAPTIONS
    ]
    for role in roles:
        memory = role.memory_full_info()
        assert memory.uss < memory.rss / 3, role


def test_what_dies_is_brought_back(shared_up, stack):
    up = shared_up
    for name in ("worker", "redis", "web", "postgres"):
        before = up.pid_of(name)
        os.kill(before, signal.SIGKILL)
        up.waits_to_say(f"{name} was killed by SIGKILL; starting it again")
        until(lambda name=name, old=before: up.pid_of(name) != old, up.log)
    until(lambda: healthz(stack["web_url"]) == 200, up.log, seconds=20)
    until(lambda: worker_listens(stack), up.log, seconds=30)
    until(lambda: postgres.answers(stack["database_url"]), up.log)


def manage(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=environment.PROJECT,
        env={**pytest_plugin.clean_environment(), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
