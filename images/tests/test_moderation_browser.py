"""The page of decisions in a real browser: by keys alone, and with a thumb."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from images.tests import browsers
from images.tests.evening import Evening

pytestmark = pytest.mark.xdist_group("stack")
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def open_page(chromium, running_stack):
    """Opens a page as the admin of the stack. An error on the console fails the test, but for the
    409 of a decision that somebody else has made."""

    def is_error(said):
        return said.type == "error" and "409" not in said.text

    with browsers.opening(chromium, is_error) as open_:

        def signed_in(path, **options):
            page = open_(f"{running_stack['web_url']}/login/?next={path}", **options)
            page.get_by_label("E-mail").fill(running_stack["admin_email"])
            page.get_by_label("Password").fill(running_stack["admin_password"])
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(running_stack["web_url"] + path)
            return page

        yield signed_in


def states(evening, ids):
    return [evening.photo(image_id)["moderation"] for image_id in ids]


def test_keys_alone_decide_and_undo(running_stack, open_page):
    evening = Evening.begin(running_stack, "Keys")
    ids = evening.send(5)
    page = open_page(f"/groups/{evening.group_id}/moderation/")
    links = page.locator(".pick-photo")
    expect(links).to_have_count(5)
    said = page.locator("#bar [data-said]")
    links.first.focus()
    page.keyboard.press("a")
    expect(said).to_have_text("1 photo approved. 4 left on this page.")
    expect(links.first).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("r")
    page.get_by_label("Or your own words").fill("Too dark")
    page.locator("#reason").get_by_role("button", name="Reject").click()
    expect(said).to_have_text("1 photo rejected. 3 left on this page.")
    assert sorted(states(evening, ids)) == ["approved", *["pending"] * 3, "rejected"]
    # The tab and the filters count along.
    tab = page.locator(".tabs [aria-current] .badge")
    counts = page.locator(".filters .badge")
    expect(tab).to_have_text("3")
    expect(counts).to_have_text(["3", "1", "1"])
    page.keyboard.press("u")
    expect(said).to_have_text("Undone: 1 photo is back. 4 left on this page.")
    expect(tab).to_have_text("4")
    expect(counts).to_have_text(["4", "0", "1"])
    page.keyboard.press("u")
    expect(said).to_have_text("Undone: 1 photo is back. 5 left on this page.")
    assert set(states(evening, ids)) == {"pending"}
    # Another host decides meanwhile: that stays, and the others are decided.
    evening.ask("POST", f"images/{ids[0]}/moderate/", {"decision": "reject"})
    for _ in range(2):
        page.get_by_role("button", name="Select all").click()
    page.get_by_role("button", name="Select all").click()
    page.get_by_role("button", name="Approve").click()
    expect(said).to_contain_text("4 photos approved. Somebody else has decided about 1 of them")
    expect(page.get_by_text("That was the last one on this page.")).to_be_visible()
    assert states(evening, ids) == ["rejected", *["approved"] * 4]


@pytest.mark.long  # test_moderation_page.py decides
def test_one_thumb_decides_on_a_phone(running_stack, open_page):
    evening = Evening.begin(running_stack, "Thumb")
    ids = evening.send(3, first=10)
    page = open_page(f"/groups/{evening.group_id}/moderation/", viewport=PHONE, has_touch=True)
    page.locator(".pick-photo").first.tap()
    large = page.locator("#large")
    expect(large).to_be_visible()
    bar = large.locator("#large-bar")
    for name in ["Approve", "Reject", "Undo"]:
        box = bar.get_by_role("button", name=name).bounding_box()
        assert box["height"] >= 44
        assert box["y"] > PHONE["height"] * 2 / 3  # within reach
    bar.get_by_role("button", name="Approve").tap()
    expect(bar.locator("[data-said]")).to_have_text("1 photo approved. 2 left on this page.")
    bar.get_by_role("button", name="Approve").tap()
    bar.get_by_role("button", name="Undo").tap()
    expect(bar.locator("[data-said]")).to_contain_text("Undone")
    assert sorted(states(evening, ids)) == ["approved", "pending", "pending"]
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]

    for _ in range(2):
        bar.get_by_role("button", name="Approve").tap()
    expect(large).to_be_hidden()
    rest = page.locator("#bar")
    for name in ["Select all", "Approve", "Reject"]:  # nothing is left to decide about
        expect(rest.get_by_role("button", name=name)).to_be_disabled()
    expect(rest.get_by_role("button", name="Undo")).to_be_enabled()
    rest.get_by_role("button", name="Undo").tap()
    expect(rest.get_by_role("button", name="Approve")).to_be_enabled()


@pytest.mark.long  # test_receipt.py asks the API
def test_the_guest_is_told_where_other_guests_would_see_the_photo(running_stack, open_page):
    evening = Evening.begin(running_stack, "Told", visibility="gallery")
    first, _second = evening.send(2, first=20)
    evening.ask("POST", f"images/{first}/moderate/", {"decision": "approve"})
    page = open_page("/")
    page.goto(evening.link)
    expect(
        page.get_by_text("Other guests do not see it before a host has approved it.")
    ).to_have_count(1)
    expect(page.get_by_text("Arrived and accepted for the gallery.")).to_have_count(1)


@pytest.mark.long  # test_trash_page.py sends the same forms
def test_a_photo_is_removed_and_brought_back_by_a_click_each(running_stack, open_page):
    evening = Evening.begin(running_stack, "Click")
    (image_id,) = evening.send(1, first=30)
    page = open_page(f"/groups/{evening.group_id}/")
    page.locator(".grid li").hover()
    page.get_by_role("button", name="Remove: ").click()
    expect(page.get_by_text("1 photo is in the trash now.")).to_be_visible()
    assert evening.photo(image_id)["trashed_at"]
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_text("1 photo is back.")).to_be_visible()
    expect(page.locator(".grid li")).to_have_count(1)
