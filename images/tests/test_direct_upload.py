"""Ways in for scripts: a form, or base64 in JSON; both end in the same place as an upload."""

from __future__ import annotations

import base64
import json
import threading
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from rest_framework.test import APIClient

from bandpics.testing.matrix import few
from bandpics.users import api_keys
from groups.models import Group
from images import tasks
from images.api import file_serializers
from images.models import Image, Upload
from images.tests import drawn_pictures
from images.tests.guest_client import Guest, described, put
from invitations.models import Invitation
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]

ADDRESS = "/api/v1/images/"


def as_form(data: bytes, *, name="stage.jpg", content_type="image/jpeg", **more):
    body = {"file": SimpleUploadedFile(name, data, content_type), **more}
    return {"data": body, "format": "multipart"}


def as_json(data: bytes, *, prefix="", **more):
    body = {"image": prefix + base64.b64encode(data).decode(), "filename": "stage.jpg", **more}
    return {"data": body, "format": "json"}


EACH_WAY = pytest.mark.parametrize("way", [as_form, as_json], ids=["form", "json"])


# --- Works ----------------------------------------------------------------------------------


@EACH_WAY
def test_a_guest_sends_a_photo_whole(cleo, bucket, way):
    data = drawn_pictures.jpeg()
    answer = cleo.client.post(ADDRESS, **way(data, description="The encore"))
    assert answer.status_code == 202, answer.json()
    assert answer.json()["status"] == "queued"
    image = Image.objects.get(pk=answer.json()["id"])
    assert (image.original_filename, image.description) == ("stage.jpg", "The encore")
    assert (image.uploader_name, image.moderation) == ("Cleo", "pending")
    assert bucket.head(f"incoming/{answer.json()['upload']}").byte_size == len(data)
    tasks.process_upload(answer.json()["upload"])
    assert cleo.client.get(f"{ADDRESS}{image.pk}/").json()["status"] == "done"


@EACH_WAY
def test_a_script_sends_a_photo_with_a_key(ben, group, way):
    _, text = api_keys.issue(ben, name="script", scopes=["upload"])
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {text}")
    answer = client.post(
        ADDRESS, **way(drawn_pictures.jpeg(), group=str(group.pk), uploader_name="B.")
    )
    assert answer.status_code == 202, answer.json()
    image = Image.objects.get()
    assert (image.uploaded_by, image.group, image.uploader_name) == (ben, group, "B.")


@pytest.mark.parametrize(
    "prefix",
    ["data:image/png;base64,", "data:;base64,", "data:image/png;charset=utf-8;base64,"],
)
def test_a_data_uri_is_taken(cleo, prefix):
    answer = cleo.client.post(ADDRESS, **as_json(drawn_pictures.png(), prefix=prefix))
    assert answer.status_code == 202, answer.json()


def test_base64_as_tools_write_it(cleo):
    data = drawn_pictures.jpeg()
    wrapped = base64.encodebytes(data).decode()
    web = base64.urlsafe_b64encode(data).decode()
    for text in [wrapped, web]:
        answer = cleo.client.post(ADDRESS, {"image": text})
        assert answer.status_code == 202, answer.json()
    assert Image.objects.get().original_filename == "photo"


def test_a_long_text_is_decoded_piece_by_piece(cleo, monkeypatch):
    monkeypatch.setattr(file_serializers, "CHUNK_LENGTH", 1000)
    data = drawn_pictures.jpeg()
    for text in [base64.b64encode(data).decode(), base64.encodebytes(data).decode()]:
        upload = Upload.objects.get(pk=cleo.client.post(ADDRESS, {"image": text}).json()["upload"])
        assert upload.declared_byte_size == len(data)
    text = base64.b64encode(data).decode()
    cut = cleo.client.post(ADDRESS, {"image": text[:2000] + "====" + text[2000:]})
    assert cut.status_code == 400


def test_a_large_photo_goes_by_way_of_the_disk(cleo, settings):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 1000
    settings.MULTIPART_THRESHOLD_BYTES = 1000
    for way in [as_form, as_json]:
        data = drawn_pictures.jpeg(seed=1 if way is as_form else 2)
        answer = cleo.client.post(ADDRESS, **way(data))
        assert answer.status_code == 202, answer.json()
        tasks.process_upload(answer.json()["upload"])
    assert [image.version for image in Image.objects.all()] == [1, 1]


# --- The same again -------------------------------------------------------------------------


@EACH_WAY
def test_the_same_photo_again_is_the_same_photo(cleo, way, invitation):
    first = cleo.client.post(ADDRESS, **way(drawn_pictures.jpeg())).json()
    again = cleo.client.post(ADDRESS, **way(drawn_pictures.jpeg())).json()
    assert again == first
    tasks.process_upload(first["upload"])
    third = cleo.client.post(ADDRESS, **way(drawn_pictures.jpeg())).json()
    assert third == {**first, "status": "done", "is_final": True}
    invitation.refresh_from_db()
    assert invitation.used_files == 1


def test_what_was_announced_and_never_sent_is_completed(cleo):
    ticket = cleo.announce_one(drawn_pictures.jpeg())
    answer = cleo.client.post(ADDRESS, **as_form(drawn_pictures.jpeg()))
    assert (answer.json()["id"], answer.json()["status"]) == (ticket["id"], "queued")


def test_another_s_photo_is_a_duplicate_like_any(cleo, group):
    cleo.send_and_process(drawn_pictures.jpeg())
    emil = Guest(InvitationFactory(group=group))
    answer = emil.client.post(ADDRESS, **as_form(drawn_pictures.jpeg()))
    tasks.process_upload(answer.json()["upload"])
    assert Upload.objects.get(pk=answer.json()["upload"]).status == "duplicate"


def test_an_idempotency_key_makes_one_of_two(cleo):
    headers = {"Idempotency-Key": "k-1"}
    first, second = (
        cleo.client.post(ADDRESS, **as_form(drawn_pictures.jpeg()), headers=headers)
        for _ in range(2)
    )
    assert first.json() == second.json()
    other = cleo.client.post(ADDRESS, **as_form(drawn_pictures.jpeg(seed=3)), headers=headers)
    assert other.status_code == 422


# --- No credential, wrong person, closed ----------------------------------------------------


@EACH_WAY
def test_who_may_send(client, vera, dora, group, signed_in, way):
    body = way(drawn_pictures.jpeg(), group=str(group.pk))
    assert APIClient().post(ADDRESS, **body).status_code == 401
    assert (
        signed_in(vera).post(ADDRESS, **way(drawn_pictures.jpeg(), group=group.pk)).status_code
        == 403
    )
    assert (
        signed_in(dora).post(ADDRESS, **way(drawn_pictures.jpeg(), group=group.pk)).status_code
        == 404
    )
    answer = signed_in(dora).post(ADDRESS, **way(drawn_pictures.jpeg()))
    assert answer.status_code == 403  # there is none she may add to
    assert not Image.objects.exists()


@EACH_WAY
def test_closed_links_and_groups_take_nothing(cleo, way):
    Group.objects.update(closes_at=timezone.now() - timedelta(seconds=1))
    answer = cleo.client.post(ADDRESS, **way(drawn_pictures.jpeg()))
    assert answer.json()["type"] == "/problems/group-closed/"
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    answer = cleo.client.post(ADDRESS, **way(drawn_pictures.jpeg()))
    assert answer.json()["type"] == "/problems/invitation-expired/"
    Invitation.objects.update(revoked_at=timezone.now())
    answer = cleo.client.post(ADDRESS, **way(drawn_pictures.jpeg()))
    assert answer.json()["type"] == "/problems/invitation-revoked/"


@EACH_WAY
def test_a_full_link_takes_nothing(cleo, way):
    Invitation.objects.update(max_files=0)
    answer = cleo.client.post(ADDRESS, **way(drawn_pictures.jpeg()))
    assert answer.json()["type"] == "/problems/invitation-exhausted/"
    assert not Image.objects.exists()


# --- Bad input ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    few(
        [
            (as_form(b""), "#/file", "empty"),
            (as_form(b"hello", content_type="text/plain"), "#/file", "unsupported-type"),
            (as_form(b"hello, I am no picture"), "#/file", "unsupported-type"),
            (as_form(b"%PDF-1.7 and so on"), "#/file", "unsupported-type"),
            ({"data": {"file": "text"}, "format": "multipart"}, "#/file", "invalid"),
            ({"data": {"description": "x"}, "format": "multipart"}, "#/file", "required"),
            (as_form(drawn_pictures.jpeg(), group="mine"), "#/group", "invalid"),
            (as_json(b""), "#/image", "blank"),
            (as_json(b"", prefix="data:;base64,"), "#/image", "empty"),
            (as_json(b"hello, I am no picture"), "#/image", "unsupported-type"),
            (
                as_json(drawn_pictures.jpeg(), content_type="text/html"),
                "#/image",
                "unsupported-type",
            ),
            (
                as_json(drawn_pictures.jpeg(), prefix="data:text/html;base64,"),
                "#/image",
                "unsupported-type",
            ),
            (as_json(drawn_pictures.jpeg(), prefix="data:image/jpeg,"), "#/image", "base64"),
            (as_json(drawn_pictures.jpeg(), prefix="!"), "#/image", "padding"),
            ({"data": {"image": "abc"}, "format": "json"}, "#/image", "padding"),
            ({"data": {"image": "ü"}, "format": "json"}, "#/image", "padding"),
            ({"data": {"image": 7}, "format": "json"}, "#/image", "base64"),
            ({"data": {"image": None}, "format": "json"}, "#/image", "null"),
            ({"data": {}, "format": "json"}, "#/image", "required"),
        ],
        6,
    ),
)
def test_bad_input_is_named_and_leaves_nothing(cleo, bucket, body, pointer, code):
    answer = cleo.client.post(ADDRESS, **body)
    assert answer.status_code == 400, answer.content
    error = answer.json()["errors"][0]
    assert (error["pointer"], error["code"]) == (pointer, code)
    assert not Upload.objects.exists()
    assert list(bucket.list_keys("")) == []


def test_too_large_a_form_is_refused_before_it_is_read(cleo, settings):
    settings.UPLOAD_MAX_BYTES = 1000
    answer = cleo.client.post(ADDRESS, **as_form(drawn_pictures.jpeg()))
    assert answer.status_code == 413
    assert answer.json()["type"] == "/problems/too-large/"
    assert answer.json()["limit"] == 1000
    length = {"CONTENT_LENGTH": 10_000_000}
    answer = cleo.client.post(ADDRESS, **as_form(b"x"), **length)
    assert answer.status_code == 413


def test_a_photo_of_many_megabytes_is_taken_as_base64(cleo):
    answer = cleo.client.post(ADDRESS, **as_json(drawn_pictures.jpeg() + bytes(6 * 1024 * 1024)))
    assert answer.status_code == 202, answer.content
    assert Upload.objects.get().declared_byte_size > 6 * 1024 * 1024


def test_too_large_a_text_is_refused(cleo, settings):
    settings.BASE64_MAX_BYTES = 1000
    answer = cleo.client.post(ADDRESS, **as_json(drawn_pictures.jpeg()))
    assert answer.status_code == 413
    assert answer.json()["limit"] == 1000
    answer = cleo.client.post(ADDRESS, {"image": "A" * 2_000_000})
    assert answer.status_code == 413
    assert not Upload.objects.exists()


def test_json_that_is_nested_too_deeply_is_refused(cleo, ada, signed_in):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    body = {"data": "[" * 100_000, "content_type": "application/json"}
    sent = cleo.client.post("/api/v1/images/", **body)
    replaced = signed_in(ada).patch(f"/api/v1/images/{image.pk}/file/", **body)
    assert (sent.status_code, replaced.status_code) == (400, 400)


def test_another_type_of_body_is_not_taken(cleo):
    answer = cleo.client.post(ADDRESS, b"<x/>", content_type="application/xml")
    assert answer.status_code == 415


def test_a_store_that_does_not_answer_leaves_nothing_waiting(cleo, settings, invitation):
    stores = settings.STORAGES
    options = {**stores["default"]["OPTIONS"], "endpoint_url": "http://127.0.0.1:1"}
    settings.STORAGES = {**stores, "default": {**stores["default"], "OPTIONS": options}}
    answer = cleo.client.post(ADDRESS, **as_form(drawn_pictures.jpeg()))
    assert answer.status_code == 503
    assert answer.json()["type"] == "/problems/unavailable/"
    assert Upload.objects.get().status == "discarded"
    invitation.refresh_from_db()
    assert invitation.used_files == 0
    settings.STORAGES = stores
    answer = cleo.client.post(ADDRESS, **as_form(drawn_pictures.jpeg()))
    assert answer.json()["status"] == "queued"


@pytest.mark.parametrize(
    "name",
    few(["../../etc/passwd", "C:\\x.jpg", "a\nb.jpg", "x" * 300 + ".jpg", 'q"uote.jpg', ""], 3),
)
def test_a_name_is_only_ever_a_caption(cleo, name):
    answer = cleo.client.post(ADDRESS, **as_form(drawn_pictures.jpeg(), name=name or "n"))
    assert answer.status_code == 202, answer.json()
    image = Image.objects.get()
    assert 0 < len(image.original_filename) <= 255
    assert "\n" not in image.original_filename
    assert json.dumps(answer.json())


@pytest.mark.django_db(transaction=True)
def test_the_same_photo_by_two_at_once_is_one(cleo):
    from django.db import connection

    def send() -> None:
        answers.append(cleo.client.post(ADDRESS, **as_form(drawn_pictures.jpeg())))
        connection.close()

    answers = []
    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [202] * 4
    uploads = {answer.json()["upload"] for answer in answers}
    for upload_id in uploads:
        tasks.process_upload(upload_id)
    assert Image.objects.ready().count() == 1


def test_a_page_that_announces_still_works(cleo):
    """Both doors lead to the same quarantine."""
    data = drawn_pictures.jpeg()
    ticket = cleo.announce(described(data)).json()["uploads"][0]
    put(ticket["upload"], data)
    assert cleo.client.post(ADDRESS, **as_form(data)).json()["id"] == ticket["id"]
