"""A host corrects the clock of a camera in a real browser, and takes that back."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from images.tests.evening import Evening
from images.tests.test_browser import open_page, sign_in
from images.tests.test_upload_page_browser import assert_accessible

__all__ = ["open_page", "sign_in"]

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("stack")]

PHONE = {"width": 390, "height": 844}


def test_a_host_sees_what_a_correction_changes_corrects_and_takes_it_back(running_stack, sign_in):
    evening = Evening.begin(running_stack, "Wrong clock")
    evening.send(2, first=600, taken_at="2026:06:21 21:30:00", make="Good", model="Clock")
    (late,) = evening.send(1, first=602, taken_at="2026:06:21 20:45:00", make="Slow", model="Clock")
    page = sign_in(f"/groups/{evening.group_id}/settings/", viewport=PHONE)

    def taken():
        return evening.photo(late)["taken_at_local"]

    page.get_by_role("link", name="Camera clocks").click()
    expect(page.get_by_role("heading", name="Camera clocks")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("link", name=re.compile("Correct.*Cleo, Slow Clock")).click()

    # Nothing is changed without saying by how much, nor by the preview.
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("alert")).to_have_text("Say by how much.")
    assert_accessible(page)
    page.get_by_label("Hours").fill("1")
    page.get_by_label("Minutes").fill("5")
    page.get_by_role("button", name="Preview").click()
    preview = page.get_by_role("region", name="Times after the correction")
    expect(preview.get_by_role("listitem")).to_have_count(1)
    expect(preview.get_by_text("21 June 2026, 20:45")).to_be_visible()
    expect(preview.get_by_text("21 June 2026, 21:50")).to_be_visible()
    expect(preview.get_by_role("img")).to_have_count(2)  # the photo, and the one it comes after
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert taken().startswith("2026-06-21T20:45")

    preview.get_by_role("button", name="Correct all photos of this camera").click()
    expect(page.get_by_text("The times are corrected.")).to_be_visible()
    expect(page.get_by_text("Corrected by +1 hour 5 minutes")).to_have_count(1)
    assert_accessible(page)
    assert taken().startswith("2026-06-21T21:50")

    page.get_by_role("button", name=re.compile("Undo.*Cleo, Slow Clock")).click()
    expect(page.get_by_text("The times are again as the camera wrote them.")).to_be_visible()
    expect(page.get_by_text("Corrected by")).to_have_count(0)
    assert taken().startswith("2026-06-21T20:45")
