"""The gallery, narrowed, searched, in another order, and from another date on."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from groups.models import Licence
from groups.tests.factories import GroupFactory
from images.access import GuestAccess
from images.listing import event_time, overview
from images.listing.event_time import Span
from images.models import Image
from images.tests.bulk_rows import many, photo
from images.views.gallery_filters import GalleryFilters
from invitations.models import Invitation

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]

EVENING = datetime(2026, 6, 21, 19, tzinfo=UTC)  # 21 h in Vienna
WIDTHS = ("thumb", "tile", "medium")


@pytest.fixture
def vienna(group):
    group.time_zone = "Europe/Vienna"
    group.save()
    return group


@pytest.fixture
def album(vienna):
    """A photo for each filter, the newest first; each is called by what it is."""

    def add(name, hours=0, **columns):
        at = EVENING - timedelta(hours=hours)
        more = {"variants": WIDTHS, "taken_at": at, "sort_at": at, **columns}
        return photo(vienna, original_filename=name, **more)

    licence = Licence.objects.create(group=vienna, number=1, kind="show", text="Show it")
    agreed = {"licence": licence, "licence_agreed_at": EVENING}
    return {
        "anna": add("anna", 0, uploader_name="Anna", caption="encore"),
        "phone": add("phone", 1, camera_make="Apple", camera_model="iPhone 13"),
        "phone pro": add("phone pro", 2, camera_make="Apple", camera_model="iPhone 13 Pro"),
        "placed": add("placed", 3, latitude=48.2, longitude=16.4),
        "licensed": add("licensed", 4, **agreed),
        "rejected": add("rejected", 5, moderation="rejected"),
        "pending": add("pending", 6, moderation="pending"),
        "day before": add("day before", 30, uploader_name="Ben"),
        "queued": add("queued", 0, status="queued", variants=(), uploader_name="Cleo"),
        "failed": add("failed", 0, status="failed", variants=()),
    }


@pytest.fixture
def page(ben, signed_in, group):
    client = signed_in(ben)
    return lambda query="": client.get(f"/groups/{group.pk}/{query}")


@pytest.fixture
def shown(page, album):
    """The names of the photos that the page shows, in its order."""
    names = {str(image.pk): name for name, image in album.items()}

    def of(query=""):
        answer = page(query)
        assert answer.status_code == 200
        return [names[found] for found in re.findall(r'data-id="([^"]+)"', answer.content.decode())]

    return of


def links(html, words):
    """The addresses of links with these words."""
    found = re.findall(r'<a [^>]*href="([^"]*)"[^>]*>(.*?)</a>', html, re.DOTALL)
    plain = [(unescape(url), " ".join(re.sub("<[^>]+>", " ", text).split())) for url, text in found]
    return [url for url, text in plain if text == words]


# --- One by one -----------------------------------------------------------------------------


MATCHES = {
    "?uploader=Anna": ["anna"],
    "?uploader=anna": ["anna"],
    "?camera_model=iPhone+13": ["phone"],
    "?has_gps=true": ["placed"],
    "?may_be_published=true": ["licensed"],
    "?moderation=rejected": ["rejected"],
    "?moderation=pending": ["pending"],
    "?q=encore": ["anna"],
    "?q=phone": ["phone", "phone pro"],
    "?during=2026-06-20": ["day before"],
    "?during=2026-06-21T21": ["anna"],
    "?during=2026-06-21T20": ["phone"],
    "?during=2026-06-21&moderation=rejected": ["rejected"],
    "?during=2026-06-20&moderation=rejected": [],
    "?bbox=16,48,17,49": ["placed"],
    "?taken_after=2026-06-21T18:00Z&taken_before=2026-06-21T19:00Z": ["phone"],
    "?uploader=Nobody": [],
    "?q=...": [],
}
SENSELESS = [
    *("?during=yesterday", "?during=2026-13", "?during=2026-02-30", "?during=0000"),
    *("?during=9999-12-31T23", "?during=2026-06-21T24", "?moderation=maybe", "?status=done"),
    *("?has_gps=perhaps", "?bbox=1,2", "?uploader=", "?q=+", "?uploader=%00", "?q=%00"),
    *("?camera_model=" + "x" * 201, "?ordering=byte_size", "?at=noon", "?taken_after=x"),
    *("?nothing=of+ours", "?uploader[]=x", "?group=x", "?ids=x", "?trashed=true"),
]


def test_a_filter_shows_what_matches(shown):
    assert {query: shown(query) for query in MATCHES} == MATCHES


def test_what_makes_no_sense_is_left_out(shown, page):
    """Nor does it stand among the filters that are on."""
    everything = shown()
    assert {query: shown(query) for query in SENSELESS} == dict.fromkeys(SENSELESS, everything)
    told = [query for query in SENSELESS if "Filters that are on" in page(query).content.decode()]
    assert told == []


def test_a_cursor_that_makes_no_sense_has_no_page(page, album):
    assert page("?cursor=x").status_code == 404
    assert page("?ordering=sort_at&cursor=x").status_code == 404


def test_photos_without_a_picture_are_listed_with_what_became_of_them(page, album):
    waiting = page("?status=processing").content.decode()
    assert "queued" in waiting
    assert "Cleo" in waiting
    failed = page("?status=failed").content.decode()
    assert "<strong>failed</strong>" in failed
    assert "<strong>queued</strong>" not in failed
    assert "data-id=" not in failed


def test_the_orders(shown, album):
    names = shown()
    assert names[0] == "anna"
    assert names[-1] == "day before"
    assert shown("?ordering=sort_at") == names[::-1]
    # They were sent in the order in which the fixture made them.
    assert shown("?ordering=-created_at") == [each for each in reversed(album) if each in names]


# --- Chips ----------------------------------------------------------------------------------


def test_chips_offer_what_there_is_with_its_number(page, album):
    html = page().content.decode()
    assert links(html, "Anna 1") == ["?uploader=Anna"]
    assert links(html, "iPhone 13 Pro 1") == ["?camera_model=iPhone+13+Pro"]
    assert links(html, "Sat, 20 June 2026 1") == ["?during=2026-06-20"]
    assert links(html, "With a place") == ["?has_gps=true"]
    assert links(html, "Being processed 1") == ["?status=processing"]
    assert links(html, "Failed 1") == ["?status=failed"]


def test_a_group_without_a_choice_offers_none(page, vienna):
    for _ in range(2):
        photo(vienna, variants=WIDTHS, uploader_name="Anna", sort_at=EVENING)
    html = page().content.decode()
    assert 'role="search"' in html
    for label in ("From", "Day", "Camera", "Only"):
        assert f">{label}<" not in html


def test_filters_add_up_and_come_off_one_by_one(page, album):
    html = page("?uploader=Anna&during=2026-06-21").content.decode()
    (without_day,) = links(html, "Sun, 21 June 2026 ✕ Remove this filter")
    assert without_day == "?uploader=Anna"
    assert links(html, "Clear all") == ["?"]
    assert links(html, "Oldest first") == ["?uploader=Anna&during=2026-06-21&ordering=sort_at"]
    # A form sends along what is on.
    assert re.search(r'type="hidden"\s+name="uploader"\s+value="Anna"', html)


def test_where_nothing_matches_the_page_says_so_and_offers_to_clear(page, album):
    html = page("?q=nothing+at+all").content.decode()
    assert "No photo matches." in html
    assert links(html, "Clear") == ["?"]
    assert 'value="nothing at all"' in html


def test_a_filter_is_shown_as_text(page, album):
    html = page("?q=<script>alert(1)</script>&uploader=%22><b>").content.decode()
    assert "<script>alert" not in html
    assert "<b>" not in html


def test_many_uploaders_are_a_list_to_choose_from(page, vienna):
    for number in range(13):
        photo(vienna, variants=WIDTHS, uploader_name=f"Guest {number}", sort_at=EVENING)
    html = page("?uploader=guest+3").content.decode()
    assert re.search(r'<option value="Guest 3"\s+selected\s*>Guest 3 \(1\)</option>', html)
    assert not links(html, "Guest 3 1")


# --- Paging and dates -----------------------------------------------------------------------


@pytest.fixture
def long_evening(vienna):
    """130 photos, one each ten minutes: from 19 June on."""
    many(vienna, 130)
    step, start = timedelta(minutes=10), EVENING - timedelta(hours=48)
    for number, image in enumerate(Image.objects.order_by("sort_at")):
        at = start + number * step
        Image.objects.filter(pk=image.pk).update(
            sort_at=at, taken_at=at, uploader_name="Anna" if number % 2 else "Ben"
        )


def ids_of(answer):
    """The photos of a page, which have no variants here: those of its context."""
    return [image.pk for image in answer.context["photos"]]


@pytest.mark.usefixtures("long_evening")
@pytest.mark.parametrize("ordering", ["-sort_at", "sort_at", "-created_at"])
def test_pages_keep_filters_and_order(page, ordering):
    expected = Image.objects.filter(uploader_name="Anna").order_by(
        ordering, "-id" if ordering.startswith("-") else "id"
    )
    answer = page(f"?uploader=Anna&ordering={ordering}")
    first = ids_of(answer)
    assert len(first) == 60
    query = answer.context["older_url"].partition("?")[2]
    second = page(f"?{query}")
    assert [*first, *ids_of(second)] == list(expected.values_list("pk", flat=True))
    back = page("?" + second.context["newer_url"].partition("?")[2])
    assert ids_of(back) == first


@pytest.mark.usefixtures("long_evening")
def test_a_date_jumps_to_its_photos(page):
    (url,) = links(page().content.decode(), "Sat, 20 Jun 112")
    assert url == "?at=2026-06-20"
    landed = page(url)
    days = [day.date.isoformat() for day in event_time.days_of(landed.context["photos"])]
    assert days == ["2026-06-20"]
    day = Span.parse("2026-06-20", landed.context["group"].zone)
    of_day = Image.objects.filter(sort_at__gte=day.start, sort_at__lt=day.end).order_by("sort_at")
    assert ids_of(landed)[0] == of_day.last().pk
    # From there on without the date.
    older = landed.context["older_url"].partition("?")[2]
    assert older.startswith("cursor=")
    assert ids_of(page(f"?{older}"))[0] not in ids_of(landed)
    # In the other order it begins with the first of the day.
    assert ids_of(page("?at=2026-06-20&ordering=sort_at"))[0] == of_day.first().pk


@pytest.mark.usefixtures("long_evening")
def test_dates_have_counts_that_add_up(page):
    def total(jumps):
        for jump in jumps:
            if jump.within:
                assert total(jump.within) == jump.count
        return sum(jump.count for jump in jumps)

    filters = page().context["filters"]
    assert total(filters.jumps) == filters.overview.total == 130
    assert [jump.is_here for jump in filters.jumps] == [True, *[False] * (len(filters.jumps) - 1)]


def test_days_are_those_of_the_groups_time_zone(page, vienna):
    late = datetime(2026, 6, 21, 22, 30, tzinfo=UTC)  # half past midnight in Vienna
    photo(vienna, variants=WIDTHS, taken_at=late, sort_at=late)
    by_camera = datetime(2026, 6, 21, 23, 30, tzinfo=UTC)  # as its clock said; no offset
    photo(vienna, variants=WIDTHS, taken_at_local=by_camera, sort_at=by_camera)
    html = page().content.decode()
    assert re.findall(r'<h2>\s*<time data-day datetime="([^"]+)"', html) == [
        "2026-06-21",
        "2026-06-22",
    ]


def test_hours_are_marked_on_a_day_with_many_photos(page, vienna):
    for number in range(event_time.MANY_A_DAY):
        at = EVENING + timedelta(minutes=5 * number)
        photo(vienna, variants=WIDTHS, taken_at=at, sort_at=at)
    html = page().content.decode()
    marks = re.findall(r'<h3 class="hour-mark">\s*<time datetime="([^"]+)"', html)
    assert marks == ["2026-06-21T22:00", "2026-06-21T21:00"]


def test_a_camera_that_says_any_year_breaks_nothing(page, vienna):
    for year in (1, 1899, 2900, 9999):
        at = datetime(year, 1, 1, tzinfo=UTC)
        photo(vienna, variants=WIDTHS, taken_at=at, sort_at=at)
    many(vienna, 60)
    for zone in ("Pacific/Auckland", "America/Los_Angeles", "No/Where"):
        vienna.time_zone = zone
        vienna.save()
        for query in ("", "?ordering=sort_at", "?at=2899-12-31", "?during=1900"):
            assert page(query).status_code == 200
        assert page().context["filters"].overview.total == 64


# --- Access ---------------------------------------------------------------------------------


def test_another_groups_photos_are_neither_shown_nor_counted(page, album, shown, group):
    other = GroupFactory(team=group.team)
    photo(other, uploader_name="Anna", variants=WIDTHS, sort_at=EVENING)
    photo(other, uploader_name="Zoe Zimmer", variants=WIDTHS, sort_at=EVENING)
    assert shown("?uploader=Anna") == ["anna"]
    assert shown("?uploader=Zoe+Zimmer") == []
    assert "Zoe Zimmer" not in page().content.decode()
    assert links(page().content.decode(), "Anna 1") == ["?uploader=Anna"]


def test_what_is_in_the_trash_is_neither_shown_nor_counted(page, album, shown):
    Image.objects.filter(uploader_name="Anna").update(trashed_at=EVENING)
    assert shown("?uploader=Anna") == []
    assert not links(page().content.decode(), "Anna 1")


def test_guests_filter_by_nothing_that_is_hidden_from_them(album, cleo, rf, vienna):
    """Neither by places, cameras, licences and moderation, nor by words of filenames."""
    hidden = "has_gps=true&bbox=16,48,17,49&camera_model=iPhone+13&may_be_published=true"
    for query, names in [
        ("", {"anna", "phone", "phone pro", "placed", "licensed", "day before"}),
        (f"?{hidden}&moderation=rejected&status=failed", None),
        ("?q=placed", set()),
        ("?q=encore", {"anna"}),
        ("?uploader=Ben", {"day before"}),
        ("?during=2026-06-21T21", {"anna"}),
    ]:
        vienna.visibility = "gallery"
        vienna.save()
        access = GuestAccess.of(Invitation.objects.get(pk=cleo.invitation.pk))
        filters = GalleryFilters(rf.get(f"/{query}"), vienna, access, only=overview.APPROVED)
        found = {image.original_filename for image in filters.page.rows}
        if names is None:
            assert filters.asked == {}
            assert len(found) == 6
        else:
            assert found == names
        assert {facet.name for facet in filters.facets} <= {"uploader", "during"}
        assert filters.overview.total == 6


# --- Cost -----------------------------------------------------------------------------------

EACH = [
    *("", "?uploader=Anna", "?camera_model=x", "?has_gps=true", "?may_be_published=true"),
    *("?moderation=pending", "?q=song", "?during=2026-06", "?status=failed", "?ordering=sort_at"),
    *("?ordering=-created_at", "?at=2026-06-20", "?q=song&uploader=Ben&during=2026"),
]


def test_each_page_costs_a_constant_number_of_queries(page, vienna):
    def queries(query):
        with CaptureQueriesContext(connection) as caught:
            assert page(query).status_code == 200
        return len(caught)

    many(vienna, 5)
    page("")
    few = {query: queries(query) for query in EACH}
    Image.objects.all().delete()
    many(vienna, 130)
    of_many = {query: queries(query) for query in EACH}
    # One more for the variants, where five matched nothing.
    assert [query for query in EACH if of_many[query] > few[query] + 1] == []
    assert max(few.values()) <= 24


def test_the_numbers_of_a_large_group_are_kept_for_a_while(page, vienna, monkeypatch):
    monkeypatch.setattr(overview, "SMALL", 50)
    many(vienna, 60)
    assert page().context["photo_count"] == 60
    photo(vienna)
    assert page().context["photo_count"] == 60  # nobody has counted again
    monkeypatch.setattr(overview, "SHORTEST", 0)
    monkeypatch.setattr(overview, "SHARE", 0)
    assert page().context["photo_count"] == 61


def test_the_numbers_of_a_small_group_are_those_of_now(page, vienna):
    many(vienna, 3)
    assert page().context["photo_count"] == 3
    photo(vienna)
    assert page().context["photo_count"] == 4
