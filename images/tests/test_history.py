"""The history of a photo: each change writes its line, and no line tells what was forgotten."""

from __future__ import annotations

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from rest_framework.test import APIClient

from bandpics.testing.matrix import few
from groups.tests.factories import GroupFactory
from images import history, tasks
from images.lifecycle import account_deletion, bulk, forget_location, moderation, sweeper, trash
from images.models import Image, PhotoChange, Upload
from images.tests import bulk_rows, drawn_pictures
from images.tests.guest_client import send_as_member

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]

LAT, LON = 48.2082, 16.3738


@pytest.fixture
def image(cleo):
    return cleo.send_and_process(drawn_pictures.jpeg(lat=LAT, lon=LON))


@pytest.fixture
def host(ada, signed_in):
    return signed_in(ada)


@pytest.fixture
def address(image):
    return f"/api/v1/images/{image.pk}/"


@pytest.fixture
def other_group(team):
    return GroupFactory(team=team, name="Winter concert")


def lines(client, image):
    """What the history says, oldest first."""
    answer = client.get(f"/api/v1/images/{image.pk}/changes/")
    assert answer.status_code == 200, answer.json()
    return [(each["kind"], each["by"]) for each in reversed(answer.json()["results"])]


# --- Every verb writes its line -------------------------------------------------------------


def test_a_new_photo_has_no_history(host, image):
    assert lines(host, image) == []


@pytest.mark.parametrize(
    ("change", "kind"),
    few(
        [
            ({"description": "The encore"}, "description"),
            ({"caption": "Wow"}, "caption"),
            ({"taken_at": "2026-06-21T23:05:00+02:00"}, "date"),
            ({"location": {"lat": 47.07, "lon": 15.44}}, "place"),
            ({"location": None}, "place"),
        ],
        2,
    ),
)
def test_an_edit_writes_its_line(host, image, address, change, kind):
    assert host.patch(address, change).status_code == 200
    assert lines(host, image) == [(kind, "Ada")]


def test_an_edit_that_changes_nothing_writes_none(host, image, address):
    same = {"lat": image.latitude, "lon": image.longitude}
    host.patch(address, {"description": "The encore", "location": same})
    host.patch(address, {"description": "The encore"})
    assert lines(host, image) == [("description", "Ada")]


def test_an_edit_that_is_refused_writes_none(host, image, address):
    tag = host.get(address)["ETag"]
    host.patch(address, {"description": "First"})
    late = host.patch(address, {"description": "Second"}, headers={"If-Match": tag})
    assert late.status_code == 412
    assert lines(host, image) == [("description", "Ada")]


def test_a_guest_is_named_as_they_named_themselves(host, cleo, image, address):
    cleo.client.patch(address, {"caption": "Me"})
    cleo.client.delete(f"{address}location/")
    cleo.client.delete(address)
    cleo.client.post(f"{address}restore/")
    assert lines(host, image) == [
        *(("caption", "Cleo"), ("place_forgotten", "Cleo")),
        *(("trashed", "Cleo"), ("restored", "Cleo")),
    ]


def test_a_place_that_a_guest_gives_writes_its_line(host, cleo, client):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    page = reverse("place-page", args=[cleo.invitation.token, image.pk])
    client.post(page, {"latitude": "48.2", "longitude": "16.4"})
    assert lines(host, image) == [("place", "Cleo")]


def test_decisions_write_their_lines(host, image, address):
    for decision in ("reject", "wait", "approve"):
        host.post(f"{address}moderate/", {"decision": decision})
    assert lines(host, image) == [("rejected", "Ada"), ("undecided", "Ada"), ("approved", "Ada")]


def test_the_trash_writes_its_lines(host, image, address):
    host.delete(address)
    host.delete(address)  # it is there already
    host.post(f"{address}restore/")
    host.post(f"{address}restore/")
    assert lines(host, image) == [("trashed", "Ada"), ("restored", "Ada")]


def test_a_replacement_writes_its_line_once_it_is_done(host, image, address):
    file = SimpleUploadedFile("new.jpg", drawn_pictures.jpeg(seed=2), "image/jpeg")
    answer = host.patch(f"{address}file/", {"file": file}, format="multipart")
    assert lines(host, image) == []
    tasks.process_upload(answer.json()["upload"])
    assert lines(host, image) == [("replaced", "Ada")]


def test_a_replacement_that_fails_writes_none(host, image, address):
    file = SimpleUploadedFile("new.jpg", drawn_pictures.jpeg(seed=2)[:400], "image/jpeg")
    answer = host.patch(f"{address}file/", {"file": file}, format="multipart")
    tasks.process_upload(answer.json()["upload"])
    assert Upload.objects.get(pk=answer.json()["upload"]).status == "failed"
    assert lines(host, image) == []


def test_a_move_writes_its_line_with_what_was_changed_on_the_way(host, image, address, other_group):
    host.patch(address, {"group": str(other_group.pk), "description": "Winter"})
    assert sorted(lines(host, image)) == [("description", "Ada"), ("moved", "Ada")]


def test_whoever_asked_for_a_removal_is_not_named(host, cleo, image, address):
    cleo.client.post(f"{address}takedown/", {"name": "Cleo", "reason": "That is me"})
    host.post(f"{address}restore/")
    assert lines(host, image) == [("removal_asked", ""), ("restored", "Ada")]
    assert "That is me" not in json.dumps(host.get(f"{address}changes/").json())


def test_the_admin_page_writes_its_line(host, image, admin_client):
    admin_client.post(reverse("admin:images_image_change", args=[image.pk]), _admin_form(image))
    assert Image.objects.get().description == "By the admin"
    (change,) = image.changes.all()
    assert (change.kind, change.changed_by.is_superuser) == ("description", True)


def _admin_form(image):
    empty = {"TOTAL_FORMS": "0", "INITIAL_FORMS": "0"}
    inlines = {
        f"{prefix}-{name}": value
        for prefix in ("uploads", "variants", "changes")
        for name, value in empty.items()
    }
    return {"description": "By the admin", **inlines}


# --- Many at once ---------------------------------------------------------------------------


@pytest.mark.parametrize("action", few(["approve", "reject", "wait", "trash"], 2))
def test_a_bulk_call_writes_a_line_for_each(host, group, action):
    photos = [bulk_rows.photo(group) for _ in range(3)]
    body = {"ids": [str(image.pk) for image in photos], "action": action}
    assert host.post("/api/v1/images/bulk/", body).status_code == 200
    assert PhotoChange.objects.count() == 3
    assert {change.image_id for change in PhotoChange.objects.all()} == {p.pk for p in photos}


def test_a_bulk_restore_and_a_bulk_move_write_their_lines(host, image, other_group):
    body = {"ids": [str(image.pk)]}
    for more in (
        {"action": "trash"},
        {"action": "restore"},
        {"action": "move", "group": str(other_group.pk)},
    ):
        assert host.post("/api/v1/images/bulk/", {**body, **more}).status_code == 200
    assert lines(host, image) == [("trashed", "Ada"), ("restored", "Ada"), ("moved", "Ada")]


@pytest.mark.parametrize("count", [2, 40])
def test_the_number_of_queries_is_constant(ada, group, count, django_assert_num_queries):
    ids = [bulk_rows.photo(group).pk for _ in range(count)]
    # Two begin and end the transaction, two a savepoint; two are of the audit trail.
    with django_assert_num_queries(10):
        bulk.moderate(ids, moderation.REJECT, by=ada)


def test_a_bulk_call_that_is_refused_writes_none(host, group):
    kept, gone = bulk_rows.photo(group), bulk_rows.photo(group)
    trash.put(gone)
    PhotoChange.objects.all().delete()
    body = {"ids": [str(kept.pk), str(gone.pk)], "action": "approve"}
    assert host.post("/api/v1/images/bulk/", body).status_code == 409
    assert not PhotoChange.objects.exists()


# --- What is not in it ----------------------------------------------------------------------


def test_a_forgotten_place_is_not_in_the_history(host, image, address):
    host.patch(address, {"location": {"lat": LAT, "lon": LON + 1}, "description": "At 48.2082"})
    host.delete(f"{address}location/")
    host.delete(f"{address}location/")  # safe to repeat, and no news
    found = json.dumps(list(PhotoChange.objects.values("kind", "name", "details")))
    assert [kind for kind, _by in lines(host, image)].count("place_forgotten") == 1
    assert not any(part in found for part in ("48", "16.3", "17.3"))


def test_forgetting_by_the_server_names_nobody(host, image):
    forget_location.forget(image.pk)
    assert lines(host, image) == [("place_forgotten", "")]


def test_the_purge_removes_the_history(image, settings):
    trash.put(image)
    trash.expire([image.pk])
    sweeper.sweep()
    assert not Image.objects.exists()
    assert not PhotoChange.objects.exists()


@pytest.mark.parametrize(("keep_name", "name"), [(True, "Ben"), (False, "")])
def test_a_deleted_account_leaves_its_name_only_if_wanted(
    ben, host, group, signed_in, keep_name, name
):
    image = send_as_member(signed_in(ben), group, drawn_pictures.jpeg())
    signed_in(ben).patch(f"/api/v1/images/{image.pk}/", {"description": "Mine"})
    account_deletion.delete(ben, keep_name=keep_name, at_once=False)
    assert lines(host, image) == [("description", name)]


# --- Who reads it ---------------------------------------------------------------------------


def test_it_is_paged_latest_first(host, image, address):
    for number in range(5):
        host.patch(address, {"description": f"Song {number}"})
        host.post(f"{address}moderate/", {"decision": "approve"})
    answer = host.get(f"{address}changes/?limit=3").json()
    assert answer["count"] == 10
    kinds = [each["kind"] for each in answer["results"]]
    assert kinds == ["approved", "description", "approved"]
    assert host.get(f"{address}changes/?limit=201").status_code == 400


def test_guests_do_not_read_it(cleo, address):
    assert cleo.client.get(f"{address}changes/").status_code == 403
    assert APIClient().get(f"{address}changes/").status_code == 401


def test_an_address_is_told_to_the_own_team_alone(ben, image, other_group, dora):
    ben.name = ""
    ben.save()
    history.record([image], PhotoChange.Kind.APPROVED, by=ben)
    (change,) = history.of(image)
    assert history.name_of(change) == "ben@example.org"
    Image.objects.update(group=GroupFactory(team=dora.teams.get()))
    (change,) = history.of(Image.objects.get())
    assert history.name_of(change) == ""


def test_the_number_of_queries_of_the_list_is_constant(
    host, ada, image, address, django_assert_max_num_queries
):
    for _ in range(30):
        history.record([image], PhotoChange.Kind.APPROVED, by=ada)
    with django_assert_max_num_queries(12):
        assert host.get(f"{address}changes/").json()["count"] == 30
