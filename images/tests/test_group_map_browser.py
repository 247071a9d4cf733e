"""The map and the histogram of a group in a real browser."""

from __future__ import annotations

import base64
import re
import time
from typing import Any

import pytest
import urllib3
from playwright.sync_api import expect

from bandpics.ids import new_id
from images.tests import drawn_pictures
from images.tests.test_desk_browser import PASSWORD
from images.tests.test_own_photos_page import open_page
from images.tests.test_place_page import tiles
from images.tests.test_upload_page_browser import assert_accessible

__all__ = ["open_page", "tiles"]

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("stack")]

# Three at the venue, some fifty metres apart, and one where somebody slept.
PLACES = [(48.2082, 16.3738), (48.2082, 16.3745), (48.2087, 16.3738), (48.3, 16.6)]
HOURS = ["20:10", "20:40", "22:05", "03:30"]


@pytest.fixture
def hosted_group(running_stack):
    """An account with a group of four photos: a function that asks the API, and what to sign in
    with."""
    account = {"email": f"{new_id()}@example.org", "password": PASSWORD, "name": "Hanna"}

    def ask(method: str, path: str, body: Any = None, **headers: str) -> Any:
        url = f"{running_stack['web_url']}/api/v1/{path}"
        answer = urllib3.request(method, url, json=body, headers=headers)
        assert answer.status < 300, answer.data
        return answer.json()

    key = {"Authorization": f"Api-Key {ask('POST', 'users/', account)['api_key']}"}
    group = ask("POST", "groups/", {"name": "Summer concert"}, **key)["id"]
    sent = []
    for number, (place, hour) in enumerate(zip(PLACES, HOURS, strict=True)):
        data = drawn_pictures.jpeg(
            seed=new_id().int % 2**31,
            taken_at=f"2026:06:{22 if hour < '12' else 21} {hour}:00",
            offset="+00:00",
            lat=place[0],
            lon=place[1],
        )
        body = {"image": base64.b64encode(data).decode(), "filename": f"{number}.jpg"}
        sent.append(ask("POST", "images/", {**body, "group": group}, **key)["id"])
    end = time.monotonic() + 60
    while any(ask("GET", f"images/{each}/", **key)["status"] != "done" for each in sent):
        assert time.monotonic() < end
        time.sleep(0.2)
    return account, group


@pytest.fixture
def map_page(running_stack, open_page, hosted_group):
    """The page of the map on the phone of a host."""
    account, group = hosted_group
    page = open_page(f"{running_stack['web_url']}/login/?next=/groups/{group}/map/")
    page.get_by_label("E-mail").fill(account["email"])
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Where")).to_be_visible()
    return page


def test_places_and_hours_lead_to_their_photos(map_page, tiles):
    page = map_page
    expect(page.locator("#chart canvas")).to_be_visible()
    expect(page.get_by_role("button", name="Show the map")).to_be_visible()
    assert_accessible(page)
    assert tiles.asked == []

    # The map, once agreed to; what lies close together is one picture until one comes closer.
    page.get_by_role("button", name="Show the map").click()
    expect(page.locator(".leaflet-tile-loaded").first).to_be_visible()
    assert tiles.asked
    cluster = page.get_by_role("button", name="3 photos: zoom in")
    expect(cluster).to_be_visible()
    expect(page.get_by_role("link", name="Show the 4 photos of this part")).to_be_visible()
    assert_accessible(page)
    cluster.press("Enter")
    single = page.locator(".photo-marker:not(:has(b))")
    expect(single).to_have_count(3)
    here = page.get_by_role("link", name="Show the 3 photos of this part")
    expect(here).to_be_visible()

    # One photo opens beside its place, by keyboard too.
    single.first.press("Enter")
    expect(page.get_by_role("link", name="Open the photo")).to_have_attribute(
        "href", re.compile("^/images/")
    )
    assert_accessible(page)
    page.keyboard.press("Escape")

    here.click()
    page.wait_for_url(
        re.compile(r"/groups/[^/]+/\?bbox=16\.37[\d.]*,48\.20[\d.]*,16\.3[\d.]*,48\.2")
    )
    page.go_back()

    # The map was agreed to, so that it is there again; a bar leads to the photos of its hour.
    expect(page.locator(".leaflet-tile-loaded").first).to_be_visible()
    chart = page.locator("#chart .u-over")
    box = chart.bounding_box()
    slot = box["width"] / 5  # 20 h, a pause, 22 h, a pause, 3 h
    chart.hover(position={"x": slot * 2.5, "y": box["height"] - 5})
    expect(page.locator("#bar-status")).to_contain_text("22:00–23:00: 1 photo")  # noqa: RUF001
    chart.click(position={"x": slot * 0.5, "y": box["height"] - 5})
    page.wait_for_url("**/?taken_after=2026-06-21T20:00Z&taken_before=2026-06-21T21:00Z")
