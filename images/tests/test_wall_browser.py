"""The wall on a screen: photos come and go while it runs, and a lost network is no error."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from images.tests import browsers
from images.tests.evening import Evening
from images.tests.test_upload_page_browser import assert_accessible

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("stack")]

PROJECTOR = {"width": 1280, "height": 720}
# As soon as the page has the element, and before its script reads it: photos take turns faster.
QUICK = """new MutationObserver(() => {
    const wall = document.getElementById("wall");
    if (wall) Object.assign(wall.dataset, { slideMs: SLIDE, pollMs: 500 });
}).observe(document, { childList: true, subtree: true });"""
SHOWN = "() => document.getElementById('wall').dataset.photo"
FOOTPRINT = """() => ({
    images: document.querySelectorAll("img").length,
    elements: document.querySelectorAll("*").length,
})"""


@pytest.fixture
def evening(running_stack):
    return Evening.begin(running_stack, "Hanna turns 40", needs_approval=True)


@pytest.fixture
def desk(chromium, running_stack):
    """The admin's browser, signed in."""
    account = (running_stack["admin_email"], running_stack["admin_password"])
    with browsers.opening(chromium, browsers.blocks, viewport=PROJECTOR) as open_:
        page = open_(f"{running_stack['web_url']}/login/")
        page.get_by_label("E-mail").fill(account[0])
        page.get_by_label("Password").fill(account[1])
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{running_stack['web_url']}/")
        yield page


@pytest.fixture
def screen(chromium):
    """Opens the wall in a browser of its own, where nobody is signed in."""
    with browsers.opening(chromium, browsers.blocks, viewport=PROJECTOR) as open_:

        def show(address, *, slide_ms=700):
            page = open_("about:blank")
            page.add_init_script(QUICK.replace("SLIDE", str(slide_ms)))
            page.goto(address)
            return page

        yield show


def made_wall(desk, evening):
    desk.goto(f"{evening.web_url}/groups/{evening.group_id}/")
    desk.get_by_role("button", name="Make a link").click()
    desk.get_by_role("link", name="Wall for a screen").click()
    assert_accessible(desk)
    desk.get_by_role("button", name="Make the wall").click()
    return desk.get_by_label("Address for the screen").input_value()


def approve(evening, *ids):
    for image_id in ids:
        evening.ask("POST", f"images/{image_id}/moderate/", {"decision": "approve"})


def test_a_wall_shows_what_is_approved_while_it_runs_until_a_host_ends_it(desk, evening, screen):
    page = screen(made_wall(desk, evening))
    wall = page.locator("#wall")
    expect(wall).to_have_attribute("data-state", "empty")
    expect(page.get_by_role("img", name="QR code of the upload link")).to_be_visible()
    assert_accessible(page)

    # Approved while it runs: first one, then another, and both take turns.
    first, second, waiting = evening.send(3)
    approve(evening, first)
    expect(wall).to_have_attribute("data-photo", first)
    expect(page.get_by_text("Cleo")).to_be_visible()
    assert_accessible(page)
    approve(evening, second)
    for photo in (second, first, second):
        expect(wall).to_have_attribute("data-photo", photo)

    # Without a network it goes on with what it has.
    page.context.set_offline(True)
    for photo in (first, second, first):
        expect(wall).to_have_attribute("data-photo", photo)
    approve(evening, waiting)
    page.context.set_offline(False)
    expect(wall).to_have_attribute("data-photo", waiting)

    # What a host takes away is gone, from its memory too.
    with page.expect_response(
        lambda got: "/photos/" in got.url and got.status == 200 and len(got.json()["round"]) == 1
    ):
        evening.ask("DELETE", f"images/{first}/")
        evening.ask("POST", f"images/{waiting}/moderate/", {"decision": "reject"})
    expect(wall).to_have_attribute("data-photo", second)
    assert page.evaluate(FOOTPRINT)["images"] == 2
    for _ in range(8):
        page.wait_for_timeout(250)
        assert page.evaluate(SHOWN) == second

    # Another code follows by itself; the end is said calmly.
    desk.get_by_text("Name, code, end").click()
    desk.get_by_label("Code in the corner").first.select_option("No code")
    desk.get_by_role("button", name="Save").click()
    expect(page.get_by_role("img", name="QR code of the upload link")).to_have_count(0)
    desk.get_by_text("Name, code, end").click()
    desk.get_by_role("button", name="End this wall").click()
    expect(page.get_by_text("This wall has ended.")).to_be_visible()
    expect(page.locator(".slide:visible")).to_have_count(0)
    assert_accessible(page)


COUNTERS = """
window.turns = 0;
window.addresses = new Set();
const make = URL.createObjectURL, release = URL.revokeObjectURL;
URL.createObjectURL = (blob) => {
    const address = make.call(URL, blob);
    addresses.add(address);
    return address;
};
URL.revokeObjectURL = (address) => { addresses.delete(address); release.call(URL, address); };
new MutationObserver(() => { turns += 1; }).observe(document, {
    subtree: true, attributes: true, attributeFilter: ["data-photo"],
});
"""


@pytest.mark.long
def test_it_does_not_grow_over_2000_photos(desk, evening, screen):
    address = made_wall(desk, evening)
    approve(evening, *evening.send(30))
    page = screen("about:blank")
    page.add_init_script(COUNTERS)
    page.add_init_script(QUICK.replace("SLIDE", "20"))
    page.goto(address)
    devtools = page.context.new_cdp_session(page)

    def measured(turns):
        page.wait_for_function("(turns) => window.turns >= turns", arg=turns, timeout=600_000)
        devtools.send("HeapProfiler.collectGarbage")
        nodes = devtools.send("Memory.getDOMCounters")["nodes"]
        return devtools.send("Runtime.getHeapUsage")["usedSize"], nodes

    (heap, nodes), (heap_later, nodes_later) = measured(200), measured(2200)
    assert heap_later - heap < 500_000
    assert nodes_later - nodes < 50
    assert page.evaluate("addresses.size") <= 13
    assert page.evaluate(FOOTPRINT)["images"] == 2
