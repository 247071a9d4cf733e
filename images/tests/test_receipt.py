"""The receipt: what somebody sent and where it stands, and asking for no more than the news."""

from __future__ import annotations

from datetime import timedelta

import pytest

from images import tasks
from images.api import uploads
from images.lifecycle import moderation
from images.tests import drawn_pictures
from images.tests.guest_client import Guest
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]


def ask(guest, since=None):
    query = {"updated_since": since} if since else {}
    answer = guest.client.get("/api/v1/uploads/", query)
    assert answer.status_code == 200, answer.json()
    return answer.json()


@pytest.fixture
def news(cleo, monkeypatch):
    """What is new since the last call, as {name: status}."""
    monkeypatch.setattr(uploads, "OVERLAP", timedelta(0))
    since = None

    def news():
        nonlocal since
        answer = ask(cleo, since)
        since = answer["next_updated_since"]
        return {line["filename"]: line["status"] for line in answer["results"]}

    return news


def test_each_step_of_a_photo_is_news_once(cleo, news):
    assert news() == {}
    cleo.send_and_process(drawn_pictures.jpeg(seed=1), filename="old.jpg")
    assert news() == {"old.jpg": "done"}
    assert news() == {}
    ticket = cleo.announce_one(drawn_pictures.jpeg(seed=2), filename="new.jpg")
    assert news() == {"new.jpg": "pending"}
    assert cleo.client.delete(f"/api/v1/uploads/{ticket['id']}/").status_code == 204
    assert news() == {"new.jpg": "discarded"}
    upload = cleo.send(drawn_pictures.jpeg(seed=3), filename="third.jpg")
    assert news() == {"third.jpg": "queued"}
    tasks.process_upload(str(upload.pk))
    assert news() == {"third.jpg": "done"}
    bad = cleo.send(b"no picture at all", filename="bad.jpg")
    tasks.process_upload(str(bad.pk))
    assert news() == {"bad.jpg": "failed"}
    again = cleo.send(drawn_pictures.jpeg(seed=3), filename="again.jpg", sha256="")
    tasks.process_upload(str(again.pk))
    assert news() == {"again.jpg": "duplicate"}
    assert news() == {}


def test_so_is_what_becomes_of_it_later(cleo, news):
    image = cleo.send_and_process(drawn_pictures.jpeg(), filename="stage.jpg")
    news()
    address = f"/api/v1/images/{image.pk}/"
    changes = [
        lambda: cleo.client.patch(address, {"caption": "Encore"}),
        lambda: cleo.client.delete(address),
        lambda: cleo.client.post(f"{address}restore/"),
        lambda: moderation.moderate([image.pk], moderation.REJECT, by=None, reason="Too dark"),
    ]
    for change in changes:
        change()
        assert news() == {"stage.jpg": "done"}
        assert news() == {}


def test_the_last_seconds_come_again(cleo):
    """A row that was being written while the answer before was read."""
    cleo.send(drawn_pictures.jpeg())
    since = ask(cleo)["next_updated_since"]
    assert len(ask(cleo, since)["results"]) == 1


def test_without_news_it_asks_again_for_the_same(cleo):
    assert ask(cleo)["next_updated_since"] is None
    future = "2100-01-01T00:00:00Z"
    answer = ask(cleo, future)
    assert (answer["results"], answer["next_updated_since"]) == ([], future)
    assert answer["room"] == {"files": None, "bytes": None}


def test_nonsense_is_refused_by_name(cleo):
    answer = cleo.client.get("/api/v1/uploads/?updated_since=yesterday")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"].endswith("updated_since")


def test_the_sender_of_a_rejected_photo_is_told_and_told_why(cleo):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    (line,) = cleo.receipt()
    assert line["rejection"] is None
    moderation.moderate([image.pk], moderation.REJECT, by=None, reason="Somebody on it asked us")
    (line,) = cleo.receipt()
    assert line["rejection"] == {"reason": "Somebody on it asked us"}
    moderation.moderate([image.pk], moderation.REJECT, by=None)
    assert cleo.receipt()[0]["rejection"] == {"reason": None}
    moderation.moderate([image.pk], moderation.APPROVE, by=None)
    assert cleo.receipt()[0]["rejection"] is None


def test_whoever_only_knows_its_id_is_not(group):
    """Without a device nobody can be told from another who holds the link."""
    nobody = Guest(InvitationFactory(group=group, kind="shared", email="", name=""), device="")
    image = nobody.send_and_process(drawn_pictures.jpeg())
    moderation.moderate([image.pk], moderation.REJECT, by=None, reason="Between us")
    assert nobody.client.get(f"/api/v1/uploads/{image.pk}/").json()["rejection"] is None


def test_guests_are_told_whether_a_photo_waits_where_others_would_see_it(cleo, group):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    assert cleo.receipt()[0]["gallery"] is None  # guests see only their own
    group.visibility = "gallery"
    group.save()
    assert cleo.receipt()[0]["gallery"] == "unapproved"
    moderation.moderate([image.pk], moderation.APPROVE, by=None)
    assert cleo.receipt()[0]["gallery"] == "approved"
    moderation.moderate([image.pk], moderation.REJECT, by=None)
    assert (cleo.receipt()[0]["gallery"], cleo.receipt()[0]["rejection"]) == (
        None,
        {"reason": None},
    )
