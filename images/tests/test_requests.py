"""Our own requests to the store, through a proxy that breaks them: what is tried again, and what
is said in the end."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from botocore.httpsession import URLLib3Session

from bandpics.testing.fault_proxy import SLOW_DOWN
from images.storage import client
from images.storage.objects import ObjectMissing, StorageUnavailable, photo_storage


@pytest.fixture
def store(s3_proxy, bucket, monkeypatch):
    monkeypatch.setattr(client.random, "uniform", lambda low, high: 0.0)
    return photo_storage()


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo"
    path.write_bytes(bytes(range(256)) * 12_000)  # three chunks
    return path


def put(store, photo):
    store.put_file("g/thumb/x.jpg", photo, content_type="image/jpeg")


def test_what_is_put_comes_back_whole(store, photo, tmp_path):
    put(store, photo)
    store.download("g/thumb/x.jpg", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == photo.read_bytes()
    head = store.head("g/thumb/x.jpg")
    assert head.byte_size == photo.stat().st_size
    assert abs(datetime.now(UTC) - head.modified_at) < timedelta(minutes=1)


def test_an_empty_file_can_be_put(store, tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    put(store, tmp_path / "empty")
    assert store.head("g/thumb/x.jpg").byte_size == 0


@pytest.mark.parametrize("trouble", [(500,), SLOW_DOWN], ids=["500", "slow down"])
def test_a_put_is_tried_three_times_with_all_its_bytes(store, s3_proxy, photo, trouble):
    s3_proxy.answer(*trouble, times=2, matching="^PUT")
    put(store, photo)
    assert store.head("g/thumb/x.jpg").byte_size == photo.stat().st_size
    s3_proxy.answer(*trouble, times=3, matching="^PUT")
    with pytest.raises(StorageUnavailable):
        put(store, photo)


def test_a_connection_that_breaks_is_made_again(store, s3_proxy, photo, tmp_path):
    put(store, photo)
    s3_proxy.close_connections()
    store.download("g/thumb/x.jpg", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == photo.read_bytes()


def test_a_refusal_is_not_tried_again_and_betrays_no_signature(store, s3_proxy, photo):
    s3_proxy.answer(403, times=1, matching="^PUT")
    with pytest.raises(StorageUnavailable) as refused:
        put(store, photo)
    assert "403" in str(refused.value)
    s3_proxy.down()
    with pytest.raises(StorageUnavailable) as silent:
        put(store, photo)
    assert "g/thumb/x.jpg" in str(silent.value)
    assert "Signature" not in str(silent.value)
    s3_proxy.up()


def test_a_download_that_ends_early_is_no_photo(store, s3_proxy, photo, tmp_path):
    put(store, photo)
    s3_proxy.cut(after_bytes=1_000_000, direction="down", matching="^GET")
    with pytest.raises(StorageUnavailable):
        store.download("g/thumb/x.jpg", tmp_path / "back")


def test_what_is_not_there_is_missing_and_safe_to_delete(store, tmp_path):
    with pytest.raises(ObjectMissing):
        store.head("g/thumb/none.jpg")
    with pytest.raises(ObjectMissing):
        store.download("g/thumb/none.jpg", tmp_path / "back")
    store.delete_keys(["g/thumb/none.jpg"])


def test_a_pause_before_each_try_but_the_first(s3_proxy, bucket, photo, monkeypatch):
    pauses: list[float] = []
    monkeypatch.setattr(client.random, "uniform", lambda low, high: high)
    monkeypatch.setattr(time, "sleep", pauses.append)
    s3_proxy.answer(500, times=2, matching="^PUT")
    put(photo_storage(), photo)
    assert [pause for pause in pauses if pause >= 1] == [1, 2]


def test_our_requests_go_over_the_connections_of_botocores_client(store):
    """The one place where we use a private attribute of botocore: an update may rename it."""
    assert isinstance(client.http_session(store.client), URLLib3Session)
