"""The photos of the evening on a guest's phone, in a real browser."""

from __future__ import annotations

import base64
import itertools
import re
from typing import Any

import pytest
import urllib3
from playwright.sync_api import expect

from images.tests import browsers, drawn_pictures
from images.tests.test_upload_page_browser import assert_accessible

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("stack")]

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
# Chromium tells scripts and tools of the page that it kept, and of the bytes that a 304 took.
WAS_KEPT = """() => {
    const [{ transferSize, encodedBodySize }] = performance.getEntriesByType("navigation");
    return transferSize < encodedBodySize;
}"""
seeds = itertools.count(8800)


@pytest.fixture
def api(running_stack, host):
    """The host's side."""

    def call(method: str, path: str, body: Any = None) -> Any:
        url = f"{running_stack['web_url']}/api/v1/{path}"
        answer = urllib3.request(method, url, json=body, headers=host)
        assert answer.status < 300, answer.data
        return answer.json() if answer.data else None

    return call


@pytest.fixture
def link(api):
    """A shared link to a group that shows its guests everything, with four photos of the host."""
    group = api("POST", "groups/", {"name": "Hanna turns 40", "visibility": "gallery"})
    sent = []
    for seed in itertools.islice(seeds, 4):
        data = drawn_pictures.jpeg(seed=seed, width=900, height=600 if seed % 2 else 1200)
        picture = base64.b64encode(data).decode()
        body = {"group": group["id"], "image": picture, "filename": f"IMG_{seed}.jpg"}
        sent.append(api("POST", "images/", body)["id"])
    invitation = api("POST", "invitations/", {"group": group["id"], "kind": "shared"})
    return {**invitation, "sent": sent}


def approve(api: Any, link: Any) -> None:
    found = api("GET", f"images/?group={link['group']}&moderation=pending")["results"]
    api("POST", "images/bulk/", {"ids": [each["id"] for each in found], "action": "approve"})


def test_a_guest_sends_a_photo_and_looks_at_the_evening(chromium, link, api):
    photo = {"name": "mine.jpg", "mimeType": "image/jpeg"}
    photo["buffer"] = drawn_pictures.jpeg(seed=next(seeds), width=600, height=400)
    with browsers.opening(chromium, browsers.blocks, **PHONE) as open_:
        page = open_(link["upload_link"])
        expect(page.get_by_role("link", name="See the photos of all guests")).to_be_visible()
        expect(page.locator("#evening")).to_be_hidden()
        page.locator("#files").set_input_files(photo)
        # The evening so far, with the thanks.
        evening = page.get_by_role("region", name="The evening so far")
        expect(evening.get_by_role("img")).to_have_count(4, timeout=40_000)
        expect(page.locator("#summary-meaning")).to_contain_text("Thank you")
        assert_accessible(page)
        page.emulate_media(color_scheme="light")
        evening.get_by_role("link", name="See all photos").click()

        # Everybody's, and a way to one's own that only this device has.
        tiles = page.locator("#grid li")
        expect(tiles).to_have_count(4)
        expect(page.locator("#grid[data-lightbox=ready]")).to_be_visible()
        yours = page.get_by_role("link", name=re.compile("Yours 1"))
        expect(yours).to_be_visible()
        assert_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390

        # Large, with what may be done; Back leads to the grid.
        tiles.first.get_by_role("link").click()
        large = page.get_by_role("dialog", name="Photo, large")
        expect(large.get_by_role("link", name="Download")).to_have_attribute(
            "href", re.compile(r"/photos/[0-9a-f-]{36}/file/$|^[0-9a-f-]{36}/file/$")
        )
        expect(large.get_by_role("link", name="Ask for the removal")).to_be_visible()
        page.go_back()
        expect(large).to_be_hidden()

        # The page that the browser keeps goes on working with the policy that came with it. By
        # now the server knows the device, and so the page has changed once.
        page.reload()
        expect(page.locator("#grid[data-lightbox=ready]")).to_be_visible()
        page.reload()
        assert page.evaluate(WAS_KEPT)
        expect(page.locator("#grid[data-lightbox=ready]")).to_be_visible()
        page.locator("#grid li").first.get_by_role("link").click()
        expect(large).to_be_visible()
        page.go_back()
        expect(large).to_be_hidden()

        yours.click()
        expect(tiles).to_have_count(1)
        expect(tiles).to_contain_text("Waiting for approval")
        page.get_by_role("link", name="All photos").click()
        expect(tiles).to_have_count(4)

        # A photo that is approved meanwhile waits for a tap; nothing jumps.
        approve(api, link)
        pill = page.get_by_role("button", name="1 new photo")
        expect(pill).to_be_visible(timeout=30_000)
        expect(tiles).to_have_count(4)
        pill.click()
        expect(tiles).to_have_count(5)

        api("POST", f"invitations/{link['id']}/revoke/", {})
        page.reload()
        expect(page.get_by_role("heading", name="This link was withdrawn")).to_be_visible()
