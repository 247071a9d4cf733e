"""What an open gallery asks every few seconds: which photos have arrived since it was made."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from images.models import Image, Upload
from images.tests import bulk_rows, drawn_pictures

pytestmark = pytest.mark.django_db


@pytest.fixture
def ask(ben, group, signed_in):
    client = signed_in(ben)

    def ask_(since, **headers):
        moment = since if isinstance(since, str) else since.isoformat()
        return client.get(f"/groups/{group.pk}/news/", {"since": moment}, headers=headers)

    return ask_


@pytest.mark.usefixtures("bucket")
def test_a_photo_is_news_once_it_is_ready(cleo, ask):
    page_made_at = timezone.now()
    image = cleo.send(drawn_pictures.jpeg()).image
    assert ask(page_made_at).json() == {"new": []}
    done = cleo.send_and_process(drawn_pictures.jpeg(seed=2))
    assert ask(page_made_at).json() == {"new": [str(done.pk)]}
    assert ask(timezone.now()).json() == {"new": []}
    assert Image.objects.get(pk=image.pk).version == 0


@pytest.mark.usefixtures("bucket")
def test_a_replaced_file_and_a_photo_in_the_trash_are_no_news(cleo, ada, ask, signed_in):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    gone = cleo.send_and_process(drawn_pictures.jpeg(seed=2))
    Upload.objects.update(finished_at=timezone.now() - timedelta(hours=1))
    since = timezone.now() - timedelta(minutes=1)
    bulk_rows.upload(image, status="done", version=2, finished_at=timezone.now())
    Upload.objects.filter(pk=gone.pk).update(finished_at=timezone.now())
    assert ask(since).json() == {"new": [str(gone.pk)]}
    assert signed_in(ada).delete(f"/api/v1/images/{gone.pk}/").status_code == 204
    assert ask(since).json() == {"new": []}


def test_a_page_with_filters_is_told_of_what_it_shows(ben, group, signed_in):
    since = (timezone.now() - timedelta(minutes=1)).isoformat()
    now = timezone.now()
    shown = bulk_rows.photo(group, finished_at=now, uploader_name="Cleo", caption="On stage")
    bulk_rows.photo(group, finished_at=now, uploader_name="Ben")
    client, url = signed_in(ben), f"/groups/{group.pk}/news/"
    for asked in [{"uploader": "Cleo"}, {"q": "stage"}]:
        assert client.get(url, asked | {"since": since}).json() == {"new": [str(shown.pk)]}
    waiting = client.get(url, {"status": "processing", "since": since})
    assert waiting.json() == {"new": []}


def test_who_knows_the_news_is_told_that_nothing_changed(group, ask):
    since = timezone.now() - timedelta(minutes=1)
    bulk_rows.photo(group, finished_at=timezone.now())
    answer = ask(since)
    assert len(answer.json()["new"]) == 1
    again = ask(since, if_none_match=answer["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    bulk_rows.photo(group, finished_at=timezone.now())
    assert ask(since, if_none_match=answer["ETag"]).status_code == 200


def test_it_names_up_to_a_hundred_and_costs_constant_queries(group, ask, django_assert_num_queries):
    since = timezone.now() - timedelta(minutes=1)
    ask(since)
    with django_assert_num_queries(3):  # session with its account, group, photos
        assert ask(since).json() == {"new": []}
    for _ in range(101):
        bulk_rows.photo(group, finished_at=timezone.now())
    with django_assert_num_queries(3):
        assert len(ask(since).json()["new"]) == 100


@pytest.mark.parametrize("since", ["", "yesterday", "2026-06-21T20:00:00", "2026-13-01T00:00Z"])
def test_a_moment_that_is_none_is_refused(ask, since):
    assert ask(since).status_code == 400


def test_a_page_that_is_open_for_days_looks_back_one_day(group, ask):
    bulk_rows.photo(group, finished_at=timezone.now() - timedelta(hours=30))
    today = bulk_rows.photo(group, finished_at=timezone.now() - timedelta(hours=3))
    since = timezone.now() - timedelta(days=3)
    assert ask(since).json() == {"new": [str(today.pk)]}
