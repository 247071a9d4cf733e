"""Words, time and place sent together with a photo, whichever way it comes: one call, by the rules
of changing them later."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from bandpics.testing.matrix import few
from images import tasks
from images.models import Image
from images.tests import drawn_pictures
from images.tests.guest_client import described, put

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]

IMAGES, UPLOADS = "/api/v1/images/", "/api/v1/uploads/"
SAID = {
    "description": "The encore",
    "taken_at": "2026-06-21T23:05:00+02:00",
    "location": {"lat": 47.07, "lon": 15.44},
}


def photo(**more):
    """One that says another time and place itself."""
    return drawn_pictures.jpeg(taken_at="2020:01:01 12:00:00", lat=10.0, lon=20.0, **more)


def by_form(client, data, said):
    fields = {name: _as_text(value) for name, value in said.items()}
    file = SimpleUploadedFile("stage.jpg", data, "image/jpeg")
    return client.post(IMAGES, {"file": file, **fields}, format="multipart")


def by_form_with_dots(client, data, said):
    place = said.get("location")
    flat = {name: value for name, value in said.items() if name != "location"}
    if isinstance(place, dict):
        flat |= {f"location.{name}": value for name, value in place.items()}
    return by_form(client, data, flat)


def by_base64(client, data, said):
    return client.post(IMAGES, {"image": base64.b64encode(data).decode(), **said})


def by_announcement(client, data, said):
    return client.post(UPLOADS, {"files": [{**described(data), **said}]})


def _as_text(value):
    return json.dumps(value) if isinstance(value, dict) else value


EACH_WAY = pytest.mark.parametrize(
    "way", [by_form, by_form_with_dots, by_base64, by_announcement], ids=lambda way: way.__name__
)


def sent(way, client, data, said):
    """The photo, processed."""
    answer = way(client, data, said)
    assert answer.status_code in {201, 202}, answer.content
    if way is by_announcement:
        (ticket,) = answer.json()["uploads"]
        assert put(ticket["upload"], data).status == 200
        client.post(f"{UPLOADS}{ticket['id']}/complete/")
    upload_id = ticket["id"] if way is by_announcement else answer.json()["upload"]
    tasks.process_upload(upload_id)
    return Image.objects.with_status().get(uploads=upload_id)


@EACH_WAY
def test_words_time_and_place_come_with_the_photo(ben, group, signed_in, way):
    client = signed_in(ben)
    image = sent(way, client, photo(), SAID)
    shown = client.get(f"{IMAGES}{image.pk}/").json()
    assert shown["status"] == "done"
    assert shown["description"] == "The encore"
    assert (shown["taken_at"], shown["utc_offset"]) == ("2026-06-21T21:05:00Z", "+02:00")
    assert shown["taken_at_local"] == "2026-06-21T23:05:00"
    assert (shown["exif"]["gps"]["lat"], shown["exif"]["gps"]["lon"]) == (47.07, 15.44)
    assert shown["gps_source"] == "person"
    # The list is in the order of what was said, too.
    assert image.sort_at == datetime(2026, 6, 21, 21, 5, tzinfo=UTC)


@EACH_WAY
def test_what_is_not_said_is_read_from_the_file(ben, group, signed_in, way):
    image = sent(way, signed_in(ben), photo(), {"description": "The encore"})
    assert (image.taken_source, image.gps_source) == ("exif", "exif")
    assert (image.taken_at_local.year, image.latitude) == (2020, 10.0)


@pytest.mark.parametrize("way", [by_base64, by_announcement], ids=["base64", "announcement"])
def test_null_means_not_said(ben, group, signed_in, way):
    image = sent(way, signed_in(ben), photo(), {"taken_at": None, "location": None})
    assert (image.taken_source, image.gps_source) == ("exif", "exif")


def test_a_form_that_is_not_filled_in_says_nothing(ben, group, signed_in):
    blank = {"taken_at": "", "location.lat": "", "location.lon": "", "description": ""}
    image = sent(by_form, signed_in(ben), photo(), blank)
    assert (image.taken_source, image.gps_source) == ("exif", "exif")


@EACH_WAY
def test_a_time_without_an_offset_is_kept_as_a_clock(ben, group, signed_in, way):
    image = sent(way, signed_in(ben), photo(), {"taken_at": "2026-06-21 23:05:00"})
    assert (image.taken_at, image.taken_at_local.hour) == (None, 23)


@EACH_WAY
@pytest.mark.parametrize(
    ("said", "field"),
    few(
        [
            ({"description": "x" * 4001}, "description"),
            ({"taken_at": "yesterday"}, "taken_at"),
            ({"taken_at": "2026-06-21T12:00:00+23:00"}, "taken_at"),
            ({"location": {"lat": 91, "lon": 0}}, "location/lat"),
            ({"location": {"lat": 0, "lon": "nan"}}, "location/lon"),
            ({"location": {"lat": 1}}, "location/lon"),
            ({"location": {"lat": 1, "lon": 2, "altitude": 3}}, "location/altitude"),
        ],
        8,
    ),
)
def test_what_is_wrong_is_named_and_nothing_is_made(ben, group, signed_in, way, said, field):
    answer = way(signed_in(ben), photo(), said)
    where = f"#/files/0/{field}" if way is by_announcement else f"#/{field}"
    assert answer.status_code == 400, answer.content
    assert answer.json()["errors"][0]["pointer"] == where
    assert not Image.objects.exists()


@pytest.mark.parametrize("text", ["Graz", "[47, 15]", "[" * 10_000, "7", '"47,15"'])
def test_a_place_in_a_form_that_is_no_place_is_refused(ben, group, signed_in, text):
    answer = by_form(signed_in(ben), photo(), {"location": text})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "#/location"


@EACH_WAY
def test_a_guest_says_words_and_place_and_no_time(cleo, way):
    """As with a change: when it was taken is the hosts' to say, if the file is wrong."""
    answer = way(cleo.client, photo(), SAID)
    assert answer.status_code == 403
    assert "no `taken_at`" in answer.json()["detail"]
    assert not Image.objects.exists()
    said = {name: SAID[name] for name in ("description", "location")}
    image = sent(way, cleo.client, photo(), said)
    assert (image.description, image.latitude, image.gps_source) == ("The encore", 47.07, "person")
    assert image.taken_source == "exif"


def test_what_was_sent_before_is_not_said_anew(ben, group, signed_in):
    client = signed_in(ben)
    image = sent(by_base64, client, photo(), SAID)
    again = by_base64(client, photo(), {"description": "Another", "location": {"lat": 1, "lon": 2}})
    assert again.json()["id"] == str(image.pk)
    image.refresh_from_db()
    assert (image.description, image.latitude) == ("The encore", 47.07)


def test_the_first_photos_of_a_group_say_it_as_well(ada, team, signed_in):
    body = {"name": "Rehearsal", "team": str(team.pk), "files": [{**described(photo()), **SAID}]}
    (ticket,) = signed_in(ada).post("/api/v1/groups/", body).json()["uploads"]
    image = Image.objects.get(pk=ticket["id"])
    assert (image.latitude, image.taken_source) == (47.07, "person")


def test_a_replacement_changes_the_file_and_not_what_is_said(ben, group, signed_in):
    client = signed_in(ben)
    image = sent(by_base64, client, photo(), SAID)
    new = described(photo(seed=2))
    answer = client.patch(f"{IMAGES}{image.pk}/file/", {**new, "location": SAID["location"]})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "#/location"


def test_a_place_that_came_along_is_forgotten_on_request(ben, group, signed_in):
    client = signed_in(ben)
    image = sent(by_base64, client, photo(), SAID)
    assert client.delete(f"{IMAGES}{image.pk}/location/").status_code == 200
    shown = client.get(f"{IMAGES}{image.pk}/").json()
    assert (shown["exif"]["gps"], shown["gps_source"]) == (None, "removed")


def test_a_form_that_changes_a_photo_says_the_place_as_json_too(ben, group, signed_in):
    client = signed_in(ben)
    image = sent(by_base64, client, photo(), {})
    address = f"{IMAGES}{image.pk}/"
    answer = client.patch(address, {"location": json.dumps(SAID["location"])}, format="multipart")
    assert answer.json()["exif"]["gps"]["lat"] == 47.07
