"""The page that makes a group, with its first photos in the same form."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from bandpics.users.tests.factories import UserFactory
from groups.models import Group
from groups.tests.factories import MembershipFactory
from images import tasks
from images.models import Image, Upload
from images.tests import drawn_pictures

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]
PAGE = "/groups/new/"


@pytest.fixture
def send(signed_in, team):
    def post(person, *files, **more):
        form = {"team": str(team.pk), "name": "Summer concert", "photos": list(files), **more}
        return signed_in(person).post(PAGE, form, format="multipart")

    return post


def photo(data=None, name="a.jpg", content_type="image/jpeg"):
    return SimpleUploadedFile(name, drawn_pictures.jpeg() if data is None else data, content_type)


def test_one_form_makes_the_group_and_its_photos(ben, team, send, signed_in):
    answer = send(
        ben,
        photo(drawn_pictures.jpeg(seed=1)),
        photo(drawn_pictures.jpeg(seed=2), "b.jpg"),
        event_name="Midsummer",
        event_date="2026-06-21",
        venue="The old bandstand",
        description="On the meadow",
    )
    group = Group.objects.get()
    assert answer.status_code == 302
    assert answer["Location"] == f"/groups/{group.pk}/"
    assert group.invitations.get().kind == "shared"
    assert (group.team, group.name, group.venue) == (team, "Summer concert", "The old bandstand")
    assert str(group.event_date) == "2026-06-21"
    for upload in Upload.objects.all():
        assert upload.status == "queued"
        tasks.process_upload(str(upload.pk))
    assert list(Image.objects.values_list("uploader_name", flat=True)) == ["Ben", "Ben"]
    gallery = signed_in(ben).get(answer["Location"]).content.decode()
    assert "2 photos" in gallery


def test_photos_may_come_later(ben, send):
    assert send(ben).status_code == 302
    assert Group.objects.count() == 1
    assert not Image.objects.exists()


def test_the_way_there_is_on_the_first_page(ben, signed_in):
    client = signed_in(ben)
    assert f'href="{PAGE}"' in client.get("/").content.decode()
    page = client.get(PAGE).content.decode()
    assert 'type="file"' in page
    assert "multiple" in page
    assert 'enctype="multipart/form-data"' in page
    assert "<select" not in page  # one team: nothing to choose
    assert "style=" not in page
    assert "onclick" not in page


def test_with_several_teams_one_chooses(ben, team, signed_in):
    MembershipFactory(user=ben, role="viewer")
    other = MembershipFactory(user=ben).team
    page = signed_in(ben).get(PAGE).content.decode()
    assert page.count("<option") == 2
    assert str(other.pk) in page


# --- No credential, wrong person ------------------------------------------------------------


def test_it_needs_a_sign_in(client, db):
    for answer in [client.get(PAGE), client.post(PAGE, {"name": "x"})]:
        assert answer.status_code == 302
        assert answer["Location"].startswith("/login/?next=")


def test_nobody_makes_groups_in_teams_they_do_not_fill(vera, dora, send, signed_in):
    for person in [vera, dora]:
        assert send(person).status_code == 400
    assert not Group.objects.exists()
    assert "no team yet" in signed_in(vera).get(PAGE).content.decode()
    assert "no team yet" in signed_in(UserFactory()).get(PAGE).content.decode()


def test_another_site_cannot_make_one(ben, team):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(ben)
    answer = client.post(PAGE, {"team": str(team.pk), "name": "x"}, format="multipart")
    assert answer.status_code == 403
    assert not Group.objects.exists()


# --- Bad input ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": "x" * 121}, "Ensure this value has at most 120 characters"),
        ({"name": "a\0b"}, "Null characters are not allowed."),
        ({"event_date": "someday"}, "Enter a valid date."),
        ({"team": "x"}, "Team"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_made(ben, send, bad, told):
    answer = send(ben, photo(), **bad)
    assert answer.status_code == 400
    assert told in answer.content.decode()
    assert not Group.objects.exists()
    assert not Upload.objects.exists()


@pytest.mark.parametrize(
    ("file", "told"),
    [
        (photo(b"<html>", "page.html", "text/html"), "page.html: This kind of file cannot be sent"),
        (photo(b"", "empty.jpg"), "empty"),
        (photo(b"x" * 11, "large.jpg"), "large.jpg: Too big"),
    ],
)
def test_a_file_that_is_no_photo_is_said_and_nothing_is_made(ben, send, settings, file, told):
    file.seek(0)
    if "large" in file.name:
        settings.UPLOAD_MAX_BYTES = 10
    answer = send(ben, file)
    assert answer.status_code == 400
    page = answer.content.decode()
    assert told in page
    assert "choose the photos again" in page
    assert not Group.objects.exists()


def test_a_name_is_text_and_not_markup(ben, send):
    answer = send(ben, name="<script>x</script>", event_date="someday")
    assert "<script>x" not in answer.content.decode()


def test_too_much_at_once_is_said_on_the_page_itself(ben, send, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 1
    many = send(ben, photo(), photo(name="b.jpg"))
    assert (many.status_code, "up to 1 photos" in many.content.decode()) == (400, True)
    settings.FORM_MAX_BYTES = 100
    large = send(ben, photo())
    assert (large.status_code, "too much for one go" in large.content.decode()) == (413, True)
    assert not Group.objects.exists()
