"""The page of ZIPs: what members order there, what they see of it, and a ZIP after closing."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from django.utils import timezone

from groups.models import Group, Membership
from images import tasks
from images.models import Archive, ArchiveOrder, ClosingArchive, Image
from images.tests import archive_reader as reader
from images.tests import drawn_pictures, stored_photos
from images.tests.guest_client import get, send_as_member
from invitations import delivery, links
from invitations.models import OutgoingMail
from invitations.tests.factories import InvitationFactory
from invitations.tests.mail_server import MailServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]

STAGE, CHOIR = drawn_pictures.jpeg(), drawn_pictures.jpeg(seed=2)


@pytest.fixture
def smtp(settings):
    server = MailServer()
    server.start(settings)
    yield server
    server.stop()


@pytest.fixture
def photos(ada, ben, group, signed_in):
    return [
        stored_photos.by_member(ada, group, STAGE, filename="stage.jpg"),
        stored_photos.by_member(ben, group, CHOIR, filename="choir.jpg"),
    ]


@pytest.fixture
def page(signed_in, group):
    def open_page(person):
        return signed_in(person).get(f"/groups/{group.pk}/download/").content.decode()

    return open_page


@pytest.fixture
def order(signed_in, group):
    def order_as(person, **fields):
        fields = {"what": "all"} | fields
        url = f"/groups/{group.pk}/download/"
        return signed_in(person).post(url, fields, format="multipart")

    return order_as


def file_url(group, archive):
    return f"/groups/{group.pk}/download/{archive.pk}/"


def test_a_viewer_orders_a_zip_watches_it_and_downloads_it(photos, vera, group, order, page):
    assert "The group has 2 photos" in page(vera)
    assert order(vera).status_code == 302
    shown = page(vera)
    assert "It waits for its turn" in shown
    assert "data-building" in shown
    archive = reader.build(Archive.objects.get().pk)
    shown = page(vera)
    assert "data-building" not in shown
    assert file_url(group, archive) in shown


def test_the_zip_holds_the_photos_and_the_download_is_remembered(
    photos, ada, group, order, page, signed_in
):
    order(ada)
    archive = reader.build(Archive.objects.get().pk)
    assert "What is new since my last download" not in page(ada)
    answer = signed_in(ada).get(file_url(group, archive))
    assert answer.status_code == 302
    assert reader.files_of({"url": answer["Location"]}) == {
        "Ada/stage.jpg": STAGE,
        "Ben/choir.jpg": CHOIR,
    }
    assert ArchiveOrder.objects.get().downloaded_at is not None
    shown = page(ada)
    assert "Download again" in shown
    assert "What is new since my last download" in shown


def test_what_is_new_and_what_one_person_sent(photos, ada, ben, group, order, page, signed_in):
    order(ada)
    archive = reader.build(Archive.objects.get().pk)
    signed_in(ada).get(file_url(group, archive))
    refused = order(ada, what="new")
    assert refused.status_code == 422
    assert "There is no photo to download" in refused.content.decode()

    send_as_member(signed_in(ben), group, drawn_pictures.jpeg(seed=3), filename="encore.jpg")
    order(ada, what="new")
    newest = reader.build(Archive.objects.latest("created_at").pk)
    answer = signed_in(ada).get(file_url(group, newest))
    assert list(reader.files_of({"url": answer["Location"]})) == ["Ben/encore.jpg"]

    assert order(ada, what="uploader").status_code == 422
    assert order(ada, what="uploader", uploader="Nobody at all").status_code == 422
    order(ada, what="uploader", uploader="Ada")
    adas = reader.build(Archive.objects.latest("created_at").pk)
    assert adas.what == {"uploader": "Ada"}
    assert "Photos of Ada" in page(ada)


def test_others_neither_see_nor_get_it(photos, ada, ben, dora, group, order, page, signed_in):
    order(ada)
    archive = reader.build(Archive.objects.get().pk)
    assert "Your ZIPs" not in page(ben)
    assert signed_in(ben).get(file_url(group, archive)).status_code == 404
    assert signed_in(dora).get(file_url(group, archive)).status_code == 404


def test_a_photo_that_is_removed_ends_it_and_the_page_says_so(
    photos, ada, group, order, page, signed_in
):
    order(ada)
    archive = reader.build(Archive.objects.get().pk)
    url = signed_in(ada).get(file_url(group, archive))["Location"]
    assert signed_in(ada).delete(f"/api/v1/images/{photos[0].pk}/").status_code == 204
    tasks.sweep()
    assert get(url).status == 404
    answer = signed_in(ada).get(file_url(group, archive), follow=True)
    assert "This ZIP is not there any more" in answer.content.decode()
    assert "Not there any more" in page(ada)


def test_an_empty_group_offers_nothing(ada, page):
    assert "There are no photos to download yet." in page(ada)


def test_a_mail_says_that_it_is_ready(photos, smtp, ada, group, order):
    order(ada, mail="on")
    delivery.send_due()
    assert smtp.mails == []
    reader.build(Archive.objects.get().pk)
    delivery.send_due()
    (mail,) = smtp.mails
    assert mail["Subject"] == f"Your ZIP of {group.name} is ready"
    assert f"/groups/{group.pk}/download/" in mail.get_content()
    assert "2 photos" in mail.get_content()


# --- After closing --------------------------------------------------------------------------


@pytest.fixture
def close(signed_in, ada, group):
    def close_as_ada(**fields):
        fields = {"when": "now", "act": "save", "language": "en", "archive": "on"} | fields
        url = f"/groups/{group.pk}/close/"
        return signed_in(ada).post(url, fields, format="multipart")

    return close_as_ada


def closed_minutes_ago(group, minutes):
    past = timezone.now() - timedelta(minutes=minutes)
    Group.objects.filter(pk=group.pk).update(closes_at=past)


def test_closing_orders_a_zip_once_the_last_photos_are_there(photos, smtp, ada, group, close):
    assert close().status_code == 302
    tasks.sweep()
    assert not Archive.objects.exists()
    closed_minutes_ago(group, 11)
    tasks.sweep()
    archive = reader.build(Archive.objects.get().pk)
    assert archive.file_count == 2
    assert archive.orders.get().user == ada
    delivery.send_due()
    assert smtp.recipients == [ada.email]
    tasks.sweep()
    assert Archive.objects.count() == 1


def test_who_does_not_want_it_or_opens_the_group_again_gets_none(photos, group, close):
    close(archive="")
    assert not ClosingArchive.objects.exists()
    close(when="never")
    close()
    assert ClosingArchive.objects.exists()
    close(when="never")
    assert not ClosingArchive.objects.exists()


def test_who_left_the_team_and_a_group_without_photos_get_none(photos, ada, ben, group, close):
    Membership.objects.filter(user=ben).update(role="owner")
    close()
    closed_minutes_ago(group, 11)
    Membership.objects.filter(user=ada).delete()
    tasks.sweep()
    assert not Archive.objects.exists()
    assert not ClosingArchive.objects.exists()

    ClosingArchive.objects.create(group=group, user=ben)
    Image.objects.update(trashed_at=timezone.now())
    tasks.sweep()
    assert not ClosingArchive.objects.exists()


# --- Guests ---------------------------------------------------------------------------------


@pytest.fixture
def zip_path(photos, cleo, group):
    """The page of the ZIP of a link that shows the gallery."""
    Group.objects.filter(pk=group.pk).update(visibility="gallery")
    return urlsplit(cleo.invitation.upload_link).path + "photos/zip/"


def test_a_guest_orders_all_photos_and_downloads_them(photos, cleo, group, zip_path, client):
    assert "Download all 2 photos" in client.get(zip_path).content.decode()
    assert client.post(zip_path).status_code == 302
    assert "It waits for its turn" in client.get(zip_path).content.decode()
    archive = reader.build(Archive.objects.get().pk)
    assert archive.for_guests
    assert f'href="{archive.pk}/"' in client.get(zip_path).content.decode()
    answer = client.get(f"{zip_path}{archive.pk}/")
    assert len(reader.files_of({"url": answer["Location"]})) == 2
    # Another guest of the gallery orders the same one; the address of the first is not theirs.
    other = InvitationFactory(group=group, kind="personal", email="eva@example.org")
    theirs = urlsplit(other.upload_link).path + "photos/zip/"
    assert client.get(f"{theirs}{archive.pk}/").status_code == 404
    client.post(theirs)
    assert Archive.objects.count() == 1
    assert client.get(f"{theirs}{archive.pk}/").status_code == 302


def test_who_is_not_known_gets_what_they_ordered_and_sees_nothing_of_others(photos, group, client):
    Group.objects.filter(pk=group.pk).update(visibility="gallery")
    link = InvitationFactory(group=group, kind="shared", email="")
    zip_path = urlsplit(link.upload_link).path + "photos/zip/"
    asked = client.post(zip_path)
    archive = reader.build(Archive.objects.get().pk)
    assert f'href="{archive.pk}/"' in client.get(asked["Location"]).content.decode()
    assert client.get(f"{zip_path}{archive.pk}/").status_code == 302
    # Somebody else with the same link, and no more known, has ordered nothing yet.
    for question in ("", "?ordered=", "?ordered=nonsense", f"?ordered={uuid4()}"):
        shown = client.get(f"{zip_path}{question}")
        assert shown.status_code == 200
        assert str(archive.pk) not in shown.content.decode()
        assert "Download again" not in shown.content.decode()
    again = client.post(zip_path)["Location"]
    assert "Download again" not in client.get(again).content.decode()


def test_until_when_it_can_be_downloaded_is_said_in_the_groups_time_zone(
    photos, smtp, ada, group, order, page, zip_path, client
):
    Group.objects.filter(pk=group.pk).update(time_zone="Asia/Tokyo")
    order(ada, mail="on")
    client.post(zip_path)
    for archive in Archive.objects.all():
        reader.build(archive.pk)
    # 20:30 of one day in UTC, 5:30 of the next one in Tokyo.
    until = timezone.now().replace(hour=20, minute=30) + timedelta(days=3)
    Archive.objects.update(expires_at=until)
    said = f"{until + timedelta(hours=9):%-d %B %Y, 05:30} (Asia/Tokyo)"
    assert said in page(ada)
    assert said in client.get(zip_path).content.decode()
    OutgoingMail.objects.update(details={**mail_details(), "expires_at": until.isoformat()})
    delivery.send_due()
    (mail,) = smtp.mails
    assert said in mail.get_content()


def mail_details():
    return OutgoingMail.objects.get().details


def test_a_link_that_shows_no_gallery_or_is_withdrawn_downloads_nothing(
    photos, cleo, group, zip_path, client
):
    client.post(zip_path)
    archive = reader.build(Archive.objects.get().pk)
    assert client.get(f"{zip_path}{archive.pk}/").status_code == 302
    Group.objects.filter(pk=group.pk).update(visibility="own")
    assert client.get(zip_path).status_code == 404
    assert client.post(zip_path).status_code == 404
    assert client.get(f"{zip_path}{archive.pk}/").status_code == 404
    Group.objects.filter(pk=group.pk).update(visibility="gallery")
    links.revoke(cleo.invitation)
    assert client.get(zip_path).status_code == 403
    assert client.get(f"{zip_path}{archive.pk}/").status_code == 403


def test_without_approved_photos_there_is_nothing_to_order(photos, cleo, zip_path, client):
    Image.objects.update(moderation="pending")
    assert "There are no photos to download yet." in client.get(zip_path).content.decode()
    answer = client.post(zip_path)
    assert answer.status_code == 422
    assert not Archive.objects.exists()
