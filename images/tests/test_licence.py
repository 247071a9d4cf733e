"""The sentence that guests agree to: asked when they send, and kept with each photo."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from rest_framework.test import APIClient

from groups import editing
from groups.models import Group, Licence
from groups.tests.factories import GroupFactory
from images import tasks
from images.lifecycle import sweeper, trash
from images.models import Image
from images.tests import drawn_pictures
from images.tests.guest_client import Guest, described, put, send_as_member
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]
WORDS = "You may print my photos."


@pytest.fixture
def asked(group, cleo):
    """The group asks for agreement; Cleo's link knows."""
    return ask(group, cleo)


def ask(group, *guests, text=WORDS):
    editing.change(group, {"licence": {"kind": "own", "text": text}})
    for guest in guests:
        guest.invitation.refresh_from_db()
    return Group.objects.get(pk=group.pk).licence


def send(guest, data, **more):
    """Announces with more in the body, sends and processes."""
    answer = guest.announce(described(data), **more)
    assert answer.status_code == 201, answer.json()
    (ticket,) = answer.json()["uploads"]
    if "upload" in ticket:
        put(ticket["upload"], data)
        guest.complete(ticket["id"])
        tasks.process_upload(ticket["id"])
    return Image.objects.get(pk=ticket["id"])


# --- Asked and kept -----------------------------------------------------------------------------


def test_what_was_agreed_to_is_kept_with_each_photo(asked, cleo):
    with_licence = send(cleo, drawn_pictures.jpeg(seed=1), licence=asked.number)
    without = send(cleo, drawn_pictures.jpeg(seed=2))
    assert (with_licence.licence, without.licence) == (asked, None)
    said = cleo.client.get(f"/api/v1/images/{with_licence.pk}/").json()["licence"]
    assert (said["number"], said["text"]) == (1, WORDS)
    assert said["agreed_at"]
    rows = {row["id"]: row for row in cleo.client.get("/api/v1/images/").json()["results"]}
    assert rows[str(with_licence.pk)]["licence"] == said
    assert rows[str(without.pk)]["licence"] is None


def test_photos_keep_the_words_of_then(asked, group, cleo):
    image = send(cleo, drawn_pictures.jpeg(), licence=1)
    ask(group, text="You may do anything.")
    said = cleo.client.get(f"/api/v1/images/{image.pk}/").json()["licence"]
    assert (said["number"], said["text"]) == (1, WORDS)


def test_a_sentence_that_changed_is_shown_anew(asked, group, cleo):
    now = ask(group, cleo, text="You may do anything.")
    answer = cleo.announce(described(drawn_pictures.jpeg()), licence=1)
    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/licence-changed/"
    assert answer.json()["licence"] == {
        "number": now.number,
        "kind": "own",
        "text": "You may do anything.",
    }
    assert not Image.objects.exists()
    editing.change(group, {"licence": None})
    answer = cleo.announce(described(drawn_pictures.jpeg()), licence=1)
    assert (answer.status_code, answer.json()["licence"]) == (409, None)


@pytest.mark.parametrize("number", [0, -1, 2**31, "x", True, [1]])
def test_numbers_are_numbers(asked, cleo, number):
    answer = cleo.announce(described(drawn_pictures.jpeg()), licence=number)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "#/licence"


def test_a_form_and_json_ask_alike(asked, cleo):
    photo = SimpleUploadedFile("a.jpg", drawn_pictures.jpeg(), "image/jpeg")
    taken = cleo.client.post("/api/v1/images/", {"file": photo, "licence": "1"}, format="multipart")
    assert taken.status_code == 202, taken.json()
    assert Image.objects.get(pk=taken.json()["id"]).licence == asked
    photo = SimpleUploadedFile("b.jpg", drawn_pictures.jpeg(seed=2), "image/jpeg")
    old = cleo.client.post("/api/v1/images/", {"file": photo, "licence": "7"}, format="multipart")
    assert (old.status_code, old.json()["type"]) == (409, "/problems/licence-changed/")


def test_members_agree_only_if_they_say_so(asked, group, ben, signed_in):
    assert send_as_member(signed_in(ben), group, drawn_pictures.jpeg(seed=1)).licence is None
    body = {
        "group": str(group.pk),
        "files": [described(drawn_pictures.jpeg(seed=2))],
        "licence": asked.number,
    }
    (ticket,) = signed_in(ben).post("/api/v1/uploads/", body).json()["uploads"]
    assert Image.objects.get(pk=ticket["id"]).licence == asked


def test_agreeing_later_counts_for_the_photo_that_is_here(asked, cleo):
    data = drawn_pictures.jpeg()
    image = send(cleo, data)
    assert send(cleo, data, licence=asked.number).pk == image.pk
    image.refresh_from_db()
    first = image.licence_agreed_at
    assert image.licence == asked
    send(cleo, data, licence=asked.number)
    image.refresh_from_db()
    assert image.licence_agreed_at == first


def test_so_does_a_copy_that_is_known_only_by_its_bytes(asked, group, cleo):
    data = drawn_pictures.jpeg()
    image = send(cleo, data)
    theirs = Guest(InvitationFactory(group=group))
    for guest, expected in [(theirs, None), (cleo, asked)]:
        answer = guest.announce(described(data, sha256=""), licence=asked.number)
        (ticket,) = answer.json()["uploads"]
        put(ticket["upload"], data)
        guest.complete(ticket["id"])
        tasks.process_upload(ticket["id"])
        image.refresh_from_db()
        assert image.licence == expected


# --- Who sees it --------------------------------------------------------------------------------


def test_it_can_be_asked_for(asked, group, cleo, ada, signed_in):
    agreed = send(cleo, drawn_pictures.jpeg(seed=1), licence=1)
    other = send(cleo, drawn_pictures.jpeg(seed=2))
    for client in (signed_in(ada), cleo.client):
        for wanted, image in [("true", agreed), ("false", other)]:
            answer = client.get(f"/api/v1/images/?may_be_published={wanted}")
            assert [row["id"] for row in answer.json()["results"]] == [str(image.pk)]
    assert signed_in(ada).get("/api/v1/images/?may_be_published=yes").status_code == 400


def test_other_guests_learn_nothing(asked, group, cleo):
    image = send(cleo, drawn_pictures.jpeg(), licence=1)
    editing.change(group, {"visibility": "gallery"})
    Image.objects.update(moderation="approved")
    gus = Guest(InvitationFactory(group=group))
    assert gus.client.get(f"/api/v1/images/{image.pk}/").json()["licence"] is None
    assert gus.client.get("/api/v1/images/?may_be_published=true").json()["results"] == []
    rows = gus.client.get("/api/v1/images/?may_be_published=false").json()["results"]
    assert [(row["id"], row["licence"]) for row in rows] == [(str(image.pk), None)]


def test_members_read_it_on_the_page_of_the_photo(asked, cleo, vera, signed_in):
    image = send(cleo, drawn_pictures.jpeg(), licence=1)
    page = signed_in(vera).get(f"/images/{image.pk}/").content.decode()
    assert "May be published" in page
    assert WORDS in page


# --- What becomes of it -------------------------------------------------------------------------


def test_a_photo_that_is_moved_keeps_it(asked, team, cleo, ada, signed_in):
    image = send(cleo, drawn_pictures.jpeg(), licence=1)
    other = GroupFactory(team=team)
    ask(other, text="Another sentence.")
    answer = signed_in(ada).patch(f"/api/v1/images/{image.pk}/", {"group": str(other.pk)})
    assert answer.status_code == 200
    assert answer.json()["licence"]["text"] == WORDS


def test_a_photo_that_is_replaced_keeps_it(asked, cleo, ada, signed_in):
    image = send(cleo, drawn_pictures.jpeg(seed=1), licence=1)
    photo = SimpleUploadedFile("b.jpg", drawn_pictures.jpeg(seed=2), "image/jpeg")
    path = f"/api/v1/images/{image.pk}/file/"
    taken = signed_in(ada).patch(path, {"file": photo}, format="multipart")
    tasks.process_upload(taken.json()["upload"])
    image.refresh_from_db()
    assert (image.version, image.licence) == (2, asked)


def test_a_photo_that_is_restored_keeps_it(asked, cleo, ada, signed_in):
    image = send(cleo, drawn_pictures.jpeg(), licence=1)
    client, path = signed_in(ada), f"/api/v1/images/{image.pk}/"
    client.delete(path)
    assert client.post(f"{path}restore/").json()["licence"]["number"] == 1


def test_a_purged_group_leaves_the_sentences_that_photos_elsewhere_need(
    asked, group, team, cleo, ada, signed_in
):
    moved = send(cleo, drawn_pictures.jpeg(seed=1), licence=1)
    ask(group, cleo, text="Another sentence.")
    send(cleo, drawn_pictures.jpeg(seed=2), licence=2)
    other = GroupFactory(team=team)
    signed_in(ada).patch(f"/api/v1/images/{moved.pk}/", {"group": str(other.pk)})
    overdue = timezone.now() - settings.TRASH_LIFETIME - timedelta(days=1)
    Group.objects.filter(pk=group.pk).update(trashed_at=overdue)
    for image_id in trash.ids_to_purge(10):
        trash.purge(image_id)
    sweeper.sweep()
    assert not Group.objects.filter(pk=group.pk).exists()
    assert list(Licence.objects.values_list("text", flat=True)) == [WORDS]
    moved.refresh_from_db()
    assert (moved.licence.group, moved.licence.text) == (None, WORDS)
    said = signed_in(ada).get(f"/api/v1/images/{moved.pk}/").json()["licence"]
    assert said["text"] == WORDS


# --- The page of the link -----------------------------------------------------------------------


def page_of(guest):
    return f"/i/{guest.invitation.token}/"


def test_the_page_asks_beside_a_box_that_is_not_ticked(asked, cleo, client):
    page = client.get(page_of(cleo)).content.decode()
    assert WORDS in page
    box = page[page.index('id="licence"') - 60 : page.index('id="licence"') + 200]
    assert 'value="1"' in box
    assert "checked" not in box


def test_the_standard_sentence_is_read_in_the_guests_language(group, cleo, client):
    editing.change(group, {"licence": {"kind": "show"}})
    page = client.get(page_of(cleo)).content.decode()
    assert "The Band may show my photos in public" in page


def test_a_page_that_asks_for_nothing_has_no_box(cleo, client):
    assert 'id="licence"' not in client.get(page_of(cleo)).content.decode()


def test_the_plain_form_keeps_what_was_ticked(asked, group, cleo):
    def post(seed, **more):
        photo = SimpleUploadedFile("a.jpg", drawn_pictures.jpeg(seed=seed), "image/jpeg")
        return APIClient().post(page_of(cleo), {"files": [photo], **more}, format="multipart")

    assert post(1).status_code == 200
    assert Image.objects.get().licence is None
    ticked = post(2, licence="1")
    assert ticked.status_code == 200
    assert "checked" in ticked.content.decode()
    assert Image.objects.filter(licence=asked).count() == 1
    ask(group, text="You may do anything.")
    for old in ("1", "x", "9" * 30):
        answer = post(3, licence=old)
        assert answer.status_code == 409
        assert "You may do anything." in answer.content.decode()
    assert Image.objects.count() == 2
