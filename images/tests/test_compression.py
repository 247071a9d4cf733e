"""Lists and pages travel compressed; what tells a secret, or has an ETag to send back, does not."""

from __future__ import annotations

import gzip

import pytest

from images.tests import bulk_rows
from images.tests.guest_client import described

pytestmark = pytest.mark.django_db
GZIP = {"Accept-Encoding": "gzip, deflate, br"}


@pytest.fixture
def fifty(group):
    return [
        bulk_rows.photo(group, variants=("thumb", "small", "tile", "medium", "fullsize"))
        for _ in range(50)
    ]


@pytest.mark.parametrize("path", ["/api/v1/images/", "/groups/{group}/"])
def test_a_list_travels_compressed(ben, group, fifty, signed_in, path):
    client, path = signed_in(ben), path.format(group=group.pk)
    plain, packed = client.get(path), client.get(path, headers=GZIP)
    assert "Content-Encoding" not in plain.headers
    assert packed["Content-Encoding"] == "gzip"
    assert len(packed.content) < len(plain.content) / 5
    assert str(fifty[0].pk) in gzip.decompress(packed.content).decode()
    for answer in (plain, packed):
        assert "Accept-Encoding" in answer["Vary"]


def test_no_two_answers_need_be_of_one_length(ben, fifty, signed_in):
    """Who measures lengths to guess what else is on a page measures noise."""
    client = signed_in(ben)
    answers = [client.get("/api/v1/images/", headers=GZIP) for _ in range(20)]
    assert len({gzip.decompress(answer.content) for answer in answers}) == 1
    assert len({len(answer.content) for answer in answers}) > 1


def test_what_a_post_tells_is_not_compressed(cleo):
    body = {"files": [described(b"x")] * 20}
    answer = cleo.client.post("/api/v1/uploads/", body, headers=GZIP)
    assert answer.status_code == 201
    assert len(answer.content) > 5000
    assert "Content-Encoding" not in answer.headers


def test_an_etag_stays_strong_for_who_sends_it_back(ada, group, signed_in):
    client, path = signed_in(ada), f"/api/v1/groups/{group.pk}/"
    etag = client.get(path, headers=GZIP)["ETag"]
    answer = client.patch(path, {"name": "New"}, headers={**GZIP, "If-Match": etag})
    assert answer.status_code == 200
