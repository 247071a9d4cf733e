"""Photos of a group that look alike are stacked, whatever happens to them."""

from __future__ import annotations

import io
import itertools
import random
import re
import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from PIL import Image as Picture
from PIL import ImageFilter

from groups.models import Group
from images import tasks
from images.lifecycle import moving, stacks, sweeper, trash
from images.listing import pagination
from images.listing import stacks as listing
from images.models import Image
from images.photofile import placeholder
from images.tests import bulk_rows, drawn_pictures, stored_photos
from images.tests.guest_client import Guest
from invitations.tests.factories import InvitationFactory

NOON = datetime(2026, 6, 21, 12, tzinfo=UTC)
ALL = listing.Q()


def scene(
    *, quality: int = 90, edge: int = 1200, seed: int = 7, blur: float = 0, **more: Any
) -> bytes:
    """A photo of a scene: the same seed is the same scene."""
    image = drawn_pictures.detailed(width=1200, height=900, seed=seed)
    image.thumbnail((edge, edge))
    if blur:
        image = image.filter(ImageFilter.GaussianBlur(blur))
    if not more:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return file.getvalue()
    return drawn_pictures.jpeg(image=image, quality=quality, **more)


def partition() -> set[frozenset[Any]]:
    """Which photos are stacked together now."""
    found: dict[Any, set[Any]] = {}
    for pk, stack_id in Image.objects.exclude(stack_id=None).values_list("pk", "stack_id"):
        found.setdefault(stack_id, set()).add(pk)
    return {frozenset(members) for members in found.values()}


def tops(group: Group) -> set[Any]:
    rows = listing.tops(Image.objects.in_group(group).ready(), visible=ALL)
    return set(rows.values_list("pk", flat=True))


@pytest.fixture
def trio(cleo):
    """Two copies of one scene, the sharper one first, and another scene."""
    sharp = stored_photos.by_guest(cleo, scene(), filename="sharp.jpg")
    copy = stored_photos.by_guest(cleo, scene(edge=800, quality=50), filename="copy.jpg")
    other = stored_photos.by_guest(cleo, scene(seed=8), filename="other.jpg")
    sweeper.sweep()
    return sharp, copy, other


def test_copies_are_stacked_with_the_sharpest_on_top(trio, group):
    sharp, copy, other = trio

    assert partition() == {frozenset({sharp.pk, copy.pk})}
    assert tops(group) == {sharp.pk, other.pk}
    photos = list(Image.objects.in_group(group))
    assert listing.more_below(photos, visible=ALL) == {sharp.pk: 1, copy.pk: 1}


def test_a_burst_is_stacked_and_the_same_place_an_hour_later_is_not(cleo):
    image = drawn_pictures.detailed(width=1600, height=1200, seed=5)

    def shot(share: float, taken_at: str) -> Image:
        by = round(1600 * share)
        moved = image.crop((by, by, 1600, 1200)).resize((1600, 1200))
        return cleo.send_and_process(
            drawn_pictures.jpeg(image=moved, quality=90, taken_at=taken_at)
        )

    burst = [shot(0.02 * number, f"2026:06:21 21:30:{5 * number:02}") for number in range(2)]
    later = shot(0.04, "2026:06:21 22:45:00")
    sweeper.sweep()

    assert partition() == {frozenset(image.pk for image in burst)}
    assert Image.objects.get(pk=later.pk).stack_id is None


def test_a_sharper_photo_that_arrives_later_takes_the_top(cleo, group):
    blurred = cleo.send_and_process(scene(blur=3))
    sweeper.sweep()
    assert tops(group) == {blurred.pk}
    sharp = cleo.send_and_process(scene())
    sweeper.sweep()

    assert partition() == {frozenset({blurred.pk, sharp.pk})}
    assert tops(group) == {sharp.pk}


# --- Every verb -----------------------------------------------------------------------------


def test_in_the_trash_a_photo_leaves_its_stack_and_restored_it_is_back(trio, group, ada):
    sharp, copy, other = trio

    trash.put(sharp, by=ada)
    assert tops(group) == {copy.pk, other.pk}, "at once, before any sweep"
    sweeper.sweep()
    assert partition() == set()

    trash.restore(sharp, by=ada)
    sweeper.sweep()
    assert partition() == {frozenset({sharp.pk, copy.pk})}


def test_a_purged_photo_leaves_no_stack_of_one(trio):
    sharp, copy, _ = trio
    trash.put(sharp)
    trash.expire([sharp.pk])
    sweeper.sweep()

    assert not Image.objects.filter(pk=sharp.pk).exists()
    assert partition() == set()
    assert Image.objects.get(pk=copy.pk).stack_id is None


def test_a_photo_that_is_moved_leaves_its_stack_and_joins_those_of_the_other_group(
    trio, cleo, team
):
    sharp, copy, _ = trio
    elsewhere = Group.objects.create(team=team, name="Elsewhere")

    moving.move_all([copy.pk], elsewhere)
    sweeper.sweep()
    assert partition() == set()

    moving.move_all([sharp.pk], elsewhere)
    sweeper.sweep()
    assert partition() == {frozenset({sharp.pk, copy.pk})}


def test_a_replacement_is_compared_anew(trio, ada, signed_in):
    sharp, copy, other = trio
    new = SimpleUploadedFile("new.jpg", scene(seed=8, edge=700), "image/jpeg")
    address = f"/api/v1/images/{copy.pk}/file/"
    sent = signed_in(ada).patch(address, {"file": new}, format="multipart")
    tasks.process_upload(sent.json()["upload"])
    sweeper.sweep()

    assert partition() == {frozenset({copy.pk, other.pk})}
    assert Image.objects.get(pk=sharp.pk).stack_id is None


def test_what_a_host_took_apart_stays_apart(trio, cleo, group):
    sharp, copy, other = trio
    stack_id = Image.objects.get(pk=sharp.pk).stack_id
    assert set(stacks.take_apart(group, stack_id)) == {sharp.pk, copy.pk}
    sweeper.sweep()
    assert partition() == set()
    third = cleo.send_and_process(scene(edge=640))
    sweeper.sweep()
    assert partition() == set()

    assert stacks.compare_again(group, [sharp.pk, copy.pk, other.pk]) == 2
    sweeper.sweep()
    assert partition() == {frozenset({sharp.pk, copy.pk, third.pk})}


def test_a_stack_falls_apart_without_the_photo_that_links_it(group, ada):
    first, middle, last = chain(group)
    stacks.update_due()
    assert partition() == {frozenset({first.pk, middle.pk, last.pk})}

    trash.put(middle, by=ada)
    stacks.update_due()
    assert partition() == set()


# --- Who sees which one on top --------------------------------------------------------------


def test_guests_see_the_best_of_those_they_may_see(trio, group):
    _sharp, copy, other = trio
    Image.objects.filter(pk__in=[copy.pk, other.pk]).update(moderation="approved")
    approved = listing.Q(moderation="approved")
    rows = Image.objects.in_group(group).ready().filter(approved)

    assert set(listing.tops(rows, visible=approved)) == {copy, other}
    assert listing.more_below(list(rows), visible=approved) == {}


# --- Pages and lists -------------------------------------------------------------------------


def tiles(page: str) -> set[str]:
    return set(re.findall(r'data-id="([0-9a-f-]{36})"', page))


def ids(*images: Image) -> set[str]:
    return {str(image.pk) for image in images}


def test_the_gallery_shows_the_best_of_each_stack_and_leads_to_the_others(
    trio, ben, group, signed_in
):
    sharp, copy, other = trio
    stack_id = Image.objects.get(pk=sharp.pk).stack_id
    client, address = signed_in(ben), f"/groups/{group.pk}/"

    page = client.get(address).content.decode()
    assert tiles(page) == ids(sharp, other)
    assert "1 more photo like this" in page
    assert f'href="?stack={stack_id}"' in page

    page = client.get(f"{address}?stack={stack_id}").content.decode()
    assert tiles(page) == ids(sharp, copy)
    assert "take apart" not in page, "that is for hosts"
    page = client.get(f"{address}?stacks=open").content.decode()
    assert tiles(page) == ids(sharp, copy, other)
    for nonsense in ("nonsense", str(uuid4()), ""):
        answer = client.get(f"{address}?stack={nonsense}")
        assert answer.status_code == 200
        assert tiles(answer.content.decode()) == set()


def test_pages_of_the_gallery_have_each_stack_once(group, ben, signed_in, monkeypatch):
    monkeypatch.setattr(pagination, "GALLERY_LIMIT", 4)
    for number in range(12):
        rows_like(group, 0x0123_4567_89AB_CDEF << number & (1 << 62) - 1)
        rows_like(group, 0x0123_4567_89AB_CDEF << number & (1 << 62) - 1)
    Image.objects.all().update(sort_at=NOON)
    for image in Image.objects.all():
        bulk_rows.Variant.objects.create(
            image=image, version=1, name="thumb", key=f"{image.pk}", width=4, height=3, byte_size=9
        )
    stacks.update_due()
    client, url, seen = signed_in(ben), f"/groups/{group.pk}/", []
    while url:
        answer = client.get(url)
        seen += tiles(answer.content.decode())
        url = answer.context["older_url"]

    assert len(seen) == len(set(seen)) == len(partition())
    assert set(seen) == {str(pk) for pk in tops(group)}


def test_the_page_costs_the_same_with_stacks_and_without(
    trio, ben, group, signed_in, django_assert_num_queries
):
    client, address = signed_in(ben), f"/groups/{group.pk}/"
    client.get(address)
    with CaptureQueriesContext(connection) as few:
        client.get(address)
    for _ in range(4):
        rows_like(group, 0x0123_4567_89AB_CDEF)
    stacks.update_due()
    with django_assert_num_queries(len(few)):
        client.get(address)


def test_a_host_takes_a_stack_apart_and_undoes_it(trio, ada, ben, group, signed_in):
    sharp, copy, other = trio
    stack_id = Image.objects.get(pk=sharp.pk).stack_id
    address = f"/groups/{group.pk}/"
    apart = f"{address}stacks/{stack_id}/apart/"
    assert signed_in(ben).post(apart).status_code == 403
    host = signed_in(ada)
    page = host.get(f"{address}?stack={stack_id}").content.decode()
    assert "Not alike: take apart" in page
    page = host.post(apart, follow=True).content.decode()
    assert tiles(page) == ids(sharp, copy, other)
    assert "2 photos stand alone now." in page
    assert "stand alone now" not in host.get(address).content.decode()

    form = {"ids": [str(sharp.pk), str(copy.pk)]}
    host.post(f"{address}stacks/again/", form, format="multipart")
    sweeper.sweep()
    assert tiles(host.get(address).content.decode()) == ids(sharp, other)


def test_guests_are_shown_the_best_of_what_was_approved(trio, group, invitation):
    sharp, copy, other = trio
    Image.objects.filter(pk__in=[copy.pk, other.pk]).update(moderation="approved")
    Group.objects.filter(pk=group.pk).update(visibility="gallery")
    client, address = Client(), f"/i/{invitation.token}/photos/"

    page = client.get(address).content.decode()
    assert tiles(page) == ids(copy, other)
    assert "more photo like this" not in page

    Image.objects.filter(pk=sharp.pk).update(moderation="approved")
    page = client.get(address).content.decode()
    assert tiles(page) == ids(sharp, other)
    assert "1 more photo like this" in page
    stack_id = Image.objects.get(pk=sharp.pk).stack_id
    assert tiles(client.get(f"{address}?stack={stack_id}").content.decode()) == ids(sharp, copy)
    assert tiles(client.get(f"{address}?mine").content.decode()) == ids(sharp, copy, other)


def test_lists_of_the_api_have_all_photos_and_their_stack(trio, cleo, ada, signed_in, group):
    sharp, copy, other = trio
    stack_id = str(Image.objects.get(pk=sharp.pk).stack_id)
    host = signed_in(ada)

    rows = {row["id"]: row for row in host.get("/api/v1/images/").json()["results"]}
    assert rows.keys() == ids(sharp, copy, other)
    assert {rows[one]["stack"] for one in ids(sharp, copy)} == {stack_id}
    assert rows[str(other.pk)]["stack"] is None
    found = host.get(f"/api/v1/images/?stack={stack_id}").json()["results"]
    assert {row["id"] for row in found} == ids(sharp, copy)
    assert host.get("/api/v1/images/?stack=nonsense").status_code == 400
    assert host.get(f"/api/v1/images/{copy.pk}/").json()["stack"] == stack_id


def test_another_guest_is_not_told_that_a_hidden_photo_looks_the_same(trio, group):
    sharp, copy, _ = trio
    Image.objects.filter(pk=copy.pk).update(moderation="approved")
    Group.objects.filter(pk=group.pk).update(visibility="gallery")
    stack_id = Image.objects.get(pk=sharp.pk).stack_id
    gus = Guest(InvitationFactory(group=group))

    (row,) = gus.client.get("/api/v1/images/").json()["results"]
    assert (row["id"], row["stack"]) == (str(copy.pk), None)
    assert gus.client.get(f"/api/v1/images/?stack={stack_id}").json()["results"] == []


# --- Order and concurrency ------------------------------------------------------------------

_hashes = itertools.count()


def chain(group: Group) -> list[Image]:
    """Three photos: each is like its neighbours, the first is not like the last."""
    start = 0x0123_4567_89AB_CDEF
    return [rows_like(group, start), rows_like(group, start ^ 0xF), rows_like(group, start ^ 0xFF)]


def rows_like(group: Group, perceptual_hash: int) -> Image:
    """A photo that has a row only, with this hash."""
    image = bulk_rows.photo(group, placeholder=PLACEHOLDER, focus=float(next(_hashes)))
    Image.objects.filter(pk=image.pk).update(perceptual_hash=perceptual_hash)
    return image


def _placeholder() -> bytes:
    file = io.BytesIO()
    Picture.new("RGB", (16, 12), "teal").save(file, "WEBP")
    return placeholder.pixels_of(file.getvalue())


PLACEHOLDER = _placeholder()


@pytest.mark.parametrize("seed", range(4))
def test_the_order_in_which_photos_are_compared_does_not_matter(group, seed):
    found = chain(group)
    found += [rows_like(group, 0x7777_0000_FFFF_1234), rows_like(group, 0x7777_0000_FFFF_1235)]
    due = list(Image.objects.filter(stack_due=True).values_list("pk", flat=True))
    assert len(due) == 5
    random.Random(seed).shuffle(due)

    for pk in due:
        assert stacks._update(pk)

    assert partition() == {
        frozenset(image.pk for image in found[:3]),
        frozenset(image.pk for image in found[3:]),
    }
    assert not Image.objects.filter(stack_due=True).exists()


@pytest.mark.django_db(transaction=True)
def test_a_photo_that_somebody_is_changing_is_compared_by_the_next_sweep(group):
    first, middle, last = chain(group)
    with transaction.atomic():
        Image.objects.select_for_update().get(pk=middle.pk)
        thread = threading.Thread(target=_update_in_thread)
        thread.start()
        thread.join(timeout=20)
        assert not thread.is_alive(), "nobody waits for a row"
    assert Image.objects.filter(stack_due=True).exists()

    stacks.update_due()
    assert partition() == {frozenset({first.pk, middle.pk, last.pk})}


def _update_in_thread() -> None:
    try:
        stacks.update_due()
    finally:
        connection.close()


def test_a_long_stack_ends_and_costs_no_more(group, monkeypatch):
    monkeypatch.setattr(stacks, "MAX_STACK", 3)
    for _ in range(5):
        rows_like(group, 0x0123_4567_89AB_CDEF)
    stacks.update_due()

    assert not Image.objects.filter(stack_due=True).exists()
    assert all(len(stack) <= 3 for stack in partition())


def test_what_does_not_concern_likeness_makes_nothing_due(trio, ada):
    sharp, _, _ = trio
    assert not Image.objects.filter(stack_due=True).exists()
    Image.objects.filter(pk=sharp.pk).update(description="On stage", moderation="rejected")

    assert not Image.objects.filter(stack_due=True).exists()


def copied_columns() -> tuple[str, str]:
    """The columns of a photo, and how 100,000 others differ in them."""
    other = {
        "id": "gen_random_uuid()",
        "sha256": "md5(number::text)",
        "stack_due": "false",
        "sort_at": "sort_at - number * interval '20 seconds'",
        "perceptual_hash": "('x' || substr(md5(number::text), 1, 16))::bit(64)::bigint",
    }
    fields = [field for field in Image._meta.concrete_fields if not field.generated]
    names = [field.column for field in fields]
    values = [other.get(name, f'"{name}"') for name in names]
    return ", ".join(f'"{name}"' for name in names), ", ".join(values)


@pytest.mark.long
def test_a_hundred_thousand_photos_are_compared_in_milliseconds(group):
    """One photo against a group of 100,000, of which none is like it."""
    with connection.cursor() as cursor:
        names, values = copied_columns()
        cursor.execute(
            f"INSERT INTO images_image ({names}) SELECT {values}"  # noqa: S608
            " FROM images_image, generate_series(1, 100000) number WHERE id = %s",
            [rows_like(group, 0x0123_4567_89AB_CDEF).pk],
        )
        cursor.execute("ANALYZE images_image")
    Image.objects.filter(stack_due=True).update(stack_due=False)
    for number in range(20):
        rows_like(group, random.Random(number).getrandbits(62))
    started = datetime.now(UTC)
    assert stacks.update_due() == 20
    took = (datetime.now(UTC) - started) / 20
    print(f"{took.total_seconds() * 1000:.1f} ms each")  # noqa: T201
    assert took < timedelta(seconds=0.1)
