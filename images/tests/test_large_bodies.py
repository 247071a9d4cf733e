"""A body that is too large is refused before it is read."""

from __future__ import annotations

import http.client
import io
from urllib.parse import urlsplit

import pytest
from django.test.client import BOUNDARY, MULTIPART_CONTENT, Client, encode_multipart
from rest_framework.test import APIClient

from bandpics.users import api_keys
from groups.models import Group
from images.tests import drawn_pictures

pytestmark = pytest.mark.django_db

MIB = 1024 * 1024
FORM = "multipart/form-data; boundary=x"
GROUPS, PHOTOS, NEW_GROUP = "/api/v1/groups/", "/api/v1/images/", "/groups/new/"


class Untouchable(io.RawIOBase):
    def read(self, *_):
        raise AssertionError("The body was read.")

    readline = readinto = read


def send(client, address, length, content_type=FORM, **more):
    told = {"CONTENT_LENGTH": str(length), "wsgi.input": Untouchable(), **more}
    return client.post(address, data=b"x", content_type=content_type, **told)


def post_form(client, address, data):
    form = encode_multipart(BOUNDARY, data)
    return client.generic("POST", address, form, content_type=MULTIPART_CONTENT)


def refused(answer, status=413, slug="body-too-large"):
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == f"/problems/{slug}/"
    return answer.json()


@pytest.fixture
def sessions(ben):
    """A browser without the CSRF header, whose token Django reads from the form."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(ben)
    client.cookies["csrftoken"] = "a" * 32
    return client


@pytest.fixture
def scripts(ben):
    _, text = api_keys.issue(ben, name="script", scopes=["read", "upload", "admin"])
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {text}")
    return client


def test_a_group_with_photos_has_a_limit_for_all_of_it(scripts, sessions, settings):
    for client in (scripts, sessions, Client()):
        answer = refused(send(client, GROUPS, settings.FORM_MAX_BYTES + 1))
        assert answer["limit"] == settings.FORM_MAX_BYTES == 512 * MIB
        assert str(512 * MIB) in answer["detail"]
    assert not Group.objects.filter(name="x").exists()


def test_up_to_the_limit_it_is_taken(scripts, settings):
    photo = io.BytesIO(drawn_pictures.jpeg())
    photo.name = "a.jpg"
    settings.FORM_MAX_BYTES = len(photo.getvalue())  # what stands around it is too much already
    refused(scripts.post(GROUPS, {"name": "x", "files": [photo]}, format="multipart"))
    settings.FORM_MAX_BYTES += 1000
    photo.seek(0)
    answer = scripts.post(GROUPS, {"name": "x", "files": [photo]}, format="multipart")
    assert answer.status_code == 201, answer.json()


def test_a_photo_in_a_form_has_that_of_one_photo(cleo, scripts, sessions, settings):
    for client in (cleo.client, scripts, sessions, Client()):
        refused(send(client, PHOTOS, settings.UPLOAD_MAX_BYTES + MIB))
    settings.UPLOAD_MAX_BYTES = 5 * 1024 * MIB
    assert refused(send(scripts, PHOTOS, 600 * MIB))["limit"] == settings.FORM_MAX_BYTES


def test_a_photo_as_a_field_of_a_form_is_told_to_come_as_a_file(scripts, sessions):
    for client in (scripts, sessions):
        said = refused(post_form(client, PHOTOS, {"name": "x", "file": "A" * 3 * MIB}))
        assert said["limit"] == 2_621_440
        assert said["detail"] == (
            "The fields of a form may have up to 2621440 bytes together. Send a photo as a file."
        )


def test_a_form_of_many_fields_or_files_is_told_how_many_it_may_have(scripts, sessions):
    fields = {f"field{number}": "x" for number in range(1_001)}
    files = [io.BytesIO(b"x") for _ in range(101)]
    for data, most in [(fields, "1000 fields"), ({"files": files}, "100 files")]:
        for client in (scripts, sessions):
            for file in files:
                file.seek(0)
            said = refused(post_form(client, GROUPS, data), 400, "invalid")
            assert said["detail"].startswith(f"A form may have up to {most}. Send ")


@pytest.mark.parametrize("address", [GROUPS, "/api/v1/uploads/", "/api/v1/token/"])
@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
def test_all_else_may_have_two_mebibytes(scripts, address, content_type):
    refused(send(scripts, address, 2 * MIB + 1, content_type))


@pytest.mark.parametrize("address", ["/api/v1/uploads/", "/api/v1/token/"])
def test_a_form_where_none_is_taken_is_no_way_around(sessions, address):
    refused(send(sessions, address, 2 * MIB + 1))


def test_the_page_of_a_new_group_says_itself_what_is_too_much(sessions):
    answer = send(sessions, NEW_GROUP, 600 * MIB)
    assert answer.status_code == 413
    assert b"Make the group" in answer.content


@pytest.mark.parametrize("address", ["/login/", "/admin/login/"])
def test_pages_refuse_with_a_page(sessions, address):
    answer = send(sessions, address, 600 * MIB)
    assert answer.status_code == 413
    assert answer["Content-Type"].startswith("text/html")
    assert b"larger than this address takes" in answer.content


def test_a_body_of_unknown_length_is_asked_for_one(scripts, sessions):
    for client in (scripts, sessions):
        for address in (GROUPS, PHOTOS):
            told = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": Untouchable()}
            request = client.generic("POST", address, content_type=FORM, **told)
            refused(request, 411, "length-required")


@pytest.mark.xdist_group("stack")
def test_a_real_server_answers_at_once(running_stack):
    """Sends the head only: a server that reads the body would wait for it."""
    address = urlsplit(running_stack["web_url"])
    heads = [({"Content-Length": str(10**12)}, 413), ({"Transfer-Encoding": "chunked"}, 411)]
    for head, status in heads:
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=5)
        connection.putrequest("POST", GROUPS)
        for name, value in {**head, "Content-Type": FORM}.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Content-Type")) == (
            *(status, "application/problem+json"),
        )
        connection.close()
