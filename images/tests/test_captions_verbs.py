"""What becomes of a generated caption when its photo is trashed, purged, replaced, moved, or its
place forgotten; and how the photo comes to say what is shown."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from bandpics.testing.matrix import few
from groups.tests.factories import GroupFactory
from images import tasks
from images.lifecycle import forget_location, moving, trash
from images.models import GeneratedCaption, Image
from images.tests import drawn_pictures, stored_photos
from images.tests.guest_client import described, put

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]
State = GeneratedCaption.State
WORDS = "Zwei Menschen tanzen vor einer Bühne."


@pytest.fixture
def group(group):
    group.caption_language = "de"
    group.save()
    return group


@pytest.fixture
def image(ada, group, signed_in):
    return stored_photos.by_member(ada, group, drawn_pictures.jpeg(seed=1, lat=48.2, lon=16.37))


def caption(image, **more):
    columns = {"language": "de", "text": WORDS, "state": State.DONE, "model": "m", **more}
    return GeneratedCaption.objects.create(image=image, version=image.version, **columns)


def state_of(image):
    return Image.objects.values_list("caption_due", "generated_text").get(pk=image.pk)


def test_a_photo_says_what_is_shown(image):
    assert state_of(image) == (True, "")
    row = caption(image, state=State.QUEUED)
    assert state_of(image) == (False, "")
    GeneratedCaption.objects.update(state=State.DONE)
    assert state_of(image) == (False, WORDS)
    GeneratedCaption.objects.update(hidden_at=timezone.now())
    assert state_of(image) == (False, "")
    GeneratedCaption.objects.update(hidden_at=None, text="Ein Paar tanzt.")
    assert state_of(image) == (False, "Ein Paar tanzt.")
    row.delete()
    assert state_of(image) == (True, "")


def test_whoever_keeps_a_copy_learns_of_it(image):
    """`updated_at` moves with what is shown, and with nothing else."""
    before = Image.objects.get().updated_at
    row = caption(image, state=State.QUEUED)
    assert Image.objects.get().updated_at == before
    row.state = State.DONE
    row.save()
    assert Image.objects.get().updated_at > before


def test_trashed_and_restored_it_is_there_again(image, ada):
    caption(image)
    trash.put(image, by=ada)
    assert state_of(image) == (False, WORDS)
    trash.restore(image, by=ada)
    assert state_of(image) == (False, WORDS)


@pytest.mark.parametrize("state", [State.QUEUED, State.ASKING, State.FAILED])
def test_what_waits_for_a_model_leaves_with_a_trashed_photo(image, ada, state):
    caption(image, state=state, text="", lease_until=timezone.now())
    trash.put(image, by=ada)
    assert not GeneratedCaption.objects.exists()
    trash.restore(image, by=ada)
    assert state_of(image) == (True, "")


def test_purged_it_is_gone(image, ada):
    caption(image)
    trash.put(image, by=ada)
    Image.objects.update(trashed_at=timezone.now() - timedelta(days=31))
    trash.purge(image.pk)
    assert not Image.objects.exists()
    assert not GeneratedCaption.objects.exists()


def test_replaced_it_is_written_anew(image, ada, signed_in):
    caption(image)
    data = drawn_pictures.jpeg(seed=2)
    client = signed_in(ada)
    ticket = client.patch(f"/api/v1/images/{image.pk}/file/", described(data)).json()
    assert put(ticket["upload"], data).status == 200
    client.post(f"/api/v1/uploads/{ticket['id']}/complete/")
    assert state_of(image) == (False, WORDS)  # until the new file is done
    tasks.process_upload(ticket["id"])
    assert state_of(image) == (True, "")
    assert not GeneratedCaption.objects.exists()


def test_moved_to_a_group_of_the_same_language_it_stays(image, group, ada):
    caption(image)
    there = GroupFactory(team=group.team, caption_language="de")
    moving.move(image, there, {}, expected={}, by=ada)
    assert state_of(image) == (False, WORDS)


@pytest.mark.parametrize("language", few(["en", ""], 1))
@pytest.mark.parametrize(
    ("decision", "stays"),
    [({}, False), ({"is_corrected": True}, True), ({"hidden_at": timezone.now()}, True)],
)
def test_moved_to_another_language_what_a_model_wrote_goes(
    image, group, ada, language, decision, stays
):
    caption(image, **decision)
    there = GroupFactory(team=group.team, caption_language=language)
    moving.move(image, there, {}, expected={}, by=ada)
    assert GeneratedCaption.objects.exists() is stays


def test_forgetting_a_place_removes_what_may_name_it(image, ada):
    caption(image, text="Zwei Menschen vor dem Stephansdom in Wien")
    forget_location.forget(image.pk, by=ada)
    assert not GeneratedCaption.objects.exists()
    assert Image.objects.get().generated_text == ""
    assert "stephansdom" not in str(Image.objects.get().search_vector)
