"""Whoever sees a photo may ask for its removal: it is hidden at once, and a host decides."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from bandpics.users import api_keys
from groups.tests.factories import GroupFactory
from images.lifecycle import sweeper, takedown, trash
from images.models import Image, TakedownRequest
from images.tests import drawn_pictures, stored_photos
from images.tests.guest_client import Guest
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]


@pytest.fixture
def image(cleo):
    return stored_photos.by_guest(cleo, drawn_pictures.jpeg())


@pytest.fixture
def asked(image, cleo):
    return takedown.ask(image, asker=cleo.key, reason="I am on it")


def test_a_photo_is_hidden_as_soon_as_somebody_asks(asked, image, cleo):
    image.refresh_from_db()
    assert image.trashed_at
    assert not image.trashed_by_uploader  # who asked cannot undo it: a host decides
    assert takedown.request_of(image.pk, asker=cleo.key) == asked


def test_a_photo_that_is_hidden_is_not_asked_about_again(asked, image, cleo):
    with pytest.raises(takedown.PhotoGone):
        takedown.ask(image, asker=cleo.key)
    assert TakedownRequest.objects.count() == 1


def test_who_waits_for_many_answers_asks_no_more(image, cleo, monkeypatch):
    monkeypatch.setattr(takedown, "OPEN_AT_MOST", 1)
    other = cleo.send_and_process(drawn_pictures.jpeg(seed=2))
    takedown.ask(image, asker=cleo.key)
    with pytest.raises(takedown.TooManyOpen):
        takedown.ask(other, asker=cleo.key)
    assert Image.objects.kept().get() == other


def test_of_many_requests_at_once_no_more_are_open(cleo, monkeypatch):
    monkeypatch.setattr(takedown, "OPEN_AT_MOST", 1)
    photos = [cleo.send_and_process(drawn_pictures.jpeg(seed=seed)) for seed in range(4)]
    barrier = threading.Barrier(4)

    def ask(photo):
        barrier.wait()
        with suppress(takedown.TooManyOpen):
            takedown.ask(photo, asker=cleo.key)
        connection.close()

    threads = [threading.Thread(target=ask, args=[photo]) for photo in photos]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert TakedownRequest.objects.open().count() == 1


def test_a_refusal_shows_the_photo_again(asked, image, ada):
    takedown.refuse(asked, by=ada, answer="You are not")
    asked.refresh_from_db()
    assert (asked.state, asked.answer, asked.decided_by) == ("refused", "You are not", ada)
    assert Image.objects.kept().get() == image


def test_another_browser_does_not_make_a_refused_request_anew_for_ever(group, image, ada):
    shared = InvitationFactory(group=group, kind="shared", email="")
    for number in range(takedown.REFUSED_AT_MOST):
        one = takedown.ask(image, asker=Guest(shared, device=f"{number:032x}").key)
        takedown.refuse(one, by=ada)
    with pytest.raises(takedown.RefusedBefore):
        takedown.ask(image, asker=Guest(shared, device="f" * 32).key)
    # Whoever holds another link is another person.
    assert takedown.ask(image, asker=Guest(InvitationFactory(group=group)).key)


def test_restoring_the_photo_refuses_the_request(asked, image, ada):
    assert trash.restore(image, by=ada)
    asked.refresh_from_db()
    assert (asked.state, asked.decided_by) == ("refused", ada)


def test_a_grant_leaves_the_photo_in_the_trash(asked, image, ada, ben):
    takedown.grant(asked, by=ada, answer="Of course")
    asked.refresh_from_db()
    assert (asked.state, asked.answer) == ("granted", "Of course")
    assert Image.objects.trashed().get() == image
    with pytest.raises(takedown.DecidedMeanwhile):
        takedown.refuse(asked, by=ben)
    with pytest.raises(takedown.DecidedMeanwhile):
        takedown.grant(asked, by=ben)


def test_a_grant_may_have_the_photo_purged_at_once(asked, image, ada, cleo, bucket):
    takedown.grant(asked, by=ada, and_purge=True)
    assert not trash.restore(image, by=ada)
    sweeper.sweep()
    assert not Image.objects.exists()
    assert list(bucket.list_keys("")) == []
    answer = takedown.request_of(image.pk, asker=cleo.key)
    assert (answer.state, answer.image_id) == ("granted", None)


def test_when_its_time_in_the_trash_is_over_the_request_is_granted(asked, image, cleo):
    Image.objects.update(trashed_at=F("trashed_at") - timedelta(days=31))
    sweeper.sweep()
    assert takedown.request_of(image.pk, asker=cleo.key).state == "granted"


def test_the_trash_is_not_moved_elsewhere(asked, image, ada, signed_in):
    other = GroupFactory(team=image.group.team)
    body = {"group": str(other.pk)}
    assert signed_in(ada).patch(f"/api/v1/images/{image.pk}/", body).status_code == 404


# --- By the API -----------------------------------------------------------------------------


@pytest.fixture
def address(image):
    return f"/api/v1/images/{image.pk}/takedown/"


@pytest.fixture
def emil(group):
    return Guest(InvitationFactory(group=group, name="Emil", visibility="gallery"))


def test_a_guest_asks_about_a_photo_of_the_gallery_and_reads_the_answer(
    emil, cleo, ada, image, address, signed_in
):
    assert emil.client.post(address).status_code == 404  # not approved: not seen
    Image.objects.update(moderation="approved")
    answer = emil.client.post(address, {"reason": "My child", "name": "Emil"})
    assert (answer.status_code, answer.json()["state"]) == (201, "open")
    assert cleo.client.get(f"/api/v1/images/{image.pk}/").status_code == 404  # hidden at once
    gone = cleo.client.get("/api/v1/images/?trashed=true&updated_since=2026-01-01").json()
    assert [row["id"] for row in gone["results"]] == [str(image.pk)]  # mirrors hear of it
    assert cleo.client.get(address).status_code == 404  # another's request
    takedown.refuse(TakedownRequest.objects.get(), by=ada, answer="It is a doll")
    body = emil.client.get(address).json()
    assert (body["state"], body["answer"]) == ("refused", "It is a doll")
    again = emil.client.post(address)
    assert again.json()["type"] == "/problems/takedown-refused/"
    assert Image.objects.kept().exists()


def test_an_owner_needs_no_request(ada, image, address, signed_in):
    answer = signed_in(ada).post(address)
    assert answer.json()["type"] == "/problems/remove-it-yourself/"


def test_deleting_what_was_asked_for_grants_it(asked, image, ada, signed_in):
    assert signed_in(ada).delete(f"/api/v1/images/{image.pk}/").status_code == 204
    asked.refresh_from_db()
    assert (asked.state, asked.decided_by) == ("granted", ada)


def test_bulk_calls_decide_too(asked, image, ada, cleo, signed_in):
    other = cleo.send_and_process(drawn_pictures.jpeg(seed=2))
    takedown.ask(other, asker=cleo.key)
    for photo, action, state in [(image, "trash", "granted"), (other, "restore", "refused")]:
        body = {"ids": [str(photo.pk)], "action": action}
        assert signed_in(ada).post("/api/v1/images/bulk/", body).status_code == 200
        assert TakedownRequest.objects.get(photo_id=photo.pk).state == state


def test_asking_is_limited(cleo, image, address, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "takedown": "1/hour"}
    other = cleo.send_and_process(drawn_pictures.jpeg(seed=2))
    assert cleo.client.post(address).status_code == 201
    answer = cleo.client.post(f"/api/v1/images/{other.pk}/takedown/")
    assert answer.status_code == 429
    assert answer["Retry-After"]


def test_a_key_to_read_hides_nothing(ben, image, address):
    _, text = api_keys.issue(ben, name="read", scopes=["read"])
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {text}")
    assert client.post(address).status_code == 403


@pytest.mark.parametrize("body", [{"reason": "x" * 1001}, {"name": "x" * 121}, {"why": "x"}])
def test_bad_input_is_refused(cleo, address, body):
    assert cleo.client.post(address, body).status_code == 400
    assert Image.objects.kept().exists()


# --- By the pages ---------------------------------------------------------------------------


def test_a_guest_asks_on_a_page_and_reads_the_answer_there(client, ada, cleo, image):
    path = f"/i/{cleo.invitation.token}/photos/{image.pk}/removal/"
    assert f"tile/{image.pk}-1.jpg" in client.get(path).content.decode()
    answer = client.post(path, {"reason": "My child", "name": "Cleo"})
    assert (answer.status_code, answer["Location"]) == (302, path)
    assert "A host decides" in client.get(path).content.decode()
    takedown.grant(TakedownRequest.objects.get(), by=ada, answer="Of <course>")
    html = client.get(path).content.decode()
    assert "it stays removed" in html
    assert "Of &lt;course&gt;" in html


def test_devices_of_a_shared_link_read_only_their_own_answers(client, group, image, ada):
    link = InvitationFactory(group=group, kind="shared", email="", name="", visibility="gallery")
    Image.objects.update(moderation="approved")
    path = f"/i/{link.token}/photos/{image.pk}/removal/"
    assert client.post(path, {"device": "0" * 32}).status_code == 302
    assert "A host decides" in client.get(path).content.decode()
    other = Client()
    assert "A host decides" not in other.get(path).content.decode()
    assert other.post(path, {"reason": "me, too"}).status_code == 404  # hidden already
    assert TakedownRequest.objects.get().device_hash


def test_what_a_guest_typed_is_kept_when_it_is_refused(client, cleo, image):
    path = f"/i/{cleo.invitation.token}/photos/{image.pk}/removal/"
    answer = client.post(path, {"reason": "x" * 1001, "name": "Cleo"})
    assert answer.status_code == 422
    assert "x" * 1001 in answer.content.decode()
    assert Image.objects.kept().exists()


def test_a_viewer_asks_on_a_page_and_an_owner_is_shown_the_photo(ada, vera, image, signed_in):
    path = f"/images/{image.pk}/removal/"
    client = signed_in(vera)
    client.default_format = "multipart"
    assert client.get(path).status_code == 200
    assert client.post(path, {"reason": "Please"})["Location"] == path
    assert "A host decides" in client.get(path).content.decode()
    assert Image.objects.trashed().exists()
    assert signed_in(ada).get(path).status_code == 404


def test_a_withdrawn_link_says_so(client, cleo, image):
    cleo.invitation.revoked_at = timezone.now()
    cleo.invitation.save()
    path = f"/i/{cleo.invitation.token}/photos/{image.pk}/removal/"
    assert client.get(path).status_code == 403
