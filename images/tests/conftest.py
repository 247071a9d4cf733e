"""The cast: Ada runs the band, Ben is a member, Vera only looks, Cleo is a guest with a link,
Dora is a stranger."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
import urllib3
from playwright.sync_api import sync_playwright

from bandpics.ids import new_id
from bandpics.testing.fault_proxy import FaultProxy
from bandpics.testing.pytest_plugin import of_group, started_stack
from groups.tests.conftest import ada, ben, dora, group, signed_in, team, vera
from images.storage import client
from images.storage.objects import photo_storage
from images.tests import bad_network, browsers
from images.tests.caption_server import KEY, MODEL, CaptionServer
from images.tests.guest_client import Guest
from invitations.tests.factories import InvitationFactory
from invitations.tests.mail_server import MailServer

__all__ = ["ada", "ben", "dora", "group", "signed_in", "team", "vera"]


# The Chromium of the modules that follow each other, and the files that look at something in it.
_of_browser = ExitStack()
_browsers = []
_files_with_browser = set()
_is_shared = False


def pytest_collection_modifyitems(items):
    """First what shares a Chromium. Last the one that tries every verb as the admin: it uses what
    earlier answers named, and may withdraw the link that others open. How far it comes is a matter
    of time."""
    _files_with_browser.update(
        item.path for item in items if "chromium" in getattr(item, "fixturenames", ())
    )
    items.sort(key=lambda item: item.path not in _files_with_browser)
    items.sort(key=lambda item: item.path.name == "test_openapi.py")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item, nextitem):
    """Closes Chromium behind the last file of a group that uses it: while it is open, Playwright's
    event loop runs in this thread, in which Django then refuses to ask the database."""
    global _is_shared
    has_next = nextitem is not None and nextitem.path in _files_with_browser
    _is_shared = has_next and _group_of(nextitem) == _group_of(item)
    result = yield
    if not _is_shared:
        _of_browser.close()  # unless the fixture has, which it does before the database goes
    return result


def _group_of(item):
    return item.get_closest_marker("xdist_group")


@pytest.fixture(scope="session")
def impatient_stack(tmp_path_factory):
    """As running_stack, but its upload page gives up waiting, and its signatures end, soon;
    parts are small."""
    settings = {
        "UPLOAD_STALL_SECONDS": str(bad_network.STALL_SECONDS),
        "UPLOAD_URL_SECONDS": str(bad_network.URL_SECONDS),
        "UPLOAD_PART_BYTES": str(bad_network.PART_BYTES),
    }
    return of_group.enter_context(started_stack(tmp_path_factory.mktemp("impatient"), **settings))


@pytest.fixture(scope="session")
def smtp():
    """The mail server of mail_stack."""
    server = MailServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def caption_server():
    """The provider of captions of mail_stack."""
    server = CaptionServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def mail_stack(tmp_path_factory, smtp, caption_server):
    """As running_stack, but it sends its mails to `smtp`, asks `caption_server` for captions, and
    anybody may sign up. Mark tests that use it with `@pytest.mark.xdist_group("mail")`."""
    settings = {
        "EMAIL_URL": f"smtp://127.0.0.1:{smtp.port}",
        "REGISTRATION": "open",
        "CAPTION_PROVIDER": "openai",
        "CAPTION_API_KEY": KEY,
        "CAPTION_MODEL": MODEL,
        "CAPTION_BASE_URL": f"{caption_server.url}/v1",
    }
    return of_group.enter_context(started_stack(tmp_path_factory.mktemp("mail"), **settings))


@pytest.fixture(scope="session")
def host(running_stack):
    """Headers of somebody new on the running stack, with one team: what other tests do to the
    admin's is nothing to them."""
    return _registered(running_stack)


@pytest.fixture
def newcomer(running_stack):
    """As host, but of one test alone: no other test has left them an unfinished photo."""
    return _registered(running_stack)


def _registered(running_stack):
    account = {"email": f"{new_id()}@example.org", "password": "grey horses on the lake"}
    url = f"{running_stack['web_url']}/api/v1/users/"
    answer = urllib3.request("POST", url, json=account)
    assert answer.status == 201, answer.data
    return {"Authorization": f"Api-Key {answer.json()['api_key']}"}


@pytest.fixture
def invitation(group):
    return InvitationFactory(group=group, name="Cleo", email="cleo@example.org")


@pytest.fixture
def cleo(invitation):
    return Guest(invitation)


@pytest.fixture(scope="module")
def chromium():
    """One for all files, because its start costs more than most of them; each has contexts of its
    own."""
    if _browsers and not _browsers[0].is_connected():
        _of_browser.close()
    if not _browsers:
        playwright = _of_browser.enter_context(sync_playwright())
        _browsers.append(browsers.launch(playwright))
        _of_browser.callback(lambda: _browsers.pop().close())
    browser = _browsers[0]
    yield browser
    for context in browser.contexts:
        context.close()
    if not _is_shared:
        _of_browser.close()


@pytest.fixture
def bucket():
    """The real one, emptied before, because tests without this fixture may have sent photos, and
    afterwards."""
    bucket = photo_storage()
    empty(bucket)
    yield bucket
    empty(bucket)


def empty(bucket):
    bucket.delete_keys([found.key for found in bucket.list_keys("")])
    for found in bucket.open_multiparts(""):
        bucket.abort_multipart(found.key, multipart_id=found.multipart_id)


@pytest.fixture
def s3_proxy(settings, monkeypatch):
    """The store behind a proxy that breaks on request, and clients that wait less."""
    quick = {"read_timeout": 0.3, "retries": {"mode": "standard", "total_max_attempts": 2}}
    monkeypatch.setattr(client, "CONFIG", client.CONFIG | quick)
    with FaultProxy(settings.S3_ENDPOINT_URL) as proxy:
        stores = settings.STORAGES
        options = {**stores["default"]["OPTIONS"], "endpoint_url": proxy.url}
        settings.STORAGES = {**stores, "default": {**stores["default"], "OPTIONS": options}}
        settings.S3_PUBLIC_ENDPOINT_URL = proxy.url
        yield proxy
