"""Hundreds of photos in one go, on a phone-sized CPU: what the browser itself measures."""

from __future__ import annotations

import asyncio
import json

import pytest

from images.tests import drawn_pictures
from images.tests.bad_network import SideBySide, row_once, rows_of

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("matrix")]

THROTTLE = 4  # times slower: Chromium's own "mid-tier mobile"
LONG_TASK_MS = 100
MEASURED = 300  # photos
KEPT_BYTES_PER_PHOTO = 40_000

TASKS = ["disabled-by-default-devtools.timeline", "devtools.timeline"]
# Two frames: the first may have been under way.
NEXT_FRAME_MS = """() => new Promise((resolve) => {
  const asked = performance.now();
  requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now() - asked)));
})"""


@pytest.fixture(scope="module")
def side_by_side(request, impatient_stack, tmp_path_factory):
    rows = SideBySide(impatient_stack, tmp_path_factory.mktemp("many"), rows_of(request), at_once=1)
    yield rows
    rows.close()


@pytest.mark.long  # of many, test_headline.py shows sixty in each run
@pytest.mark.parametrize("count", [60, MEASURED])
@row_once
async def test_many_photos_leave_the_page_light(guest, count):
    drawn = drawn_pictures.jpeg(width=240, height=160, seed=guest.seed)
    files = []
    for number in range(count):
        files.append(guest.folder / f"IMG_{number:04}.jpg")
        files[-1].write_bytes(drawn + number.to_bytes(2, "big"))
    page = await guest.open(script="")  # to listen to every row would weigh on it, too
    session = await page.context.new_cdp_session(page)
    in_flight, most = set(), 0

    def sent(request):
        nonlocal most
        if request.method == "PUT":
            in_flight.add(request)
            most = max(most, len(in_flight))

    page.on("request", sent)
    page.on("requestfinished", lambda request: in_flight.discard(request))
    page.on("requestfailed", lambda request: in_flight.discard(request))
    heap, nodes = await _weight(session)
    await session.send("Emulation.setCPUThrottlingRate", {"rate": THROTTLE})
    await guest.browser.start_tracing(page=page, categories=["__metadata", *TASKS])

    await guest.choose(*files)
    frames = []
    waiting = page.locator("#now-list .photo:is([data-state=waiting], [data-state=sending])")
    while await waiting.count():
        await page.locator("#uploader-name").press("a")
        frames.append(await page.evaluate(NEXT_FRAME_MS))
        await asyncio.sleep(0.2)

    tasks = _tasks_ms(json.loads(await guest.browser.stop_tracing()))
    await session.send("Emulation.setCPUThrottlingRate", {"rate": 1})
    name = await page.locator("#uploader-name").input_value()
    heap_after, nodes_after = await _weight(session)
    measured = {
        "most in flight": most,
        "longest tasks, ms": tasks[-5:],
        "slowest frames, ms": [round(frame) for frame in sorted(frames)[-3:]],
        "heap, bytes per photo": round((heap_after - heap) / count),
        "nodes per photo": round((nodes_after - nodes) / count, 1),
    }
    print(measured)  # noqa: T201 - docs/upload-page.md quotes
    assert most == 3
    assert len(tasks) > count
    if count == MEASURED:  # beside other tests a task takes longer, in its own time, too
        assert tasks[-1] < LONG_TASK_MS
    assert name == "a" * len(frames)
    assert (heap_after - heap) / count < KEPT_BYTES_PER_PHOTO
    assert guest.puts == count


def _tasks_ms(trace):
    """How long each task kept the page's main thread, in its own time: what other programs of this
    machine take away does not count."""
    events = trace["traceEvents"]
    main = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    mine = [event for event in events if (event["pid"], event["tid"]) in main and "tdur" in event]
    choices = [event for event in mine if event["args"].get("data", {}).get("type") == "change"]

    def ours(task):
        """Before the page hears of a choice the browser looks at every file: that part is its."""
        for choice in choices:
            if task["ts"] <= choice["ts"] < task["ts"] + task["dur"]:
                return choice["tdur"]
        return task["tdur"]

    return sorted(round(ours(event) / 1000) for event in mine if event["name"] == "RunTask")


async def _weight(session):
    await session.send("HeapProfiler.enable")
    await session.send("HeapProfiler.collectGarbage")
    heap = (await session.send("Runtime.getHeapUsage"))["usedSize"]
    return heap, (await session.send("Memory.getDOMCounters"))["nodes"]
