"""A door before the real store that refuses whatever names one of some photos, as a bucket policy
or a legal hold does."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import urllib3

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

REFUSAL = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>No.</Message></Error>"
NOT_IMPLEMENTED = REFUSAL.replace(b"AccessDenied", b"NotImplemented")


def pointed_at(stores: dict[str, Any], endpoint_url: str) -> dict[str, Any]:
    """settings.STORAGES with another endpoint."""
    options = {**stores["default"]["OPTIONS"], "endpoint_url": endpoint_url}
    return {**stores, "default": {**stores["default"], "OPTIONS": options}}


@contextmanager
def refusing(settings: Any, photos: list[UUID]) -> Iterator[list[bytes]]:
    """Every DELETE of an object of these photos is answered with 403. Yields the refused."""
    with _door(settings, photos=photos) as refused:
        yield refused


@contextmanager
def without_batches(settings: Any) -> Iterator[list[bytes]]:
    """DeleteObjects is answered as stores do that have none. Yields the refused."""
    with _door(settings, photos=[]) as refused:
        yield refused


@contextmanager
def _door(settings: Any, *, photos: list[UUID]) -> Iterator[list[bytes]]:
    stores, refused = settings.STORAGES, []
    upstream = stores["default"]["OPTIONS"]["endpoint_url"]
    pool = urllib3.PoolManager(retries=False, timeout=10)

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            deletes = self.command == "DELETE" or "delete" in self.path.partition("?")[2]
            named = self.path.encode() + body
            if self.command == "POST" and deletes and not photos:
                refused.append(body)
                self._answer(501, {"Content-Type": "application/xml"}, NOT_IMPLEMENTED)
                return
            if deletes and any(str(photo).encode() in named for photo in photos):
                refused.append(body)
                self._answer(403, {"Content-Type": "application/xml"}, REFUSAL)
                return
            # As it came, Host included: that is what the signature is over.
            answer = pool.request(
                self.command,
                upstream + self.path,
                body=body or None,
                headers=dict(self.headers),
                preload_content=True,
                decode_content=False,
            )
            self._answer(answer.status, dict(answer.headers), answer.data)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass  # noqa: N815 - so called there

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in {"transfer-encoding", "connection", "date", "server"}:
                    self.send_header(name, value)
            if "content-length" not in {name.lower() for name in headers}:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    settings.STORAGES = pointed_at(stores, f"http://127.0.0.1:{server.server_port}")
    try:
        yield refused
    finally:
        settings.STORAGES = stores
        server.shutdown()
        server.server_close()
        thread.join()
