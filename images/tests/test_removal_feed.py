"""`trashed=true&updated_since=…`: whoever could see a photo is told that it is gone, and when."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from bandpics.users import api_keys
from groups.models import Group, Membership
from groups.tests.factories import GroupFactory
from images.lifecycle import sweeper
from images.models import Image, Tombstone
from images.tests import bulk_rows, drawn_pictures, stored_photos
from images.tests.bulk_rows import refused
from images.tests.guest_client import Guest
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]
URL = "/api/v1/images/"
START = "2026-01-01T00:00:00Z"


@pytest.fixture
def host(ada, signed_in):
    return signed_in(ada)


@pytest.fixture
def image(cleo):
    return stored_photos.by_guest(cleo, drawn_pictures.jpeg())


@pytest.fixture
def elsewhere(team):
    return GroupFactory(team=team)


def feed(client, **query) -> list[dict]:
    answer = client.get(URL, {"trashed": "true", "updated_since": START, **query})
    assert answer.status_code == 200, answer.json()
    return answer.json()["results"]


def gone(client, **query) -> list[str]:
    return [row["id"] for row in feed(client, **query)]


def trash(client, image):
    assert client.delete(f"{URL}{image.pk}/").status_code == 204


def move(client, image, group):
    answer = client.patch(f"{URL}{image.pk}/", {"group": str(group.pk)})
    assert answer.status_code == 200, answer.json()


def bound_to(user, *groups):
    _, key = api_keys.issue(
        user, name="x", scopes=["read"], group_ids=[group.pk for group in groups]
    )
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {key}")
    return client


def purge_everything_trashed():
    long_ago = timezone.now() - timedelta(days=31)
    Image.objects.trashed().update(trashed_at=long_ago)
    Group.objects.exclude(trashed_at=None).update(trashed_at=long_ago)
    sweeper.sweep()


# --- What is in it --------------------------------------------------------------------------


def test_members_are_told_the_id_and_the_time_and_owners_everything(
    host, ben, vera, dora, image, signed_in
):
    for user in (ben, vera):
        assert gone(signed_in(user)) == []
    trash(host, image)
    when = Image.objects.get().trashed_at
    for user in (ben, vera):
        (row,) = feed(signed_in(user))
        assert set(row) == {"id", "group", "trashed_at"}
        assert (row["id"], row["group"]) == (str(image.pk), str(image.group_id))
        assert row["trashed_at"] == when.isoformat().replace("+00:00", "Z")
    (whole,) = feed(host)
    assert whole["variants"]["thumb"]["url"]
    assert gone(signed_in(dora)) == []


def test_it_starts_where_it_is_asked_to(host, image):
    trash(host, image)
    when = Image.objects.get().trashed_at
    assert gone(host, updated_since=when.isoformat()) == [str(image.pk)]
    later = when + timedelta(microseconds=1)
    assert gone(host, updated_since=later.isoformat()) == []


def test_what_was_restored_is_not_gone_but_changed(host, ben, image, signed_in):
    trash(host, image)
    before = timezone.now().isoformat()
    assert host.post(f"{URL}{image.pk}/restore/").status_code == 200
    client = signed_in(ben)
    assert gone(client) == []
    assert bulk_rows.ids(client.get(URL, {"updated_since": before})) == [str(image.pk)]


def test_photos_of_a_trashed_group_are_gone_and_come_back_with_it(
    host, ben, group, image, signed_in
):
    client, path = signed_in(ben), f"/api/v1/groups/{group.pk}/"
    host.delete(path)
    assert gone(client) == gone(host) == [str(image.pk)]
    assert gone(client, group=str(group.pk)) == [str(image.pk)]
    before = timezone.now().isoformat()
    host.post(f"{path}restore/")
    assert gone(client) == []
    assert bulk_rows.ids(client.get(URL, {"updated_since": before})) == [str(image.pk)]


@pytest.mark.parametrize("what", ["photo", "group"])
def test_what_was_purged_leaves_a_tombstone(host, ben, dora, image, group, signed_in, what):
    before = timezone.now()
    if what == "photo":
        trash(host, image)
    else:
        host.delete(f"/api/v1/groups/{group.pk}/")
    purge_everything_trashed()
    assert not Image.objects.exists()
    assert Group.objects.exists() == (what == "photo")
    for client in (host, signed_in(ben)):
        (row,) = feed(client, updated_since=before.isoformat())
        assert (row["id"], row["group"]) == (str(image.pk), str(group.pk))
    assert gone(signed_in(dora)) == []


def test_what_was_moved_is_gone_for_who_does_not_see_it_there(
    host, ada, ben, image, group, elsewhere, signed_in
):
    here = bound_to(ben, group)
    move(host, image, elsewhere)
    assert gone(here) == [str(image.pk)]
    assert gone(bound_to(ben, elsewhere)) == []
    assert gone(signed_in(ben)) == []  # sees it where it is
    assert gone(signed_in(ben), group=str(group.pk)) == [str(image.pk)]
    abroad = GroupFactory()
    Membership.objects.create(team=abroad.team, user=ada, role=Membership.Role.OWNER)
    move(host, image, abroad)
    assert set(gone(signed_in(ben))) == {str(image.pk)}
    assert gone(host) == []
    move(host, image, group)
    assert gone(signed_in(ben)) == gone(here) == []


def test_a_key_for_some_groups_is_told_of_those(host, ben, group, image, elsewhere, cleo):
    other = Guest(InvitationFactory(group=elsewhere)).send_and_process(drawn_pictures.jpeg(seed=2))
    trash(host, image)
    trash(host, other)
    assert gone(bound_to(ben, group)) == [str(image.pk)]
    assert gone(bound_to(ben, group, elsewhere)) == [str(image.pk), str(other.pk)]
    purge_everything_trashed()
    assert gone(bound_to(ben, group)) == [str(image.pk)]
    third = cleo.send_and_process(drawn_pictures.jpeg(seed=3))
    host.delete(f"/api/v1/groups/{group.pk}/")
    assert gone(bound_to(ben, elsewhere)) == [str(other.pk)]
    assert str(third.pk) in gone(bound_to(ben, group))


def test_guests_are_told_of_their_own_and_of_what_the_gallery_showed(host, group, cleo, image):
    emil = Guest(InvitationFactory(group=group, name="Emil"))
    unapproved = cleo.send_and_process(drawn_pictures.jpeg(seed=2))
    Group.objects.update(visibility="gallery")
    Image.objects.filter(pk=image.pk).update(moderation="approved")
    trash(host, image)
    trash(host, unapproved)
    both = [str(image.pk), str(unapproved.pk)]
    for _ in ("in the trash", "purged"):
        assert sorted(gone(cleo.client)) == sorted(both)
        assert gone(emil.client) == [str(image.pk)]
        assert set(feed(emil.client)[0]) == {"id", "group", "trashed_at"}
        Group.objects.update(visibility="own")
        assert sorted(gone(cleo.client)) == sorted(both)
        assert gone(emil.client) == []
        Group.objects.update(visibility="drop")
        assert gone(cleo.client) == gone(emil.client) == []
        Group.objects.update(visibility="gallery")
        purge_everything_trashed()


def test_a_guests_own_photo_elsewhere_is_gone_with_that_group(host, cleo, image, elsewhere):
    move(host, image, elsewhere)
    assert gone(cleo.client) == []
    host.delete(f"/api/v1/groups/{elsewhere.pk}/")
    assert set(gone(cleo.client)) == {str(image.pk)}  # left two groups by now


# --- Pages ----------------------------------------------------------------------------------


def test_pages_of_all_kinds_follow_each_other_by_time(host, ben, group, elsewhere, signed_in):
    """Of many removals, some at the very same time, each is on one page, once."""
    now = timezone.now()
    for number in range(4):
        bulk_rows.photo(elsewhere)
        bulk_rows.photo(group, trashed_at=now - timedelta(days=number // 2))
        Image.objects.filter(pk=bulk_rows.photo(group).pk).delete()
    host.delete(f"/api/v1/groups/{elsewhere.pk}/")
    client, seen = signed_in(ben), []
    everything = gone(client, limit=200)
    assert len(everything) == len(set(everything)) == 12
    for ordering in ("updated_at", "-updated_at"):
        query = {"trashed": "true", "updated_since": START, "ordering": ordering, "limit": 5}
        seen, page = [], client.get(URL, query).json()
        while True:
            seen += [row["id"] for row in page["results"]]
            if page["next"] is None:
                break
            before, page = page, client.get(page["next"]).json()
            back = client.get(page["previous"]).json()["results"]
            assert [row["id"] for row in back] == [row["id"] for row in before["results"]]
        assert seen == (everything if ordering == "updated_at" else everything[::-1])
    counted = client.get(URL, {**query, "ordering": "updated_at", "offset": 10}).json()
    assert [row["id"] for row in counted["results"]] == everything[10:]
    assert counted["count"] == 12


def test_it_is_narrowed_by_group_and_ids_and_by_nothing_else(host, group, elsewhere, ben):
    one, other = bulk_rows.photo(group), bulk_rows.photo(elsewhere)
    for image in (one, other):
        trash(host, image)
    assert gone(host, group=str(group.pk)) == [str(one.pk)]
    assert gone(host, ids=str(other.pk)) == [str(other.pk)]
    assert gone(host, ids=str(other.pk), group=str(group.pk)) == []
    query = {"trashed": "true", "updated_since": START}
    for name, value in [("q", "IMG"), ("camera", "x"), ("status", "done")]:
        assert refused(host.get(URL, {**query, name: value})) == {f"#/{name}"}
    assert refused(host.get(URL, {**query, "ordering": "-sort_at"})) == {"#/ordering"}
    assert refused(host.get(URL, {**query, "limit": "201"})) == {"#/limit"}


def test_tombstones_are_forgotten_after_a_year(host, image, settings):
    trash(host, image)
    purge_everything_trashed()
    assert gone(host) == [str(image.pk)]
    Tombstone.objects.update(removed_at=timezone.now() - timedelta(days=399))
    sweeper.sweep()
    assert Tombstone.objects.exists()
    Tombstone.objects.update(removed_at=timezone.now() - timedelta(days=401))
    sweeper.sweep()
    assert not Tombstone.objects.exists()
