"""A guest on a bad network: a browser of their own, fault proxies before store and web server, and
a link to a group of their own, so that many can suffer side by side.

    @row
    async def test_a_cut_is_survived(guest): ...

is a test like any other, but all rows of a module run at once: they wait most of the time, for a
retry or for a silence to be noticed.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import inspect
import random
import re
import threading
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import async_playwright, expect

from bandpics.testing.fault_proxy import FaultProxy
from bandpics.testing.matrix import representative
from images.tests import browsers, drawn_pictures
from images.tests.socks_proxy import socks_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

    from playwright.async_api import APIRequestContext, Browser, BrowserContext, Page, Playwright

    Story = Callable[..., Coroutine[Any, Any, None]]

MIB = 1024 * 1024
PHONE = {"width": 390, "height": 844}
AT_ONCE = 10
STALL_SECONDS = 3
URL_SECONDS = 10
PART_BYTES = 512 * 1024
PATIENCE_SECONDS = 100
PATIENCE_MS = PATIENCE_SECONDS * 1000
NETWORK_ERRORS = re.compile("Failed to load resource|blocked by CORS policy|net::ERR_")

# Keeps every sentence a photo's row has said, in order.
LISTEN = """
  window.said = [];
  addEventListener("DOMContentLoaded", () => {
    const list = document.querySelector("#now-list");
    if (list) new MutationObserver(() => {
      for (const photo of list.querySelectorAll(".photo")) {
        const words = photo.querySelector(".photo-state").textContent;
        const line = `${photo.dataset.state}: ${words}`;
        if (!said.includes(line)) said.push(line);
      }
    }).observe(list, { subtree: true, childList: true, attributes: true, characterData: true });
  });
"""


def photo(folder: Path, name: str, *, byte_size: int, seed: int) -> Path:
    """A small drawn JPEG with a tail, as phones append one; the tail is no run of zeros."""
    data = drawn_pictures.jpeg(width=240, height=160, seed=seed)
    path = folder / name
    with path.open("wb") as file:
        file.write(data)
        chance, left = random.Random(seed), byte_size - len(data)
        while left > 0:
            file.write(chance.randbytes(min(left, MIB)))
            left -= MIB
    return path


@dataclass
class Guest:
    """`in_parts`: photos are so large that they are sent in parts."""

    web: FaultProxy
    s3: FaultProxy
    link: str
    group: str
    folder: Path
    in_parts: bool
    playwright: Playwright
    browser: Browser
    proxy_url: str
    api: APIRequestContext
    page: Page = None  # type: ignore[assignment]
    complaints: list[str] = field(default_factory=list)
    seed: int = 0

    @property
    def put(self) -> str:
        """Matches PUTs at the store: of the whole file, or of a part that has a neighbour."""
        return r"^PUT .*partNumber=2\b" if self.in_parts else r"^PUT "

    @property
    def puts(self) -> int:
        return self.s3.count_requests("^PUT ")

    @property
    def part_count(self) -> int:
        return 3 if self.in_parts else 1

    def photo(self, name: str = "stage.jpg", *, byte_size: int | None = None) -> Path:
        self.seed += 1
        byte_size = byte_size or (PART_BYTES * 17 // 8 if self.in_parts else 2 * PART_BYTES)
        return photo(self.folder, name, byte_size=byte_size, seed=self.seed)

    async def open(self, context: BrowserContext | None = None, *, script: str = LISTEN) -> Page:
        """The link in a new tab, of a new browser unless told whose."""
        context = context or await self.browser.new_context(**self.how_to_browse())
        page = await context.new_page()
        await self.listen(page, script)
        await page.goto(self.link)
        self.page = page
        return page

    def how_to_browse(self) -> dict[str, Any]:
        how = {"viewport": PHONE, "proxy": {"server": self.proxy_url}}
        return how | {"reduced_motion": "reduce"}  # dozens draw at once

    async def browse_as(self, profile: Path) -> BrowserContext:
        """A browser of its own, with what it kept from the last time."""
        chromium = self.playwright.chromium
        how = browsers.how_to_launch(chromium.executable_path) | self.how_to_browse()
        return await chromium.launch_persistent_context(profile, **how)

    async def listen(self, page: Page, script: str) -> None:
        await page.add_init_script(script)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self.hear(message.type, message.text))

    def hear(self, kind: str, text: str) -> None:
        if kind == "error" and not NETWORK_ERRORS.search(text):
            self.complaints.append(text)

    async def choose(self, *files: Path, page: Page | None = None) -> None:
        await (page or self.page).locator("input[type=file]").first.set_input_files(list(files))

    async def states(
        self, state: str, count: int = 1, *, page: Page | None = None, minutes: float = 0
    ) -> None:
        """Waits until so many photos of this visit say so."""
        photos = (page or self.page).locator(f"#now-list .photo[data-state={state}]")
        await expect(photos).to_have_count(count, timeout=minutes * 60_000 or PATIENCE_MS)

    async def said(self, page: Page | None = None) -> list[str]:
        return list(await (page or self.page).evaluate("said"))

    async def said_it_paused(self) -> bool:
        """In words that are true: of the connection, or of being offline."""
        said = [line for line in await self.said() if line.startswith("paused: ")]
        return bool(said) and all(
            re.search("connection|offline|server|store|Wi-Fi", line) for line in said
        )

    async def last_pause(self) -> str:
        """Why the page paused last. It may be trying again at this very moment."""
        return [line for line in await self.said() if line.startswith("paused: ")][-1]

    async def until(self, is_so: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not is_so():
                await asyncio.sleep(0.02)

    async def group_has(
        self, *files: Path, given_up: int = 0, besides: tuple[str, ...] = ()
    ) -> None:
        """Exactly one photo for each, and the store's bytes are the file's."""
        answer = await self.api.get(f"/api/v1/images/?group={self.group}&limit=200", max_retries=3)
        images = (await answer.json())["results"]
        assert sum(image["status"] == "pending" for image in images) == given_up
        stored = []
        for image in images:
            if image["status"] in {"pending", *besides}:
                continue
            assert image["status"] == "done", image
            original = await self.api.get(
                f"/api/v1/images/{image['id']}/variants/original/", max_redirects=0, max_retries=3
            )
            assert original.status == 302, original.status
            stored.append(await asyncio.to_thread(_digest_at, original.headers["location"]))
        assert sorted(stored) == sorted(_digest_of(file) for file in files)

    async def arrives(self, *files: Path) -> None:
        await self.states("ready", len(files))
        await self.group_has(*files)


class SideBySide:
    """A thread with a loop and a browser, in which the rows of a module run."""

    def __init__(
        self, stack: dict[str, Any], folder: Path, rows: dict[str, Row], *, at_once: int = AT_ONCE
    ) -> None:
        self._stack, self._folder, self._rows = stack, folder, rows
        self._at_once = at_once
        self._loop = asyncio.new_event_loop()
        self._outcomes: dict[str, asyncio.Task[None]] = {}
        self._are_started = threading.Event()
        self._trouble: BaseException | None = None
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="rows")
        self._thread.start()
        self._are_started.wait()
        if self._trouble:
            raise self._trouble

    def outcome(self, name: str) -> None:
        """Returns once the row has passed; raises what it raised."""

        async def wait() -> None:
            await self._outcomes[name]

        asyncio.run_coroutine_threadsafe(wait(), self._loop).result()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._start())
        except BaseException as trouble:  # noqa: BLE001 - told in the thread of the tests
            self._trouble = trouble
        finally:
            self._are_started.set()
            self._loop.close()

    async def _start(self) -> None:
        async with async_playwright() as playwright:
            how = browsers.how_to_launch(playwright.chromium.executable_path)
            browser = await playwright.chromium.launch(**how)
            room = asyncio.Semaphore(self._at_once)
            for number, (name, row) in enumerate(self._rows.items()):
                work = self._suffer(row, number, room, playwright, browser)
                self._outcomes[name] = asyncio.ensure_future(work)
            self._are_started.set()
            await self._ended.wait()
            for task in self._outcomes.values():
                task.cancel()
            await asyncio.gather(*self._outcomes.values(), return_exceptions=True)
            await browser.close()

    async def _suffer(
        self,
        row: Row,
        number: int,
        room: asyncio.Semaphore,
        playwright: Playwright,
        browser: Browser,
    ) -> None:
        folder = self._folder / str(number)
        folder.mkdir()
        async with room, self._guest(row, folder, playwright, browser) as guest:
            guest.seed = number * 1000
            try:
                await row.story(guest, **row.arguments)
            except Exception as error:
                error.add_note(f"said: {await _quietly(guest.said)}")
                error.add_note(f"store: {guest.s3.requests[-12:]}")
                error.add_note(f"web: {[line[:90] for line in guest.web.requests[-12:]]}")
                raise
            assert guest.complaints == []

    @contextlib.asynccontextmanager
    async def _guest(
        self, row: Row, folder: Path, playwright: Playwright, browser: Browser
    ) -> AsyncIterator[Guest]:
        web_url, s3_url = self._stack["web_url"], self._stack["s3_endpoint_url"]
        key = {"Authorization": f"Api-Key {self._stack['admin_api_key']}"}
        async with contextlib.AsyncExitStack() as ending:
            web = ending.enter_context(FaultProxy(web_url))
            s3 = ending.enter_context(FaultProxy(s3_url))
            routes = {_address(web_url): (web.host, web.port), _address(s3_url): (s3.host, s3.port)}
            proxy_url = await ending.enter_async_context(socks_server(routes))
            api = await playwright.request.new_context(base_url=web_url, extra_http_headers=key)
            ending.push_async_callback(api.dispose)
            group = await _made(api, "groups", name=row.name[:100])
            invitation = await _made(api, "invitations", group=group["id"], kind="shared")
            known = {"link": invitation["upload_link"], "group": group["id"], "folder": folder}
            guest = Guest(
                web,
                s3,
                **known,
                in_parts=row.in_parts,
                playwright=playwright,
                browser=browser,
                proxy_url=proxy_url,
                api=api,
            )
            try:
                yield guest
            finally:
                if guest.page is not None:
                    await guest.page.context.close()


@dataclass(frozen=True)
class Row:
    name: str
    story: Story
    in_parts: bool
    arguments: dict[str, Any]


def row(story: Story) -> Callable[..., None]:
    """A test with the file sent whole, and one with the file sent in parts."""
    return pytest.mark.parametrize("way", ["whole", "parts"])(_test_of(story, "way"))


def row_usually(way: str) -> Callable[[Story], Callable[..., None]]:
    """As row, but the other way is among the long tests: what the page does is the same."""
    ways = representative(["whole", "parts"], lambda one: one == way)
    return lambda story: pytest.mark.parametrize("way", ways)(_test_of(story, "way"))


def row_once(story: Story) -> Callable[..., None]:
    """A test for which the way a file goes makes no difference."""
    return _test_of(story)


def _test_of(story: Story, *more: str) -> Callable[..., None]:
    def test(request: pytest.FixtureRequest, side_by_side: SideBySide, **_: object) -> None:
        side_by_side.outcome(request.node.name)

    # What a test is parametrized with, pytest passes to those who ask by name.
    asked = [name for name in inspect.signature(story).parameters if name != "guest"]
    names = ["request", "side_by_side", *asked, *more]
    kind = inspect.Parameter.KEYWORD_ONLY
    test.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in names])
    test.__name__, test.__doc__, test.__module__ = story.__name__, story.__doc__, story.__module__
    test.story = story  # type: ignore[attr-defined]
    return test


def rows_of(request: pytest.FixtureRequest) -> dict[str, Row]:
    """Those of the module that were asked for."""
    rows = {}
    for item in request.session.items:
        function = getattr(item, "function", None)
        if item.path != request.path or not hasattr(function, "story"):
            continue
        arguments = dict(item.callspec.params) if hasattr(item, "callspec") else {}
        in_parts = arguments.pop("way", "whole") == "parts"
        rows[item.name] = Row(item.name, function.story, in_parts, arguments)
    return rows


async def _made(api: APIRequestContext, what: str, **body: Any) -> dict[str, Any]:
    answer = await api.post(f"/api/v1/{what}/", data=body, max_retries=3)
    assert answer.ok, await answer.text()
    return dict(await answer.json())


async def _quietly(ask: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    try:
        return await asyncio.wait_for(ask(), 2)
    except Exception as error:  # noqa: BLE001 - the row's own error is the one to tell
        return error


def _digest_of(file: Path) -> str:
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def _digest_at(url: str) -> str:
    """Not by the browser's driver: it would hold gigabytes in memory."""
    digest = hashlib.sha256()
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - our own store
        while chunk := answer.read(MIB):
            digest.update(chunk)
    return digest.hexdigest()


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 80
