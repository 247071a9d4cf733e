"""Cards as a printer and a phone's camera meet them, and a short address that is typed."""

from __future__ import annotations

import io
import re

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import expect

from images.tests import browsers, drawn_pictures
from images.tests.test_desk_browser import signed_in_page
from images.tests.test_upload_page_browser import assert_accessible

__all__ = ["signed_in_page"]

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("stack")]

PHONE = {"width": 390, "height": 844}
POINTS = {"a4": (595, 842), "letter": (612, 792)}  # 72 to the inch


@pytest.fixture
def group_page(signed_in_page):
    """The page of a new group, with its first link."""
    page = signed_in_page
    page.get_by_role("link", name="New group").click()
    page.get_by_label("Name").fill("Hanna turns 40")
    page.get_by_role("button", name="Make the group").click()
    expect(page.get_by_role("img", name="QR code of the upload link")).to_be_visible()
    return page


def scanned(page, card) -> str:
    """What a phone's camera reads from a card."""
    with Image.open(io.BytesIO(card.screenshot())) as picture:
        (code,) = zxingcpp.read_barcodes(picture.convert("L"))
    return code.text


def paper_of(pdf: bytes) -> list[tuple[int, int]]:
    """The sizes of the pages of a PDF."""
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    assert len(boxes) == len(re.findall(rb"/Type /Page\b", pdf))
    return [(round(float(width)), round(float(height))) for width, height in boxes]


def test_from_a_new_group_to_its_link_on_paper(group_page):
    page = group_page
    link = page.get_by_role("textbox", name="Upload link").input_value()
    page.get_by_role("link", name="Print cards").click()
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.evaluate("window.print = () => (document.title = 'printed')")
    page.get_by_role("button", name="Print", exact=True).click()
    expect(page).to_have_title("printed")

    page.set_viewport_size({"width": 1280, "height": 900})
    cards = page.url.split("?")[0]
    for query, count in [
        ("", 1),
        ("?size=a7&sheets=3", 3),
        ("?size=poster", 1),
        ("?paper=letter&sheets=2", 2),
        ("?paper=letter&size=a7&words=Thank+you!", 1),
        ("?paper=letter&size=poster", 1),
    ]:
        page.goto(cards + query)
        paper = "letter" if "letter" in query else "a4"
        assert paper_of(page.pdf(prefer_css_page_size=True)) == [POINTS[paper]] * count
        page.emulate_media(media="print")
        for hidden in (page.locator(".top"), page.locator(".tabs"), page.locator("#cards")):
            expect(hidden).to_be_hidden()
        card = page.locator(".print-card").first
        # Nothing on it is cut off, and what is on it can be read.
        assert card.evaluate(
            """card => [...card.querySelectorAll("p, svg")].every((part) => {
                 const inner = part.getBoundingClientRect();
                 const outer = card.getBoundingClientRect();
                 return inner.top >= outer.top && inner.bottom <= outer.bottom
                   && inner.left >= outer.left && inner.right <= outer.right;
               })"""
        )
        assert scanned(page, card) == link
        page.emulate_media(media="null")


@pytest.mark.long  # test_short_address_host.py and test_cards.py send the same forms
def test_a_chosen_word_is_printed_and_typed(group_page, chromium, running_stack, tmp_path):
    page = group_page
    page.get_by_role("link", name="Choose a short address").click()
    assert_accessible(page)
    word = page.get_by_label("Short address")
    expect(word).to_have_value(re.compile("^hanna"))
    word.fill("admin")
    expect(page.get_by_role("status")).to_contain_text("Bandpics needs this word itself")
    page.locator("#proposals button").first.click()
    expect(page.get_by_role("status")).to_contain_text("is free")
    chosen = word.input_value()
    page.get_by_label("PIN").fill("284719")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved. People can type")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("link", name="Print cards").click()
    address = f"{running_stack['web_url']}/j/{chosen}/"
    page.set_viewport_size({"width": 1280, "height": 900})
    assert scanned(page, page.locator(".print-card").first) == address

    path = tmp_path / "stage.jpg"
    path.write_bytes(drawn_pictures.jpeg(seed=5))
    requests = []
    with browsers.opening(chromium, browsers.blocks, viewport=PHONE) as open_:
        guest = open_(f"{running_stack['web_url']}/j/{chosen.upper()}")
        guest.on("request", lambda sent: requests.append((sent.url, sent.all_headers())))
        assert_accessible(guest)
        guest.get_by_label("PIN").fill("000000")
        guest.get_by_role("button", name="Continue").click()
        expect(guest.get_by_role("alert")).to_contain_text("That is not the PIN.")
        guest.get_by_label("PIN").fill("284 719")
        guest.get_by_role("button", name="Continue").click()
        expect(guest.get_by_role("heading", level=1)).to_have_text("Hanna turns 40")
        guest.locator("input[type=file]").set_input_files(path)
        expect(guest.locator('.photo[data-state="ready"]')).to_have_count(1, timeout=30_000)
        guest.get_by_role("button", name="Edit").click()
        guest.get_by_role("link", name="Where it was").click()
        guest.get_by_role("link", name="Back to your photos").click()
        expect(guest.locator("#previous-uploads-list .photo")).to_have_count(1)
        assert guest.url == address
        assert any(url == f"{address}opened/" for url, _ in requests)
        for url, headers in requests:
            assert "/i/" not in url
            assert "/i/" not in headers.get("referer", "")
