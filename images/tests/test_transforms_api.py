"""Transforms of a photo through the API: who gets which, and what is refused."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone
from rest_framework.test import APIClient

from bandpics.testing.matrix import few
from groups.tests.factories import GroupFactory
from images import tasks
from images.access import MemberAccess
from images.lifecycle import sweeper
from images.models import Image, Transform, TransformPreset, locks
from images.photofile.transforms.spec import Spec
from images.reconcile import compare
from images.tests import drawn_pictures, stored_photos
from images.tests.guest_client import Guest, described, get, put, send_as_member
from images.tests.transform_client import ask, asked, is_there, made, opened, path_of, render
from images.transforms import ordering, presets
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]


@pytest.fixture
def image(ada, group, signed_in):
    """600 x 400 pixels."""
    data = drawn_pictures.jpeg(width=600, height=400, lat=48.2, lon=16.4)
    return stored_photos.by_member(ada, group, data, filename="stage.jpg")


def preset(group, name="poster", *, is_for_guests=True, **spec):
    spec = {
        "format": "jpeg",
        "quality": 85,
        "resize": {"width": 80, "height": 0, "mode": "fit"},
    } | spec
    return TransformPreset.objects.create(
        group=group, name=name, spec=spec, is_for_guests=is_for_guests
    )


# --- Asking ---------------------------------------------------------------------------------


def test_what_is_asked_for_is_made_once_and_then_there(image, ben, signed_in):
    client = signed_in(ben)
    answer = ask(client, image, resize={"width": 300}, filters={"grayscale": True}, format="png")
    assert (answer.status_code, answer["Retry-After"]) == (202, "2")
    said = answer.json()
    assert (said["status"], said["url"], said["width"]) == ("queued", None, None)
    assert said["transformations"] == {
        "resize": {"width": 300, "height": 0, "mode": "fit"},
        "filters": {"grayscale": True},
        "format": "png",
    }
    assert client.get(answer["Location"] + "file/").status_code == 409
    render(Transform.objects.get())
    again = ask(client, image, resize={"width": 300}, filters={"grayscale": True}, format="png")
    assert again.status_code == 200
    said = again.json()
    assert (said["status"], said["width"], said["height"]) == ("done", 300, 200)
    assert (said["source"], said["failure"]) == ("original", "")
    assert opened(said["url"]).size == (300, 200)
    assert client.get(answer["Location"]).json() == said
    redirect = client.get(answer["Location"] + "file/")
    assert redirect.status_code == 302
    assert len(get(redirect["Location"]).data) == said["byte_size"]
    assert Transform.objects.get().attempts == 1


def test_a_picture_to_be_saved_has_a_filename(image, ada, signed_in):
    transform = made(signed_in(ada), image)
    path = f"{path_of(image)}{transform.spec_hash}/file/?download=true"
    answer = get(signed_in(ada).get(path)["Location"])
    assert f"stage-{transform.spec_hash[:8]}.jpg" in answer.headers["Content-Disposition"]


def test_the_original_that_was_dropped_is_replaced_by_the_largest_size(image, ada, signed_in):
    Image.objects.filter(pk=image.pk).update(original_dropped_at=timezone.now())
    transform = made(signed_in(ada), image, crop={"width": 300, "height": 200})
    assert (transform.source, transform.width, transform.height) == ("fullsize", 300, 200)


def test_the_original_that_the_store_lost_is_replaced_by_the_largest_size(
    image, ada, signed_in, bucket
):
    bucket.delete_keys([image.original_key])
    assert made(signed_in(ada), image).source == "fullsize"


def test_a_photo_of_which_nothing_is_left_fails_with_a_reason_and_may_be_asked_again(
    image, ada, signed_in, bucket
):
    kept = {
        key: get(bucket.presign_get(key, content_type="image/jpeg")).data
        for key in [image.original_key]
    }
    bucket.delete_keys([each.key for each in bucket.list_keys(str(image.group_id))])
    transform = render(asked(signed_in(ada), image))
    assert (transform.state, transform.failure) == ("failed", "original-missing")
    detail = f"{path_of(image)}{transform.spec_hash}/"
    assert signed_in(ada).get(detail).json()["failure"] == "original-missing"
    refused = signed_in(ada).get(detail + "file/")
    assert (refused.status_code, refused.json()["failure"]) == (409, "original-missing")
    bucket.client.put_object(
        Bucket=bucket.bucket_name, Key=image.original_key, Body=kept[image.original_key]
    )
    assert ask(signed_in(ada), image).status_code == 202
    assert render(transform).state == "done"


def test_the_list_names_the_newest_first(image, ada, signed_in):
    first = made(signed_in(ada), image)
    second = asked(signed_in(ada), image, mirror=True)
    answer = signed_in(ada).get(path_of(image) + "?limit=1").json()
    assert (answer["count"], answer["results"][0]["id"]) == (2, str(second.pk))
    assert signed_in(ada).get(answer["next"]).json()["results"][0]["id"] == str(first.pk)


def test_using_it_is_remembered_at_most_hourly(image, ada, signed_in):
    client, transform = signed_in(ada), made(signed_in(ada), image)
    before = timezone.now() - timedelta(hours=2)
    Transform.objects.update(last_used_at=before)
    ask(client, image)
    transform.refresh_from_db()
    assert transform.last_used_at > before + timedelta(hours=1)
    used_at = transform.last_used_at
    ask(client, image)
    transform.refresh_from_db()
    assert transform.last_used_at == used_at


# --- Bad input ------------------------------------------------------------------------------

WRONG = {
    "a crop of nothing": ({"crop": {"x": 0, "y": 0, "width": 0, "height": 0}}, "crop/width"),
    "a crop outside": ({"crop": {"x": 500, "y": 0, "width": 200, "height": 10}}, "crop/width"),
    "a crop below": ({"crop": {"x": 0, "y": 399, "width": 20, "height": 10}}, "crop/height"),
    "a negative crop": ({"crop": {"x": -1, "y": 0, "width": 20, "height": 10}}, "crop/x"),
    "too many pixels": (
        {"resize": {"width": 10_000, "height": 10_000, "mode": "exact"}},
        "resize",
    ),
    "a billion": ({"resize": {"width": 10**9, "height": 1, "mode": "exact"}}, "resize/width"),
    "NaN": ({"rotate": "NaN"}, "rotate"),
    "infinity": ({"rotate": {"angle": "inf"}}, "rotate/angle"),
    "a huge number": ({"rotate": 10**400}, "rotate"),
    "true is no number": ({"rotate": True}, "rotate"),
    "nor a width": ({"resize": {"width": True}}, "resize/width"),
    "no degrees": ({"rotate": {"background": "#000000"}}, "rotate/degrees"),
    "a colour": ({"rotate": {"degrees": 5, "background": "red"}}, "rotate/background"),
    "a mode": ({"resize": {"width": 5, "mode": "cover"}}, "resize/mode"),
    "a filter": ({"filters": {"blur": True}}, "filters/blur"),
    "a step": ({"sharpen": 1}, "sharpen"),
    "a format": ({"format": "tiff"}, "format"),
    "a quality": ({"quality": 0}, "quality"),
    "a long text": ({"watermark": {"text": "x" * 10_000}}, "watermark/text"),
    "no letter of the font": ({"watermark": {"text": "\U0001f3b8"}}, "watermark/text"),
    "an empty watermark": ({"watermark": {"position": "top"}}, "watermark"),
    "opacity": ({"watermark": {"text": "x", "opacity": 2}}, "watermark/opacity"),
    "a size that is none": ({"watermark": {"text": "x", "size": "nan"}}, "watermark/size"),
    "a list": ({"crop": [1, 2, 3, 4]}, "crop"),
    "no such preset": ({"preset": "nothing"}, "preset"),
    "a preset and more": ({"preset": "nothing", "flip": True}, "preset"),
}


@pytest.mark.parametrize("name", few(WRONG, 6))
def test_what_cannot_be_made_is_refused_at_the_field(image, ada, signed_in, name):
    steps, pointer = WRONG[name]
    answer = ask(signed_in(ada), image, **steps)
    assert answer.status_code == 400, answer.json()
    assert answer.json()["errors"][0]["pointer"] == f"#/transformations/{pointer}"
    assert not Transform.objects.exists()


@pytest.mark.parametrize(
    ("language", "beyond", "preset_of_none", "too_many"),
    [
        ("de", "Der Ausschnitt endet bei 700", "Die Gruppe hat keine", "Viele Bilder, um die du"),
        ("fr", "Le recadrage finit à 700", "Le groupe n", "Beaucoup d"),
    ],
)
def test_it_is_refused_in_the_language_of_whoever_asks(
    image, ada, group, signed_in, monkeypatch, language, beyond, preset_of_none, too_many
):
    client = signed_in(ada)
    client.credentials(HTTP_ACCEPT_LANGUAGE=language)
    steps = {"crop": {"x": 500, "y": 0, "width": 200, "height": 10}}
    assert ask(client, image, **steps).json()["detail"].startswith(beyond)
    assert ask(client, image, preset="none").json()["detail"].startswith(preset_of_none)
    preset(group, crop={"x": 0, "y": 0, "width": 700, "height": 10})
    assert "700" in ask(client, image, preset="poster").json()["detail"]
    monkeypatch.setattr(ordering, "WAITING_AT_MOST", 0)
    assert ask(client, image).json()["title"].startswith(too_many)


def test_literals_that_are_no_json_are_refused(image, ada, signed_in):
    body = '{"transformations": {"rotate": NaN}}'
    answer = signed_in(ada).post(path_of(image), body, content_type="application/json")
    assert answer.status_code == 400


def test_the_same_steps_written_otherwise_are_the_same_transform(image, ada, signed_in):
    first = asked(signed_in(ada), image, rotate=90, resize={"width": 0, "height": 0})
    same = [
        {"rotate": {"degrees": 450}},
        {"rotate": {"angle": 90.0, "background": "#FFFFFF"}, "flip": False, "format": "jpg"},
        {"crop": None, "filters": {}, "rotate": -270, "quality": 85},
    ]
    assert {asked(signed_in(ada), image, **steps).pk for steps in same} == {first.pk}


def test_a_watermark_is_a_photo_of_the_same_group(image, ada, dora, group, signed_in, team):
    logo = send_as_member(signed_in(ada), group, drawn_pictures.jpeg(seed=2))
    transform = made(signed_in(ada), image, watermark={"image": str(logo.pk)})
    assert transform.watermark_image_id == logo.pk
    other = send_as_member(signed_in(ada), GroupFactory(team=team), drawn_pictures.jpeg(seed=3))
    answer = ask(signed_in(ada), image, watermark={"image": str(other.pk)})
    assert answer.json()["errors"][0]["pointer"] == "#/transformations/watermark/image"


def test_a_photo_that_shows_nothing_yet_has_no_transforms(cleo, ada, signed_in):
    upload = cleo.send(drawn_pictures.jpeg())
    answer = ask(signed_in(ada), upload.image)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/not-ready/")


def test_one_person_has_so_many_waiting_and_no_more(image, ada, ben, signed_in, monkeypatch):
    monkeypatch.setattr(ordering, "WAITING_AT_MOST", 3)

    def order(width):
        try:
            return ask(signed_in(ada), image, resize={"width": width}).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(10) as pool:
        codes = list(pool.map(order, range(10, 20)))
    assert sorted(codes) == [202] * 3 + [429] * 7
    assert Transform.objects.count() == 3
    answer = ask(signed_in(ada), image, resize={"width": 50})
    assert (answer.json()["type"], answer["Retry-After"]) == (
        "/problems/too-many-transforms/",
        "10",
    )
    assert ask(signed_in(ben), image, resize={"width": 50}).status_code == 202
    render(Transform.objects.filter(requested_by=ada).first())
    assert ask(signed_in(ada), image, resize={"width": 51}).status_code == 202


# --- At the same time -----------------------------------------------------------------------


def test_twenty_who_ask_at_once_share_one_row_and_one_rendering(image, ada, ben, signed_in):
    clients = [signed_in(who) for who in [ada, ben] * 10]

    def order(client):
        try:
            answer = ask(client, image)
            render(Transform.objects.get(pk=answer.json()["id"]))
            return answer.json()["id"]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        ids = set(pool.map(order, clients))
    transform = Transform.objects.get()
    assert ids == {str(transform.pk)}
    assert (transform.state, transform.attempts, transform.claim_number) == ("done", 1, 1)
    assert is_there(transform)


def process_until_done(upload_id):
    """Tries again while a transform of the photo is being written, as Celery does."""
    end = time.monotonic() + 30
    while True:
        try:
            tasks.process_upload(upload_id)
        except locks.Busy:
            assert time.monotonic() < end
            time.sleep(0.05)
        else:
            return


def test_a_photo_replaced_in_the_middle_leaves_no_object_without_a_row(
    image, ada, signed_in, bucket
):
    def order(width):
        try:
            answer = ask(signed_in(ada), image, resize={"width": width})
            if found := Transform.objects.filter(pk=answer.json().get("id")).first():
                tasks.render_transform(str(found.pk))
            return answer.status_code
        finally:
            connections.close_all()

    def replace(_):
        try:
            data = drawn_pictures.jpeg(width=640, height=480, seed=7)
            path = f"/api/v1/images/{image.pk}/file/"
            ticket = signed_in(ada).patch(path, described(data)).json()
            put(ticket["upload"], data)
            signed_in(ada).post(f"/api/v1/uploads/{ticket['id']}/complete/")
            process_until_done(ticket["id"])
        finally:
            connections.close_all()

    with ThreadPoolExecutor(11) as pool:
        replacing = pool.submit(replace, None)
        codes = list(pool.map(order, range(50, 60)))
        replacing.result()
    assert set(codes) <= {200, 202, 409}
    assert Image.objects.get().version == 2
    assert not Transform.objects.exclude(version=2).exists()
    sweeper.sweep()
    report = compare.reconcile(compare.Options(grace=timedelta(seconds=-5)))
    assert not report.differences, report.as_text(is_repairing=False)
    names = {transform.key for transform in Transform.objects.done()}
    stored = {each.key for each in bucket.list_keys(f"{image.group_id}/transforms/")}
    assert stored == names


@pytest.mark.parametrize("change", [{"version": 2}, {"trashed_at": timezone.now()}])
def test_a_photo_that_is_another_since_it_was_looked_up_gets_no_row(image, ben, change):
    """A trigger drops rows of the old version: one that is made later would stay."""
    Image.objects.filter(pk=image.pk).update(**change)
    with pytest.raises(ordering.Changed):
        ordering.request(image, Spec(flip=True), MemberAccess(ben))
    assert not Transform.objects.exists()


# --- Guests and presets ---------------------------------------------------------------------


@pytest.fixture
def guest_photo(group, cleo):
    return stored_photos.by_guest(cleo, drawn_pictures.jpeg(width=600, height=400))


def test_guests_have_presets_for_guests_alone(guest_photo, group, cleo, ada, signed_in):
    preset(group)
    preset(group, "secret", is_for_guests=False, mirror=True)
    assert ask(cleo.client, guest_photo, resize={"width": 80}).status_code == 403
    assert ask(cleo.client, guest_photo, preset="secret").status_code == 400
    transform = made(cleo.client, guest_photo, preset="poster")
    assert (transform.width, transform.requested_by) == (80, None)
    made(signed_in(ada), guest_photo, preset="secret")
    answer = cleo.client.get(path_of(guest_photo)).json()
    assert [each["id"] for each in answer["results"]] == [str(transform.pk)]
    hidden = Transform.objects.exclude(pk=transform.pk).get()
    assert cleo.client.get(f"{path_of(guest_photo)}{hidden.spec_hash}/").status_code == 404
    shown = cleo.client.get(f"/api/v1/groups/{group.pk}/presets/").json()["results"]
    assert [each["name"] for each in shown] == ["poster"]


def on_device(cleo, number):
    """Somebody with the same shared link, on a device of their own."""
    return Guest(cleo.invitation, device=f"{number:032x}")


@pytest.fixture
def shared(group):
    """A shared link whose guests see what was approved."""
    options = {"kind": "shared", "email": "", "name": "", "visibility": "gallery"}
    return Guest(InvitationFactory(group=group, **options))


def test_a_guest_who_has_many_waiting_is_in_nobodys_way(
    guest_photo, group, cleo, shared, monkeypatch
):
    monkeypatch.setattr(ordering, "WAITING_AT_MOST", 1)
    Image.objects.update(moderation="approved")
    for number in range(4):
        preset(group, f"preset-{number}", rotate={"degrees": number + 1.0})
    for number, guest in enumerate([cleo, on_device(shared, 1), on_device(shared, 2)]):
        assert ask(guest.client, guest_photo, preset=f"preset-{number}").status_code == 202
        assert ask(guest.client, guest_photo, preset="preset-3").status_code == 429
    render(Transform.objects.order_by("created_at").first())
    assert ask(cleo.client, guest_photo, preset="preset-3").status_code == 202


def test_all_guests_of_a_group_have_so_many_waiting(
    guest_photo, group, shared, ada, signed_in, monkeypatch
):
    """A shared link has as many devices as somebody makes up."""
    monkeypatch.setattr(ordering, "GUESTS_WAITING_AT_MOST", 3)
    Image.objects.update(moderation="approved")
    for number in range(4):
        preset(group, f"preset-{number}", rotate={"degrees": number + 1.0})

    def order(number):
        try:
            guest = on_device(shared, number)
            return ask(guest.client, guest_photo, preset=f"preset-{number}").status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(order, range(4)))
    assert sorted(codes) == [202, 202, 202, 429]
    assert ask(signed_in(ada), guest_photo, flip=True).status_code == 202


def test_guests_get_none_of_photos_they_do_not_see(image, group, cleo):
    preset(group)
    assert ask(cleo.client, image, preset="poster").status_code == 404


def test_owners_make_presets_and_members_use_them(image, ada, ben, group, signed_in):
    path = f"/api/v1/groups/{group.pk}/presets/"
    body = {
        "name": "poster",
        "transformations": {"resize": {"width": 90}, "filters": {"sepia": True}},
        "is_for_guests": True,
    }
    assert signed_in(ben).post(path, body).status_code == 403
    answer = signed_in(ada).post(path, body)
    assert answer.status_code == 201, answer.json()
    assert answer.json()["transformations"]["filters"] == {"sepia": True}
    assert signed_in(ada).post(path, body).status_code == 201  # safe to repeat
    other = {**body, "transformations": {"flip": True}}
    assert signed_in(ada).post(path, other).json()["type"] == "/problems/preset-name-taken/"
    assert signed_in(ben).get(path).json()["count"] == 1
    assert made(signed_in(ben), image, preset="poster").width == 90
    assert signed_in(ben).delete(path + "poster/").status_code == 403
    assert signed_in(ada).delete(path + "poster/").status_code == 204
    assert signed_in(ada).delete(path + "poster/").status_code == 404
    assert ask(signed_in(ben), image, preset="poster").status_code == 400


def test_a_group_has_so_many_presets(ada, group, signed_in, monkeypatch):
    monkeypatch.setattr(presets, "PRESETS_AT_MOST", 1)
    preset(group)
    body = {"name": "more", "transformations": {"flip": True}}
    answer = signed_in(ada).post(f"/api/v1/groups/{group.pk}/presets/", body)
    assert answer.json()["type"] == "/problems/too-many-presets/"


@pytest.mark.parametrize(
    ("steps", "pointer"),
    [
        ({"preset": "x"}, "preset"),
        ({"watermark": {"image": "0198d3c5-7c1e-7a42-9b1c-3f0e5d2a6b47"}}, "watermark/image"),
        ({"resize": {"width": -1}}, "resize/width"),
    ],
)
def test_a_preset_that_cannot_be_is_refused_at_the_field(ada, group, signed_in, steps, pointer):
    body = {"name": "more", "transformations": steps}
    answer = signed_in(ada).post(f"/api/v1/groups/{group.pk}/presets/", body)
    assert answer.json()["errors"][0]["pointer"] == f"#/transformations/{pointer}"


def test_a_preset_that_does_not_fit_a_photo_says_so(image, ada, group, signed_in):
    preset(group, crop={"x": 0, "y": 0, "width": 5000, "height": 10})
    answer = ask(signed_in(ada), image, preset="poster")
    assert answer.status_code == 400
    assert "5000" in answer.json()["errors"][0]["detail"]


def test_the_watermark_of_a_preset_follows_its_photo(
    image, ada, cleo, group, signed_in, guest_photo
):
    logo = send_as_member(signed_in(ada), group, drawn_pictures.jpeg(seed=2))
    body = {
        "name": "logo",
        "transformations": {"watermark": {"image": str(logo.pk)}},
        "is_for_guests": True,
    }
    assert signed_in(ada).post(f"/api/v1/groups/{group.pk}/presets/", body).status_code == 201
    first = made(cleo.client, guest_photo, preset="logo")
    Image.objects.filter(pk=logo.pk).update(trashed_at=timezone.now())
    assert not Transform.objects.filter(pk=first.pk).exists()
    assert ask(cleo.client, guest_photo, preset="logo").status_code == 400
    Image.objects.filter(pk=logo.pk).update(trashed_at=None)
    assert ask(cleo.client, guest_photo, preset="logo").status_code == 202


def test_a_key_that_only_reads_may_ask_and_not_delete(image, ada, signed_in):
    transform = made(signed_in(ada), image)
    path = f"{path_of(image)}{transform.spec_hash}/"
    _, key = ada.api_keys.model.objects.create_key(user=ada, name="reads", scopes=["read"])
    reader = APIClient(headers={"Authorization": f"Api-Key {key}"})
    assert ask(reader, image).status_code == 200
    assert reader.delete(path).status_code == 403
    assert signed_in(ada).delete(path).status_code == 204
    assert not is_there(transform)
    assert json.loads(signed_in(ada).get(path).content)["status"] == 404
