"""The pages that people only look at, in Firefox and in WebKit, the engine of Safari."""

from __future__ import annotations

import pytest

from images.tests import webdriver
from images.tests.evening import Evening

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.xdist_group("stack")]

READY = """document.querySelector('#grid[data-lightbox="ready"]')"""
IDS = "[...document.querySelectorAll('#grid li[data-id]')].map((each) => each.dataset.id)"
# All that is on the screen has arrived.
LOADED = """[...document.querySelectorAll("#grid img:not(.placeholder)")]
    .every((each) => each.complete && each.naturalWidth > 0)"""
CROP = """["x", "y", "width", "height"].map(
    (name) => document.getElementById("editor").elements[name].valueAsNumber)"""
# Scripts cannot read the canvas of the preview: its picture comes from the store.
PREVIEW = """(([width, height]) =>
    document.getElementById("drawn").style.filter.includes("grayscale")
    && document.getElementById("result-size").textContent.includes(width)
    && document.getElementById("result-size").textContent.includes(height))(arguments[0])"""
SHOWN_LARGE = """location.hash === `#photo=${arguments[0]}`
    && document.querySelector(".pswp--open .pswp__item[aria-hidden=false] img")?.naturalWidth > 0"""
CLOSED = "!document.querySelector('.pswp') && !location.hash"
ON_WALL = """document.getElementById("wall").dataset.photo === arguments[0]
    && [...document.querySelectorAll(".slide img")].some((each) => each.naturalWidth > 0)"""


@pytest.fixture(params=[webdriver.firefox, webdriver.webkit], ids=["firefox", "webkit"])
def browser(request, tmp_path):
    """A new one, with nothing stored. In Firefox a script that fails fails the test."""
    with request.param(tmp_path) as browser:
        yield browser


@pytest.fixture
def evening(running_stack):
    return Evening.begin(running_stack, "Hanna turns 40", needs_approval=True)


def approve(evening, ids):
    for image_id in ids:
        evening.ask("POST", f"images/{image_id}/moderate/", {"decision": "approve"})


def sign_in(browser, stack, path):
    browser.goto(f"{stack['web_url']}/login/?next={path}")
    browser.fill("[name=username]", stack["admin_email"])
    browser.fill("[name=password]", stack["admin_password"])
    browser.click("form.card button[type=submit]")
    browser.wait_for("location.pathname === arguments[0]", path)


def look_at_photos(browser, count):
    """Opens one large by a click, the next by a key, and closes it by another. The keys do not wait
    for the animation that opens it."""
    browser.wait_for(READY)
    browser.wait_for(LOADED)
    ids = browser.evaluate(IDS)
    assert len(ids) == count
    browser.click(f'#grid li[data-id="{ids[1]}"] > a')
    browser.wait_for(SHOWN_LARGE, ids[1])
    browser.press("ArrowRight")
    browser.wait_for(SHOWN_LARGE, ids[2])
    browser.press("Escape")
    browser.wait_for(CLOSED)
    # Who reads on by keys is where they were.
    browser.wait_for("document.activeElement.closest('li')?.dataset.id === arguments[0]", ids[2])


def test_a_member_looks_at_the_gallery(browser, running_stack, evening):
    evening.send(4, first=700)
    sign_in(browser, running_stack, f"/groups/{evening.group_id}/")
    look_at_photos(browser, 4)


def test_a_guest_looks_at_the_photos_of_all(browser, evening):
    evening.ask("PATCH", f"groups/{evening.group_id}/", {"visibility": "gallery"})
    *approved, _waiting = evening.send(4, first=720)
    approve(evening, approved)
    browser.goto(f"{evening.link.rstrip('/')}/photos/")
    look_at_photos(browser, 3)


def test_a_wall_shows_what_is_approved_while_it_runs(browser, running_stack, evening):
    sign_in(browser, running_stack, f"/groups/{evening.group_id}/walls/")
    browser.click("main form button[type=submit]")
    address = browser.wait_for("document.querySelector('[id^=address-]')?.value")
    browser.goto(address)
    browser.wait_for("document.getElementById('wall').dataset.state === 'empty'")
    first, second, _waiting = evening.send(3, first=740)
    approve(evening, [first])
    browser.wait_for(ON_WALL, first)
    approve(evening, [second])
    for image_id in (second, first, second):  # and nothing else
        browser.wait_for(ON_WALL, image_id)
    assert browser.evaluate("document.getElementById('credit').textContent") == "Cleo"


def test_a_picture_is_cropped_by_mouse_and_keys_and_becomes_a_photo(
    browser, running_stack, evening
):
    (image_id,) = evening.send(1, first=760)
    approve(evening, [image_id])
    sign_in(browser, running_stack, f"/images/{image_id}/edit-picture/")
    browser.wait_for("document.querySelector('#editor[data-state=ready]')")
    _, _, full_width, full_height = browser.evaluate(CROP)
    assert full_width == 600
    browser.drag("cropper-handle[action=se-resize]", right=-150, down=-120)
    x, y, width, height = browser.evaluate(CROP)
    assert (x, y) == (0, 0)
    assert 100 < width < full_width
    assert 100 < height < full_height
    browser.drag("cropper-handle[action=move]", right=40, down=30)
    left, top, *size = browser.evaluate(CROP)
    assert left > 0
    assert top > 0
    assert size == [width, height]
    browser.evaluate("document.getElementById('crop-keys').focus()")
    browser.press("ArrowRight")
    browser.press("ArrowDown")
    browser.wait_for(
        f"JSON.stringify({CROP}) === JSON.stringify(arguments[0])",
        [left + 6, top + 6, width, height],  # a hundredth of the longer edge
    )
    browser.click("[data-toggle=grayscale]")
    browser.wait_for(PREVIEW, [width, height])
    browser.click("#save")
    href = browser.wait_for("document.querySelector('#said a')?.getAttribute('href')")
    made = evening.photo(href.strip("/").rpartition("/")[2])
    assert (made["width"], made["height"]) == (width, height)
