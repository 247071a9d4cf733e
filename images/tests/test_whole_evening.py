"""One evening, from signing up to closing, on our pages alone: no admin, no API by hand."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect

from images.tests import browsers, drawn_pictures

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("mail")]

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
PASSWORD = "grey horses on the lake"
GUESTS = [f"Guest {number} <guest{number}@evening.example.org>" for number in range(1, 31)]
BOX = re.compile(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]")  # points, as a PDF says them
LINK = re.compile(r"https?://\S+")


class Person:
    """Somebody with a browser, whose clicks are counted and whose addresses are kept."""

    def __init__(self, page):
        self.page, self.clicks, self.visited = page, 0, []
        page.on("request", lambda request: self.visited.append(request.url))

    def click(self, name, *, role="button", within=None, exact=False):
        self.clicks += 1
        place = self.page if within is None else within
        place.get_by_role(role, name=name, exact=exact).first.click()

    def fill(self, label, text):
        self.page.get_by_label(label).first.fill(text)

    def clicks_since(self, before):
        return self.clicks - before


@pytest.fixture
def person(chromium, mail_stack):
    """Opens an address of the stack in a browser of its own, which may complain about nothing."""
    with browsers.opening(chromium, lambda said: said.type == "error") as open_:
        yield lambda path, **options: Person(
            open_(path if "://" in path else mail_stack["web_url"] + path, **options)
        )


def send_photos(guest, folder, *, first, count, name=""):
    """Chooses photos on the upload page, and waits until all of them are ready."""
    files = []
    for seed in range(first, first + count):
        files.append(folder / f"IMG_{seed}.jpg")
        files[-1].write_bytes(drawn_pictures.jpeg(width=400, height=300, seed=seed))
    if name:
        guest.fill("Your name", name)
    guest.page.locator("#files").set_input_files(files)
    expect(guest.page.locator("#summary-count")).to_contain_text(f"{count} of {count} arrived")


def links_in(mails, recipient):
    """Every address that stands in the mails to this recipient."""
    texts = [mail.get_content() for mail in mails if recipient in str(mail["To"])]
    return LINK.findall("\n".join(texts))


def mails_of_the_evening(smtp):
    """Mails of this test; others use the mail server, too."""
    return [mail for mail in smtp.mails if str(mail["To"]).endswith("@evening.example.org")]


def wait_for_mails(smtp, count, *, seconds=60):
    end = time.monotonic() + seconds
    while len(mails_of_the_evening(smtp)) < count and time.monotonic() < end:
        time.sleep(0.1)
    assert len(mails_of_the_evening(smtp)) == count


@pytest.mark.long  # each page has a story of its own
def test_a_host_runs_an_evening(mail_stack, smtp, person, tmp_path):
    # Signs up, and holds a QR code three clicks later.
    host = person("/signup/", viewport=DESKTOP)
    host.fill("Your name", "Hanna")
    host.fill("E-mail", "hanna@evening.example.org")
    host.fill("Password", PASSWORD)
    host.click("Make the account")
    before = host.clicks
    host.click("New group", role="link")
    host.fill("Name of the group", "Hanna turns 40")
    host.click("Make the group")
    expect(host.page.get_by_role("img", name="QR code of the upload link")).to_be_visible()
    assert host.clicks_since(before) <= 3
    shared_link = host.page.locator("#share-link").input_value()
    group_url = host.page.url

    # Chooses a word that can be typed, and prints cards with it.
    host.page.goto(f"{group_url}short-address/")
    host.page.locator("#short-address input[name=word]").fill("hanna40")
    host.click("Save", exact=True)
    expect(host.page.get_by_text("People can type")).to_be_visible()
    host.page.goto(group_url)
    host.click("Print cards", role="link")
    expect(host.page.get_by_text("/j/hanna40").first).to_be_visible()
    sizes = BOX.findall(host.page.pdf(prefer_css_page_size=True))
    assert [round(float(points) / 72 * 25.4) for points in sizes[0]] == [210, 297]  # mm: A4

    # Invites thirty people by mail.
    host.page.goto(group_url)
    before = host.clicks
    host.click("Invitations", role="link")
    host.click("Invite people", role="link")
    host.fill("Names and e-mail addresses", "\n".join(GUESTS))
    host.click("Look at the list")
    host.click("Invite 30 and mail them")
    expect(host.page.get_by_role("status").first).to_be_visible()
    assert host.clicks_since(before) <= 4
    wait_for_mails(smtp, 30)
    assert len({str(mail["To"]) for mail in mails_of_the_evening(smtp)}) == 30

    # Three guests send: by the mail, by the typed address, by the code on the wall.
    first = person(links_in(smtp.mails, "guest1@evening")[0], viewport=PHONE)
    send_photos(first, tmp_path, first=100, count=3)
    second = person("/j/hanna40/", viewport=PHONE)
    send_photos(second, tmp_path, first=110, count=2, name="Otto")
    third = person(shared_link, viewport=PHONE)
    send_photos(third, tmp_path, first=120, count=2, name="Mia")
    assert "/i/" not in second.page.url

    # A bandmate is invited by mail, joins, and is not shown what only owners do.
    host.page.goto(mail_stack["web_url"])
    host.click("Team", role="link", exact=True)
    host.fill("Name of the team", "The Grey Horses")
    host.click("Make it a team")
    expect(host.page.get_by_role("heading", name="The Grey Horses")).to_be_visible()
    host.fill("E-mail", "ben@evening.example.org")
    host.click("Invite")
    wait_for_mails(smtp, 31)
    ben = person(links_in(smtp.mails, "ben@evening")[0], viewport=PHONE)
    ben.click("Make an account", role="link")
    ben.fill("Your name", "Ben")
    ben.fill("E-mail", "ben@evening.example.org")
    ben.fill("Password", PASSWORD)
    ben.click("Make the account")
    ben.click("Join")
    expect(ben.page.get_by_role("heading", name="The Grey Horses")).to_be_visible()
    ben.page.goto(group_url)
    expect(ben.page.get_by_role("link", name="Settings")).to_have_count(0)

    # The host approves all from a phone, in three clicks.
    state = host.page.context.storage_state()
    phone = person(group_url, viewport=PHONE, storage_state=state, has_touch=True)
    before = phone.clicks
    phone.click(re.compile("^To approve"), role="link")
    phone.click("Select all")
    phone.click("Approve", exact=True)
    expect(phone.page.locator("#bar [data-said]")).to_contain_text("7 photos approved")
    assert phone.clicks_since(before) <= 3

    # A bad one is removed in two clicks.
    phone.page.goto(group_url)
    phone.page.locator(".grid a").first.click()
    before = phone.clicks
    phone.click("Remove", exact=True)
    expect(phone.page.get_by_text("1 photo is in the trash now.")).to_be_visible()
    assert phone.clicks_since(before) <= 1
    photo_count = 6

    # Ben asks for the removal of another; it is hidden at once, and the host agrees.
    ben.page.goto(group_url)
    ben.page.locator(".grid a").first.click()
    ben.click("Ask for the removal of this photo", role="link")
    ben.click("Ask for its removal")
    expect(ben.page.get_by_text("Nobody sees it now.")).to_be_visible()
    asked_url = ben.page.url
    phone.page.goto(group_url)
    expect(phone.page.get_by_text(f"{photo_count - 1} photos").first).to_be_visible()
    phone.click(re.compile("^To approve"), role="link")
    phone.page.get_by_label("Your answer to them").fill("Of course, sorry.")
    phone.click("Leave it removed")
    ben.page.goto(asked_url)
    expect(ben.page.get_by_text("Of course, sorry.")).to_be_visible()

    # The evening is closed: the link says so, and those who sent nothing are called a last time.
    host.page.goto(group_url)
    before = host.clicks
    host.click(re.compile("^Close"), role="link")
    host.click("Close the group")
    assert host.clicks_since(before) <= 2
    second.page.reload()
    expect(second.page.get_by_text("has closed this group")).to_be_visible()

    visited = [*host.visited, *phone.visited, *ben.visited]
    assert not [url for url in visited if "/admin/" in url]
