"""Numbers over the photos a member may see."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
import redis
from django.conf import settings
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from groups.tests.factories import GroupFactory
from images.models import CaptionUsage, GeneratedCaption, Transform, Upload, Variant
from images.photofile.transforms.spec import Spec
from images.tests.bulk_rows import photo, refused, upload

pytestmark = pytest.mark.django_db

URL = "/api/v1/stats/"
TODAY = datetime.now(UTC)
HALF_A_MINUTE = timedelta(seconds=30)
QUERIES = 15  # whether there are many photos, which groups, eleven that count, groups, the queue


def since_import() -> float:
    """Seconds since TODAY, which a long run reads long before a test."""
    return (datetime.now(UTC) - TODAY).total_seconds()


@pytest.fixture
def told(ben, signed_in):
    client = signed_in(ben)

    def ask(**query):
        answer = client.get(URL, query)
        assert answer.status_code == 200, answer.json()
        return answer.json()

    return ask


@pytest.fixture
def album(group):
    """Made by hand: ten photos here, and one of another team."""
    apple = {"camera_make": "Apple", "camera_model": "iPhone 13"}
    canon = {"camera_make": "Canon", "camera_model": "EOS 5D"}
    days = [0, 0, 1, 1, 29]
    for number, ago in enumerate(days):
        photo(
            group,
            variants=("thumb", "medium"),
            byte_size=1000 * (number + 1),
            processing_ms=100 * (number + 1),
            content_type="image/heic" if number < 2 else "image/jpeg",
            uploaded_at=TODAY - timedelta(days=ago),
            uploader_name="Ada" if number < 2 else "Ben",
            **(apple if number < 3 else canon),
        )
    old = TODAY - timedelta(days=30)
    photo(group, status="queued", byte_size=None, uploaded_at=TODAY)
    photo(group, status="failed", byte_size=None, uploaded_at=old)
    photo(group, status="discarded", byte_size=None, uploaded_at=TODAY)
    dropped = photo(group, byte_size=7, original_dropped_at=TODAY, uploaded_at=old)
    upload(dropped, status="queued", version=2, uploaded_at=TODAY)
    photo(group, byte_size=50, trashed_at=TODAY, variants=("thumb",), uploaded_at=old, **apple)
    photo(GroupFactory(), byte_size=9999, processing_ms=9999, variants=("thumb",), **canon)


def test_the_numbers_are_right(album, told):
    found = told()
    assert found["totals"] == {"groups": 1, "photos": 6, "trashed": 1, "transforms": 0}
    assert found["statuses"] == {
        "pending": 0,
        "queued": 2,
        "processing": 0,
        "done": 5,
        "duplicate": 0,
        "failed": 1,
        "discarded": 1,
    }
    assert found["processing"] == {"average_ms": 300.0, "p95_ms": pytest.approx(480.0)}
    assert found["queue"]["waiting"] == 2
    assert found["queue"]["oldest_seconds"] < since_import() + 60
    assert found["failures"] == {"damaged": 1}
    assert found["uploaders"] == [
        {"name": "Ben", "count": 3, "bytes": 12_000},
        {"name": "Ada", "count": 2, "bytes": 3000},
    ]
    assert found["bytes"] == {"originals": 15_050, "variants": 1100, "archives": 0, "transforms": 0}
    assert found["formats"] == [{"format": "jpeg", "count": 4}, {"format": "heic", "count": 2}]
    assert found["cameras"] == [
        {"make": "Apple", "model": "iPhone 13", "count": 3},
        {"make": "Canon", "model": "EOS 5D", "count": 2},
    ]


def test_every_one_of_the_last_30_days_is_there(album, told):
    days = told()["uploads_per_day"]
    today = datetime.now(UTC).date()
    assert [date.fromisoformat(day["date"]) for day in days] == [
        today - timedelta(days=ago) for ago in range(29, -1, -1)
    ]
    counts = [day["count"] for day in days]
    assert counts[0] == 1
    assert counts[-2:] == [2, 4]
    assert sum(counts) == 7


def test_an_empty_team_has_zeros(told):
    found = told()
    assert found["totals"] == {"groups": 0, "photos": 0, "trashed": 0, "transforms": 0}
    assert set(found["statuses"].values()) == {0}
    assert found["processing"] == {"average_ms": None, "p95_ms": None}
    assert found["bytes"] == {"originals": 0, "variants": 0, "archives": 0, "transforms": 0}
    assert found["formats"] == found["cameras"] == []
    assert [day["count"] for day in found["uploads_per_day"]] == [0] * 30


def test_only_the_ten_most_frequent_cameras_are_named(group, told):
    for number in range(12):
        photo(group, camera_make="Maker", camera_model=f"{number:02}")
    photo(group, camera_make="Maker", camera_model="11")
    cameras = told()["cameras"]
    assert [camera["model"] for camera in cameras] == ["11", *(f"{n:02}" for n in range(9))]


def test_one_group_can_be_asked_for(album, group, told):
    other = GroupFactory(team=group.team)
    photo(other, byte_size=3)
    assert told()["totals"] == {"groups": 2, "photos": 7, "trashed": 1, "transforms": 0}
    found = told(group=str(other.pk))
    assert found["totals"] == {"groups": 1, "photos": 1, "trashed": 0, "transforms": 0}
    assert found["bytes"]["originals"] == 3


def test_viewers_and_owners_see_the_same(album, ada, vera, signed_in, told):
    def lasting(found):
        queue = {**found["queue"], "oldest_seconds": None}
        return {**found, "queue": queue, "counted_at": None}

    for user in (ada, vera):
        assert lasting(signed_in(user).get(URL).json()) == lasting(told())


def test_a_stranger_counts_nothing_and_finds_no_group(album, dora, group, signed_in):
    client = signed_in(dora)
    assert client.get(URL).json()["totals"] == {
        "groups": 0,
        "photos": 0,
        "trashed": 0,
        "transforms": 0,
    }
    assert client.get(URL, {"group": str(group.pk)}).status_code == 404


def test_numbers_are_not_for_guests(cleo, group):
    answer = cleo.client.get(URL)
    assert answer.status_code == 403
    assert answer.json()["type"] == "/problems/permission-denied/"
    assert cleo.client.get(URL, {"group": str(group.pk)}).status_code == 403


def test_nobody_is_asked_to_sign_in(client, db):
    assert client.get(URL).status_code == 401


@pytest.mark.parametrize("value", ["nonsense", "", "1"])
def test_a_group_that_is_no_id_is_named(ben, signed_in, value):
    assert refused(signed_in(ben).get(URL, {"group": value})) == {"#/group"}


def test_messages_that_wait_in_redis_are_counted(told):
    client = redis.Redis.from_url(settings.REDIS_URL)
    before = told()["queue"]["broker"]
    client.rpush(settings.CELERY_TASK_DEFAULT_QUEUE, "{}")
    try:
        assert told()["queue"]["broker"] == before + 1
    finally:
        client.rpop(settings.CELERY_TASK_DEFAULT_QUEUE)
        client.close()


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "amqp://127.0.0.1:1/"])
def test_without_redis_there_are_still_numbers(album, told, settings, url):
    settings.BROKER_URL = url
    assert told()["queue"]["broker"] is None


def test_the_number_of_queries_does_not_grow(
    ben, signed_in, group, django_assert_num_queries, album
):
    client = signed_in(ben)
    for _ in range(2):
        with django_assert_num_queries(1 + QUERIES):  # session with its user
            client.get(URL)
        for _ in range(5):
            photo(GroupFactory(team=group.team), variants=("thumb",))
    with django_assert_num_queries(1 + QUERIES + 1):  # and whether the group is theirs
        client.get(URL, {"group": str(group.pk)})


def test_what_counts_names_the_groups(album, ben, signed_in, group):
    """Of a subquery Postgres expects groups of average size: beside one of a million photos it read
    all uploads and variants there are for a group of a hundred."""
    client = signed_in(ben)
    with CaptureQueriesContext(connection) as asked:
        client.get(URL)
    counting = [each["sql"] for each in asked if "images_variant" in each["sql"]]
    assert counting
    assert [sql for sql in counting if group.pk.hex not in sql] == []


def test_the_20_uploaders_with_most_photos_are_named(group, told):
    for number in range(22):
        photo(group, uploader_name=f"{number:02}")
    photo(group, uploader_name="21", byte_size=5)
    uploaders = told()["uploaders"]
    assert [each["name"] for each in uploaders] == ["21", *(f"{n:02}" for n in range(19))]
    assert uploaders[0] == {"name": "21", "count": 2, "bytes": 1005}


def test_the_oldest_that_waits_is_said_whatever_the_sweeper_has_queued_again(group, told):
    assert told()["queue"]["oldest_seconds"] is None
    waiting = [photo(group, status="queued", byte_size=None, uploaded_at=TODAY) for _ in range(2)]
    Upload.objects.update(queued_at=TODAY)
    Upload.objects.filter(pk=waiting[0].pk).update(arrived_at=TODAY - timedelta(hours=2))
    assert told()["queue"]["oldest_seconds"] == pytest.approx(7200 + since_import(), abs=60)


def test_transforms_and_captions_are_counted_with_what_they_cost(group, told):
    images = [photo(group) for _ in range(3)]
    spec = Spec(flip=True).canonical()
    kind = {"group_id": group.pk, "version": 1, "spec": spec}
    for image, took in zip(images[:2], (100, 300), strict=True):
        done = {"state": "done", "width": 4, "height": 3, "byte_size": 50, "done_at": TODAY}
        Transform.objects.create(
            image=image, spec_hash=f"{took}", rendering_ms=took, **kind, **done
        )
    Transform.objects.create(
        image=images[0], spec_hash="x", state="failed", failure="crashed", **kind
    )
    Transform.objects.create(image=images[0], spec_hash="y", **kind)
    for image, state in zip(images, ("done", "failed", "queued"), strict=True):
        GeneratedCaption.objects.create(
            image=image,
            version=1,
            language="en",
            state=state,
            failure="refused" if state == "failed" else "",
        )
    GeneratedCaption.objects.filter(state="done").update(done_at=F("created_at") + HALF_A_MINUTE)
    for day, in_group in enumerate((group, group, None), start=1):
        CaptionUsage.objects.create(
            group=in_group, day=date(2026, 6, day), asked=2, input_tokens=700, output_tokens=40
        )
    found = told()
    assert found["totals"]["transforms"] == 2
    assert found["transforms"] == {
        "done": 2,
        "waiting": 1,
        "failed": 1,
        "failures": {"crashed": 1},
        "bytes": 100,
        "average_ms": 200.0,
    }
    assert found["captions"] == {
        "done": 1,
        "waiting": 1,
        "failed": 1,
        "failures": {"refused": 1},
        "asked": 4,
        "input_tokens": 1400,
        "output_tokens": 80,
        "average_ms": 30_000.0,
    }


def test_the_state_of_a_photo_is_counted_once(group, told):
    image = photo(group, status="failed")
    upload(image, status="failed", version=2)
    upload(image, status="done", version=3)
    upload(image, status="discarded", version=4)
    statuses = told()["statuses"]
    assert statuses["done"] == 1
    assert sum(statuses.values()) == 1
    assert Upload.objects.count() == 4
    assert Variant.objects.count() == 0
