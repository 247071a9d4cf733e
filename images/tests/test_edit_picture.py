"""The page that crops and edits a picture, and transforms that become new photos."""

from __future__ import annotations

import json
import re
import uuid

import pytest
from rest_framework.test import APIClient

from images import access, tasks, transforms
from images.models import Image, PhotoChange, Upload
from images.photofile.transforms.spec import Crop, Spec
from images.storage.objects import photo_storage
from images.tests import drawn_pictures
from images.transforms import claims, presets, work

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]

SQUARE = Spec(crop=Crop(10, 0, 200, 200))


@pytest.fixture
def image(cleo):
    image = cleo.send_and_process(
        drawn_pictures.jpeg(
            width=300, height=200, lat=48.2, lon=16.4, taken_at="2026:06:20 20:14:00"
        )
    )
    Image.objects.filter(pk=image.pk).update(moderation=Image.Moderation.APPROVED)
    return image


def made(image, who, spec=SQUARE):
    transform = transforms.request(image, spec, access.MemberAccess(who))
    work.render(transform.pk)
    transform.refresh_from_db()
    return transform


def save(image, transform, who):
    client = APIClient()
    client.force_login(who)
    return client.post(f"/api/v1/images/{image.pk}/transforms/{transform.spec_hash}/photo/")


def test_a_member_saves_a_transform_as_a_new_photo(image, ben, signed_in):
    transform = made(image, ben)
    answer = save(image, transform, ben)
    assert answer.status_code == 202, answer.content
    tasks.process_upload(answer.json()["upload"])
    new = Image.objects.get(pk=answer.json()["id"])
    assert (new.group, new.uploaded_by, new.version) == (image.group, ben, 1)
    assert (new.width, new.height) == (200, 200)
    assert new.original_filename.endswith(f"-{transform.spec_hash[:8]}.jpg")
    # It sorts beside the photo it was made of, and has no place that would have to be forgotten.
    assert new.taken_at_local == image.taken_at_local
    assert new.latitude is None
    assert image.latitude is not None

    change = PhotoChange.objects.get(image=new)
    assert (change.kind, change.changed_by) == ("made_from", ben)
    page = signed_in(ben).get(f"/images/{new.pk}/").content.decode()
    line = re.search(r'<ol class="history".*?</li>', page, re.DOTALL)[0]
    assert "made it from" in line
    assert f'href="/images/{image.pk}/"' in line


def test_saving_twice_makes_one_photo(image, ben):
    transform = made(image, ben)
    first, second = save(image, transform, ben).json(), save(image, transform, ben).json()
    assert first["id"] == second["id"]
    assert PhotoChange.objects.filter(kind="made_from").count() == 1


def test_the_same_picture_of_somebody_else_is_a_duplicate(image, ada, ben):
    transform = made(image, ben)
    first = save(image, transform, ben).json()
    tasks.process_upload(first["upload"])
    second = save(image, transform, ada).json()
    tasks.process_upload(second["upload"])
    upload = Upload.objects.get(pk=second["upload"])
    assert upload.status == Upload.Status.DUPLICATE
    assert str(upload.duplicate_of_id) == first["id"]


def test_a_history_names_a_photo_that_is_gone_without_a_link(image, ben, signed_in):
    new = save(image, made(image, ben), ben).json()
    tasks.process_upload(new["upload"])
    Image.objects.filter(pk=image.pk).delete()
    page = signed_in(ben).get(f"/images/{new['id']}/").content.decode()
    assert "made it from another photo" in re.sub(r"</?bdi>", "", page)


def test_a_transform_that_is_not_made_becomes_no_photo(image, ben):
    transform = transforms.request(image, SQUARE, access.MemberAccess(ben))
    answer = save(image, transform, ben)
    assert answer.status_code == 409
    assert "/problems/transform-not-ready/" in answer.json()["type"]


def test_nothing_is_published_that_hosts_have_rejected(image, ben):
    transform = made(image, ben)
    Image.objects.filter(pk=image.pk).update(moderation=Image.Moderation.REJECTED)
    answer = save(image, transform, ben)
    assert answer.status_code == 409
    assert "/problems/not-approved/" in answer.json()["type"]
    assert Image.objects.count() == 1


def test_a_file_that_has_left_the_bucket_loses_nothing(image, ben):
    transform = made(image, ben)
    photo_storage().delete_keys([transform.key])
    answer = save(image, transform, ben)
    assert answer.status_code == 409
    assert "/problems/photo-busy/" in answer.json()["type"]
    assert Image.objects.count() == 1


def test_a_viewer_and_a_stranger_save_nothing(image, ben, vera, dora):
    transform = made(image, ben)
    assert save(image, transform, vera).status_code == 403
    assert save(image, transform, dora).status_code == 404
    assert Image.objects.count() == 1


# --- The page -------------------------------------------------------------------------------


def page_of(client, image):
    answer = client.get(f"/images/{image.pk}/edit-picture/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_page_has_the_size_of_the_photo_and_the_presets_of_its_group(image, ada, signed_in):
    presets.make(image.group, "poster", Spec(flip=True), is_for_guests=False)
    html = page_of(signed_in(ada), image)
    assert 'data-width="300"' in html
    found = re.search(r'<script id="presets"[^>]*>(.*?)</script>', html)[1]
    (preset,) = json.loads(found)
    assert preset == {
        "name": "poster",
        "steps": {"format": "jpeg", "flip": True, "quality": 85},
    }
    assert 'data-preset="poster"' in html
    assert 'id="save"' in html


def test_who_only_looks_may_download_and_not_save(image, vera, signed_in):
    html = page_of(signed_in(vera), image)
    assert 'id="download"' in html
    assert 'id="save"' not in html


def test_a_photo_that_is_not_approved_is_not_saved_again(image, ada, signed_in):
    Image.objects.filter(pk=image.pk).update(moderation=Image.Moderation.PENDING)
    html = page_of(signed_in(ada), image)
    assert 'id="save"' not in html
    assert "once this one is approved" in html


def test_the_page_of_a_photo_links_to_it_and_loads_nothing_of_it(image, vera, signed_in):
    html = signed_in(vera).get(f"/images/{image.pk}/").content.decode()
    assert f'href="/images/{image.pk}/edit-picture/"' in html
    assert not re.search(r'(?:src|href)="[^"]*(?:edit_picture|cropper)', html)


def test_an_unknown_photo_has_no_page(ada, signed_in, db):
    assert signed_in(ada).get(f"/images/{uuid.uuid4()}/edit-picture/").status_code == 404


@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_the_page_says_each_failure_in_words(image, ada, signed_in, language):
    client = signed_in(ada)
    client.credentials(HTTP_ACCEPT_LANGUAGE=language)
    page = client.get(f"/images/{image.pk}/edit-picture/").content.decode()
    said = json.loads(re.search(r'<script id="messages"[^>]*>(.*?)</script>', page)[1])
    codes = {claims.CRASHED, claims.IMPOSSIBLE, claims.ORIGINAL_MISSING, claims.WATERMARK_MISSING}
    texts = [said[f"failure-{code}"] for code in codes | {*Upload.Failure.values}]
    assert all(text.endswith(".") for text in texts)
    crashed = {
        "en": "It failed three times.",
        "de": "Es ist dreimal fehlgeschlagen.",
        "fr": "Cela a échoué trois fois.",
    }
    assert said["failure-crashed"] == crashed[language]
