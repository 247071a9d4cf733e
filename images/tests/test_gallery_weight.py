"""What a gallery of 60 photos costs a browser, as the server sends it."""

from __future__ import annotations

import gzip
import json
import random
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from images.models import Image, Variant
from images.photofile import variants
from images.tests import bulk_rows

pytestmark = pytest.mark.django_db

SCRIPTS_AND_STYLES_BYTES = 100 * 1024
HTML_BYTES = 25 * 1024
IMPORTS = re.compile(rb'(?:from|import)\s*\(?\s*"([^"]+)"')
STATIC = re.compile(r'"(/static/[^"]+\.(?:js|css))"')


def fill(group, count):
    """Photos of a wedding: of thirty guests, some with a caption, each with its few bytes."""
    chance = random.Random(1)
    start = datetime(2026, 6, 20, 14, tzinfo=UTC)
    for number in range(count):
        taken = start + timedelta(minutes=17 * number)
        width, height = chance.choice([(4032, 3024), (3024, 4032), (4000, 2250)])
        image = bulk_rows.photo(
            group,
            uploader_name=f"{chance.choice(['Cléo', 'Ben', 'Zoë'])} {chance.randrange(10)}",
            caption="The first dance, and the rain that came with it" if number % 4 == 0 else "",
            taken_at_local=taken,
            sort_at=taken,
            width=width,
            height=height,
            placeholder=chance.randbytes(60),
            moderation=Image.Moderation.PENDING,
        )
        for spec in variants.ALL:
            size = spec.output_size((width, height))
            Variant.objects.create(
                image=image,
                version=1,
                name=spec.name,
                key=f"{group.pk}/{spec.name}/{image.pk}-1.jpg",
                width=size[0],
                height=size[1],
                byte_size=1000,
                content_type="image/jpeg",
            )


@pytest.fixture
def host(ada, signed_in):
    """Who may do most with a photo, and so is shown most."""
    return signed_in(ada)


def test_sixty_photos_travel_in_25_kib(group, host):
    fill(group, 60)
    url = f"/groups/{group.pk}/"
    page = host.get(url, headers={"Accept-Encoding": "gzip"})
    assert page["Content-Encoding"] == "gzip"
    html = gzip.decompress(page.content).decode()
    assert html.count("data-full=") == html.count('class="placeholder"') == 60
    assert len(page.content) <= HTML_BYTES


def test_scripts_and_styles_are_light(group, host):
    fill(group, 1)
    html = host.get(f"/groups/{group.pk}/").content.decode()
    files = loaded_by(html)
    names = " ".join(files)
    for name in ("photoswipe.esm", "photoswipe.", "gallery/lightbox.", "gallery/select."):
        assert name in names
    assert "leaflet" not in names
    assert sum(len(gzip.compress(data, 9)) for data in files.values()) <= SCRIPTS_AND_STYLES_BYTES


def loaded_by(html):
    """The scripts and styles of a page, and what they import, by address."""
    packages = json.loads(re.search(r'<script type="importmap"[^>]*>(.*?)</script>', html, re.S)[1])
    without_map = html.replace(json.dumps(packages), "")
    head = re.sub(r'<script type="importmap".*?</script>', "", without_map, flags=re.S)
    waiting, files = STATIC.findall(head), {}
    while waiting:
        url = waiting.pop()
        if url in files:
            continue
        files[url] = (settings.STATIC_ROOT / url.removeprefix(settings.STATIC_URL)).read_bytes()
        if url.endswith(".js"):
            names = [found.decode() for found in IMPORTS.findall(files[url])]
            waiting += [packages["imports"].get(name) or beside(url, name) for name in names]
    return files


def beside(url, name):
    folder = url.split("/")[:-1]
    for part in name.split("/"):
        if part == "..":
            folder.pop()
        elif part != ".":
            folder.append(part)
    return "/".join(folder)


def test_more_photos_take_no_more_queries(group, host):
    url = f"/groups/{group.pk}/"
    fill(group, 2)
    host.get(url)
    with CaptureQueriesContext(
        connection,
    ) as few:
        host.get(url)
    fill(group, 40)
    with CaptureQueriesContext(connection) as many:
        host.get(url)
    assert len(many) == len(few) <= 16


def test_the_address_of_each_size_is_given_once(group, host):
    """The lightbox takes its small picture from the tile: signatures do not compress."""
    fill(group, 3)
    html = host.get(f"/groups/{group.pk}/").content.decode()
    for image in Image.objects.all():
        for name, times in {"thumb": 2, "tile": 1, "medium": 0, "fullsize": 1, "small": 0}.items():
            assert html.count(f"/{name}/{image.pk}-1.jpg") == times
