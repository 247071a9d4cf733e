"""A store that only lists: the objects that the database names, as many as there are.

`reconcile` needs nothing else where nothing is missing, and six million files would take longer to
make than all that is measured. It answers as S3 does, 1,000 keys at a time, from a sorted file.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = 1000
_KEYS = """
    COPY (
        SELECT key, byte_size FROM (
            SELECT key, byte_size FROM images_variant
            UNION ALL
            SELECT group_id || '/original/' || id || '-' || version || '.jpg', byte_size
            FROM images_image WHERE version > 0
        ) found ORDER BY key COLLATE "C"
    ) TO STDOUT
"""
_EMPTY = b'<?xml version="1.0" encoding="UTF-8"?><ListMultipartUploadsResult/>'


@contextmanager
def listing(folder: Path) -> Iterator[str]:
    """Yields the address of a store that holds what the database names."""
    path = folder / "keys"
    connection.ensure_connection()
    # Not by Django, which knows no COPY.
    with path.open("wb") as file, connection.connection.cursor().copy(_KEYS) as rows:
        for row in rows:
            file.write(row)
    handler = type("Handler", (_Handler,), {"path_of_keys": path})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
    path.unlink()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    path_of_keys: Path

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        body = _EMPTY if "uploads" in asked else self._page(asked)
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _page(self, asked: dict[str, list[str]]) -> bytes:
        """A page from where the last one ended: its token is the place in the file."""
        with self.path_of_keys.open("rb") as file:
            file.seek(int(asked.get("continuation-token", ["0"])[0]))
            found = [file.readline().split() for _ in range(PAGE)]
            after, is_last = file.tell(), not file.read(1)
        contents = b"".join(
            b"<Contents><Key>%s</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            b'<ETag>"00000000000000000000000000000000"</ETag><Size>%s</Size>'
            b"<StorageClass>STANDARD</StorageClass></Contents>" % (line[0], line[1])
            for line in found
            if line
        )
        more = b"" if is_last else b"<NextContinuationToken>%d</NextContinuationToken>" % after
        return (
            b'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult>'
            b"<IsTruncated>%s</IsTruncated>%s%s</ListBucketResult>"
            % (b"false" if is_last else b"true", more, contents)
        )

    def log_message(self, *_: Any) -> None:
        """It logs nothing."""
