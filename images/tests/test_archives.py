"""A ZIP of photos: what is in it for members and guests, and who gets it."""

from __future__ import annotations

import subprocess

import pytest

from images.tests import archive_reader as reader
from images.tests import drawn_pictures
from images.tests.guest_client import send_as_member

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]

STAGE, CHOIR = drawn_pictures.jpeg(), drawn_pictures.jpeg(seed=2)


@pytest.fixture
def photos(ada, ben, group, signed_in):
    """One of Ada's, one of Ben's."""
    return [
        send_as_member(signed_in(ada), group, STAGE, filename="stage.jpg"),
        send_as_member(signed_in(ben), group, CHOIR, filename="Chör.jpg"),
    ]


@pytest.fixture
def gallery(group):
    group.visibility = "gallery"
    group.save()


def test_members_get_the_originals_in_a_folder_for_each_uploader(photos, ada, group, signed_in):
    client = signed_in(ada)
    answer = client.post(reader.path_of(group))
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert answer.json()["url"] is None
    reader.build(answer.json()["id"])
    shown = client.get(answer["Location"]).json()
    assert (shown["status"], shown["progress"], shown["file_count"]) == ("ready", 1.0, 2)
    assert reader.files_of(shown) == {"Ada/stage.jpg": STAGE, "Ben/Chör.jpg": CHOIR}
    assert shown["byte_size"] == len(reader.content_of(shown))


def test_the_programs_people_use_find_no_fault(photos, ada, group, signed_in, tmp_path):
    path = tmp_path / "photos.zip"
    path.write_bytes(reader.content_of(reader.built(signed_in(ada), group)))
    command = ["unzip", "-t", path]
    tested = subprocess.run(command, capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "No errors detected" in tested.stdout
