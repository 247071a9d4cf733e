"""The calls of the five earlier systems' clients, one after the other, as docs/coming-from.md has
them; and what is answered where something is called otherwise here."""

from __future__ import annotations

import base64
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from bandpics.testing.matrix import few
from bandpics.users import api_keys
from groups.tests.factories import GroupFactory
from images import tasks
from images.models import Image, Upload
from images.tests import drawn_pictures
from images.tests.drawn_exif import SHORT, exif_block
from images.tests.guest_client import described, get, put

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]

API = "/api/v1"
STAGE = "stage.jpg"


def stage(**more) -> bytes:
    codes = {0x9209: 16, 0x9207: 5}
    block = exif_block(exif={tag: (SHORT, code) for tag, code in codes.items()})
    return drawn_pictures.jpeg(exif=block, **more)


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def a_file(data: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile(STAGE, data, "image/jpeg")


def with_key(user, *scopes, **more) -> APIClient:
    _, text = api_keys.issue(user, name="client", scopes=scopes or ["read", "upload"], **more)
    return by(f"Api-Key {text}")


def by(credential: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=credential)
    return client


def said(answer, status: int = 200):
    assert answer.status_code == status, answer.content
    return answer.json()


def processed(answer) -> str:
    """The id of a photo that was sent whole, once a worker has had it."""
    sent = said(answer, 202)
    tasks.process_upload(sent["upload"])
    return sent["id"]


# --- The five -------------------------------------------------------------------------------


def test_bandpics_image_api(ada, team, signed_in, bucket):
    """A group with its first photo in one form, then a photo with words, time and place."""
    client = with_key(ada, "read", "upload", "moderate", "admin")
    event = {"name": "Summer concert", "event_name": "Open air", "event_date": "2026-06-21"}
    made = said(
        client.post(
            f"{API}/groups/",
            {**event, "team": str(team.pk), "files": [a_file(stage())]},
            format="multipart",
        ),
        201,
    )
    (first,) = made["uploads"]
    tasks.process_upload(first["id"])

    form = {
        "file": a_file(stage(seed=2)),
        "group": made["id"],
        "description": "The encore",
        "taken_at": "2026-06-21T23:05:00+02:00",
        "location": json.dumps({"lat": 48.2082, "lon": 16.3738}),
    }
    image_id = processed(client.post(f"{API}/images/", form, format="multipart"))
    image = said(client.get(f"{API}/images/{image_id}/"))
    assert (image["description"], image["taken_at"]) == ("The encore", "2026-06-21T21:05:00Z")
    exif = image["exif"]
    assert (exif["gps"]["lat"], exif["gps"]["lon"]) == (48.2082, 16.3738)
    assert (exif["flash"], exif["flash_label"]) == (16, "Flash did not fire, compulsory flash mode")
    assert set(image["variants"]) >= {"thumb", "small", "medium", "fullsize"}

    # Where its objects are: {group}/original/…, {group}/fullsize/…, {group}/thumb/…
    keys = {found.key for found in bucket.list_keys(f"{made['id']}/")}
    folders = {key.split("/")[1] for key in keys}
    assert folders >= {"original", "fullsize", "medium", "small", "thumb"}

    shown = said(client.get(f"{API}/groups/{made['id']}/"))
    assert {each["id"] for each in shown["images"]} == {image_id, first["id"]}
    assert said(client.patch(f"{API}/images/{image_id}/", {"description": "Last song"}))
    replaced = client.patch(
        f"{API}/images/{image_id}/file/", {"file": a_file(stage(seed=3))}, format="multipart"
    )
    assert processed(replaced) == image_id
    assert client.delete(f"{API}/images/{image_id}/").status_code == 204


def test_image_api(ben, group):
    """Only `{"image": …}`; then the queue, the list by skip and limit, and the statistics."""
    client = with_key(ben)
    sent = said(client.post(f"{API}/images/", {"image": in_base64(stage())}), 202)
    assert sent["status"] == "queued"
    assert Image.objects.get(pk=sent["id"]).group == group
    assert said(client.get(f"{API}/images/{sent['id']}/"))["is_final"] is False
    tasks.process_upload(sent["upload"])
    image = said(client.get(f"{API}/images/{sent['id']}/"))
    assert (image["status"], image["is_final"]) == ("done", True)
    processed(client.post(f"{API}/images/", {"image": in_base64(stage(seed=2))}))

    page = said(client.get(f"{API}/images/?skip=1&limit=1"))
    assert (page["count"], [each["id"] for each in page["results"]]) == (2, [sent["id"]])
    assert said(client.get(f"{API}/images/?status=done&format=jpeg"))["results"]
    statistics = said(client.get(f"{API}/stats/"))
    assert (statistics["statuses"]["done"], statistics["formats"][0]["format"]) == (2, "jpeg")


def test_image_manager(ada, ben, team, group):
    """Teams, members who see each other's photos, a key and its rotation."""
    host = with_key(ada, "read", "upload", "moderate", "admin")
    assert str(team.pk) in {each["id"] for each in said(host.get(f"{API}/teams/"))["results"]}
    assert said(host.get(f"{API}/teams/{team.pk}/members/"))["results"]

    bens = with_key(ben, "read", "upload", "moderate", "admin")
    image_id = processed(bens.post(f"{API}/images/", {"image": in_base64(stage())}))
    assert said(host.get(f"{API}/images/{image_id}/"))["uploader"] == "Ben"

    new = said(bens.post(f"{API}/users/{ben.pk}/credentials/rotate/"), 201)["api_key"]
    assert said(by(f"Api-Key {new}").get(f"{API}/images/"))["results"]
    assert said(bens.get(f"{API}/images/"))["results"]  # the former key, for a day


def test_image_processing_api(settings):
    """Registered with `plain_password`, signed in by `username`, sent, searched, transformed."""
    settings.REGISTRATION = "open"
    account = {"email": "paul@example.org", "plain_password": "grey horses on the lake"}
    made = said(APIClient().post(f"{API}/users/", account), 201)
    assert made["api_key"]
    sign_in = {"username": account["email"], "password": account["plain_password"]}
    client = by(f"Bearer {said(APIClient().post(f'{API}/token/', sign_in))['access']}")
    image_id = processed(
        client.post(f"{API}/images/", {"image": in_base64(stage()), "filename": "Encore.jpg"})
    )
    assert [each["id"] for each in said(client.get(f"{API}/images/?q=encore"))["results"]] == [
        image_id
    ]
    wanted = {
        "resize": {"width": 20, "height": 20},
        "crop": {"x": 0, "y": 0, "width": 30, "height": 30},
        "rotate": 90,
        "flip": True,
        "mirror": False,
        "filters": {"grayscale": True, "sepia": False},
        "watermark": {"text": "Open air"},
        "quality": 80,
        "format": "png",
    }
    address = f"{API}/images/{image_id}/transforms/"
    asked = said(client.post(address, {"transformations": wanted}), 202)
    tasks.render_transform(asked["id"])
    ready = said(client.post(address, {"transformations": wanted}))
    assert (ready["hash"], ready["status"]) == (asked["hash"], "done")
    file = client.get(f"{address}{ready['hash']}/file/")
    assert file.status_code == 302
    assert get(file["Location"]).data.startswith(b"\x89PNG")


def test_hasty_images(ada, group):
    """An invitation; per file an address to send to, and complete; the list by `access_token`."""
    host = with_key(ada, "read", "upload", "moderate", "admin")
    asked = {"group": str(group.pk), "email": "emil@example.org"}
    invitation = said(host.post(f"{API}/invitations/", asked), 201)
    again = said(host.post(f"{API}/invitations/", asked))
    assert (again["token"], again["id"]) == (invitation["token"], invitation["id"])

    token, guest = f"access_token={invitation['token']}", APIClient()
    data = stage()
    body = {"files": [{"filename": STAGE, "content_type": "image/jpeg", "size": len(data)}]}
    (policy,) = said(guest.post(f"{API}/uploads/?{token}", body), 201)["uploads"]
    assert put(policy["upload"], data).status == 200
    done = guest.post(f"{API}/uploads/{policy['id']}/complete/?{token}")
    assert said(done, 202)["status"] == "queued"
    tasks.process_upload(policy["id"])
    (listed,) = said(guest.get(f"{API}/images/?{token}"))["results"]
    assert (listed["id"], listed["status"]) == (policy["id"], "done")
    (line,) = said(guest.get(f"{API}/uploads/?{token}"))["results"]
    assert line["is_final"] is True


# --- What is said instead -------------------------------------------------------------------


def pointed(answer) -> dict[str, str]:
    """By the field: what is wrong with it."""
    return {each["pointer"]: each["detail"] for each in said(answer, 400)["errors"]}


def test_with_several_groups_the_answer_names_them(ben, team, group):
    GroupFactory(team=team, name="Rehearsal")
    answer = with_key(ben).post(f"{API}/images/", {"image": in_base64(stage())})
    why = pointed(answer)["#/group"]
    assert f"{group.pk} ({group.name})" in why
    assert "(Rehearsal)" in why
    assert not Upload.objects.exists()


@pytest.mark.parametrize(
    ("name", "instead"),
    few(
        [
            ("latitude", "Send `location`"),
            ("lon", "Send `location`"),
            ("date", "Send `taken_at`"),
            ("timestamp", "Send `taken_at`"),
            ("title", "Send `description`"),
            ("album", "Send `group`"),
            ("caption", "Send `description`"),
        ],
        3,
    ),
)
def test_another_name_of_what_is_said_of_a_photo(ben, group, name, instead):
    client, body = with_key(ben), {"image": in_base64(stage()), name: "x"}
    assert instead in pointed(client.post(f"{API}/images/", body))[f"#/{name}"]
    form = {"file": a_file(stage()), name: "x"}
    answer = client.post(f"{API}/images/", form, format="multipart")
    assert instead in pointed(answer)[f"#/{name}"]
    files = {"files": [{**described(stage()), name: "x"}]}
    assert instead in pointed(client.post(f"{API}/uploads/", files))[f"#/files/0/{name}"]
    assert not Upload.objects.exists()


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("name", "Send `filename`"),
        ("mime_type", "Send `content_type`"),
        ("byte_size", "Send `size`"),
    ],
)
def test_another_name_of_what_is_said_of_a_file(ben, group, name, instead):
    answer = with_key(ben).post(f"{API}/uploads/", {"files": [{name: "x"}]})
    assert instead in pointed(answer)[f"#/files/0/{name}"]


def test_the_file_is_called_after_the_way_it_comes(ben, group):
    client = with_key(ben)
    form = client.post(f"{API}/images/", {"image": a_file(stage())}, format="multipart")
    assert "send the file as `file`" in pointed(form)["#/image"]
    in_json = client.post(f"{API}/images/", {"file": in_base64(stage())})
    assert "send base64 as `image`" in pointed(in_json)["#/file"]


@pytest.mark.parametrize(
    ("query", "instead"),
    [
        ("page=2", "Use `limit` and `offset`"),
        ("per_page=10", "Use `limit` and `offset`"),
        ("search=stage", "Use `q`"),
    ],
)
def test_another_name_of_a_parameter_of_a_list(ben, group, query, instead):
    answer = with_key(ben).get(f"{API}/images/?{query}")
    assert instead in pointed(answer)[f"#/{query.partition('=')[0]}"]


def test_another_name_for_the_name_to_sign_in_with(settings):
    settings.REGISTRATION = "open"
    body = {"username": "paul", "plain_password": "grey horses on the lake"}
    assert "Send `email`" in pointed(APIClient().post(f"{API}/users/", body))["#/username"]


def test_a_photo_is_changed_by_patch_and_named_by_location(ben, group):
    client = with_key(ben)
    image_id = processed(client.post(f"{API}/images/", {"image": in_base64(stage())}))
    address = f"{API}/images/{image_id}/"
    assert "PATCH" in client.put(address, {"description": "x"})["Allow"]
    assert "Send `location`" in pointed(client.patch(address, {"latitude": 48.2}))["#/latitude"]
