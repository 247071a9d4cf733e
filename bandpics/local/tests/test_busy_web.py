"""A web server that is asked more than it can serve: who waits in vain is told so, and when to ask
again."""

from __future__ import annotations

import select
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import psutil
import pytest

from bandpics.gunicorn_worker import NEW_SECONDS
from bandpics.local.tests.test_web_role import crowded, database_of, may_not_sign_in, web  # noqa: F401 - a fixture

A_BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": "de-AT,en"}
CONNECTIONS, CLIENTS = 10, 40
WAITING = 12
POOL_SECONDS = 3.0  # for so long a request waits for a connection of its pool to Postgres
HEAD = b"POST /api/v1/token/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n"
SOME_LINK = {"Authorization": f"Invitation {'A' * 43}", "Accept": "application/json"}


def test_more_clients_than_connections_are_served_though_each_keeps_its_own():
    with web("--worker-connections", str(CONNECTIONS), WEB_PROCESSES="1") as server:
        started = time.monotonic()
        assert {server.status("/healthz") for _ in range(CLIENTS)} == {200}
        alone = time.monotonic() - started
        started = time.monotonic()
        clients = [server.connect() for _ in range(CLIENTS)]
        for client in clients:
            client.request("GET", "/healthz")
        assert [client.getresponse().status for client in clients] == [200] * CLIENTS
        # When the server looks after them twice a second, they take 15 s however fast the machine
        # is; else about as long as those that make room themselves.
        assert time.monotonic() - started < 8 + 5 * alone
        for client in clients:
            client.close()


def test_a_request_on_a_connection_that_has_to_make_room_is_served_as_well():
    with web("--worker-connections", str(CONNECTIONS), WEB_PROCESSES="1") as server:
        (worker,) = psutil.Process(server.process.pid).children()
        idle = [server.connect() for _ in range(CONNECTIONS - 1)]
        assert {server.status("/healthz", client) for client in idle} == {200}
        worker.suspend()  # so that all of it comes at once: new connections first
        new = [server.connect() for _ in range(CLIENTS)]
        for client in [*new, *idle]:
            client.request("GET", "/healthz")
        worker.resume()
        assert {client.getresponse().status for client in [*new, *idle]} == {200}
        assert psutil.Process(server.process.pid).children() == [worker]
        for client in [*new, *idle]:
            client.close()


def test_in_a_crowd_an_answer_says_that_its_connection_ends():
    """Else a request may be on its way by a connection that is closed to make room for others."""
    with web("--worker-connections", "20", WEB_PROCESSES="1") as server:
        # 18 are too many, 16 a crowd: that of the last probe may be open still.
        clients = [server.connect() for _ in range(17)]
        for client in clients:
            client.connect()
        said = []
        for client in clients:
            client.request("GET", "/healthz")
            answer = client.getresponse()
            answer.read()
            said.append(answer.getheader("Connection"))
        assert "close" in said
        assert {server.status("/healthz", client) for client in clients} == {200}
        for client in clients:
            client.close()


def test_who_has_just_come_is_not_ended_before_those_who_have_their_answer():
    with web("--worker-connections", str(CONNECTIONS), WEB_PROCESSES="1") as server:
        late = server.connect()
        late.connect()
        served = [server.connect() for _ in range(CLIENTS)]
        assert {server.status("/healthz", client) for client in served} == {200}
        assert server.status("/healthz", late) == 200
        for client in [late, *served]:
            client.close()


def test_who_has_just_come_gets_an_answer_though_all_others_wait_for_theirs(slow_server_of):
    """A few connections that have not asked yet have a place beside all that may wait."""
    with slow_server_of("--worker-connections", "100") as server:
        waiting = [server.connect(60) for _ in range(90)]
        for client in waiting:
            client.request("GET", "/api/v1/uploads/", headers=SOME_LINK)
        new = [server.connect(60) for _ in range(4)]
        for client in new:
            client.connect()
        time.sleep(0.3)  # the server has seen them by now
        for client in new:
            client.request("GET", "/api/v1/uploads/", headers=SOME_LINK)
        assert {client.getresponse().status for client in [*waiting, *new]} == {503}
        for client in [*waiting, *new]:
            client.close()


def test_who_has_just_come_is_waited_for_though_more_are_there_than_have_a_place(slow_server_of):
    """A server may see a new connection before its request, which is on its way."""
    with slow_server_of("--worker-connections", "100") as server:
        (worker,) = psutil.Process(server.process.pid).children()
        waiting = [server.connect(60) for _ in range(90)]
        for client in waiting:
            client.request("GET", "/api/v1/uploads/", headers=SOME_LINK)
        for _ in range(10):
            worker.suspend()
            new = [server.connect(60) for _ in range(20)]
            for client in new:
                client.connect()
            started = time.monotonic()
            worker.resume()
            time.sleep(0.05)  # the server sees them
            for client in new:
                client.request("GET", "/api/v1/uploads/", headers=SOME_LINK)
            if time.monotonic() - started < 0.8 * NEW_SECONDS:
                break  # else this machine was too slow to ask in time
        assert {client.getresponse().status for client in [*waiting, *new]} == {503}
        for client in [*waiting, *new]:
            client.close()


@pytest.mark.parametrize("said", [b"", b"GET /login/ HTTP/1.1\r\nHost: ", HEAD + b"{"])
def test_those_who_never_ask_keep_nobody_out(said):
    """More than the server takes come, and send nothing, half a head, or a bit of a body."""
    with web("--worker-connections", "60", WEB_PROCESSES="1") as server:
        started = time.monotonic()
        assert {server.status("/healthz") for _ in range(20)} == {200}
        alone = time.monotonic() - started
        is_over = threading.Event()

        def hold():
            while not is_over.wait(0.02):
                with suppress(OSError), socket.create_connection(("127.0.0.1", server.port)) as one:
                    one.sendall(said)
                    while not (is_over.is_set() or select.select([one], [], [], 0.2)[0]):
                        pass

        with ThreadPoolExecutor(100) as pool:
            holding = [pool.submit(hold) for _ in range(100)]
            time.sleep(1)  # until all hold a place, or wait for one
            started = time.monotonic()
            try:
                answers = [server.status("/healthz", server.connect(30)) for _ in range(10)]
            finally:
                seconds = time.monotonic() - started
                is_over.set()
        assert (answers, {each.result() for each in holding}) == ([200] * 10, {None})
        # If those who hold a place made no room, they would take eight seconds or more.
        assert seconds < 5 + 20 * alone


def test_who_asks_for_the_health_again_and_again_keeps_nobody_from_the_threads():
    with web(WEB_PROCESSES="1", WEB_THREADS="1") as server, ThreadPoolExecutor(4) as askers:
        is_over, asked = threading.Event(), threading.Barrier(5, timeout=60)

        def ask():
            client, statuses = server.connect(30), {server.status("/readyz", server.connect(30))}
            asked.wait()
            while not is_over.is_set():
                statuses.add(server.status("/readyz", client))
            client.close()
            return statuses

        asking = [askers.submit(ask) for _ in range(4)]
        try:
            asked.wait()
            # On a busy machine one may wait for five seconds, and be told to ask again.
            answers = [server.status("/login/", server.connect(30)) for _ in range(6)]
        finally:
            is_over.set()
        assert answers.count(200) >= 3
        assert set().union(*(each.result() for each in asking)) <= {200, 503}


@pytest.fixture
def slow_server_of(crowded):  # noqa: F811 - the fixture
    """One thread, whose requests wait for Postgres for POOL_SECONDS."""

    @contextmanager
    def serve(*words):
        one = {"WEB_PROCESSES": "1", "WEB_THREADS": "1"}
        with web(*words, DATABASE_URL=database_of(crowded), **one) as server:
            with may_not_sign_in(crowded):
                yield server
            server.until_ready()

    return serve


def test_who_would_wait_for_long_is_told_when_to_ask_again(slow_server_of):
    with slow_server_of() as server:
        started = time.monotonic()
        clients = [server.connect(60) for _ in range(WAITING)]
        for client in clients:
            client.request("GET", "/api/v1/uploads/", headers=SOME_LINK)
        browser = server.connect(60)
        browser.request("GET", "/login/", headers=A_BROWSER)
        assert server.status("/healthz") == 200
        answers = [client.getresponse() for client in clients]
        seconds = time.monotonic() - started
        assert {answer.status for answer in answers} == {503}
        page = browser.getresponse()
        said = [answer.read() for answer in answers]
        refused = [
            answer for answer, body in zip(answers, said, strict=True) if b"Too many ask" in body
        ]
        assert len(refused) >= WAITING - 4
        assert all(5 <= int(answer.getheader("Retry-After")) <= 15 for answer in refused)
        # A person gets a page that opens the wanted one again.
        assert (page.status, page.getheader("Retry-After")) == (503, page.getheader("Refresh"))
        assert "Einen Moment, bitte" in page.read().decode()
        # In turn they would take 36 s.
        assert seconds < WAITING * POOL_SECONDS / 2
        for client in [*clients, browser]:
            client.close()
