"""Groups through the API: the event, the policies, and the first photos with them."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html import unescape

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from bandpics.testing.matrix import few
from bandpics.users.models import ApiKey
from groups.models import Group, Team
from groups.tests.factories import GroupFactory, MembershipFactory, TeamFactory
from images import tasks
from images.access import MemberAccess
from images.models import Image, Upload
from images.tests import drawn_pictures
from images.tests.bulk_rows import SOMEBODY
from images.tests.guest_client import described, put
from images.uploads import group_with_photos

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]
GROUPS = "/api/v1/groups/"
EVENT = {
    "name": "Summer concert",
    "description": "On the meadow",
    "event_name": "Midsummer",
    "event_date": "2026-06-21",
    "venue": "The old bandstand",
    "latitude": 48.2082,
    "longitude": 16.3738,
}
POLICIES = {
    "visibility": "gallery",
    "reveal_at": "2026-06-22T12:00:00Z",
    "gps_policy": "coarse",
    "closes_at": "2099-07-01T00:00:00Z",
    "retain_originals_days": 90,
}


@pytest.fixture
def path(group):
    return f"{GROUPS}{group.pk}/"


def form_file(data, name="IMG_1.jpg", content_type="image/jpeg"):
    return SimpleUploadedFile(name, data, content_type)


# --- Make -----------------------------------------------------------------------------------


def test_a_member_makes_a_group_in_the_only_team_there_is(ben, team, signed_in):
    answer = signed_in(ben).post(GROUPS, {**EVENT, **POLICIES})
    assert answer.status_code == 201
    made = answer.json()
    assert made.items() >= {**EVENT, **POLICIES}.items()
    assert (made["team"], made["role"], made["is_closed"]) == (str(team.pk), "member", False)
    assert made["uploads"] == []
    assert answer["Location"].endswith(f"{GROUPS}{made['id']}/")
    assert Group.objects.get().team == team


def test_with_several_teams_one_says_which(ben, team, signed_in):
    other = MembershipFactory(user=ben, team=TeamFactory(name="Another"), role="owner").team
    client = signed_in(ben)
    answer = client.post(GROUPS, {"name": "Which?"})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "#/team"
    made = client.post(GROUPS, {"name": "This", "team": str(other.pk)})
    assert made.json()["team"] == str(other.pk)


def test_files_can_be_announced_along(ben, signed_in):
    data = drawn_pictures.jpeg()
    answer = signed_in(ben).post(GROUPS, {**EVENT, "files": [described(data, client_id="1")]})
    assert answer.status_code == 201
    ticket = answer.json()["uploads"][0]
    assert put(ticket["upload"], data).status == 200
    image = Image.objects.get(pk=ticket["id"])
    assert (str(image.group_id), image.uploaded_by) == (answer.json()["id"], ben)


def test_files_can_be_sent_along(ben, signed_in):
    photos = [drawn_pictures.jpeg(seed=1), drawn_pictures.jpeg(seed=2)]
    answer = signed_in(ben).post(
        GROUPS,
        {
            "name": "Summer concert",
            "event_date": "2026-06-21",
            "files": [form_file(photos[0], "a.jpg"), form_file(photos[1], "b.jpg")],
        },
        format="multipart",
    )
    assert answer.status_code == 201
    made = answer.json()
    assert [each["status"] for each in made["uploads"]] == ["queued", "queued"]
    assert made["event_date"] == "2026-06-21"
    for each in made["uploads"]:
        tasks.process_upload(each["id"])
    rows = signed_in(ben).get(f"{GROUPS}{made['id']}/").json()["images"]
    assert {(row["original_filename"], row["status"]) for row in rows} == {
        ("a.jpg", "done"),
        ("b.jpg", "done"),
    }


def test_a_form_without_files_makes_a_group(ben, signed_in):
    answer = signed_in(ben).post(GROUPS, {"name": "x", "event_date": ""}, format="multipart")
    assert answer.status_code == 201
    assert answer.json()["event_date"] is None


@pytest.mark.parametrize(
    ("file", "pointer"),
    [
        (described(b"x", size=0), "#/files/1/size"),
        (described(b"x", content_type="text/html"), "#/files/1/content_type"),
        ("nonsense", "#/files/1"),
    ],
)
def test_one_bad_file_and_nothing_is_made(ben, signed_in, file, pointer):
    answer = signed_in(ben).post(GROUPS, {**EVENT, "files": [described(b"fine"), file]})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"].startswith(pointer)
    assert not Group.objects.exists()
    assert not Upload.objects.exists()


@pytest.mark.parametrize(
    ("data", "content_type", "pointer"),
    [
        (b"", "image/jpeg", "#/files/0/size"),
        (b"<html>", "text/html", "#/files/0/content_type"),
    ],
)
def test_one_bad_file_of_a_form_and_nothing_is_made(ben, signed_in, data, content_type, pointer):
    body = {"name": "x", "files": [form_file(data, content_type=content_type)]}
    answer = signed_in(ben).post(GROUPS, body, format="multipart")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert not Group.objects.exists()


def test_without_the_store_nothing_is_made(ben, signed_in, broken_store):
    body = {"name": "x", "files": [form_file(drawn_pictures.jpeg())]}
    answer = signed_in(ben).post(GROUPS, body, format="multipart")
    assert answer.status_code == 503
    assert answer["Retry-After"]
    assert not Group.objects.exists()


@pytest.fixture
def broken_store(settings):
    """A bucket that is not there: S3 itself refuses what is sent to it."""
    default = settings.STORAGES["default"]
    options = {**default["OPTIONS"], "bucket_name": "no-such-bucket-anywhere"}
    settings.STORAGES = {**settings.STORAGES, "default": {**default, "OPTIONS": options}}


def test_with_an_idempotency_key_it_is_made_once_and_signed_again(ben, signed_in):
    client, body = signed_in(ben), {**EVENT, "files": [described(b"photo")]}
    first, again = (client.post(GROUPS, body, headers={"Idempotency-Key": "one"}) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json()["id"] == first.json()["id"]
    assert again.json()["uploads"][0]["id"] == first.json()["uploads"][0]["id"]
    assert again.json()["uploads"][0]["upload"]["url"]
    assert Group.objects.count() == Upload.objects.count() == 1


# --- See ------------------------------------------------------------------------------------


def test_everybody_in_the_team_sees_it_with_its_newest_photos(
    ada, ben, vera, group, path, cleo, signed_in
):
    older = cleo.send_and_process(drawn_pictures.jpeg(seed=1, taken_at="2026:06:21 20:00:00"))
    newer = cleo.send_and_process(drawn_pictures.jpeg(seed=2, taken_at="2026:06:21 21:00:00"))
    for person, role in [(ada, "owner"), (ben, "member"), (vera, "viewer")]:
        client = signed_in(person)
        row = client.get(path).json()
        assert (row["name"], row["role"]) == ("Summer concert", role)
        assert [image["id"] for image in row["images"]] == [str(newer.pk), str(older.pk)]
        assert set(row["images"][0]["variants"]) == {"thumb", "small", "tile", "medium", "fullsize"}
        listed = client.get(row["images_url"]).json()["results"]
        assert [image["id"] for image in listed] == [str(newer.pk), str(older.pk)]


def test_the_list_has_my_groups_and_can_be_cut_to_a_team(ben, group, signed_in):
    mine = GroupFactory(team=MembershipFactory(user=ben, role="viewer").team)
    GroupFactory()
    client = signed_in(ben)
    assert {row["id"] for row in client.get(GROUPS).json()["results"]} == {
        str(group.pk),
        str(mine.pk),
    }
    cut = client.get(f"{GROUPS}?team={mine.team.pk}").json()["results"]
    assert [(row["id"], row["role"]) for row in cut] == [(str(mine.pk), "viewer")]
    assert client.get(f"{GROUPS}?team=x").status_code == 400


def test_reading_costs_the_same_number_of_queries_whatever_there_is(
    ben, team, group, path, signed_in, django_assert_max_num_queries
):
    for _ in range(4):
        GroupFactory(team=team)
    Image.objects.bulk_create(
        Image(group=group, **SOMEBODY.columns, original_filename=f"{n}.jpg") for n in range(60)
    )
    client = signed_in(ben)
    with django_assert_max_num_queries(4):  # session, user, count, groups
        assert client.get(GROUPS).json()["count"] == 5
    with django_assert_max_num_queries(5):  # session, user, group, images, variants
        assert len(client.get(path).json()["images"]) == 50


@pytest.mark.django_db(transaction=True)
def test_a_team_deleted_at_the_same_moment_gets_no_group(ben, team):
    Team.objects.filter(pk=team.pk).delete()
    with pytest.raises(group_with_photos.TeamGone):
        group_with_photos.create_announced(team, MemberAccess(ben), {"name": "x"})
    assert not Group.objects.exists()


# --- Change and delete ----------------------------------------------------------------------


def test_an_owner_changes_what_it_says_and_what_guests_may(ada, group, path, signed_in):
    answer = signed_in(ada).patch(path, {**EVENT, **POLICIES, "name": "Another name"})
    assert answer.status_code == 200
    assert answer.json()["name"] == "Another name"
    assert answer.json().items() >= POLICIES.items()
    group.refresh_from_db()
    assert (group.latitude, group.gps_policy) == (48.2082, "coarse")
    cleared = signed_in(ada).patch(path, {"latitude": None, "longitude": None, "reveal_at": None})
    assert cleared.json()["latitude"] is None


def test_a_change_is_made_to_what_was_seen_or_not_at_all(ada, group, path, signed_in):
    client = signed_in(ada)
    seen = client.get(path)["ETag"]
    first = client.patch(path, {"name": "One"}, headers={"If-Match": seen})
    assert first.status_code == 200
    for answer in [
        client.patch(path, {"name": "Two"}, headers={"If-Match": seen}),
        client.delete(path, headers={"If-Match": seen}),
    ]:
        assert answer.status_code == 412
        assert answer.json()["type"] == "/problems/precondition-failed/"
    assert Group.objects.get(pk=group.pk).name == "One"
    assert client.get(path)["ETag"] == first["ETag"]
    assert client.delete(path, headers={"If-Match": first["ETag"]}).status_code == 204


def test_what_was_read_can_be_sent_back(ada, path, signed_in):
    client = signed_in(ada)
    row = client.get(path).json()
    answer = client.patch(path, {**row, "name": "New", "id": "x", "role": "viewer", "images": []})
    assert answer.status_code == 200
    assert answer.json()["role"] == "owner"


# --- No credential, wrong person ------------------------------------------------------------


def test_without_a_credential_there_is_nothing(client, path, cleo):
    for url in [GROUPS, path]:
        answer = client.get(url)
        assert answer.status_code == 401
        assert answer["Content-Type"] == "application/problem+json"
        assert cleo.client.get(url).status_code == 401


def test_a_stranger_gets_404_not_403(dora, team, group, path, signed_in):
    client = signed_in(dora)
    assert client.get(path).status_code == 404
    assert client.patch(path, {"name": "x"}).status_code == 404
    assert client.delete(path).status_code == 404
    assert client.post(GROUPS, {"name": "x", "team": str(team.pk)}).status_code == 404
    assert client.get(f"{GROUPS}?team={team.pk}").json()["results"] == []


def test_members_and_viewers_change_no_group_and_viewers_make_none(
    ben, vera, team, group, path, signed_in
):
    for person in [ben, vera]:
        client = signed_in(person)
        assert client.patch(path, {"name": "x"}).status_code == 403
        assert client.delete(path).status_code == 403
    assert signed_in(vera).post(GROUPS, {"name": "x"}).status_code == 403
    body = {"name": "x", "team": str(team.pk)}
    assert signed_in(vera).post(GROUPS, body).status_code == 403
    assert Group.objects.get() == group


def test_a_key_does_what_it_was_given_and_no_more(ada, group, path, client, team):
    def by_key(*scopes, group_ids=()):
        _, key = ApiKey.objects.create_key(
            name="script", user=ada, scopes=list(scopes), group_ids=list(group_ids)
        )
        return {"headers": {"Authorization": f"Api-Key {key}"}, "content_type": "application/json"}

    other = GroupFactory(team=team)
    reader, manager = by_key("read"), by_key("read", "admin")
    here_only = by_key("read", "upload", "admin", group_ids=[group.pk])
    assert client.get(path, **reader).status_code == 200
    assert client.patch(path, {"name": "x"}, **reader).status_code == 403
    assert client.patch(path, {"name": "x"}, **manager).status_code == 200
    with_files = {"name": "x", "files": [described(b"photo")]}
    assert client.post(GROUPS, with_files, **manager).status_code == 403
    assert client.patch(path, {"name": "y"}, **here_only).status_code == 200
    assert client.get(f"{GROUPS}{other.pk}/", **here_only).status_code == 404
    assert client.post(GROUPS, {"name": "x"}, **here_only).status_code == 403


# --- Closed ---------------------------------------------------------------------------------


def test_a_closed_group_takes_nothing_more_from_guests(ada, ben, group, path, cleo, signed_in):
    data = drawn_pictures.jpeg()
    started = cleo.announce_one(data)
    now = timezone.now()
    row = signed_in(ada).patch(path, {"closes_at": now.isoformat()}).json()
    assert row["is_closed"] is True

    answer = cleo.announce(described(b"more"))
    assert answer.status_code == 403
    assert answer.json()["type"] == "/problems/group-closed/"

    assert put(started["upload"], data).status == 200  # what was started may finish
    assert cleo.complete(started["id"]).status_code == 202
    body = {"group": str(group.pk), "files": [described(b"a member's")]}
    assert signed_in(ben).post("/api/v1/uploads/", body).status_code == 201

    later = (now + timedelta(days=1)).isoformat()
    signed_in(ada).patch(path, {"closes_at": later})
    assert cleo.announce(described(b"more")).status_code == 201


# --- Bad input ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "pointer"),
    few(
        [
            ({"name": ""}, "#/name"),
            ({"name": "x" * 121}, "#/name"),
            ({"description": "x" * 4001}, "#/description"),
            ({"event_date": "21.6.2026"}, "#/event_date"),
            ({"event_date": "2026-02-30"}, "#/event_date"),
            ({"latitude": 91, "longitude": 0}, "#/latitude"),
            ({"latitude": 0, "longitude": -181}, "#/longitude"),
            ({"latitude": "NaN", "longitude": 0}, "#/latitude"),
            ({"latitude": "inf", "longitude": 0}, "#/latitude"),
            ({"latitude": 48}, "#/longitude"),
            ({"longitude": 16}, "#/latitude"),
            ({"visibility": "all"}, "#/visibility"),
            ({"visibility": None}, "#/visibility"),
            ({"gps_policy": "exact"}, "#/gps_policy"),
            ({"reveal_at": "soon"}, "#/reveal_at"),
            ({"closes_at": 12}, "#/closes_at"),
            ({"retain_originals_days": -1}, "#/retain_originals_days"),
            ({"retain_originals_days": 10**9}, "#/retain_originals_days"),
            ({"team": "x"}, "#/team"),
        ],
        6,
    ),
)
def test_what_cannot_be_is_refused_with_a_pointer(ada, group, path, signed_in, body, pointer):
    client = signed_in(ada)
    for answer in [client.post(GROUPS, {"name": "x", **body}), client.patch(path, body)]:
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["pointer"] == pointer
    assert Group.objects.count() == 1


def test_a_group_stays_in_its_team(ada, group, path, signed_in):
    other = MembershipFactory(user=ada, role="owner").team
    answer = signed_in(ada).patch(path, {"team": str(other.pk)})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "#/team"
    group.refresh_from_db()
    assert group.team != other


def test_half_a_place_is_not_made_from_a_whole_one(ada, path, signed_in):
    client = signed_in(ada)
    client.patch(path, {"latitude": 48, "longitude": 16})
    assert client.patch(path, {"latitude": None}).status_code == 400
    assert client.patch(path, {"latitude": 49}).status_code == 200


@pytest.mark.parametrize("body", ["[]", '"x"', "null", "{", ""])
def test_a_body_that_is_no_object_is_refused(ada, path, signed_in, body):
    client = signed_in(ada)
    for call, url in [(client.post, GROUPS), (client.patch, path)]:
        answer = call(url, body, content_type="application/json")
        assert answer.status_code in ({400} if call == client.post or body else {200})


def test_more_than_a_hundred_files_are_too_many(ben, signed_in):
    files = [form_file(b"x", f"{n}.jpg") for n in range(101)]
    answer = signed_in(ben).post(GROUPS, {"name": "x", "files": files}, format="multipart")
    assert answer.status_code in {400, 413}
    assert answer["Content-Type"] == "application/problem+json"
    assert not Group.objects.exists()


def test_browsable_forms_preselect_what_json_gets_by_default(ben, signed_in):
    """Each select of the form, as a browser would send it, and the JSON to edit, against what is
    made without them."""
    client = signed_in(ben)
    page = client.get(GROUPS, headers={"Accept": "text/html"}).content.decode()
    made = client.post(GROUPS, {"name": "By default"}).json()
    found = dict(re.findall(r'<select[^>]*name="(\w+)"[^>]*>(.*?)</select>', page, re.DOTALL))
    (written,) = re.findall(r"<textarea[^>]*>\s*({.*?})</textarea>", page, re.DOTALL)
    for name in ("visibility", "gps_policy"):
        values = re.findall(r'<option value="(\w*)"(?: (selected))?', found[name])
        chosen = [value for value, is_selected in values if is_selected] or [values[0][0]]
        assert chosen == [made[name]], name
        assert json.loads(unescape(written))[name] == made[name]


def test_a_browsable_page_links_ids_and_shows_what_people_wrote_as_text(signed_in, ada, group):
    Group.objects.filter(pk=group.pk).update(name="<script>alert('x')</script>", venue="a & b")
    answer = signed_in(ada).get(GROUPS, headers={"Accept": "text/html"})
    page = answer.content.decode()
    assert f'"id": "<a href="{GROUPS}{group.pk}/">{group.pk}</a>"' in page
    assert "&lt;script&gt;alert('x')&lt;/script&gt;" in page
    assert "a &amp; b" in page
    assert "<script>alert" not in page


def test_every_address_says_its_options(signed_in, ada, group):
    client = signed_in(ada)
    for path in (
        "",
        "groups/",
        f"groups/{group.pk}/",
        "images/",
        "uploads/",
        "users/me/",
        "stats/",
    ):
        assert client.options(f"/api/v1/{path}").status_code == 200, path
    fields = client.options("/api/v1/invitations/").json()["actions"]["POST"]
    assert "send_email" in fields
