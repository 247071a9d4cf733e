"""Phones that send photos, half of them by a network that breaks all the time.

Each is a device with a link: it announces its photos, PUTs each to the store and completes it, on
one connection to each of the two, and asks for its receipt until all are done. A bad network adds
latency, is slow, and cuts connections: before the request, in its middle, or before the answer.
Phones try again as the upload page does.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from images.tests import drawn_pictures

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

PHOTOS_EACH = 3
# As in static/js/upload/: api.js, retry.js, receipt.js.
TIMEOUT_SECONDS = 30.0
MAX_WAIT_SECONDS, MAX_RETRY_AFTER = 30.0, 300.0
FIRST_LOOK, LAST_LOOK, GROWTH, REST_FACTOR = 0.6, 15.0, 1.15, 8.0
# Of a bad network: the share of requests that are cut, and how.
CUTS = {"before the request": 0.05, "in its middle": 0.1, "before the answer": 0.1}
LATENCY_SECONDS = (0.05, 0.6)
BYTES_PER_SECOND, CHUNK_BYTES = 50_000, 4096


class NoAnswer(Exception):
    """The network failed; `was_sent_whole` says that the other side may have got it all."""

    def __init__(self, *, was_sent_whole: bool = False) -> None:
        super().__init__("no answer")
        self.was_sent_whole = was_sent_whole


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Numbers:
    """What all phones saw together."""

    took: dict[str, list[float]] = field(default_factory=dict)  # of answers, as the phone waited
    answers: Counter[str] = field(default_factory=Counter)
    cuts: Counter[str] = field(default_factory=Counter)
    # Why requests were asked again, though the network did not cut them.
    again: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)

    def add(self, name: str, started: float) -> None:
        self.took.setdefault(name, []).append(time.perf_counter() - started)


class Connection:
    """One connection to one server, opened again when it has ended."""

    def __init__(self, host: str, port: int, *, is_bad: bool, numbers: Numbers) -> None:
        self._host, self._port, self._is_bad, self._numbers = host, port, is_bad, numbers
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Raises NoAnswer."""
        cut = self._next_cut()
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS + len(body) / BYTES_PER_SECOND):
                return await self._ask(method, path, headers, body, cut=cut)
        except (OSError, EOFError, ValueError, TimeoutError) as error:
            self.close()
            if not cut:
                why = "no answer in time" if isinstance(error, TimeoutError) else "connection ended"
                self._numbers.again[f"{why}, {method}"] += 1
            raise NoAnswer from error

    def _next_cut(self) -> str:
        chance = random.random() if self._is_bad else 1.0  # noqa: S311 - no secret
        for name, share in CUTS.items():
            if chance < share:
                self._numbers.cuts[name] += 1
                return name
            chance -= share
        return ""

    async def _ask(
        self, method: str, path: str, headers: dict[str, str], body: bytes, *, cut: str
    ) -> Answer:
        if cut == "before the request":
            raise ConnectionError
        words = {"Host": f"{self._host}:{self._port}", "Content-Length": str(len(body)), **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in words.items())
        request = f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body
        is_kept = self._streams is not None
        reader, writer = await self._open()
        if cut == "in its middle":
            await self._send(writer, request[: random.randrange(len(request))])  # noqa: S311 - no secret
            raise ConnectionError
        try:
            await self._send(writer, request)
            if cut == "before the answer":
                self.close()
                raise NoAnswer(was_sent_whole=True)
            return await self._read(reader)
        except (OSError, EOFError):
            if not is_kept:
                raise
            # The server closes connections that are idle when it has many; browsers ask again.
            self.close()
            self._numbers.again["an idle connection was closed"] += 1
            reader, writer = await self._open()
            await self._send(writer, request)
            return await self._read(reader)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        return self._streams

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if not self._is_bad:
            writer.write(data)
            return await writer.drain()
        await asyncio.sleep(random.uniform(*LATENCY_SECONDS))  # noqa: S311 - no secret
        for start in range(0, len(data), CHUNK_BYTES):
            writer.write(data[start : start + CHUNK_BYTES])
            await writer.drain()
            await asyncio.sleep(CHUNK_BYTES / BYTES_PER_SECOND)
        return None

    async def _read(self, reader: asyncio.StreamReader) -> Answer:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = [line.split(":", 1) for line in head[1:] if line]
        headers = {name.lower(): value.strip() for name, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(int(head[0].split()[1]), headers, body)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class Phone:
    """One guest: a device with some photos, who opens the page within so many seconds."""

    def __init__(
        self, number: int, *, within: float, web: int, s3: str, token: str, numbers: Numbers
    ) -> None:
        self._within = within
        self._numbers = numbers
        self._is_bad = is_bad = number % 2 == 1
        address = urlsplit(s3)
        self._web = Connection("127.0.0.1", web, is_bad=is_bad, numbers=numbers)
        self._s3 = Connection(
            str(address.hostname), address.port or 80, is_bad=is_bad, numbers=numbers
        )
        self._headers = {
            "Authorization": f"Invitation {token}",
            "Bandpics-Device": uuid.uuid4().hex,
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        self._photos = [_photo(number * PHOTOS_EACH + each) for each in range(PHOTOS_EACH)]
        self._last_seconds = 0.0  # of the last answer
        self.done: set[str] = set()

    async def run(self) -> None:
        """Sends all photos, and waits until the receipt says that they are done."""
        await asyncio.sleep(random.uniform(0, self._within))  # noqa: S311 - no secret
        files = [
            {
                "client_id": uuid.uuid4().hex,
                "filename": "IMG_0001.jpg",
                "content_type": "image/jpeg",
                "size": len(photo),
                "sha256": hashlib.sha256(photo).hexdigest(),
            }
            for photo in self._photos
        ]
        started = time.perf_counter()
        announced = await self._api("announce", "POST", "uploads/", {"files": files})
        self._took("announced, with all tries", started)
        for ticket, photo in zip(announced["uploads"], self._photos, strict=True):
            await self._transfer(ticket, photo)
        look, self._last_seconds = FIRST_LOOK, 0.0
        while len(self.done) < len(files):
            await asyncio.sleep(max(look, REST_FACTOR * self._last_seconds))
            receipt = await self._api("receipt", "GET", "uploads/")
            before = len(self.done)
            self.done |= {row["id"] for row in receipt["results"] if row["status"] == "done"}
            look = FIRST_LOOK if len(self.done) > before else min(LAST_LOOK, look * GROWTH)
        self._took("from its start until all is done", started)
        self._web.close()
        self._s3.close()

    def _took(self, name: str, started: float) -> None:
        self._numbers.add(f"{name}{', bad network' if self._is_bad else ''}", started)

    async def _transfer(self, ticket: dict[str, Any], photo: bytes) -> None:
        signed: dict[str, Any] | None = ticket["upload"]
        while True:
            signed = signed or await self._api("sign", "POST", f"uploads/{ticket['id']}/sign/")
            if signed is not None:
                await self._again(partial(self._put, signed, photo), tries=1)
            signed = None
            started = time.perf_counter()
            answer = await self._api("complete", "POST", f"uploads/{ticket['id']}/complete/")
            self._took("completed, with all tries", started)
            if answer is not None:
                return

    async def _put(self, signed: dict[str, Any], photo: bytes) -> Any:
        url = urlsplit(signed["url"])
        path = f"{url.path}?{url.query}"
        return await self._timed(
            "PUT", lambda: self._s3.ask(signed["method"], path, signed["headers"], photo)
        )

    async def _api(self, name: str, method: str, path: str, body: Any = None) -> Any:
        """The answer's JSON; None where the upload is not there, or not to be sent, any more."""
        data = json.dumps(body or {}).encode() if method == "POST" else b""

        async def ask() -> Any:
            return await self._timed(
                name, lambda: self._web.ask(method, f"/api/v1/{path}", self._headers, data)
            )

        answer = await self._again(ask)
        return None if answer.status == 409 else answer.json()

    async def _timed(self, name: str, ask: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
        started = time.perf_counter()
        answer = await ask()
        self._numbers.answers[f"{name} {answer.status}"] += 1
        self._took(name, started)
        self._last_seconds = time.perf_counter() - started
        return answer

    async def _again(
        self, ask: Callable[[], Coroutine[Any, Any, Answer]], *, tries: int = 0
    ) -> Any:
        """Asks until there is an answer that is not temporary; gives up after so many `tries` where
        somebody else knows better."""
        attempt = 0
        while True:
            wait = min(MAX_WAIT_SECONDS, 2.0**attempt) * (1 - random.random() / 2)  # noqa: S311 - no secret
            attempt += 1
            try:
                answer = await ask()
            except NoAnswer as lost:
                if lost.was_sent_whole and tries:
                    return None
            else:
                if answer.status < 400 or answer.status == 409:
                    return answer
                if answer.status not in {408, 429} and answer.status < 500:
                    self._numbers.refused.append(f"{answer.status} {answer.body[:300]!r}")
                    raise AssertionError(self._numbers.refused[-1])
                self._numbers.again[f"{answer.status}"] += 1
                wait = min(float(answer.headers.get("retry-after", "0")), MAX_RETRY_AFTER) or wait
            if tries and attempt >= tries:
                return None
            await asyncio.sleep(wait)


_PICTURES = [drawn_pictures.jpeg(width=640, height=480, seed=seed) for seed in range(8)]


def _photo(number: int) -> bytes:
    """A small photo in bytes of its own, by a comment at the start of the JPEG."""
    data = _PICTURES[number % len(_PICTURES)]
    return data[:2] + b"\xff\xfe\x00\x0a" + b"%08d" % number + data[2:]
