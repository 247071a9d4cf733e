"""Slow clients occupy no thread of the web server."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

import psutil
import pytest

from images.tests import drawn_pictures
from images.tests.guest_client import described, put

pytestmark = pytest.mark.xdist_group("stack")

LINK = f"/i/{'A' * 43}/"
PART = (
    b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n'
    b"Content-Type: image/jpeg\r\n\r\n"
)


def head(line: str, *more: str) -> bytes:
    return "\r\n".join([f"{line} HTTP/1.1", "Host: localhost", *more, "", ""]).encode()


HALF_SENT_BODY = head("POST /api/v1/uploads/", "Content-Length: 3000") + b"{"
SLOW_FORM = PART.join(
    [
        head(
            f"POST {LINK}",
            *("Content-Type: multipart/form-data; boundary=x", f"Content-Length: {500 * 10**6}"),
        ),
        b"\xff\xd8",
    ]
)
HALF_SENT_HEAD = b"GET / HTTP/1.1\r\nHost: local"
ATTACKS = {"bodies": (8, HALF_SENT_BODY), "forms": (8, SLOW_FORM), "heads": (40, HALF_SENT_HEAD)}


class Server:
    """The web server of a running stack, with a connection per request."""

    def __init__(self, stack):
        parts = urlsplit(stack["web_url"])
        self.address = (parts.hostname, parts.port)
        self.token = stack["upload_link"].rstrip("/").rpartition("/")[2]

    def connect(self):
        connection = socket.create_connection(self.address, timeout=10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection(*self.address, timeout=5)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            answer.data = answer.read()
            return answer
        finally:
            connection.close()

    def api(self, method, path, **body):
        answer = self.ask(
            method,
            f"/api/v1/{path}",
            json.dumps(body) if body else None,
            **{"Authorization": f"Invitation {self.token}", "Content-Type": "application/json"},
        )
        assert answer.status in {200, 201, 202}, answer.data
        return json.loads(answer.data)


@pytest.fixture
def server(running_stack):
    return Server(running_stack)


def guest_sends_a_photo(server, seed):
    data = drawn_pictures.jpeg(seed=seed)
    (ticket,) = server.api("POST", "uploads/", files=[described(data)])["uploads"]
    assert put(ticket["upload"], data).status == 200
    server.api("POST", f"uploads/{ticket['id']}/complete/")


class Attack:
    """Keeps connections open by sending a byte now and then."""

    def __init__(self, server, name):
        count, first = ATTACKS[name]
        self.connections = [server.connect() for _ in range(count)]
        for connection in self.connections:
            connection.sendall(first)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._drip)

    def _drip(self):
        while not self._over.wait(0.3):
            for connection in self.connections:
                with suppress(OSError):
                    connection.send(b"x")

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        for connection in self.connections:
            connection.close()


def hold_and_upload(server, name, seconds):
    with Attack(server, name) as attack:
        end, photos = time.monotonic() + seconds, 0
        while time.monotonic() < end or not photos:
            assert server.ask("GET", "/healthz").status == 200
            assert server.ask("GET", f"/i/{server.token}/").status == 200
            guest_sends_a_photo(server, seed=time.monotonic_ns() % 10**6)
            photos += 1
            time.sleep(0.2)
        return [_answer(connection) for connection in attack.connections]


def _answer(connection):
    connection.settimeout(0.01)
    try:
        return connection.recv(100)
    except TimeoutError:
        return b""


@pytest.mark.parametrize("name", ATTACKS)
def test_a_guest_uploads_while_slow_clients_hold_the_server(server, name):
    assert not any(hold_and_upload(server, name, 1.5))  # they were held all the time


@pytest.mark.long
@pytest.mark.parametrize("name", ATTACKS)
def test_a_guest_uploads_for_half_a_minute_while_slow_clients_hold_the_server(server, name):
    answers = hold_and_upload(server, name, 30)
    if name == "heads":  # no head may take longer than 20 s
        assert {answer[:12] for answer in answers} == {b"HTTP/1.1 408"}


@pytest.fixture
def large_file(server):
    """Returns the path of a static file that is larger than the buffers of a connection."""
    page = server.ask("GET", "/api/v1/docs/").data.decode()
    (path,) = re.findall(r'"(/static/[^"]*swagger-ui-bundle[^"]*\.js)"', page)
    return path


def slow_reader(server, path, *, times=1):
    """Requests the file `times` over, more than the kernel can buffer."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(10)
    connection.connect(server.address)
    connection.sendall(head(f"GET {path}") * times)
    return connection


def test_whoever_does_not_read_the_answer_holds_no_thread(server, large_file):
    with ExitStack() as held:
        for _ in range(8):
            held.enter_context(slow_reader(server, large_file, times=20))
        time.sleep(0.5)
        assert server.ask("GET", f"/i/{server.token}/").status == 200
        guest_sends_a_photo(server, seed=time.monotonic_ns() % 10**6)


def test_whoever_leaves_amid_an_answer_leaves_no_open_file(server, large_file):
    process = web_process(server)
    before = process.num_fds()
    for _ in range(3):
        with ExitStack() as held:
            for _ in range(20):
                held.enter_context(slow_reader(server, large_file, times=20))
            wait_until(lambda: process.num_fds() >= before + 30)  # sockets, and files
        wait_until(lambda: process.num_fds() <= before + 5)


def wait_until(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_who_reads_late_gets_all_of_it_and_may_ask_again(server, large_file):
    whole = server.ask("GET", large_file).data
    with slow_reader(server, large_file) as connection:
        time.sleep(0.5)
        for _ in range(2):
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert answer.read() == whole
            connection.sendall(head(f"GET {large_file}"))


def test_who_says_close_and_stays_holds_nobody_up(server):
    with ExitStack() as held:
        for _ in range(8):
            connection = held.enter_context(server.connect())
            connection.sendall(head("GET /healthz", "Connection: close"))
            assert connection.recv(12) == b"HTTP/1.1 200"
        started = time.monotonic()
        assert server.ask("GET", "/healthz").status == 200
        assert time.monotonic() - started < 14  # gunicorn's own would wait 2 s for each


def test_a_large_form_arrives_on_the_disk_and_not_in_memory(server):
    process = web_process(server)
    before = process.memory_info().rss
    with server.connect() as connection:
        connection.sendall(SLOW_FORM)
        for _ in range(100):
            connection.sendall(bytes(10**6))  # returns once all but the last is read
        assert process.memory_info().rss - before < 30 * 10**6


def web_process(server):
    """Returns the worker process of gunicorn."""
    (master,) = [
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr == server.address
    ][:1]
    (process,) = psutil.Process(master).children() or [psutil.Process(master)]
    return process


def test_a_body_that_is_cut_off_is_forgotten(server):
    with server.connect() as connection:
        connection.sendall(HALF_SENT_BODY)
    assert server.ask("GET", "/healthz").status == 200


def test_requests_that_come_at_once_are_answered_in_turn(server):
    with server.connect() as connection:
        connection.sendall(head("GET /healthz") * 2 + head("GET /healthz", "Connection: close"))
        said = connection.makefile("rb").read()
    assert said.count(b"HTTP/1.1 200 OK") == 3
    assert said.count(b"Connection: keep-alive") == 2


def test_a_body_may_come_byte_by_byte(server):
    body = b'{"email": "nobody@example.org", "password": "wrong"}'
    request = head(
        "POST /api/v1/token/",
        *("Content-Type: application/json", f"Content-Length: {len(body)}", "Connection: close"),
    )
    with server.connect() as connection:
        for byte in request + body:
            connection.send(bytes([byte]))
        assert connection.makefile("rb").readline() == b"HTTP/1.1 401 Unauthorized\r\n"


@pytest.mark.parametrize(
    ("length", "first"), [(100_000, b"HTTP/1.1 100 Continue"), (10**12, b"HTTP/1.1 413 ")]
)
def test_who_asks_before_sending_is_told_whether_to(server, length, first):
    request = head(
        "POST /api/v1/groups/",
        *("Expect: 100-continue", "Content-Type: application/json", f"Content-Length: {length}"),
    )
    with server.connect() as connection:
        connection.sendall(request)
        assert connection.recv(1000).startswith(first)


def test_a_head_without_end_is_refused(server):
    with server.connect() as connection:
        with suppress(OSError):
            connection.sendall(b"GET / HTTP/1.1\r\n" + b"X-Long: 1\r\n" * 10_000)
        assert connection.recv(12) == b"HTTP/1.1 431"


def test_an_early_answer_says_that_the_connection_closes(server):
    """A client that goes on sending an unread body still gets the response."""
    request = head(
        "POST /api/v1/uploads/",
        *("Content-Type: application/json", f"Content-Length: {20 * 10**6}"),
    )
    with server.connect() as connection:
        connection.sendall(request)
        for _ in range(20):
            connection.sendall(bytes(10**6))
        said = connection.makefile("rb").read()
    assert said.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nConnection: close\r\n" in said
    assert said.endswith(b"}")
