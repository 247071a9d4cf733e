"""The upload link as a QR code."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import pytest
import segno
from PIL import Image

pytestmark = pytest.mark.django_db


@pytest.fixture
def qr(invitation):
    return f"/api/v1/invitations/{invitation.pk}/qr/"


def test_it_is_an_svg_unless_asked_otherwise(ada, qr, invitation, signed_in):
    answer = signed_in(ada).get(qr)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "image/svg+xml"
    root = ElementTree.fromstring(answer.content)  # noqa: S314 - our own
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert not re.search(rb"<script|href", answer.content)
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize(
    ("query", "accept", "expected"),
    [
        ("?format=svg", "*/*", "image/svg+xml"),
        ("?format=png", "*/*", "image/png"),
        ("", "image/png", "image/png"),
        ("", "image/svg+xml", "image/svg+xml"),
        ("", "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5", "image/"),
    ],
)
def test_the_caller_chooses(ada, qr, signed_in, query, accept, expected):
    answer = signed_in(ada).get(f"{qr}{query}", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith(expected)


def test_it_says_the_link(ada, qr, invitation, signed_in):
    """Compares each pixel with the QR library's, with its quiet zone."""
    picture = Image.open(io.BytesIO(signed_in(ada).get(f"{qr}?format=png").content)).convert("1")
    matrix = segno.make_qr(invitation.upload_link, error="m").matrix
    module = 8
    assert picture.width == picture.height == (len(matrix) + 8) * module
    for y, row in enumerate(matrix):
        for x, dark in enumerate(row):
            at = ((x + 4) * module + 4, (y + 4) * module + 4)
            assert (picture.getpixel(at) == 0) is bool(dark)


def test_a_kind_nobody_draws_is_refused_in_json(ada, qr, signed_in):
    for answer, status in [
        (signed_in(ada).get(f"{qr}?format=gif"), 404),
        (signed_in(ada).get(qr, headers={"Accept": "text/html"}), 406),
    ]:
        assert answer.status_code == status
        assert answer["Content-Type"] == "application/problem+json"


def test_without_its_key_there_is_no_code(ada, qr, settings, signed_in):
    settings.INVITATION_TOKEN_KEY = "another key, at least 32 characters"
    answer = signed_in(ada).get(qr)
    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/link-lost/"
