"""Changing what is said of a photo: who may, what is refused, and what the worker leaves alone."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from bandpics.testing.matrix import few
from bandpics.users import api_keys
from groups.models import Group, Membership
from groups.tests.factories import GroupFactory, MembershipFactory
from images import tasks
from images.lifecycle import editing, moving
from images.models import Image, Upload, Variant, locks
from images.processing import work
from images.storage import object_keys
from images.tests import drawn_pictures, stored_photos
from images.tests.bulk_rows import SOMEBODY
from images.tests.guest_client import Guest, described, get, send_as_member
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]


def stage(**more):
    return drawn_pictures.jpeg(taken_at="2026:06:21 21:30:00", lat=48.2, lon=16.37, **more)


@pytest.fixture
def image(cleo):
    return stored_photos.by_guest(cleo, stage())


@pytest.fixture
def address(image):
    return f"/api/v1/images/{image.pk}/"


@pytest.fixture
def other_group(team):
    return GroupFactory(team=team, name="Winter concert")


# --- Works ----------------------------------------------------------------------------------


def test_an_owner_changes_words_time_and_place(ada, address, signed_in):
    answer = signed_in(ada).patch(
        address,
        {
            "description": "The encore",
            "caption": "Wow",
            "taken_at": "2026-06-21T23:05:00+02:00",
            "location": {"lat": 47.07, "lon": 15.44},
        },
    )
    assert answer.status_code == 200
    body = answer.json()
    assert (body["description"], body["caption"]) == ("The encore", "Wow")
    assert body["taken_at"] == "2026-06-21T21:05:00Z"
    assert body["taken_at_local"] == "2026-06-21T23:05:00"
    assert body["utc_offset"] == "+02:00"
    assert body["gps_source"] == "person"
    assert body["exif"]["gps"] == {
        "lat": 47.07,
        "lon": 15.44,
        "altitude": None,
        "direction": None,
        "datetime": None,
    }
    image = Image.objects.get()
    assert image.taken_source == "person"
    assert image.sort_at == datetime(2026, 6, 21, 21, 5, tzinfo=UTC)


def test_a_time_without_an_offset_sorts_by_its_clock(ada, address, signed_in):
    body = signed_in(ada).patch(address, {"taken_at": "2026-06-21T23:05:00"}).json()
    assert (body["taken_at"], body["taken_at_local"]) == (None, "2026-06-21T23:05:00")
    assert body["utc_offset"] is None
    assert Image.objects.get().sort_at == datetime(2026, 6, 21, 23, 5, tzinfo=UTC)


def test_nobody_knows_when_or_where(ada, address, signed_in):
    body = signed_in(ada).patch(address, {"taken_at": None, "location": None}).json()
    assert (body["taken_at"], body["taken_at_local"], body["exif"]["gps"]) == (None, None, None)
    image = Image.objects.get()
    assert image.sort_at == image.created_at


def test_a_member_changes_their_own_and_only_those(ben, group, image, address, signed_in):
    own = send_as_member(signed_in(ben), group, stage(seed=7))
    client = signed_in(ben)
    assert client.patch(f"/api/v1/images/{own.pk}/", {"description": "x"}).status_code == 200
    answer = client.patch(address, {"description": "x"})
    assert answer.status_code == 403
    assert answer.json()["type"] == "/problems/permission-denied/"


def test_a_guest_writes_a_caption_and_not_what_the_hosts_say(cleo, address):
    assert cleo.client.patch(address, {"caption": "Wow"}).json()["caption"] == "Wow"
    for body in [{"description": "x"}, {"caption": "x", "description": "y"}]:
        assert cleo.client.patch(address, body).status_code == 403
    assert Image.objects.get().description == ""


def test_an_empty_change_changes_nothing(ada, image, address, signed_in):
    assert signed_in(ada).patch(address, {}).status_code == 200
    assert Image.objects.get().updated_at == image.updated_at


def test_what_a_client_cannot_set_stays(ada, image, address, signed_in):
    body = {
        "status": "failed",
        "sha256": "0" * 64,
        "byte_size": 1,
        "moderation": "rejected",
        "trashed_at": "2026-01-01T00:00:00Z",
        "uploader": "Mallory",
    }
    assert signed_in(ada).patch(address, body).status_code == 200
    hidden = {"uploader_id": "1", "uploaded_by": 1, "version": 9}
    assert signed_in(ada).patch(address, hidden).status_code == 400
    now = Image.objects.with_status().get()
    for name in ["sha256", "byte_size", "uploader_id", "uploaded_by", "moderation", "version"]:
        assert getattr(now, name) == getattr(image, name)
    assert (now.status, now.trashed_at, now.uploader_name) == ("done", None, "Cleo")


# --- No credential, wrong person, closed ----------------------------------------------------


def test_without_a_credential_nothing_changes(client, address):
    assert client.patch(address, {}, content_type="application/json").status_code == 401


def test_strangers_and_other_guests_find_nothing(dora, group, address, signed_in):
    other = Guest(InvitationFactory(group=group))
    assert signed_in(dora).patch(address, {"caption": "x"}).status_code == 404
    assert other.client.patch(address, {"caption": "x"}).status_code == 404


def test_a_viewer_changes_nothing_not_even_what_was_theirs(ben, group, address, signed_in):
    own = send_as_member(signed_in(ben), group, stage(seed=7))
    Membership.objects.filter(user=ben).update(role="viewer")
    client = signed_in(ben)
    assert client.patch(address, {"caption": "x"}).status_code == 403
    assert client.patch(f"/api/v1/images/{own.pk}/", {"caption": "x"}).status_code == 403


def test_a_key_to_read_changes_nothing(ada, address):
    client = APIClient()
    _, text = api_keys.issue(ada, name="script", scopes=["read"])
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {text}")
    assert client.get(address).status_code == 200
    assert client.patch(address, {"caption": "x"}).status_code == 403


def test_a_key_that_may_only_upload_is_told_nothing_of_the_photo(ben, group, signed_in):
    mine = send_as_member(signed_in(ben), group, stage(seed=9))
    _, key = api_keys.issue(ben, name="camera", scopes=["upload"])
    script = APIClient(headers={"Authorization": f"Api-Key {key}"})
    path = f"/api/v1/images/{mine.pk}/"
    assert script.get(path).status_code == 403
    answers = [script.patch(path, {"caption": "x"}), script.post(f"{path}restore/")]
    assert [(each.status_code, each.content) for each in answers] == [(204, b"")] * 2
    mine.refresh_from_db()
    assert mine.caption == "x"


def test_when_the_group_is_closed_guests_change_nothing(ada, cleo, address, signed_in):
    Group.objects.update(closes_at=timezone.now() - timedelta(seconds=1))
    answer = cleo.client.patch(address, {"caption": "x"})
    assert answer.status_code == 403
    assert answer.json()["type"] == "/problems/group-closed/"
    assert signed_in(ada).patch(address, {"caption": "x"}).status_code == 200


# --- Bad input ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "pointer"),
    few(
        [
            ({"description": "x" * 4001}, "#/description"),
            ({"description": "a\0b"}, "#/description"),
            ({"caption": None}, "#/caption"),
            ({"taken_at": "yesterday"}, "#/taken_at"),
            ({"taken_at": "2026-06-21"}, "#/taken_at"),
            ({"taken_at": "2026-02-30T12:00:00Z"}, "#/taken_at"),
            ({"taken_at": "2026-06-21T12:00:00+23:00"}, "#/taken_at"),
            ({"taken_at": "0001-01-01T00:00:00+14:00"}, "#/taken_at"),
            ({"taken_at": 20260621}, "#/taken_at"),
            ({"location": {"lat": 91, "lon": 0}}, "#/location/lat"),
            ({"location": {"lat": 0, "lon": "nan"}}, "#/location/lon"),
            ({"location": {"lat": "inf", "lon": 0}}, "#/location/lat"),
            ({"location": {"lat": True, "lon": 0}}, "#/location/lat"),
            ({"location": {"lat": 1}}, "#/location/lon"),
            ({"location": "Graz"}, "#/location"),
            ({"group": "mine"}, "#/group"),
            ({"group": None}, "#/group"),
        ],
        5,
    ),
)
def test_what_is_wrong_is_named(ada, address, signed_in, body, pointer):
    answer = signed_in(ada).patch(address, body)
    assert answer.status_code == 400, answer.content
    assert answer.json()["errors"][0]["pointer"] == pointer


# --- ETag -----------------------------------------------------------------------------------


def test_a_change_to_what_was_not_seen_is_refused(ada, address, signed_in):
    client = signed_in(ada)
    seen = client.get(address)["ETag"]
    first = client.patch(address, {"description": "a"}, headers={"If-Match": seen})
    assert first.status_code == 200
    late = client.patch(address, {"description": "b"}, headers={"If-Match": seen})
    assert late.status_code == 412
    assert late.json()["type"] == "/problems/precondition-failed/"
    again = client.patch(address, {"description": "b"}, headers={"If-Match": first["ETag"]})
    assert again.status_code == 200
    assert client.patch(address, {"description": "c"}, headers={"If-Match": "*"}).status_code == 200
    weak = client.get(address)["ETag"]
    answer = client.patch(address, {"description": "d"}, headers={"If-Match": f"W/{weak}"})
    assert answer.status_code == 412


def test_what_is_still_right_is_not_sent_again(ada, cleo, image, address, signed_in):
    client = signed_in(ada)
    tag = client.get(address)["ETag"]
    answer = client.get(address, headers={"If-None-Match": tag})
    assert (answer.status_code, answer.content, answer["ETag"]) == (304, b"", tag)
    assert client.get(address, headers={"If-None-Match": f'"x", W/{tag}'}).status_code == 304
    assert cleo.client.get(address)["ETag"] != tag  # another answer: other people see less
    Upload.objects.update(status="failed", failure="crashed")
    assert client.get(address, headers={"If-None-Match": tag}).status_code == 200


# --- To another group -----------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_moved_photo_takes_its_objects_along(ada, group, other_group, image, bucket, signed_in):
    original = stage()
    before = {found.key for found in bucket.list_keys("")}
    client = signed_in(ada)
    answer = client.patch(
        f"/api/v1/images/{image.pk}/", {"group": str(other_group.pk), "description": "moved"}
    )
    assert answer.status_code == 200, answer.json()
    body = answer.json()
    assert (body["group"], body["description"]) == (str(other_group.pk), "moved")
    after = {found.key for found in bucket.list_keys("")}
    assert after == {key.replace(str(group.pk), str(other_group.pk)) for key in before}
    assert get(body["variants"]["thumb"]["url"]).status == 200
    url = client.get(f"/api/v1/images/{image.pk}/variants/original/")["Location"]
    assert get(url).data == original


@pytest.mark.django_db(transaction=True)
def test_a_moved_photo_leaves_its_bytes_to_its_duplicate(
    ada, group, other_group, image, address, signed_in
):
    other = Guest(InvitationFactory(group=group))
    duplicate = other.send_and_process(stage())
    assert duplicate.status == "duplicate"
    move = signed_in(ada).patch(address, {"group": str(other_group.pk)})
    assert move.status_code == 200
    heir = Upload.objects.get(image=duplicate)
    assert (heir.status, heir.duplicate_of) == ("queued", None)
    tasks.process_upload(str(heir.pk))
    assert list(Image.objects.in_group(group).ready()) == [duplicate]


def test_announcing_a_moved_photo_again_finds_it(ada, cleo, other_group, signed_in):
    image = cleo.send_and_process(stage(seed=7), client_id="1")
    move = signed_in(ada).patch(f"/api/v1/images/{image.pk}/", {"group": str(other_group.pk)})
    assert move.status_code == 200
    files = [described(stage(seed=7), client_id="1"), described(stage(seed=8), client_id="2")]
    answer = cleo.announce(*files)
    assert answer.status_code == 201
    known, fresh = answer.json()["uploads"]
    assert (known["id"], known["status"], fresh["status"]) == (str(image.pk), "done", "pending")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", few(["", "Ben"], 1))
@pytest.mark.parametrize("many", [False, True])
def test_another_team_is_not_told_the_address_of_the_uploader(ada, ben, image, many, name):
    ben.name = name
    ben.save()
    Image.objects.update(uploaded_by=ben, uploader_name=ben.email)
    image.changes.create(kind="caption", name=ben.email)
    same_team, elsewhere = GroupFactory(team=image.group.team), GroupFactory()

    def move(group):
        image.refresh_from_db()
        if many:
            moving.move_all([image.pk], group)
        else:
            moving.move(image, group, {}, expected={})
        image.refresh_from_db()
        return image.uploader_name, image.changes.get(kind="caption").name

    assert move(same_team) == (ben.email, ben.email)
    assert move(elsewhere) == (name, "")
    assert ben.email not in image.search_vector


def test_only_to_a_group_one_may_add_to(ada, dora, image, address, signed_in):
    strange = GroupFactory()
    watched = GroupFactory()
    MembershipFactory(team=watched.team, user=ada, role=Membership.Role.VIEWER)
    client = signed_in(ada)
    assert client.patch(address, {"group": str(strange.pk)}).status_code == 404
    assert client.patch(address, {"group": str(watched.pk)}).status_code == 403
    assert client.patch(address, {"group": str(image.group_id)}).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_the_same_bytes_there_are_a_collision(ada, other_group, image, bucket, signed_in):
    twin = Guest(InvitationFactory(group=other_group)).send_and_process(stage())
    before = {found.key for found in bucket.list_keys("")}
    client = signed_in(ada)
    answer = client.patch(f"/api/v1/images/{image.pk}/", {"group": str(other_group.pk)})
    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/duplicate-in-group/"
    assert {found.key for found in bucket.list_keys("")} == before
    assert twin.group_id == other_group.pk


@pytest.mark.django_db(transaction=True)
def test_a_collision_seen_only_at_the_end_leaves_nothing_behind(
    other_group, image, bucket, monkeypatch
):
    before = {found.key for found in bucket.list_keys("")}
    copy = moving._copy

    def copy_then_collide(*args):
        copy(*args)
        Image.objects.filter(pk=twin.pk).update(version=1)

    twin = Image.objects.create(
        group=other_group,
        **SOMEBODY.columns,
        original_filename="x.jpg",
        sha256=image.sha256,
        content_type="image/jpeg",
        byte_size=1,
        width=1,
        height=1,
    )
    monkeypatch.setattr(moving, "_copy", copy_then_collide)
    with pytest.raises(editing.DuplicateInGroup):
        moving.move(image, other_group, {}, expected={})
    assert {found.key for found in bucket.list_keys("")} == before


@pytest.mark.django_db(transaction=True)
def test_a_change_meanwhile_stops_the_move(other_group, image, bucket, monkeypatch):
    before = {found.key for found in bucket.list_keys("")}
    copy = moving._copy

    def copy_then_change(*args):
        copy(*args)
        Image.objects.filter(pk=image.pk).update(updated_at=timezone.now())

    monkeypatch.setattr(moving, "_copy", copy_then_change)
    with pytest.raises(editing.ChangedMeanwhile):
        moving.move(image, other_group, {}, expected={})
    assert {found.key for found in bucket.list_keys("")} == before


def test_two_at_once_do_not_touch_the_same_objects(other_group, image, address, ada, signed_in):
    """The lock is another session's: here, one that a thread of its own holds."""
    held, done = threading.Event(), threading.Event()

    def hold():
        with locks.objects_of(image.pk):
            held.set()
            done.wait(10)
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    try:
        answer = signed_in(ada).patch(address, {"group": str(other_group.pk)})
    finally:
        done.set()
        thread.join()
    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/photo-busy/"
    assert answer["Retry-After"]


def test_what_is_not_done_cannot_move(ada, cleo, other_group, signed_in):
    upload = cleo.send(stage(seed=3))
    answer = signed_in(ada).patch(
        f"/api/v1/images/{upload.image_id}/", {"group": str(other_group.pk)}
    )
    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/not-ready/"


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_began_in_the_former_group_begins_again(
    cleo, group, other_group, bucket, monkeypatch
):
    upload = cleo.send(stage())
    store = work._store

    def store_then_move(*args, **kwargs):
        store(*args, **kwargs)
        Image.objects.update(group=other_group)

    monkeypatch.setattr(work, "_store", store_then_move)
    work.process(upload)
    monkeypatch.setattr(work, "_store", store)
    upload.refresh_from_db()
    assert (upload.status, upload.attempt) == ("queued", 0)
    work.process(upload)
    image = Image.objects.with_status().get()
    assert image.status == "done"
    version = object_keys.Version(other_group.pk, image.pk, 1)
    assert {row.key for row in Variant.objects.all()} == {
        version.variant(name) for name in ["fullsize", "medium", "tile", "thumb", "small"]
    }
    assert list(bucket.list_keys(str(group.pk))) == []


# --- The worker -----------------------------------------------------------------------------


def test_what_a_person_said_is_not_read_over(ada, cleo, signed_in):
    upload = cleo.send(stage())
    client = signed_in(ada)
    client.patch(
        f"/api/v1/images/{upload.image_id}/",
        {"taken_at": "2020-01-01T00:00:00Z", "location": {"lat": 1, "lon": 2}},
    )
    work.process(upload)
    image = Image.objects.get()
    assert image.version == 1
    assert (image.latitude, image.longitude, image.gps_source) == (1, 2, "person")
    assert image.taken_at == image.sort_at == datetime(2020, 1, 1, tzinfo=UTC)
    assert image.camera_make == "Drawn"
