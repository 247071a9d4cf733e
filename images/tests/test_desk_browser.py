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
    expect(page.locator(".grid img")).to_have_count(2)
    expect(page.get_by_text(re.compile("2 photos"))).to_be_visible()
