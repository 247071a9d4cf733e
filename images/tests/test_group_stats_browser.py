"""The page of a group in numbers, in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from images.tests.test_desk_browser import PASSWORD
from images.tests.test_group_map_browser import hosted_group
from images.tests.test_own_photos_page import open_page
from images.tests.test_upload_page_browser import assert_accessible

__all__ = ["hosted_group", "open_page"]

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("stack")]


def test_a_host_sees_charts_on_a_phone_and_opens_a_table(running_stack, open_page, hosted_group):
    account, group = hosted_group
    page = open_page(f"{running_stack['web_url']}/login/?next=/groups/{group}/stats/")
    page.get_by_label("E-mail").fill(account["email"])
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    chart = page.locator('[data-table="uploaders"] canvas')
    expect(chart).to_be_visible()
    expect(page.locator(".chart canvas")).to_have_count(6)
    assert_accessible(page)
    page.locator("details:has(#uploaders) summary").click()
    expect(page.locator("#uploaders tbody tr")).to_have_count(1)
    expect(page.locator("#uploaders")).to_contain_text("Hanna")
    assert_accessible(page)
