"""What the upload page costs a phone with one bar of signal, as the server sends it."""

from __future__ import annotations

import gzip
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage

from groups import editing, logos
from images.photofile import logo

if TYPE_CHECKING:
    from images.tests.guest_client import Guest

pytestmark = pytest.mark.django_db

BUDGET_BYTES = 20 * 1024
MORE_BYTES = 1024
IMPORTS = re.compile(rb'from\s*"([^"]+)"|import\s*"([^"]+)"')


@pytest.fixture
def html(client, cleo: Guest) -> str:
    return client.get(urlsplit(cleo.invitation.upload_link).path).content.decode()


@pytest.fixture
def files(html) -> dict[str, bytes]:
    """Scripts and styles the page names, by address."""
    urls = set(re.findall(r'(?:href|src)="(/static/[^"]+\.(?:js|css))"', html))
    names = {url: url.removeprefix(settings.STATIC_URL) for url in urls}
    return {url: (settings.STATIC_ROOT / name).read_bytes() for url, name in names.items()}


def test_it_is_light(files):
    assert sum(len(gzip.compress(data, 9)) for data in files.values()) <= BUDGET_BYTES


def test_the_look_and_the_licence_of_a_group_add_little(client, cleo, files):
    """They are files of their own, so that groups without them do not pay."""
    group = cleo.invitation.group
    own = {"kind": "own", "text": "You may print my photos."}
    editing.change(group, {"accent_colour": "#aa3300", "licence": own})
    logos.replace(group, logo.Logo(b"a small PNG", 320, 160))
    page = client.get(urlsplit(cleo.invitation.upload_link).path).content.decode()
    named = set(re.findall(r'(?:href|src)="(/(?:static|look)/[^"]+\.(?:js|css))"', page))
    assert "/look/aa3300.css" in named
    more = [
        client.get(url).content
        if url.startswith("/look/")
        else (settings.STATIC_ROOT / url.removeprefix(settings.STATIC_URL)).read_bytes()
        for url in named - files.keys()
    ]
    assert len(more) == 4
    assert sum(len(gzip.compress(data, 9)) for data in more) <= MORE_BYTES


def test_nothing_is_fetched_that_the_page_does_not_name(files):
    """Each import that is not preloaded would cost another round trip."""
    for url, data in files.items():
        for found in IMPORTS.findall(data):
            name = next(filter(None, found)).decode().rpartition("/")[2]
            assert any(other.endswith("/" + name) for other in files), (url, name)


def test_what_readers_of_the_source_are_told_stays_at_home(files):
    assert all(files.values())
    assert not [url for url, data in files.items() if b"/*" in data or b"\n//" in data]


def test_names_are_hashed_so_that_browsers_keep_them(files):
    assert all(re.search(r"\.[0-9a-f]{12}\.(js|css)$", url) for url in files)
    assert staticfiles_storage.url("css/upload.css") in files


def test_the_page_itself_fits_the_first_round_trip(client, html):
    # Ten segments of 1460 bytes: RFC 6928.
    assert len(gzip.compress(html.encode())) <= 10 * 1460
