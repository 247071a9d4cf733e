"""The embedded S3 server treats simple clients as any S3 does."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import urllib3

from bandpics.local import s3_server
from images.storage import object_keys
from images.storage.objects import photo_storage

CLIENTS, ROUNDS = 3, 400


def test_no_put_fails_because_others_empty_the_folder():
    """A client that does not retry. Without the hidden file about three of 1,200 PUTs are a 500."""
    storage, http = photo_storage(), urllib3.PoolManager(retries=False, maxsize=CLIENTS)
    there = storage.client  # django-storages makes one for each thread

    def put_and_delete(_: int) -> list[int]:
        key = object_keys.incoming(uuid4())
        put = storage.presign_put(key, content_type="image/jpeg", byte_size=3)
        answer = http.request("PUT", put.url, headers=put.headers, body=b"abc")
        there.delete_object(Bucket=storage.bucket_name, Key=key)
        return answer.status

    with ThreadPoolExecutor(CLIENTS) as clients:
        statuses = Counter(clients.map(put_and_delete, range(CLIENTS * ROUNDS)))
    assert statuses == {200: CLIENTS * ROUNDS}


def test_what_keeps_the_folder_is_in_no_listing():
    storage = photo_storage()
    assert storage.exists(s3_server.KEEPER)
    assert s3_server.KEEPER not in [found.key for found in storage.list_keys("")]


def test_browsers_are_told_not_to_guess_what_an_object_is():
    url = photo_storage().presign_get(s3_server.KEEPER, content_type="image/jpeg")
    answer = urllib3.request("GET", url)
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
