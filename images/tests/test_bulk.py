"""One call for many photos: all of them or none."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F
from rest_framework.test import APIClient

from bandpics.ids import new_id
from bandpics.testing.matrix import few
from bandpics.users import api_keys
from groups.models import Group
from groups.tests.factories import GroupFactory
from images.models import Image, Variant
from images.storage.objects import StorageUnavailable
from images.tests import bulk_rows, drawn_pictures, stored_photos
from images.tests.guest_client import Guest
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]
BULK = "/api/v1/images/bulk/"


@pytest.fixture
def host(ada, signed_in):
    return signed_in(ada)


@pytest.fixture
def photos(cleo):
    return [stored_photos.by_guest(cleo, drawn_pictures.jpeg(seed=n)) for n in range(3)]


@pytest.fixture
def rows(group):
    return [bulk_rows.photo(group, moderation="pending") for _ in range(3)]


@pytest.fixture
def other_group(team):
    return GroupFactory(team=team)


def ask(client, images, action, **more):
    ids = [str(getattr(image, "pk", image)) for image in images]
    return client.post(BULK, {"ids": ids, "action": action, **more})


def pointers(answer, status):
    assert answer.status_code == status, answer.json()
    return [error["pointer"] for error in answer.json()["errors"]]


def states():
    return set(Image.objects.values_list("moderation", flat=True))


# --- Decisions ------------------------------------------------------------------------------


def test_fifty_photos_are_decided_in_one_call(host, ada, group, django_assert_max_num_queries):
    rows = [bulk_rows.photo(group, moderation="pending") for _ in range(50)]
    with django_assert_max_num_queries(20):
        answer = ask(host, rows, "reject", reason="Too dark")
    assert answer.status_code == 200, answer.json()
    decided = Image.objects.filter(moderation="rejected", moderation_reason="Too dark")
    assert decided.filter(moderated_by=ada).count() == 50
    assert ask(host, rows, "approve").json()["action"] == "approve"
    assert states() == {"approved"}
    assert ask(host, rows, "wait").status_code == 200
    assert states() == {"pending"}


def test_what_another_host_has_decided_is_named_and_nothing_happens(host, rows):
    Image.objects.filter(pk=rows[1].pk).update(moderation="rejected")
    answer = ask(host, rows, "approve", expected="pending")
    assert pointers(answer, 409) == ["#/ids/1"]
    assert answer.json()["errors"][0]["code"] == "decided-meanwhile"
    assert Image.objects.filter(moderation="pending").count() == 2


def test_one_in_the_trash_is_in_the_way_of_a_decision(host, rows):
    assert host.delete(f"/api/v1/images/{rows[2].pk}/").status_code == 204
    assert pointers(ask(host, rows, "approve"), 409) == ["#/ids/2"]
    assert states() == {"pending"}


# --- The trash ------------------------------------------------------------------------------


def test_photos_go_to_the_trash_and_come_back_together(host, ada, ben, photos, signed_in):
    assert ask(host, photos, "trash").status_code == 200
    assert Image.objects.trashed().filter(trashed_by=ada).count() == 3
    assert ask(host, photos, "trash").status_code == 200  # again
    assert ask(host, photos, "restore").status_code == 200
    assert Image.objects.kept().count() == 3
    assert ask(host, photos, "restore").status_code == 200


def test_guests_do_it_with_their_own_and_undo_only_that(host, cleo, photos):
    assert ask(cleo.client, photos[:2], "trash").status_code == 200
    assert ask(host, photos[2:], "trash").status_code == 200
    assert pointers(ask(cleo.client, photos, "restore"), 404) == ["#/ids/2"]
    assert ask(cleo.client, photos[:2], "restore").status_code == 200


def test_one_whose_time_is_over_keeps_all_in_the_trash(host, photos):
    ask(host, photos, "trash")
    Image.objects.filter(pk=photos[1].pk).update(trashed_at=F("trashed_at") - timedelta(days=31))
    assert pointers(ask(host, photos, "restore"), 409) == ["#/ids/1"]
    assert Image.objects.trashed().count() == 3


def test_bytes_that_came_again_keep_all_in_the_trash(host, group, photos):
    ask(host, photos, "trash")
    again = Guest(InvitationFactory(group=group)).send_and_process(drawn_pictures.jpeg(seed=2))
    assert again.status == "done"
    answer = ask(host, photos, "restore")
    assert pointers(answer, 409) == ["#/ids/2"]
    assert answer.json()["errors"][0]["code"] == "duplicate-in-group"
    assert Image.objects.trashed().count() == 3


# --- To another group -----------------------------------------------------------------------


def test_moved_photos_take_their_objects_along(host, group, other_group, photos, bucket):
    assert ask(host, photos, "move", group=str(other_group.pk)).status_code == 200
    assert Image.objects.in_group(other_group).count() == 3
    assert list(bucket.list_keys(str(group.pk))) == []
    keys = {found.key for found in bucket.list_keys(str(other_group.pk))}
    assert set(Variant.objects.values_list("key", flat=True)) < keys
    assert len(keys) == 3 * 6
    assert ask(host, photos, "move", group=str(other_group.pk)).status_code == 200  # there already


def test_one_that_cannot_move_holds_all_back(host, cleo, group, other_group, photos, bucket):
    before = {found.key for found in bucket.list_keys("")}
    guest = Guest(InvitationFactory(group=other_group))
    twin = guest.send_and_process(drawn_pictures.jpeg(seed=1))
    answer = ask(host, photos, "move", group=str(other_group.pk))
    assert pointers(answer, 409) == ["#/ids/1"]
    assert Image.objects.in_group(group).count() == 3
    twins = {found.key for found in bucket.list_keys("") if str(twin.pk) in found.key}
    assert {found.key for found in bucket.list_keys("")} - twins == before


def test_a_photo_in_the_trash_does_not_move(host, other_group, photos):
    host.delete(f"/api/v1/images/{photos[0].pk}/")
    answer = ask(host, photos, "move", group=str(other_group.pk))
    assert pointers(answer, 409) == ["#/ids/0"]


def test_a_store_that_fails_half_way_leaves_no_copy(host, group, other_group, photos, bucket):
    before = {found.key for found in bucket.list_keys("")}
    left = iter(range(7))
    copy = bucket.copy

    def fail_at_the_eighth(key, target):
        if next(left, None) is None:
            raise StorageUnavailable
        copy(key, target)

    bucket.copy = fail_at_the_eighth
    try:
        answer = ask(host, photos, "move", group=str(other_group.pk))
    finally:
        del bucket.copy
    assert answer.status_code == 503
    assert {found.key for found in bucket.list_keys("")} == before
    assert Image.objects.in_group(group).count() == 3


# --- Who, and what is refused ---------------------------------------------------------------


def test_who_may(client, ben, vera, dora, cleo, other_group, photos, signed_in):
    for action, more in [("approve", {}), ("trash", {}), ("move", {"group": str(other_group.pk)})]:
        for user, status in [(ben, 403), (vera, 403), (dora, 404)]:
            assert pointers(ask(signed_in(user), photos, action, **more), status) == [
                "#/ids/0",
                "#/ids/1",
                "#/ids/2",
            ]
    assert ask(cleo.client, photos, "approve").status_code == 403
    assert ask(cleo.client, photos, "move", group=str(other_group.pk)).status_code == 403
    assert client.post(BULK).status_code == 401
    assert Image.objects.kept().filter(moderation="pending").count() == 3


def test_the_scopes_of_a_key(ada, rows, other_group):
    def status(scope, action, **more):
        _, text = api_keys.issue(ada, name=scope, scopes=[scope])
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Api-Key {text}")
        return ask(client, rows, action, **more).status_code

    for action in ("approve", "trash", "restore"):
        assert status("upload", action) == 403
        assert status("moderate", action) == 200
    assert status("moderate", "move", group=str(other_group.pk)) == 403
    assert status("read", "approve") == 403


def test_an_unknown_photo_is_named_and_nothing_happens(host, rows):
    answer = ask(host, [rows[0], new_id(), rows[1]], "approve")
    assert pointers(answer, 404) == ["#/ids/1"]
    assert states() == {"pending"}


def test_twenty_are_named_and_the_others_counted(host):
    answer = ask(host, [new_id() for _ in range(30)], "trash")
    named = pointers(answer, 404)
    assert (len(named), named[-1]) == (21, "#")
    assert answer.json()["errors"][-1]["detail"] == "And 10 more."


@pytest.mark.parametrize(
    ("body", "pointer"),
    few(
        [
            ({"action": "approve"}, "#/ids"),
            ({"action": "approve", "ids": []}, "#/ids"),
            ({"action": "approve", "ids": ["x"] * 201}, "#/ids"),
            ({"action": "approve", "ids": ["x"]}, "#/ids/0"),
            ({"action": "delete", "ids": [str(new_id())]}, "#/action"),
            ({"action": "move", "ids": [str(new_id())]}, "#/group"),
            ({"action": "trash", "ids": [str(new_id())], "group": str(new_id())}, "#/group"),
            ({"action": "trash", "ids": [str(new_id())], "expected": "pending"}, "#/expected"),
            ({"action": "reject", "ids": [str(new_id())], "reason": "x" * 501}, "#/reason"),
        ],
        4,
    ),
)
def test_bad_input_is_named(host, body, pointer):
    assert pointers(host.post(BULK, body), 400)[0] == pointer


def test_a_photo_that_is_named_twice_is_refused(host, rows):
    assert pointers(ask(host, [rows[0], rows[1], rows[0]], "approve"), 400) == ["#/ids/2"]


def test_a_repeated_call_with_the_same_key_is_done_once(host, rows):
    body = {"ids": [str(row.pk) for row in rows], "action": "approve", "expected": "pending"}
    for replayed in [None, "true"]:
        answer = host.post(BULK, body, headers={"Idempotency-Key": "a"})
        assert answer.status_code == 200
        assert answer.headers.get("Idempotent-Replayed") == replayed


def test_a_closed_group_takes_nothing_of_guests(cleo, photos):
    Group.objects.update(closes_at=F("created_at"))
    assert ask(cleo.client, photos, "trash").status_code == 403
