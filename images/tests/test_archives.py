"""A ZIP of photos: what is in it for members and guests, and who gets it."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from uuid import uuid4

import pytest
import urllib3
from django.utils import timezone
from rest_framework.test import APIClient

from bandpics.testing.matrix import few
from bandpics.users import api_keys
from groups.tests.factories import GroupFactory
from images.archives import building, ordering
from images.lifecycle import editing, forget_location
from images.models import Archive, ArchiveOrder, Image
from images.storage.objects import photo_storage
from images.tests import archive_reader as reader
from images.tests import bulk_rows, drawn_pictures, stored_photos
from images.tests.guest_client import Guest, get, send_as_member
from invitations.models import Invitation, OutgoingMail
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]

STAGE, CHOIR = drawn_pictures.jpeg(), drawn_pictures.jpeg(seed=2)


@pytest.fixture
def photos(ada, ben, group, signed_in):
    """One of Ada's, one of Ben's."""
    return [
        stored_photos.by_member(ada, group, STAGE, filename="stage.jpg"),
        stored_photos.by_member(ben, group, CHOIR, filename="Chör.jpg"),
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
    reader.assert_no_fault(path, by="unzip")


@pytest.mark.long
def test_7z_finds_no_fault(photos, ada, group, signed_in, tmp_path):
    path = tmp_path / "photos.zip"
    path.write_bytes(reader.content_of(reader.built(signed_in(ada), group)))
    reader.assert_no_fault(path, by="7z")


@pytest.mark.usefixtures("gallery")
def test_guests_get_the_largest_size_of_what_was_approved(photos, group, cleo):
    waiting = cleo.send_and_process(drawn_pictures.jpeg(seed=3), filename="secret-name.jpg")
    assert waiting.moderation == "pending"
    shown = reader.built(cleo.client, group)
    stored = {
        image.uploader_name: get(photo_storage().presign_get(row.key, content_type="image/jpeg"))
        for image in photos
        if (row := image.variants.get(name="fullsize"))
    }
    assert reader.files_of(shown) == {
        f"{name}/photo.jpg": answer.data for name, answer in stored.items()
    }


@pytest.mark.usefixtures("gallery")
def test_guests_learn_no_place_and_no_filename(ada, group, signed_in, cleo):
    data = drawn_pictures.jpeg(lat=48.208174, lon=16.4)
    send_as_member(signed_in(ada), group, data, filename="at-home.jpg")
    shown = reader.built(cleo.client, group)
    (line,) = reader.manifest_of(shown)
    assert set(line) == {
        *("file", "sha256", "uploader", "taken_at", "caption", "description", "note")
    }
    content = reader.content_of(shown)
    assert b"at-home" not in content
    assert b"48.208" not in content


def test_a_guest_who_sees_no_gallery_gets_nothing(photos, group, cleo):
    assert cleo.client.post(reader.path_of(group)).status_code == 404
    group.visibility, group.reveal_at = "gallery", timezone.now() + timedelta(hours=1)
    group.save()
    assert cleo.client.post(reader.path_of(group)).status_code == 404
    group.reveal_at = None
    group.save()
    assert cleo.client.post(reader.path_of(group)).status_code == 202
    other = Guest(InvitationFactory(group__visibility="gallery"))
    assert other.client.post(reader.path_of(group)).status_code == 404


@pytest.mark.usefixtures("gallery")
def test_whoever_is_shown_the_gallery_no_longer_gets_no_address(photos, group, cleo):
    path = f"{reader.path_of(group)}{reader.built(cleo.client, group)['id']}/"
    assert cleo.client.get(path).json()["url"]
    Invitation.objects.filter(pk=cleo.invitation.pk).update(visibility="own")
    assert cleo.client.get(path).status_code == 404
    Invitation.objects.filter(pk=cleo.invitation.pk).update(
        visibility="", revoked_at=timezone.now()
    )
    assert cleo.client.get(path).status_code in {401, 403}


def test_the_manifest_says_what_is_known(photos, ada, group, signed_in):
    Image.objects.filter(pk=photos[0].pk).update(
        caption="=HYPERLINK(1)", latitude=-33.5, longitude=151.25
    )
    lines = {
        line["uploader"]: line for line in reader.manifest_of(reader.built(signed_in(ada), group))
    }
    line = lines["Ada"]
    assert line["file"] == "Ada/stage.jpg"
    assert line["sha256"] == hashlib.sha256(STAGE).hexdigest()
    assert line["caption"] == "'=HYPERLINK(1)"
    assert (line["latitude"], line["longitude"]) == ("-33.5000000", "151.2500000")
    assert line["moderation"] == "approved"
    assert lines["Ben"]["original_filename"] == "Chör.jpg"


def test_files_have_the_time_at_which_they_were_taken(ada, group, signed_in):
    data = drawn_pictures.jpeg(taken_at="2026:06:21 21:04:32")
    image = send_as_member(signed_in(ada), group, data)
    assert image.taken_at_local
    with reader.opened(reader.built(signed_in(ada), group)) as file:
        assert file.infolist()[0].date_time == (2026, 6, 21, 21, 4, 32)


@pytest.mark.parametrize("is_lost", [True, False])
def test_where_the_original_is_gone_the_largest_size_is_in_it(
    is_lost, photos, ada, group, signed_in
):
    moment = timezone.now()
    photo_storage().delete_keys([photos[0].original_key])
    Image.objects.filter(pk=photos[0].pk).update(
        original_dropped_at=moment, original_lost_at=moment if is_lost else None
    )
    shown = reader.built(signed_in(ada), group)
    line = next(each for each in reader.manifest_of(shown) if each["uploader"] == "Ada")
    assert ("has lost" if is_lost else "was removed") in line["note"]
    content = reader.files_of(shown)[line["file"]]
    assert line["sha256"] == hashlib.sha256(content).hexdigest()
    assert len(content) == photos[0].variants.get(name="fullsize").byte_size


def test_a_photo_that_the_store_has_lost_is_a_line_and_no_failure(photos, ada, group, signed_in):
    photo_storage().delete_keys([photos[1].original_key])
    shown = reader.built(signed_in(ada), group)
    assert (shown["status"], shown["file_count"]) == ("ready", 1)
    assert reader.files_of(shown) == {"Ada/stage.jpg": STAGE}
    lines = {line["uploader"]: line for line in reader.manifest_of(shown)}
    assert lines["Ben"]["file"] == lines["Ben"]["sha256"] == ""
    assert "does not have" in lines["Ben"]["note"]


def test_an_original_without_its_place_is_in_it_as_it_is_now(ada, group, signed_in):
    data = drawn_pictures.jpeg(lat=48.2, lon=16.4)
    image = send_as_member(signed_in(ada), group, data, filename="x.jpg")
    forget_location.forget(image.pk)
    shown = reader.built(signed_in(ada), group)
    (content,) = reader.files_of(shown).values()
    assert (
        content
        == get(photo_storage().presign_get(image.original_key, content_type="image/jpeg")).data
    )
    assert content != data
    (line,) = reader.manifest_of(shown)
    assert line["sha256"] == hashlib.sha256(content).hexdigest()
    assert line["latitude"] == ""


# --- What was asked for ---------------------------------------------------------------------


def test_some_photos_or_those_of_one_uploader(photos, ada, group, signed_in):
    some = reader.built(signed_in(ada), group, what={"images": [str(photos[1].pk)]})
    assert set(reader.files_of(some)) == {"Ben/Chör.jpg"}
    assert some["what"] == "images"
    of_one = reader.built(signed_in(ada), group, what={"uploader": "ada"})
    assert set(reader.files_of(of_one)) == {"Ada/stage.jpg"}


def test_what_is_new_since_my_last_download(photos, ada, ben, group, signed_in):
    client, what = signed_in(ada), {"since_last_download": True}
    first = reader.built(client, group, what=what)
    assert first["file_count"] == 2
    answer = client.get(f"{reader.path_of(group)}{first['id']}/download/")
    assert answer.status_code == 302
    assert get(answer["Location"]).data == reader.content_of(first)
    assert client.post(reader.path_of(group), {"what": what}).json()["type"] == (
        "/problems/nothing-to-download/"
    )
    send_as_member(signed_in(ben), group, drawn_pictures.jpeg(seed=9), filename="late.jpg")
    assert set(reader.files_of(reader.built(client, group, what=what))) == {"Ben/late.jpg"}
    # Ben has downloaded nothing yet.
    assert reader.built(signed_in(ben), group, what=what)["file_count"] == 3


@pytest.mark.parametrize(
    ("what", "status"),
    few(
        [
            ({"images": []}, 400),
            ({"images": ["x"]}, 400),
            ({"images": [str(number) for number in range(5001)]}, 400),
            ({"uploader": "Ada", "since_last_download": True}, 400),
            ({"uploader": "Nobody"}, 409),
            ({"uploaders": "Ada"}, 400),
            ({"images": ["01234567-89ab-7def-8123-456789abcdef"]}, 404),
        ],
        3,
    ),
)
def test_what_makes_no_sense_is_refused(what, status, photos, ada, group, signed_in):
    answer = signed_in(ada).post(reader.path_of(group), {"what": what})
    assert answer.status_code == status, answer.json()
    assert not Archive.objects.exists()


def test_photos_of_other_groups_are_named_and_refused(photos, ada, group, team, signed_in):
    other = bulk_rows.photo(GroupFactory(team=team))
    asked = {"what": {"images": [str(photos[0].pk), str(other.pk)]}}
    answer = signed_in(ada).post(reader.path_of(group), asked)
    assert [each["pointer"] for each in answer.json()["errors"]] == ["#/what/images/1"]


# --- Sharing, and what one may have ---------------------------------------------------------


def test_who_orders_the_same_shares_it_and_sees_only_own_orders(photos, ada, ben, group, signed_in):
    first = reader.built(signed_in(ada), group)
    path = f"{reader.path_of(group)}{first['id']}/"
    assert signed_in(ben).get(path).status_code == 404
    answer = signed_in(ben).post(reader.path_of(group))
    assert (answer.status_code, answer.json()["id"]) == (200, first["id"])
    assert answer.json()["url"]
    assert signed_in(ben).get(path).status_code == 200
    assert signed_in(ben).get(reader.path_of(group)).json()["count"] == 1
    assert Archive.objects.count() == 1


@pytest.mark.usefixtures("gallery")
def test_who_is_not_known_gets_what_they_ordered_and_no_list(photos, group):
    """Many phones without a secret hold one link: nobody can tell them apart."""
    link = InvitationFactory(group=group, kind="shared", email="")
    phone, other, known = Guest(link, device=""), Guest(link, device=""), Guest(link)
    shown = reader.built(phone.client, group)
    assert shown["status"] == "ready"
    assert phone.client.get(shown["download_url"]).status_code == 302
    assert other.client.get(reader.path_of(group)).json()["count"] == 0
    assert other.client.get(f"{reader.path_of(group)}{uuid4()}/").status_code == 404
    # Another who orders the same is not told that somebody has downloaded it.
    assert reader.ordered(other.client, group)["downloaded_at"] is None
    # Whoever is known has a list of their own, without what those ordered.
    path = f"{reader.path_of(group)}{shown['id']}/"
    assert known.client.get(path).status_code == 404
    assert known.client.get(reader.path_of(group)).json()["count"] == 0


@pytest.mark.usefixtures("gallery")
def test_guests_do_not_share_the_archives_of_members(photos, ada, group, signed_in, cleo):
    mine = reader.built(signed_in(ada), group)
    theirs = reader.built(cleo.client, group)
    assert theirs["id"] != mine["id"]
    assert cleo.client.get(f"{reader.path_of(group)}{mine['id']}/").status_code == 404


def test_another_caption_makes_another_archive(photos, ada, group, signed_in):
    first = reader.built(signed_in(ada), group)
    editing.change(photos[0], {"caption": "The choir"}, expected={})
    assert reader.built(signed_in(ada), group)["id"] != first["id"]


def test_a_team_has_room_for_so_much(photos, ada, group, signed_in, settings):
    needed = reader.ordered(signed_in(ada), group)["byte_size"]
    settings.ARCHIVE_MAX_BYTES_PER_TEAM = needed + 100
    answer = signed_in(ada).post(reader.path_of(group), {"what": {"uploader": "Ada"}})
    assert (answer.status_code, answer.json()["type"]) == (
        *(409, "/problems/archive-quota-exceeded/"),
    )
    assert answer.json()["used"] == needed
    assert answer.json()["limit"] == needed + 100
    # What is there already is given to whoever orders the same.
    assert signed_in(ada).post(reader.path_of(group)).status_code == 202


@pytest.mark.usefixtures("gallery")
def test_guests_leave_the_hosts_half_of_the_room(photos, ada, group, signed_in, cleo, settings):
    needed = reader.ordered(cleo.client, group)["byte_size"]
    Archive.objects.all().delete()
    settings.ARCHIVE_MAX_BYTES_PER_TEAM = needed * 2 - 1
    assert cleo.client.post(reader.path_of(group)).status_code == 409


def test_one_person_has_some_waiting_and_no_more(photos, ada, group, signed_in, monkeypatch):
    monkeypatch.setattr(ordering, "WAITING_AT_MOST", 1)
    assert signed_in(ada).post(reader.path_of(group)).status_code == 202
    answer = signed_in(ada).post(reader.path_of(group), {"what": {"uploader": "Ada"}})
    assert (answer.status_code, answer["Retry-After"]) == (429, "30")


def test_a_key_that_may_only_read_may_download(photos, ada, group):
    _, key = api_keys.issue(ada, name="reader", scopes=["read"])
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {key}")
    assert client.post(reader.path_of(group)).status_code == 202


def test_who_wants_a_mail_gets_one_when_it_is_ready(photos, ada, ben, group, signed_in, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    archive_id = reader.ordered(signed_in(ada), group, mail=True)["id"]
    reader.ordered(signed_in(ben), group)
    assert not OutgoingMail.objects.exists()
    reader.build(archive_id)
    mail = OutgoingMail.objects.get()
    assert (mail.kind, mail.recipient) == ("archive", ada)
    assert mail.details["photo_count"] == 2
    assert mail.details["path"] == f"/groups/{group.pk}/download/"


def test_a_download_that_was_cut_goes_on_where_it_stopped(photos, ada, group, signed_in):
    shown = reader.built(signed_in(ada), group)
    content = reader.content_of(shown)
    half = len(content) // 2
    rest = urllib3.request("GET", shown["url"], headers={"Range": f"bytes={half}-"})
    # S3 says 206; the store of the tests says 200 to every range.
    assert rest.status in {200, 206}
    assert rest.headers["Content-Range"] == f"bytes {half}-{len(content) - 1}/{len(content)}"
    assert content[:half] + rest.data == content
    assert rest.headers["Content-Disposition"].startswith('attachment; filename="Summer concert')


def test_a_download_before_it_is_ready_waits(photos, ada, group, signed_in):
    archive_id = reader.ordered(signed_in(ada), group)["id"]
    path = f"{reader.path_of(group)}{archive_id}/"
    assert signed_in(ada).get(path)["Retry-After"] == "2"
    answer = signed_in(ada).get(f"{path}download/")
    assert (answer.status_code, answer["Retry-After"]) == (409, "5")
    assert ArchiveOrder.objects.get().downloaded_at is None


def test_a_large_photo_is_as_it_was_sent(photos, ada, group, signed_in, monkeypatch):
    """Where it spans more than two parts, it is read twice."""
    monkeypatch.setattr(building, "PART_BYTES", min(len(STAGE), len(CHOIR)) // 3)
    assert reader.files_of(reader.built(signed_in(ada), group)) == {
        "Ada/stage.jpg": STAGE,
        "Ben/Chör.jpg": CHOIR,
    }


def test_the_numbers_of_a_group_count_its_archives(photos, ada, group, signed_in):
    shown = reader.built(signed_in(ada), group)
    numbers = signed_in(ada).get("/api/v1/stats/").json()["bytes"]
    assert numbers["archives"] == shown["byte_size"]
