"""Fixtures that start a whole Bandpics for a test."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import psutil
import pytest
import redis

from bandpics.local import addresses, environment
from bandpics.testing import pytest_plugin


class Up:
    """Runs `manage.py up` in a folder of its own.

    The database is a copy of the test run's if `spares_time`, or else a new one.
    """

    def __init__(self, data_dir: Path, *, spares_time: bool = False) -> None:
        self.data_dir = data_dir
        self.spares_time = spares_time
        self.port = addresses.free_port(addresses.LOOPBACK)
        self.log = Path(tempfile.mkstemp(prefix="bandpics-up-", suffix=".log")[1])
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *words: str, **variables: str) -> dict:
        """Waits until everything answers; returns stack.json."""
        self.spawn(*words, **variables)
        until(lambda: "your data stays" in self.said(), self.log, process=self.process)
        return json.loads((self.data_dir / "stack.json").read_text())

    def spawn(self, *words: str, **variables: str) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        pytest_plugin.copy_static_files(self.data_dir)
        if self.spares_time and "DATABASE_URL" not in variables:
            pytest_plugin.copy_database(self.data_dir)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*_COMMAND, "--data-dir", str(self.data_dir), "--port", str(self.port), *words],
                cwd=environment.PROJECT,
                env={**pytest_plugin.clean_environment(), **variables},
                stdout=log,
                stderr=log,
            )

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(with_signal)
        return self.process.wait(pytest_plugin.STOP_SECONDS)

    def said(self) -> str:
        return self.log.read_text()

    def waits_to_say(self, words: str, *, seconds: float = 30) -> None:
        until(lambda: words in self.said(), self.log, seconds=seconds)

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, name: str) -> psutil.Process:
        return psutil.Process(self.pid_of(name))

    def pid_of(self, name: str) -> int:
        entries = json.loads((self.data_dir / "children.json").read_text())["children"]
        return next(entry["pid"] for entry in entries if entry["name"] == name)

    def end(self) -> None:
        """Sends SIGTERM; the fixture `ended` waits for the end, so that the next test need not."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
        _ENDING.append(self)


_ENDING: list[Up] = []
_COMMAND = (sys.executable, "manage.py", "up")


@pytest.fixture(scope="session", autouse=True)
def ended():
    """Waits for all processes to end, and removes their folders."""
    yield
    for one in _ENDING:
        if one.process is not None:
            one.process.wait(pytest_plugin.STOP_SECONDS)
        shutil.rmtree(one.data_dir, ignore_errors=True)
        one.log.unlink(missing_ok=True)


@pytest.fixture
def up(tmp_path):
    one = Up(tmp_path / "data", spares_time=True)
    yield one
    one.end()


@pytest.fixture(scope="module")
def shared_up(tmp_path_factory):
    one = Up(tmp_path_factory.mktemp("up") / "data")
    # The files of an interrupted initdb, which must not matter.
    (one.data_dir / "postgres.new" / "base").mkdir(parents=True)
    one.start()
    yield one
    one.end()


@pytest.fixture
def small_disk(tmp_path):
    """Mounts a disk of a given size, which needs root."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(size: str) -> Path:
        command = ["/bin/mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "none", str(folder)]
        result = subprocess.run(command, check=False, capture_output=True, text=True)
        if result.returncode:
            pytest.skip(f"no disk to fill: {result.stderr.strip()}")
        return folder

    yield mount
    subprocess.run(["/bin/umount", "--lazy", str(folder)], check=False, capture_output=True)


def refused(*words: str, **variables: str) -> str:
    """Returns the one line on stderr of an `up` that cannot start."""
    result = subprocess.run(
        [*_COMMAND, *words],
        cwd=environment.PROJECT,
        env={**pytest_plugin.clean_environment(), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 1, result.stdout + result.stderr
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("bandpics: ")
    return lines[0]


def until(happens, log: Path, *, seconds: float = 180, process=None) -> None:
    end = time.monotonic() + seconds
    while not happens():
        ended = process is not None and process.poll() is not None
        assert not ended and time.monotonic() < end, log.read_text()
        time.sleep(0.05)


def healthz(url: str) -> int:
    """Returns the status of /healthz, or 0 without a response."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def worker_listens(stack: dict) -> bool:
    try:
        clients = redis.Redis.from_url(stack["redis_url"]).client_list()
    except redis.RedisError:
        return False
    return any(client["cmd"].lower() == "brpop" for client in clients)


def s3_client(stack: dict, **changed: str):
    return boto3.client(
        "s3",
        endpoint_url=changed.get("endpoint_url", stack["s3_endpoint_url"]),
        region_name="us-east-1",
        aws_access_key_id=stack["s3_access_key"],
        aws_secret_access_key=stack["s3_secret_key"],
    )


def is_root() -> bool:
    return os.geteuid() == 0
