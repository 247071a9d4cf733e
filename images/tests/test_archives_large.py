"""Archives of many gigabytes: the format beyond 4 GiB, and the memory of the worker.

The store is one of its own: that of the other tests would hold each ZIP in memory.
"""

from __future__ import annotations

import io
import os
import threading
import zipfile

import psutil
import pytest
import urllib3

from bandpics.testing.streaming_store import streaming_store
from images.archives import building, preparing
from images.models import Archive
from images.storage.objects import photo_storage
from images.tests import archive_reader as reader
from images.tests import bulk_rows, drawn_pictures
from images.tests.guest_client import send_as_member

pytestmark = [pytest.mark.long, pytest.mark.django_db(transaction=True)]

MB = 1_000_000
# Three parts of 8 MiB, and what threads and connections take.
MEMORY = 34 * 1024 * 1024


@pytest.fixture
def large_store(settings, tmp_path):
    """Writes parts of a multipart upload to disk as they come."""
    options = settings.STORAGES["default"]["OPTIONS"]
    keys = {name: options[name] for name in ("access_key", "secret_key")}
    with streaming_store(tmp_path, bucket=settings.S3_BUCKET, **keys) as url:
        store = {**settings.STORAGES["default"], "OPTIONS": {**options, "endpoint_url": url}}
        settings.STORAGES = {**settings.STORAGES, "default": store}
        settings.S3_PUBLIC_ENDPOINT_URL = url
        yield tmp_path / settings.S3_BUCKET


@pytest.fixture
def many(large_store, ada, group, signed_in, monkeypatch):
    """Photos that are all the same object of the bucket; returns what makes so many."""
    key = f"{group.pk}/original/one.jpg"

    def make(count, byte_size):
        content = io.BytesIO(os.urandom(byte_size))
        about = {"byte_size": byte_size, "content_type": "image/jpeg"}
        photo_storage().put_stream(key, content, **about)
        for _ in range(count):
            bulk_rows.photo(group, byte_size=byte_size, uploader_name="Eva")
        prepare = preparing.prepare

        def prepare_with_one_object(claim):
            is_begun = prepare(claim)
            claim.archive.entries.update(key=key, sha256="")
            return is_begun

        monkeypatch.setattr(preparing, "prepare", prepare_with_one_object)

    return make


class Peak:
    """The most memory this process has while the block runs, above what it had before."""

    def __enter__(self):
        self._process, self._done, self.bytes = psutil.Process(), threading.Event(), 0
        self._idle = self._process.memory_info().rss
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self):
        while not self._done.wait(0.02):
            self.bytes = max(self.bytes, self._process.memory_info().rss - self._idle)

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()


@pytest.mark.parametrize("byte_size", [4 * MB, 40 * MB], ids=["photos", "raw"])
def test_ten_gigabytes_take_no_more_memory_than_ten_photos(
    byte_size, many, ada, group, signed_in, large_store
):
    warm = send_as_member(signed_in(ada), group, drawn_pictures.jpeg(), filename="warm.jpg")
    reader.built(signed_in(ada), group, what={"images": [str(warm.pk)]})
    many(10_000 * MB // byte_size, byte_size)
    archive_id = reader.ordered(signed_in(ada), group, what={"uploader": "Eva"})["id"]
    with Peak() as peak:
        archive = reader.build(archive_id)
    assert archive.state == "ready"
    assert archive.total_bytes > 10_000 * MB
    assert peak.bytes <= MEMORY, f"{peak.bytes / 2**20:.0f} MiB above idle"
    path = large_store / archive.key
    assert path.stat().st_size == archive.total_bytes
    with zipfile.ZipFile(path) as file:
        assert len(file.infolist()) == archive.file_count + 1
        last = file.infolist()[-2]
        assert last.header_offset > 2**32
        assert len(file.read(last)) == byte_size
    reader.assert_no_fault(path, by="unzip")
    reader.assert_no_fault(path, by="7z")
    shown = signed_in(ada).get(f"{reader.path_of(group)}{archive_id}/").json()
    rest = urllib3.request("GET", shown["url"], headers={"Range": "bytes=9000000000-9000000009"})
    assert len(rest.data) == 10


def test_a_large_one_goes_on_where_its_worker_stopped(many, ada, group, signed_in, tmp_path):
    many(100, 4 * MB)
    archive_id = reader.ordered(signed_in(ada), group)["id"]
    assert building.build(archive_id, seconds=0) is False
    before = Archive.objects.get(pk=archive_id).written_bytes
    assert before > 0
    archive = reader.build(archive_id)
    assert archive.build_number == 1
    path = tmp_path / "large.zip"
    photo_storage().download(archive.key, path)
    with zipfile.ZipFile(path) as file:
        assert len(file.infolist()) == 101
        assert file.testzip() is None
