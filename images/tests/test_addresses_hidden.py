"""Members without a name are known by their e-mail address, which guests are not told anywhere."""

from __future__ import annotations

import pytest

from images.lifecycle import walls
from images.models import Image
from images.tests import archive_reader as reader
from images.tests import bulk_rows, drawn_pictures
from images.tests.guest_client import Guest
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]

ADDRESS = "nameless@example.com"


@pytest.fixture
def photo(group):
    """A photo of a member without a name, which all guests are shown."""
    group.visibility = "gallery"
    group.save()
    variants = ("thumb", "small", "tile", "medium", "fullsize")
    return bulk_rows.photo(
        group, variants=variants, uploader_name=ADDRESS, moderation="approved", caption="Cake"
    )


@pytest.fixture
def emil(group):
    return Guest(InvitationFactory(group=group, name="Emil"))


def found(guest, **query) -> list[str]:
    answer = guest.client.get("/api/v1/images/", query)
    assert answer.status_code == 200, answer.json()
    return [row["id"] for row in answer.json()["results"]]


def test_the_api_leaves_it_out_for_guests(photo, emil, ada, signed_in):
    path = f"/api/v1/images/{photo.pk}/"
    (row,) = emil.client.get("/api/v1/images/").json()["results"]
    assert row["uploader"] == emil.client.get(path).json()["uploader"] == ""
    member = signed_in(ada)
    (row,) = member.get("/api/v1/images/").json()["results"]
    assert row["uploader"] == member.get(path).json()["uploader"] == ADDRESS


@pytest.mark.parametrize("query", [{"uploader": ADDRESS}, {"q": "nameless"}, {"q": ADDRESS}])
def test_guests_cannot_guess_it_by_a_filter(photo, emil, ada, signed_in, query):
    assert found(emil, q="cake") == [str(photo.pk)]
    assert found(emil, **query) == []
    counted = emil.client.get("/api/v1/images/", {**query, "offset": 0})
    assert counted.json()["count"] == 0
    page = emil.client.get(f"/i/{emil.invitation.token}/photos/", query).content.decode()
    assert str(photo.pk) not in page
    (row,) = signed_in(ada).get("/api/v1/images/", query).json()["results"]
    assert row["id"] == str(photo.pk)


@pytest.mark.parametrize("more", ["", "PHOTO/", "PHOTO/removal/", "newest/"])
def test_the_pages_of_guests_do_not_tell_it(photo, emil, client, more):
    Image.objects.update(caption="")  # the alternative text names the uploader then
    path = f"/i/{emil.invitation.token}/photos/{more.replace('PHOTO', str(photo.pk))}"
    answer = client.get(path)
    assert answer.status_code == 200
    page = answer.content.decode()
    assert f"/{photo.pk}-1.jpg" in page  # a size of it
    assert "nameless" not in page


def test_a_guest_is_told_what_they_called_themselves(photo, emil):
    own = {**emil.key.columns, "moderation": "pending"}
    Image.objects.filter(pk=photo.pk).update(**own)
    (row,) = emil.client.get("/api/v1/images/", {"uploader": ADDRESS}).json()["results"]
    assert row["uploader"] == ADDRESS
    assert found(emil, q="nameless") == [str(photo.pk)]


def test_walls_do_not_show_it(photo, group, client, ada):
    link = InvitationFactory(group=group, kind="shared", email="", name="Bar")
    wall = walls.make(group, name="Hall", invitation=link, by=ada)
    shown = client.get(f"/w/{wall.token}/photos/").json()
    assert {each["by"] for each in [*shown["arrivals"], *shown["round"]]} == {""}


def test_a_guests_zip_does_not_have_it(group, ada, emil, cleo):
    cleo.send_and_process(drawn_pictures.jpeg())
    group.visibility = "gallery"
    group.save()
    Image.objects.update(moderation="approved", uploader_name=ADDRESS)
    answer = emil.client.post(reader.path_of(group), {"what": {"uploader": ADDRESS}})
    assert answer.status_code == 409, answer.json()
    zip_file = reader.built(emil.client, group)
    assert ADDRESS.encode() not in reader.content_of(zip_file)
    (line,) = reader.manifest_of(zip_file)
    assert line["uploader"] == ""
    assert [path.partition("/")[0] for path in reader.files_of(zip_file)] == ["Guests"]
