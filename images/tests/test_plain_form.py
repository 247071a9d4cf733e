"""The upload page without JavaScript: a form, posted to the link itself."""

from __future__ import annotations

from html import unescape
from urllib.parse import urlsplit

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from bandpics import limits
from groups.models import Group
from images import tasks
from images.lifecycle import moderation
from images.models import Image, Upload
from images.storage.objects import PhotoStorage
from images.tests import drawn_pictures
from images.tests.guest_client import put
from invitations.models import Invitation
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]


def photo(data: bytes, name="stage.jpg", content_type="image/jpeg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data, content_type)


@pytest.fixture
def post(invitation):
    def post_(*files, link="", language="en", **fields):
        # A browser that has never been here: no cookie, and so no CSRF token either.
        client = Client(enforce_csrf_checks=True)
        answer = client.post(
            urlsplit(link or invitation.upload_link).path,
            {"files": list(files), **fields},
            headers={"Accept-Language": language},
        )
        answer.words = unescape(" ".join(answer.content.decode().split()))
        return answer

    return post_


def test_photos_of_the_form_go_the_way_of_all_others(post, bucket):
    data = drawn_pictures.jpeg()
    answer = post(
        photo(data),
        photo(drawn_pictures.png(), "crowd.png", "image/png"),
        uploader_name="Cleo in row 1",
    )
    assert answer.status_code == 200
    assert "2 of 2 arrived" in answer.words
    assert answer.words.count("Arrived, being processed") == 3  # two files, and the scripts' words
    stage, crowd = Upload.objects.order_by("image__original_filename").reverse()
    assert (stage.image.original_filename, crowd.image.original_filename) == (
        "stage.jpg",
        "crowd.png",
    )
    assert bucket.head(stage.incoming_key).byte_size == len(data)
    for upload in [stage, crowd]:
        assert upload.status == "queued"
        tasks.process_upload(str(upload.pk))
    assert {image.uploader_name for image in Image.objects.all()} == {"Cleo in row 1"}
    assert {image.version for image in Image.objects.all()} == {1}


def test_the_receipt_of_a_personal_link_shows_them(post, cleo):
    post(photo(drawn_pictures.jpeg()))
    (line,) = cleo.receipt()
    assert (line["filename"], line["status"]) == ("stage.jpg", "queued")


def test_what_a_browser_began_in_parts_the_form_finishes(post, cleo, bucket, settings):
    settings.MULTIPART_THRESHOLD_BYTES = settings.MULTIPART_PART_BYTES = 10_000
    data = drawn_pictures.jpeg() + bytes(15_000)
    ticket = cleo.announce_one(data)
    put(cleo.sign(ticket["id"], part=1).json(), data[:10_000])
    post(photo(data))
    upload = Upload.objects.get()
    assert (str(upload.pk), upload.status) == (ticket["id"], "queued")
    assert list(bucket.open_multiparts("")) == []


def test_the_same_photo_again_is_already_here(post):
    post(photo(drawn_pictures.jpeg()))
    tasks.process_upload(str(Upload.objects.get().pk))
    again = post(photo(drawn_pictures.jpeg()))
    assert "1 of 1 arrived" in again.words
    assert '<p class="photo-state">Already here</p>' in again.words
    assert Image.objects.count() == 1


def test_each_file_has_its_own_outcome_in_words(post):
    answer = post(
        photo(drawn_pictures.jpeg()),
        photo(b"my notes", "notes.jpg"),
        photo(b"", "empty.jpg"),
        photo(b"%PDF-1.7 ", "plan.pdf", "application/pdf"),
    )
    assert answer.status_code == 200
    assert "1 of 4 arrived" in answer.words
    for words in ["This is not a picture.", "This file is empty", "This kind of file cannot"]:
        assert f'<p class="photo-state">{words}' in answer.words
    assert Image.objects.count() == 1


def test_it_answers_in_the_guests_language(post):
    answer = post(photo(b"my notes"), language="de")
    assert answer.status_code == 422
    assert "0 von 1 angekommen" in answer.words
    assert '<p class="photo-state">Das ist kein Bild.</p>' in answer.words


def test_without_a_photo_it_asks_for_one(post):
    answer = post()
    assert answer.status_code == 400
    assert "Please choose at least one photo first." in answer.words


def test_what_has_room_is_taken_and_the_rest_is_told(post, invitation):
    Invitation.objects.filter(pk=invitation.pk).update(max_files=1)
    answer = post(
        photo(drawn_pictures.jpeg(seed=1)), photo(drawn_pictures.jpeg(seed=2), "second.jpg")
    )
    assert answer.status_code == 200
    assert "1 of 2 arrived" in answer.words
    assert "The link is full: there was no room for it." in answer.words
    assert "This link is full: it takes no new photos." in answer.words
    assert Image.objects.count() == 1


def test_a_full_link_takes_nothing(post, invitation):
    Invitation.objects.filter(pk=invitation.pk).update(max_files=1, used_files=1)
    answer = post(photo(drawn_pictures.jpeg()))
    assert (answer.status_code, Image.objects.count()) == (403, 0)
    assert "This link is full" in answer.words


def test_a_closed_group_takes_nothing(post, group):
    Group.objects.filter(pk=group.pk).update(closes_at=timezone.now())
    answer = post(photo(drawn_pictures.jpeg()))
    assert (answer.status_code, Image.objects.count()) == (403, 0)
    assert "has closed this group" in answer.words


@pytest.mark.parametrize(
    ("change", "says"),
    [({"expires_at": True}, "This link has expired"), ({"revoked_at": True}, "was withdrawn")],
)
def test_a_dead_link_takes_nothing(post, invitation, change, says):
    Invitation.objects.filter(pk=invitation.pk).update(**dict.fromkeys(change, timezone.now()))
    answer = post(photo(drawn_pictures.jpeg()))
    assert (answer.status_code, Image.objects.count()) == (403, 0)
    assert says in answer.words


def test_guessing_by_the_form_is_slowed_down_as_everywhere(post, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "guess": "2/minute"}
    codes = [post(photo(b"x"), link=f"https://x/i/{'A' * 43}/").status_code for _ in range(3)]
    assert codes == [403, 403, 429]


def test_a_link_has_only_so_many_tries(post, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "invitation": "1/minute"}
    limits.reset()
    assert post(photo(drawn_pictures.jpeg())).status_code == 200
    answer = post(photo(drawn_pictures.jpeg(seed=2)))
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0
    assert Image.objects.count() == 1


def test_a_form_that_is_too_large_is_refused_unread(invitation, settings):
    settings.FORM_MAX_BYTES = 1000

    class Unreadable:
        def read(self, *args):
            raise AssertionError("The body was read.")

        readline = read

    answer = Client(enforce_csrf_checks=True).generic(
        "POST",
        urlsplit(invitation.upload_link).path,
        content_type="multipart/form-data; boundary=x",
        **{"CONTENT_LENGTH": str(5_000_000), "wsgi.input": Unreadable()},
    )
    assert answer.status_code == 413
    assert "too much for one go" in answer.content.decode()


def test_one_photo_that_is_too_large_does_not_keep_the_others_out(post, settings):
    small, large = drawn_pictures.jpeg(), drawn_pictures.jpeg() + bytes(50_000)
    settings.UPLOAD_MAX_BYTES = len(small)
    answer = post(photo(small), photo(large, "large.jpg"))
    assert "1 of 2 arrived" in answer.words
    assert '<p class="photo-state">Too big: a photo may have up to' in answer.words


def test_more_files_than_one_form_may_have_are_told_so(post, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    answer = post(*[photo(drawn_pictures.jpeg(seed=n)) for n in range(3)])
    assert answer.status_code == 400
    assert "Please send up to 2 photos at once." in answer.words


def test_a_broken_form_is_told_so(invitation):
    answer = Client(enforce_csrf_checks=True).generic(
        "POST",
        urlsplit(invitation.upload_link).path,
        b"--x\r\nnonsense",
        content_type="multipart/form-data; boundary=",
    )
    assert answer.status_code == 400
    assert "did not arrive whole" in answer.content.decode()


def test_a_store_that_is_away_loses_nothing(post, invitation, monkeypatch, settings):
    options = {**settings.STORAGES["default"]["OPTIONS"], "endpoint_url": "http://127.0.0.1:1"}
    away = PhotoStorage(**options)
    monkeypatch.setattr("images.uploads.server_upload.photo_storage", lambda: away)
    monkeypatch.setattr("images.uploads.transfer.photo_storage", lambda: away)
    answer = post(photo(drawn_pictures.jpeg()))
    assert answer.status_code == 422
    assert "The photo store does not answer." in answer.words


def test_large_photos_are_spooled_and_hostile_names_are_only_captions(post, settings):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 1000
    answer = post(
        photo(drawn_pictures.jpeg(), "<script>alert(1)</script>.jpg", "text/html"),
        uploader_name="C" * 500 + "\0",
    )
    assert answer.status_code == 200
    assert b"<script>alert" not in answer.content
    image = Image.objects.get()
    assert image.uploader_name == "C" * 120
    assert image.uploads.get().declared_content_type != "text/html"


def test_guests_of_a_shared_link_are_taken_at_their_word(post, group):
    shared = InvitationFactory(group=group, kind="shared", email="", name="Poster")
    answer = post(photo(drawn_pictures.jpeg()), link=shared.upload_link, uploader_name="Gus")
    assert answer.status_code == 200
    assert 'value="Gus"' in answer.words
    assert Image.objects.get().uploader_name == "Gus"
    shared.refresh_from_db()
    assert shared.used_files == 1


# --- The receipt on return ------------------------------------------------------------------


@pytest.fixture
def browser(group):
    """One without JavaScript, which keeps its cookies, at a link."""

    def browse(**link):
        client, path = Client(), urlsplit(InvitationFactory(group=group, **link).upload_link).path

        def visit(*files):
            answer = client.post(path, {"files": list(files)}) if files else client.get(path)
            sent = answer.content.decode().partition("<noscript>")[2].partition("</noscript>")[0]
            visit.cookies = answer.cookies
            return unescape(" ".join(sent.split()))

        return visit

    return browse


SHARED = {"kind": "shared", "email": "", "name": ""}


@pytest.mark.parametrize("link", [{}, SHARED], ids=["personal", "shared"])
def test_who_comes_back_without_javascript_is_told_what_became_of_it(browser, link):
    visit = browser(**link)
    assert visit() == ""
    visit(photo(drawn_pictures.jpeg()), photo(b"\xff\xd8\xff no more", "cut.jpg"))
    assert "stage.jpg" in visit()
    assert visit().count("Arrived, being processed") == 2
    for upload in Upload.objects.all():
        tasks.process_upload(str(upload.pk))
    text = visit()
    assert "Arrived and ready" in text
    assert "The picture is damaged" in text or "This is not a picture" in text
    image = Image.objects.ready().get()
    moderation.moderate([image.pk], moderation.REJECT, by=None, reason="Too dark")
    assert "do not show it to other guests: Too dark" in visit()


def test_another_browser_with_the_same_shared_link_sees_none_of_it(group, browser):
    link = InvitationFactory(group=group, **SHARED)
    path = urlsplit(link.upload_link).path
    mine, other = Client(), Client()
    mine.post(path, {"files": [photo(drawn_pictures.jpeg())]})
    assert b"<noscript>" in mine.get(path).content
    assert b"<noscript>" not in other.get(path).content
    other.cookies["bandpics-device"] = "made up; or worse"
    assert b"<noscript>" not in other.get(path).content


def test_the_device_of_the_form_is_for_this_link_alone_and_for_no_script(browser):
    visit = browser(**SHARED)
    visit(photo(drawn_pictures.jpeg()))
    cookie = visit.cookies["bandpics-device"]
    assert cookie["path"].startswith("/i/")
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Strict")


def test_an_expired_link_shows_it_too(group, browser):
    visit = browser()
    visit(photo(drawn_pictures.jpeg()))
    Invitation.objects.update(expires_at=timezone.now())
    assert "stage.jpg" in visit()
