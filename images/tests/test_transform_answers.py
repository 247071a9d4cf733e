"""Transforms that are there are answered by one look-up, which shows them to nobody else."""

from __future__ import annotations

import json

import pytest
from django.utils import timezone
from rest_framework import serializers
from rest_framework.test import APIClient

from bandpics.lookups import Lookup
from bandpics.testing.matrix import few
from bandpics.users import api_keys
from bandpics.users.models import User
from groups.models import Group, Membership
from groups.tests.factories import GroupFactory
from images.access import MemberAccess
from images.api import transform_serializers
from images.models import Image, Transform, TransformPreset
from images.tests import drawn_pictures
from images.tests.guest_client import send_as_member
from images.tests.transform_client import SMALL, ask, made, path_of
from images.transforms import made_before

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]


@pytest.fixture
def image(ada, group, signed_in):
    return send_as_member(signed_in(ada), group, drawn_pictures.jpeg(width=600, height=400))


@pytest.fixture
def transform(image, ada, signed_in):
    return made(signed_in(ada), image)


def with_key(user, **options):
    _row, key = api_keys.issue(user, name="script", scopes=["read"], **options)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {key}")
    return client


def address(transform):
    return f"/api/v1/images/{transform.image_id}/transforms/{transform.spec_hash}/"


def test_with_a_session_it_takes_two_queries(
    image, transform, ada, signed_in, django_assert_num_queries
):
    client = signed_in(ada)
    ask(client, image)
    with django_assert_num_queries(2):  # session with its account, transform
        assert ask(client, image).status_code == 200
    with django_assert_num_queries(2):
        assert client.get(address(transform)).status_code == 200


def test_with_a_key_it_takes_two_queries(image, transform, ada, django_assert_num_queries):
    client = with_key(ada)
    ask(client, image)
    with django_assert_num_queries(2):
        assert ask(client, image).status_code == 200
    with django_assert_num_queries(2):
        assert client.get(address(transform)).status_code == 200
    with django_assert_num_queries(2):
        assert client.get(f"{address(transform)}file/").status_code == 302


def test_the_quick_answer_is_that_of_the_long_way(image, transform, ada, group, signed_in):
    quick, long = signed_in(ada), with_key(ada, group_ids=[group.pk])
    assert made_before(image.pk, transform.spec_hash, MemberAccess(ada)) == transform
    answers = [
        [ask(client, image), client.get(address(transform)), client.get(address(transform))]
        for client in (quick, long)
    ]
    said = [[answer.json() for answer in each] for each in answers]
    # The address is the same for an hour, which may end between the two.
    for answer in [*said[0], *said[1]]:
        assert answer.pop("url").startswith("http")
    assert said[0] == said[1]
    assert answers[0][0]["Location"] == answers[1][0]["Location"]


def test_what_is_answered_by_hand_is_what_the_schema_says(transform, ada):
    class View:
        access = MemberAccess(ada)

    body = transform_serializers.TransformSerializer(transform, context={"view": View()})
    plain = serializers.ModelSerializer.to_representation(body, transform)
    assert json.loads(json.dumps(dict(plain), default=str)) == dict(body.data)
    assert list(body.data) == list(body.fields)


# --- To whom --------------------------------------------------------------------------------


def statuses(client, transform):
    """Of the order, of the answer and of the file."""
    return {
        ask(client, transform.image).status_code,
        client.get(address(transform)).status_code,
        client.get(f"{address(transform)}file/").status_code,
    }


def test_every_member_gets_it_and_nobody_else(
    transform, ada, ben, vera, dora, team, cleo, group, signed_in
):
    for member in (ada, ben, vera):
        assert statuses(signed_in(member), transform) == {200, 302}
        assert statuses(with_key(member), transform) == {200, 302}
    other = GroupFactory(team=team)
    for stranger in (signed_in(dora), with_key(dora), with_key(ada, group_ids=[other.pk])):
        assert statuses(stranger, transform) == {404}
    assert statuses(APIClient(), transform) == {401}
    assert statuses(cleo.client, transform) == {404}
    assert statuses(with_key(ada, group_ids=[group.pk]), transform) == {200, 302}


def test_an_admin_of_the_service_is_no_member(transform, signed_in):
    admin = User.objects.create_superuser("root@example.org", "grey horses on the lake")
    assert made_before(transform.image_id, transform.spec_hash, MemberAccess(admin)) is None
    assert statuses(signed_in(admin), transform) == {404}


def leave(ben):
    Membership.objects.filter(user=ben).delete()


def trash_photo(_ben):
    Image.objects.update(trashed_at=timezone.now())


def trash_group(_ben):
    Group.objects.update(trashed_at=timezone.now())


@pytest.mark.parametrize("change", [leave, trash_photo, trash_group])
def test_who_may_not_see_the_photo_any_more_gets_none(transform, ben, signed_in, change):
    client = signed_in(ben)
    assert statuses(client, transform) == {200, 302}
    change(ben)
    assert statuses(client, transform) == {404}


@pytest.mark.parametrize("state", ["queued", "failed"])
def test_one_that_is_not_made_is_none(transform, ada, state):
    Transform.objects.update(state=state)
    assert made_before(transform.image_id, transform.spec_hash, MemberAccess(ada)) is None


def test_one_of_another_photo_or_version_is_none(image, transform, ada, group, signed_in):
    other = send_as_member(signed_in(ada), group, drawn_pictures.jpeg(seed=5))
    assert made_before(other.pk, transform.spec_hash, MemberAccess(ada)) is None
    Transform.objects.update(version=2)  # as if a replacement were finished at this moment
    assert made_before(image.pk, transform.spec_hash, MemberAccess(ada)) is None


# --- Bodies that are remembered -------------------------------------------------------------


def test_only_steps_that_mean_the_same_everywhere_are_remembered(image):
    said = {"transformations": SMALL}
    assert transform_serializers.hash_of(said) == transform_serializers.hash_of({**said})
    for steps in [
        {"preset": "poster"},
        {"watermark": {"image": str(image.pk)}},
        {"resize": {"width": -1}},
        {"resize": {"width": True}},  # in Python it is 1
        {"crop": {"width": 1, "height": 1, "depth": 1}},
        {"watermark": {"text": "x" * 2000}},
        [],
    ]:
        assert transform_serializers.hash_of({"transformations": steps}) == ""
    for body in ({}, [], None, "transformations", {**said, "other": 1}):
        assert transform_serializers.hash_of(body) == ""


def test_a_wrong_body_is_refused_each_time(image, transform, ada, signed_in):
    client = signed_in(ada)
    for _ in range(2):
        assert ask(client, image, resize={"width": 100, "height": -1}).status_code == 400
        assert ask(client, image, **SMALL).status_code == 200


HOSTILE = [
    {"watermark": {"text": "a\x00b"}},
    {"watermark": {"text": "\ud800"}},  # half a character
    {"watermark": {"text": "{0.__class__} {width}"}, "crop": {"width": 10**6, "height": 1}},
    {"watermark": {"text": "x", "position": "{formats}"}},
    {"resize": {"width": 10**4000}},
    {"rotate": {"degrees": {"degrees": {"degrees": 1}}}},
    {"crop": {"width": "1e3", "height": [[[[]]]]}},
    {"filters": {"grayscale": {"sepia": True}}},
    {"preset": "../../etc/passwd"},
    {"preset": "x" * 10_000},
    {"format": {"jpeg": 1}, "quality": "NaN"},
]


@pytest.mark.parametrize("steps", few(HOSTILE, 4))
def test_hostile_steps_are_refused_each_time(image, ada, signed_in, steps):
    client = signed_in(ada)
    body = json.dumps({"transformations": steps})
    for _ in range(2):
        answer = client.post(path_of(image), body, content_type="application/json")
        assert answer.status_code == 400, answer.content
        assert len(answer.content) < 20_000
    assert not Transform.objects.exists()


def test_presets_and_hashes_of_other_groups_lead_nowhere(
    transform, image, ada, dora, signed_in, group
):
    theirs = GroupFactory()
    Membership.objects.create(team=theirs.team, user=dora, role="owner")
    stranger = signed_in(dora)
    other = send_as_member(stranger, theirs, drawn_pictures.jpeg(seed=8))
    TransformPreset.objects.create(group=theirs, name="secret", spec={"format": "png"})
    assert ask(signed_in(ada), image, preset="secret").status_code == 400
    assert stranger.get(f"{path_of(other)}{transform.spec_hash}/").status_code == 404
    answer = ask(stranger, other, watermark={"image": str(image.pk)})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "#/transformations/watermark/image"
    for name in ("file/", "photo/", ""):
        path = f"{path_of(image)}{transform.spec_hash}/{name}"
        verb = stranger.post if name == "photo/" else stranger.get
        assert verb(path).status_code == 404


# --- The SQL that is made once --------------------------------------------------------------


def test_a_key_that_is_no_parameter_is_noticed(ada):
    lookup = Lookup(lambda pk: User.objects.filter(pk__gt=0).values_list("pk"), pk=1_618_033_988)
    with pytest.raises(AssertionError, match="no parameter"):
        lookup.first(pk=ada.pk)
