"""What owners say of a group's look, moderation, time zone and licence, through the API."""

from __future__ import annotations

import pytest

from bandpics.testing.matrix import few
from groups.models import Group, Licence
from images.tests import drawn_pictures
from images.tests.guest_client import Guest
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]


@pytest.fixture
def path(group):
    return f"/api/v1/groups/{group.pk}/"


def test_an_owner_says_how_it_looks_and_who_decides(ada, path, cleo, signed_in):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    changes = {
        "needs_approval": False,
        "time_zone": "Europe/Vienna",
        "accent_colour": "#AA3300",
        "cover": str(image.pk),
        "licence": {"kind": "own", "text": "You may print my photos."},
    }
    answer = signed_in(ada).patch(path, changes)
    assert answer.status_code == 200, answer.json()
    said = answer.json()
    assert (
        said.items() >= {**changes, "accent_colour": "#aa3300", "licence": said["licence"]}.items()
    )
    assert said["licence"] == {"number": 1, **changes["licence"]}
    # What was read can be sent back: no other version of the sentence comes of it.
    again = signed_in(ada).patch(path, {"licence": said["licence"]})
    assert again.json()["licence"]["number"] == 1


def test_the_standard_sentence_is_written_by_us(ada, path, signed_in):
    said = signed_in(ada).patch(path, {"licence": {"kind": "show"}}).json()["licence"]
    assert said["text"].startswith("The Band may show my photos in public")
    assert signed_in(ada).patch(path, {"licence": None}).json()["licence"] is None
    assert Licence.objects.count() == 1


def test_a_group_can_be_made_with_them(ben, team, signed_in):
    body = {"name": "G", "time_zone": "Asia/Tokyo", "licence": {"kind": "show"}}
    answer = signed_in(ben).post("/api/v1/groups/", body)
    assert answer.status_code == 201, answer.json()
    assert answer.json()["licence"]["number"] == 1
    assert answer.json()["time_zone"] == "Asia/Tokyo"
    assert answer.json()["needs_approval"] is True


@pytest.mark.parametrize(
    ("change", "pointer"),
    few(
        [
            ({"time_zone": "Europe/Wien"}, "#/time_zone"),
            ({"time_zone": "x" * 65}, "#/time_zone"),
            ({"accent_colour": "red"}, "#/accent_colour"),
            ({"accent_colour": "#12345"}, "#/accent_colour"),
            ({"cover": "01234567-89ab-7def-8123-456789abcdef"}, "#/cover"),
            ({"cover": "x"}, "#/cover"),
            ({"licence": {"kind": "own"}}, "#/licence/text"),
            ({"licence": {"kind": "own", "text": " "}}, "#/licence/text"),
            ({"licence": {"kind": "own", "text": "x" * 501}}, "#/licence/text"),
            ({"licence": {"kind": "all"}}, "#/licence/kind"),
            ({"licence": {"text": "x"}}, "#/licence/kind"),
            ({"licence": {"kind": "show", "txt": "x"}}, "#/licence/txt"),
            ({"licence": "show"}, "#/licence"),
            ({"needs_approval": "perhaps"}, "#/needs_approval"),
            ({"accent_color": "#aa3300"}, "#/accent_color"),
        ],
        5,
    ),
)
def test_nonsense_is_named(ada, path, signed_in, change, pointer):
    answer = signed_in(ada).patch(path, change)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert not Licence.objects.exists()


def test_a_cover_is_a_ready_photo_of_the_group(ada, path, cleo, signed_in):
    elsewhere = Guest(InvitationFactory()).send_and_process(drawn_pictures.jpeg())
    pending = cleo.announce_one(b"not sent yet")["id"]
    for wrong in (str(elsewhere.pk), pending):
        assert signed_in(ada).patch(path, {"cover": wrong}).status_code == 400
    assert Group.objects.get(pk=cleo.invitation.group_id).cover_id is None


def test_lists_of_groups_ask_as_often_as_for_one(
    ada, team, signed_in, django_assert_max_num_queries
):
    client = signed_in(ada)
    for number in range(8):
        body = {"name": f"G{number}", "licence": {"kind": "own", "text": f"Sentence {number}"}}
        assert client.post("/api/v1/groups/", body).status_code == 201
    with django_assert_max_num_queries(6):
        rows = client.get("/api/v1/groups/").json()["results"]
    assert len({row["licence"]["text"] for row in rows}) == 8
