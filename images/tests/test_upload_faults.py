"""The fault matrix of the upload page, caused in a real Chromium in front of real servers.

Times are scaled: silence counts as a dead connection after three seconds, and a signature lives
for ten. docs/upload-page.md has the matrix as a table.
"""

from __future__ import annotations

import asyncio
import os
import re

import pytest

from bandpics.testing.fault_proxy import CAPTIVE_PORTAL, SLOW_DOWN
from bandpics.testing.matrix import few
from images.tests.bad_network import (
    MIB,
    URL_SECONDS,
    SideBySide,
    row,
    row_once,
    row_usually,
    rows_of,
)

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("matrix")]

COMPLETE = r"^POST /api/v1/uploads/[^/]+/complete/"
SIGN = r"^POST /api/v1/uploads/[^/]+/sign/"
ANNOUNCE = r"^POST /api/v1/uploads/$"
CORS = {"Access-Control-Allow-Origin": "*"}
DIE = {"behavior": "crash"}


@pytest.fixture(scope="module")
def side_by_side(request, impatient_stack, tmp_path_factory):
    rows = SideBySide(impatient_stack, tmp_path_factory.mktemp("rows"), rows_of(request))
    yield rows
    rows.close()


# --- Signatures -----------------------------------------------------------------------------


@row_usually("parts")
async def test_a_signature_that_expired_on_its_way_is_replaced(guest):
    late = guest.s3.delay(URL_SECONDS + 1.5, matching=guest.put, times=1)
    file = guest.photo()
    await guest.open()
    await guest.choose(file)
    await guest.arrives(file)
    assert late.hits == 1
    assert guest.web.count_requests(SIGN) >= (1 if guest.puts == 2 else guest.part_count)
    assert guest.puts > guest.part_count


@pytest.mark.long
@row_once
async def test_a_signature_that_grew_old_in_line_is_not_used(guest):
    """Three go first; the fourth has a signature, and waits."""
    stall = guest.s3.stall(matching="^PUT ", times=3)
    files = [guest.photo(f"{n}.jpg") for n in range(4)]
    page = await guest.open()
    await guest.choose(*files)
    await guest.until(lambda: stall.hits == 3)
    await guest.until(lambda: guest.web.count_requests(ANNOUNCE) == 2)
    await asyncio.sleep(1)  # until the page has the answer
    await page.context.set_offline(True)
    await asyncio.sleep(URL_SECONDS / 2 + 1)
    guest.s3.close_connections()
    guest.s3.heal()
    await page.context.set_offline(False)
    await guest.arrives(*files)
    signed = {line for line in guest.web.requests if re.search(SIGN, line)}
    assert len(signed) == 4


# --- Cuts and silence -----------------------------------------------------------------------


@row
async def test_four_cuts_are_survived(guest):
    cut = guest.s3.cut(after_bytes=300_000, matching=guest.put, times=4)
    file = guest.photo()
    await guest.open()
    await guest.choose(file)
    await guest.arrives(file)
    assert cut.hits == 4
    assert await guest.said_it_paused()
    # Of a file in parts only the part is sent again.
    assert guest.puts == guest.part_count + 4


@row_usually("whole")
async def test_a_stalled_connection_is_noticed(guest):
    stall = guest.s3.stall(after_bytes=300_000, matching=guest.put)
    file = guest.photo()
    await guest.open()
    await guest.choose(file)
    await guest.arrives(file)
    assert stall.hits == 1
    # As its row wrote down: half a second of "paused" may pass between two looks of ours.
    assert await guest.said_it_paused()
    # A machine that stands still for three seconds looks like another stall: sent again, too.
    assert guest.s3.count_requests(guest.put) >= 2


@row_usually("parts")
async def test_an_answer_that_never_comes_is_asked_for_again(guest):
    """The store has the bytes; its answer is stuck. They are not sent twice."""
    stall = guest.s3.stall(direction="down", matching=guest.put)
    file = guest.photo()
    await guest.open()
    await guest.choose(file)
    await guest.arrives(file)
    assert stall.hits == 1
    assert guest.puts == guest.part_count


@row_usually("whole")
async def test_a_put_nobody_answers_is_not_sent_twice(guest):
    """The server took it and the connection ended: Safari calls that a refusal."""
    cut = guest.s3.cut(direction="down", matching=guest.put, times=2)
    file = guest.photo()
    await guest.open()
    await guest.choose(file)
    await guest.arrives(file)
    # Chromium sends it once more by itself if the connection had served before; we do not, unless
    # the server says that the store had not finished it when the connection was cut.
    has_paused = any(line.startswith("paused: ") for line in await guest.said())
    assert cut.hits in {1, 2}
    assert 0 <= guest.puts - guest.part_count <= max(cut.hits - 1, has_paused)
    assert guest.web.count_requests(SIGN) == (3 if guest.in_parts else 0)


@row_usually("whole")
async def test_a_put_refused_without_a_word_is_tried_again(guest):
    cut = guest.s3.cut(matching=guest.put, times=2)
    file = guest.photo()
    await guest.open()
    await guest.choose(file)
    await guest.arrives(file)
    assert cut.hits == 2
    assert await guest.said_it_paused()


@pytest.mark.long
@row_usually("whole")
async def test_eight_seconds_of_weak_signal(guest):
    weak = guest.s3.trickle(2_000, matching=r"^PUT ")
    file = guest.photo()
    await guest.open()
    await guest.choose(file)
    await guest.until(lambda: weak.hits)
    await asyncio.sleep(8)
    weak.lift()
    await guest.arrives(file)


@row_usually("parts")
async def test_six_seconds_offline(guest):
    slow = guest.s3.trickle(200_000, matching=guest.put)
    file = guest.photo()
    page = await guest.open()
    await guest.choose(file)
    await guest.until(lambda: slow.hits)
    await page.context.set_offline(True)
    await guest.states("paused")
    assert "offline" in await guest.last_pause()
    slow.lift()
    await asyncio.sleep(6)
    await guest.states("paused")
    assert "offline" in await guest.last_pause()
    await page.context.set_offline(False)
    await guest.arrives(file)


@row_once
async def test_offline_before_anything_was_said(guest):
    file = guest.photo()
    page = await guest.open()
    await page.context.set_offline(True)
    await guest.choose(file)
    await guest.states("paused")
    assert "offline" in await guest.last_pause()
    await page.context.set_offline(False)
    await guest.arrives(file)


# --- Answers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "step"),
    few([(503, ANNOUNCE), (503, SIGN), (429, SIGN), (502, COMPLETE)], 2),
    ids=["announce-503", "sign-503", "sign-429", "complete-502"],
)
@row_once
async def test_a_busy_server_is_asked_again(guest, status, step):
    """Once, by whatever stands before it: in HTML, and with the time to wait in a header."""
    busy = guest.web.answer(status, {"Retry-After": "3"}, b"<h1>Busy</h1>", matching=step)
    if step == SIGN:
        guest.s3.answer(503, CORS, matching="^PUT ")  # the announcement brought a signature
    file = guest.photo()
    await guest.open()
    await guest.choose(file)
    await guest.until(lambda: busy.hits)
    asked_at = asyncio.get_running_loop().time()
    tries = guest.web.count_requests(step)
    await guest.until(lambda: guest.web.count_requests(step) > tries)
    assert asyncio.get_running_loop().time() - asked_at > 2.5
    await guest.arrives(file)
    assert await guest.said_it_paused()


@pytest.mark.parametrize("step", [ANNOUNCE, SIGN, COMPLETE], ids=["announce", "sign", "complete"])
@row_once
async def test_an_answer_of_the_server_that_is_lost(guest, step):
    """It did what it was asked, and nobody heard."""
    cut = guest.web.cut(direction="down", matching=step)
    if step == SIGN:
        guest.s3.answer(503, CORS, matching=guest.put)
    file = guest.photo()
    await guest.open()
    await guest.choose(file)
    await guest.arrives(file)
    assert cut.hits == 1


@row_usually("whole")
async def test_a_web_server_that_restarts(guest):
    slow = guest.s3.trickle(500_000, matching=guest.put)
    file = guest.photo()
    await guest.open()
    await guest.choose(file)
    await guest.until(lambda: slow.hits)
    guest.web.down()
    slow.lift()
    await guest.states("paused")
    assert await guest.said_it_paused()
    guest.web.up()
    await guest.arrives(file)


@pytest.mark.parametrize(
    ("status", "cors"),
    [pytest.param(500, {}, id="500", marks=pytest.mark.long), pytest.param(503, CORS, id="503")],
)
@row_usually("whole")
async def test_a_store_in_trouble_is_asked_again(guest, status, cors):
    _, headers, body = SLOW_DOWN
    trouble = guest.s3.answer(status, headers | cors, body, matching=guest.put, times=2)
    file = guest.photo()
    await guest.open()
    await guest.choose(file)
    await guest.arrives(file)
    assert trouble.hits == 2
    assert await guest.said_it_paused()


@pytest.mark.parametrize(
    "cors",
    [pytest.param(CORS, id="readable"), pytest.param({}, id="opaque", marks=pytest.mark.long)],
)
@row_usually("parts")
async def test_a_captive_portal_at_the_store_is_not_believed(guest, cors):
    status, headers, body = CAPTIVE_PORTAL
    portal = guest.s3.answer(status, headers | cors, body, matching=guest.put)
    file = guest.photo()
    await guest.open()
    await guest.choose(file)
    await guest.arrives(file)
    assert portal.hits == 1


@pytest.mark.parametrize("step", few([ANNOUNCE, COMPLETE], 1), ids=["announce", "complete"])
@row_once
async def test_a_captive_portal_at_the_server_is_not_believed(guest, step):
    portal = guest.web.answer(*CAPTIVE_PORTAL, matching=step, times=2)
    file = guest.photo()
    await guest.open()
    await guest.choose(file)
    await guest.arrives(file)
    assert portal.hits == 2
    assert await guest.said_it_paused()


# --- Coming back ----------------------------------------------------------------------------


async def _two_of_three(guest):
    """Two arrived, the last part of the third (or, sent whole, all of it) did not."""
    files = [guest.photo(f"{n}.jpg", byte_size=200_000 + n) for n in range(2)]
    page = await guest.open()
    await guest.choose(*files)
    await guest.states("ready", 2)
    files.append(guest.photo("last.jpg"))
    matching = "^PUT .*partNumber=3" if guest.in_parts else "^PUT "
    stall = guest.s3.stall(matching=matching)
    await guest.choose(files[2])
    await guest.until(lambda: stall.hits)
    return page, files


async def _choose_all_again(guest, page, files):
    past = page.locator("#previous-uploads-list .photo")
    await _expect_count(past.and_(page.locator("[data-state=ready]")), 2)
    await _expect_count(past.and_(page.locator("[data-state=interrupted]")), 1)
    before = guest.puts
    guest.s3.close_connections()
    guest.s3.heal()
    await guest.choose(*files, page=page)
    await guest.states("here", 2, page=page)
    await guest.states("ready", 1, page=page)
    await guest.group_has(*files)
    assert guest.puts == before + 1


async def _expect_count(photos, count):
    from playwright.async_api import expect

    await expect(photos).to_have_count(count, timeout=30_000)


@row_usually("parts")
async def test_a_reload_sends_only_the_rest(guest):
    page, files = await _two_of_three(guest)
    page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
    await page.reload()
    await _choose_all_again(guest, page, files)


@row_usually("whole")
async def test_a_killed_tab_sends_only_the_rest(guest):
    page, files = await _two_of_three(guest)
    context = page.context
    died = asyncio.ensure_future(page.wait_for_event("crash"))
    session = await context.new_cdp_session(page)
    crash = asyncio.ensure_future(session.send("Page.crash"))
    await died
    crash.cancel()
    await _choose_all_again(guest, await guest.open(context), files)


@pytest.mark.long
@row_usually("parts")
async def test_a_restarted_browser_sends_only_the_rest(guest):
    profile = guest.folder / "profile"
    context = await guest.browse_as(profile)
    files = (await _two_of_three_in(guest, context))[1]
    await context.close()
    context = await guest.browse_as(profile)
    await _choose_all_again(guest, await guest.open(context), files)


async def _two_of_three_in(guest, context):
    new_tab = guest.open
    guest.open = lambda: new_tab(context)
    try:
        return await _two_of_three(guest)
    finally:
        guest.open = new_tab


@row_usually("whole")
async def test_two_tabs_and_the_same_photo_twice_make_one_image(guest):
    file = guest.photo()
    again = guest.folder / "copy.jpg"
    again.write_bytes(file.read_bytes())
    one = await guest.open()
    two = await guest.open(one.context)
    await asyncio.gather(guest.choose(file, again, page=one), guest.choose(file, page=two))
    for page in [one, two]:
        await _expect_count(page.locator("#now-list .photo[data-state=sending]"), 0)
    await _settled(one)
    await _settled(two)
    # Both tabs announced it at the same moment: a worker sees that it is here already.
    await guest.group_has(file, besides=("duplicate",))


async def _settled(page):
    from playwright.async_api import expect

    done = page.locator("#now-list .photo:is([data-state=ready], [data-state=here])")
    await expect(done.first).to_be_visible(timeout=60_000)
    ended = "[data-state=ready], [data-state=here], [data-state=copy]"
    left = page.locator(f"#now-list .photo:not({ended})")
    await expect(left).to_have_count(0, timeout=60_000)


# --- The phone ------------------------------------------------------------------------------


@row_usually("whole")
async def test_a_file_that_changed_asks_to_be_chosen_again(guest):
    """On disk, while it is sent: ERR_UPLOAD_FILE_CHANGED, for ever."""
    stall = guest.s3.stall(after_bytes=100_000, matching=guest.put)
    file = guest.photo()
    page = await guest.open()
    await guest.choose(file)
    await guest.until(lambda: stall.hits)
    size = file.stat().st_size
    with file.open("r+b") as opened:
        opened.truncate(size - 5)
    os.utime(file, (1_800_000_000, 1_800_000_000))
    guest.s3.close_connections()
    guest.s3.heal()
    await guest.states("failed")
    assert "choose it again" in (await guest.said())[-1]
    assert await page.locator("#now-list .photo-action:visible").count() == 0
    await guest.choose(file)
    await guest.states("ready")
    await guest.group_has(file, given_up=1)  # other bytes: what was announced is another photo


@row_once
async def test_a_file_that_is_gone_asks_to_be_chosen_again(guest):
    file = guest.photo()
    await guest.open()
    await guest.page.context.set_offline(True)
    await guest.choose(file)
    await guest.states("paused")
    data = file.read_bytes()
    file.unlink()
    await guest.page.context.set_offline(False)
    await guest.states("failed")
    assert "choose it again" in (await guest.said())[-1]
    file.write_bytes(data)
    await guest.choose(file)
    await guest.arrives(file)


@row_once
async def test_a_phone_whose_clock_is_wrong(guest):
    file = guest.photo()
    context = await guest.browser.new_context(
        timezone_id="Pacific/Kiritimati", **guest.how_to_browse()
    )
    await context.add_init_script("const now = Date.now; Date.now = () => now() - 2e11;")
    guest.s3.cut(after_bytes=300_000, matching="^PUT ")
    await guest.open(context)
    await guest.choose(file)
    await guest.arrives(file)


# --- What takes minutes ---------------------------------------------------------------------


@pytest.mark.long
@row
async def test_a_minute_offline(guest):
    slow = guest.s3.trickle(200_000, matching=guest.put)
    file = guest.photo()
    page = await guest.open()
    await guest.choose(file)
    await guest.until(lambda: slow.hits)
    await page.context.set_offline(True)
    await guest.states("paused")
    slow.lift()
    await asyncio.sleep(60)
    assert "offline" in await guest.last_pause()
    await page.context.set_offline(False)
    await guest.arrives(file)


@pytest.mark.long
@row_once
async def test_two_gigabytes_over_a_slow_link(guest):
    """Nine files just below the limit, at 16 MB a second for each connection."""
    slow = guest.s3.trickle(16 * MIB, matching="^PUT ")
    files = [guest.photo(f"{n}.jpg", byte_size=240 * MIB) for n in range(9)]
    await guest.open()
    await guest.choose(*files)
    await guest.states("ready", len(files), minutes=15)
    assert slow.hits >= 9 * 30
    await guest.group_has(*files)
