"""The upload page in a real browser: for everybody, by any means, and as its policy allows."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime, timedelta

import pytest
import urllib3
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from bandpics.ids import new_id
from bandpics.testing.matrix import representative
from images.tests import browsers, drawn_pictures

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("stack")]

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
DESKTOP = {"viewport": {"width": 1280, "height": 800}, "has_touch": False, "is_mobile": False}
BOTH = pytest.mark.parametrize(
    "device",
    [pytest.param(PHONE, id="390"), pytest.param(DESKTOP, id="1280", marks=pytest.mark.long)],
)
INSTAGRAM = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Mobile/15E148 Instagram 382.0"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
READY = "Arrived and ready"
ARRIVED = re.compile("stored|ready")


@pytest.fixture
def open_page(chromium, running_stack):
    """Opens the upload page, or another path. Whatever its policy blocks fails the test."""
    with browsers.opening(chromium, browsers.blocks, **PHONE) as open_:

        def open_path(path="", **options):
            url = running_stack["web_url"] + path if path else running_stack["upload_link"]
            return open_(url, **options)

        yield open_path


@pytest.fixture
def files(tmp_path):
    def files_(*names):
        """New photos each time; `notes.jpg` is none."""
        paths = [tmp_path / name for name in names]
        for path in paths:
            seed = new_id().int % 2**31
            data = b"my notes" if path.name.startswith("notes") else drawn_pictures.jpeg(seed=seed)
            path.write_bytes(data)
        return paths

    return files_


ANIMATIONS_END = """() => Promise.all(
  document.getAnimations()
    .filter((one) => one.playState === "running" && one.effect.getTiming().iterations < Infinity)
    .map((one) => one.finished.catch(() => {})))"""


def assert_accessible(page, within="html"):
    """By axe-core, in light and in dark: the page, or what is in one element."""
    page.evaluate(Axe().axe_script)
    for scheme in ["light", "dark"]:
        page.emulate_media(color_scheme=scheme)
        page.evaluate(ANIMATIONS_END)  # what fades in has too little contrast for a moment
        found = page.evaluate(
            """([within, rules]) => axe.run(within === "html" ? document : within,
              { runOnly: rules, resultTypes: ["violations"] })""",
            [within, WCAG],
        )
        wrong = {
            each["id"]: [node["html"] for node in each["nodes"]] for each in found["violations"]
        }
        assert wrong == {}, scheme
        assert found["passes"], "axe looked at nothing"
    assert too_small(page, within) == []


def too_small(page, within="html"):
    """What can be pressed and is smaller than 44 by 44 px, links in running text left out. Of a
    check box it is the label that counts."""
    return page.evaluate(
        """(within) => [...document.querySelectorAll("a, button, input, label.button, summary")]
          .filter((one) => one.closest(within))
          .filter((one) => one.checkVisibility() && !one.closest(".skip"))
          .filter((one) => ![...(one.labels ?? [])].some((label) => one.type === "checkbox"
            && label.getBoundingClientRect().height >= 44))
          .filter((one) => one.type !== "hidden" && getComputedStyle(one).display !== "inline")
          .map((one) => [one.outerHTML.slice(0, 80), one.getBoundingClientRect()])
          .filter(([, { width, height }]) => Math.min(width, height) < 44)
          .map(([html, { width, height }]) => `${html} ${width}x${height}`)""",
        within,
    )


# --- For everybody --------------------------------------------------------------------------


@BOTH
def test_it_is_accessible_idle_failing_and_done(open_page, files, device):
    page = open_page(**device)
    assert_accessible(page)
    page.locator("#files").set_input_files(files("stage.jpg", "notes.jpg"))
    rows = page.locator("#now-list .photo")
    expect(rows.filter(has_text="stage.jpg")).to_contain_text(READY, timeout=30_000)
    expect(rows.filter(has_text="notes.jpg")).to_contain_text("not a picture", timeout=30_000)
    page.locator("#warning").evaluate("(warning) => (warning.hidden = false)")
    page.locator("#warning-text").evaluate("(text) => (text.textContent = 'A warning.')")
    assert_accessible(page)


@pytest.mark.long  # so it is idle, failing and done
@BOTH
def test_it_is_accessible_while_sending(open_page, files, device):
    page = open_page(**device)
    page.route(re.compile("X-Amz-Signature"), lambda route: None)  # bytes leave, nothing answers
    page.locator("#files").set_input_files(files("stage.jpg", "crowd.jpg"))
    expect(page.locator("progress").first).to_be_visible()
    assert_accessible(page)


@pytest.fixture(scope="module")
def links(running_stack, host):
    """Addresses of links that take nothing, by why."""
    http = urllib3.PoolManager()
    root = running_stack["web_url"] + "/api/v1/"

    def post(path, body, headers=host):
        answer = http.request("POST", root + path, json=body, headers=headers)
        assert answer.status < 300, answer.data
        return answer.json()

    (team,) = http.request("GET", root + "teams/", headers=host).json()["results"]

    def link(name, closes_at=None, **more):
        group = post("groups/", {"team": team["id"], "name": name, "closes_at": closes_at})
        return post("invitations/", {"group": group["id"], "kind": "shared", **more})

    now = datetime.now(UTC)
    # A busy machine makes it before.
    expired = link("Expired", expires_at=(now + timedelta(seconds=5)).isoformat())
    closed = link("Closed", closes_at=(now - timedelta(days=1)).isoformat())
    full, revoked = link("Full", max_files=1), link("Revoked")
    file = {"filename": "a.jpg", "content_type": "image/jpeg", "size": 9}
    post("uploads/", {"files": [file]}, {"Authorization": f"Invitation {full['token']}"})
    post(f"invitations/{revoked['id']}/revoke/", {})
    time.sleep(max(0, 5.1 - (datetime.now(UTC) - now).total_seconds()))  # until it has expired
    paths = {"closed": closed, "full": full, "expired": expired, "revoked": revoked}
    return {why: f"/i/{row['token']}/" for why, row in paths.items()} | {
        "unknown": f"/i/{'A' * 43}/"
    }


@pytest.mark.parametrize(
    ("why", "says", "may_ask"),
    representative(  # test_upload_page.py reads the words of each
        [
            ("closed", "has closed this group", True),
            ("full", "This link is full", True),
            ("expired", "This link has expired", True),
            ("revoked", "This link was withdrawn", False),
            ("unknown", "This link is not known", False),
        ],
        lambda case: case[0] in {"closed", "revoked"},
    ),
)
def test_a_link_that_takes_nothing_is_kind_and_accessible(open_page, links, why, says, may_ask):
    page = open_page(links[why])
    expect(page.get_by_text(says).first).to_be_visible()
    assert page.locator("a[href^='mailto:']").count() == may_ask
    for device in [PHONE, DESKTOP]:
        page.set_viewport_size(device["viewport"])
        assert_accessible(page)


@BOTH
def test_without_javascript_it_is_a_form_that_sends(open_page, files, device):
    page = open_page(**device, java_script_enabled=False)
    assert page.locator("#camera").is_hidden()
    page.get_by_label("Your name").fill("Cleo by form")
    page.locator("#files").set_input_files(files("stage.jpg", "notes.jpg"))
    page.get_by_role("button", name="Send the photos").click()
    expect(page.locator("#outcomes h2")).to_have_text("1 of 2 arrived")
    outcomes = page.locator(".outcome")
    expect(outcomes.filter(has_text="stage.jpg")).to_contain_text("Arrived, being processed")
    expect(outcomes.filter(has_text="notes.jpg")).to_contain_text("This is not a picture.")
    expect(page.get_by_label("Your name")).to_have_value("Cleo by form")


@BOTH
def test_the_answer_to_the_form_is_accessible(open_page, files, device):
    """Its markup, seen by axe, which is a script: so here the modules are what does not load."""
    page = open_page(**device)
    page.context.route("**/*.js", lambda route: route.abort())
    page.reload()
    page.locator("#files").set_input_files(files("stage.jpg", "notes.jpg"))
    assert_accessible(page)
    page.get_by_role("button", name="Send the photos").click()
    expect(page.locator("#outcomes h2")).to_have_text("1 of 2 arrived")
    assert_accessible(page)


@pytest.mark.long  # test_languages.py, messages.test.mjs
@pytest.mark.parametrize("locale", representative(["de-DE", "fr-FR"], "fr-FR".__eq__))
def test_other_languages_fit_and_are_said_by_the_scripts_too(open_page, files, locale):
    page = open_page(locale=locale, viewport={"width": 320, "height": 640})
    assert page.locator("html").get_attribute("lang") == locale[:2]
    page.locator("#files").set_input_files(files("stage.jpg"))
    row = page.locator("#now-list .photo")
    expect(row).to_have_attribute("data-state", ARRIVED)
    expect(row).to_contain_text({"de-DE": "Angekommen", "fr-FR": "Arrivée"}[locale])
    expect(row).to_contain_text({"de-DE": "kB", "fr-FR": "ko"}[locale])
    summary = {"de-DE": "1 von 1 angekommen", "fr-FR": "1 sur 1 arrivée"}[locale]
    expect(page.locator("#summary-count")).to_have_text(summary)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert_accessible(page)


def test_by_keyboard_alone(open_page, files):
    page = open_page(**DESKTOP)
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Your name")).to_be_focused()
    page.keyboard.type("Cleo")
    page.keyboard.press("Enter")  # sends no form
    page.keyboard.press("Tab")
    expect(page.get_by_label("Choose photos")).to_be_focused()
    outline = page.locator("label[for=files]").evaluate("(one) => getComputedStyle(one).outline")
    assert "3px" in outline
    assert "none" not in outline
    with page.expect_file_chooser() as chosen:
        page.keyboard.press("Space")
    assert chosen.value.is_multiple()
    problem = {"type": "/problems/invitation-exhausted/", "title": "This link is full"}
    announcing = re.compile(r"/api/v1/uploads/$")
    page.route(
        announcing,
        lambda route: (
            route.fulfill(
                status=403, content_type="application/problem+json", body=json.dumps(problem)
            )
            if route.request.method == "POST"
            else route.continue_()
        ),
    )
    chosen.value.set_files(files("stage.jpg"))
    expect(page.locator(".photo-action").filter(has_text="Try again")).to_be_visible()
    page.unroute(announcing)
    retry = page.get_by_role("button", name=re.compile("Try again ?: stage.jpg"))
    for _link_before_it in range(4):
        page.keyboard.press("Tab")
        if retry.evaluate("(button) => button === document.activeElement"):
            break
    expect(retry).to_be_focused()
    page.keyboard.press("Enter")
    row = page.locator("#now-list .photo")
    expect(row).to_be_focused()  # where the button was
    expect(row).to_have_attribute("data-state", ARRIVED)


def test_a_screen_reader_is_told_once_it_is_done(open_page, files):
    page = open_page()
    spoken = page.get_by_role("status").filter(has_text="arrived")
    page.locator("#files").set_input_files(files("stage.jpg", "crowd.jpg"))
    expect(spoken).to_have_text(
        "2 of 2 arrived. Thank you! You can close this page.", timeout=30_000
    )


def test_who_wants_less_motion_gets_none(open_page, files):
    page = open_page(reduced_motion="reduce")
    page.route(re.compile("X-Amz-Signature"), lambda route: None)
    page.locator("#files").set_input_files(files("stage.jpg"))
    expect(page.locator(".photo progress")).to_be_visible()
    assert page.evaluate("document.getAnimations().length") == 0
    moving = page.evaluate(
        """() => [...document.querySelectorAll("*")].filter((one) =>
          ["", "::-webkit-progress-value"].some((part) =>
            !/^0s(, 0s)*$/.test(getComputedStyle(one, part || null).transitionDuration))).length"""
    )
    assert moving == 0


# --- By any means ---------------------------------------------------------------------------


def test_the_camera_takes_one_photo(open_page, files):
    page = open_page()
    button = page.get_by_role("button", name="Take a photo")
    expect(button).to_be_visible()  # camera.js listens, so the page's own listener comes after it
    page.evaluate(
        "document.querySelector('#files').addEventListener('click', ({ target }) =>"
        " (window.asked = [target.getAttribute('capture'), target.multiple]))"
    )
    with page.expect_file_chooser() as chosen:
        button.click()
    assert page.evaluate("window.asked") == ["environment", False]
    assert not chosen.value.is_multiple()
    chosen.value.set_files(files("camera.jpg"))
    expect(page.locator("#now-list .photo")).to_have_attribute("data-state", ARRIVED)
    # The other button still chooses many, from the library.
    with page.expect_file_chooser() as chosen:
        page.locator("label[for=files]").click()
    assert chosen.value.is_multiple()
    assert page.evaluate("window.asked") == [None, True]


def test_photos_chosen_before_the_script_runs_are_sent(open_page, files):
    page = open_page()
    held = []
    page.route("**/upload/page*.js", lambda route: held.append(route))
    page.reload(wait_until="commit")
    page.locator("input[type=file]").set_input_files(files("early.jpg"))
    while not held:
        page.wait_for_timeout(20)
    held.pop().continue_()
    expect(page.locator("#now-list .photo")).to_have_attribute("data-state", ARRIVED)


@pytest.mark.parametrize("means", ["drop", "paste"])
def test_photos_are_dropped_and_pasted(open_page, files, means):
    page = open_page(**DESKTOP)
    (path,) = files("stage.jpg")
    page.wait_for_load_state("networkidle")  # drop.js comes last
    page.evaluate(
        """([means, bytes]) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], "stage.jpg", { type: "image/jpeg" }));
          const event = means === "drop"
            ? new DragEvent("drop", { dataTransfer: data, cancelable: true, bubbles: true })
            : new ClipboardEvent("paste", { clipboardData: data, bubbles: true });
          document.body.dispatchEvent(event);
        }""",
        [means, list(path.read_bytes())],
    )
    expect(page.locator("#now-list .photo")).to_have_attribute("data-state", ARRIVED)


def test_text_can_still_be_pasted_into_the_name(open_page):
    page = open_page(**DESKTOP)
    page.get_by_label("Your name").focus()
    page.keyboard.insert_text("Cleo")
    page.keyboard.press("Control+A")
    page.keyboard.press("Control+C")
    page.keyboard.press("End")
    page.keyboard.press("Control+V")
    expect(page.get_by_label("Your name")).to_have_value("CleoCleo")
    expect(page.locator("#now")).to_be_hidden()


def test_the_link_is_taken_along_out_of_another_apps_browser(open_page, running_stack):
    page = open_page(user_agent=INSTAGRAM, permissions=["clipboard-read", "clipboard-write"])
    assert_accessible(page)
    page.get_by_role("button", name="Copy the link").click()
    expect(page.get_by_text("Link copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == running_stack["upload_link"]


# --- As its policy allows -------------------------------------------------------------------


def test_nothing_inline_and_nobody_else(open_page, running_stack, files):
    page = open_page()
    policy = page.request.get(running_stack["upload_link"]).headers["content-security-policy"]
    assert "unsafe" not in policy
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    page.locator("#files").set_input_files(files("stage.jpg"))
    expect(page.locator("#now-list .photo")).to_contain_text(READY, timeout=30_000)
    ours = (running_stack["web_url"], running_stack["s3_endpoint_url"], "blob:", "data:")
    assert asked
    assert [url for url in asked if not url.startswith(ours)] == []
