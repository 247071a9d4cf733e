"""The browsable API in a real Chromium: a person reads, makes, changes and sends by its pages."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from images.tests import browsers, drawn_pictures

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("stack")]

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}


def is_complaint(said):
    """An answer that the API refuses is no fault of the page."""
    return said.type == "error" and "status of 4" not in said.text


@pytest.fixture
def api(chromium, running_stack):
    """Opens a page of the API, signed in; it may break no script and no policy of ours."""
    root = f"{running_stack['web_url']}/api/v1/"
    with browsers.opening(chromium, is_complaint, viewport=DESKTOP) as open_:

        def open_api(path="", **options):
            page = open_(root, **options)
            page.get_by_role("link", name="Sign in").click()
            page.get_by_label("E-mail").fill(running_stack["admin_email"])
            page.get_by_label("Password").fill(running_stack["admin_password"])
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(root)
            if path:
                page.goto(root + path)
            return page

        yield open_api


def shoot(page, name):
    """Keeps a picture of the page where a person asked for them."""
    folder = os.environ.get("BANDPICS_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_a_person_finds_every_resource_from_the_root(api):
    page = api()
    shoot(page, "root")
    for name in ("teams", "groups", "invitations", "uploads", "images", "users/me/keys", "stats"):
        link = page.locator(".response-info a", has_text=f"/api/v1/{name}/").first
        assert page.request.get(link.get_attribute("href")).ok
    page.get_by_role("button", name="Sign out").click()
    page.goto(page.url.partition("/login")[0].rstrip("/") + "/api/v1/")
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()


@pytest.mark.long  # a photo is, below, in each run
def test_a_group_is_made_and_changed_by_its_forms(api):
    page = api("groups/")
    form = page.locator("#post-object-form form")
    form.locator("[name=name]").fill("Autumn concert")
    form.locator("[name=latitude]").fill("120")
    form.get_by_role("button", name="POST").click()
    wrong = form.locator(".form-group", has=page.locator("[name=latitude]"))
    expect(wrong.locator(".help-block").first).to_contain_text("less than or equal to 90")
    expect(form.locator("[name=name]")).to_have_value("Autumn concert")
    shoot(page, "wrong")

    form.locator("[name=latitude]").fill("48.2")
    form.locator("[name=longitude]").fill("16.4")
    form.get_by_role("button", name="POST").click()
    expect(page.locator(".response-info")).to_contain_text("HTTP 201 Created")

    page.locator(".response-info a[href*='/groups/']").first.click()
    form = page.locator("#patch-object-form")
    expect(form.locator("[name=name]")).to_have_value("Autumn concert")
    form.locator("[name=venue]").fill("The old bandstand")
    form.get_by_role("button", name="PATCH").click()
    expect(page.locator(".response-info")).to_contain_text('"venue": "The old bandstand"')
    shoot(page, "group")


@pytest.mark.long  # test_image_filters.py
def test_a_list_is_narrowed_by_its_filter_panel(api):
    page = api("invitations/")
    page.get_by_role("button", name="Filters").click()
    panel = page.locator("#filtersModal")
    panel.locator("[name=kind]").select_option("shared")
    shoot(page, "filters")
    panel.locator("button[type=submit]").click()
    page.wait_for_url("**/invitations/?kind=shared")
    expect(page.locator(".response-info")).to_contain_text('"kind": "shared"')


def test_a_photo_is_sent_and_described_by_forms(api, tmp_path):
    photo = tmp_path / "stage.jpg"
    photo.write_bytes(drawn_pictures.jpeg(seed=31, taken_at="2026:06:21 22:45:00"))
    page = api("groups/")
    group = page.locator(".response-info a[href*='/groups/']").first.inner_text()
    page.goto(page.url.replace("groups/", "images/"))
    form = page.locator("#post-object-form form")
    form.locator("[name=file]").set_input_files(photo)
    form.locator("[name=group]").fill(group)
    form.get_by_role("button", name="POST").click()
    expect(page.locator(".response-info")).to_contain_text("HTTP 202 Accepted")

    page.locator(".response-info a[href*='/images/']").first.click()
    answer = page.locator(".response-info")
    for _ in range(60):
        if '"status": "done"' in answer.inner_text():
            break
        page.wait_for_timeout(500)
        page.reload()
    form = page.locator("#patch-object-form")
    form.locator("[name=caption]").fill("The encore")
    form.get_by_role("button", name="PATCH").click()
    expect(answer).to_contain_text('"caption": "The encore"')
    expect(answer).to_contain_text('"taken_at_local": "2026-06-21T22:45:00"')
    expect(form.locator("[name=caption]")).to_have_value("The encore")
    expect(form.locator("[name=byte_size]")).to_have_count(0)  # what is shown, and not sent
    shoot(page, "image")

    page.goto(page.url + "file/")  # another file for it
    form = page.locator("#patch-object-form")
    form.locator("[name=file]").set_input_files(
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"these are notes"}
    )
    form.get_by_role("button", name="PATCH").click()
    wrong = form.locator(".form-group", has=page.locator("[name=file]"))
    expect(wrong.locator(".help-block").first).to_contain_text("This kind of file cannot be sent")


@pytest.mark.long  # test_every_page.py looks at ours
@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.long)])
@pytest.mark.parametrize(
    "size",
    [pytest.param(PHONE, id="phone"), pytest.param(DESKTOP, id="desktop", marks=pytest.mark.long)],
)
def test_no_page_is_wider_than_its_screen(api, scheme, size):
    page = api(viewport=size, color_scheme=scheme)
    for path in ("", "groups/", "images/", "uploads/", "users/me/"):
        page.goto(page.url.partition("/api/v1/")[0] + "/api/v1/" + path)
        shoot(page, f"{path.replace('/', '-')}{scheme}-{size['width']}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
