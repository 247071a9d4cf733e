"""The page "Try the bucket from this browser" in a real browser, with real faults on its way to the
store."""

from __future__ import annotations

import pytest
from django.test.testcases import LiveServerThread
from playwright.sync_api import expect

from bandpics.local import addresses
from bandpics.testing.fault_proxy import FaultProxy
from bandpics.users.models import User
from images.storage.objects import photo_storage
from images.tests import browsers
from images.tests.test_admin_browser import wider_than_the_page
from images.tests.test_upload_page_browser import assert_accessible

pytestmark = [pytest.mark.browser]

PHONE = {"width": 390, "height": 844}
PASSWORD = "grey horses on the lake"
CORS = {"Access-Control-Allow-Origin": "*", "Content-Type": "application/xml"}
SKEWED = b"<Error><Code>RequestTimeTooSkewed</Code></Error>"
GOOD = ["good"] * 6


@pytest.fixture(autouse=True, scope="module")
def _database_beside_playwright():
    """Playwright's own loop runs in this thread, and Django would take it for a view's."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield


@pytest.fixture
def proxy(settings):
    """What browsers reach: the store behind a proxy. The server reaches the store itself."""
    settings.MULTIPART_PART_BYTES = 512 * 1024
    settings.MULTIPART_THRESHOLD_BYTES = 2 * settings.MULTIPART_PART_BYTES
    settings.UPLOAD_STALL_SECONDS = 2
    with FaultProxy(settings.S3_ENDPOINT_URL) as proxy:
        lead_browsers_to(settings, proxy.url)
        yield proxy


def lead_browsers_to(settings, url):
    settings.S3_PUBLIC_ENDPOINT_URL = url
    directives = {**settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]}
    directives |= {"img-src": ["'self'", "data:", url], "connect-src": ["'self'", url]}
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": directives}
    settings.STORAGES = {**settings.STORAGES}  # its storage signs for that address


@pytest.fixture
def web(transactional_db):
    """The address of this process' own Django, whose settings tests may change. The usual fixture
    would look for static files by their names without hashes."""
    server = LiveServerThread(addresses.LOOPBACK, static_handler=lambda application: application)
    server.daemon = True
    server.start()
    server.is_ready.wait()
    assert server.error is None
    yield f"http://{server.host}:{server.port}"
    server.terminate()


@pytest.fixture
def open_trial(chromium, web, proxy, bucket):
    """Opens the page as an operator."""
    User.objects.create_superuser("root@example.org", PASSWORD)
    with browsers.opening(chromium, lambda said: False, viewport=PHONE) as open_:

        def open_trial_(**options):
            page = open_(f"{web}/admin/", **options)
            page.locator("[name=username]").fill("root@example.org")
            page.locator("[name=password]").fill(PASSWORD)
            page.locator("[type=submit]").click()
            page.locator('a[href$="/admin/bucket/"]').click()
            return page

        yield open_trial_


def tried(page):
    """Presses the button; returns {step: state} and what is said of those that do not work."""
    page.locator("#start").click()
    expect(page.locator("#start")).to_be_enabled()
    rows = page.locator("[data-step]").all()
    states = [row.get_attribute("data-state") for row in rows]
    return states, " ".join(page.locator(".why:visible").all_inner_texts())


def test_each_fault_is_told_from_the_others(open_trial, proxy, settings):
    page = open_trial()
    assert tried(page) == (GOOD, "")
    expect(page.get_by_role("status")).to_have_text(
        "Photos can be sent and shown from this browser."
    )
    assert proxy.count_requests("^PUT /.*/incoming/") == 2
    assert list(photo_storage().list_keys("")) == []
    assert_accessible(page, "#trial")
    assert wider_than_the_page(page) <= 0

    def with_fault(*states):
        found, said = tried(page)
        assert found == list(states), said
        proxy.close_connections()  # what it held back must not arrive now
        proxy.heal()
        assert list(photo_storage().list_keys("")) == []  # whatever happened
        return said

    # In the order of the page: server, clock, picture, shown, large, end.
    not_sent = ("good", "good", "bad", "skipped", "skipped", "good")
    proxy.answer(403, matching="^OPTIONS", times=None)
    assert "CORS: the store does not let pages" in with_fault(*not_sent)
    assert wider_than_the_page(page) <= 0

    proxy.answer(403, CORS, SKEWED, matching="^PUT", times=None)
    assert "NTP" in with_fault(*not_sent)

    proxy.answer(
        200, CORS, matching="^PUT", times=None
    )  # a portal: it takes all, and keeps nothing
    said = with_fault("good", "good", "good", "bad", "good", "bad")
    assert "another store or bucket" in said

    proxy.answer(413, matching="^PUT", times=None, skip=1)
    said = with_fault("good", "good", "good", "good", "bad", "good")
    assert "limits the size" in said

    proxy.stall(after_bytes=100_000, matching="^PUT", times=1, skip=1)
    said = with_fault("good", "good", "good", "good", "bad", "good")
    assert "stood still" in said

    proxy.answer(403, {}, b"<Error><Code>AccessDenied</Code></Error>", matching="^GET", times=None)
    said = with_fault("good", "good", "good", "bad", "good", "good")
    assert "denies access" in said

    proxy.down()
    assert f"Nobody answers at 127.0.0.1:{proxy.port}" in with_fault(*not_sent)
    assert tried(page) == (GOOD, "")

    lead_browsers_to(settings, f"http://127.0.0.1:{addresses.free_port(addresses.LOOPBACK)}")
    assert "(CSP)" in with_fault(*not_sent)  # the page was made for the store before


def test_it_speaks_german_and_french(open_trial, proxy):
    proxy.answer(403, matching="^OPTIONS", times=None)
    for locale, verdict, said in [
        ("de-DE", "Etwas geht nicht", "lässt Seiten von"),
        ("fr-FR", "Quelque chose ne fonctionne pas", "ne laisse pas"),
    ]:
        page = open_trial(locale=locale)
        _states, why = tried(page)
        assert said in why
        expect(page.get_by_role("status")).to_contain_text(verdict)
        assert wider_than_the_page(page) <= 0
