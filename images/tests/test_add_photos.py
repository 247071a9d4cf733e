"""The page on which a member adds photos to a group, signed in instead of by a link."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from groups.models import Group
from images import tasks
from images.models import Image, Upload
from images.tests import drawn_pictures
from images.tests.guest_client import send_as_member
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]


@pytest.fixture
def page(group):
    return f"/groups/{group.pk}/add/"


def photo(data=None, name="a.jpg"):
    return SimpleUploadedFile(name, data or drawn_pictures.jpeg(), "image/jpeg")


def post(client, page, *files, **more):
    return client.post(page, {"files": list(files), **more}, format="multipart")


def test_it_is_the_guests_page_with_a_session_in_place_of_a_token(ben, group, page, signed_in):
    html = signed_in(ben).get(page).content.decode()
    assert f'data-group="{group.pk}"' in html
    assert "data-token" not in html
    assert "js/upload/page" in html
    assert 'value="Ben"' in html
    assert "Only the members of The Band." in html
    assert "csrfmiddlewaretoken" in html


def test_the_plain_form_takes_photos_and_lists_what_was_sent(ben, group, page, signed_in):
    client = signed_in(ben)
    answer = post(client, page, photo(), photo(b"my notes", "notes.jpg"), uploader_name="Benny")
    assert answer.status_code == 200
    html = answer.content.decode()
    assert "1 of 2 arrived" in html
    assert "not a picture" in html
    upload = Upload.objects.get()
    tasks.process_upload(str(upload.pk))
    image = Image.objects.get()
    assert (image.group, image.uploaded_by, image.uploader_name) == (group, ben, "Benny")
    assert image.moderation == "approved"  # members need no approval
    assert "a.jpg" in client.get(page).content.decode()


def test_members_add_to_a_closed_group(ben, group, page, signed_in):
    Group.objects.update(closes_at=group.created_at)
    assert post(signed_in(ben), page, photo()).status_code == 200
    assert Upload.objects.count() == 1


def test_a_viewer_is_told_whom_to_ask_and_nothing_is_taken(vera, page, signed_in):
    answer = post(signed_in(vera), page, photo())
    assert answer.status_code == 403
    assert "Ask one of its owners" in answer.content.decode()
    assert not Upload.objects.exists()


def test_another_site_cannot_send_photos(ben, page):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(ben)
    assert post(client, page, photo()).status_code == 403
    assert not Upload.objects.exists()


def test_a_form_without_photos_or_with_too_much_says_so(ben, page, signed_in, settings):
    client = signed_in(ben)
    assert "choose at least one photo" in post(client, page).content.decode()
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 1
    many = post(client, page, photo(), photo())
    assert (many.status_code, "up to 1 photos" in many.content.decode()) == (400, True)
    settings.FORM_MAX_BYTES = 100
    large = post(client, page, photo())
    assert (large.status_code, "too much for one go" in large.content.decode()) == (413, True)
    assert not Upload.objects.exists()


@pytest.mark.parametrize(
    ("policy", "link", "says"),
    [
        ("own", "", "Only the members of The Band."),
        ("gallery", "", "photos of members need no approval"),
        ("own", "gallery", "photos of members need no approval"),
    ],
)
def test_it_says_truly_who_sees_them(ben, group, page, signed_in, policy, link, says):
    Group.objects.update(visibility=policy)
    guest = InvitationFactory(group=group, visibility=link)
    assert says in signed_in(ben).get(page).content.decode()
    image = send_as_member(signed_in(ben), group, drawn_pictures.jpeg())
    seen = APIClient().get(
        f"/api/v1/images/{image.pk}/", headers={"Authorization": f"Invitation {guest.token}"}
    )
    assert (seen.status_code == 200) == ("no approval" in says)
