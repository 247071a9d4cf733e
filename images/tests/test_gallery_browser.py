"""The gallery in a real browser: the lightbox, what arrives while it is open, and selecting."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from images.tests import browsers
from images.tests.evening import Evening
from images.tests.test_upload_page_browser import assert_accessible

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("stack")]

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 800}
# What moved since the page began to load: how much of it, and from where to where.
SHIFTS = """() => {
    const observer = new PerformanceObserver(() => {});
    observer.observe({ type: "layout-shift", buffered: true });
    const shifts = observer.takeRecords().filter((shift) => !shift.hadRecentInput);
    const box = ({ x, y, width, height }) => [x, y, width, height].map(Math.round);
    const tell = ({ node, previousRect, currentRect }) =>
        [node?.outerHTML?.slice(0, 80), box(previousRect), box(currentRect)];
    return shifts.map(({ value, sources }) => [value, ...sources.map(tell)]);
}"""


@pytest.fixture
def open_gallery(chromium, running_stack):
    """Opens the gallery of an evening as its host. Whatever the console complains of fails the
    test, but for photos that cannot be loaded."""

    def is_error(said):
        return said.type == "error" and "Failed to load resource" not in said.text

    with browsers.opening(chromium, is_error) as open_:

        def opened(evening, **options):
            path = f"/groups/{evening.group_id}/"
            page = open_(f"{running_stack['web_url']}/login/?next={path}", **options)
            page.get_by_label("E-mail").fill(running_stack["admin_email"])
            page.get_by_label("Password").fill(running_stack["admin_password"])
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(running_stack["web_url"] + path)
            expect(page.locator('#grid[data-lightbox="ready"]')).to_be_visible()
            return page

        yield opened


def ids_on(page):
    return page.locator("#grid li:visible").evaluate_all("all => all.map(each => each.dataset.id)")


def shown_large(page):
    return re.search(r"#photo=([\da-f-]{36})$", page.url)


def expect_large(page, image_id):
    expect(page).to_have_url(re.compile(f"#photo={image_id}$"))
    expect(page.locator(".pswp--open")).to_be_visible()


def expect_closed(page):
    expect(page.locator(".pswp")).to_have_count(0)
    assert shown_large(page) is None


def test_an_evening_is_looked_at_sorted_out_and_goes_on(running_stack, open_gallery):
    evening = Evening.begin(running_stack, "Lightbox")
    evening.send(12, first=500)
    page = open_gallery(evening, viewport=DESK)
    ids = ids_on(page)
    assert len(ids) == 12
    tiles = page.locator("#grid li:visible > a")
    large = page.get_by_role("dialog", name="Photo, large")

    # By keys and by dragging it to the side; each photo has an address.
    tiles.nth(2).press("Enter")
    expect_large(page, ids[2])
    assert_accessible(page)
    expect(large.get_by_text("by Cleo · 21 June 2026 21:30")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect_large(page, ids[3])
    drag(page, (800, 400), (300, 400))
    expect_large(page, ids[4])
    download = large.get_by_role("link", name="Download").get_attribute("href")
    assert download == f"/api/v1/images/{ids[4]}/variants/original/"
    about = large.get_by_role("link", name="About this photo")
    assert about.get_attribute("href").endswith(f"/images/{ids[4]}/")

    # Back closes it, and the photo that was shown last has the focus; Forward opens it again.
    page.go_back()
    expect_closed(page)
    expect(tiles.nth(4)).to_be_focused()
    page.go_forward()
    expect_large(page, ids[4])
    page.keyboard.press("Escape")
    expect_closed(page)
    page.goto(f"{running_stack['web_url']}/groups/{evening.group_id}/#photo={ids[7]}")
    expect_large(page, ids[7])
    page.keyboard.press("Escape")
    expect_closed(page)

    # What arrives is told, moves nothing, and comes when it is asked for.
    (late,) = evening.send(1, first=540)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    news = page.get_by_role("button", name="1 new photo")
    expect(news).to_be_visible()
    assert ids_on(page) == ids
    assert page.evaluate(SHIFTS) == []
    news.click()
    expect(tiles).to_have_count(13)
    expect(page.get_by_text("13 photos")).to_be_visible()
    expect(news).to_be_hidden()
    ids = ids_on(page)
    assert ids[0] == late

    # A range by Shift goes into the trash, and comes back.
    page.get_by_role("link", name="Select photos").click()
    tiles.nth(1).click()
    tiles.nth(4).click(modifiers=["Shift"])
    bar = page.get_by_role("group", name="Selected photos")
    expect(bar.get_by_role("status")).to_have_text("4 selected")
    assert_accessible(page)
    bar.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("4 photos are in the trash now.")).to_be_visible()
    expect(page.get_by_text("9 photos")).to_be_visible()
    assert all(evening.photo(image_id)["trashed_at"] for image_id in ids[1:5])
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("4 photos are back.")).to_be_visible()
    assert ids_on(page) == ids
    assert not any(evening.photo(image_id)["trashed_at"] for image_id in ids[1:5])

    # A host decides in the lightbox, too.
    tiles.nth(0).click()
    expect_large(page, ids[0])
    large.get_by_role("button", name="Approve").click()
    expect(large.get_by_role("button", name="Approve")).to_be_hidden()
    assert evening.photo(ids[0])["moderation"] == "approved"
    large.get_by_role("button", name="Remove").click()
    expect_large(page, ids[1])
    assert evening.photo(ids[0])["trashed_at"]
    page.keyboard.press("ArrowLeft")
    expect(large.get_by_text("In the trash")).to_be_visible()
    large.get_by_role("button", name="Undo").click()
    expect(large.get_by_text("In the trash")).to_be_hidden()
    assert not evening.photo(ids[0])["trashed_at"]


def drag(page, start, end):
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=8)
    page.mouse.up()


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_no_photo_moves_while_the_page_arrives_slowly(running_stack, open_gallery, viewport):
    evening = Evening.begin(running_stack, "Slow")
    evening.send(12, first=600)
    page = open_gallery(evening, viewport=viewport)
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    slow = {"offline": False, "latency": 50, "uploadThroughput": -1}
    network.send("Network.emulateNetworkConditions", {**slow, "downloadThroughput": 12_000})
    page.reload()
    expect(page.locator('#grid[data-lightbox="ready"]')).to_be_visible()
    assert page.evaluate(SHIFTS) == []

    # Nobody waits for long for a page of which the rest does not come.
    visibility = page.evaluate(
        """() => { document.querySelectorAll(".grid-end").forEach((end) => end.remove());
        return getComputedStyle(document.querySelector("#grid li")).visibility; }"""
    )
    assert visibility == "hidden"
    expect(page.locator("#grid li").first).to_be_visible()


def test_a_thumb_selects_by_a_long_press_and_by_dragging(running_stack, open_gallery):
    evening = Evening.begin(running_stack, "Press")
    other = Evening.begin(running_stack, "The day after")
    evening.send(6, first=560)
    page = open_gallery(evening, viewport=PHONE, has_touch=True)
    ids = ids_on(page)
    tiles = page.locator("#grid li:visible > a")
    assert tiles.first.bounding_box()["y"] < 0.6 * PHONE["height"]
    middles = [middle(tiles.nth(place)) for place in range(6)]
    finger = page.context.new_cdp_session(page)

    def touch(kind, *points):
        points = [{"x": x, "y": y} for x, y in points]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    bar = page.get_by_role("group", name="Selected photos")
    touch("touchStart", middles[0])
    expect(bar.get_by_role("status")).to_have_text("1 selected")
    touch("touchMove", middles[1])
    touch("touchMove", middles[2])
    expect(bar.get_by_role("status")).to_have_text("3 selected")
    touch("touchEnd")
    expect(bar.get_by_role("status")).to_have_text("3 selected")
    assert page.evaluate("scrollY") == 0
    tiles.nth(2).tap()  # takes it out again
    expect(bar.get_by_role("status")).to_have_text("2 selected")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    for button in bar.get_by_role("button").all():
        assert button.bounding_box()["height"] >= 44

    bar.get_by_role("button", name="Move", exact=True).tap()
    page.get_by_label("Group", exact=True).select_option("The day after")
    page.get_by_role("dialog").get_by_role("button", name="Move", exact=True).tap()
    # Their objects are copied first.
    moved = page.get_by_text("2 photos are in “The day after” now.")
    expect(moved).to_be_visible(timeout=30_000)
    groups = [evening.photo(image_id)["group"] for image_id in ids]
    assert groups == [other.group_id] * 2 + [evening.group_id] * 4


def middle(link):
    box = link.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_addresses_that_ended_are_asked_for_anew_and_what_is_lost_is_said(
    running_stack, open_gallery
):
    evening = Evening.begin(running_stack, "Broken")
    good, lost = evening.send(2, first=580)
    page = open_gallery(evening, viewport=DESK)

    def tile(image_id):
        return page.locator(f'[data-id="{image_id}"]')

    page.route(re.compile(f"/(thumb|tile)/{lost}"), lambda route: route.abort())
    with page.expect_event("requestfailed"):
        page.evaluate(
            """() => document.querySelectorAll("#grid img:not(.placeholder)").forEach((each) => {
                each.srcset = each.srcset.replaceAll(/Signature=\\w+/g, "Signature=0"); })"""
        )
    expect(tile(lost).get_by_text("This photo cannot be shown now.")).to_be_visible()
    expect(tile(good).locator("img").last).not_to_have_js_property("naturalWidth", 0)
    expect(tile(good).get_by_text("This photo cannot be shown now.")).to_have_count(0)
