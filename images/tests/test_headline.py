"""The headline of the upload page says what its rows say, at every moment, whatever happens."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import expect

from bandpics.testing.fault_proxy import CAPTIVE_PORTAL
from images.tests import drawn_pictures
from images.tests.bad_network import SideBySide, row_once, rows_of

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("matrix")]

ANNOUNCE = r"^POST /api/v1/uploads/$"
# Looks at the page four times a second and keeps every look at which headline and rows disagree.
WATCH = """
  window.looks = 0;
  window.wrong = [];
  window.headlines = [];
  const NAMES = {
    here: /(\\d+) (?:was|were) already here/, copy: /(\\d+) chosen twice/,
    rejected: /(\\d+) not shown/, refused: /(\\d+) cannot be sent/, failed: /(\\d+) failed/,
    unconfirmed: /(\\d+) not confirmed/,
    interrupted: /(\\d+) not finished/, cancelled: /(\\d+) cancelled/, deleted: /(\\d+) deleted/,
  };
  function look() {
    const rows = [...document.querySelectorAll(".photo")].map((row) => row.dataset.state);
    if (!rows.length) return;
    const line = document.querySelector("#summary-count").textContent;
    const count = (...states) => rows.filter((state) => states.includes(state)).length;
    const said = (pattern) => Number(pattern.exec(line.replaceAll(",", ", "))?.[1] ?? 0);
    const differs = Object.entries(NAMES).filter(([state, name]) => said(name) !== count(state));
    const total = rows.length - count("cancelled", "deleted");
    const isRight = !total || (said(/^(\\d+) of/) === count("stored", "ready")
      && said(/of (\\d+) arrived/) === total);
    looks += 1;
    if (headlines.at(-1) !== line) headlines.push(line);
    if (differs.length || !isRight) wrong.push([line, rows.join()]);
  }
  setInterval(look, 250);
"""


@pytest.fixture(scope="module")
def side_by_side(request, impatient_stack, tmp_path_factory):
    folder = tmp_path_factory.mktemp("headline")
    rows = SideBySide(impatient_stack, folder, rows_of(request), at_once=4)
    yield rows
    rows.close()


def many(guest, count):
    data = drawn_pictures.jpeg(width=240, height=160, seed=guest.seed)
    files = [guest.folder / f"IMG_{number:04}.jpg" for number in range(count)]
    for number, file in enumerate(files):
        file.write_bytes(data + number.to_bytes(2, "big"))
    return files


async def agrees(page):
    """At every look there was."""
    # Not by wait_for_function(): the page's policy refuses what that evaluates again and again.
    async with asyncio.timeout(20):
        while await page.evaluate("looks") <= 3:
            await asyncio.sleep(0.1)
    assert await page.evaluate("wrong") == []


async def says(page, line, *meanings):
    await expect(page.locator("#summary-count")).to_have_text(line, timeout=100_000)
    for words in meanings:
        await expect(page.locator("#summary-meaning")).to_contain_text(words)


async def invitation_of(guest):
    answer = await guest.api.get(f"/api/v1/invitations/?group={guest.group}")
    return (await answer.json())["results"][0]["id"]


@pytest.mark.long  # headline.test.mjs, and below of ten
@pytest.mark.parametrize("count", [60, pytest.param(200, marks=pytest.mark.long)])
@row_once
async def test_while_hundreds_arrive(guest, count):
    page = await guest.open(script=WATCH)
    await guest.choose(*many(guest, count))
    await guest.states("ready", count, minutes=5)
    await says(page, f"{count} of {count} arrived", "Thank you!")
    await agrees(page)
    # It counted all along, not only at the end.
    assert len(await page.evaluate("headlines")) > 10
    receipts = guest.web.count_requests(r"^GET /api/v1/uploads/")
    print({"receipts asked, per photo": receipts / count})  # noqa: T201 - docs/upload-page.md quotes
    assert receipts < 3 * count


@row_once
async def test_when_the_link_is_withdrawn_in_between(guest):
    page = await guest.open(script=WATCH)
    await guest.choose(*many(guest, 4))
    await guest.states("ready", 4)
    stall = guest.s3.stall(matching="^PUT ", times=100)
    await guest.choose(*(guest.photo(f"{n}.jpg") for n in range(6)))
    await guest.until(lambda: stall.hits >= 3)
    answer = await guest.api.post(f"/api/v1/invitations/{await invitation_of(guest)}/revoke/")
    assert answer.ok
    guest.s3.heal()
    guest.s3.close_connections()
    await says(page, "4 of 10 arrived, 6 cannot be sent", "This link was withdrawn")
    meaning = await page.locator("#summary-meaning").inner_text()
    assert "keep this page open" not in meaning
    assert (await page.locator("#status-area").inner_text()).count("This link was withdrawn") == 1
    await agrees(page)


@row_once
async def test_when_there_is_no_room_for_all(guest):
    address = f"/api/v1/invitations/{await invitation_of(guest)}/"
    answer = await guest.api.patch(address, data={"max_files": 2}, headers={"If-Match": "*"})
    assert answer.ok, await answer.text()
    page = await guest.open(script=WATCH)
    await guest.choose(*many(guest, 4))
    await says(page, "2 of 4 arrived, 2 cannot be sent", "had room for 2 more photos.")
    await agrees(page)


@row_once
async def test_of_everything_that_was_chosen(guest):
    page = await guest.open(script=WATCH)
    known, *new = many(guest, 14)
    await guest.choose(known)
    await guest.states("ready")
    await page.reload()
    copy = guest.folder / "copy.jpg"
    copy.write_bytes(new[0].read_bytes())
    bad = [guest.folder / f"notes{n}.txt" for n in range(3)]
    for each in bad:
        each.write_text("my notes")
    (guest.folder / "empty.jpg").write_bytes(b"")
    await guest.choose(known, *new, copy, *bad, guest.folder / "empty.jpg")
    line = "13 of 19 arrived, 1 was already here, 1 chosen twice, 4 cannot be sent"
    await says(page, line, "This kind of file cannot be sent", "This file is empty")
    twice = page.locator(".photo[data-state=copy] .photo-state")
    assert re.fullmatch(r"The same photo as (IMG_0001|copy)\.jpg", await twice.inner_text())
    await agrees(page)
    # Choosing them once more is said where one sees it.
    await guest.choose(*new)
    await expect(page.locator("#summary-meaning")).to_contain_text("13 of them are in the list")


@row_once
async def test_what_keeps_the_photos(guest):
    """Offline, another's page in place of ours, and a store that is away."""
    page = await guest.open(script=WATCH)
    meaning = page.locator("#summary-meaning")
    await page.context.set_offline(True)
    await guest.choose(*(guest.photo(f"{n}.jpg") for n in range(12)))
    await expect(meaning).to_contain_text("You are offline. It goes on by itself.")
    portal = guest.web.answer(*CAPTIVE_PORTAL, matching=ANNOUNCE, times=50)
    await page.context.set_offline(False)
    await expect(meaning).to_contain_text("perhaps this Wi-Fi wants you to sign in")
    portal.lift()
    guest.s3.answer(503, {"Access-Control-Allow-Origin": "*"}, b"", matching="^PUT ", times=500)
    await expect(meaning).to_contain_text("The photo store has trouble.", timeout=60_000)
    guest.s3.heal()
    await says(page, "12 of 12 arrived", "Thank you!")
    await agrees(page)


@row_once
async def test_a_server_that_crashes_for_long_costs_no_photo(guest):
    crash = guest.web.answer(500, {}, b"oops", matching=ANNOUNCE, times=500)
    page = await guest.open(script=WATCH)
    files = many(guest, 6)
    await guest.choose(*files)
    await guest.until(lambda: crash.hits >= 12)
    await expect(page.locator("#summary-meaning")).to_contain_text("The server has trouble.")
    assert await page.locator(".photo:is([data-state=failed], [data-state=refused])").count() == 0
    crash.lift()
    # As a phone that comes out of the pocket: nobody touches it.
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await guest.arrives(*files)
    await agrees(page)


@pytest.mark.long
@row_once
async def test_half_of_the_photos_are_shown_soon_after_they_are_done(guest):
    """Measured on a machine at rest; receipt.test.mjs holds the rhythm by a clock of its own."""
    script = """
      window.readyAt = {};
      setInterval(() => {
        for (const row of document.querySelectorAll("#now-list .photo[data-state=ready]")) {
          readyAt[row.querySelector(".photo-name").textContent] ??= Date.now();
        }
      }, 50);
    """
    page = await guest.open(script=script)
    # One after the other, as their bytes come in over a phone's network.
    guest.s3.trickle(400_000, matching="^PUT ")
    await guest.choose(*(guest.photo(f"{n}.jpg", byte_size=400_000) for n in range(20)))
    await guest.states("ready", 20)
    device = await page.evaluate("localStorage.getItem('bandpics.device')")
    token = guest.link.rstrip("/").rpartition("/")[2]
    headers = {"Authorization": f"Invitation {token}", "Bandpics-Device": device}
    answer = await guest.api.get("/api/v1/uploads/", headers=headers)
    done = {line["filename"]: line["finished_at"] for line in (await answer.json())["results"]}
    shown = await page.evaluate("readyAt")
    finished = await page.evaluate(
        "(done) => Object.fromEntries(Object.entries(done).map(([n, t]) => [n, Date.parse(t)]))",
        done,
    )
    delays = sorted(shown[name] - finished[name] for name in shown)
    receipts = guest.web.count_requests(r"^GET /api/v1/uploads/")
    print({"shown after, ms": delays, "receipts asked, per photo": receipts / 20})  # noqa: T201
    # A server that is slow to answer is asked less often: on a busy machine it takes longer.
    assert delays[10] < 5000
    assert receipts < 6 * 20
