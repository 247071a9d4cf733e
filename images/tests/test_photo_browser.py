"""The page of a photo in a real browser: neighbours by keys and swipe, the map, and its forms."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import expect

from bandpics.ids import new_id
from images.tests import browsers, drawn_pictures
from images.tests.test_desk_browser import PHONE
from images.tests.test_every_page import asked, photo, registered
from images.tests.test_place_page import tiles
from images.tests.test_upload_page_browser import assert_accessible

__all__ = ["tiles"]

PATIENCE = 60_000  # milliseconds, for an answer of a machine that has much to do

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("stack")]


@dataclass
class Album:
    """A group of somebody new with three photos, in the order of its gallery."""

    url: str
    key: dict[str, str]
    account: dict[str, str]
    group: str
    photos: list[str]

    def api(self, method: str, path: str, body: Any = None) -> Any:
        return asked(method, f"{self.url}/api/v1/{path}", self.key, body)

    def address(self, number: int) -> str:
        return f"{self.url}/images/{self.photos[number]}/"


@pytest.fixture
def album(running_stack):
    url = running_stack["web_url"]
    account, key = registered(url, "Hanna")
    album = Album(url, key, account, "", [])
    album.group = album.api("POST", "groups/", {"name": "Summer concert"})["id"]
    for hour in (22, 21, 20):
        image_id = photo(url, key, new_id().int % 2**31, group=album.group)
        album.photos.append(image_id)
        end = time.monotonic() + 60
        while album.api("GET", f"images/{image_id}/")["status"] != "done":
            assert time.monotonic() < end
            time.sleep(0.2)
        album.api("PATCH", f"images/{image_id}/", {"taken_at": f"2026-06-21T{hour}:00:00+02:00"})
    return album


@pytest.fixture
def sign_in(chromium, album):
    """Opens a phone on which the host has signed in."""
    with browsers.opening(chromium, browsers.blocks, viewport=PHONE, has_touch=True) as open_:

        def sign_in() -> Any:
            page = open_(f"{album.url}/login/")
            page.get_by_label("E-mail").fill(album.account["email"])
            page.get_by_label("Password").fill(album.account["password"])
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(f"{album.url}/")
            return page

        yield sign_in


def expect_photo(page, album, number):
    """The page shows this photo, and its script has run."""
    expect(page).to_have_url(re.compile(album.photos[number]), timeout=PATIENCE)
    expect(page.locator("html[data-keys=ready]")).to_be_attached()


def swipe(page, *, right):
    """As a finger does: the browser decides whether it scrolls instead."""
    touch = page.context.new_cdp_session(page)
    box = page.locator("#stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 3
    touch.send(
        "Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]}
    )
    for step in range(1, 6):
        point = {"x": x + right * step / 5, "y": y + step}
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_a_host_walks_through_the_photos(album, sign_in, tiles):
    page = sign_in()
    page.goto(f"{album.url}/groups/{album.group}/")
    page.locator(f'a[href*="{album.photos[0]}"]').first.click()
    page.get_by_role("link", name="About this photo").click()
    expect_photo(page, album, 0)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert_accessible(page)

    page.keyboard.press("ArrowRight")
    expect_photo(page, album, 1)
    page.keyboard.press("ArrowLeft")
    expect_photo(page, album, 0)
    page.keyboard.press("ArrowLeft")  # there is none
    swipe(page, right=-200)
    expect_photo(page, album, 1)
    swipe(page, right=200)
    expect_photo(page, album, 0)

    # Keys in a field move its cursor.
    page.get_by_text("Edit", exact=True).click()
    page.get_by_label("Description").fill("On stage")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_label("Description")).to_have_value("On stage")
    expect_photo(page, album, 0)
    assert_accessible(page)

    # The map is asked only after the reader agrees; then its own keys move it.
    assert tiles.asked == []
    page.get_by_role("button", name="Show it on a map").click()
    expect(page.locator("#place-map .leaflet-tile-loaded").first).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#place-map path")).to_be_visible()
    expect(page.locator("#place-map")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect_photo(page, album, 0)
    expect(page.get_by_label("Description")).to_have_value("On stage")


@pytest.mark.long  # test_photo_page.py sends the same forms
def test_a_host_edits_moves_and_removes_a_photo(album, sign_in):
    page, other = sign_in(), sign_in()
    for each in (page, other):
        each.goto(album.address(0))
        each.get_by_text("Edit", exact=True).click()
    page.get_by_label("Description").fill("The encore")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your changes are saved.")).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#history")).to_contain_text("Hanna changed the description")

    # Of two editors the second sees both, and decides.
    other.get_by_label("Description").fill("The last song")
    other.get_by_role("button", name="Save").click()
    expect(other.get_by_text("It now says: The encore.")).to_be_visible(timeout=PATIENCE)
    expect(other.get_by_label("Description")).to_have_value("The last song")
    assert_accessible(other)
    other.get_by_role("button", name="Save").click()
    expect(other.get_by_text("Your changes are saved.")).to_be_visible(timeout=PATIENCE)

    album.api("POST", "groups/", {"name": "Winter"})
    page.reload()
    page.get_by_text("Move to another group").click()
    page.get_by_label("Group", exact=True).select_option("Winter")
    page.get_by_role("button", name="Move the photo").click()
    expect(page.get_by_text("The photo is in “Winter” now.")).to_be_visible(timeout=PATIENCE)
    expect(page.locator(".back")).to_have_text("Winter")

    page.get_by_role("button", name="Remove this photo").click()
    expect(page.get_by_text("1 photo is in the trash now.")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_text("1 photo is back.")).to_be_visible(timeout=PATIENCE)


@pytest.mark.long  # test_photo_page.py says when
def test_a_file_that_was_replaced_is_shown_by_itself(album, sign_in, tmp_path):
    page, file = sign_in(), tmp_path / "new.jpg"
    file.write_bytes(drawn_pictures.jpeg(seed=new_id().int % 2**31))
    page.goto(album.address(0))
    page.get_by_text("Edit", exact=True).click()
    page.get_by_text("Replace the file").click()
    page.get_by_label("The new file").set_input_files(file)
    page.get_by_role("button", name="Send the new file").click()
    history = page.locator("#history")
    expect(history).to_contain_text("Hanna replaced the file", timeout=PATIENCE)
    expect(page.get_by_text("new.jpg")).to_be_visible(timeout=PATIENCE)
