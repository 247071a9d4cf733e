"""Photos that look alike in a real browser: a stack is opened, taken apart and made again."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from images.tests.evening import Evening
from images.tests.test_gallery_browser import PHONE, ids_on, open_gallery
from images.tests.test_stacks import scene
from images.tests.test_upload_page_browser import assert_accessible

__all__ = ["open_gallery"]

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("stack")]


@pytest.mark.long  # test_stacks.py sends the same forms
def test_a_stack_is_opened_taken_apart_and_made_again(running_stack, open_gallery):
    evening = Evening.begin(running_stack, "Alike", visibility="gallery", needs_approval=False)
    files = [scene(), scene(edge=800, quality=50), scene(edge=700, quality=60), scene(seed=8)]
    sharp, *copies, other = evening.send_files(files)
    alike = [sharp, *copies]
    evening.wait_until(lambda photo: photo["stack"], alike)

    # The gallery shows the sharpest, and how many more there are.
    page = open_gallery(evening, viewport=PHONE)
    assert set(ids_on(page)) == {sharp, other}
    expect(page.get_by_text("Of photos that look alike you see the sharpest.")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("link", name="2 more photos like this").click()
    heading = page.get_by_role("heading", name="Photos that look alike")
    expect(heading).to_be_visible()
    assert set(ids_on(page)) == set(alike)
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]

    # A guest sees them, too, and cannot take them apart.
    page.goto(evening.link + "photos/")
    page.get_by_role("link", name="2 more photos like this").click()
    expect(heading).to_be_visible()
    assert set(ids_on(page)) == set(alike)
    expect(page.get_by_role("button", name="Not alike: take apart")).to_have_count(0)
    expect(page.get_by_role("link", name="All photos 3")).to_have_count(0)  # there are 4
    assert_accessible(page)

    # Taken apart they stand alone; undone, the next sweep stacks them again.
    page.goto(f"{running_stack['web_url']}/groups/{evening.group_id}/")
    page.get_by_role("link", name="2 more photos like this").click()
    page.get_by_role("button", name="Not alike: take apart").click()
    expect(page.get_by_text("3 photos stand alone now.")).to_be_visible()
    assert set(ids_on(page)) == {*alike, other}
    assert not any(evening.photo(image_id)["stack"] for image_id in alike)
    assert_accessible(page)
    page.get_by_role("button", name="Undo").click()
    evening.wait_until(lambda photo: photo["stack"], alike)
    page.reload()
    expect(page.get_by_role("link", name="2 more photos like this")).to_be_visible()
    assert set(ids_on(page)) == {sharp, other}
