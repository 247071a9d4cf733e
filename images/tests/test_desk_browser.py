"""The pages of hosts and members in a real browser."""

from __future__ import annotations

import re

import pytest
import urllib3
from playwright.sync_api import expect

from bandpics.ids import new_id
from images.tests import browsers, drawn_pictures
from images.tests.test_upload_page_browser import assert_accessible

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("stack")]

PHONE = {"width": 390, "height": 844}
PASSWORD = "grey horses on the lake"


@pytest.fixture
def signed_in_page(chromium, running_stack):
    """A phone on which somebody new has signed in, with a team and a group of their own."""
    url = running_stack["web_url"]
    account = {"email": f"{new_id()}@example.org", "password": PASSWORD, "name": "Ben"}
    assert urllib3.request("POST", f"{url}/api/v1/users/", json=account).status == 201
    with browsers.opening(chromium, browsers.blocks, viewport=PHONE) as open_:
        page = open_(f"{url}/login/")
        page.get_by_label("E-mail").fill(account["email"])
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{url}/")
        yield page


def pictures(tmp_path, *names):
    paths = [tmp_path / name for name in names]
    for path in paths:
        path.write_bytes(drawn_pictures.jpeg(seed=new_id().int % 2**31))
    return paths


def test_photos_wait_for_somebody_whose_session_has_ended(signed_in_page, tmp_path):
    page = signed_in_page
    page.get_by_role("link", name="My photos").click()
    page.get_by_role("link", name="Add photos").click()
    kept = page.context.cookies()
    page.context.clear_cookies()
    page.locator("input[type=file]").set_input_files(pictures(tmp_path, "a.jpg"))
    row = page.locator("#now-list .photo")
    expect(row).to_contain_text("Please sign in")
    page.context.add_cookies(kept)  # as another tab does, by signing in
    row.get_by_role("button", name="Try again").click()
    expect(row).to_have_attribute("data-state", "ready", timeout=30_000)


def test_a_member_sends_photos_by_the_guests_page(signed_in_page, tmp_path):
    page = signed_in_page
    page.get_by_role("link", name="My photos").click()
    page.get_by_role("link", name="Add photos").click()
    expect(page.get_by_label("Your name")).to_have_value("Ben")
    assert_accessible(page)
    page.locator("input[type=file]").set_input_files(pictures(tmp_path, "a.jpg", "b.jpg"))
    expect(page.locator('.photo[data-state="ready"]')).to_have_count(2, timeout=30_000)

    # The receipt is the memory, and what one sent can be changed.
    page.reload()
    rows = page.locator("#previous-uploads-list .photo")
    expect(rows).to_have_count(2)
    rows.first.get_by_role("button", name="Edit").click()
    expect(page.get_by_role("link", name="Where it was")).to_have_count(0)
    page.get_by_label("Your words about it").fill("On stage")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#spoken")).to_contain_text("Your words are saved.")
    rows.first.get_by_role("button", name="Edit").click()
    page.get_by_role("button", name="Delete").click()
    expect(rows.first).to_contain_text("Deleted")
    rows.first.get_by_role("button", name="Undo").click()
    expect(rows.first).to_contain_text("Arrived and ready")

    page.get_by_role("link", name="Photos of the group").click()
    expect(page.locator(".grid li")).to_have_count(2)
    expect(page.get_by_text(re.compile("2 photos"))).to_be_visible()


@pytest.mark.long  # test_share_card.py sends the same forms
def test_a_host_holds_the_code_two_clicks_after_home(signed_in_page):
    page = signed_in_page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    assert_accessible(page)
    page.get_by_role("link", name="New group").click()
    assert_accessible(page)
    page.keyboard.type("Hanna turns 40")  # the field for the name has the focus
    with page.expect_request("**/visited/") as visit:
        page.get_by_role("button", name="Make the group").click()
    assert visit.value.response().status == 204
    expect(page.get_by_role("img", name="QR code of the upload link")).to_be_in_viewport(ratio=1)
    assert_accessible(page)

    link = page.get_by_role("textbox", name="Upload link").input_value()
    page.get_by_role("button", name="Copy the link").click()
    expect(page.get_by_text("Link copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == link

    # The code fills the screen after a tap on it, and goes with another, or with Escape.
    large = page.get_by_role("dialog")
    page.get_by_role("img", name="QR code of the upload link").click()
    assert large.locator("svg").bounding_box()["width"] > 0.9 * PHONE["width"]
    large.click(position={"x": 5, "y": 5})
    expect(large).to_be_hidden()
    page.get_by_role("button", name="Show the code large").press("Enter")
    page.keyboard.press("Escape")
    expect(large).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]

    # The tabs are one line to scroll, and that of the page is visible.
    trash = page.get_by_role("navigation", name="Pages of this group").get_by_role("link").last
    trash.click()
    page.wait_for_url("**/trash/")
    expect(trash).to_have_attribute("aria-current", "page")
    expect(trash).to_be_in_viewport(ratio=1)

    # A guest opens it, and the zone of the host's browser is the group's.
    page.goto(link)
    expect(page.get_by_role("heading", level=1)).to_have_text("Hanna turns 40")


def test_groups_are_found_while_one_types(signed_in_page):
    page = signed_in_page
    for name in ["Hanna turns 40", "Zoë and Émile", "Summer concert"]:
        page.goto(page.url.split("/groups/")[0].rstrip("/") + "/groups/new/")
        page.get_by_label("Name of the group").fill(name)
        page.get_by_role("button", name="Make the group").click()
    page.get_by_role("link", name="Groups", exact=True).click()
    shown = page.locator("#groups > li:visible h2")
    expect(shown).to_have_count(4)
    page.get_by_label("Find a group").press_sequentially("emile zoe")
    expect(shown).to_have_text(["Zoë and Émile"])
    expect(page.get_by_role("status")).to_have_text("Groups that match: 1")
    page.get_by_label("Find a group").fill("nobody")
    expect(page.get_by_text("No group matches.").last).to_be_visible()
    page.get_by_label("Find a group").fill("Summer")
    page.keyboard.press("Enter")  # as without the script
    page.wait_for_url("**/?q=Summer")
    expect(shown).to_have_text(["Summer concert"])
