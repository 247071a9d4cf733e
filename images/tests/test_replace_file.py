"""Another file for a photo: the old one is shown until the new one is done, and duplicates of
the old one inherit it."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone

from images import tasks
from images.lifecycle import sweeper
from images.models import Image, Upload, Variant, locks
from images.processing import versions, work
from images.tests import drawn_pictures, stored_photos
from images.tests.bulk_rows import SOMEBODY
from images.tests.guest_client import Guest, described, get, put, send_as_member
from images.uploads import announce
from invitations.models import Invitation
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]


def old(**more):
    return drawn_pictures.jpeg(seed=1, lat=48.2, lon=16.37, **more)


def new(**more):
    return drawn_pictures.png(seed=2, make="Other", **more)


@pytest.fixture
def image(cleo):
    return stored_photos.by_guest(cleo, old(), filename="stage.jpg")


@pytest.fixture
def host(ada, signed_in):
    return signed_in(ada)


def replace(client, image, data, **more):
    """Announce, PUT, complete a replacement; the worker has not seen it yet."""
    body = described(data, filename="new.png", content_type="image/png", **more)
    answer = client.patch(f"/api/v1/images/{image.pk}/file/", body)
    assert answer.status_code == 200, answer.json()
    ticket = answer.json()
    assert ticket["image"] == str(image.pk)
    assert put(ticket["upload"], data).status == 200
    assert client.post(f"/api/v1/uploads/{ticket['id']}/complete/").status_code == 202
    return Upload.objects.get(pk=ticket["id"])


def form(data: bytes, name: str = "new.png", content_type: str = "image/png"):
    return {"file": SimpleUploadedFile(name, data, content_type)}


# --- Works ----------------------------------------------------------------------------------


def test_the_old_file_is_shown_until_the_new_one_is_done(host, image, bucket):
    upload = replace(host, image, new())
    body = host.get(f"/api/v1/images/{image.pk}/").json()
    assert (body["status"], body["format"], body["original_filename"]) == (
        *("queued", "jpeg"),
        "stage.jpg",
    )
    assert get(body["variants"]["thumb"]["url"]).status == 200

    tasks.process_upload(str(upload.pk))

    body = host.get(f"/api/v1/images/{image.pk}/").json()
    assert (body["status"], body["format"], body["original_filename"]) == (
        *("done", "png"),
        "new.png",
    )
    assert body["exif"]["camera_make"] == "Other"
    assert body["exif"]["gps"] is None
    original = host.get(f"/api/v1/images/{image.pk}/variants/original/")["Location"]
    assert get(original).data == new()
    stored = [found.key for found in bucket.list_keys("")]
    assert len(stored) == 6
    assert all(f"{image.pk}-2." in key for key in stored)
    assert set(Variant.objects.values_list("version", flat=True)) == {2}


def test_a_form_brings_the_file_at_once(host, image):
    answer = host.patch(f"/api/v1/images/{image.pk}/file/", form(new()), format="multipart")
    assert answer.status_code == 202, answer.json()
    assert answer.json()["id"] == str(image.pk)
    assert answer.json()["status"] == "queued"
    tasks.process_upload(answer.json()["upload"])
    assert Image.objects.with_status().get().content_type == "image/png"


def test_a_person_s_time_and_place_outlive_the_file(host, image):
    place = {"lat": 1, "lon": 2}
    host.patch(
        f"/api/v1/images/{image.pk}/", {"taken_at": "2020-01-01T00:00:00Z", "location": place}
    )
    work.process(replace(host, image, old(make="Other")))
    image = Image.objects.get()
    assert (image.version, image.camera_make) == (2, "Other")
    assert (image.latitude, image.taken_at.year) == (1, 2020)


def test_a_photo_that_failed_gets_another_file(cleo, host):
    image = cleo.send_and_process(b"not a picture")
    work.process(replace(host, image, new()))
    assert Image.objects.with_status().get().status == "done"


def test_announcing_the_same_replacement_twice_is_one(host, image):
    body = described(new(), client_id="7")
    address = f"/api/v1/images/{image.pk}/file/"
    first, second = (host.patch(address, body).json() for _ in range(2))
    assert first["id"] == second["id"]
    assert image.uploads.count() == 2


def test_the_quota_of_the_link_counts_the_newest_file(host, image, invitation):
    work.process(replace(host, image, new()))
    invitation.refresh_from_db()
    assert (invitation.used_files, invitation.used_bytes) == (1, len(new()))


# --- No credential, wrong person ------------------------------------------------------------


def test_who_may_replace(client, cleo, ben, vera, dora, group, image, signed_in):
    address, body = f"/api/v1/images/{image.pk}/file/", described(new())
    assert client.patch(address, body, content_type="application/json").status_code == 401
    assert cleo.client.patch(address, body).status_code == 403
    assert signed_in(ben).patch(address, body).status_code == 403
    assert signed_in(vera).patch(address, body).status_code == 403
    assert signed_in(dora).patch(address, body).status_code == 404
    own = send_as_member(signed_in(ben), group, old(make="Ben's"))
    assert signed_in(ben).patch(f"/api/v1/images/{own.pk}/file/", body).status_code == 200


def test_what_a_member_sends_does_not_hang_on_the_guest_s_link(host, image):
    Invitation.objects.update(revoked_at=timezone.now())
    work.process(replace(host, image, new()))
    assert Image.objects.get().version == 2


def test_a_photo_in_the_trash_takes_no_file(host, image):
    host.delete(f"/api/v1/images/{image.pk}/")
    answer = host.patch(f"/api/v1/images/{image.pk}/file/", described(new()))
    assert answer.status_code == 404


# --- Bad input ------------------------------------------------------------------------------


def test_a_full_link_takes_no_larger_file(host, image, invitation):
    Invitation.objects.update(max_files=1)
    answer = host.patch(f"/api/v1/images/{image.pk}/file/", described(new()))
    assert answer.status_code == 403
    assert answer.json()["type"] == "/problems/invitation-exhausted/"
    assert image.uploads.count() == 1


@pytest.mark.parametrize(
    ("change", "pointer"),
    [({"size": 0}, "#/size"), ({"content_type": "text/html"}, "#/content_type")],
)
def test_bad_announcements_are_named(host, image, change, pointer):
    answer = host.patch(f"/api/v1/images/{image.pk}/file/", {**described(new()), **change})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_a_client_id_of_another_photo_is_refused(host, group, ada, image):
    body = {"group": str(group.pk), "files": [described(b"x", client_id="7")]}
    assert host.post("/api/v1/uploads/", body).status_code == 201
    answer = host.patch(f"/api/v1/images/{image.pk}/file/", described(new(), client_id="7"))
    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/client-id-taken/"


# --- When it goes wrong ---------------------------------------------------------------------


def test_a_new_file_that_is_no_picture_changes_nothing(host, image, invitation, bucket):
    before = {found.key for found in bucket.list_keys("")}
    work.process(replace(host, image, b"not a picture"))
    body = host.get(f"/api/v1/images/{image.pk}/").json()
    assert (body["status"], body["failure"], body["format"]) == ("failed", "not-an-image", "jpeg")
    assert get(body["variants"]["thumb"]["url"]).status == 200
    assert {found.key for found in bucket.list_keys("")} == before
    invitation.refresh_from_db()
    assert invitation.used_files == 1


def test_a_photo_is_done_until_another_file_for_it_has_arrived(host, image):
    """Whoever asks for a ticket may never send anything."""
    body = described(new(), filename="new.png", content_type="image/png")
    ticket = host.patch(f"/api/v1/images/{image.pk}/file/", body).json()
    assert ticket["status"] == "pending"
    assert statuses(host, image) == {"done"}
    put(ticket["upload"], new())
    assert statuses(host, image) == {"done"}  # nobody has said so yet
    host.post(f"/api/v1/uploads/{ticket['id']}/complete/")
    assert statuses(host, image) == {"queued"}


def test_a_replacement_that_is_cancelled_is_as_if_never_begun(host, image):
    ticket = host.patch(f"/api/v1/images/{image.pk}/file/", described(new())).json()
    assert host.delete(f"/api/v1/uploads/{ticket['id']}/").status_code == 204
    assert statuses(host, image) == {"done"}


def statuses(client, image) -> set[str]:
    """All that the API says of the photo: by itself, in the list, as a filter, and as a number."""
    listed = client.get("/api/v1/images/").json()["results"]
    counted = client.get("/api/v1/stats/").json()["statuses"]
    filtered = [
        status
        for status in Upload.Status.values
        if client.get(f"/api/v1/images/?status={status}").json()["results"]
    ]
    return {
        client.get(f"/api/v1/images/{image.pk}/").json()["status"],
        *(row["status"] for row in listed),
        *(status for status, count in counted.items() if count),
        *filtered,
    }


def test_an_older_replacement_never_goes_back(host, image, bucket):
    second = replace(host, image, drawn_pictures.png(seed=2))
    third = replace(host, image, drawn_pictures.png(seed=3))
    work.process(third)
    work.process(second)
    second.refresh_from_db()
    assert second.status == "discarded"
    now = Image.objects.with_status().get()
    assert (now.version, now.status) == (3, "done")
    assert all(f"{image.pk}-3." in found.key for found in bucket.list_keys(""))


def test_an_older_one_that_was_half_way_never_goes_back(host, image, bucket, monkeypatch):
    second = replace(host, image, drawn_pictures.png(seed=2))
    third = replace(host, image, drawn_pictures.png(seed=3))
    store = work._store

    def store_then_lose_the_race(*args, **kwargs):
        store(*args, **kwargs)
        monkeypatch.setattr(work, "_store", store)
        work.process(third)

    monkeypatch.setattr(work, "_store", store_then_lose_the_race)
    work.process(second)
    work.process(second)
    second.refresh_from_db()
    assert second.status == "discarded"
    assert Image.objects.get().version == 3
    assert all(f"{image.pk}-3." in found.key for found in bucket.list_keys(""))


def test_replacements_at_once_get_numbers_of_their_own(host, image):
    def announce() -> None:
        answers.append(host.patch(f"/api/v1/images/{image.pk}/file/", described(new())))
        connection.close()

    answers = []
    threads = [threading.Thread(target=announce) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [200] * 4
    numbers = image.uploads.values_list("version", flat=True)
    assert sorted(numbers) == [1, 2, 3, 4, 5]


# --- Duplicates inherit ---------------------------------------------------------------------


@pytest.fixture
def doras_guest(group):
    return Guest(InvitationFactory(group=group, name="Emil"))


def test_the_oldest_duplicate_inherits_what_is_replaced(host, image, doras_guest, group, bucket):
    first = doras_guest.send_and_process(old())
    second = Guest(InvitationFactory(group=group)).send_and_process(old())
    assert (first.status, second.status) == ("duplicate", "duplicate")

    work.process(replace(host, image, new()))

    successor = Upload.objects.get(image=first)
    assert (successor.status, successor.duplicate_of) == ("queued", None)
    assert Upload.objects.get(image=second).duplicate_of == first
    work.process(successor)
    shown = Image.objects.with_status().get(pk=first.pk)
    assert (shown.status, shown.uploader_name) == ("done", "Emil")
    original = bucket.presign_get(shown.original_key, content_type="image/jpeg")
    assert get(original).data == old()
    doras_guest.invitation.refresh_from_db()
    assert doras_guest.invitation.used_files == 1


def test_duplicates_of_the_new_file_stay_where_they_are(host, image, doras_guest):
    work.process(replace(host, image, new()))
    later = doras_guest.send_and_process(new(), content_type="image/png")
    versions.purge_old_versions(image.pk)
    assert later.status == "duplicate"
    assert Upload.objects.get(image=later).duplicate_of == image


def test_each_of_two_old_versions_goes_to_its_own_duplicate(
    host, image, doras_guest, group, bucket, monkeypatch
):
    first = doras_guest.send_and_process(old())

    def crash(*_):
        raise locks.Busy

    monkeypatch.setattr(versions, "purge_old_versions", crash)
    work.process(replace(host, image, new()))
    third = Guest(InvitationFactory(group=group))
    second = third.send_and_process(new(), content_type="image/png")
    assert (first.status, second.status) == ("duplicate", "duplicate")
    work.process(replace(host, image, drawn_pictures.png(seed=3)))
    monkeypatch.undo()

    sweeper.sweep()

    for successor, data in [(first, old()), (second, new())]:
        work.process(Upload.objects.get(image=successor))
        shown = Image.objects.with_status().get(pk=successor.pk)
        assert shown.status == "done"
        url = bucket.presign_get(shown.original_key, content_type=shown.content_type)
        assert get(url).data == data


def test_a_crash_before_the_successor_has_its_bytes_is_repaired(
    host, image, doras_guest, bucket, monkeypatch
):
    successor = doras_guest.send_and_process(old())

    def crash(*_):
        raise locks.Busy

    monkeypatch.setattr(versions, "purge_old_versions", crash)
    work.process(replace(host, image, new()))
    monkeypatch.undo()
    assert Upload.objects.get(image=successor).status == "duplicate"

    sweeper.sweep()

    work.process(Upload.objects.get(image=successor))
    assert Image.objects.with_status().get(pk=successor.pk).status == "done"
    assert not Variant.objects.filter(image=image, version=1).exists()


def test_a_full_link_does_not_make_its_receipt_untrue(host, image, doras_guest):
    successor = doras_guest.send_and_process(old())
    Invitation.objects.filter(pk=doras_guest.invitation.pk).update(max_files=0, max_bytes=0)
    work.process(replace(host, image, new()))
    work.process(Upload.objects.get(image=successor))
    assert Image.objects.with_status().get(pk=successor.pk).status == "done"


def test_a_photo_that_was_replaced_meanwhile_has_no_duplicate(
    host, image, doras_guest, monkeypatch
):
    """The duplicate is found, and the photo it duplicates goes before that is written down."""
    upload = doras_guest.send(old())
    done_twin = versions.find_duplicate

    def find_then_replace(*args):
        found = done_twin(*args)
        monkeypatch.setattr(versions, "find_duplicate", done_twin)
        Image.objects.filter(pk=image.pk).update(sha256="f" * 64)
        return found

    monkeypatch.setattr(versions, "find_duplicate", find_then_replace)
    work.process(upload)
    upload.refresh_from_db()
    assert (upload.status, upload.attempt) == ("queued", 0)
    work.process(upload)
    upload.refresh_from_db()
    assert upload.status == "done"


def test_a_crashed_replacement_can_be_tried_again(host, image):
    upload = replace(host, image, new())
    Upload.objects.filter(pk=upload.pk).update(
        status="failed", failure="crashed", finished_at=timezone.now() - timedelta(minutes=1)
    )
    assert host.post(f"/api/v1/images/{image.pk}/retry/").status_code == 202
    upload.refresh_from_db()
    work.process(upload)
    assert Image.objects.get().version == 2


# --- Announced as a new photo ---------------------------------------------------------------


def test_bytes_that_were_replaced_can_be_sent_again(host, group):
    first = send_as_member(host, group, old())
    tasks.process_upload(str(replace(host, first, new()).pk))
    sweeper.sweep()
    again = send_as_member(host, group, old())
    assert again.pk != first.pk
    assert (again.status, Image.objects.ready().count()) == ("done", 2)


def test_a_replacement_never_sent_does_not_swallow_a_new_photo(host, group):
    first = send_as_member(host, group, old())
    host.patch(f"/api/v1/images/{first.pk}/file/", described(new()))
    second = send_as_member(host, group, new())
    assert second.pk != first.pk
    first.refresh_from_db()
    assert (first.version, second.status) == (1, "done")


def test_the_client_id_of_a_replacement_is_refused_for_a_new_photo(host, group):
    first = send_as_member(host, group, old())
    host.patch(f"/api/v1/images/{first.pk}/file/", described(new(), client_id="again"))
    body = {"group": str(group.pk), "files": [described(new(), client_id="again")]}
    answer = host.post("/api/v1/uploads/", body)
    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/client-id-taken/"


def test_of_two_who_replace_what_they_saw_the_second_is_told(host, image):
    path = f"/api/v1/images/{image.pk}/"
    seen = {"If-Match": host.get(path)["ETag"]}
    first = host.patch(f"{path}file/", described(new()), headers=seen)
    second = host.patch(f"{path}file/", described(old(make="Third")), headers=seen)
    assert (first.status_code, second.status_code) == (200, 412)
    assert image.uploads.count() == 2


def test_who_was_quicker_meanwhile_wins(image):
    file = announce.Announced(filename="a.png", content_type="image/png", byte_size=1)
    stale = {"updated_at": image.updated_at - timedelta(seconds=1)}
    with pytest.raises(announce.ChangedMeanwhile):
        announce.replace(image, file, uploader=SOMEBODY, expected=stale)
    assert image.uploads.count() == 1
