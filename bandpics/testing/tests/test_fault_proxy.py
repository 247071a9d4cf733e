"""The faults of the proxy, as a client and a server see them."""

from __future__ import annotations

import http.server
import socket
import threading
import time

import psycopg
import pytest
import redis
import urllib3
from django.conf import settings

from bandpics.testing import fault_proxy
from bandpics.testing.fault_proxy import FaultProxy
from images.storage.objects import StorageUnavailable, photo_storage

NO_RETRY = urllib3.Retry(total=False)


class Echo(http.server.BaseHTTPRequestHandler):
    """Records each body, and sends it back."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_PUT(self):
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        self.server.got.append((self.path, length, body))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Host", self.headers["Host"])
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.server.got.append((self.path, 0, b""))
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args):
        """Ignores cut connections, which these tests cause."""


@pytest.fixture
def server():
    with Server(("127.0.0.1", 0), Echo) as server:
        server.got = []
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def proxy(server):
    with FaultProxy(f"http://127.0.0.1:{server.server_address[1]}") as proxy:
        yield proxy


@pytest.fixture
def client():
    with urllib3.PoolManager(retries=NO_RETRY, timeout=5) as pool:
        yield pool


def wait_for(happens, seconds=30):
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_bytes_pass_untouched_on_one_connection(proxy, server, client):
    body = bytes(range(256)) * 4096
    for path in ["/a?x=1", "/b"]:
        answer = client.request("PUT", proxy.url + path, body=body)
        assert answer.data == body
        assert answer.headers["X-Host"] == f"127.0.0.1:{proxy.port}"
    assert proxy.requests == ["PUT /a?x=1", "PUT /b"]
    assert proxy.connections == 1
    assert proxy.count_requests("^PUT") == 2


def test_a_put_is_cut_after_so_many_bytes_and_the_next_one_passes(proxy, server, client):
    fault = proxy.cut(after_bytes=100_000, matching="^PUT /photo")
    assert client.request("GET", proxy.url + "/photo").status == 200
    with pytest.raises(urllib3.exceptions.ProtocolError):
        client.request("PUT", proxy.url + "/photo", body=bytes(8_000_000))
    wait_for(lambda: len(server.got) == 2 or fault.hits)
    assert fault.hits == 1
    assert client.request("PUT", proxy.url + "/photo", body=bytes(200_000)).status == 200
    whole = [length for path, length, body in server.got if len(body) == length]
    assert whole == [0, 200_000]


def test_the_server_gets_exactly_the_bytes_before_the_cut():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with (
            FaultProxy(f"127.0.0.1:{listener.getsockname()[1]}") as proxy,
            socket.create_connection((proxy.host, proxy.port)) as client,
        ):
            proxy.cut(after_bytes=1234, is_polite=True)
            got, _ = listener.accept()
            with got:
                client.sendall(bytes(50_000))
                received = b""
                while data := got.recv(4096):
                    received += data
        assert len(received) == 1234


def test_a_cut_is_a_reset_unless_it_is_polite(proxy):
    for is_polite in [False, True]:
        proxy.cut(is_polite=is_polite)
        with socket.create_connection((proxy.host, proxy.port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            if is_polite:
                assert client.recv(100) == b""
            else:
                with pytest.raises(ConnectionResetError):
                    client.recv(100)


def test_the_server_did_it_but_nobody_hears_of_it(proxy, server, client):
    proxy.cut(direction="down", matching="^PUT")
    with pytest.raises(urllib3.exceptions.ProtocolError):
        client.request("PUT", proxy.url + "/x", body=b"kept")
    assert server.got == [("/x", 4, b"kept")]
    assert client.request("PUT", proxy.url + "/x", body=b"kept").status == 200


def test_the_second_connection_is_cut(proxy, client):
    fault = proxy.cut(skip=1)
    for number in range(3):
        with socket.create_connection((proxy.host, proxy.port)) as one:
            one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            if number == 1:
                with pytest.raises(ConnectionResetError):
                    one.recv(100)
            else:
                assert one.recv(100).startswith(b"HTTP/1.1 200")
    assert fault.hits == 1


def test_a_stalled_connection_is_silent_until_it_is_lifted(proxy, server, client):
    fault = proxy.stall(after_bytes=10_000, matching="^PUT")
    impatient = urllib3.Timeout(connect=1, read=0.2)
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        client.request("PUT", proxy.url + "/x", body=bytes(50_000), timeout=impatient)
    assert (server.got, fault.hits) == ([], 1)
    assert client.request("PUT", proxy.url + "/x", body=bytes(50_000)).status == 200

    answers = []
    second = proxy.stall(direction="down", matching="^GET")
    waiting = threading.Thread(
        target=lambda: answers.append(client.request("GET", proxy.url + "/y").data)
    )
    waiting.start()
    wait_for(lambda: second.hits)
    assert answers == []
    second.lift()
    waiting.join()
    assert answers == [b"hello"]


def test_offline_falls_upon_open_connections_too(proxy, client):
    assert client.request("GET", proxy.url).status == 200
    proxy.stall(times=None)
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        client.request("GET", proxy.url, timeout=urllib3.Timeout(connect=1, read=0.1))
    proxy.heal()
    assert client.request("GET", proxy.url).status == 200


def seconds_of_put(client, proxy):
    started = time.monotonic()
    client.request("PUT", proxy.url, body=bytes(30_000))
    return time.monotonic() - started


def test_slow_networks_are_late_and_narrow(proxy, client):
    client.request("GET", proxy.url)
    fault = proxy.delay(0.1)
    started = time.monotonic()
    client.request("GET", proxy.url)
    assert 0.2 <= time.monotonic() - started < 5
    fault.lift()
    narrow = proxy.trickle(100_000, direction="up", matching="^PUT")
    started = time.monotonic()
    client.request("PUT", proxy.url, body=bytes(30_000))
    late = time.monotonic() - started
    assert 0.25 <= late < 5
    narrow.lift()
    # At least one of some is not late, however busy the machine.
    wait_for(lambda: seconds_of_put(client, proxy) < late)


def test_it_answers_in_the_servers_place(proxy, server, client):
    proxy.answer(*fault_proxy.SLOW_DOWN, matching="^PUT")
    proxy.answer(429, {"Retry-After": "3"}, matching="^GET /limited", times=2)
    answer = client.request("PUT", proxy.url, body=bytes(300_000))
    assert (answer.status, b"SlowDown" in answer.data) == (503, True)
    for _ in range(2):
        answer = client.request("GET", proxy.url + "/limited")
        assert (answer.status, answer.headers["Retry-After"]) == (429, "3")
    assert server.got == []
    portal = proxy.answer(*fault_proxy.CAPTIVE_PORTAL, times=None)
    assert b"terms" in client.request("GET", proxy.url).data
    portal.lift()
    assert client.request("GET", proxy.url).data == b"hello"


def test_connections_are_closed_counted_and_refused(proxy, client):
    assert client.request("GET", proxy.url).status == 200
    proxy.close_connections()
    wait_for(lambda: client.request("GET", proxy.url).status == 200 and proxy.connections == 2)
    proxy.down()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((proxy.host, proxy.port))
    proxy.up()
    assert client.request("GET", proxy.url).status == 200


def test_a_fault_that_reads_requests_needs_http():
    with (
        FaultProxy("127.0.0.1:1") as proxy,
        pytest.raises(ValueError, match="only for http://"),
    ):
        proxy.cut(matching="^GET")


# --- In front of the real stores ------------------------------------------------------------


def test_signatures_of_s3_hold_and_its_errors_are_ours(tmp_path, settings):
    with FaultProxy(settings.S3_ENDPOINT_URL) as proxy:
        stores = settings.STORAGES
        options = {**stores["default"]["OPTIONS"], "endpoint_url": proxy.url}
        settings.STORAGES = {**stores, "default": {**stores["default"], "OPTIONS": options}}
        settings.S3_PUBLIC_ENDPOINT_URL = proxy.url
        storage = photo_storage()
        (tmp_path / "x").write_bytes(b"12345")
        storage.put_file("proxied", tmp_path / "x", content_type="image/jpeg")
        signed = storage.presign_get("proxied", content_type="image/jpeg")
        assert signed.startswith(proxy.url)
        assert urllib3.request("GET", signed).data == b"12345"

        slow = proxy.answer(*fault_proxy.SLOW_DOWN, times=None)
        with pytest.raises(StorageUnavailable, match="SlowDown"):
            storage.list_parts("proxied", multipart_id="x")
        assert slow.hits >= 2  # botocore tried again
        slow.lift()
        cut = proxy.cut(direction="down", matching="^DELETE|^POST")
        storage.delete_keys(["proxied"])  # tried again, and gone already
        assert cut.hits == 1


def test_redis_and_postgres_pass_too():
    with FaultProxy(settings.REDIS_URL) as proxy:
        client = redis.Redis.from_url(proxy.url, retry=None)
        assert client.ping()
        proxy.cut(direction="down")
        with pytest.raises(redis.ConnectionError):
            client.ping()
        assert client.ping()
        client.close()
    database = settings.DATABASES["default"]
    with FaultProxy(f"{database['HOST']}:{database['PORT']}") as proxy:
        login = {"user": database["USER"], "password": database["PASSWORD"], "dbname": "postgres"}
        with psycopg.connect(host=proxy.host, port=proxy.port, **login) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
            proxy.close_connections()
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
