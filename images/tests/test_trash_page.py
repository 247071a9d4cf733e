"""The page of the trash, and removing photos from the gallery and from their own page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F
from django.urls import reverse

from groups import trash as group_trash
from groups.models import Group
from images.lifecycle import sweeper, takedown, trash
from images.models import Image, TakedownRequest
from images.tests import bulk_rows, drawn_pictures, stored_photos
from images.tests.guest_client import Guest, send_as_member
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]


@pytest.fixture
def page(ada, signed_in):
    return browser(signed_in(ada))


def browser(client):
    client.default_format = "multipart"
    return client


@pytest.fixture
def url(group):
    return reverse("trash", args=[group.pk])


@pytest.fixture
def image(cleo):
    return stored_photos.by_guest(cleo, drawn_pictures.jpeg())


def said(answer):
    assert answer.status_code == 200
    return answer.content.decode()


def test_it_says_who_removed_a_photo_and_how_long_it_stays(page, url, ada, image):
    assert "The trash is empty" in said(page.get(url))
    trash.put(image, by=ada)
    html = said(page.get(url))
    assert str(image.pk) in html
    assert str(ada) in html
    assert "30 days left" in html
    Image.objects.update(trashed_at=F("trashed_at") - timedelta(days=29, hours=5))
    assert "1 day left" in said(page.get(url))
    Image.objects.update(trashed_at=F("trashed_at") - timedelta(days=1))
    assert "The trash is empty" in said(page.get(url))


def test_the_number_of_queries_is_constant(page, url, group, django_assert_max_num_queries):
    for _ in range(30):
        bulk_rows.photo(group, variants=("thumb", "tile"))
    trash.put_all(Image.objects.values_list("pk", flat=True))
    with django_assert_max_num_queries(14):
        assert page.get(url).status_code == 200


def test_ticked_photos_come_back(page, url, cleo, image):
    other = cleo.send_and_process(drawn_pictures.jpeg(seed=2))
    trash.put_all([image.pk, other.pk])
    body = {"action": "restore", "ids": [image.pk]}
    assert "1 photo is back." in said(page.post(url, body, follow=True))
    assert Image.objects.kept().get() == image


def test_what_cannot_come_back_is_said_and_the_rest_does(page, url, group, cleo, image):
    other = cleo.send_and_process(drawn_pictures.jpeg(seed=2))
    trash.put_all([image.pk, other.pk])
    Guest(InvitationFactory(group=group)).send_and_process(drawn_pictures.jpeg())
    body = {"action": "restore", "ids": [image.pk, other.pk]}
    html = said(page.post(url, body, follow=True))
    assert "1 photo is back." in html
    assert "the group shows the same photo" in html


def test_deleting_for_good_is_asked_first(page, url, image, bucket):
    trash.put(image)
    body = {"action": "purge", "ids": [image.pk]}
    assert "Delete 1 photo for good?" in said(page.post(url, body))
    sweeper.sweep()
    assert Image.objects.exists()
    html = said(page.post(url, {**body, "confirmed": "1"}, follow=True))
    assert "being deleted for good" in html
    assert "The trash is empty" in html
    sweeper.sweep()
    assert not Image.objects.exists()
    assert list(bucket.list_keys("")) == []


def test_the_trash_is_emptied_after_a_question(page, url, cleo, image):
    kept = cleo.send_and_process(drawn_pictures.jpeg(seed=2))
    trash.put(image)
    assert "Delete 1 photo for good?" in said(page.post(url, {"action": "empty"}))
    page.post(url, {"action": "empty", "confirmed": "1"})
    sweeper.sweep()
    assert Image.objects.get() == kept


def test_a_request_is_marked_and_restoring_refuses_it(page, url, cleo, image):
    takedown.ask(image, asker=cleo.key)
    assert "Somebody asked for its removal" in said(page.get(url))
    page.post(url, {"action": "restore", "ids": [image.pk]})
    assert TakedownRequest.objects.get().state == "refused"


def test_photos_that_are_shown_are_not_purged(page, url, image):
    page.post(url, {"action": "purge", "ids": [image.pk], "confirmed": "1"})
    assert Image.objects.kept().exists()


# --- From the gallery and the page of a photo ------------------------------------------------


@pytest.fixture
def gallery(group):
    return reverse("group-gallery", args=[group.pk])


@pytest.fixture
def remove(group):
    return reverse("remove-photos", args=[group.pk])


def test_an_owner_removes_a_photo_by_one_click_and_undoes_it(page, gallery, remove, ada, image):
    assert f'value="{image.pk}"' in said(page.get(gallery))
    html = said(page.post(remove, {"ids": image.pk, "back": gallery}, follow=True))
    assert "1 photo is in the trash now." in html
    assert Image.objects.get().trashed_by == ada
    restore = reverse("restore-photos", args=[image.group_id])
    assert restore in html
    assert "1 photo is in the trash now." not in said(page.get(gallery))
    page.post(restore, {"ids": image.pk})
    assert Image.objects.kept().exists()


def test_many_are_ticked_where_one_selects(page, gallery, remove, cleo, image):
    other = cleo.send_and_process(drawn_pictures.jpeg(seed=2))
    html = said(page.get(f"{gallery}?select"))
    assert html.count('type="checkbox"') == 2
    body = {"ids": [image.pk, other.pk], "back": f"{gallery}?select"}
    answer = page.post(remove, body)
    assert answer["Location"] == f"{gallery}?select"
    assert "2 photos are in the trash now." in said(page.get(answer["Location"]))


def test_the_page_of_a_photo_removes_it_and_leads_back(page, gallery, remove, image):
    html = said(page.get(f"/images/{image.pk}/"))
    assert remove in html
    answer = page.post(remove, {"ids": image.pk, "back": "https://evil.example/"})
    assert answer["Location"] == gallery


def test_members_remove_their_own_and_viewers_nothing(
    ben, vera, group, gallery, remove, image, signed_in
):
    own = send_as_member(signed_in(ben), group, drawn_pictures.jpeg(seed=2))
    page = browser(signed_in(ben))
    html = said(page.get(gallery))
    assert f'value="{own.pk}"' in html
    assert f'value="{image.pk}"' not in html
    html = said(page.post(remove, {"ids": [own.pk, image.pk]}, follow=True))
    assert "only owners remove photos of other people" in html
    assert Image.objects.kept().get() == image
    page.post(reverse("restore-photos", args=[group.pk]), {"ids": [own.pk]})
    assert Image.objects.kept().count() == 2
    viewer = browser(signed_in(vera))
    assert remove not in said(viewer.get(gallery))
    assert f"/images/{image.pk}/removal/" in said(viewer.get(f"/images/{image.pk}/"))
    assert viewer.post(remove, {"ids": [image.pk]}).status_code == 403


# --- A group ---------------------------------------------------------------------------------


def test_a_group_ends_for_good_once_its_name_is_typed(page, group, image, bucket):
    address = reverse("purge-group", args=[group.pk])
    assert page.get(address).status_code == 404  # it is not in the trash
    group_trash.put(group)
    assert address in said(page.get("/"))
    assert page.post(address, {"name": "Summer"}).status_code == 422
    assert "being deleted for good" in said(page.post(address, {"name": group.name}, follow=True))
    assert page.get(address).status_code == 404
    assert not group_trash.restore(group)  # too late
    sweeper.sweep()
    assert not Group.objects.exists()
    assert list(bucket.list_keys("")) == []


def test_only_owners_end_a_group(ben, group, signed_in):
    group_trash.put(group)
    address = reverse("purge-group", args=[group.pk])
    assert browser(signed_in(ben)).post(address, {"name": group.name}).status_code == 404
    assert Group.objects.exists()
