"""Announcing files: who may, what is refused, and what happens the second time."""

from __future__ import annotations

import json
import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from bandpics.users import api_keys
from groups.models import Group
from groups.tests.factories import GroupFactory
from images.models import Image, Upload
from images.tests import drawn_pictures
from images.tests.guest_client import Guest, described, put
from invitations.models import Invitation
from invitations.tests.factories import InvitationFactory

pytestmark = pytest.mark.django_db


def test_each_file_gets_a_row_and_a_signed_put(cleo, group):
    answer = cleo.announce(
        described(b"one", filename="a.jpg", client_id="1"),
        described(b"four", filename="b.heic", content_type="image/heic", client_id="2"),
        uploader_name="Cleo K.",
    )

    assert answer.status_code == 201
    first, second = answer.json()["uploads"]
    assert (first["client_id"], second["client_id"]) == ("1", "2")
    assert first["status"] == "pending"
    assert first["upload"]["method"] == "PUT"
    assert first["upload"]["headers"] == {"Content-Type": "image/jpeg"}
    assert f"/incoming/{first['id']}?" in first["upload"]["url"]
    image = Image.objects.get(pk=first["id"])
    assert (image.group, image.uploader_name, image.version) == (group, "Cleo K.", 0)


def test_the_invitations_name_is_the_credit_unless_another_is_given(cleo):
    ticket = cleo.announce_one(b"x")
    assert Image.objects.get(pk=ticket["id"]).uploader_name == "Cleo"


def test_large_files_are_announced_in_parts(cleo, settings):
    size = settings.MULTIPART_THRESHOLD_BYTES + 1
    ticket = cleo.announce_one(b"", size=size)
    assert "upload" not in ticket
    assert ticket["multipart"] == {"part_size": 8 * 1024 * 1024, "part_count": 3}


def test_an_unknown_type_is_signed_as_bytes(cleo):
    """Android often says nothing about HEIC."""
    ticket = cleo.announce_one(b"x", content_type="", filename="IMG_1.HEIC")
    assert ticket["upload"]["headers"] == {"Content-Type": "application/octet-stream"}


# --- No credential, wrong person, closed link -----------------------------------------------


def test_without_a_credential_nobody_announces(client, db):
    answer = client.post("/api/v1/uploads/", {"files": []}, content_type="application/json")
    assert answer.status_code == 401
    assert answer.json()["type"] == "/problems/not-authenticated/"
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "header", ["Invitation", "Invitation x", "Invitation " + "A" * 43, "Invitation ü" + "A" * 42]
)
def test_an_unknown_token_is_refused(client, db, header):
    answer = client.post(
        "/api/v1/uploads/", {}, content_type="application/json", headers={"Authorization": header}
    )
    assert answer.status_code == 403
    assert answer.json()["type"] == "/problems/invitation-unknown/"


def test_an_expired_link_takes_nothing_new(cleo):
    ticket = cleo.announce_one(b"x")
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    answer = cleo.announce(described(b"y"))

    assert answer.status_code == 403
    assert answer.json()["type"] == "/problems/invitation-expired/"
    assert cleo.sign(ticket["id"]).status_code == 200  # what was started may finish
    assert [row["id"] for row in cleo.receipt()] == [ticket["id"]]


@pytest.mark.parametrize(
    ("end", "slug"), [("close", "group-closed"), ("expire", "invitation-expired")]
)
def test_what_broke_off_may_still_finish_and_nothing_new_comes_in(cleo, end, slug):
    data, more = drawn_pictures.jpeg(seed=71), drawn_pictures.jpeg(seed=72)
    by_id = cleo.announce_one(data, client_id="1")
    by_hash = cleo.announce_one(more)
    begun = [described(data, client_id="1"), described(more, client_id="2")]
    stranger = Guest(InvitationFactory(group=cleo.invitation.group))
    past = timezone.now() - timedelta(seconds=1)
    if end == "close":
        Group.objects.update(closes_at=past)
    else:
        Invitation.objects.update(expires_at=past)

    for files in [
        [described(b"new")],
        [*begun, described(b"new")],  # all or nothing
        [described(b"new", client_id="3", sha256="")],
    ]:
        answer = cleo.announce(*files)
        assert answer.status_code == 403
        assert answer.json()["type"] == f"/problems/{slug}/"
    assert stranger.announce(*begun).status_code == 403
    assert Upload.objects.count() == 2

    answer = cleo.announce(*begun)
    assert answer.status_code == 201
    tickets = answer.json()["uploads"]
    assert [ticket["id"] for ticket in tickets] == [by_id["id"], by_hash["id"]]
    for ticket, content in zip(tickets, [data, more], strict=True):
        assert put(ticket["upload"], content).status == 200
        assert cleo.complete(ticket["id"]).status_code == 202
    cleo.invitation.refresh_from_db()
    assert cleo.invitation.used_files == 2


def test_a_revoked_link_takes_and_signs_nothing(cleo):
    ticket = cleo.announce_one(b"x")
    Invitation.objects.update(revoked_at=timezone.now())

    for answer in [
        cleo.announce(described(b"y")),
        cleo.announce(described(b"x")),
        cleo.sign(ticket["id"]),
    ]:
        assert answer.status_code == 403
        assert answer.json()["type"] == "/problems/invitation-revoked/"


def test_a_member_names_the_group(ben, group, signed_in):
    answer = signed_in(ben).post(
        "/api/v1/uploads/", {"group": str(group.pk), "files": [described(b"x")]}
    )
    assert answer.status_code == 201
    image = Image.objects.get(pk=answer.json()["uploads"][0]["id"])
    assert (image.uploaded_by, image.uploader_name) == (ben, "Ben")


def test_a_member_of_no_team_who_names_no_group_is_told(dora, signed_in):
    answer = signed_in(dora).post("/api/v1/uploads/", {"files": [described(b"x")]})
    assert answer.status_code == 403
    assert "Make one first" in answer.json()["detail"]


def test_who_may_add_to_one_group_alone_need_not_name_it(ben, vera, group, signed_in):
    body = {"files": [described(b"x")]}
    ticket = signed_in(ben).post("/api/v1/uploads/", body).json()["uploads"][0]
    assert Image.objects.get(pk=ticket["id"]).group == group
    assert signed_in(vera).post("/api/v1/uploads/", body).status_code == 403  # she only looks


def test_who_may_add_to_several_groups_is_told_their_names(ben, team, group, signed_in):
    body = {"files": [described(b"x")]}
    GroupFactory(team=team, name="Rehearsal")
    answer = signed_in(ben).post("/api/v1/uploads/", body)
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["pointer"]) == (400, "#/group")
    assert f"{group.pk} ({group.name})" in error["detail"]
    assert "(Rehearsal)" in error["detail"]
    for number in range(5):
        GroupFactory(team=team, name=f"Evening {number} {'long ' * 20}")
    (error,) = signed_in(ben).post("/api/v1/uploads/", body).json()["errors"]
    assert error["detail"].count("Evening") == 5  # the newest
    assert "others, listed at /api/v1/groups/" in error["detail"]
    assert not Upload.objects.exists()


def test_a_key_for_one_group_need_not_name_it(ben, team, group):
    GroupFactory(team=team)
    _, text = api_keys.issue(ben, name="one", scopes=["upload"], group_ids=[group.pk])
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {text}")
    ticket = client.post("/api/v1/uploads/", {"files": [described(b"x")]}).json()["uploads"][0]
    assert Image.objects.get(pk=ticket["id"]).group == group


def test_a_stranger_gets_404_and_a_viewer_403(dora, vera, group, signed_in):
    body = {"group": str(group.pk), "files": [described(b"x")]}
    assert signed_in(dora).post("/api/v1/uploads/", body).status_code == 404
    assert signed_in(vera).post("/api/v1/uploads/", body).status_code == 403


def test_a_link_is_for_its_own_group_only(cleo, group):
    other = InvitationFactory().group
    answer = cleo.announce(described(b"x"), group=str(other.pk))
    assert Image.objects.get(pk=answer.json()["uploads"][0]["id"]).group == group


# --- Bad input ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, -1, 2**63, "NaN", None, 250 * 1024 * 1024 + 1, 1.5, "1e3"])
def test_an_impossible_size_is_refused_with_a_pointer(cleo, size):
    answer = cleo.announce(described(b"fine"), described(b"x", size=size))
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "#/files/1/size"
    assert not Upload.objects.exists()  # all or nothing


def test_too_large_names_the_limit(cleo):
    answer = cleo.announce(described(b"", size=300 * 1024 * 1024))
    assert answer.json()["errors"][0]["code"] == "too-large"
    assert "250 MB" in answer.json()["detail"]


@pytest.mark.parametrize(
    "content_type", ["application/pdf", "text/html", "image/svg+xml", "video/mp4"]
)
def test_what_is_no_photo_is_refused_before_it_is_sent(cleo, content_type):
    answer = cleo.announce(described(b"x", content_type=content_type))
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "unsupported-type"


@pytest.mark.parametrize("files", [[], None, "x", {}, [1], [described(b"x")] * 101])
def test_a_batch_has_1_to_100_files(cleo, files):
    answer = cleo.client.post("/api/v1/uploads/", {"files": files})
    assert answer.status_code == 400, answer.json()
    assert answer.json()["errors"][0]["pointer"].startswith("#/files")


@pytest.mark.parametrize("number", ["9" * 5000, "-" + "9" * 5000, "0." + "9" * 5000])
def test_a_number_of_thousands_of_digits_is_refused_in_our_words(cleo, number):
    answer = cleo.client.post(
        "/api/v1/uploads/", f'{{"files": [{{"size": {number}}}]}}', content_type="application/json"
    )
    assert answer.status_code == 400
    assert "a number of more than 1000 digits" in answer.json()["detail"]
    assert "sys" not in answer.json()["detail"]


def test_json_that_cannot_be_read_is_a_problem_too(cleo):
    answer = cleo.client.post("/api/v1/uploads/", "{nonsense", content_type="application/json")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "C:\\x",
        "a\r\nSet-Cookie: x",
        '"; x="',
        "IMG\u202egpj.exe",
        "😀" * 300,
        "e\u0301.jpg",
        "-rf",
        "CON",
    ],
)
def test_any_name_is_only_a_caption(cleo, name):
    ticket = cleo.announce_one(b"x", filename=name)
    stored = Image.objects.get(pk=ticket["id"]).original_filename
    assert stored == name[:255]
    assert f"/incoming/{ticket['id']}?" in ticket["upload"]["url"]


def test_half_a_surrogate_pair_in_a_name_is_refused_not_a_crash(cleo):
    body = json.dumps({"files": [described(b"x", filename="\ud800.jpg")]})
    answer = cleo.client.post("/api/v1/uploads/", body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "#/files/0/filename"


def test_a_nul_in_a_name_is_refused_not_a_crash(cleo):
    answer = cleo.announce(described(b"x", filename="a\0b.jpg"))
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "#/files/0/filename"


def test_a_client_cannot_choose_id_key_or_status(cleo):
    file = described(b"x", id="0" * 32, key="evil", status="done", version=9)
    answer = cleo.announce(file)
    assert answer.status_code == 400
    assert [each["pointer"] for each in answer.json()["errors"]] == [
        f"#/files/0/{name}" for name in ("id", "key", "status", "version")
    ]
    assert not Upload.objects.exists()


# --- Again ----------------------------------------------------------------------------------


def test_announcing_the_same_client_id_again_finds_the_same_upload(cleo):
    first = cleo.announce_one(b"x", client_id="tab-1")
    again = cleo.announce_one(b"x", client_id="tab-1")
    assert again["id"] == first["id"]
    assert "url" in again["upload"]
    assert Upload.objects.count() == 1


def test_picking_the_same_bytes_again_resumes_the_same_upload(cleo):
    first = cleo.announce_one(b"x", client_id="before-reload")
    again = cleo.announce_one(b"x", client_id="after-reload")
    assert again["id"] == first["id"]


def test_the_same_file_twice_in_one_batch_is_one_upload(cleo):
    answer = cleo.announce(described(b"x"), described(b"x", filename="copy.jpg"))
    first, second = answer.json()["uploads"]
    assert first["id"] == second["id"]
    assert Upload.objects.count() == 1
    assert Invitation.objects.get().used_files == 1


def test_a_declared_hash_tells_nothing_about_other_peoples_photos(cleo, group):
    cleo.announce_one(b"x")
    other = Guest(InvitationFactory(group=group))
    ticket = other.announce_one(b"x")
    assert ticket["status"] == "pending"
    assert "duplicate_of" not in ticket
    assert Upload.objects.count() == 2


def test_a_discarded_upload_is_not_found_by_its_hash(cleo):
    first = cleo.announce_one(b"x")
    assert cleo.client.delete(f"/api/v1/uploads/{first['id']}/").status_code == 204
    assert cleo.announce_one(b"x")["id"] != first["id"]


def test_the_same_client_id_in_two_groups_is_two_photos(ben, group, signed_in):
    other = GroupFactory(team=group.team)
    client = signed_in(ben)
    for each in [group, other]:
        body = {"group": str(each.pk), "files": [described(b"x", client_id="same")]}
        assert client.post("/api/v1/uploads/", body).status_code == 201
    assert Upload.objects.count() == 2


def test_who_left_the_team_is_done_with_it(ben, group, signed_in):
    client = signed_in(ben)
    body = {"group": str(group.pk), "files": [described(b"x")]}
    ticket = client.post("/api/v1/uploads/", body).json()["uploads"][0]
    ben.memberships.all().delete()
    assert client.get("/api/v1/uploads/").json()["results"] == []
    assert client.post(f"/api/v1/uploads/{ticket['id']}/complete/").status_code == 404


# --- Quota ----------------------------------------------------------------------------------


def test_a_full_link_refuses_and_reserves_nothing(group):
    invitation = InvitationFactory(group=group, max_files=2, max_bytes=10)
    cleo = Guest(invitation)
    assert cleo.announce(described(b"1"), described(b"2"), described(b"3")).status_code == 403
    assert cleo.announce(described(b"12345678901")).status_code == 403
    assert cleo.announce(described(b"1"), described(b"2")).status_code == 201
    answer = cleo.announce(described(b"3"))
    assert answer.json()["type"] == "/problems/invitation-exhausted/"
    invitation.refresh_from_db()
    assert (invitation.used_files, invitation.used_bytes) == (2, 2)


def test_announcing_again_costs_no_quota(group):
    cleo = Guest(InvitationFactory(group=group, max_files=1))
    assert cleo.announce(described(b"1")).status_code == 201
    assert cleo.announce(described(b"1")).status_code == 201


def test_cancelling_returns_the_quota_once(cleo, invitation):
    ticket = cleo.announce_one(b"12345")
    for _ in range(2):
        assert cleo.client.delete(f"/api/v1/uploads/{ticket['id']}/").status_code == 204
    invitation.refresh_from_db()
    assert (invitation.used_files, invitation.used_bytes) == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_guests_racing_for_the_last_place_get_it_once(group):
    cleo = Guest(InvitationFactory(group=group, max_files=5))
    codes = []

    def race(number: int) -> None:
        codes.append(cleo.announce(described(b"%d" % number)).status_code)
        connection.close()

    threads = [threading.Thread(target=race, args=[number]) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [201] * 5 + [403] * 7


@pytest.mark.django_db(transaction=True)
def test_two_tabs_announcing_one_client_id_at_once_make_one_row(cleo):
    ids = []

    def race() -> None:
        ids.append(cleo.announce_one(b"x", client_id="same", sha256="")["id"])
        connection.close()

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8
    assert len(set(ids)) == 1


# --- Shared links ---------------------------------------------------------------------------


def test_a_shared_link_shows_each_device_its_own(group):
    invitation = InvitationFactory(group=group, kind="shared", email="")
    cleo, dan = Guest(invitation, device="c" * 32), Guest(invitation, device="d" * 32)
    ticket = cleo.announce_one(b"x")
    assert [row["id"] for row in cleo.receipt()] == [ticket["id"]]
    assert dan.receipt() == []
    assert dan.sign(ticket["id"]).status_code == 404


def test_a_shared_links_label_is_nobodys_name(group):
    invitation = InvitationFactory(group=group, kind="shared", email="", name="QR on the wall")
    ticket = Guest(invitation).announce_one(b"x")
    assert Image.objects.get(pk=ticket["id"]).uploader_name == ""


@pytest.mark.parametrize("device", ["x", "f" * 31, "f" * 33, "g" * 32, "f" * 31 + "\u00e9"])
def test_a_device_of_a_wrong_form_is_no_device_and_told_so(group, device):
    invitation = InvitationFactory(group=group, kind="shared", email="")
    answer = Guest(invitation, device=device).announce(described(b"x"))
    assert answer.status_code == 400
    assert answer.json()["type"] == "/problems/device-invalid/"
    assert "32 random hex digits" in answer.json()["detail"]
    assert not Upload.objects.exists()


def test_a_shared_link_without_a_device_lists_nothing(group):
    nobody = Guest(InvitationFactory(group=group, kind="shared", email=""), device="")
    ticket = nobody.announce_one(b"x")
    assert nobody.receipt() == []
    assert nobody.sign(ticket["id"]).status_code == 200  # who knows the id announced it


def test_strangers_without_a_device_may_use_the_same_client_id(group):
    invitation = InvitationFactory(group=group, kind="shared", email="")
    first = Guest(invitation, device="").announce_one(b"x", client_id="1")
    second = Guest(invitation, device="").announce_one(b"yy", client_id="1")
    assert first["id"] != second["id"]
    assert set(Upload.objects.values_list("client_id", flat=True)) == {None}


def test_strangers_without_a_device_get_no_ticket_of_another_for_the_same_bytes(group):
    invitation = InvitationFactory(group=group, kind="shared", email="")
    nobody = Guest(invitation, device="")
    first = nobody.announce_one(b"the same photo")
    second = nobody.announce_one(b"the same photo")
    assert first["id"] != second["id"]
    assert "duplicate_of" not in second
    assert second["upload"]["url"] != first["upload"]["url"]
    # One who can be told from others is told what they sent before.
    known = Guest(invitation)
    again = [known.announce_one(b"the same photo")["id"] for _ in range(2)]
    assert again[0] == again[1] not in (first["id"], second["id"])


def test_the_device_secret_is_stored_only_as_a_hash(group):
    cleo = Guest(InvitationFactory(group=group, kind="shared", email=""))
    ticket = cleo.announce_one(b"x")
    assert cleo.device not in Upload.objects.get(pk=ticket["id"]).uploader_key
