"""The settings of a group and the sentence of its guests, in a real browser."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import urllib3
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from bandpics.ids import new_id
from images.tests import browsers, drawn_pictures
from images.tests.test_upload_page_browser import PHONE, READY, WCAG

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("stack")]


@pytest.fixture
def open_page(chromium):
    with browsers.opening(chromium, browsers.blocks, **PHONE) as open_:
        yield open_


@pytest.fixture
def host(running_stack):
    """Somebody new, who can sign in; and what asks the API for them."""
    email, password = f"{new_id()}@example.org", "grey horses on the lake"
    root = f"{running_stack['web_url']}/api/v1/"
    account = {"email": email, "password": password}
    key = urllib3.request("POST", f"{root}users/", json=account).json()["api_key"]

    def ask(method, path, **body):
        headers = {"Authorization": f"Api-Key {key}"}
        answer = urllib3.request(method, root + path, json=body, headers=headers)
        assert answer.status < 300, answer.data
        return answer.json()

    def sign_in(page):
        page.get_by_label("E-mail").fill(email)
        page.get_by_label("Password", exact=True).fill(password)
        page.get_by_role("button", name="Sign in").click()

    return ask, sign_in


def assert_accessible(page):
    """By axe-core, in light and in dark; and by the height of what a thumb presses."""
    page.evaluate(Axe().axe_script)
    for scheme in ["light", "dark"]:
        page.emulate_media(color_scheme=scheme)
        found = page.evaluate("(rules) => axe.run({ runOnly: rules })", WCAG)
        wrong = {
            each["id"]: [node["html"] for node in each["nodes"]] for each in found["violations"]
        }
        assert wrong == {}, scheme
    # The label of a box is pressed along with it.
    small = page.evaluate(
        """() => [...document.querySelectorAll("input, select, textarea, .button, summary")]
          .filter((one) => one.checkVisibility() && one.type !== "hidden" && !one.closest(".skip"))
          .map((one) => /radio|checkbox/.test(one.type) ? one.closest("label, .is-check") : one)
          .filter((one) => one.getBoundingClientRect().height < 44)
          .map((one) => one.outerHTML.slice(0, 120))"""
    )
    assert small == []


def shoot(page, name):
    """Keeps pictures of the page where a person asked for them."""
    folder = os.environ.get("BANDPICS_SCREENSHOTS")
    if not folder:
        return
    for width in (390, 1280):
        for scheme in ("light", "dark"):
            page.set_viewport_size({"width": width, "height": 844})
            page.emulate_media(color_scheme=scheme)
            path = Path(folder) / f"{name}-{width}-{scheme}.png"
            page.screenshot(path=path, full_page=True)
    page.set_viewport_size(PHONE["viewport"])


@pytest.mark.long  # test_group_settings.py, test_close_group.py
def test_a_host_changes_settings_and_closes_on_a_phone(open_page, running_stack, host, tmp_path):
    ask, sign_in = host
    group = ask("POST", "groups/", name="Hanna turns 40")
    root = f"{running_stack['web_url']}/groups/{group['id']}/"
    page = open_page(f"{root}settings/")
    sign_in(page)
    page.get_by_label("Venue").fill("The old bandstand")
    sentence = page.locator("[name=licence_text]")
    expect(sentence).to_be_hidden()
    page.get_by_label("To your own sentence").check()
    sentence.fill("You may print my photos.")
    page.get_by_label("Choose a colour").fill("#aa3300")
    expect(page.get_by_label("Colour", exact=True)).to_have_value("#aa3300")
    logo = tmp_path / "logo.jpg"
    logo.write_bytes(drawn_pictures.jpeg(width=600, height=200))
    page.get_by_label("Logo", exact=True).set_input_files(logo)
    shoot(page, "settings")
    assert_accessible(page)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your changes are saved.")).to_be_visible()
    saved = ask("GET", f"groups/{group['id']}/")
    assert (saved["venue"], saved["accent_colour"]) == ("The old bandstand", "#aa3300")
    assert saved["licence"]["text"] == "You may print my photos."
    shoot(page, "settings-saved")
    page.get_by_role("link", name="Close the group").click()
    expect(page.get_by_label("Day and time")).to_be_hidden()
    shoot(page, "close")
    assert_accessible(page)
    page.get_by_role("button", name="Close the group").click()
    expect(page.get_by_text("The group is closed.")).to_be_visible()
    assert ask("GET", f"groups/{group['id']}/")["is_closed"]


def test_a_guest_agrees_and_is_asked_again_when_the_sentence_changes(open_page, host, tmp_path):
    ask, _sign_in = host
    own = {"kind": "own", "text": "You may print my photos."}
    group = ask("POST", "groups/", name="Hanna turns 40", licence=own, accent_colour="#aa3300")
    body = {"group": group["id"], "kind": "shared"}
    link = ask("POST", "invitations/", **body)["upload_link"]
    files = [tmp_path / f"{number}.jpg" for number in range(3)]
    for file in files:
        file.write_bytes(drawn_pictures.jpeg(seed=new_id().int % 2**31))
    page = open_page(link)
    box = page.get_by_role("checkbox")
    expect(box).not_to_be_checked()
    box.check()
    page.locator("#files").set_input_files(files[:1])
    expect(page.locator("#now-list")).to_contain_text(READY)
    page.reload()
    expect(box).to_be_checked()
    shoot(page, "upload")
    ask("PATCH", f"groups/{group['id']}/", licence={"kind": "own", "text": "You may do anything."})
    page.locator("#files").set_input_files(files[1:])
    expect(page.locator("#licence-text")).to_have_text("You may do anything.")
    expect(box).not_to_be_checked()
    expect(page.locator("#summary")).to_contain_text("The sentence to agree to has changed")
    shoot(page, "upload-changed")
    page.get_by_role("button", name="Try all again").click()
    expect(page.locator("#now-list").get_by_text(READY)).to_have_count(2)
    found = ask("GET", f"images/?group={group['id']}&may_be_published=true")["results"]
    assert [image["licence"]["text"] for image in found] == ["You may print my photos."]
    assert len(ask("GET", f"images/?group={group['id']}")["results"]) == 3
