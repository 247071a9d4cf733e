"""Large files, sent in parts; the server does everything but the PUTs."""

from __future__ import annotations

import pytest

from images import tasks
from images.models import Upload
from images.storage.objects import ObjectMissing
from images.tests import drawn_pictures
from images.tests.guest_client import put
from images.uploads import transfer

pytestmark = pytest.mark.django_db
DATA = bytes(range(256)) * 100  # 25,600 bytes: parts of 10,000, 10,000 and 5,600


@pytest.fixture(autouse=True)
def small_parts(settings):
    settings.MULTIPART_THRESHOLD_BYTES = 16_000
    settings.MULTIPART_PART_BYTES = 10_000


def part(number: int) -> bytes:
    return DATA[(number - 1) * 10_000 : number * 10_000]


def send_part(cleo, ticket, number: int) -> None:
    signed = cleo.sign(ticket["id"], part=number)
    assert signed.status_code == 200, signed.json()
    assert put(signed.json(), part(number)).status == 200


def test_parts_in_any_order_become_one_object(cleo, bucket, tmp_path):
    ticket = cleo.announce_one(DATA)
    assert ticket["multipart"] == {"part_size": 10_000, "part_count": 3}
    for number in [1, 3, 2]:
        send_part(cleo, ticket, number)

    assert cleo.complete(ticket["id"]).status_code == 202

    upload = Upload.objects.get()
    bucket.download(upload.incoming_key, tmp_path / "joined")
    assert (tmp_path / "joined").read_bytes() == DATA


def test_missing_parts_are_named_and_can_follow(cleo, bucket):
    ticket = cleo.announce_one(DATA)
    send_part(cleo, ticket, 1)

    answer = cleo.complete(ticket["id"])
    assert answer.status_code == 409
    assert answer.json()["missing_parts"] == [2, 3]
    parts = cleo.client.get(f"/api/v1/uploads/{ticket['id']}/parts/").json()
    assert parts == {"part_size": 10_000, "part_count": 3, "parts": [{"part": 1, "size": 10_000}]}

    for number in [2, 3]:
        send_part(cleo, ticket, number)
    assert cleo.complete(ticket["id"]).status_code == 202
    assert cleo.complete(ticket["id"]).status_code == 200


def test_nothing_sent_yet_misses_all_parts(cleo, bucket):
    ticket = cleo.announce_one(DATA)
    assert cleo.client.get(f"/api/v1/uploads/{ticket['id']}/parts/").json()["parts"] == []
    assert cleo.complete(ticket["id"]).json()["missing_parts"] == [1, 2, 3]


def test_a_part_of_another_size_is_refused_by_the_store(cleo, bucket):
    ticket = cleo.announce_one(DATA)
    signed = cleo.sign(ticket["id"], part=3).json()
    assert put(signed, part(3) + b"x").status == 403


def test_a_part_that_is_short_has_not_arrived(cleo, bucket):
    """Signatures let none through; a store that kept what came of a broken connection might."""
    ticket = cleo.announce_one(DATA)
    for number in [1, 2, 3]:
        send_part(cleo, ticket, number)
    upload = Upload.objects.get()
    bucket.connection.meta.client.upload_part(
        Bucket=bucket.bucket_name,
        Key=upload.incoming_key,
        UploadId=upload.multipart_id,
        PartNumber=2,
        Body=part(2)[:-1],
    )
    assert cleo.complete(ticket["id"]).json()["missing_parts"] == [2]
    parts = cleo.client.get(f"/api/v1/uploads/{ticket['id']}/parts/").json()["parts"]
    assert [part["part"] for part in parts] == [1, 3]

    send_part(cleo, ticket, 2)
    assert cleo.complete(ticket["id"]).status_code == 202


@pytest.mark.parametrize(("part", "status"), [(0, 400), (4, 409), (10_001, 409), ("x", 400)])
def test_a_part_that_cannot_be_is_refused(cleo, bucket, part, status):
    ticket = cleo.announce_one(DATA)
    assert cleo.sign(ticket["id"], part=part).status_code == status


def test_a_small_file_has_no_parts(cleo, bucket):
    ticket = cleo.announce_one(b"small")
    assert cleo.sign(ticket["id"], part=1).status_code == 409
    assert cleo.client.get(f"/api/v1/uploads/{ticket['id']}/parts/").status_code == 409


def test_two_first_signatures_open_one_multipart(cleo, bucket):
    cleo.announce_one(DATA)
    first = Upload.objects.get()
    second = Upload.objects.get()
    transfer.sign_part(first, number=1)
    transfer.sign_part(second, number=2)
    assert first.multipart_id == second.multipart_id == Upload.objects.get().multipart_id


def test_parts_the_bucket_dropped_are_sent_anew(cleo, bucket):
    """A lifecycle rule aborts multipart uploads, or an operator does."""
    ticket = cleo.announce_one(DATA)
    send_part(cleo, ticket, 1)
    upload = Upload.objects.get()
    bucket.abort_multipart(upload.incoming_key, multipart_id=upload.multipart_id)
    assert cleo.complete(ticket["id"]).json()["missing_parts"] == [1, 2, 3]
    for number in [1, 2, 3]:
        send_part(cleo, ticket, number)
    assert cleo.complete(ticket["id"]).status_code == 202


def test_a_joined_object_of_another_size_is_sent_anew(cleo, bucket, tmp_path):
    ticket = cleo.announce_one(DATA)
    send_part(cleo, ticket, 1)
    (tmp_path / "x").write_bytes(b"short")
    upload = Upload.objects.get()
    bucket.abort_multipart(upload.incoming_key, multipart_id=upload.multipart_id)
    bucket.put_file(upload.incoming_key, tmp_path / "x", content_type="image/jpeg")
    assert cleo.complete(ticket["id"]).json()["type"] == "/problems/upload-mismatch/"
    for number in [1, 2, 3]:
        send_part(cleo, ticket, number)
    assert cleo.complete(ticket["id"]).status_code == 202


IN_TROUBLE = (
    200,
    {"Content-Type": "application/xml"},
    b"<Error><Code>InternalError</Code><Message>We encountered an error.</Message></Error>",
)


@pytest.mark.parametrize("how", ["no-answer", "silence", "200-with-an-error", "500"])
def test_what_the_store_joined_counts_whatever_it_answered(cleo, bucket, s3_proxy, how):
    """CompleteMultipartUpload may fail after it has begun to answer 200 (S3, "API reference"),
    and its answer may be lost although the object is there."""
    ticket = cleo.announce_one(DATA)
    for number in [1, 2, 3]:
        send_part(cleo, ticket, number)
    joining = r"^POST .*\?uploadId="
    fault = {
        "no-answer": lambda: s3_proxy.cut(direction="down", matching=joining),
        "silence": lambda: s3_proxy.stall(direction="down", matching=joining),
        "200-with-an-error": lambda: s3_proxy.answer(*IN_TROUBLE, matching=joining),
        "500": lambda: s3_proxy.answer(500, matching=joining),
    }[how]()

    answers = [cleo.complete(ticket["id"]).status_code]
    if answers == [503]:
        answers.append(cleo.complete(ticket["id"]).status_code)

    assert fault.hits == 1
    assert answers[-1] == 202
    assert bucket.head(Upload.objects.get().incoming_key).byte_size == len(DATA)


def test_cancelling_drops_the_parts(cleo, bucket):
    ticket = cleo.announce_one(DATA)
    send_part(cleo, ticket, 1)
    upload = Upload.objects.get()
    assert cleo.client.delete(f"/api/v1/uploads/{ticket['id']}/").status_code == 204
    assert list(bucket.list_keys("incoming/")) == []
    with pytest.raises(ObjectMissing):
        bucket.list_parts(upload.incoming_key, multipart_id=upload.multipart_id)


def test_a_large_photo_goes_all_the_way(cleo, bucket):
    data = drawn_pictures.jpeg(width=2400, height=1600, taken_at="2026:06:21 21:30:00")
    assert len(data) > 16_000
    ticket = cleo.announce_one(data)
    for number in range(1, ticket["multipart"]["part_count"] + 1):
        signed = cleo.sign(ticket["id"], part=number).json()
        assert put(signed, data[(number - 1) * 10_000 : number * 10_000]).status == 200
    assert cleo.complete(ticket["id"]).status_code == 202
    tasks.process_upload(ticket["id"])
    assert cleo.receipt()[0]["status"] == "done"
