"""What becomes of the transforms of a photo, whatever becomes of the photo: a test per verb."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from bandpics.testing.matrix import few
from groups import trash as group_trash
from groups.tests.factories import GroupFactory
from images import tasks
from images.archives import content
from images.lifecycle import (
    account_deletion,
    bulk,
    forget_location,
    moving,
    retention,
    sweeper,
    trash,
)
from images.models import Image, PendingDeletion, Transform, Upload
from images.reconcile import compare
from images.reconcile.report import Kind
from images.storage import object_keys
from images.tests import drawn_pictures, stored_photos
from images.tests.guest_client import described, get, put, send_as_member
from images.tests.transform_client import ask, asked, is_there, made, path_of, render

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]


@pytest.fixture
def image(ben, group, signed_in):
    data = drawn_pictures.jpeg(width=600, height=400, lat=48.2, lon=16.4)
    return stored_photos.by_member(ben, group, data)


@pytest.fixture
def transform(image, ben, signed_in):
    return made(signed_in(ben), image)


@pytest.fixture
def logo(ada, group, signed_in):
    return stored_photos.by_member(ada, group, drawn_pictures.jpeg(seed=2))


def replaced(image, who, signed_in):
    data = drawn_pictures.jpeg(seed=7)
    answer = signed_in(who).patch(f"/api/v1/images/{image.pk}/file/", described(data)).json()
    assert put(answer["upload"], data).status == 200
    signed_in(who).post(f"/api/v1/uploads/{answer['id']}/complete/")
    tasks.process_upload(answer["id"])
    image.refresh_from_db()
    assert image.version == 2


def is_gone(transform, bucket):
    """Neither row nor object are left, nor any other object of a transform."""
    sweeper.sweep()
    assert not Transform.objects.filter(pk=transform.pk).exists()
    assert not [each for each in bucket.list_keys("") if f"/{object_keys.TRANSFORMS}/" in each.key]
    return True


# --- Verbs ----------------------------------------------------------------------------------


def test_of_a_photo_in_the_trash_nobody_gets_any_and_restored_it_has_them_again(
    image, transform, ada, signed_in
):
    path = f"{path_of(image)}{transform.spec_hash}/"
    trash.put(image)
    client = signed_in(ada)
    codes = {client.get(each).status_code for each in [path, path + "file/", path_of(image)]}
    assert codes == {404}
    assert ask(client, image).status_code == 404
    sweeper.sweep()
    assert trash.restore(image)
    assert get(client.get(path + "file/")["Location"]).status == 200


def test_one_that_is_rendered_while_its_photo_is_trashed_is_there_when_it_is_restored(
    image, ben, signed_in
):
    transform = asked(signed_in(ben), image)
    trash.put(image)
    assert render(transform).state == "done"
    trash.restore(image)
    assert ask(signed_in(ben), image).status_code == 200


PURGES = {
    "purge": lambda image, **_: (trash.put(image), Image.objects.filter(pk=image.pk).delete()),
    "many in the trash, then its time is over": lambda image, ben, **_: (
        bulk.put_in_trash([image.pk], by=ben, own={image.pk}),
        Image.objects.update(trashed_at=timezone.now() - timedelta(days=400)),
    ),
    "replace": lambda image, ben, signed_in, **_: replaced(image, ben, signed_in),
    "move": lambda image, team, **_: moving.move_all([image.pk], GroupFactory(team=team)),
    "group deleted": lambda group, **_: group.delete(),
    "group purged": lambda group, **_: (
        group_trash.put(group),
        group_trash.expire(group),
        sweeper.sweep(),
    ),
    "asked to be removed": lambda image, ben, signed_in, transform, **_: signed_in(ben).delete(
        f"{path_of(image)}{transform.spec_hash}/"
    ),
}


@pytest.mark.parametrize("verb", few(PURGES, 3))
def test_nothing_is_left_of_a_photo_that_is_another_or_gone(
    verb, image, transform, ben, team, group, signed_in, bucket
):
    url = bucket.presign_get(transform.key, content_type="image/jpeg")
    assert get(url).status == 200
    cast = {"ben": ben, "team": team, "group": group, "signed_in": signed_in}
    PURGES[verb](image=image, transform=transform, **cast)
    assert is_gone(transform, bucket)
    assert get(url).status == 404


def test_a_moved_photo_gets_them_in_its_new_group(image, transform, team, ada, signed_in):
    other = GroupFactory(team=team)
    moving.move_all([image.pk], other)
    image.refresh_from_db()
    again = made(signed_in(ada), image)
    assert again.key.startswith(f"{other.pk}/transforms/")


def test_a_forgotten_place_changes_nothing_because_none_has_it(image, transform, bucket):
    forget_location.forget(image.pk)
    sweeper.sweep()
    assert is_there(transform)
    content = get(bucket.presign_get(transform.key, content_type="image/jpeg")).data
    assert b"Exif" not in content


def test_an_original_that_was_dropped_leaves_them_and_others_are_made_of_the_largest_size(
    image, transform, ben, group, signed_in
):
    group.retain_originals_days = 1
    group.save()
    Upload.objects.update(finished_at=F("finished_at") - timedelta(days=2))
    assert retention.drop_original(image.pk)
    sweeper.sweep()
    assert is_there(transform)
    assert made(signed_in(ben), image, mirror=True).source == "fullsize"


def test_a_zip_has_no_transforms(image, transform, group):
    (file,) = content.files(group, {}, for_guests=False)
    assert file.key == image.original_key


def test_who_asked_may_delete_their_account(image, transform, ben):
    account_deletion.delete(ben, keep_name=False, at_once=True)
    transform.refresh_from_db()
    assert transform.requested_by is None


WATERMARK_LEAVES = {
    "trash": lambda logo, **_: trash.put(logo),
    "purge": lambda logo, **_: Image.objects.filter(pk=logo.pk).delete(),
    "replace": lambda logo, ada, signed_in, **_: replaced(logo, ada, signed_in),
    "move": lambda logo, team, **_: moving.move_all([logo.pk], GroupFactory(team=team)),
}


@pytest.mark.parametrize("verb", few(WATERMARK_LEAVES, 2))
def test_nothing_shows_a_watermark_that_has_left(verb, image, logo, ada, team, signed_in, bucket):
    marked = made(signed_in(ada), image, watermark={"image": str(logo.pk)})
    WATERMARK_LEAVES[verb](logo=logo, ada=ada, team=team, signed_in=signed_in)
    assert is_gone(marked, bucket)


# --- Age and room ---------------------------------------------------------------------------


def test_those_that_nobody_uses_leave_and_are_made_again(
    image, transform, ben, signed_in, bucket, settings
):
    old = timezone.now() - timedelta(days=settings.TRANSFORM_UNUSED_DAYS + 1)
    Transform.objects.update(last_used_at=old)
    assert is_gone(transform, bucket)
    again = made(signed_in(ben), image)
    assert again.key == transform.key
    sweeper.sweep()  # what was recorded of the first must not take the second
    assert is_there(again)


def test_of_a_team_over_its_limit_those_unused_for_longest_leave(
    image, team, ben, signed_in, settings
):
    client = signed_in(ben)
    rows = [made(client, image, resize={"width": width}) for width in (50, 60, 70)]
    for age, row in enumerate(rows):  # the last one is the oldest
        at = timezone.now() - timedelta(minutes=age)
        Transform.objects.filter(pk=row.pk).update(last_used_at=at)
    settings.TRANSFORM_MAX_BYTES_PER_TEAM = rows[0].byte_size + rows[1].byte_size
    sweeper.sweep()
    assert [is_there(row) for row in rows] == [True, True, False]
    settings.TRANSFORM_MAX_BYTES_PER_TEAM = 1
    sweeper.sweep()
    assert not Transform.objects.exists()


def test_other_teams_keep_theirs(image, transform, dora, signed_in, settings, team):
    settings.TRANSFORM_MAX_BYTES_PER_TEAM = transform.byte_size
    theirs = send_as_member(signed_in(dora), _group_of(dora), drawn_pictures.jpeg(seed=5))
    other = made(signed_in(dora), theirs, resize={"width": 40})
    sweeper.sweep()
    assert is_there(transform)
    assert is_there(other)


def _group_of(user):
    return GroupFactory(team=user.teams.get())


def test_the_numbers_tell_of_them(transform, ben, signed_in):
    found = signed_in(ben).get("/api/v1/stats/").json()
    assert (found["totals"]["transforms"], found["bytes"]["transforms"]) == (
        1,
        transform.byte_size,
    )


# --- Reconciliation -------------------------------------------------------------------------


def reconciled(**options):
    report = compare.reconcile(
        compare.Options(repairs=True, grace=timedelta(seconds=-5), **options)
    )
    return {kind: (one.found, one.repaired) for kind, one in report.differences.items()}


def test_with_a_row_and_an_object_nothing_is_found(transform):
    assert reconciled() == {}


@pytest.mark.parametrize("one_group", [False, True])
def test_an_object_without_a_row_is_removed(transform, group, bucket, one_group):
    """As after the restore of an older database."""
    Transform.objects.all().delete()
    PendingDeletion.objects.all().delete()
    options = {"group": group} if one_group else {}
    assert reconciled(**options) == {Kind.ORPHAN: (1, 1)}
    assert not is_there(transform)
    assert reconciled(**options) == {}


@pytest.mark.parametrize("how", ["gone", "another"])
def test_a_row_without_its_object_is_forgotten_and_made_again(
    transform, image, ben, signed_in, bucket, how
):
    if how == "gone":
        bucket.delete_keys([transform.key])
    else:
        bucket.client.put_object(Bucket=bucket.bucket_name, Key=transform.key, Body=b"?")
    assert reconciled() == {Kind.TRANSFORM_MISSING: (1, 1)}
    assert not Transform.objects.exists()
    assert is_there(made(signed_in(ben), image))
    assert reconciled() == {}


def test_one_that_is_rendered_just_now_is_no_difference(image, ben, signed_in):
    asked(signed_in(ben), image)
    assert reconciled() == {}
