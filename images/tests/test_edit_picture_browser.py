"""Cropping and editing a picture in a real browser, down to the file that is saved."""

from __future__ import annotations

import re
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import expect

from images.tests.test_photo_browser import PATIENCE, PHONE, album, sign_in
from images.tests.test_upload_page_browser import assert_accessible

__all__ = ["album", "sign_in"]

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("stack")]


TOPMOST = """() => {
    const box = document.getElementById("result");
    box.scrollIntoView({ block: "center" });
    const { x, y, width, height } = box.getBoundingClientRect();
    return document.elementFromPoint(x + width / 2, y + height / 2).id;
}"""


@pytest.fixture
def editor(album, sign_in):
    """The page as a member reaches it, on a phone."""
    page = sign_in()
    page.goto(album.address(0))
    page.get_by_role("link", name="Crop and edit").click()
    expect(page.locator("#editor[data-state=ready]")).to_be_attached(timeout=PATIENCE)
    return page


def crop_of(page: Any) -> list[int]:
    labels = ("From the left", "From the top", "Width", "Height")
    return [int(page.get_by_label(label, exact=True).first.input_value()) for label in labels]


def drag(page: Any, handle: str, *, right: float, down: float) -> None:
    """As a thumb does."""
    touch = page.context.new_cdp_session(page)
    page.locator("#crop").scroll_into_view_if_needed()
    box = page.locator(f"cropper-handle[action={handle}]").bounding_box()
    # At a corner the frame of the photo covers the outer part of the handle.
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    send = "Input.dispatchTouchEvent"
    touch.send(send, {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 6):
        point = {"x": x + right * step / 5, "y": y + down * step / 5}
        touch.send(send, {"type": "touchMove", "touchPoints": [point]})
    touch.send(send, {"type": "touchEnd", "touchPoints": []})


def downloaded(page: Any, path: Any) -> Any:
    with page.expect_download(timeout=PATIENCE) as waiting:
        page.get_by_role("button", name="Download").click()
    waiting.value.save_as(path)
    expect(page.locator("#said")).to_contain_text("The picture is made")
    return waiting.value


@pytest.mark.long  # test_edit_picture.py saves such a crop
def test_a_thumb_crops_and_the_file_has_the_size_of_the_preview(editor, tmp_path):
    page = editor
    assert crop_of(page) == [0, 0, 300, 200]
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert_accessible(page)

    drag(page, "se-resize", right=-90, down=-60)
    _, _, width, height = crop_of(page)
    assert 150 < width < 300
    assert 100 < height < 200
    drag(page, "move", right=40, down=500)
    left, top, *size = crop_of(page)
    assert left > 0
    assert top == 200 - height  # no further than the photo goes
    assert size == [width, height]

    page.get_by_label("Proportions").select_option("1:1")
    _, _, width, height = crop_of(page)
    assert width == height
    page.get_by_role("button", name="90° right").click()
    page.get_by_role("button", name="Black and white").click()
    page.get_by_label("Text", exact=True).fill("The Band")
    page.get_by_label("Format").select_option("png")
    expect(page.get_by_label("Quality")).to_be_hidden()
    expect(page.locator("#result-size")).to_contain_text(f"{width} by {height} pixels")
    assert page.evaluate(TOPMOST) == "marked"  # the filter does not lift the picture over the text
    download = downloaded(page, tmp_path / "made.png")
    assert re.search(r"-[0-9a-f]{8}\.png$", download.suggested_filename)
    with Image.open(tmp_path / "made.png") as made:
        assert (made.format, made.size) == ("PNG", (width, height))
    assert_accessible(page)


def test_without_a_pointer_the_crop_moves_by_keys_and_numbers(editor):
    page = editor
    page.get_by_label("Width", exact=True).fill("150")
    page.get_by_label("Height", exact=True).fill("100")
    page.get_by_label("From the left").fill("20")
    page.get_by_label("From the left").press("Tab")
    assert crop_of(page) == [20, 0, 150, 100]
    page.get_by_role("application").focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
    assert crop_of(page) == [23, 3, 150, 100]  # a hundredth of the longer edge each time
    page.keyboard.press("Shift+ArrowLeft")
    assert crop_of(page) == [23, 3, 147, 100]
    frame, crop = (page.locator(each).bounding_box() for each in ("#selection", "#picture"))
    assert frame["width"] / crop["width"] == pytest.approx(147 / 300, abs=0.01)
    # Another width of the window changes no number, and the frame stays on its place.
    page.set_viewport_size({"width": 320, "height": 700})
    assert crop_of(page) == [23, 3, 147, 100]


def test_a_picture_becomes_a_new_photo_of_the_group(editor, album):
    page = editor
    page.get_by_label("Proportions").select_option("16:9")
    page.get_by_role("button", name="Mirror").click()
    width, height = crop_of(page)[2:]
    page.get_by_role("button", name="Save as a new photo").click()
    expect(page.locator("#said")).to_contain_text("It is a new photo", timeout=PATIENCE)
    page.get_by_role("link", name="Show it").click()
    expect(page.locator("#history")).to_contain_text("made it from another photo")
    new = album.api("GET", f"images/{page.url.rstrip('/').rpartition('/')[2]}/")
    assert (new["width"], new["height"]) == (width, height) == (300, 169)
    assert new["group"] == album.group
    # It stands beside the photo that it was made of.
    assert new["taken_at"] == album.api("GET", f"images/{album.photos[0]}/")["taken_at"]
    page.get_by_role("link", name="another photo").click()
    expect(page).to_have_url(re.compile(album.photos[0]))


@pytest.mark.long  # test_transforms_api.py
def test_a_preset_takes_the_place_of_the_steps(editor, album, tmp_path):
    steps = {"resize": {"width": 60, "height": 40, "mode": "fill"}, "format": "webp"}
    body = {"name": "small", "transformations": steps}
    album.api("POST", f"groups/{album.group}/presets/", body)
    page = editor
    page.reload()
    expect(page.locator("#editor[data-state=ready]")).to_be_attached(timeout=PATIENCE)
    page.get_by_role("button", name="small").click()
    expect(page.get_by_label("Proportions")).to_be_disabled()
    expect(page.locator("#result-size")).to_contain_text("60 by 40 pixels")
    assert_accessible(page)
    downloaded(page, tmp_path / "made.webp")
    with Image.open(tmp_path / "made.webp") as made:
        assert (made.format, made.size) == ("WEBP", (60, 40))
    page.get_by_role("button", name="small").click()
    expect(page.get_by_label("Proportions")).to_be_enabled()


@pytest.mark.long  # test_transform_spec.py names it
def test_a_wrong_letter_is_named_and_nothing_is_lost(editor):
    page = editor
    page.get_by_label("Text", exact=True).fill("\N{CJK UNIFIED IDEOGRAPH-6F22}")
    page.get_by_role("button", name="Download").click()
    expect(page.get_by_role("alert")).to_contain_text("U+6F22", timeout=PATIENCE)
    expect(page.get_by_label("Text", exact=True)).to_have_value("\N{CJK UNIFIED IDEOGRAPH-6F22}")
    expect(page.get_by_role("button", name="Download")).to_be_enabled()


@pytest.mark.long  # a thumb and keys do so in each run
def test_a_mouse_crops_as_well(editor):
    page = editor
    handle = page.locator("cropper-handle[action=se-resize]")
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 60, y - 40, steps=5)
    page.mouse.up()
    left, top, width, height = crop_of(page)
    assert (left, top) == (0, 0)
    assert 150 < width < 300
    assert 100 < height < 200


def test_a_photo_that_is_trashed_meanwhile_is_said_and_the_steps_stay(editor, album, tmp_path):
    page = editor
    page.get_by_label("Proportions").select_option("1:1")
    before = crop_of(page)
    album.api("DELETE", f"images/{album.photos[0]}/")
    page.get_by_role("button", name="Download").click()
    expect(page.get_by_role("alert")).to_contain_text("Not found", timeout=PATIENCE)
    assert crop_of(page) == before
    album.api("POST", f"images/{album.photos[0]}/restore/")
    downloaded(page, tmp_path / "made.jpg")  # of the same steps
    with Image.open(tmp_path / "made.jpg") as made:
        assert made.size == tuple(before[2:])


def test_without_a_network_nothing_is_lost(editor, tmp_path):
    page = editor
    page.get_by_label("Proportions").select_option("1:1")
    before = crop_of(page)
    page.context.set_offline(True)
    page.get_by_role("button", name="Download").click()
    expect(page.get_by_role("alert")).to_contain_text("could not be reached", timeout=PATIENCE)
    page.context.set_offline(False)
    downloaded(page, tmp_path / "made.jpg")
    assert crop_of(page) == before


@pytest.mark.long  # as without a network, below
def test_a_network_that_breaks_while_it_is_made_is_waited_for(editor, tmp_path):
    """The order is taken already; what asks how far it is fails for a while."""
    page, asked = editor, []

    def cut(route: Any) -> None:
        asked.append(route.request.url)
        if len(asked) < 3:
            route.abort("connectionreset")
        else:
            route.continue_()

    def as_waiting(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "status": "queued", "url": None})

    page.route("**/transforms/", as_waiting)
    page.route(re.compile(r"/transforms/[0-9a-f]{64}/$"), cut)
    downloaded(page, tmp_path / "made.jpg")
    assert len(asked) >= 3
