"""Whoever sees a photo may ask for its removal: it is hidden at once, and a host decides."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F

from groups.tests.factories import GroupFactory
from images.lifecycle import sweeper, takedown, trash
from images.models import Image, TakedownRequest
from images.tests import drawn_pictures

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]


@pytest.fixture
def image(cleo):
    return cleo.send_and_process(drawn_pictures.jpeg())


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


def test_a_refusal_shows_the_photo_again(asked, image, ada):
    takedown.refuse(asked, by=ada, answer="You are not")
    asked.refresh_from_db()
    assert (asked.state, asked.answer, asked.decided_by) == ("refused", "You are not", ada)
    assert Image.objects.kept().get() == image


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
