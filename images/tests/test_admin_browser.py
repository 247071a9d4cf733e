"""The overview of Django admin in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from images.tests import browsers
from images.tests.test_group_map_browser import hosted_group
from images.tests.test_own_photos_page import open_page
from images.tests.test_upload_page_browser import assert_accessible

__all__ = ["hosted_group", "open_page"]

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("stack")]

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 800}


def wider_than_the_page(page):
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")


@pytest.mark.parametrize(
    "viewport",
    [pytest.param(PHONE, id="phone"), pytest.param(DESK, id="desk", marks=pytest.mark.long)],
)
def test_an_operator_sees_charts_each_with_a_table(chromium, running_stack, hosted_group, viewport):
    url = f"{running_stack['web_url']}/admin/"
    with browsers.opening(chromium, browsers.blocks, viewport=viewport) as open_:
        page = open_(url)
        page.get_by_label("Email").fill(running_stack["admin_email"])
        page.get_by_label("Password").fill(running_stack["admin_password"])
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("row", name="Transforms")).to_be_visible()
        expect(page.locator('[data-table="uploads"] canvas')).to_be_visible()
        expect(page.locator('[data-table="times"] canvas')).to_be_visible()
        assert wider_than_the_page(page) <= 0
        page.locator("details:has(#uploads) summary").click()
        expect(page.locator("#uploads tbody tr")).to_have_count(30)
        assert wider_than_the_page(page) <= 0
        assert_accessible(page, ".overview")
