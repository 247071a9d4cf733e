"""Seeing photos through the API: members all of their teams', guests their own."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from groups.tests.factories import GroupFactory
from images.models import Image
from images.tests import drawn_pictures
from images.tests.bulk_rows import SOMEBODY
from images.tests.guest_client import Guest, get
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]


def stage(**more):
    return drawn_pictures.jpeg(
        taken_at="2026:06:21 21:30:00", offset="+02:00", lat=48.2, lon=16.37, make="Apple", **more
    )


def test_a_member_sees_a_guests_photo_with_its_exif(cleo, ben, signed_in):
    image = cleo.send_and_process(stage())
    client = signed_in(ben)

    listed = client.get("/api/v1/images/").json()["results"][0]
    detail = client.get(f"/api/v1/images/{image.pk}/").json()

    assert listed["id"] == detail["id"] == str(image.pk)
    assert detail["status"] == "done"
    assert detail["format"] == "jpeg"
    assert detail["uploader"] == "Cleo"
    assert detail["taken_at"] == "2026-06-21T19:30:00Z"
    assert detail["taken_at_local"] == "2026-06-21T21:30:00"
    assert detail["utc_offset"] == "+02:00"
    assert detail["exif"]["datetime_original"] == "2026-06-21T21:30:00"
    assert detail["exif"]["camera_make"] == "Apple"
    assert detail["exif"]["software"] is None or detail["exif"]["software"]
    assert detail["exif"]["gps"]["lat"] == pytest.approx(48.2, abs=1e-5)
    assert detail["processing_ms"] > 0
    assert "raw" in detail["exif"]
    assert "raw" not in listed["exif"]
    assert set(detail["variants"]) == {"thumb", "small", "tile", "medium", "fullsize"}
    assert get(detail["variants"]["thumb"]["url"]).status == 200


def test_a_guest_sees_only_own_photos(cleo, group):
    image = cleo.send_and_process(stage())
    other = Guest(InvitationFactory(group=group))
    assert [row["id"] for row in cleo.client.get("/api/v1/images/").json()["results"]] == [
        str(image.pk)
    ]
    assert other.client.get("/api/v1/images/").json()["results"] == []
    assert other.client.get(f"/api/v1/images/{image.pk}/").status_code == 404


def test_a_stranger_sees_nothing(cleo, dora, signed_in):
    image = cleo.send_and_process(stage())
    client = signed_in(dora)
    assert client.get("/api/v1/images/").json()["results"] == []
    assert client.get(f"/api/v1/images/{image.pk}/").status_code == 404
    assert client.get(f"/api/v1/images/{image.pk}/variants/thumb/").status_code == 404


def test_nobody_sees_nothing(client, cleo):
    image = cleo.send_and_process(stage())
    assert client.get("/api/v1/images/").status_code == 401
    assert client.get(f"/api/v1/images/{image.pk}/").status_code == 401


def test_a_variant_is_a_redirect_to_the_store(cleo, ben, signed_in):
    image = cleo.send_and_process(stage())
    answer = signed_in(ben).get(f"/api/v1/images/{image.pk}/variants/medium/")
    assert answer.status_code == 302
    bytes_ = get(answer["Location"])
    assert bytes_.headers["Content-Type"] == "image/jpeg"
    assert bytes_.data.startswith(b"\xff\xd8")


def test_the_original_is_for_members_and_only_to_save(cleo, ben, signed_in):
    data = stage()
    image = cleo.send_and_process(data, filename="Bühne 1.jpg")
    answer = signed_in(ben).get(f"/api/v1/images/{image.pk}/variants/original/")
    query = parse_qs(urlsplit(answer["Location"]).query)
    assert query["response-content-disposition"][0].startswith("attachment;")
    assert query["response-content-type"] == ["image/jpeg"]
    assert get(answer["Location"]).data == data
    assert cleo.client.get(f"/api/v1/images/{image.pk}/variants/original/").status_code == 404


def test_before_it_is_ready_a_variant_asks_to_wait(cleo, ben, signed_in):
    upload = cleo.send(stage())
    answer = signed_in(ben).get(f"/api/v1/images/{upload.image_id}/variants/thumb/")
    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/not-ready/"
    assert answer["Retry-After"]


def test_a_failed_photo_says_so(cleo, ben, signed_in):
    image = cleo.send_and_process(b"not a picture")
    answer = signed_in(ben).get(f"/api/v1/images/{image.pk}/variants/thumb/")
    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/photo-failed/"


def test_an_unknown_size_is_not_there(cleo, ben, signed_in):
    image = cleo.send_and_process(stage())
    assert signed_in(ben).get(f"/api/v1/images/{image.pk}/variants/huge/").status_code == 404


def test_pages_follow_each_other_without_gap_or_repeat(ben, group, signed_in, cleo):
    Image.objects.bulk_create(
        Image(group=group, **SOMEBODY.columns, original_filename=f"{n}.jpg") for n in range(7)
    )
    GroupFactory()  # somebody else's
    client, seen, url = signed_in(ben), [], "/api/v1/images/?limit=3"
    while url:
        page = client.get(url).json()
        seen += [row["id"] for row in page["results"]]
        url = page["next"]
    assert len(seen) == 7
    assert len(set(seen)) == 7


def test_a_page_costs_the_same_number_of_queries_whatever_it_holds(
    cleo, ben, signed_in, django_assert_max_num_queries
):
    for seed in range(3):
        cleo.send_and_process(stage(seed=seed))
    client = signed_in(ben)
    with django_assert_max_num_queries(4):  # session, user, images, variants
        assert len(client.get("/api/v1/images/").json()["results"]) == 3
    # invitation, uploads, images, variants, whether guests see the gallery
    with django_assert_max_num_queries(5):
        assert len(cleo.receipt()) == 3


def test_writing_with_a_session_needs_the_csrf_token(ben, group):
    from rest_framework.test import APIClient

    client = APIClient(enforce_csrf_checks=True)
    client.force_login(ben)
    answer = client.post("/api/v1/uploads/", {"group": str(group.pk), "files": []})
    assert answer.status_code == 403


def test_the_schema_and_its_page_are_there(client, db):
    assert client.get("/api/v1/schema/").status_code == 200
    assert b"swagger" in client.get("/api/v1/docs/").content


@pytest.mark.parametrize("path", ["/api/v1/nothing/", "/api/v1/images/nonsense/"])
def test_what_is_not_there_is_404(client, db, path):
    assert client.get(path).status_code == 404
