"""The trash: in, out, and for good after thirty days."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone
from rest_framework.test import APIClient

from bandpics.users import api_keys
from groups.models import Group
from images.lifecycle import sweeper, trash
from images.models import Image, Upload
from images.processing import work
from images.storage.objects import StorageUnavailable
from images.tests import drawn_pictures, stored_photos
from images.tests.guest_client import Guest, described, get, send_as_member
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]


@pytest.fixture
def image(cleo):
    return stored_photos.by_guest(cleo, drawn_pictures.jpeg())


@pytest.fixture
def address(image):
    return f"/api/v1/images/{image.pk}/"


@pytest.fixture
def host(ada, signed_in):
    return signed_in(ada)


@pytest.fixture
def emil(group):
    return Guest(InvitationFactory(group=group, name="Emil"))


def wait_thirty_days() -> None:
    Image.objects.trashed().update(trashed_at=F("trashed_at") - timedelta(days=30, minutes=1))


# --- In -------------------------------------------------------------------------------------


def test_a_trashed_photo_vanishes(host, ben, cleo, address, signed_in):
    assert host.delete(address).status_code == 204
    for client in [host, signed_in(ben), cleo.client]:
        assert client.get(address).status_code == 404
        assert client.get(f"{address}variants/thumb/").status_code == 404
        assert client.get("/api/v1/images/").json()["results"] == []
    assert host.get(f"/groups/{Group.objects.get().pk}/").context["photo_count"] == 0


def test_an_owner_who_asks_sees_what_is_in_the_trash(host, ben, cleo, address, signed_in):
    host.delete(address)
    body = host.get(f"{address}?trashed=true").json()
    assert body["trashed_at"]
    thumb = host.get(f"{address}variants/thumb/?trashed=true")
    assert get(thumb["Location"]).status == 200
    assert signed_in(ben).get(f"{address}?trashed=true").status_code == 404
    assert cleo.client.get(f"{address}?trashed=true").status_code == 404


def test_trashing_twice_is_trashing_once(host, address):
    assert host.delete(address).status_code == 204
    when = Image.objects.get().trashed_at
    assert host.delete(address).status_code == 204
    assert Image.objects.get().trashed_at == when


def test_who_may_trash(client, ben, vera, dora, cleo, emil, group, address, signed_in):
    assert client.delete(address).status_code == 401
    assert signed_in(ben).delete(address).status_code == 403
    assert signed_in(vera).delete(address).status_code == 403
    assert signed_in(dora).delete(address).status_code == 404
    assert emil.client.delete(address).status_code == 404
    own = send_as_member(signed_in(ben), group, drawn_pictures.jpeg(seed=5))
    assert signed_in(ben).delete(f"/api/v1/images/{own.pk}/").status_code == 204
    assert cleo.client.delete(address).status_code == 204


def test_the_trash_of_others_takes_the_scope_to_moderate(ada, address):
    client = APIClient()
    for scope, status in [("read", 403), ("upload", 403), ("moderate", 204)]:
        _, text = api_keys.issue(ada, name=scope, scopes=[scope])
        client.credentials(HTTP_AUTHORIZATION=f"Api-Key {text}")
        assert client.delete(address).status_code == status, scope


def test_when_the_group_is_closed_guests_trash_nothing(cleo, address):
    Group.objects.update(closes_at=timezone.now() - timedelta(seconds=1))
    answer = cleo.client.delete(address)
    assert answer.status_code == 403
    assert answer.json()["type"] == "/problems/group-closed/"


def test_what_was_changed_meanwhile_is_not_trashed(host, address):
    seen = host.get(address)["ETag"]
    host.patch(address, {"description": "look"})
    assert host.delete(address, headers={"If-Match": seen}).status_code == 412
    assert host.delete(address, headers={"If-Match": '"x"'}).status_code == 412
    assert Image.objects.kept().exists()


def test_the_same_bytes_may_come_again(host, emil, address):
    host.delete(address)
    assert emil.send_and_process(drawn_pictures.jpeg()).status == "done"


# --- Out ------------------------------------------------------------------------------------


def test_what_was_restored_is_back(host, ben, address, signed_in):
    host.delete(address)
    answer = host.post(f"{address}restore/")
    assert answer.status_code == 200, answer.json()
    assert answer.json()["trashed_at"] is None
    assert signed_in(ben).get(address).status_code == 200
    assert host.post(f"{address}restore/").status_code == 200


def test_a_guest_restores_only_what_they_trashed(host, cleo, emil, address):
    cleo.client.delete(address)
    assert emil.client.post(f"{address}restore/").status_code == 404
    assert cleo.client.post(f"{address}restore/").status_code == 200
    host.delete(address)
    assert cleo.client.post(f"{address}restore/").status_code == 404
    assert cleo.client.delete(address).status_code == 404
    assert Image.objects.trashed().exists()


def test_who_may_restore(client, ben, dora, host, address, signed_in):
    host.delete(address)
    assert client.post(f"{address}restore/").status_code == 401
    assert signed_in(ben).post(f"{address}restore/").status_code == 404
    assert signed_in(dora).post(f"{address}restore/").status_code == 404


def test_the_same_bytes_meanwhile_are_a_collision(host, emil, address):
    host.delete(address)
    emil.send_and_process(drawn_pictures.jpeg())
    answer = host.post(f"{address}restore/")
    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/duplicate-in-group/"
    assert Image.objects.trashed().count() == 1


def test_nothing_comes_back_after_its_time(host, address):
    host.delete(address)
    wait_thirty_days()
    assert host.post(f"{address}restore/").status_code == 404
    assert Image.objects.trashed().exists()


# --- For good -------------------------------------------------------------------------------


def test_after_thirty_days_nothing_is_left(host, cleo, address, bucket, invitation):
    host.delete(address)
    sweeper.sweep()
    assert Image.objects.count() == 1
    wait_thirty_days()
    sweeper.sweep()
    assert not Image.objects.exists()
    assert list(bucket.list_keys("")) == []
    invitation.refresh_from_db()
    assert (invitation.used_files, invitation.used_bytes) == (0, 0)


def test_the_number_of_days_is_a_setting(host, address, settings):
    settings.TRASH_LIFETIME = timedelta(days=2)
    host.delete(address)
    Image.objects.update(trashed_at=F("trashed_at") - timedelta(days=2))
    sweeper.sweep()
    assert not Image.objects.exists()


def test_the_oldest_duplicate_inherits_what_is_purged(host, emil, group, image, address, bucket):
    first = emil.send_and_process(drawn_pictures.jpeg())
    second = Guest(InvitationFactory(group=group)).send_and_process(drawn_pictures.jpeg())
    host.delete(address)
    wait_thirty_days()

    sweeper.sweep()

    assert not Image.objects.filter(pk=image.pk).exists()
    assert Upload.objects.get(image=second).duplicate_of == first
    work.process(Upload.objects.get(image=first))
    shown = Image.objects.with_status().get(pk=first.pk)
    assert shown.status == "done"
    assert get(bucket.presign_get(shown.original_key, content_type="image/jpeg")).data == (
        drawn_pictures.jpeg()
    )


def test_a_full_link_that_inherits_takes_no_more_than_before(host, emil, address):
    """What it inherited counts: giving that back makes no room for another one."""
    successor = emil.send_and_process(drawn_pictures.jpeg())  # "already here"
    other = emil.send_and_process(drawn_pictures.jpeg(seed=7))
    limits = {"max_files": 1, "max_bytes": len(drawn_pictures.jpeg(seed=7))}
    assert host.patch(f"/api/v1/invitations/{emil.invitation.pk}/", limits).status_code == 200
    purge(host, address)
    work.process(Upload.objects.get(image=successor))
    link = host.get(f"/api/v1/invitations/{emil.invitation.pk}/").json()
    assert (link["used_files"], link["max_files"], link["state"]) == (2, 1, "exhausted")
    # The host changes something else, and says the limits again.
    body = {"name": "Emil", **limits}
    assert host.patch(f"/api/v1/invitations/{emil.invitation.pk}/", body).status_code == 200

    purge(host, f"/api/v1/images/{successor.pk}/")
    full = emil.announce(described(drawn_pictures.jpeg(seed=8)))
    assert full.json()["type"] == "/problems/invitation-exhausted/"
    purge(host, f"/api/v1/images/{other.pk}/")
    assert emil.announce(described(drawn_pictures.jpeg(seed=8), size=1)).status_code == 201


def purge(host, address):
    assert host.delete(address).status_code == 204
    wait_thirty_days()
    sweeper.sweep()


def test_a_successor_whose_bytes_are_here_already_is_a_duplicate(host, emil, group, image, address):
    """Two guests were told "already here"; then the host trashed it and a third sent it again."""
    first = emil.send_and_process(drawn_pictures.jpeg())
    second = Guest(InvitationFactory(group=group)).send_and_process(drawn_pictures.jpeg())
    host.delete(address)
    third = Guest(InvitationFactory(group=group)).send_and_process(drawn_pictures.jpeg())
    assert third.status == "done"
    wait_thirty_days()
    sweeper.sweep()
    work.process(Upload.objects.get(image=first))
    for image in [first, second]:
        upload = Upload.objects.get(image=image)
        assert (upload.status, upload.duplicate_of) == ("duplicate", third)


def test_without_its_original_the_largest_size_is_inherited(host, emil, image, address, bucket):
    successor = emil.send_and_process(drawn_pictures.jpeg())
    bucket.delete_keys([image.original_key])
    Image.objects.filter(pk=image.pk).update(original_dropped_at=timezone.now())
    host.delete(address)
    wait_thirty_days()
    sweeper.sweep()
    work.process(Upload.objects.get(image=successor))
    assert Image.objects.with_status().get(pk=successor.pk).status == "done"


def test_what_a_worker_has_is_not_purged_under_it(host, cleo, bucket):
    upload = cleo.send(drawn_pictures.jpeg())
    host.delete(f"/api/v1/images/{upload.image_id}/")
    wait_thirty_days()
    sweeper.sweep()
    assert Image.objects.exists()
    work.process(upload)
    sweeper.sweep()
    assert not Image.objects.exists()
    assert list(bucket.list_keys("")) == []


def test_what_never_arrived_goes_too(host, cleo, invitation):
    ticket = cleo.announce_one(b"12345")
    host.delete(f"/api/v1/images/{ticket['id']}/")
    wait_thirty_days()
    sweeper.sweep()
    assert not Image.objects.exists()
    invitation.refresh_from_db()
    assert invitation.used_files == 0


def test_a_crash_in_the_middle_leaves_nothing_behind(host, image, address, bucket, monkeypatch):
    host.delete(address)
    wait_thirty_days()

    def crash(*_):
        raise StorageUnavailable

    monkeypatch.setattr(trash, "_delete_rows", crash)
    sweeper.sweep()
    assert list(bucket.list_keys("")) == []
    assert Image.objects.exists()
    assert host.post(f"{address}restore/").status_code == 404  # its objects are gone
    monkeypatch.undo()
    sweeper.sweep()
    assert not Image.objects.exists()


def test_a_trashed_photo_can_be_sent_again(cleo):
    trashed = cleo.send_and_process(drawn_pictures.jpeg(seed=7))
    assert cleo.client.delete(f"/api/v1/images/{trashed.pk}/").status_code == 204
    again = cleo.send_and_process(drawn_pictures.jpeg(seed=7))
    assert (again.pk != trashed.pk, again.status) == (True, "done")


def test_one_photo_the_store_refuses_does_not_hold_up_the_others(
    host, cleo, image, bucket, monkeypatch
):
    other = cleo.send_and_process(drawn_pictures.jpeg(seed=7))
    for photo in (image, other):
        host.delete(f"/api/v1/images/{photo.pk}/")
    wait_thirty_days()
    delete_keys = bucket.delete_keys

    def refuse_one(keys):
        if any(str(image.pk) in key for key in keys):
            raise StorageUnavailable
        delete_keys(keys)

    monkeypatch.setattr(bucket, "delete_keys", refuse_one)
    sweeper.sweep()
    monkeypatch.undo()
    assert list(Image.objects.all()) == [image]


def test_an_owner_need_not_wait_for_thirty_days(host, image, address, bucket, invitation):
    host.delete(address)
    assert trash.expire([image.pk]) == 1
    assert trash.expire([image.pk]) == 0
    assert host.post(f"{address}restore/").status_code == 404  # restoring comes too late
    sweeper.sweep()
    assert not Image.objects.exists()
    assert list(bucket.list_keys("")) == []
    invitation.refresh_from_db()
    assert invitation.used_files == 0


def test_what_is_not_in_the_trash_does_not_expire(image):
    assert trash.expire([image.pk]) == 0
    assert Image.objects.kept().exists()


def test_the_trash_remembers_who_put_a_photo_in(host, ada, address):
    host.delete(address)
    assert Image.objects.get().trashed_by == ada
    host.post(f"{address}restore/")
    assert Image.objects.get().trashed_by is None
