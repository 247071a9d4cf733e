"""In a real Chromium, on a phone: two people make accounts and a team; one of them goes again."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from bandpics.ids import new_id
from images.tests import browsers

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("stack")]

PHONE = {"width": 390, "height": 844}
PASSWORD = "grey horses on the lake"


@pytest.fixture
def open_page(chromium):
    with browsers.opening(chromium, browsers.blocks, viewport=PHONE) as open_:
        yield open_


def sign_up(page, name):
    address = f"{new_id()}@example.org"
    page.get_by_label("Your name").fill(name)
    page.get_by_label("E-mail").fill(address)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    expect(page.get_by_text("Your account is ready")).to_be_visible()
    return address


def fits(page):
    """Nothing of the page is cut off at its side."""
    root = "document.documentElement"
    return page.evaluate(f"{root}.scrollWidth <= {root}.clientWidth")


@pytest.mark.long  # test_sign_up_page.py, test_team_page.py
def test_from_signing_up_to_a_team_of_two_and_away_again(running_stack, open_page):
    web = running_stack["web_url"]
    hanna = open_page(f"{web}/signup/")
    sign_up(hanna, "Hanna")
    hanna.get_by_role("link", name="Team", exact=True).click()
    hanna.get_by_label("Name of the team").first.fill("The Lake Horses")
    hanna.get_by_role("button", name="Make it a team").click()
    hanna.get_by_label("E-mail").fill("ben@example.org")
    hanna.get_by_role("button", name="Invite", exact=True).click()
    hanna.get_by_role("button", name="Copy the link").click()
    expect(hanna.get_by_role("button", name="Copied")).to_be_visible()
    assert fits(hanna)

    ben = open_page(hanna.get_by_label("Whoever has this link can join").input_value())
    ben.get_by_role("link", name="Make an account").click()
    sign_up(ben, "Ben")
    ben.get_by_role("button", name="Join the team").click()
    expect(ben.get_by_text("Welcome to The Lake Horses!")).to_be_visible()
    assert fits(ben)

    hanna.reload()
    hanna.get_by_text("Hand the team over", exact=True).click()
    hanna.get_by_label("Who becomes an owner").select_option(label="Ben")
    hanna.get_by_role("button", name="Hand over", exact=True).click()
    expect(hanna.get_by_text("Ben owns The Lake Horses now")).to_be_visible()

    hanna.get_by_role("link", name="Account").click()
    hanna.get_by_role("link", name="Show the sign-ins").click()
    expect(hanna.get_by_text("this one")).to_have_count(1)
    hanna.go_back()
    hanna.get_by_role("link", name="Delete your account").click()
    expect(hanna.get_by_text("You leave these teams")).to_contain_text("The Lake Horses")
    hanna.get_by_label("Your password").fill(PASSWORD)
    hanna.get_by_role("button", name="Delete my account").click()
    expect(hanna.get_by_text("Your account is deleted")).to_be_visible()
    ben.reload()
    expect(ben.get_by_text("1 person")).to_be_visible()
