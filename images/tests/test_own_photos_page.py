"""What a guest sees and does of what they send, in a real browser: cancelling, the limits of the
link, their words, taking back."""

from __future__ import annotations

import hashlib
import itertools
import re
from typing import Any

import pytest
import urllib3
from playwright.sync_api import expect

from images.tests import browsers, drawn_pictures
from images.tests.test_upload_page_browser import assert_accessible

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("stack")]

PHONE = {"width": 390, "height": 844}
VIENNA = {"lat": 48.2082, "lon": 16.3738}
SLOW_BYTES = 20_000  # a second
seeds = itertools.count(7000)


@pytest.fixture
def open_page(chromium):
    """Opens pages whose scripts may not fail, and on which nothing may be blocked."""
    with browsers.opening(chromium, browsers.blocks, viewport=PHONE) as open_:
        yield open_


@pytest.fixture
def api(running_stack, host):
    """The host's side."""
    headers = host

    def call(method: str, path: str, body: Any = None, **more: str) -> Any:
        url = f"{running_stack['web_url']}/api/v1/{path}"
        answer = urllib3.request(method, url, json=body, headers=headers | more)
        assert answer.status < 300, answer.data
        return answer.json() if answer.data else None

    return call


@pytest.fixture
def invited(api):
    """A personal link of its own, to a group of its own."""

    def invite(**limits: Any) -> Any:
        name = f"Evening {next(seeds)}"
        group = api("POST", "groups/", {"name": name, **limits.pop("group", {})})
        email = f"guest{next(seeds)}@example.org"
        return api("POST", "invitations/", {"group": group["id"], "email": email, **limits})

    return invite


def picture(name: str, size: int = 0, **more: Any) -> dict[str, Any]:
    data = drawn_pictures.jpeg(seed=next(seeds), width=320, height=240, **more)
    return {"name": name, "mimeType": "image/jpeg", "buffer": data + bytes(size)}


def choose(page: Any, *files: Any) -> None:
    page.locator("input[type=file]").set_input_files(list(files))


def row(page: Any, name: str) -> Any:
    return page.locator(".photo").filter(has_text=name).first


def wait_for(page: Any, name: str, state: str) -> Any:
    found = row(page, name)
    expect(found).to_have_attribute("data-state", state, timeout=30_000)
    return found


def ask_where(shot: Any) -> None:
    shot.get_by_role("button", name="Edit").click()
    shot.get_by_role("link", name="Where it was").click()


def save_vienna(page: Any) -> None:
    """As typed where commas part what is whole from what is not."""
    page.get_by_label("Latitude").fill("48,2082")
    page.get_by_label("Longitude").fill("16.3738")
    page.get_by_role("button", name="Save this place").click()
    expect(page.get_by_role("status")).to_have_text("Saved. Thank you!")


def slow_down(page: Any, bytes_per_second: int = SLOW_BYTES) -> Any:
    session = page.context.new_cdp_session(page)
    conditions = {"offline": False, "latency": 0, "downloadThroughput": -1}
    session.send("Network.enable")
    session.send(
        "Network.emulateNetworkConditions", {**conditions, "uploadThroughput": bytes_per_second}
    )
    return session


# --- Sending --------------------------------------------------------------------------------


@pytest.mark.long  # test_start_upload.py returns it
def test_what_is_cancelled_gives_its_place_back(open_page, invited, api):
    link = invited(max_files=5)
    page = open_page(link["upload_link"])
    session = slow_down(page)
    choose(page, *[picture(f"slow{n}.jpg", size=150_000 + n * 20_000) for n in range(5)])
    wait_for(page, "slow0", "sending")
    # As soon as anything can be known, and not before, it says how long.
    expect(page.locator("#progress-message")).to_contain_text("sent")
    expect(page.locator("#progress-message")).to_contain_text("left", timeout=10_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]

    row(page, "slow0").get_by_role("button", name="Cancel").click()
    expect(row(page, "slow0")).to_contain_text("Cancelled")
    page.get_by_role("button", name="Cancel all").click()
    expect(page.locator('.photo[data-state="cancelled"]')).to_have_count(5)
    expect(page.locator("#progress")).to_be_hidden()
    expect(page.locator("#summary-count")).to_have_text("5 cancelled")

    def used() -> int:
        page.wait_for_timeout(100)
        return api("GET", f"invitations/{link['id']}/")["used_files"]

    assert any(used() == 0 for _ in range(50))

    # What was cancelled can be sent after all.
    conditions = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    session.send("Network.emulateNetworkConditions", conditions)
    row(page, "slow1").get_by_role("button", name="Try again").click()
    wait_for(page, "slow1", "ready")
    expect(page.locator("#summary-count")).to_have_text("1 of 1 arrived, 4 cancelled")


@pytest.mark.long  # test_headline.py has no room for all
def test_what_the_link_has_no_room_for_is_said_before_and_the_rest_is_sent(open_page, invited, api):
    link = invited(max_files=2)
    page = open_page(link["upload_link"])
    announced = []
    page.on(
        "request",
        lambda asked: (
            announced.extend(asked.post_data_json["files"])
            if asked.method == "POST" and asked.url.endswith("/uploads/")
            else None
        ),
    )
    choose(page, *[picture(f"full{n}.jpg") for n in range(4)])
    expect(page.locator("#summary-count")).to_contain_text("2 cannot be sent")
    expect(page.locator("#summary-meaning")).to_contain_text("room for 2 more photos.")
    expect(row(page, "full3")).to_contain_text("room for 2 more photos")
    wait_for(page, "full0", "ready")
    wait_for(page, "full1", "ready")
    assert sorted(file["filename"] for file in announced) == ["full0.jpg", "full1.jpg"]

    # The host makes room; all that failed goes by one button.
    tag = "*"
    api("PATCH", f"invitations/{link['id']}/", {"max_files": 4}, **{"If-Match": tag})
    page.get_by_role("button", name="Try all again").click()
    wait_for(page, "full2", "ready")
    wait_for(page, "full3", "ready")
    expect(page.locator("#summary-count")).to_have_text("4 of 4 arrived")


@pytest.mark.long  # of files it is shown above, of bytes in test_own_photos.py
def test_bytes_are_limited_in_words_too(open_page, invited):
    page = open_page(invited(max_bytes=300_000)["upload_link"])
    choose(page, picture("small.jpg"), picture("large.jpg", size=400_000))
    expect(row(page, "large")).to_contain_text("It had room for")
    wait_for(page, "small", "ready")


@pytest.mark.long  # test_own_photos.py lists as many
def test_the_receipt_lists_more_than_a_batch(running_stack, open_page, invited):
    link = invited()
    headers = {"Authorization": f"Invitation {link['token']}"}
    for batch in range(3):
        files = [
            {"filename": f"{batch}-{n}.jpg", "content_type": "image/jpeg", "size": 1000 + n}
            for n in range(100)
        ]
        url = f"{running_stack['web_url']}/api/v1/uploads/"
        assert urllib3.request("POST", url, json={"files": files}, headers=headers).status == 201
    page = open_page(link["upload_link"])
    expect(page.locator("#previous-uploads-list .photo")).to_have_count(300)
    expect(page.locator("#summary-count")).to_have_text("0 of 300 arrived, 300 not finished")
    # One that will not be finished gives its place back.
    row(page, "2-99.jpg").get_by_role("button", name="Cancel").click()
    expect(page.locator("#previous-uploads-list .photo")).to_have_count(299)


def test_in_a_closed_group_what_broke_off_is_finished_and_nothing_new_taken(
    running_stack, open_page, invited, api
):
    link = invited()
    broken, new = picture("broken.jpg", size=5000), picture("new.jpg")
    described = {
        "filename": broken["name"],
        "content_type": "image/jpeg",
        "size": len(broken["buffer"]),
        "sha256": hashlib.sha256(broken["buffer"]).hexdigest(),
    }
    url = f"{running_stack['web_url']}/api/v1/uploads/"
    headers = {"Authorization": f"Invitation {link['token']}"}
    begun = urllib3.request("POST", url, json={"files": [described]}, headers=headers)
    assert begun.status == 201
    api("PATCH", f"groups/{link['group']}/", {"closes_at": "2020-01-01T00:00:00Z"})

    page = open_page(link["upload_link"])
    expect(page.get_by_text("Did one of your photos break off?")).to_be_visible()
    wait_for(page, "broken", "interrupted")
    choose(page, new, broken)  # the smaller one, which is refused, is first in line
    wait_for(page, "broken", "ready")
    expect(wait_for(page, "new", "refused")).to_contain_text("closed this group")
    expect(page.locator("#summary-count")).to_have_text("1 of 2 arrived, 1 cannot be sent")


def test_a_photo_of_a_format_the_browser_cannot_show_has_a_placeholder(open_page, invited):
    page = open_page(invited()["upload_link"])
    session = slow_down(page)
    data = drawn_pictures.heic(seed=next(seeds), width=640, height=480, quality=95) + bytes(30_000)
    choose(page, {"name": "IMG_1.HEIC", "mimeType": "image/heic", "buffer": data})
    shot = wait_for(page, "IMG_1", "sending")
    frame = shot.locator(".photo-preview")
    expect(shot.locator(".photo-state")).to_contain_text(re.compile("[1-9]"))
    expect(frame.locator("svg")).to_be_visible()
    expect(frame.locator("canvas, img")).to_have_count(0)
    conditions = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    session.send("Network.emulateNetworkConditions", conditions)

    wait_for(page, "IMG_1", "ready")
    expect(frame.locator("img")).to_be_visible()
    expect(frame.locator("svg, canvas")).to_have_count(0)
    page.wait_for_function("document.querySelector('.photo-preview img').naturalWidth > 0")


# Chromium's own lock, and a note of each.
NOTE_LOCKS = """
  window.locks = [];
  const request = navigator.wakeLock.request.bind(navigator.wakeLock);
  navigator.wakeLock.request = async (kind) => {
    const lock = await request(kind);
    window.locks.push(lock);
    return lock;
  };
"""
HELD_LOCKS = "window.locks.filter(({ released }) => !released).map(({ type }) => type)"


def test_while_photos_leave_the_screen_stays_on_and_the_tab_asks_before_it_closes(
    open_page, invited
):
    page = open_page(invited()["upload_link"])
    page.add_init_script(NOTE_LOCKS)
    asked = []

    def stay(dialog: Any) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    page.reload()
    assert asked == []
    session = slow_down(page)
    choose(page, picture("large.jpg", size=150_000))
    wait_for(page, "large", "sending")
    page.wait_for_function(f"{HELD_LOCKS}.length")
    assert page.evaluate(HELD_LOCKS) == ["screen"]
    page.locator("h1").click()  # of a page nobody touched, no browser asks
    page.close(run_before_unload=True)
    page.wait_for_timeout(300)
    assert asked == ["beforeunload"]
    assert not page.is_closed()

    conditions = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    session.send("Network.emulateNetworkConditions", conditions)
    wait_for(page, "large", "ready")
    page.wait_for_function(f"!{HELD_LOCKS}.length")
    with page.expect_event("close"):
        page.close(run_before_unload=True)
    assert asked == ["beforeunload"]


def test_the_name_is_the_links_until_i_say_another_and_that_is_remembered(open_page, invited, api):
    name = f"named{next(seeds)}"
    page = open_page(invited(name="Cleo")["upload_link"])
    field = page.get_by_label("Your name")
    expect(field).to_have_value("Cleo")
    field.fill("Cleo K.")
    page.reload()
    expect(field).to_have_value("Cleo K.")
    choose(page, picture(f"{name}.jpg"))
    wait_for(page, name, "ready")
    (found,) = api("GET", f"images/?q={name}")["results"]
    assert found["uploader"] == "Cleo K."


# --- My own photos --------------------------------------------------------------------------


def test_my_words_and_what_i_take_back_by_keyboard_alone(running_stack, open_page, invited, api):
    link = invited()
    page = open_page(link["upload_link"])
    choose(page, picture("stage.jpg"), picture("crowd.jpg"))
    wait_for(page, "crowd", "ready")
    stage = wait_for(page, "stage", "ready")
    expect(stage.locator(".photo-steps li[data-done]")).to_have_text(["Sent", "Stored", "Ready"])

    edit = stage.get_by_role("button", name="Edit")
    edit.focus()
    page.keyboard.press("Enter")
    page.keyboard.type("The encore")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(stage.locator(".photo-caption")).to_have_text("The encore")
    expect(edit).to_be_focused()

    page.keyboard.press("Enter")
    assert_accessible(page)
    stage.get_by_role("button", name="Delete").focus()
    page.keyboard.press("Enter")
    expect(stage).to_contain_text("Deleted")
    expect(stage.get_by_role("button", name="Undo")).to_be_focused()
    expect(page.locator("#summary-count")).to_have_text("1 of 1 arrived, 1 deleted")
    expect(page.locator("#spoken")).to_contain_text("Deleted")
    assert_accessible(page)
    group = f"images/?group={link['group']}"
    assert [each["original_filename"] for each in api("GET", group)["results"]] == ["crowd.jpg"]

    # It can be taken back as long as the trash keeps it, on a later visit too.
    page.reload()
    stage = wait_for(page, "stage", "deleted")
    stage.get_by_role("button", name="Undo").focus()
    page.keyboard.press("Enter")
    wait_for(page, "stage", "ready")
    expect(stage.get_by_role("button", name="Edit")).to_be_focused()
    expect(page.locator("#summary-count")).to_have_text("2 of 2 arrived")
    captions = {each["caption"] for each in api("GET", group)["results"]}
    assert captions == {"The encore", ""}


@pytest.mark.long  # test_edit_photo.py answers 412
def test_words_typed_over_somebody_elses_change_are_not_lost(open_page, invited, api):
    link = invited()
    page = open_page(link["upload_link"])
    choose(page, picture("both.jpg"))
    both = wait_for(page, "both", "ready")
    both.get_by_role("button", name="Edit").click()
    both.get_by_role("textbox").fill("Mine")
    (image,) = api("GET", f"images/?group={link['group']}")["results"]
    api("PATCH", f"images/{image['id']}/", {"description": "The host's"})
    both.get_by_role("button", name="Save").click()
    expect(both.get_by_role("alert")).to_contain_text("meanwhile")
    expect(both.get_by_role("textbox")).to_have_value("Mine")
    both.get_by_role("button", name="Save").click()
    expect(both.locator(".photo-caption")).to_have_text("Mine")


@pytest.mark.long  # test_own_photos.py asks the API
def test_once_the_group_is_closed_nothing_is_offered(open_page, invited, api):
    link = invited()
    page = open_page(link["upload_link"])
    choose(page, picture("late.jpg"))
    late = wait_for(page, "late", "ready")
    late.get_by_role("button", name="Edit").click()
    late.get_by_role("textbox").fill("Too late")
    closed = {"closes_at": "2020-01-01T00:00:00Z"}
    api("PATCH", f"groups/{link['group']}/", closed)
    late.get_by_role("button", name="Save").click()
    expect(late.get_by_role("alert")).to_contain_text("can no longer add or change")
    page.reload()
    late = wait_for(page, "late", "ready")
    expect(late.get_by_role("button")).to_have_count(0)


def test_the_way_of_a_deleted_photo_back_is_to_choose_it_again(open_page, invited):
    page = open_page(invited()["upload_link"])
    file = picture("again.jpg")
    choose(page, file)
    again = wait_for(page, "again", "ready")
    again.get_by_role("button", name="Edit").click()
    again.get_by_role("button", name="Delete").click()
    wait_for(page, "again", "deleted")
    page.reload()
    wait_for(page, "again", "deleted")
    choose(page, file)
    expect(page.locator("#now-list .photo")).to_have_attribute(
        "data-state", "ready", timeout=30_000
    )


@pytest.mark.long  # test_trash.py
def test_a_photo_the_host_threw_away_can_be_sent_again(open_page, invited, api):
    name = f"thrown{next(seeds)}"
    page = open_page(invited()["upload_link"])
    file = picture(f"{name}.jpg")
    choose(page, file)
    wait_for(page, name, "ready")
    (first,) = api("GET", f"images/?q={name}")["results"]
    api("DELETE", f"images/{first['id']}/")
    page.reload()
    wait_for(page, name, "ready")
    choose(page, file)
    expect(page.locator("#now-list .photo")).to_have_attribute(
        "data-state", "ready", timeout=30_000
    )
    (second,) = api("GET", f"images/?q={name}")["results"]
    assert second["id"] != first["id"]


# --- Small points ---------------------------------------------------------------------------


def test_the_small_points_of_the_page(open_page, invited, api):
    """What failed is taken off the list for good; what was chosen is at the top; dates match."""
    today = {"event_date": "2026-06-21"}
    link = invited(group=today)
    page = open_page(link["upload_link"], locale="en-US")
    expect(page.locator("time[data-day]")).to_have_text("Sunday, June 21, 2026")
    expect(page.locator("time[data-local]")).to_have_text(
        re.compile(r"^[A-Z][a-z]+ \d+, 20\d\d at ")
    )
    bad = {"name": "bad.jpg", "mimeType": "image/jpeg", "buffer": b"my notes"}
    # Later the browser itself keeps the rows where they are when the lines above them go.
    page.evaluate(
        """new MutationObserver((_, observer) => {
          const area = document.querySelector("#status-area");
          if (!document.querySelector("#now-list .photo")) return;
          observer.disconnect();
          setTimeout(() => (window.topWhenChosen = area.getBoundingClientRect().top));
        }).observe(document.querySelector("#now-list"), { childList: true })"""
    )
    choose(page, picture("good.jpg"), bad)
    page.wait_for_function("Math.abs(window.topWhenChosen) < 2")
    wait_for(page, "good", "ready")
    wait_for(page, "bad", "failed")
    page.reload()
    row(page, "bad").get_by_role("button", name="Remove from the list").click()
    expect(page.locator(".photo")).to_have_count(1)
    expect(page.locator("#summary-count")).to_have_text("1 of 1 arrived")
    page.reload()
    wait_for(page, "good", "ready")
    expect(page.locator(".photo")).to_have_count(1)
    assert_accessible(page)

    # The host does not want it to be seen.
    (image,) = api("GET", f"images/?group={link['group']}&q=good")["results"]
    reject = {"decision": "reject", "reason": "Too dark"}
    api("POST", f"images/{image['id']}/moderate/", reject)
    page.reload()
    expect(wait_for(page, "good", "rejected")).to_contain_text("to other guests: Too dark")

    # A place that was given is not said to be missing.
    ask_where(row(page, "good"))
    save_vienna(page)
    expect(page.get_by_text("This photo does not say")).to_be_hidden()
    expect(page.get_by_text("This is the place you gave.")).to_be_visible()

    # Closed: nothing to press, no date that lies.
    api("PATCH", f"groups/{link['group']}/", {"closes_at": "2020-01-01T00:00:00Z"})
    page.goto(link["upload_link"])
    wait_for(page, "good", "rejected")
    expect(page.locator("label[for=files]")).to_be_hidden()
    expect(page.get_by_text("Closed since")).to_be_visible()
    expect(page.get_by_text("Did one of your photos break off?")).to_be_hidden()
