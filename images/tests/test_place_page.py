"""The page on which a guest pins where a photo was taken, in a real browser."""

from __future__ import annotations

import io
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from PIL import Image as Picture
from playwright.sync_api import expect

from bandpics.local import addresses
from images.tests.test_own_photos_page import (
    VIENNA,
    api,
    ask_where,
    choose,
    invited,
    open_page,
    picture,
    save_vienna,
    seeds,
    wait_for,
)
from images.tests.test_upload_page_browser import assert_accessible

__all__ = ["api", "invited", "open_page"]

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("stack")]

DESKTOP = {"width": 1280, "height": 800}


class Tiles:
    """A map's server, which writes down who asks for what."""

    def __init__(self, port: int) -> None:
        self.asked: list[dict[str, str]] = []
        asked = self.asked
        tile = io.BytesIO()
        Picture.new("RGB", (256, 256), "#cfe0cf").save(tile, "PNG")

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(dict(self.headers) | {"path": self.path})
                self.send_response(200)
                self.send_header("Content-Type", "image/png")
                self.end_headers()
                self.wfile.write(tile.getvalue())

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer((addresses.LOOPBACK, port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def tiles(running_stack):
    tiles = Tiles(running_stack["tile_port"])
    yield tiles
    tiles.server.shutdown()
    tiles.server.server_close()


def assert_in_vienna(api: Any, name: str) -> None:
    gps, source = place_of(api, name)
    assert (gps["lat"], gps["lon"], source) == (VIENNA["lat"], VIENNA["lon"], "person")


def loads_all_node_packages(page: Any) -> bool:
    """Minified as they are, they still are modules that this browser runs."""
    imported = page.evaluate(
        """async () => {
          const { imports } = JSON.parse(document.querySelector("[type=importmap]").textContent);
          const modules = await Promise.all(Object.keys(imports).map((name) => import(name)));
          const { Map } = await import("leaflet");
          const named = modules.filter((one) => typeof one.default === "function");
          return [modules.length, named.length, typeof Map];
        }"""
    )
    return bool(imported == [7, 6, "function"])


def place_of(api: Any, name: str) -> Any:
    found = api("GET", "images/?q=" + name)["results"]
    return found[0]["exif"]["gps"], found[0]["gps_source"]


def test_a_place_is_pinned_on_a_shared_link_and_the_map_asked_only_then(
    running_stack, open_page, api, tiles
):
    group = api("POST", "groups/", {"name": "Evening on the wall"})
    link = api("POST", "invitations/", {"group": group["id"], "kind": "shared"})
    page, token = open_page(link["upload_link"]), link["token"]
    name = f"bandstand{next(seeds)}"
    choose(page, picture(f"{name}.jpg"))
    shot = wait_for(page, name, "ready")
    expect(page.locator("#no-place")).to_be_visible()
    ask_where(shot)
    expect(page.get_by_role("heading", level=1)).to_have_text("Where was this photo taken?")
    expect(page.locator("#photo-name")).to_have_text(f"{name}.jpg")
    expect(page.get_by_role("button", name="Show the map")).to_be_visible()
    page.wait_for_timeout(300)
    assert tiles.asked == []
    assert loads_all_node_packages(page)

    page.get_by_role("button", name="Show the map").click()
    expect(page.locator(".leaflet-tile-loaded").first).to_be_visible()
    assert tiles.asked
    # The map learns where the page is from, and not the link in its address.
    assert {each.get("Referer") for each in tiles.asked} == {running_stack["web_url"] + "/"}
    assert not any(token in str(each) for each in tiles.asked)

    # Opening it says nothing; moving it does, by keyboard too.
    expect(page.get_by_label("Latitude")).to_have_value("")
    expect(page.locator("#map")).to_be_focused()
    assert_accessible(page)
    page.keyboard.press("ArrowUp")
    expect(page.get_by_label("Latitude")).not_to_have_value("")

    # What is typed is kept to the digit, whatever a map can show.
    save_vienna(page)
    assert_in_vienna(api, name)

    # Agreed to until it is taken back.
    tiles.asked.clear()
    page.reload()
    expect(page.locator(".leaflet-tile-loaded").first).to_be_visible()
    page.get_by_role("button", name="Do not load the map any more").click()
    tiles.asked.clear()
    page.reload()
    expect(page.get_by_role("button", name="Show the map")).to_be_visible()
    assert tiles.asked == []

    page.get_by_role("button", name="Remove the place").click()
    expect(page.get_by_role("status")).to_have_text("The place was removed.")
    assert place_of(api, name) == (None, "person")


def test_the_place_is_where_the_device_says_it_is(open_page, invited, api):
    here = {"latitude": -33.8568, "longitude": 151.2153}
    name = f"opera{next(seeds)}"
    page = open_page(
        invited()["upload_link"],
        viewport=DESKTOP,
        geolocation=here,
        permissions=["geolocation"],
    )
    choose(page, picture(f"{name}.jpg"))
    shot = wait_for(page, name, "ready")
    ask_where(shot)
    expect(page.get_by_label("Latitude")).to_have_value("")  # nothing before the click
    page.get_by_role("button", name="Where I am now").click()
    expect(page.get_by_label("Latitude")).to_have_value("-33.856800")
    page.get_by_role("button", name="Save this place").click()
    expect(page.get_by_role("status")).to_have_text("Saved. Thank you!")
    assert place_of(api, name)[0]["lon"] == here["longitude"]


def test_a_place_is_saved_while_the_photo_is_still_on_its_way(open_page, invited, api):
    name = f"haste{next(seeds)}"
    page = open_page(invited()["upload_link"])
    choose(page, picture(f"{name}.jpg"))
    ask_where(wait_for(page, name, "ready"))
    page.wait_for_load_state("networkidle")
    held: list[Any] = []
    page.route("**/uploads/*/", lambda route: route.continue_() if held else held.append(route))
    page.reload()
    page.get_by_label("Latitude").fill("48")
    page.get_by_label("Longitude").fill("16")
    page.get_by_role("button", name="Save this place").click()
    page.wait_for_timeout(100)
    held[0].continue_()
    expect(page.get_by_role("status")).to_have_text("Saved. Thank you!")
    assert place_of(api, name)[0]["lat"] == 48


def test_a_last_place_that_is_none_does_not_keep_the_page_from_starting(open_page, invited):
    page = open_page(invited()["upload_link"])
    choose(page, picture("kept.jpg"))
    ask_where(wait_for(page, "kept", "ready"))
    for kept in ['{"lat": "48", "lon": 16}', '{"lat": 4']:
        page.evaluate("kept => localStorage.setItem('bandpics.place', kept)", kept)
        page.reload()
        expect(page.locator("#photo-name")).to_have_text("kept.jpg")
        expect(page.locator("#use-last")).to_be_hidden()
    page.get_by_label("Latitude").fill("48")
    page.get_by_label("Longitude").fill("16")
    page.get_by_role("button", name="Save this place").click()
    expect(page.get_by_role("status")).to_have_text("Saved. Thank you!")


@pytest.mark.long  # test_own_photos.py sends the same form
def test_nonsense_is_refused_and_stays_to_be_corrected(open_page, invited):
    page = open_page(invited()["upload_link"])
    choose(page, picture("nonsense.jpg"))
    shot = wait_for(page, "nonsense", "ready")
    ask_where(shot)
    page.get_by_label("Latitude").fill("48")
    page.get_by_label("Longitude").fill("500")
    page.get_by_role("button", name="Save this place").click()
    expect(page.get_by_role("alert")).to_contain_text("longitude from -180 to 180")
    expect(page.get_by_label("Longitude")).to_be_focused()
    expect(page.get_by_label("Longitude")).to_have_value("500")


def test_a_photo_that_knows_its_place_can_forget_it(open_page, invited, api):
    page = open_page(invited()["upload_link"])
    name = f"knows{next(seeds)}"
    choose(page, picture(f"{name}.jpg", lat=48.2, lon=16.4))
    shot = wait_for(page, name, "ready")
    expect(page.locator("#no-place")).to_be_hidden()
    ask_where(shot)
    expect(page.locator("#form")).to_be_hidden()
    page.get_by_role("button", name="Forget where it was taken").click()
    expect(page.get_by_role("status")).to_have_text(
        "The place was removed. Taken out of the file that is kept: the position."
    )
    assert place_of(api, name) == (None, "removed")
    # Their own wish: nobody asks them to add it.
    page.get_by_role("link", name="Back to your photos").click()
    wait_for(page, name, "ready")
    expect(page.locator("#no-place")).to_be_hidden()


@pytest.mark.long  # test_own_photos.py sends the same form
def test_without_javascript_a_personal_link_takes_the_two_numbers(open_page, invited, api):
    link = invited()
    page = open_page(link["upload_link"])
    name = f"plain{next(seeds)}"
    choose(page, picture(f"{name}.jpg"))
    shot = wait_for(page, name, "ready")
    shot.get_by_role("button", name="Edit").click()
    address = shot.get_by_role("link", name="Where it was").evaluate("link => link.href")
    plain = open_page(address, java_script_enabled=False)
    plain.get_by_label("Latitude").fill("99")
    plain.get_by_role("button", name="Save this place").click()
    expect(plain.get_by_role("alert")).to_contain_text("Give both numbers")
    expect(plain.get_by_label("Latitude")).to_have_value("99")
    save_vienna(plain)
    assert_in_vienna(api, name)
