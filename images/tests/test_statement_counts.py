"""How many statements the calls take that every photo and every look at a list needs: whoever adds
one sees it here."""

from __future__ import annotations

from datetime import timedelta

import pytest
import redis
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from bandpics import limits
from bandpics.testing.matrix import few
from bandpics.users import api_keys
from groups.models import Group
from groups.tests.factories import GroupFactory
from images import tasks
from images.access import GuestAccess, MemberAccess
from images.listing import image_rows, whole_list
from images.listing.pagination import ORDERINGS, Cursor, Ordering, Page
from images.models import Image, Upload
from images.tests import drawn_pictures
from images.tests.bulk_rows import photo
from images.tests.guest_client import Guest
from invitations.tests.factories import InvitationFactory

pytestmark = pytest.mark.django_db(transaction=True)

FILE = {"filename": "a.jpg", "content_type": "image/jpeg", "size": 10}


@pytest.fixture
def seen(invitation):
    """Cleo was here just now: what writes that once a minute has nothing to write."""
    invitation.last_seen_at = timezone.now()
    invitation.save()


def verbs(queries):
    return [query["sql"].split()[0] for query in queries.captured_queries]


def test_announcing_takes_two_statements(cleo):
    client = cleo.client
    for count in (1, 1, 100):
        files = [{**FILE, "client_id": None}] * count
        with CaptureQueriesContext(connection) as queries:
            assert client.post("/api/v1/uploads/", {"files": files}).status_code == 201
        # The invitation; its quota, photos and uploads together.
        assert verbs(queries) == ["SELECT", "WITH"]
    assert Upload.objects.count() == Image.objects.count() == 102


def test_completing_again_takes_two_statements(cleo, seen):
    ticket = cleo.announce(FILE).json()["uploads"][0]
    Upload.objects.update(status="queued", arrived_at=timezone.now(), queued_at=timezone.now())
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            answer = cleo.complete(ticket["id"])
        assert (answer.status_code, answer.json()["status"]) == (200, "queued")
        assert verbs(queries) == ["SELECT", "SELECT"]  # invitation, upload


def test_completing_again_a_photo_that_is_done_asks_for_its_sizes(cleo, seen, group):
    image = photo(group, uploader=cleo.key, variants=("thumb",))
    Upload.objects.update(announced_to=cleo.invitation.pk)
    with CaptureQueriesContext(connection) as queries:
        answer = cleo.complete(str(image.pk))
    assert answer.status_code == 200
    assert answer.json()["thumb"]["width"] == 10
    # Invitation, upload, sizes, and whether other links of the group have a gallery.
    assert verbs(queries) == ["SELECT"] * 4


def test_a_list_takes_two_statements_of_a_session_or_a_key(ada, group, signed_in):
    photo(group, variants=("thumb",))
    client = signed_in(ada)
    client.get("/api/v1/images/")
    with CaptureQueriesContext(connection) as queries:
        assert len(client.get("/api/v1/images/").json()["results"]) == 1
    assert verbs(queries) == ["SELECT"] * 2  # session with its account, photos
    _, key = api_keys.issue(ada, name="script", scopes=["read"])
    client = APIClient(headers={"Authorization": f"Api-Key {key}"})
    client.get("/api/v1/images/")
    with CaptureQueriesContext(connection) as queries:
        assert len(client.get("/api/v1/images/").json()["results"]) == 1
    assert verbs(queries) == ["SELECT"] * 2


def test_the_limits_of_a_guest_are_asked_for_by_one_request(cleo, monkeypatch):
    cleo.announce(FILE)  # Redis knows the script
    sent, send = [], redis.Connection.send_packed_command

    def count(self, command, *args, **kwargs):
        sent.append(command)
        return send(self, command, *args, **kwargs)

    monkeypatch.setattr(redis.Connection, "send_packed_command", count)
    assert limits.consume(("invitation", "a link"), ("device", "a device")) == 0
    assert len(sent) == 1


# --- The pages whose SQL is made once -------------------------------------------------------


def everybody(ada, group):
    """Members and guests of each kind who may see something else."""
    theirs = InvitationFactory(group=group)
    shared = InvitationFactory(group=group, kind="shared", email="")
    late = timezone.now() - timedelta(hours=1)
    gallery = {"visibility": Group.Visibility.GALLERY}
    return {
        "member": MemberAccess(ada),
        "key": MemberAccess(ada, group_ids=frozenset([group.pk])),
        "own": GuestAccess.of(theirs),
        "device": GuestAccess.of(shared, device_secret="a device"),
        "nobody": GuestAccess.of(shared),
        "gallery": GuestAccess.of(InvitationFactory(group=group, **gallery)),
        "drop": GuestAccess.of(InvitationFactory(group=group, visibility="drop")),
        "expired": GuestAccess.of(InvitationFactory(group=group, expires_at=late, **gallery)),
        "gallery of nobody": GuestAccess.of(
            InvitationFactory(group=group, kind="shared", email="", **gallery)
        ),
    }


def assert_same(access, page, places):
    """The page that is read at once, as that of these places: photos, cursors, JSON."""
    filled, results = whole_list.listed(access, page)
    plain = page.filled(places)
    assert (filled.next_url, filled.previous_url) == (plain.next_url, plain.previous_url)
    ids = [row.id for row in plain.rows]
    assert [row.id for row in filled.rows] == ids
    assert results == image_rows.as_json(ids, access=access)


@pytest.mark.parametrize(
    "name", few([f"{sign}{name}" for name in ORDERINGS for sign in ("", "-")], 4)
)
def test_pages_are_the_same_as_by_the_search(ada, group, name):
    other = GroupFactory(team=group.team)
    people = everybody(ada, group)
    for access in people.values():
        for number, where in enumerate([group, group, other]):
            photo(
                where,
                uploader=access.key,
                byte_size=1000 + number,
                moderation="rejected" if number == 1 else "approved",
            )
    photo(group, trashed_at=timezone.now(), uploader=people["own"].key)
    photo(GroupFactory())
    shown = set()
    for who, access in people.items():
        page, cursors = Page("", Ordering(name), 2), []
        for _ in range(20):
            plain = page.places(whole_list.search(access).cut(page))
            assert_same(access, page, plain)
            shown |= {(who, row.id) for row in plain}
            if len(plain) <= 2:
                break
            row = plain[1]
            cursors.append(Cursor(name, False, page.ordering.key_of(row), row.id))
            page = Page("", Ordering(name), 2, cursors[-1])
        for cursor in cursors:
            back = Page("", Ordering(name), 2, Cursor(name, True, cursor.key, cursor.id))
            assert_same(access, back, back.places(whole_list.search(access).cut(back)))
    seen_by = {who: sum(1 for each, _ in shown if each == who) for who in people}
    assert seen_by["member"] == 27
    assert seen_by["own"] == 3
    assert seen_by["drop"] == seen_by["nobody"] == 0
    assert seen_by["gallery"] > seen_by["expired"] == 3


def test_a_link_that_shows_its_gallery_meanwhile_shows_it_at_once(group):
    guest = Guest(InvitationFactory(group=group, visibility="own"))
    image = photo(group)
    assert guest.client.get("/api/v1/images/").json()["results"] == []
    guest.invitation.visibility = "gallery"
    guest.invitation.save()
    (row,) = guest.client.get("/api/v1/images/").json()["results"]
    assert row["id"] == str(image.pk)


# --- Work -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("bucket")
def test_a_photo_takes_seven_statements_of_its_worker(cleo):
    first, second = (
        cleo.send(drawn_pictures.jpeg(width=64, height=48, seed=seed, lat=48.2, lon=16.3))
        for seed in (1, 2)
    )
    for upload in (first, second):
        with CaptureQueriesContext(connection) as queries:
            tasks.process_upload(str(upload.pk))
        upload.refresh_from_db()
        assert upload.status == Upload.Status.DONE
        assert upload.image.taken_source == Image.TimeSource.EXIF
        assert verbs(queries) == [
            "WITH",  # claims the upload, and reads it
            "SELECT",  # a photo with the same bytes
            *("SELECT", "SELECT"),  # the lock of the photo's objects, and the photo
            "BEGIN",
            *("SELECT", "SELECT"),  # releases that lock, locks the photo; a corrected clock
            "WITH",  # photo, variants and upload
            "COMMIT",
        ]
