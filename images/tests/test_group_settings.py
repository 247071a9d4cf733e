"""The page of a group's settings: what owners change there, and what two of them change at once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from bandpics.testing.matrix import few
from groups import editing
from groups.models import Group, GroupLogo, Licence
from groups.tests.factories import MembershipFactory
from images.models import Image
from images.tests import drawn_pictures

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]


@pytest.fixture
def page(group):
    return f"/groups/{group.pk}/settings/"


class Visit:
    """What a host's browser sends back: the fields as the page showed them, and what was typed."""

    def __init__(self, client, page):
        self.client, self.page = client, page
        self.read(client.get(page))

    def read(self, answer):
        form = answer.context["form"]
        self.fields = {
            bound.name: bound.value()
            for bound in form
            if bound.value() and bound.name not in {"logo", "remove_logo"}
        }
        self.fields["seen"] = form.seen_json
        return answer

    def save(self, **typed):
        self.fields |= typed
        answer = self.client.post(self.page, self.fields, format="multipart")
        if answer.status_code in {400, 409}:
            self.read(answer)
        return answer


@pytest.fixture
def visit(signed_in, ada, page):
    return Visit(signed_in(ada), page)


def current(group):
    return Group.objects.select_related("licence").get(pk=group.pk)


# --- Saving -----------------------------------------------------------------------------------


def test_an_owner_changes_everything_in_one_form(visit, group):
    answer = visit.save(
        name="Hanna turns 40",
        description="Come\r\nas you are",
        event_name="Birthday",
        event_date="2026-06-21",
        venue="The old bandstand",
        latitude="48,2082",
        longitude="16.3738",
        time_zone="Europe/Vienna",
        visibility="gallery",
        reveal_at="2026-06-22T12:00",
        closes_at="2026-07-01T22:00",
        needs_approval="no",
        gps_policy="coarse",
        accent_colour="#AA3300",
        licence_kind="own",
        licence_text="You may print my photos.",
        retain_originals_days="90",
    )
    assert answer.status_code == 302, answer.context["form"].errors
    found = current(group)
    assert (found.name, found.description) == ("Hanna turns 40", "Come\nas you are")
    assert (found.latitude, found.longitude) == (48.2082, 16.3738)
    # Entered in the group's time zone.
    assert found.reveal_at == datetime(2026, 6, 22, 10, tzinfo=UTC)
    assert found.closes_at == datetime(2026, 7, 1, 20, tzinfo=UTC)
    assert (found.visibility, found.needs_approval, found.gps_policy) == (
        "gallery",
        False,
        "coarse",
    )
    assert (found.accent_colour, found.retain_originals_days) == ("#aa3300", 90)
    assert (found.licence.number, found.licence.text) == (1, "You may print my photos.")
    shown = visit.client.get(visit.page).content.decode()
    assert 'value="2026-07-01T22:00"' in shown
    assert "Your changes are saved." in shown


def test_what_is_not_touched_stays_as_it_is(visit, group):
    exact = datetime(2026, 6, 21, 20, 0, 17, 123, tzinfo=UTC)
    Group.objects.update(closes_at=exact, latitude=48.12345678, longitude=16.3)
    visit.read(visit.client.get(visit.page))
    assert visit.save(name="Another name").status_code == 302
    found = current(group)
    assert (found.closes_at, found.latitude) == (exact, 48.12345678)


def test_another_time_zone_does_not_move_what_is_set(visit, group):
    visit.save(closes_at="2026-07-01T22:00", time_zone="Europe/Vienna")
    visit.read(visit.client.get(visit.page))
    visit.save(time_zone="Asia/Tokyo")
    assert current(group).closes_at == datetime(2026, 7, 1, 20, tzinfo=UTC)
    assert 'value="2026-07-02T05:00"' in visit.client.get(visit.page).content.decode()


def test_a_time_that_a_clock_shows_twice_can_be_saved(visit, group):
    assert visit.save(closes_at="2026-10-25T02:30", time_zone="Europe/Vienna").status_code == 302
    assert current(group).closes_at == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize("is_asked", [True, False])
def test_opening_the_gallery_offers_to_approve_what_waits(visit, group, cleo, ada, is_asked):
    for seed in (1, 2):
        cleo.send_and_process(drawn_pictures.jpeg(seed=seed))
    page = visit.client.get(visit.page).content.decode()
    assert "Approve all 2 photos that wait now" in page
    answer = visit.save(visibility="gallery", **({"approve_waiting": "on"} if is_asked else {}))
    assert answer.status_code == 302
    images = Image.objects.all()
    assert {image.moderation for image in images} == {"approved" if is_asked else "pending"}
    assert {image.moderated_by for image in images} == {ada if is_asked else None}


def test_a_photo_becomes_the_cover(visit, group, cleo):
    images = [cleo.send_and_process(drawn_pictures.jpeg(seed=seed)) for seed in (1, 2)]
    assert visit.save(cover=str(images[0].pk)).status_code == 302
    assert current(group).cover_id == images[0].pk
    # One that is in the trash by now is no reason to refuse all else.
    images[0].trashed_at = timezone.now()
    images[0].save()
    visit.read(visit.client.get(visit.page))
    assert visit.save(name="Another name").status_code == 302


def test_a_photo_becomes_the_cover_on_its_own_page(ada, ben, group, cleo, signed_in):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    path, photo = f"/groups/{group.pk}/cover/", f"/images/{image.pk}/"
    assert path in signed_in(ada).get(photo).content.decode()
    assert path not in signed_in(ben).get(photo).content.decode()
    answer = signed_in(ada).post(path, {"image": str(image.pk)}, format="multipart")
    assert (answer.status_code, answer["Location"]) == (302, photo)
    assert current(group).cover_id == image.pk
    for wrong in ("", "x", str(group.pk)):
        assert signed_in(ada).post(path, {"image": wrong}, format="multipart").status_code == 404


# --- What is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "typed"),
    few(
        [
            ("name", ""),
            ("name", "x" * 121),
            ("event_date", "yesterday"),
            ("latitude", "91"),
            ("latitude", "48"),
            ("time_zone", "Europe/Wien"),
            ("visibility", "all"),
            ("closes_at", "soon"),
            ("closes_at", "0001-01-01T00:00"),
            ("closes_at", "2026-07-01T22:00+02:00"),
            ("accent_colour", "red"),
            ("cover", "01234567-89ab-7def-8123-456789abcdef"),
            ("cover", "x"),
            ("licence_text", "x" * 501),
            ("retain_originals_days", "-1"),
        ],
        5,
    ),
)
def test_nonsense_is_marked_and_nothing_typed_is_lost(visit, group, field, typed):
    before = current(group).updated_at
    kind = {"licence_kind": "own"} if field == "licence_text" else {}
    answer = visit.save(**{"venue": "The old bandstand", **kind, field: typed})
    assert answer.status_code == 400
    marked = {"longitude"} if typed == "48" else {field}
    assert set(answer.context["form"].errors) == marked
    page = answer.content.decode()
    assert "Nothing was saved yet" in page
    assert 'value="The old bandstand"' in page
    assert current(group).updated_at == before


def test_a_sentence_of_ones_own_has_words(visit):
    answer = visit.save(licence_kind="own")
    assert set(answer.context["form"].errors) == {"licence_text"}
    assert not Licence.objects.exists()


@pytest.mark.parametrize(
    "seen", few(["", "[]", "{", '{"name": 7}', "x" * 40_000, '{"time_zone": "No"}'], 3)
)
def test_what_the_page_showed_may_be_nonsense(visit, group, seen):
    assert visit.save(seen=seen, name="Another name").status_code in {302, 409}


# --- Two at once ------------------------------------------------------------------------------


def test_two_hosts_who_change_different_things_both_succeed(visit, group):
    editing.change(group, {"venue": "The new bandstand"})
    assert visit.save(name="Another name").status_code == 302
    assert (current(group).name, current(group).venue) == ("Another name", "The new bandstand")


def test_of_two_who_change_the_same_the_second_sees_both(visit, group):
    editing.change(group, {"name": "Theirs", "venue": "The new bandstand"})
    answer = visit.save(name="Mine", description="Come as you are")
    assert answer.status_code == 409
    page = answer.content.decode()
    assert "It now says: Theirs" in page
    assert 'value="Mine"' in page
    assert 'value="The new bandstand"' in page
    assert "Come as you are" in page
    assert current(group).name == "Theirs"
    # They decide to keep their own words.
    assert visit.save().status_code == 302
    found = current(group)
    assert (found.name, found.venue) == ("Mine", "The new bandstand")
    assert found.description == "Come as you are"


def test_who_wrote_the_same_is_not_asked(visit, group):
    editing.change(group, {"name": "The same"})
    assert visit.save(name="The same").status_code == 302


def test_choices_are_shown_in_words(visit, group):
    editing.change(group, {"visibility": "gallery"})
    assert "It now says: All approved photos" in visit.save(visibility="drop").content.decode()


def test_a_time_meant_in_another_zone_is_asked_about(visit, group):
    editing.change(group, {"time_zone": "Asia/Tokyo"})
    answer = visit.save(closes_at="2026-07-01T22:00")
    assert answer.status_code == 409
    assert set(answer.context["form"].errors) >= {"closes_at"}


def test_who_chose_a_logo_meanwhile_is_told_to_choose_it_again(visit, group):
    editing.change(group, {"name": "Theirs"})
    logo = SimpleUploadedFile("logo.jpg", drawn_pictures.jpeg())
    page = visit.save(name="Mine", logo=logo).content.decode()
    assert "please choose the logo again" in page
    assert not GroupLogo.objects.exists()


def test_a_group_that_was_deleted_meanwhile_is_gone(visit, group):
    Group.objects.update(trashed_at=timezone.now())
    assert visit.save(name="Mine").status_code == 404


# --- The logo, and the end ----------------------------------------------------------------------


def test_a_logo_is_drawn_anew_replaced_and_removed(
    visit, group, ada, vera, dora, signed_in, client
):
    sent = drawn_pictures.jpeg(width=900, height=300, lat=48.2, lon=16.4)
    assert visit.save(logo=SimpleUploadedFile("logo.jpg", sent)).status_code == 302
    logo = GroupLogo.objects.get()
    assert (logo.width, logo.height) == (320, 107)
    answer = signed_in(vera).get(f"/groups/{group.pk}/logo.png")
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/png")
    again = signed_in(vera).get(
        answer.request["PATH_INFO"], headers={"If-None-Match": answer["ETag"]}
    )
    assert again.status_code == 304
    assert signed_in(dora).get(f"/groups/{group.pk}/logo.png").status_code == 404
    assert client.get(f"/groups/{group.pk}/logo.png").status_code == 302
    del visit.fields["logo"]
    assert visit.save(remove_logo="on").status_code == 302
    assert not GroupLogo.objects.exists()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "SVG"),
        (b"MZ not a picture", "PNG, JPEG or WebP"),
        (b"\x89PNG\r\n\x1a\n and nothing", "damaged"),
        (b"\x89PNG" + bytes(1024 * 1024), "up to 1 MB"),
    ],
)
def test_a_file_that_is_no_logo_is_refused_in_words(visit, content, why):
    answer = visit.save(name="Mine", logo=SimpleUploadedFile("logo.png", content))
    assert answer.status_code == 400
    assert why in str(answer.context["form"].errors["logo"])
    page = answer.content.decode()
    assert 'value="Mine"' in page
    assert "choose the logo again" in page
    assert not GroupLogo.objects.exists()


def test_a_form_that_is_far_too_large_is_refused_unread(visit):
    answer = visit.save(logo=SimpleUploadedFile("logo.png", bytes(3 * 1024 * 1024)))
    assert answer.status_code == 413


def test_a_group_is_deleted_after_a_question(ada, group, signed_in):
    client, path = signed_in(ada), f"/groups/{group.pk}/delete/"
    assert "Delete “Summer concert”?" in client.get(path).content.decode()
    assert current(group).trashed_at is None
    answer = client.post(path)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert current(group).trashed_at is not None
    assert "You can restore it below." in client.get("/").content.decode()


def test_members_and_viewers_see_no_settings(ben, vera, group, page, signed_in, team):
    for user in (ben, vera):
        client = signed_in(user)
        assert client.get(page).status_code == 403
        assert page not in client.get(f"/groups/{group.pk}/").content.decode()
    other = MembershipFactory(team=team, role="owner").user
    assert signed_in(other).get(page).status_code == 200


def test_the_page_asks_as_often_for_many_photos(visit, cleo, django_assert_max_num_queries):
    for seed in range(6):
        cleo.send_and_process(drawn_pictures.jpeg(seed=seed))
    with django_assert_max_num_queries(13):
        visit.client.get(visit.page)
