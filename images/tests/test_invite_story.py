"""A host invites thirty people in a real browser, and a real mail server receives thirty mails."""

from __future__ import annotations

import json

import pytest
import urllib3
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from images.tests import browsers

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("mail")]

PHONE = {"width": 390, "height": 844}


@pytest.fixture
def open_page(chromium):
    with browsers.opening(chromium, lambda said: said.type == "error", viewport=PHONE) as open_:
        yield open_


def sign_in(open_page, stack, **options):
    page = open_page(f"{stack['web_url']}/login/", **options)
    page.get_by_label("E-mail").fill(stack["admin_email"])
    page.get_by_label("Password").fill(stack["admin_password"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(stack["web_url"] + "/")
    return page


def group_of(stack):
    headers = {"Authorization": f"Api-Key {stack['admin_api_key']}"}
    answer = urllib3.request("GET", f"{stack['web_url']}/api/v1/groups/", headers=headers)
    return f"{stack['web_url']}/groups/{json.loads(answer.data)['results'][0]['id']}/"


def assert_accessible(page):
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def mails_to_guests(smtp):
    """The recipients of this test's mails; others use the mail server, too."""
    return [address for address in smtp.recipients if address.endswith("@example.org")]


@pytest.mark.long  # test_whole_evening.py does the same once
def test_thirty_people_are_invited_and_mailed_in_four_clicks(mail_stack, smtp, open_page):
    page = sign_in(open_page, mail_stack)
    page.goto(group_of(mail_stack))
    page.get_by_role("link", name="Invitations", exact=True).click()
    assert_accessible(page)
    page.get_by_role("link", name="Invite people").click()
    assert_accessible(page)
    page.get_by_label("Names and e-mail addresses").fill(
        "\n".join(f"Guest {number} <guest{number}@example.org>" for number in range(30))
    )
    page.get_by_role("button", name="Look at the list").click()
    expect(page.get_by_role("heading", name="30 people will be invited")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="Invite 30 and mail them").click()
    expect(page.get_by_role("status").first).to_contain_text("30 mails are on their way.")
    # Nothing runs but the stack: beat, the sweeper's second process, the mail server.
    first = page.get_by_role("listitem").filter(has_text="guest0@example.org")
    for _ in range(60):
        if len(mails_to_guests(smtp)) == 30:
            break
        page.wait_for_timeout(500)
    assert sorted(mails_to_guests(smtp)) == sorted(f"guest{n}@example.org" for n in range(30))
    page.reload()
    expect(first).to_contain_text("Invitation: mailed on")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]

    # What the mail holds is what the host copies, and it opens.
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    first.get_by_role("button", name="Copy").click()
    expect(first.get_by_role("button", name="Link copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    mail = next(each for each in smtp.mails if each["To"] == "guest0@example.org")
    assert link in mail.get_content()
    assert open_page(link).get_by_role("heading", level=1).inner_text() == "Summer concert"


@pytest.mark.long  # test_links_page.py opens the same pages
def test_the_page_of_a_link_and_reminders_are_accessible(mail_stack, open_page):
    page = sign_in(open_page, mail_stack, color_scheme="dark")
    page.goto(group_of(mail_stack) + "invitations/new/?kind=personal")
    assert_accessible(page)
    page.get_by_label("E-mail").fill("hanna@example.org")
    page.get_by_label("Name").fill("Hanna")
    page.get_by_role("button", name="Invite without mail").click()
    expect(page.get_by_role("heading", name="Hanna")).to_be_visible()
    expect(page.get_by_role("img", name="QR code of this link")).to_have_js_property(
        "complete", True
    )
    assert page.locator("img").last.evaluate("img => img.naturalWidth") > 100
    assert_accessible(page)
    page.goto(group_of(mail_stack) + "invitations/remind/")
    expect(page.get_by_role("checkbox", name="Hanna")).to_be_checked()
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
