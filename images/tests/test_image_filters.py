"""Narrowing the list: each filter works, refuses nonsense, and shows nothing of other teams."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection

from bandpics.testing.matrix import few
from groups.models import Group, Membership
from groups.tests.factories import GroupFactory, MembershipFactory
from images.listing import search_plan
from images.listing.pagination import Ordering, Page
from images.listing.search_plan import Search
from images.models import Image, Upload
from images.tests import bulk_rows
from images.tests.bulk_rows import SOMEBODY, ids, many, names, photo, refused, upload
from images.tests.guest_client import Guest
from invitations.models import Invitation
from invitations.tests.factories import InvitationFactory

pytestmark = pytest.mark.django_db

URL = "/api/v1/images/"
NOON = datetime(2026, 6, 21, 12, tzinfo=UTC)
VIENNA = {"latitude": 48.2082, "longitude": 16.3738}
FIJI = {"latitude": -17.7, "longitude": 178.1}
SAMOA = {"latitude": -13.8, "longitude": -172.1}


@pytest.fixture
def elsewhere(db):
    """Another team's group; every test puts the same photo there, too."""
    return GroupFactory()


@pytest.fixture
def both(group, elsewhere):
    """Makes a photo here, and one just like it that nobody of the cast may see."""

    def make(name, **columns):
        photo(elsewhere, original_filename=f"not yours: {name}", **columns)
        return photo(group, original_filename=name, **columns)

    return make


@pytest.fixture
def found(ben, signed_in):
    """The names of the photos that Ben finds, sorted."""
    client = signed_in(ben)
    return lambda **query: sorted(names(client.get(URL, query)))


@pytest.fixture
def asked(ben, signed_in):
    client = signed_in(ben)
    return lambda query: client.get(f"{URL}?{query}")


# --- One by one -----------------------------------------------------------------------------


def test_by_group(both, group, found, elsewhere):
    other = GroupFactory(team=group.team)
    both("here")
    photo(other, original_filename="there")
    assert found(group=str(group.pk)) == ["here"]
    assert found(group=[str(group.pk), str(other.pk)]) == ["here", "there"]
    assert found(group=f"{group.pk},{other.pk}") == ["here", "there"]
    assert found(group=str(elsewhere.pk)) == []
    assert found(group=str(uuid4())) == []
    assert found() == ["here", "there"]


def test_by_status_of_the_newest_upload(both, found):
    for status in ("pending", "queued", "processing", "done", "failed", "duplicate", "discarded"):
        both(status, status=status)
    replaced = both("replaced")
    upload(replaced, status="failed", version=2)
    given_up = both("replacement given up")
    upload(given_up, status="discarded", version=2)
    upload(both("replacement announced"), status="pending", version=2)
    assert found(status="done") == ["done", "replacement announced", "replacement given up"]
    assert found(status="failed") == ["failed", "replaced"]
    assert found(status=["pending", "queued"]) == ["pending", "queued"]
    assert found(status="pending,queued") == ["pending", "queued"]


def test_what_the_status_filter_finds_has_that_status(both, asked):
    for status in ("queued", "failed", "done"):
        upload(both(status), status=status, version=2)
        rows = asked(f"status={status}").json()["results"]
        assert [row["status"] for row in rows] == [status]


def test_by_moderation(both, found):
    for state in Image.Moderation.values:
        both(state, moderation=state)
    assert found(moderation="rejected") == ["rejected"]
    assert found(moderation="pending,approved") == ["approved", "pending"]


def test_by_uploader(both, found):
    both("a", uploader_name="Anna")
    both("b", uploader_name="Anna-Lena")
    both("c", uploader_name="100%_\\")
    assert found(uploader="anna") == ["a"]
    assert found(uploader="100%_\\") == ["c"]
    assert found(uploader="%") == []


def test_by_camera(both, found):
    both("phone", camera_make="Apple", camera_model="iPhone 13")
    both("camera", camera_make="Canon", camera_model="EOS 5D")
    both("none")
    assert found(camera="apple") == ["phone"]
    assert found(camera="EOS") == ["camera"]
    assert found(camera="Canon EOS 5D") == ["camera"]
    assert found(camera="%") == []


def test_by_format(both, found):
    both("j")
    both("p", content_type="image/png")
    both("h", content_type="image/heic")
    assert found(format="png") == ["p"]
    assert found(format="jpeg,heic") == ["h", "j"]


def test_by_time_taken(both, found):
    both("before", taken_at=NOON - timedelta(seconds=1))
    both("at", taken_at=NOON)
    both("after", taken_at=NOON + timedelta(hours=1))
    both("by the camera's clock", taken_at_local=NOON + timedelta(minutes=5))
    both("never")
    assert found(taken_after="2026-06-21T12:00:00Z") == ["after", "at", "by the camera's clock"]
    assert found(taken_before="2026-06-21T12:00:00Z") == ["before"]
    assert found(
        taken_after="2026-06-21T14:00:00+02:00", taken_before="2026-06-21T15:00+02:00"
    ) == [
        "at",
        "by the camera's clock",
    ]


def test_by_time_uploaded(both, found):
    both("before", created_at=NOON - timedelta(seconds=1))
    both("at", created_at=NOON)
    assert found(uploaded_after="2026-06-21T12:00:00Z") == ["at"]
    assert found(uploaded_before="2026-06-21T12:00:00Z") == ["before"]


def test_a_time_without_offset_is_utc_and_a_date_its_first_moment(both, found):
    both("at", created_at=NOON)
    assert found(uploaded_after="2026-06-21T12:00:00") == ["at"]
    assert found(uploaded_after="2026-06-21T12:00:01") == []
    assert found(uploaded_after="2026-06-21") == ["at"]
    assert found(uploaded_after="2026-06-22") == []


def test_a_plus_sign_that_was_not_encoded_is_understood(both, asked):
    both("at", created_at=NOON)
    assert names(asked("uploaded_after=2026-06-21T14:00:00+02:00")) == ["at"]
    assert names(asked("uploaded_after=2026-06-21T13:59:59-02:00")) == []


def test_since_an_update(both, found):
    old = {"created_at": NOON, "updated_at": NOON}
    later = NOON + timedelta(hours=1)
    both("old", **old)
    both("edited", created_at=NOON, updated_at=later)
    both("failed", status="failed", finished_at=later, **old)
    both("arrived", status="queued", arrived_at=later, **old)
    assert found(updated_since=later.isoformat()) == ["arrived", "edited", "failed"]
    assert found(updated_since=(later + timedelta(seconds=1)).isoformat()) == []


def test_by_place(both, found):
    both("vienna", **VIENNA)
    both("fiji", **FIJI)
    both("samoa", **SAMOA)
    both("nowhere")
    assert found(has_gps="true") == ["fiji", "samoa", "vienna"]
    assert found(has_gps="false") == ["nowhere"]
    assert found(bbox="16,48,17,49") == ["vienna"]
    assert found(bbox="16.3738,48.2082,16.3738,48.2082") == ["vienna"]
    assert found(bbox="-180,-90,180,90") == ["fiji", "samoa", "vienna"]


def test_a_box_may_cross_the_180th_meridian(both, found):
    both("vienna", **VIENNA)
    both("fiji", **FIJI)
    both("samoa", **SAMOA)
    assert found(bbox="170,-30,-170,0") == ["fiji", "samoa"]
    assert found(bbox="-170,-30,170,60") == ["vienna"]


def test_by_ids(both, asked, elsewhere, group):
    mine, other = both("mine"), both("other")
    foreign = Image.objects.filter(group=elsewhere).first()
    assert ids(asked(f"ids={mine.pk}")) == [str(mine.pk)]
    assert set(ids(asked(f"ids={mine.pk},{other.pk}"))) == {str(mine.pk), str(other.pk)}
    assert set(ids(asked(f"ids={mine.pk}&ids={other.pk.hex}"))) == {str(mine.pk), str(other.pk)}
    assert ids(asked(f"ids={foreign.pk}")) == []
    assert ids(asked(f"ids={foreign.pk},{mine.pk},{uuid4()}")) == [str(mine.pk)]


def test_up_to_200_ids(both, asked):
    mine = both("mine")
    others = [str(uuid4()) for _ in range(199)]
    assert ids(asked(f"ids={','.join([*others, str(mine.pk)])}")) == [str(mine.pk)]
    assert refused(asked(f"ids={','.join([*others, *others])}")) == {"#/ids"}


def test_filters_add_up(both, found):
    both("yes", uploader_name="Anna", camera_make="Apple", **VIENNA)
    both("no place", uploader_name="Anna", camera_make="Apple")
    both("no camera", uploader_name="Anna", **VIENNA)
    both("no name", camera_make="Apple", **VIENNA)
    assert found(uploader="anna", camera="apple", has_gps="true", status="done") == ["yes"]


# --- The trash ------------------------------------------------------------------------------


def test_the_trash_is_for_owners(both, group, ada, ben, vera, signed_in):
    both("kept")
    both("gone", trashed_at=NOON)
    for user in (ada, ben, vera):
        assert names(signed_in(user).get(URL)) == ["kept"]
        assert names(signed_in(user).get(URL, {"trashed": "false"})) == ["kept"]
    assert names(signed_in(ada).get(URL, {"trashed": "true"})) == ["gone"]
    for user in (ben, vera):
        assert names(signed_in(user).get(URL, {"trashed": "true"})) == []


def test_the_trash_of_one_team_is_not_that_of_another(both, ada, signed_in, elsewhere):
    MembershipFactory(team=elsewhere.team, user=ada, role=Membership.Role.MEMBER)
    both("gone", trashed_at=NOON)
    assert names(signed_in(ada).get(URL, {"trashed": "true"})) == ["gone"]


# --- Nonsense -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "value"),
    few(
        [
            ("q", ""),
            ("q", "x" * 201),
            ("q", "nul%00"),
            ("group", "nonsense"),
            ("group", ""),
            ("group", "1"),
            ("group", ",,"),
            ("status", "nonsense"),
            ("status", "done,nonsense"),
            ("status", "DONE"),
            ("status", ""),
            ("moderation", "maybe"),
            ("uploader", ""),
            ("uploader", "nul%00"),
            ("camera", "x" * 201),
            ("format", "psd"),
            ("format", "json"),
            ("taken_after", "yesterday"),
            ("taken_after", "2026-13-01"),
            ("taken_after", ""),
            ("taken_before", "2026-06-21T25:00:00Z"),
            ("taken_before", "0001-01-01T00:00:00%2B10:00"),
            ("taken_before", "9999-12-31T23:59:59-10:00"),
            ("uploaded_after", "1719000000"),
            ("uploaded_before", "21.6.2026"),
            ("updated_since", "now"),
            ("has_gps", "yes"),
            ("has_gps", "1"),
            ("has_gps", ""),
            ("trashed", "all"),
            ("bbox", "1,2,3"),
            ("bbox", "1,2,3,4,5"),
            ("bbox", "NaN,NaN,NaN,NaN"),
            ("bbox", "1,2,inf,4"),
            ("bbox", "1,4,3,2"),
            ("bbox", "-181,0,0,1"),
            ("bbox", "0,-91,1,1"),
            ("bbox", "a,b,c,d"),
            ("bbox", ""),
            ("ids", "1"),
            ("ids", ""),
            ("ids", "nonsense"),
            ("ids", "{01234567-89ab-cdef-0123-456789abcdef}"),
        ],
        12,
    ),
)
def test_nonsense_is_named(asked, parameter, value):
    answer = asked(f"{parameter}={value}")
    assert refused(answer) == {f"#/{parameter}"}
    assert len(answer.json()["detail"]) > 10


def test_several_mistakes_are_named_at_once(asked):
    assert refused(asked("status=x&bbox=1&ids=2")) == {"#/status", "#/bbox", "#/ids"}


# --- Guests ---------------------------------------------------------------------------------

FILTERS = [
    {},
    {"q": "stage"},
    {"status": "done"},
    {"uploader": "Anna"},
    {"camera": "Apple"},
    {"format": "jpeg"},
    {"taken_after": "2000-01-01"},
    {"uploaded_after": "2000-01-01"},
    {"updated_since": "2000-01-01"},
    {"moderation": "approved"},
    {"limit": "200", "offset": "0"},
    {"ordering": "taken_at"},
]
SAID = {"uploader_name": "Anna", "camera_make": "Apple", "taken_at": NOON, "caption": "on stage"}


@pytest.mark.parametrize("query", few(FILTERS, 5), ids=lambda query: next(iter(query), "none"))
def test_no_filter_shows_a_guest_other_peoples_photos(cleo, group, query):
    own = photo(group, uploader=cleo.key, **SAID)
    photo(group, **SAID)
    assert ids(cleo.client.get(URL, query)) == [str(own.pk)]


@pytest.mark.parametrize("query", few(FILTERS, 5), ids=lambda query: next(iter(query), "none"))
def test_no_filter_shows_a_stranger_anything(dora, signed_in, group, query):
    photo(group, **SAID)
    assert ids(signed_in(dora).get(URL, query)) == []


def test_asking_for_the_photo_or_group_of_others_by_id_finds_nothing(cleo, dora, signed_in, group):
    other = photo(group)
    for client in (cleo.client, signed_in(dora)):
        assert ids(client.get(URL, {"ids": str(other.pk)})) == []
        assert ids(client.get(URL, {"group": str(group.pk)})) == []


def test_a_guest_has_no_trash(cleo, group):
    photo(group, uploader=cleo.key, trashed_at=NOON)
    assert ids(cleo.client.get(URL)) == []
    assert ids(cleo.client.get(URL, {"trashed": "true"})) == []


@pytest.fixture
def gallery(group, cleo):
    """A group whose guests see everything approved, with a photo of Cleo's and another's."""
    Group.objects.filter(pk=group.pk).update(visibility=Group.Visibility.GALLERY)
    photo(
        group,
        original_filename="own",
        uploader=cleo.key,
        **VIENNA,
    )
    photo(group, original_filename="other", **VIENNA)
    photo(group, original_filename="hidden", moderation="pending", **VIENNA)
    return Guest(Invitation.objects.get(pk=cleo.invitation.pk))


def guest_finds(guest, **query):
    return sorted(names(guest.client.get(URL, query)))


def test_a_guest_of_a_gallery_filters_what_is_approved(gallery):
    assert guest_finds(gallery) == ["other", "own"]
    assert guest_finds(gallery, q="hidden") == []
    assert guest_finds(gallery, moderation="pending") == []


def test_a_guest_finds_only_own_places(gallery):
    assert guest_finds(gallery, has_gps="true") == ["own"]
    assert guest_finds(gallery, has_gps="false") == ["other"]
    assert guest_finds(gallery, bbox="16,48,17,49") == ["own"]
    assert guest_finds(gallery, bbox="-180,-90,180,90") == ["own"]


def test_a_guest_finds_other_peoples_places_only_as_rounded(gallery, group):
    Group.objects.filter(pk=group.pk).update(gps_policy=Group.GpsPolicy.COARSE)
    assert guest_finds(gallery, has_gps="true") == ["other", "own"]
    assert guest_finds(gallery, has_gps="false") == []
    assert guest_finds(gallery, bbox="16,48,17,49") == ["other", "own"]
    exactly = "16.3738,48.2082,16.3738,48.2082"
    assert guest_finds(gallery, bbox=exactly) == ["own"]
    assert guest_finds(gallery, bbox="16.37,48.21,16.37,48.21") == ["other"]


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("hundredths", few([0.5, 1.5, 2.5, 100.5, 1637.5, 17999.5, 1637.4999], 3))
def test_a_place_is_rounded_alike_where_it_is_shown_and_where_it_is_searched(
    gallery, group, sign, hundredths
):
    Group.objects.filter(pk=group.pk).update(gps_policy=Group.GpsPolicy.COARSE)
    other = Image.objects.get(original_filename="other")
    Image.objects.filter(pk=other.pk).update(longitude=sign * hundredths / 100)
    shown = gallery.client.get(f"{URL}{other.pk}/").json()["exif"]["gps"]
    box = f"{shown['lon']},{shown['lat']},{shown['lon']},{shown['lat']}"
    assert guest_finds(gallery, bbox=box) == ["other"]


def test_a_shared_link_without_a_device_owns_no_place(group):
    Group.objects.filter(pk=group.pk).update(visibility=Group.Visibility.GALLERY)
    link = InvitationFactory(group=group, kind=Invitation.Kind.SHARED, email="")
    guest = Guest(Invitation.objects.get(pk=link.pk), device="")
    photo(group, original_filename="a", uploader=guest.key, **VIENNA)
    assert guest_finds(guest) == ["a"]
    assert guest_finds(guest, has_gps="true") == []
    assert guest_finds(guest, bbox="-180,-90,180,90") == []


def test_members_find_every_place_exactly(both, group, found, vera, signed_in):
    both("a", **VIENNA)
    box = "16.3738,48.2082,16.3738,48.2082"
    assert found(bbox=box) == ["a"]
    assert names(signed_in(vera).get(URL, {"bbox": box})) == ["a"]


@pytest.mark.parametrize("few", [1000, 2])
def test_news_is_the_same_however_much_there_is(both, found, asked, monkeypatch, few):
    """Past `few` it is looked for in another way."""
    monkeypatch.setattr(search_plan, "FEW_PHOTOS", few)
    monkeypatch.setattr(search_plan, "FEW_UPLOADS", few)
    old, later = {"created_at": NOON, "updated_at": NOON}, NOON + timedelta(hours=1)
    for number in range(4):
        both(f"old {number}", **old)
        both(f"edited {number}", created_at=NOON, updated_at=later)
        both(f"arrived {number}", arrived_at=later, **old)
    since = {"updated_since": later.isoformat()}
    news = [f"{what} {number}" for what in ("arrived", "edited") for number in range(4)]
    assert found(**since) == news
    assert found(**since, q="1") == ["arrived 1", "edited 1"]
    assert found(**since, q="old") == []
    answer = asked(f"updated_since={later:%Y-%m-%dT%H:%M:%SZ}&offset=0&limit=1").json()
    assert answer["count"] == len(news)


def test_that_there_is_no_news_is_found_by_indexes(group):
    many(group, 3000)
    Image.objects.update(updated_at=NOON)
    done = {"status": "done", "declared_byte_size": 1, "arrived_at": NOON, "finished_at": NOON}
    done |= {**SOMEBODY.columns, "announced_to": group.pk}
    one = Upload.objects.create(image=Image.objects.first(), **done)
    of_each = {"id": "uuidv7()", "image_id": "image.id"}
    bulk_rows.copied(one, of_each, "images_image image", f"image.id <> '{one.image_id}'")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE images_image, images_upload")
    page = Page("http://x/", Ordering("-sort_at"), 50)
    news = search_plan.ChangedSince(NOON + timedelta(hours=1))
    cut = Search(Group.objects.filter(pk=group.pk), Image.objects.all(), news).cut(page)
    plan = cut.explain(analyze=True)
    assert "using upload_moved" in plan, plan
    read = re.findall(r"Scan .*images_(?:image|upload)\b.*actual.*rows=([\d.]+)", plan)
    assert {float(rows) for rows in read} == {0}, plan
    assert "Rows Removed" not in plan
