"""Each step of a photo's life leaves a line with its ids, and only what was committed."""

from __future__ import annotations

import pytest
from django.db import transaction

from images import journey, tasks
from images.lifecycle import forget_location, moderation, moving, retention, sweeper, trash
from images.models import Image, Upload
from images.processing import claims, work
from images.tests import drawn_pictures
from images.tests.guest_client import described, put
from images.uploads import transfer

pytestmark = pytest.mark.django_db(transaction=True)
SENT = ["announced", "signed", "arrived", "queued"]
PROCESSED = ["claimed", "decoded", "rendered", "stored", "done"]


@pytest.fixture
def told(caplog):
    """The steps that were told of a photo since the last call."""

    def steps(image_id):
        found = [record for record in caplog.records if record.name == journey.logger.name]
        caplog.clear()
        return [record.message for record in found if record.image_id == str(image_id)]

    return steps


def test_from_the_announcement_to_the_gallery(told, cleo):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    assert told(image.pk) == SENT + PROCESSED


def test_a_file_in_parts_tells_each_signature(told, cleo, settings):
    settings.MULTIPART_PART_BYTES, settings.MULTIPART_THRESHOLD_BYTES = 1000, 2000
    ticket = cleo.announce_one(drawn_pictures.jpeg())
    cleo.sign(ticket["id"], part=1)
    assert told(ticket["id"]) == ["announced", "signed"]


def test_what_is_announced_again_is_told_once(told, cleo):
    data = drawn_pictures.jpeg()
    ticket = cleo.announce_one(data)
    cleo.announce(described(data))
    assert told(ticket["id"]).count("announced") == 1


def test_a_bad_file_says_why(caplog, cleo):
    upload = cleo.send(b"no picture at all")
    caplog.clear()
    tasks.process_upload(str(upload.pk))
    (line,) = [record for record in caplog.records if record.message == "failed"]
    assert (line.upload_id, line.reason) == (str(upload.pk), "not-an-image")


def test_a_crash_is_tried_again_and_ends_in_quarantine(told, cleo, monkeypatch):
    upload = cleo.send(drawn_pictures.jpeg())
    told(upload.pk)
    monkeypatch.setattr(work, "_make_photo", lambda claim: 1 / 0)
    for _ in range(claims.MAX_ATTEMPTS):
        tasks.process_upload(str(upload.pk))
    again = ["claimed", "queued"] * (claims.MAX_ATTEMPTS - 1)
    assert told(upload.pk) == [*again, "claimed", "failed", "quarantined"]


def test_a_worker_that_was_too_slow_says_so(told, cleo, monkeypatch):
    upload = cleo.send(drawn_pictures.jpeg())
    told(upload.pk)
    finish = work.outcomes.finish

    def too_late(claim, finished, **held):
        Upload.objects.filter(pk=upload.pk).update(claim_number=99)
        finish(claim, finished, **held)

    monkeypatch.setattr(work.outcomes, "finish", too_late)
    tasks.process_upload(str(upload.pk))
    assert told(upload.pk) == [*PROCESSED[:-1], "lease lost"]


def test_a_duplicate_names_the_photo_it_is_of(caplog, cleo, ben, group):
    data = drawn_pictures.jpeg()
    image = cleo.send_and_process(data)
    second = cleo.send(data, sha256="", filename="again.jpg", client_id="2")
    caplog.clear()
    tasks.process_upload(str(second.pk))
    (line,) = [record for record in caplog.records if record.message == "duplicate"]
    assert (line.image_id, line.duplicate_of) == (str(second.image_id), str(image.pk))


def test_cancelled(told, cleo):
    ticket = cleo.announce_one(drawn_pictures.jpeg())
    transfer.discard(Upload.objects.get(pk=ticket["id"]))
    assert told(ticket["id"])[-1] == "discarded"


def test_what_hosts_do_is_told(told, cleo, ada, group, team):
    from groups.tests.factories import GroupFactory

    image = cleo.send_and_process(drawn_pictures.jpeg(lat=48.2, lon=16.37))
    told(image.pk)
    moderation.moderate([image.pk], moderation.REJECT, by=ada)
    forget_location.forget(image.pk, by=ada)
    trash.put(image, by=ada)
    trash.restore(image, by=ada)
    moving.move(Image.objects.get(), GroupFactory(team=team), {}, expected={}, by=ada)
    assert told(image.pk) == ["rejected", "place_forgotten", "trashed", "restored", "moved"]


def test_a_replacement_is_a_version_of_the_same_photo(told, cleo, ada, signed_in, group):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    told(image.pk)
    data = drawn_pictures.jpeg(seed=2)
    file = described(data)
    answer = signed_in(ada).patch(
        f"/api/v1/images/{image.pk}/file/", file, content_type="application/json"
    )
    assert put(answer.json()["upload"], data).status == 200
    upload = Upload.objects.get(version=2)
    transfer.complete(upload)
    tasks.process_upload(str(upload.pk))
    assert told(image.pk) == [*SENT, *PROCESSED[:-1], "done", "replaced", "version purged"]


def test_purged_for_good(told, cleo):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    trash.put(image)
    trash.expire([image.pk])
    sweeper.sweep()
    assert told(image.pk)[-1] == "purged"


def test_a_dropped_original(told, cleo, group):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    group.retain_originals_days = 0
    group.save()
    retention.drop_original(image.pk)
    assert told(image.pk)[-1] == "original dropped"


def test_what_is_rolled_back_is_not_told(told, cleo):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    told(image.pk)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        trash.put(image)
        1 / 0  # noqa: B018
    assert told(image.pk) == []
