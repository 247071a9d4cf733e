"""The pages: who sees them and what is on them. How they look is for the browser test."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from io import BytesIO

import PIL.Image
import pytest
from django.utils import timezone

from images.models import Image, Upload
from images.tests import drawn_pictures
from images.tests.bulk_rows import SOMEBODY
from images.tests.guest_client import get
from invitations.models import Invitation

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]


def test_a_member_finds_the_photo_in_the_groups_gallery(cleo, ben, group, signed_in):
    image = cleo.send_and_process(
        drawn_pictures.jpeg(
            taken_at="2026:06:21 21:30:00", offset="+02:00", lat=48.2082, lon=16.3738
        )
    )
    client = signed_in(ben)

    home = client.get("/").content.decode()
    assert f"/groups/{group.pk}/" in home
    assert "Summer concert" in home

    gallery = client.get(f"/groups/{group.pk}/").content.decode()
    assert f"/images/{image.pk}/" in gallery
    assert f"{image.group_id}/thumb/{image.pk}-1.jpg" in gallery

    page = client.get(f"/images/{image.pk}/").content.decode()
    assert "21 June 2026" in page
    assert "21:30" in page
    assert "48.20820" in page
    assert "16.37380" in page
    assert "Cleo" in page


@pytest.mark.parametrize(
    ("size", "widths"),
    [((1200, 800), [320, 560]), ((800, 1200), [213, 373]), ((400, 300), [320, 400])],
)
def test_a_gallery_offers_two_sizes_with_their_true_widths(cleo, ben, signed_in, size, widths):
    image = cleo.send_and_process(drawn_pictures.jpeg(width=size[0], height=size[1]))
    html = signed_in(ben).get(f"/groups/{image.group_id}/").content.decode()
    offered = re.search('srcset="([^"]+)"', html)[1].split(", ")
    assert [int(each.split(" ")[1].removesuffix("w")) for each in offered] == widths
    for each, width, name in zip(offered, widths, ["thumb", "tile"], strict=True):
        url = unescape(each.split(" ")[0])
        assert f"/{name}/{image.pk}-1.jpg" in url
        with PIL.Image.open(BytesIO(get(url).data)) as picture:
            assert picture.width == width


def test_photos_in_the_trash_are_counted_nowhere(cleo, ada, group, signed_in, admin_client):
    shown = cleo.send_and_process(drawn_pictures.jpeg())
    trashed = cleo.send_and_process(drawn_pictures.jpeg(seed=2))
    waiting = cleo.send(drawn_pictures.jpeg(seed=3)).image
    client = signed_in(ada)
    for image in (trashed, waiting):
        assert client.delete(f"/api/v1/images/{image.pk}/").status_code == 204

    assert re.search(r"<span>\s*1 photo\s*</span>", client.get("/").content.decode())
    gallery = client.get(f"/groups/{group.pk}/").content.decode()
    assert "1 photo\n" in gallery
    assert "being processed" not in gallery
    assert f"/images/{shown.pk}/" in gallery
    in_admin = admin_client.get("/admin/groups/group/").content.decode()
    assert '<td class="field-photos">1</td>' in in_admin


def test_pages_need_a_sign_in(client, cleo, group):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    for path in ["/", f"/groups/{group.pk}/", f"/images/{image.pk}/"]:
        answer = client.get(path)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/login/?next=")


def test_a_stranger_gets_404_not_403(cleo, dora, group, signed_in):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    for path in [f"/groups/{group.pk}/", f"/images/{image.pk}/"]:
        assert signed_in(dora).get(path).status_code == 404


def test_signing_in_goes_where_one_wanted_to_but_nowhere_else(client, ben, group):
    from bandpics.users.tests.factories import PASSWORD

    form = {"username": "BEN@example.org", "password": PASSWORD}
    answer = client.post(f"/login/?next=/groups/{group.pk}/", form)
    assert answer["Location"] == f"/groups/{group.pk}/"
    client.logout()
    answer = client.post("/login/?next=https://evil.example/", form)
    assert answer["Location"] == "/"


def test_a_gallery_is_paged_and_costs_constant_queries(
    ben, group, signed_in, django_assert_max_num_queries
):
    Image.objects.bulk_create(
        Image(
            group=group,
            **SOMEBODY.columns,
            original_filename=f"{n}.jpg",
            version=1,
            width=4,
            height=3,
            byte_size=1,
            sha256=f"{n:064}",
            content_type="image/jpeg",
            sort_at=timezone.now() - timedelta(minutes=n),
        )
        for n in range(65)
    )
    client = signed_in(ben)
    with django_assert_max_num_queries(14):
        page = client.get(f"/groups/{group.pk}/")
    assert len(page.context["photos"]) == 60
    older = client.get(page.context["older_url"])
    assert len(older.context["photos"]) == 5
    assert older.context["newer_url"]


def test_names_are_shown_as_text(cleo, ben, group, signed_in):
    image = cleo.send_and_process(drawn_pictures.jpeg(), filename="<script>alert(1)</script>.jpg")
    Image.objects.update(uploader_name="<b>Cleo</b>")
    for path in [f"/groups/{group.pk}/", f"/images/{image.pk}/"]:
        html = signed_in(ben).get(path).content.decode()
        assert "<script>alert" not in html
        assert "<b>Cleo" not in html


# --- The upload page ------------------------------------------------------------------------


def test_the_link_opens_a_page_and_changes_nothing(client, invitation, group):
    before = Invitation.objects.values().get()
    answer = client.get(f"/i/{invitation.token}/")
    html = answer.content.decode()
    assert answer.status_code == 200
    assert "Summer concert" in html
    assert "The Band" in html
    assert "no-store" in answer["Cache-Control"]
    assert answer["Referrer-Policy"] == "same-origin"
    assert "unsafe-inline" not in answer["Content-Security-Policy"]
    assert Invitation.objects.values().get() == before
    assert not Upload.objects.exists()


def test_a_full_link_opens(client, invitation):
    Invitation.objects.update(max_files=1, used_files=1)
    assert client.get(f"/i/{invitation.token}/").status_code == 200


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"expires_at": timezone.now() - timedelta(days=1)}, "expired"),
        ({"revoked_at": timezone.now()}, "withdrawn"),
    ],
)
def test_a_dead_link_is_403_and_says_whom_to_ask(client, invitation, change, words):
    Invitation.objects.update(**change)
    answer = client.get(f"/i/{invitation.token}/")
    assert answer.status_code == 403
    html = answer.content.decode()
    assert words in html
    assert "ask" in html.lower()


@pytest.mark.parametrize("token", ["x", "A" * 43, "ü" * 43])
def test_an_unknown_link_is_403(client, db, token):
    assert client.get(f"/i/{token}/").status_code == 403


@pytest.mark.parametrize("slug", ["upload-not-arrived", "invitation-expired", "invalid"])
def test_every_problem_type_is_a_page(client, db, slug):
    assert client.get(f"/problems/{slug}/").status_code == 200


def test_an_unknown_problem_is_404(client, db):
    assert client.get("/problems/nonsense/").status_code == 404
