"""The list of photos: who sees which, and that its fast rows say what the serializer says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_type_hints

import pytest
from rest_framework.utils.encoders import JSONEncoder

from bandpics.users.models import User
from groups.models import Group
from groups.tests.factories import GroupFactory
from images.access import GuestAccess, MemberAccess
from images.api import image_list
from images.api.image_serializers import ImageSerializer
from images.listing import image_rows
from images.listing.filters import ImageFilters
from images.models import Image, UploaderKey, Variant
from images.photofile.metadata import exif_fields
from images.tests.bulk_rows import ids, names, photo, upload
from images.tests.guest_client import Guest
from invitations.models import Invitation
from invitations.tests.factories import InvitationFactory

pytestmark = pytest.mark.django_db

URL = "/api/v1/images/"
NOON = datetime(2026, 6, 21, 12, 30, 1, 250_000, tzinfo=UTC)
LINK_ID = "0198d3c5-7c1e-7a42-9b1c-3f0e5d2a6b47"
OWN = UploaderKey("shared", LINK_ID, "a device")
UNIDENTIFIED = UploaderKey("shared", LINK_ID)


# --- Who ------------------------------------------------------------------------------------


def test_members_see_the_photos_of_all_their_groups(ada, ben, vera, group, signed_in):
    photo(group, original_filename="a")
    photo(GroupFactory(team=group.team), original_filename="b")
    photo(GroupFactory(), original_filename="not theirs")
    for user in (ada, ben, vera):
        assert sorted(names(signed_in(user).get(URL))) == ["a", "b"]


def test_a_stranger_sees_nothing(dora, group, signed_in):
    photo(group)
    assert ids(signed_in(dora).get(URL)) == []


def test_nobody_is_asked_to_sign_in(client, group):
    photo(group)
    answer = client.get(URL)
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"


def test_a_guest_sees_own_photos(cleo, group):
    own = photo(group, uploader=cleo.key)
    photo(group)
    assert ids(cleo.client.get(URL)) == [str(own.pk)]


def test_a_guest_of_a_group_that_shows_nothing_sees_nothing(cleo, group):
    photo(group, uploader=cleo.key)
    Group.objects.filter(pk=group.pk).update(visibility=Group.Visibility.DROP)
    assert ids(cleo.client.get(URL)) == []


def test_a_guest_of_a_gallery_sees_what_is_approved_in_this_group(cleo, group):
    Group.objects.filter(pk=group.pk).update(visibility=Group.Visibility.GALLERY)
    photo(group, original_filename="approved")
    photo(group, original_filename="waiting", moderation="pending")
    photo(group, original_filename="unfinished", status="queued")
    photo(GroupFactory(team=group.team), original_filename="other group")
    assert names(cleo.client.get(URL)) == ["approved"]


def test_a_withdrawn_link_lists_nothing(cleo, group):
    Invitation.objects.update(revoked_at=NOON)
    assert cleo.client.get(URL).status_code == 403


def test_two_devices_of_a_shared_link_see_their_own(group):
    link = InvitationFactory(group=group, kind=Invitation.Kind.SHARED, email="")
    one, other, none = Guest(link), Guest(link, device="f" * 32), Guest(link, device="")
    answer = one.announce({"filename": "a.jpg", "content_type": "image/jpeg", "size": 5})
    assert answer.status_code == 201
    assert names(one.client.get(URL)) == ["a.jpg"]
    assert names(other.client.get(URL)) == []
    assert names(none.client.get(URL)) == []


# --- What -----------------------------------------------------------------------------------


@pytest.fixture
def varied(group, ben):
    """Photos that differ in every way a photo can; the first one is another guest's."""
    full = {
        "uploader_name": "Änne",
        "description": "Encore",
        "caption": "On stage 🎸",
        "moderation": "rejected",
        "moderation_reason": "Not of the evening",
        "taken_at": NOON,
        "taken_at_local": NOON + timedelta(hours=2),
        "utc_offset_minutes": 120,
        "latitude": 48.2082,
        "longitude": 16.3738,
        "altitude": 171.5,
        "direction": 12.25,
        "gps_at": NOON.replace(microsecond=0),
        "gps_source": "exif",
        "camera_make": "Apple",
        "camera_model": "iPhone",
        "lens_model": "Lens",
        "software": "17.5",
        "iso": 100,
        "focal_length": 4.25,
        "aperture": 1.8,
        "exposure_time": 0.001,
        "flash": 16,
        "metering_mode": 5,
        "exposure_program": 2,
        "white_balance": 0,
        "saturation": 1,
        "sharpness": 2,
        "contrast": 0,
        "orientation": 6,
        "x_resolution": 72.0,
        "y_resolution": 72.0,
        "exif_version": "0232",
        "exif": {"Make": "Apple"},
        "original_dropped_at": NOON,
        "trashed_at": NOON,
    }
    said = {"processing_ms": 412, "finished_at": NOON}
    photo(group, variants=("thumb", "small"), **full, **said)
    own = photo(group, variants=("fullsize",), uploader=OWN, uploaded_by=ben, **full, **said)
    upload(own, status="failed", version=2)
    photo(
        group,
        variants=("thumb",),
        utc_offset_minutes=-570,
        latitude=-0.005,
        longitude=179.999,
        gps_source="person",
    )
    photo(
        group, status="queued", content_type="", sha256="", byte_size=None, width=None, height=None
    )
    photo(
        group, status="failed", content_type="", sha256="", byte_size=None, width=None, height=None
    )
    given_up = photo(group, variants=("thumb", "small", "tile", "medium", "fullsize"), **said)
    upload(given_up, status="discarded", version=2)
    former = Variant.objects.filter(image=given_up, name="thumb").values().get()
    Variant.objects.create(**{**former, "id": None, "version": 0, "key": "of a former version"})


def told(data):
    """As it arrives, past the renderer."""
    import json

    return json.loads(json.dumps(data, cls=JSONEncoder))


def link(**group):
    return Invitation(group=Group(**group), expires_at=NOON.replace(year=9000))


@pytest.mark.parametrize(
    "access",
    [
        MemberAccess(User(pk=1)),
        GuestAccess(link(), OWN),
        GuestAccess(link(gps_policy="coarse"), OWN),
        GuestAccess(link(gps_policy="coarse"), UNIDENTIFIED),
        GuestAccess(link(), UNIDENTIFIED),
        MemberAccess(User(pk=1), expires_at=datetime.max.replace(tzinfo=UTC)),
    ],
    ids=["member", "guest", "guest, coarse", "nobody, coarse", "nobody", "for long"],
)
def test_rows_say_what_the_serializer_says(varied, access, django_assert_num_queries):
    rows = Image.objects.order_by("id")
    plain = ImageSerializer(
        rows.with_status().with_variants(), many=True, context={"access": access}
    ).data
    ids = list(rows.values_list("pk", flat=True))
    with django_assert_num_queries(1):
        fast = image_rows.as_json(ids, access=access)
    assert len(fast) == 6
    for ours, theirs in zip(fast, plain, strict=True):
        assert ours == told(theirs)
        assert list(ours) == list(theirs)
        assert list(ours["exif"]) == list(theirs["exif"])


@pytest.mark.parametrize(
    "values",
    [
        {str: "", int: None, float: None},
        {str: "0", int: 0, float: 0.0},
        {str: "Ünï 🎸 \"'\\", int: 1, float: 1e-9},
        {str: "x" * 10, int: 8, float: 999_999_999.125},
        {str: " ", int: 3, float: 1 / 3},
    ],
    ids=["nothing", "zero", "odd", "large", "in between"],
)
def test_rows_and_serializer_agree_on_every_exif_field(group, values):
    kinds = get_type_hints(exif_fields.ExifFields)
    columns = {
        name: next(value for kind, value in values.items() if kinds[name] == kind | None)
        for name in exif_fields.NAMES
    }
    columns["orientation"] = columns["orientation"] or None  # 1 to 8
    image = photo(group, **columns)
    access = MemberAccess(User(pk=1))
    rows = Image.objects.with_status().with_variants()
    plain = ImageSerializer(rows.get(), context={"access": access}).data
    (fast,) = image_rows.as_json([image.pk], access=access)
    assert fast == told(plain)
    shown = {name: value for name, value in fast["exif"].items() if name in exif_fields.NAMES}
    assert shown == {name: None if value == "" else value for name, value in columns.items()}


def test_every_column_an_image_has_was_thought_of():
    """A new column goes into the rows, or is named here with its reason."""
    left_out = {
        "caption_due": "the sweeper's own",
        "clock_shift_minutes": "part of the times that are shown",
        "exif": "for one photo alone",
        "first_on_wall_at": "not shown",
        "focus": "orders photos that look alike",
        "generated_text": "shown with its model and language",
        "perceptual_hash": "finds photos that look alike",
        "stack_due": "the sweeper's own",
        "stands_alone": "the hosts' own",
        "invitation_id": "nobody's business",
        "licence_id": "its number and text are shown",
        "moderated_at": "the hosts' own",
        "moderated_by_id": "the hosts' own",
        "trashed_by_id": "the hosts' own",
        "taken_source": "not shown",
        "place_forgotten_at": "not shown",
        "trashed_by_uploader": "not shown",
        "sort_at": "not shown",
        "search_vector": "made of others",
        "last_checked_at": "the sweeper's own",
        "original_lost_at": "shown where the original is asked for",
    }
    columns = {field.attname for field in Image._meta.concrete_fields}
    assert columns - set(image_rows.COLUMNS) == set(left_out)


def test_the_list_never_reads_the_raw_exif(varied, ben, signed_in, django_assert_num_queries):
    client = signed_in(ben)
    client.get(URL)  # once in a while: how many groups there are
    with django_assert_num_queries(2) as queries:
        answer = client.get(URL)
    rows = answer.json()["results"]
    assert rows
    assert all("raw" not in row["exif"] for row in rows)
    assert not any('"exif"' in query["sql"] for query in queries.captured_queries)


def test_a_guest_costs_the_same_number_of_queries_whatever_there_is(
    cleo, group, django_assert_num_queries
):
    for more in (1, 20):
        for _ in range(more):
            photo(group, uploader=cleo.key, variants=("thumb",))
        with django_assert_num_queries(2):  # invitation with its group, photos
            cleo.client.get(URL)


def test_a_request_asks_once_who_asks(cleo, ben, signed_in, group, monkeypatch):
    photo(group, uploader=cleo.key, caption="stage")
    asked = []
    for kind in (MemberAccess, GuestAccess):
        once = kind.of.__func__

        def counted(cls, *args, once=once, **options):
            asked.append(cls.__name__)
            return once(cls, *args, **options)

        monkeypatch.setattr(kind, "of", classmethod(counted))
    for client in (signed_in(ben), cleo.client):
        assert len(ids(client.get(URL, {"q": "stage", "offset": "0"}))) == 1
    assert asked == ["MemberAccess", "GuestAccess"]


# --- What the documentation says ------------------------------------------------------------


@pytest.fixture(scope="module")
def described():
    from drf_spectacular.generators import SchemaGenerator

    return SchemaGenerator().get_schema(request=None, public=True)


def test_every_parameter_is_documented(described):
    parameters = described["paths"]["/api/v1/images/"]["get"]["parameters"]
    known = {parameter["name"] for parameter in parameters if parameter["in"] == "query"}
    paging = {"limit", "cursor", "offset", "skip", "ordering"}
    assert known - {"access_token"} == set(ImageFilters.base_filters) | paging
    assert all(parameter["description"] for parameter in parameters)


@pytest.mark.parametrize(
    "parameter", [p for p in image_list.PARAMETERS if "enum" in str(p.type)], ids=lambda p: p.name
)
def test_every_documented_choice_is_taken(ben, signed_in, parameter):
    choices = parameter.type.get("enum") or parameter.type["items"]["enum"]
    client = signed_in(ben)
    for choice in choices:
        assert client.get(URL, {parameter.name: choice}).status_code == 200
    assert client.get(URL, {parameter.name: "nonsense"}).status_code == 400


@pytest.mark.parametrize(
    "parameter", [p for p in image_list.PARAMETERS if p.examples], ids=lambda p: p.name
)
def test_every_documented_example_is_taken(ben, signed_in, parameter):
    for example in parameter.examples:
        value = example.value
        value = ",".join(value) if isinstance(value, list) else value
        assert signed_in(ben).get(URL, {parameter.name: value}).status_code == 200
