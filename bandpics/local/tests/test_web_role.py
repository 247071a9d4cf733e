"""The role `web`, as a container runs it: how it stops, and how it shares Postgres."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from bandpics import entrypoint
from bandpics.local import addresses, environment, postgres

# A busy machine has to notice within it that the server is stopping.
DRAIN_SECONDS = 15
START_SECONDS = 60


class Web:
    """Runs a web server on a port of its own, with the stores of this test run."""

    def __init__(self, port, process):
        self.port = port
        self.process = process

    def connect(self, seconds=10):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)

    def status(self, path, connection=None):
        """Returns 0 if nobody listens, or answers in time."""
        one = connection or self.connect()
        try:
            one.request("GET", path)
            answer = one.getresponse()
            answer.read()
            return answer.status
        except (ConnectionRefusedError, TimeoutError):
            return 0
        finally:
            if connection is None:
                one.close()

    def is_listening(self):
        with suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
            return True
        return False

    def until_ready(self, log=None):
        end = time.monotonic() + START_SECONDS
        while self.status("/readyz") != 200:
            is_waiting = self.process.poll() is None and time.monotonic() < end
            assert is_waiting, log and said(log)
            time.sleep(0.05)


@contextmanager
def web(*words, **variables):
    port = addresses.free_port(addresses.LOOPBACK)
    known = {"WEB_HOST": "127.0.0.1", "WEB_PORT": str(port), "WEB_DRAIN_SECONDS": "0"}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bandpics.entrypoint", "web", *words],
            cwd=environment.PROJECT,
            env={**os.environ, "PATH": bin_first(), **known, **variables},
            stdout=log,
            stderr=log,
        )
        one = Web(port, process)
        try:
            one.until_ready(log)
            yield one
        finally:
            process.terminate()
            process.wait(30)


def bin_first():
    """Returns a PATH by which `gunicorn` is that of this environment."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def said(log):
    log.seek(0)
    return log.read().decode()


class Balancer:
    """Clients that keep their connections, behind a balancer that checks /readyz: it opens no new
    connection to a server that is stopping."""

    def __init__(self, server, count):
        self.server = server
        self.statuses, self.errors = [], []
        self.is_red = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(count)]
        self._threads.append(threading.Thread(target=self._look))

    def _look(self):
        while self.server.status("/readyz") == 200:
            time.sleep(0.1)
        self.is_red.set()

    def _ask(self):
        while not self.is_red.is_set():
            connection = self.server.connect()
            try:
                while True:
                    connection.request("GET", "/login/")
                    answer = connection.getresponse()
                    answer.read()
                    self.statuses.append(answer.status)
                    if answer.getheader("Connection") == "close":
                        break
                    time.sleep(0.02)  # as many as one server answers beside other tests
            except (OSError, http.client.HTTPException) as error:
                self.errors.append(error)
            finally:
                connection.close()

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        for thread in self._threads:
            thread.join()


def test_a_server_that_stops_loses_no_request():
    with web(WEB_DRAIN_SECONDS=str(DRAIN_SECONDS), WEB_PROCESSES="2") as server:
        idle, late = server.connect(), server.connect()
        assert server.status("/healthz", idle) == 200
        body = json.dumps({"email": "nobody@example.org", "password": "wrong"}).encode()
        late.putrequest("POST", "/api/v1/token/")
        late.putheader("Content-Type", "application/json")
        late.putheader("Content-Length", str(len(body)))
        late.endheaders(body[:10])
        with Balancer(server, 6) as balancer:
            time.sleep(0.5)
            server.process.terminate()
            assert balancer.is_red.wait(DRAIN_SECONDS)
            # /readyz fails, but requests are still served.
            assert server.status("/healthz") == server.status("/login/") == 200
        assert balancer.errors == []
        assert set(balancer.statuses) == {200}
        idle.request("GET", "/healthz")
        answer = idle.getresponse()
        assert (answer.status, answer.getheader("Connection")) == (200, "close")
        idle.close()
        # Connections are refused at once, not accepted by the kernel alone; what had begun may end.
        end = time.monotonic() + 2 * DRAIN_SECONDS
        while server.is_listening():
            assert time.monotonic() < end
            time.sleep(0.1)
        late.send(body[10:])
        assert late.getresponse().status == 401
        late.close()
        assert server.process.wait(START_SECONDS) == 0
        assert server.status("/healthz") == 0


def test_a_connection_is_kept_for_longer_than_a_balancer_does():
    words = entrypoint.command("web", [], {})
    assert int(words[words.index("--keep-alive") + 1]) > 60
    words = entrypoint.command(
        "web", [], {"WEB_KEEPALIVE_SECONDS": "620", "WEB_DRAIN_SECONDS": "20"}
    )
    assert words[words.index("--keep-alive") + 1] == "620"
    assert int(words[words.index("--graceful-timeout") + 1]) > 20


@pytest.fixture(scope="module")
def crowded():
    """Makes a Postgres role with two connections, under a name of its own in the cluster."""
    name = f"crowded_{os.getpid()}"
    role, owner = sql.Identifier(name), sql.Identifier(postgres.USER)
    limited = "CREATE ROLE {} LOGIN PASSWORD 'crowded' CONNECTION LIMIT 2"
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(role))
        connection.execute(sql.SQL(limited).format(role))
        connection.execute(sql.SQL("GRANT {} TO {}").format(owner, role))
    yield name
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(sql.SQL("DROP ROLE {}").format(role))


def database_of(crowded):
    parts = urlsplit(os.environ["DATABASE_URL"])
    return f"postgres://{crowded}:crowded@127.0.0.1:{parts.port}{parts.path}"


@pytest.fixture(scope="module")
def crowded_server(crowded):
    with web(DATABASE_URL=database_of(crowded), WEB_PROCESSES="1") as server:
        yield server


@contextmanager
def may_not_sign_in(crowded):
    """Ends the connections of the role, and refuses new ones for a while."""
    role = sql.Identifier(crowded)
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(role))
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [crowded]
        )
        try:
            yield
        finally:
            connection.execute(sql.SQL("ALTER ROLE {} LOGIN").format(role))


def test_where_postgres_has_too_few_connections_requests_wait(crowded_server):
    with ThreadPoolExecutor(8) as clients:
        statuses = list(clients.map(lambda _: crowded_server.status("/readyz"), range(80)))
    assert set(statuses) == {200}


def test_each_thread_may_have_a_connection_unless_the_operator_says_less():
    assert entrypoint.variables("web", {"WEB_THREADS": "6"}) == {"DATABASE_POOL_SIZE": "6"}
    for size in ("3", "0"):
        variables = {"WEB_THREADS": "6", "DATABASE_POOL_SIZE": size}
        assert entrypoint.variables("web", variables) == {"DATABASE_POOL_SIZE": size}


def test_other_roles_have_no_pool_though_they_share_the_env_of_the_web_role():
    program = [sys.executable, "-m", "bandpics.entrypoint", "shell", "--no-imports", "-c"]
    code = "from django.db import connection; print(connection.pool)"
    result = subprocess.run(
        [*program, code],
        cwd=environment.PROJECT,
        env={**os.environ, "PATH": bin_first(), "DATABASE_POOL_SIZE": "3"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "None\n"


def test_while_postgres_is_away_the_process_still_says_that_it_lives(crowded, crowded_server):
    """Requests that wait for Postgres occupy threads; /healthz has one more."""
    server = crowded_server
    with may_not_sign_in(crowded), ThreadPoolExecutor(6) as clients:
        waiting = [clients.submit(server.status, "/readyz") for _ in range(6)]
        with suppress(TimeoutError):
            waiting[-1].result(0.5)
        assert server.status("/healthz") == 200
        assert not any(each.done() for each in waiting)  # it did not wait for them
        assert {each.result() for each in waiting} == {503}
    server.until_ready()
