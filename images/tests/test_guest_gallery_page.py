"""The page of photos behind a guest's link: who finds what there, and what it costs."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from io import BytesIO
from urllib.parse import parse_qs, unquote, urlsplit

import PIL.Image
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from bandpics.testing.matrix import few
from groups.models import Group
from images.models import Image, Upload
from images.tests import drawn_pictures, stored_photos
from images.tests.bulk_rows import photo
from images.tests.guest_client import DEVICE, Guest, get, send_as_member
from images.views.guest_photo import name_of
from invitations.models import Invitation, ShortAddress
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]
OTHER_DEVICE = "f" * 32
EVERYTHING = ("small", "thumb", "tile", "medium", "fullsize")


def stage(**more):
    return drawn_pictures.jpeg(lat=48.20821, lon=16.37384, **more)


@pytest.fixture(autouse=True)
def open_gallery(group):
    Group.objects.update(visibility="gallery")


@pytest.fixture
def image(cleo):
    image = stored_photos.by_guest(cleo, stage(), filename="SECRET_NAME.jpg")
    Image.objects.update(moderation="approved")
    return image


@pytest.fixture
def emil(group):
    return Guest(InvitationFactory(group=group, name="Emil"))


@pytest.fixture
def bar(group):
    return Guest(InvitationFactory(group=group, kind="shared", email="", name="Bar"))


def path_of(guest, more=""):
    return f"/i/{guest.invitation.token}/photos/{more}"


def opened(client, guest, more=""):
    answer = client.get(path_of(guest, more))
    return answer.status_code, answer.content.decode()


def shown(html):
    """The ids of the photos of a grid."""
    return re.findall(r'<a href="([0-9a-f-]{36})/', html)


def test_a_guest_sees_approved_photos_with_credits_and_without_place_or_filename(
    client, image, emil
):
    status, html = opened(client, emil)
    assert status == 200
    assert shown(html) == [str(image.pk)]
    assert f"{image.group_id}/thumb/{image.pk}-1.jpg" in html
    _, of_photo = opened(client, emil, f"{image.pk}/")
    assert "Photo by <bdi>Cleo</bdi>" in of_photo
    assert f"{image.group_id}/fullsize/{image.pk}-1.jpg" in of_photo
    for text in (html, of_photo):
        assert "SECRET_NAME" not in text
        assert not re.search(r"(?<![:\d])48\.2", text)  # a time may end so
        assert image.sha256 not in text


@pytest.mark.parametrize("moderation", ["pending", "rejected"])
def test_what_is_not_approved_only_its_sender_finds_and_reads_why(
    client, image, cleo, emil, moderation
):
    Image.objects.update(moderation=moderation, moderation_reason="Too dark")
    assert shown(opened(client, emil)[1]) == []
    for more in (f"{image.pk}/", f"{image.pk}/file/"):
        assert opened(client, emil, more)[0] == 404
    assert shown(opened(client, cleo)[1]) == []
    _, own = opened(client, cleo, "?mine")
    assert shown(own) == [str(image.pk)]
    says = "Waiting for approval" if moderation == "pending" else "Not shown to others"
    assert says in own
    _, of_photo = opened(client, cleo, f"{image.pk}/")
    assert ("Too dark" in of_photo) == (moderation == "rejected")
    assert "Ask for its removal" not in of_photo  # they delete it themselves


def test_a_photo_of_mine_that_is_still_processed_is_announced(client, cleo):
    cleo.send(stage(seed=5))
    _, html = opened(client, cleo, "?mine")
    assert "1 photo has arrived" in html


@pytest.mark.parametrize("how", few(["trashed", "rejected", "moved", "purged"], 2))
def test_a_photo_that_is_withdrawn_is_gone_at_once_although_the_page_was_kept(
    client, ada, image, emil, signed_in, how
):
    other = emil.send_and_process(stage(seed=2))
    Image.objects.update(moderation="approved")
    assert len(shown(opened(client, emil)[1])) == 2
    assert len(shown(opened(client, emil)[1])) == 2  # as it was rendered for the first time
    if how == "moved":
        elsewhere = Group.objects.create(team=image.group.team, name="Elsewhere")
        signed_in(ada).patch(f"/api/v1/images/{image.pk}/", {"group": str(elsewhere.pk)})
    elif how == "rejected":
        body = {"decision": "reject"}
        signed_in(ada).post(f"/api/v1/images/{image.pk}/moderate/", body)
    else:
        signed_in(ada).delete(f"/api/v1/images/{image.pk}/")
    if how == "purged":
        Image.objects.filter(pk=image.pk).delete()
    assert shown(opened(client, emil)[1]) == [str(other.pk)]
    for more in (f"{image.pk}/", f"{image.pk}/file/"):
        assert opened(client, emil, more)[0] == 404
    assert str(image.pk) not in opened(client, emil, "newest/")[1]


def test_what_is_said_of_a_photo_is_shown_although_the_page_was_kept(client, image, cleo, emil):
    opened(client, emil)
    cleo.client.patch(f"/api/v1/images/{image.pk}/", {"caption": "The encore"})
    assert 'alt="The encore"' in opened(client, emil)[1]


def test_before_the_reveal_it_says_when_and_shows_ones_own(client, image, cleo, emil):
    reveal_at = timezone.now() + timedelta(days=2)
    Group.objects.update(reveal_at=reveal_at)
    for guest, photos in [(cleo, [str(image.pk)]), (emil, [])]:
        status, html = opened(client, guest)
        assert status == 200
        assert f'datetime="{reveal_at.isoformat()}"' in html
        assert shown(html) == photos
    assert opened(client, emil, f"{image.pk}/")[0] == 404
    assert opened(client, cleo, f"{image.pk}/")[0] == 200
    assert opened(client, emil, "newest/")[0] == 204
    Group.objects.update(reveal_at=timezone.now() - timedelta(seconds=1))
    assert shown(opened(client, emil)[1]) == [str(image.pk)]


def test_a_link_that_shows_own_photos_shows_nothing_else(client, image, cleo, emil):
    Group.objects.update(visibility="own")
    assert shown(opened(client, cleo)[1]) == [str(image.pk)]
    assert shown(opened(client, emil)[1]) == []
    assert "Waiting for approval" not in opened(client, cleo)[1]
    assert opened(client, emil, f"{image.pk}/")[0] == 404
    assert opened(client, cleo, f"{image.pk}/file/")[0] == 302


def test_a_link_that_shows_nothing_has_no_such_page(client, image, cleo):
    Group.objects.update(visibility="drop")
    for more in ("", "?mine", f"{image.pk}/", f"{image.pk}/file/", "newest/"):
        assert opened(client, cleo, more)[0] == 404


@pytest.mark.parametrize("more", few(["", "?mine", "PHOTO/", "PHOTO/file/", "newest/", "own/"], 2))
def test_a_dead_link_shows_nothing_at_once(client, image, cleo, more):
    path = path_of(cleo, more.replace("PHOTO", str(image.pk)))
    call = client.post if more == "own/" else client.get
    call(path)
    for change, says in [
        ({"expires_at": timezone.now() - timedelta(seconds=1)}, "This link has expired"),
        ({"revoked_at": timezone.now()}, "This link was withdrawn"),
    ]:
        Invitation.objects.update(**change)
        answer = call(path)
        assert answer.status_code == 403
        assert says in answer.content.decode()
        assert str(image.pk) not in answer.content.decode()


def test_the_group_in_the_trash_shows_nothing(client, ada, image, emil, signed_in):
    assert signed_in(ada).delete(f"/api/v1/groups/{image.group_id}/").status_code == 204
    assert opened(client, emil)[0] == 403
    assert opened(client, emil, f"{image.pk}/")[0] == 403


def test_photos_of_another_group_are_not_found(client, image, group):
    elsewhere = Guest(InvitationFactory())
    assert shown(opened(client, elsewhere)[1]) == []
    for more in (f"{image.pk}/", f"{image.pk}/file/"):
        assert opened(client, elsewhere, more)[0] == 404


def test_an_own_photo_that_a_host_moved_stays_among_ones_own(client, ada, image, cleo, signed_in):
    elsewhere = Group.objects.create(team=image.group.team, name="Elsewhere")
    move = signed_in(ada).patch(f"/api/v1/images/{image.pk}/", {"group": str(elsewhere.pk)})
    assert move.status_code == 200
    assert shown(opened(client, cleo)[1]) == []
    assert shown(opened(client, cleo, "?mine")[1]) == [str(image.pk)]
    assert opened(client, cleo, f"{image.pk}/")[0] == 200


# --- Shared links ---------------------------------------------------------------------------


def test_a_device_of_a_shared_link_is_shown_its_own_once_it_says_who_it_is(bar):
    mine = bar.send_and_process(stage())
    others = Guest(bar.invitation, device=OTHER_DEVICE).send_and_process(stage(seed=2))
    Image.objects.update(moderation="pending")
    client = Client()
    _, unknown = opened(client, bar, "?mine")
    assert shown(unknown) == []
    assert 'data-own="grid"' in unknown
    assert opened(client, bar, f"{mine.pk}/")[0] == 404
    answer = client.post(path_of(bar, "own/"), {"device": DEVICE, "part": "grid"})
    assert answer.status_code == 200
    assert shown(answer.content.decode()) == [str(mine.pk)]
    assert "Waiting for approval" in answer.content.decode()
    # From now on the server knows the device, on the pages of this link alone.
    cookie = answer.cookies["bandpics-device"]
    assert cookie["path"] == f"/i/{bar.invitation.token}/"
    assert cookie["httponly"]
    assert shown(opened(client, bar, "?mine")[1]) == [str(mine.pk)]
    assert opened(client, bar, f"{mine.pk}/")[0] == 200
    assert opened(client, bar, f"{others.pk}/")[0] == 404


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_of_another_site_does_not_choose_the_device(bar, site):
    headers = {"Sec-Fetch-Site": site}
    client = Client()
    answer = client.post(path_of(bar, "own/"), {"device": OTHER_DEVICE}, headers=headers)
    assert answer.status_code == 200
    form = {"files": SimpleUploadedFile("a.jpg", stage(seed=3))}
    answer = client.post(f"/i/{bar.invitation.token}/", form, headers=headers)
    assert answer.status_code == 200
    assert not client.cookies


def test_a_device_learns_how_many_photos_are_its_own(image, bar):
    client = Client()
    html = opened(client, bar)[1]
    assert shown(html) == [str(image.pk)]  # what all see needs no device
    assert 'data-own="chip"' in html
    bar.send_and_process(stage(seed=2))
    said = client.post(path_of(bar, "own/"), {"device": DEVICE, "part": "chip"}).content.decode()
    assert 'href="?mine"' in said
    assert ">1<" in said
    said = client.post(path_of(bar, "own/"), {"device": OTHER_DEVICE, "part": "chip"})
    assert "href" not in said.content.decode()


@pytest.mark.parametrize("device", few(["", "short", "F" * 32, DEVICE + "0", "../" * 11], 2))
def test_what_is_no_device_is_not_known(client, bar, device):
    assert client.post(path_of(bar, "own/"), {"device": device}).status_code == 404
    assert client.post(path_of(bar, "own/")).status_code == 404


def test_a_card_with_a_short_address_leads_there_if_its_pin_is_known(client, image, bar):
    from invitations import pins

    ShortAddress.objects.create(
        word="summer", invitation=bar.invitation, pin_hash=pins.hashed("314159")
    )
    for more in ("", f"{image.pk}/", f"{image.pk}/file/", "newest/"):
        html = client.get(f"/j/summer/photos/{more}").content.decode()
        assert "PIN" in html
        assert str(image.pk) not in re.sub(r'action="[^"]*"', "", html)
    client.post("/j/summer/pin/", {"pin": "314159"})
    answer = client.get("/j/summer/photos/")
    assert shown(answer.content.decode()) == [str(image.pk)]
    assert bar.invitation.token not in answer.content.decode()


# --- Files ----------------------------------------------------------------------------------


def test_a_guest_saves_the_largest_size_under_a_sensible_name(client, cleo, emil):
    image = cleo.send_and_process(
        stage(width=2600, height=1700, taken_at="2026:06:21 21:30:05"), filename="SECRET.jpg"
    )
    Image.objects.update(moderation="approved", uploader_name="Çleo / Süß")
    answer = client.get(path_of(emil, f"{image.pk}/file/"))
    assert answer.status_code == 302
    got = get(answer["Location"])
    assert got.status == 200
    assert got.headers["Content-Type"] == "image/jpeg"
    said = got.headers["Content-Disposition"]
    name = unquote(said.partition("UTF-8''")[2])
    assert said.startswith("attachment;")
    assert name == "Summer concert - Çleo Süß - 2026-06-21 21.30.05.jpg"
    with PIL.Image.open(BytesIO(got.data)) as picture:
        assert 1920 <= picture.width <= 2048
    for secret in ("SECRET", emil.invitation.token):
        assert secret not in answer["Location"]


@pytest.mark.parametrize(
    ("event", "who", "name"),
    [
        ("Summer", "", "Summer.jpg"),
        ("../../etc", "a\0b\r\nc", "etc - a b c.jpg"),
        ("...", "", "Photo.jpg"),
        ("\u202egpj.exe", "", "gpj.exe.jpg"),
        ("x" * 300, "y" * 300, f"{'x' * 80} - {'y' * 80}.jpg"),
    ],
)
def test_a_name_of_a_file_is_safe(event, who, name):
    assert name_of(Image(uploader_name=who), event=event, suffix="jpg") == name


# --- What it costs, and where it leads ------------------------------------------------------


def test_it_is_paged_and_costs_constant_queries(client, group, emil, django_assert_max_num_queries):
    now = timezone.now()
    for n in range(70):
        photo(group, variants=EVERYTHING, sort_at=now - timedelta(minutes=n))
    with django_assert_max_num_queries(10):
        first = client.get(path_of(emil))
    with django_assert_max_num_queries(8):  # rendered before, for whomever
        client.get(path_of(Guest(InvitationFactory(group=group))))
    assert len(shown(first.content.decode())) == 60
    (older,) = re.findall(r'rel="next" href="([^"]+)"', first.content.decode())
    with django_assert_max_num_queries(10):
        second = client.get(unescape(older)).content.decode()
    assert len(shown(second)) == 10
    assert client.get(path_of(emil, "?cursor=nonsense")).status_code == 404
    for n in range(5):
        photo(group, variants=EVERYTHING, uploader=emil.key, sort_at=now - timedelta(hours=n))
    with django_assert_max_num_queries(11):
        assert len(shown(opened(client, emil, "?mine")[1])) == 5


def test_an_open_page_is_told_of_what_is_shown_since(client, ada, cleo, emil, signed_in):
    """Not of what waits: approving makes it new, however long ago it arrived."""
    image = cleo.send_and_process(stage())
    since = re.search('data-since="([^"]+)"', opened(client, emil)[1])[1]

    def news(**headers):
        return client.get(path_of(emil, "news/"), {"since": since}, headers=headers)

    assert news().json() == {"new": []}
    Upload.objects.update(finished_at=timezone.now() - timedelta(hours=1))
    signed_in(ada).post(f"/api/v1/images/{image.pk}/moderate/", {"decision": "approve"})
    said = news()
    assert said.json() == {"new": [str(image.pk)]}
    assert news(If_None_Match=said["ETag"]).status_code == 304
    sent = emil.send_and_process(stage(seed=2))
    assert news().json() == {"new": [str(image.pk)]}
    Image.objects.filter(pk=sent.pk).update(moderation="approved")
    assert set(news().json()["new"]) == {str(image.pk), str(sent.pk)}
    Group.objects.update(reveal_at=timezone.now() + timedelta(hours=1))
    assert news().json() == {"new": []}
    Invitation.objects.update(revoked_at=timezone.now())
    assert news().status_code == 403


def test_asking_for_news_costs_few_queries(client, image, emil, django_assert_max_num_queries):
    since = {"since": timezone.now().isoformat()}
    with django_assert_max_num_queries(4):
        assert client.get(path_of(emil, "news/"), since).json() == {"new": []}


def test_an_unchanged_page_is_not_sent_again(client, image, emil):
    path = path_of(emil)
    first = client.get(path)
    assert first["Cache-Control"] == "private, no-cache"
    again = client.get(path, headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 304
    assert not again.content
    # The nonce of the page that the browser keeps is that of the policy it came with.
    assert "nonce-" in first["Content-Security-Policy"]
    assert "Content-Security-Policy" not in again
    german = {"If-None-Match": first["ETag"], "Accept-Language": "de"}
    assert client.get(path, headers=german).status_code == 200
    Image.objects.update(moderation="rejected")
    assert client.get(path, headers={"If-None-Match": first["ETag"]}).status_code == 200


def test_it_is_compressed(client, image, emil):
    answer = client.get(path_of(emil), headers={"Accept-Encoding": "gzip"})
    assert answer["Content-Encoding"] == "gzip"
    assert answer["ETag"].startswith('W/"')


def test_no_signed_address_outlives_the_link(client, image, cleo, emil):
    ends = timezone.now() + timedelta(minutes=7)
    Invitation.objects.update(expires_at=ends)
    pages = [
        *(opened(client, emil, more)[1] for more in ("", f"{image.pk}/", "newest/")),
        *(opened(client, cleo, more)[1] for more in ("?mine", f"{image.pk}/removal/")),
        client.get(path_of(emil, f"{image.pk}/file/"))["Location"],
    ]
    for page in pages:
        signed = re.findall(r'https?://[^"\s]*X-Amz-Signature=[0-9a-f]+', unescape(page))
        assert signed
        for url in signed:
            query = parse_qs(urlsplit(url).query)
            (at,), (seconds,) = query["X-Amz-Date"], query["X-Amz-Expires"]
            moment = timezone.datetime.strptime(at + "+0000", "%Y%m%dT%H%M%SZ%z")
            assert moment + timedelta(seconds=int(seconds)) <= ends


def test_search_engines_and_other_sites_learn_nothing(client, image, emil):
    for more in ("", f"{image.pk}/"):
        answer = client.get(path_of(emil, more))
        html = answer.content.decode()
        assert '<meta name="robots" content="noindex">' in html
        assert answer["Referrer-Policy"] == "same-origin"
        elsewhere = re.findall(r'(?:src|srcset|href)="(https?://[^"]+)"', html)
        assert not [url for url in elsewhere if emil.invitation.token in url]


def test_the_pages_lead_to_each_other(client, image, emil, bar):
    upload_page = client.get(f"/i/{emil.invitation.token}/").content.decode()
    assert f'href="{path_of(emil)}"' in upload_page
    assert 'id="evening"' in upload_page
    html = opened(client, emil)[1]
    assert f'href="/i/{emil.invitation.token}/"' in html
    of_photo = opened(client, emil, f"{image.pk}/")[1]
    assert f'href="{path_of(emil, f"{image.pk}/removal/")}"' in of_photo
    assert f'href="{path_of(emil, f"{image.pk}/file/")}"' in of_photo
    assert client.get(path_of(emil, f"{image.pk}/removal/")).status_code == 200


def test_neighbours_are_those_of_the_list_one_came_from(client, cleo, emil):
    photos = [cleo.send_and_process(stage(seed=n)) for n in range(3)]
    now = timezone.now()
    for n, each in enumerate(photos):
        Image.objects.filter(pk=each.pk).update(
            sort_at=now - timedelta(minutes=n), moderation=["approved", "pending", "approved"][n]
        )
    first, second, third = (each.pk for each in photos)
    of_all = opened(client, emil, f"{first}/")[1]
    assert f'/photos/{third}/"' in of_all
    assert str(second) not in of_all
    assert f'/photos/{second}/?mine"' in opened(client, cleo, f"{first}/?mine")[1]
    assert f'/photos/{third}/?mine"' in opened(client, cleo, f"{second}/")[1]


def test_photos_of_members_are_credited_too(client, ada, group, emil, signed_in):
    image = send_as_member(signed_in(ada), group, stage(seed=9))
    assert shown(opened(client, emil)[1]) == [str(image.pk)]


def test_photos_that_failed_are_not_there(client, cleo):
    cleo.send_and_process(b"\xff\xd8\xff no picture at all")
    assert Upload.objects.get().status == "failed"
    assert shown(opened(client, cleo, "?mine")[1]) == []
    assert "has arrived" not in opened(client, cleo, "?mine")[1]


# --- Filters --------------------------------------------------------------------------------


def test_guests_narrow_the_photos_by_who_sent_them_and_by_day(client, group, emil):
    day = timezone.datetime(2026, 6, 21, 20, tzinfo=timezone.get_fixed_timezone(0))
    of = {
        (name, n): photo(
            group, variants=EVERYTHING, uploader_name=name, sort_at=day + timedelta(days=n)
        )
        for name in ("Anna", "Bea", "host@example.org")
        for n in (0, 1)
    }

    def ids(query=""):
        return set(shown(opened(client, emil, query)[1]))

    def expected(wanted):
        return {str(each.pk) for key, each in of.items() if wanted(*key)}

    html = opened(client, emil)[1]
    assert ids() == expected(lambda name, n: True)
    assert "?uploader=Anna" in html
    assert "?during=2026-06-22" in html
    assert ids("?uploader=anna") == expected(lambda name, n: name == "Anna")
    assert ids("?during=2026-06-22") == expected(lambda name, n: n == 1)
    assert ids("?uploader=Bea&during=2026-06-21") == expected(lambda *key: key == ("Bea", 0))
    assert "Clear" in opened(client, emil, "?uploader=Nobody")[1]
    assert ids("?during=nonsense&moderation=pending&has_gps=true&status=failed") == ids()


def test_no_e_mail_address_of_a_member_is_shown(client, group, emil):
    image = photo(group, variants=EVERYTHING, uploader_name="host@example.org")
    photo(group, variants=EVERYTHING, uploader_name="Anna")
    Image.objects.filter(pk=image.pk).update(taken_at_local=timezone.now())
    for more in ("", f"{image.pk}/", "newest/"):
        status, html = opened(client, emil, more)
        assert status == 200
        assert "host@example.org" not in unescape(html)
    location = client.get(path_of(emil, f"{image.pk}/file/"))["Location"]
    assert "example" not in location
