"""Logos are drawn anew from whatever was sent, and shown on the pages of guests."""

from __future__ import annotations

import io

import pytest
from django.utils import timezone
from PIL import Image as Pillow
from PIL import ImageDraw, PngImagePlugin

from groups import logos
from groups.models import Group
from images.photofile import logo
from images.tests import drawn_pictures
from invitations.tests.factories import InvitationFactory


def draw(data):
    return logo.draw(io.BytesIO(data), byte_size=len(data))


def picture(mode="RGBA", size=(640, 640), format_="PNG", colour="red", **options):
    buffer = io.BytesIO()
    Pillow.new(mode, size, colour).save(buffer, format_, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize(
    ("size", "drawn"), [((640, 640), (160, 160)), ((3000, 200), (320, 21)), ((40, 30), (40, 30))]
)
def test_it_is_a_png_that_fits(format_, size, drawn):
    found = draw(picture("RGB", size, format_))
    image = Pillow.open(io.BytesIO(found.content))
    assert (image.format, image.size, (found.width, found.height)) == ("PNG", drawn, drawn)


def test_what_was_transparent_stays_so():
    image = Pillow.new("RGBA", (400, 200), (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((0, 0, 199, 199), fill=(200, 0, 0, 255))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    found = Pillow.open(io.BytesIO(draw(buffer.getvalue()).content)).convert("RGBA")
    assert found.getpixel((40, 80)) == (200, 0, 0, 255)
    assert found.getpixel((280, 80))[3] == 0


def test_noise_is_small_enough_too():
    noise = Pillow.effect_noise((1200, 600), 200)
    bands = [noise, noise.rotate(90, expand=False), noise.rotate(180)]
    buffer = io.BytesIO()
    Pillow.merge("RGB", bands).save(buffer, "JPEG", quality=60)
    assert len(draw(buffer.getvalue()).content) <= logo.MAX_PNG_BYTES


def test_nothing_but_pixels_is_left():
    about = PngImagePlugin.PngInfo()
    about.add_text("Comment", "a secret")
    drawn = [
        draw(picture(pnginfo=about)),
        draw(drawn_pictures.jpeg(width=600, height=400, lat=48.2, lon=16.4)),
    ]
    for found in drawn:
        image = Pillow.open(io.BytesIO(found.content))
        assert set(image.info) <= {"transparency"}
        assert b"eXIf" not in found.content
        assert b"secret" not in found.content


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "wrong-kind"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "wrong-kind"),
        (b"%PDF-1.7", "wrong-kind"),
        (picture("RGB", format_="GIF"), "wrong-kind"),
        (picture("RGB", (64, 64), format_="TIFF"), "wrong-kind"),
        (picture()[:200], "damaged"),
        (picture("RGB", format_="JPEG")[:300], "damaged"),
        (picture("1", (9000, 9000), colour=1), "too-many-pixels"),
        (picture("1", (2001, 2000), colour=1), "too-many-pixels"),
        (bytes(logo.MAX_BYTES + 1), "too-large"),
    ],
    ids=[
        *("empty", "svg", "pdf", "gif", "tiff", "half a png", "half a jpeg"),
        *("bomb", "a pixel too many", "a byte too many"),
    ],
)
def test_what_is_no_logo_says_why(data, reason):
    with pytest.raises(logo.NoLogo) as refusal:
        draw(data)
    assert refusal.value.reason == reason


# --- The pages of guests ------------------------------------------------------------------------


@pytest.fixture
def with_logo(group):
    Group.objects.update(accent_colour="#aa3300")
    logos.replace(group, draw(picture()))
    return group


@pytest.mark.django_db
def test_guests_see_it_with_the_colour_of_the_group(with_logo, cleo, client):
    page = client.get(f"/i/{cleo.invitation.token}/").content.decode()
    address = f"/i/{cleo.invitation.token}/logo.png"
    assert f'src="{address}?v=' in page
    assert 'width="160"' in page
    assert 'href="/look/aa3300.css"' in page
    answer = client.get(address)
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/png")
    assert "private" in answer["Cache-Control"]
    again = client.get(address, headers={"If-None-Match": answer["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.django_db
def test_a_link_that_has_expired_still_looks_like_the_group(with_logo, client):
    ended = InvitationFactory(group=with_logo, expires_at=timezone.now())
    page = client.get(f"/i/{ended.token}/").content.decode()
    assert "logo.png" in page
    assert "/look/aa3300.css" in page
    assert client.get(f"/i/{ended.token}/logo.png").status_code == 200


@pytest.mark.django_db
def test_a_withdrawn_link_shows_nothing(with_logo, client):
    dead = InvitationFactory(group=with_logo, revoked_at=timezone.now())
    assert client.get(f"/i/{dead.token}/logo.png").status_code == 403
    assert client.get("/i/unknown/logo.png").status_code == 403


@pytest.mark.django_db
def test_a_group_without_a_look_pays_nothing(group, cleo, client):
    page = client.get(f"/i/{cleo.invitation.token}/").content.decode()
    assert "logo" not in page
    assert "/look/" not in page


def test_a_colour_is_a_stylesheet_that_browsers_keep(client, db):
    answer = client.get("/look/aa3300.css")
    assert answer["Content-Type"] == "text/css; charset=utf-8"
    assert "immutable" in answer["Cache-Control"]
    assert "--accent:#aa3300" in answer.content.decode()
    for wrong in ("AA3300", "red", "aa33001", "aa330;"):
        assert client.get(f"/look/{wrong}.css").status_code == 404
