"""The page of a photo: what it says, its neighbours, and its forms, without a script."""

from __future__ import annotations

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from bandpics.testing.matrix import few
from groups.models import Group
from groups.tests.factories import GroupFactory
from images import tasks
from images.lifecycle import moderation, trash
from images.models import Image, Upload
from images.tests import bulk_rows, drawn_pictures
from images.tests.guest_client import send_as_member

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]

SIZES = ("thumb", "tile", "medium", "fullsize")
SEEN = {"description": "", "taken": "", "offset": "", "latitude": "", "longitude": ""}


@pytest.fixture
def page(ada, signed_in):
    client = signed_in(ada)
    client.default_format = "multipart"
    return client


@pytest.fixture
def image(group):
    return bulk_rows.photo(group, variants=SIZES, uploader_name="Cleo")


def address(image, name="photo"):
    return reverse(name, args=[image.pk])


def text(answer, status=200):
    assert answer.status_code == status, answer.content.decode()
    return re.sub(r"\s+", " ", answer.content.decode().replace("\N{NO-BREAK SPACE}", " "))


def seen_in(html):
    return re.search(r'name="seen" value="({[^"]*})"', html)[1].replace("&quot;", '"')


# --- What it says ---------------------------------------------------------------------------


def test_exif_reads_as_photographers_write_it(page, group):
    image = bulk_rows.photo(
        group,
        variants=SIZES,
        camera_make="Apple",
        camera_model="iPhone 15 Pro",
        lens_model="back triple camera",
        aperture=1.8,
        exposure_time=1 / 120,
        iso=64,
        focal_length=6.86,
        flash=25,
        exif={"Exif": {"FocalLengthIn35mmFilm": 26}},
    )
    html = text(page.get(address(image)))
    assert "f/1.8 · 1/120 s · ISO 64 · 26 mm · flash" in html
    assert "Apple iPhone 15 Pro" in html
    page.cookies["django_language"] = "de"
    assert "f/1,8 · 1/120 s · ISO 64 · 26 mm" in text(page.get(address(image)))


def test_codes_are_said_in_words_of_the_readers_language(page, group):
    codes = {"flash": 16, "metering_mode": 5, "exposure_program": 3, "white_balance": 0}
    image = bulk_rows.photo(group, variants=SIZES, **codes)
    said = (
        "Flash did not fire, compulsory flash mode · Metering: Pattern · "
        "Exposure program: Aperture priority · Auto white balance"
    )
    assert said in text(page.get(address(image)))
    page.cookies["django_language"] = "de"
    german = text(page.get(address(image)))
    assert "Blitz nicht ausgelöst, Blitz erzwungen · Belichtungsmessung: Mehrfeld" in german
    page.cookies["django_language"] = "fr"
    french = text(page.get(address(image)))
    assert "Flash non déclenché, flash forcé · Mesure : multizone" in french


def test_a_camera_that_says_it_does_not_say_is_not_quoted(page, group):
    image = bulk_rows.photo(group, variants=SIZES, metering_mode=0, exposure_program=0, flash=0x50)
    html = text(page.get(address(image))).partition("<main")[2]
    for word in ("Metering", "Unknown", "Not defined", "Flash"):
        assert word not in html


def test_what_the_camera_did_not_say_is_not_invented(page, image):
    html = text(page.get(address(image))).partition("<main")[2]
    for word in ("Camera", "ISO", " mm", "Taken<", "Place</dt>", "show-place"):
        assert word not in html
    assert not re.search(r"[\s>]f/", html)  # an address may hold "…f/"


@pytest.mark.parametrize(
    ("columns", "said"),
    few(
        [
            ({}, '21 June 2026, 21:30:15</time> <span class="muted small">By the camera\'s clock.'),
            ({"taken_source": "person"}, "As somebody said."),
            (
                {"taken_at": "2026-06-21T19:30:15Z", "utc_offset_minutes": 120},
                '21:30:15</time> <span class="muted small">In the group&#x27;s time zone: '
                "Europe/Vienna.</span>",
            ),
            (
                {"taken_at": "2026-06-21T20:30:15Z", "utc_offset_minutes": 60},
                '22:30:15</time> <span class="muted small">In the group&#x27;s time zone: '
                "Europe/Vienna. The camera said: 21:30:15, UTC+01:00.",
            ),
        ],
        2,
    ),
)
def test_the_time_says_in_what_sense_it_is_meant(page, group, columns, said):
    Group.objects.update(time_zone="Europe/Vienna")
    local = {"taken_at_local": "2026-06-21T21:30:15Z"}
    image = bulk_rows.photo(group, variants=SIZES, **local, **columns)
    html = text(page.get(address(image)))
    assert said in html.replace("camera&#x27;s", "camera's")


def test_the_place_is_said_and_no_map_is_asked_for_it(page, group):
    image = bulk_rows.photo(group, variants=SIZES, latitude=48.2082, longitude=16.3738)
    html = text(page.get(address(image)))
    assert "48.20820° N, 16.37380° E" in html
    assert 'data-latitude="48.2082"' in html
    assert "data-tiles" in html
    assert not re.search(r'(src|srcset|href)="https?://[^"]*openstreetmap', html)


def test_the_picture_keeps_its_place_before_it_has_loaded(page, group, image):
    html = text(page.get(address(image)))
    assert re.search(r'id="picture".*?width="13" height="5"', html)
    assert "fullsize" in html


def test_members_download_the_large_size_under_the_photos_name(page, image):
    found = re.search(r'href="([^"]*fullsize[^"]*)" download', text(page.get(address(image))))
    assert "attachment" in found[1]
    assert image.original_filename.removesuffix(".jpg") in found[1]


def test_a_dropped_original_is_not_offered(page, group):
    image = bulk_rows.photo(group, variants=SIZES, original_dropped_at="2026-06-22T00:00Z")
    html = text(page.get(address(image)))
    assert "The original was removed" in html
    assert "Download original" not in html


def test_it_tells_who_changed_what(page, image, ada):
    page.post(address(image, "decide-photo"), {"action": "reject", "own_reason": "Too <dark>"})
    html = text(page.get(address(image)))
    assert "<bdi>Ada</bdi> rejected it" in html
    assert "<bdi>Cleo</bdi> sent it" in html
    assert "Too &lt;dark&gt;" in html


def test_the_number_of_queries_is_constant(page, group, image, ada, django_assert_max_num_queries):
    for number in range(20):
        bulk_rows.photo(group, variants=SIZES)
        page.post(address(image, "decide-photo"), {"action": ["approve", "wait"][number % 2]})
    with django_assert_max_num_queries(24):
        page.get(address(image))


# --- Neighbours -----------------------------------------------------------------------------


def test_the_neighbours_are_those_of_the_gallery(page, group):
    moments = ["2026-06-21T20:00Z", "2026-06-21T21:00Z", "2026-06-21T22:00Z"]
    old, middle, new = [bulk_rows.photo(group, variants=SIZES, sort_at=at) for at in moments]
    html = text(page.get(address(middle)))
    assert re.search(rf'id="before" rel="prev" href="{address(new)}"', html)
    assert re.search(rf'id="after" rel="next" href="{address(old)}"', html)
    assert 'id="before"' not in text(page.get(address(new)))
    trash.put(old)
    assert 'id="after"' not in text(page.get(address(middle)))


def test_the_neighbours_are_those_of_the_filter_and_the_order_of_the_gallery(page, group):
    names = ["Cleo", "Anna", "Cleo", "Cleo"]
    photos = [
        bulk_rows.photo(group, variants=SIZES, uploader_name=name, sort_at=f"2026-06-21T2{n}:00Z")
        for n, name in enumerate(names)
    ]
    gallery = reverse("group-gallery", args=[group.pk])
    query = "?uploader=Cleo&ordering=sort_at"
    shown = page.get(gallery + query).content.decode().replace("&amp;", "&")
    assert address(photos[2]) + query in shown
    html = page.get(address(photos[2]) + query).content.decode().replace("&amp;", "&")
    assert re.search(
        rf'id="before"\s+rel="prev"\s+href="{re.escape(address(photos[0]) + query)}"', html
    )
    assert re.search(
        rf'id="after"\s+rel="next"\s+href="{re.escape(address(photos[3]) + query)}"', html
    )
    assert f'href="{gallery}{query}"' in html
    answer = page.post(address(photos[2], "decide-photo") + query, {"action": "reject"})
    assert answer["Location"] == address(photos[2]) + query


@pytest.mark.parametrize("query", ["?status=failed", "?uploader=%00&ordering=x", "?cursor=x&at=y"])
def test_a_filter_that_makes_no_sense_here_leaves_plain_neighbours(page, group, query):
    photos = [
        bulk_rows.photo(group, variants=SIZES, sort_at=f"2026-06-21T2{n}:00Z") for n in range(2)
    ]
    html = text(page.get(address(photos[0]) + query))
    assert f'href="{address(photos[1])}"' in html


# --- Who may what ---------------------------------------------------------------------------

FORMS = ("edit-photo", "forget-place", "replace-photo", "move-photo", "decide-photo")


@pytest.mark.parametrize("name", few(FORMS, 3))
def test_only_hosts_and_whoever_sent_it_change_a_photo(image, ben, vera, dora, signed_in, name):
    for who, status in [(ben, 403), (vera, 403), (dora, 404)]:
        assert signed_in(who).post(address(image, name)).status_code == status


def test_viewers_see_no_forms(image, vera, signed_in):
    html = text(signed_in(vera).get(address(image)))
    assert all(f'action="{address(image, name)}' not in html for name in FORMS)
    assert "Ask for the removal" in html
    assert "Download original" in html


def test_members_change_their_own_and_do_not_approve_it(group, ben, signed_in):
    client = signed_in(ben)
    image = send_as_member(client, group, drawn_pictures.jpeg())
    html = text(client.get(address(image)))
    assert f'action="{address(image, "edit-photo")}' in html
    assert f'action="{address(image, "decide-photo")}' not in html
    client.default_format = "multipart"
    client.post(address(image, "edit-photo"), {**SEEN, "description": "Mine"})
    assert Image.objects.get().description == "Mine"
    assert client.post(address(image, "decide-photo"), {"action": "reject"}).status_code == 403


# --- Editing --------------------------------------------------------------------------------


def edit(page, image, seen=None, **typed):
    html = page.get(address(image)).content.decode()
    body = {**SEEN, "seen": seen or seen_in(html), **typed}
    return page.post(address(image, "edit-photo"), body, follow=True)


def test_words_time_and_place_are_saved(page, image):
    typed = {"description": "The\r\nencore", "taken": "2026-06-21T21:30", "offset": "120"}
    html = text(edit(page, image, **typed, latitude="48,2082", longitude="16.3738"))
    assert "Your changes are saved." in html
    image.refresh_from_db()
    assert (image.description, image.latitude, image.longitude) == ("The\nencore", 48.2082, 16.3738)
    assert (image.taken_at.isoformat(), image.utc_offset_minutes) == (
        *("2026-06-21T19:30:00+00:00", 120),
    )
    assert (image.taken_source, image.gps_source) == ("person", "person")
    assert "<bdi>Ada</bdi> changed the place" in html
    edit(page, image, description="The\nencore")
    image.refresh_from_db()
    assert (image.taken_at_local, image.latitude) == (None, None)


@pytest.mark.parametrize(
    ("typed", "said"),
    few(
        [
            ({"taken": "yesterday"}, "Give a date and a time"),
            ({"taken": "1700-01-01T10:00"}, "Give a date and a time"),
            ({"offset": "7"}, "not one of the available choices"),
            ({"latitude": "48"}, "Give both numbers, or neither."),
            ({"latitude": "91", "longitude": "0"}, "less than or equal to 90"),
            ({"latitude": "x", "longitude": "0"}, "Enter a number"),
            ({"latitude": "nan", "longitude": "0"}, "Enter a number"),
            ({"description": "x" * 4001}, "at most 4000 characters"),
        ],
        3,
    ),
)
def test_an_error_stands_at_its_field_and_nothing_is_saved(page, image, typed, said):
    before = image.updated_at
    html = text(edit(page, image, **typed), status=400)
    assert said in html
    assert 'id="edit" open' in html
    image.refresh_from_db()
    assert image.updated_at == before


def test_of_two_who_change_the_same_the_second_sees_both(page, ben, team, image, signed_in):
    team.memberships.filter(user=ben).update(role="owner")
    other = signed_in(ben)
    other.default_format = "multipart"
    seen = seen_in(page.get(address(image)).content.decode())
    edit(other, image, description="Theirs")
    answer = edit(page, image, seen=seen, description="Mine")
    html = text(answer, status=409)
    assert "It now says: Theirs. Save again to use yours." in html
    assert ">Mine</textarea>" in html.replace("> Mine", ">Mine")
    assert Image.objects.get().description == "Theirs"
    again = edit(page, image, seen=seen_in(answer.content.decode()), description="Mine")
    assert "Your changes are saved." in text(again)
    assert Image.objects.get().description == "Mine"


def test_two_who_change_different_fields_lose_nothing(page, image):
    seen = seen_in(page.get(address(image)).content.decode())
    edit(page, image, description="Words")
    place = {"latitude": "48.2", "longitude": "16.4"}
    assert "Your changes are saved." in text(edit(page, image, seen=seen, **place))
    image.refresh_from_db()
    assert (image.description, image.latitude) == ("Words", 48.2)


def test_a_form_that_changes_nothing_is_no_change(page, image):
    before = image.updated_at
    assert "Your changes are saved." in text(edit(page, image))
    image.refresh_from_db()
    assert image.updated_at == before


# --- The place, the file, the group ---------------------------------------------------------


def test_the_place_is_forgotten_for_good(page, cleo, bucket):
    image = cleo.send_and_process(drawn_pictures.jpeg(lat=48.2, lon=16.4))
    html = text(page.post(address(image, "forget-place"), follow=True))
    assert "The place was removed, from the original, too." in html
    assert not re.search(r"(?<![:\d])48\.2", html)  # a time may end so
    assert "<bdi>Ada</bdi> had the place forgotten" in html
    image.refresh_from_db()
    assert (image.latitude, image.is_place_removed) == (None, True)


def sent(data, name="new.png", content_type="image/png"):
    return SimpleUploadedFile(name, data, content_type)


def test_the_file_is_replaced_and_the_page_says_when(page, cleo):
    image = cleo.send_and_process(drawn_pictures.jpeg(seed=1))
    body = {"file": sent(drawn_pictures.png(seed=2)), "version": 1}
    html = text(page.post(address(image, "replace-photo"), body, follow=True))
    assert "The new file has arrived and is being processed." in html
    tasks.process_upload(str(Upload.objects.get(version=2).pk))
    html = text(page.get(address(image)))
    assert "is being processed" not in html
    assert "<bdi>Ada</bdi> replaced the file" in html
    assert "PNG" in html
    late = {"file": sent(drawn_pictures.png(seed=3)), "version": 1}
    html = text(page.post(address(image, "replace-photo"), late), status=409)
    assert "Somebody else replaced the file meanwhile." in html
    assert 'name="version" value="2"' in html


def test_a_new_file_that_fails_says_why(page, cleo):
    image = cleo.send_and_process(drawn_pictures.jpeg(seed=1))
    body = {"file": sent(drawn_pictures.png(seed=2)[:300]), "version": 1}
    page.post(address(image, "replace-photo"), body)
    tasks.process_upload(str(Upload.objects.get(version=2).pk))
    assert "The new file could not be used:" in text(page.get(address(image)))


@pytest.mark.parametrize(
    ("body", "said"),
    few(
        [
            ({"version": 1}, "This field is required."),
            ({"version": 1, "file": sent(b"", "empty.jpg")}, "This file is empty"),
            ({"version": 1, "file": sent(b"%PDF-1.4 text", "x.jpg", "image/jpeg")}, "errors"),
            ({"file": sent(drawn_pictures.png(seed=2))}, "This field is required."),
        ],
        2,
    ),
)
def test_a_file_that_cannot_be_taken_is_refused_at_its_field(page, image, body, said):
    html = text(page.post(address(image, "replace-photo"), body), status=422)
    assert said in html
    assert 'id="replace" open' in html
    assert Upload.objects.count() == 1


def test_it_moves_to_a_group_to_which_one_may_add(page, cleo, team, dora):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    other, hers = GroupFactory(team=team, name="Winter"), GroupFactory(team=dora.teams.get())
    html = text(page.get(address(image)))
    assert str(other.pk) in html
    assert str(hers.pk) not in html
    refused = page.post(address(image, "move-photo"), {"group": hers.pk})
    assert "not one of the available choices" in text(refused, status=422)
    html = text(page.post(address(image, "move-photo"), {"group": other.pk}, follow=True))
    assert "The photo is in “Winter” now." in html
    assert "<bdi>Ada</bdi> moved it from another group" in html
    assert Image.objects.get().group == other


def test_a_photo_that_the_other_group_has_stays(page, cleo, team, group, ada, signed_in):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    other = GroupFactory(team=team, name="Winter")
    send_as_member(signed_in(ada), other, drawn_pictures.jpeg())
    html = text(page.post(address(image, "move-photo"), {"group": other.pk}), status=409)
    assert "That group shows the same photo already." in html
    assert 'id="move" open' in html


# --- Deciding, removing ---------------------------------------------------------------------


def test_a_decision_of_somebody_else_stays(page, ben, image):
    moderation.moderate([image.pk], moderation.REJECT, by=ben, reason="Theirs")
    body = {"action": "wait", "seen": "approved"}
    html = text(page.post(address(image, "decide-photo"), body, follow=True))
    assert "Somebody else has decided about this photo meanwhile." in html
    assert "Theirs" in html
    assert Image.objects.get().moderation == "rejected"


@pytest.mark.parametrize("body", [{"action": "x"}, {"action": "reject", "own_reason": "x" * 501}])
def test_a_decision_that_makes_no_sense_changes_nothing(page, image, body):
    html = text(page.post(address(image, "decide-photo"), body, follow=True))
    assert "Nothing was changed" in html
    assert Image.objects.get().moderation == "approved"


def test_it_goes_to_the_trash_and_comes_back(page, group, image):
    html = text(
        page.post(reverse("remove-photos", args=[group.pk]), {"ids": [image.pk]}, follow=True)
    )
    assert "1 photo is in the trash now." in html
    assert page.get(address(image)).status_code == 404
    page.post(reverse("restore-photos", args=[group.pk]), {"ids": [image.pk]})
    assert "<bdi>Ada</bdi> took it out of the trash" in text(page.get(address(image)))
