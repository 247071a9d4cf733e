"""Cameras whose clocks were wrong: all photos of one uploader's camera are shifted at once."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction

from groups.models import Group
from images import tasks
from images.lifecycle import clock, moving, trash
from images.models import ClockCorrection, Image, PhotoChange
from images.tests import drawn_pictures
from images.tests.guest_client import Guest
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]
NINE = datetime(2026, 6, 21, 21, 0, tzinfo=UTC)


def jpeg(minute: int = 0, *, make: str = "Old", seed: int = 0, **more: object) -> bytes:
    taken_at = f"2026:06:21 21:{minute:02}:00"
    return drawn_pictures.jpeg(
        width=60, height=40, seed=100 * seed + minute, make=make, taken_at=taken_at, **more
    )


def local(image: Image) -> datetime:
    found = Image.objects.get(pk=image.pk)
    assert found.taken_at_local is not None
    return found.taken_at_local


@pytest.fixture
def host(ada, signed_in):
    return signed_in(ada)


@pytest.fixture
def address(group):
    return f"/api/v1/groups/{group.pk}/clock-corrections/"


@pytest.fixture
def photo(cleo):
    return cleo.send_and_process(jpeg(offset="+02:00"))


def corrected(host, address, image, minutes):
    answer = host.post(address, {"image": str(image.pk), "shift_minutes": minutes})
    assert answer.status_code == 201, answer.json()
    return answer.json()["id"]


def test_all_times_of_the_camera_are_shifted_and_no_others(host, address, cleo, photo, group):
    other_camera = cleo.send_and_process(jpeg(make="New", seed=1))
    emil = Guest(InvitationFactory(group=group, name="Emil"))
    of_emil = emil.send_and_process(jpeg(seed=2))

    corrected(host, address, photo, -90)

    found = Image.objects.get(pk=photo.pk)
    assert found.taken_at_local == NINE - timedelta(minutes=90)
    assert found.taken_at == found.sort_at == NINE - timedelta(minutes=90 + 120)
    assert found.clock_shift_minutes == -90
    assert local(other_camera) == local(of_emil) == NINE


def test_it_applies_to_photos_that_arrive_later(host, address, cleo, photo):
    corrected(host, address, photo, 60)

    later = cleo.send_and_process(jpeg(5))

    assert local(later) == NINE + timedelta(minutes=65)
    assert Image.objects.get(pk=later.pk).clock_shift_minutes == 60


def test_undo_takes_it_back_and_a_second_undo_does_nothing(host, address, cleo, photo):
    one = corrected(host, address, photo, 60)
    later = cleo.send_and_process(jpeg(5))

    for _ in range(2):
        assert host.delete(f"{address}{one}/").status_code == 204

    assert local(photo) == NINE
    assert local(later) == NINE + timedelta(minutes=5)
    assert local(cleo.send_and_process(jpeg(6))) == NINE + timedelta(minutes=6)


def test_another_correction_takes_the_place_of_the_first(host, address, photo):
    first = corrected(host, address, photo, 60)
    corrected(host, address, photo, 30)

    assert local(photo) == NINE + timedelta(minutes=30)
    host.delete(f"{address}{first}/")
    assert local(photo) == NINE + timedelta(minutes=30), "it was replaced before"
    rows = host.get(address).json()["results"]
    assert [row["shift_minutes"] for row in rows] == [30, 60]
    assert [row["undone_at"] is None for row in rows] == [True, False]


def test_a_time_that_a_person_has_set_stays(host, address, cleo, photo):
    edited = cleo.send_and_process(jpeg(7))
    sent = {"taken_at": "2026-06-21T12:00:00Z"}
    assert host.patch(f"/api/v1/images/{edited.pk}/", sent).status_code == 200

    one = corrected(host, address, photo, 60)
    assert local(edited).hour == 12
    host.delete(f"{address}{one}/")
    assert local(edited).hour == 12
    answer = host.post(address, {"image": str(edited.pk), "shift_minutes": 5})
    assert answer.status_code == 409
    assert answer.json()["type"].endswith("/no-camera-time/")


def test_a_replacement_is_shifted_once(host, address, photo):
    corrected(host, address, photo, 60)
    new = SimpleUploadedFile("new.jpg", jpeg(10), "image/jpeg")
    where = f"/api/v1/images/{photo.pk}/file/"
    sent = host.patch(where, {"file": new}, format="multipart")
    tasks.process_upload(sent.json()["upload"])

    assert local(photo) == NINE + timedelta(minutes=70)


def test_a_moved_photo_keeps_its_time_also_when_it_is_replaced(host, address, photo, team):
    one = corrected(host, address, photo, 60)
    moving.move_all([photo.pk], Group.objects.create(team=team, name="Elsewhere"))
    host.delete(f"{address}{one}/")
    assert local(photo) == NINE + timedelta(minutes=60)

    new = SimpleUploadedFile("new.jpg", jpeg(10), "image/jpeg")
    sent = host.patch(f"/api/v1/images/{photo.pk}/file/", {"file": new}, format="multipart")
    tasks.process_upload(sent.json()["upload"])
    assert local(photo) == NINE + timedelta(minutes=70)


def test_photos_in_the_trash_come_back_corrected(host, address, cleo, photo, ada):
    other = cleo.send_and_process(jpeg(5))
    trash.put(other, by=ada)
    corrected(host, address, photo, 60)
    trash.restore(other, by=ada)

    assert local(other) == NINE + timedelta(minutes=65)


def test_the_history_tells_it(host, address, photo, ada):
    corrected(host, address, photo, 60)

    change = PhotoChange.objects.get(image=photo)
    assert (change.kind, change.changed_by, change.details) == ("clock", ada, {"minutes": 60})


@pytest.mark.parametrize("minutes", [0, "an hour", None, 10**9, -(10**9), 1.5])
def test_nonsense_is_refused(host, address, photo, minutes):
    answer = host.post(address, {"image": str(photo.pk), "shift_minutes": minutes})

    assert answer.status_code == 400
    assert local(photo) == NINE


def test_years_have_limits(host, address, cleo):
    old = cleo.send_and_process(drawn_pictures.jpeg(make="Old", taken_at="1990:01:01 00:00:00"))
    answer = host.post(address, {"image": str(old.pk), "shift_minutes": -clock.AT_MOST_MINUTES})

    assert answer.status_code == 409
    assert answer.json()["type"].endswith("/time-out-of-range/")
    assert local(old).year == 1990
    assert not ClockCorrection.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_hosts_who_correct_at_once_agree_in_the_end(photo, ada):
    image = Image.objects.get(pk=photo.pk)
    at_once(*(partial(clock.correct, image, minutes, by=ada) for minutes in (30, 60)))

    (active,) = ClockCorrection.objects.filter(undone_at=None)
    assert local(photo) == NINE + timedelta(minutes=active.shift_minutes)


@pytest.mark.django_db(transaction=True)
def test_a_photo_that_is_finished_meanwhile_is_corrected(photo, cleo, ada):
    upload = cleo.send(jpeg(5))
    image = Image.objects.get(pk=photo.pk)
    with transaction.atomic():
        clock.correct(image, 60, by=ada)
        thread = threading.Thread(target=closing(lambda: tasks.process_upload(str(upload.pk))))
        thread.start()
        thread.join(timeout=3)  # it waits for the end of this transaction
    thread.join(timeout=60)

    assert local(upload.image) == NINE + timedelta(minutes=65)


def closing(job):
    def run():
        try:
            job()
        finally:
            connection.close()

    return run


def at_once(*jobs):
    threads = [threading.Thread(target=closing(job)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)


# --- The page ---------------------------------------------------------------------------------


def test_a_host_sees_the_cameras_previews_applies_and_undoes(host, group, photo, cleo):
    cleo.send_and_process(jpeg(5))
    page = host.get(f"/groups/{group.pk}/clock/").content.decode()
    assert "Cleo" in page
    assert "2 photos" in page
    assert "21 June 2026, 21:00" in page
    assert "21 June 2026, 21:05" in page

    asked = {"image": str(photo.pk), "direction": "earlier", "days": 1, "hours": 1, "minutes": 30}
    page = host.get(f"/groups/{group.pk}/clock/", asked).content.decode()
    assert "<s>21 June 2026, 21:00</s>" in page
    assert "<strong>20 June 2026, 19:30</strong>" in page
    assert local(photo) == NINE, "nothing is changed yet"

    answer = host.post(f"/groups/{group.pk}/clock/", asked, format="multipart", follow=True)
    page = answer.content.decode()
    assert local(photo) == NINE - timedelta(days=1, minutes=90)
    assert "Corrected by −1 day 1 hour 30 minutes" in page  # noqa: RUF001
    one = ClockCorrection.objects.get()
    host.post(f"/groups/{group.pk}/clock/{one.pk}/undo/")
    assert local(photo) == NINE


@pytest.mark.parametrize(
    "asked",
    [
        {"direction": "later"},
        {"direction": "later", "hours": 24},
        {"direction": "later", "days": "many"},
        {"direction": "sideways", "hours": 1},
        {"direction": "later", "hours": "-1"},
    ],
    ids=["by nothing", "24 hours", "no number", "no direction", "negative"],
)
def test_the_page_refuses_nonsense_at_the_field(host, group, photo, asked):
    sent = {"image": str(photo.pk), **asked}
    answer = host.post(f"/groups/{group.pk}/clock/", sent, format="multipart")

    assert answer.status_code == 422
    assert local(photo) == NINE
    assert host.get(f"/groups/{group.pk}/clock/", sent).status_code == 200


@pytest.mark.parametrize("image", ["nonsense", "01234567-89ab-7def-8123-456789abcdef", ""])
def test_an_unknown_camera_is_not_there(host, group, image):
    answer = host.post(f"/groups/{group.pk}/clock/", {"image": image}, format="multipart")
    assert answer.status_code == 404


def test_the_list_of_cameras_costs_the_same_for_many(
    host, group, photo, cleo, django_assert_max_num_queries
):
    for number in range(4):
        cleo.send_and_process(jpeg(make=f"Camera {number}", seed=number + 1))
    with django_assert_max_num_queries(14):
        host.get(f"/groups/{group.pk}/clock/")
