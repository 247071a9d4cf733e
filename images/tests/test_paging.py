"""Pages of the list: by cursor, in every order, and by offset."""

from __future__ import annotations

import base64
import itertools
import json
import re
from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest

from bandpics.testing.matrix import few, representative
from groups.models import Group
from groups.tests.factories import GroupFactory
from images.listing import pagination
from images.listing.pagination import Cursor, Page
from images.listing.search_plan import Search
from images.models import Image
from images.tests.bulk_rows import many, photo, refused

pytestmark = pytest.mark.django_db

EVENING = datetime(2026, 6, 21, 20, tzinfo=UTC)
URL = "/api/v1/images/"
LIMITS = [1, 2, 3, 7, 8]


@pytest.fixture
def client_of_ben(ben, signed_in):
    return signed_in(ben)


@pytest.fixture
def album(group):
    """Seven photos: some at the same moment, some without date or bytes."""
    rows = []
    for number, minutes in enumerate([0, 0, 0, 5, 9, None, None]):
        taken_at = None if minutes is None else EVENING + timedelta(minutes=minutes)
        uploaded_at = EVENING + timedelta(days=1, minutes=number // 2)
        rows.append(
            photo(
                group,
                status="done" if taken_at else "queued",
                original_filename=f"{number % 4}.jpg",
                taken_at=taken_at,
                sort_at=taken_at or EVENING,
                byte_size=1000 + number // 3 if taken_at else None,
                created_at=uploaded_at,
                updated_at=uploaded_at,
            )
        )
    return rows


def walk(client, url, link="next"):
    """Every page from there on, in the order they come."""
    found = []
    while url:
        page = client.get(url).json()
        found.append([row["id"] for row in page["results"]])
        url = page[link]
    return found


def flat(found):
    return list(chain.from_iterable(found))


def scanning(ordering):
    """What Postgres would say without any pages, nothing last."""
    column, descending = pagination.ORDERINGS[ordering.removeprefix("-")], ordering.startswith("-")

    def key(image):
        value = getattr(image, column)
        return value if isinstance(value, (int, str)) else value.timestamp()

    rows = list(Image.objects.all())
    some = [row for row in rows if getattr(row, column) is not None]
    none = [row for row in rows if getattr(row, column) is None]
    some.sort(key=lambda row: (key(row), row.pk), reverse=descending)
    none.sort(key=lambda row: row.pk, reverse=descending)
    return [str(row.pk) for row in some + none]


# Every order by pages of three; of any length in two orders, with dates that are missing.
PAGES = representative(
    itertools.product([f"{sign}{name}" for name in pagination.ORDERINGS for sign in "- "], LIMITS),
    lambda case: case[1] == 3 or case[0] in {" taken_at", "-taken_at"},
)


@pytest.mark.parametrize(("ordering", "limit"), few(PAGES, 6))
def test_pages_in_every_order_follow_without_gap_or_repeat(client_of_ben, album, ordering, limit):
    ordering = ordering.strip()
    url = f"{URL}?ordering={ordering}&limit={limit}"
    found = walk(client_of_ben, url)
    assert flat(found) == scanning(ordering)
    assert all(len(page) == limit for page in found[:-1])


@pytest.mark.parametrize("ordering", few(["-sort_at", "taken_at", "-taken_at", "byte_size"], 2))
def test_the_way_back_shows_the_same_pages(client_of_ben, album, ordering):
    url = f"{URL}?ordering={ordering}&limit=3"
    there = walk(client_of_ben, url)
    last = url
    while following := client_of_ben.get(last).json()["next"]:
        last = following
    back = walk(client_of_ben, last, link="previous")
    assert back[::-1] == there
    assert client_of_ben.get(url).json()["previous"] is None


def test_newest_comes_first_unless_told_otherwise(client_of_ben, album):
    assert flat(walk(client_of_ben, URL)) == scanning("-sort_at")


def test_a_photo_that_comes_meanwhile_moves_no_page(client_of_ben, album, group):
    first = client_of_ben.get(f"{URL}?limit=3").json()
    photo(group, sort_at=EVENING + timedelta(days=9))
    rest = walk(client_of_ben, first["next"])
    assert [row["id"] for row in first["results"]] + flat(rest) == [
        pk for pk in scanning("-sort_at") if pk in {str(image.pk) for image in album}
    ]


def test_a_photo_that_goes_meanwhile_leaves_no_gap(client_of_ben, album):
    first = client_of_ben.get(f"{URL}?limit=3").json()
    Image.objects.filter(pk=first["results"][-1]["id"]).delete()
    rest = flat(walk(client_of_ben, first["next"]))
    assert rest == scanning("-sort_at")[2:]


@pytest.mark.parametrize("ordering", ["-sort_at", "byte_size"])
def test_from_a_page_that_emptied_there_is_a_way_back(client_of_ben, album, ordering):
    first = client_of_ben.get(f"{URL}?limit=1&ordering={ordering}").json()
    second = client_of_ben.get(first["next"]).json()
    Image.objects.exclude(pk=first["results"][0]["id"]).delete()
    empty = client_of_ben.get(first["next"]).json()
    assert empty["results"] == []
    assert empty["next"] is None
    back = client_of_ben.get(empty["previous"]).json()
    assert back["results"] == first["results"]
    assert client_of_ben.get(second["previous"]).json()["results"] == first["results"]


@pytest.mark.parametrize("ordering", ["-sort_at", "byte_size"])
def test_from_a_page_that_emptied_there_is_a_way_on(client_of_ben, album, ordering):
    first = client_of_ben.get(f"{URL}?limit=3&ordering={ordering}").json()
    second = client_of_ben.get(first["next"]).json()
    Image.objects.filter(pk__in=[row["id"] for row in first["results"]]).delete()
    empty = client_of_ben.get(second["previous"]).json()
    assert empty["results"] == []
    assert empty["previous"] is None
    assert client_of_ben.get(empty["next"]).json()["results"] == second["results"]


def test_a_cursor_remembers_its_order(client_of_ben, album):
    page = client_of_ben.get(f"{URL}?ordering=byte_size&limit=2").json()
    cursor = page["next"].partition("cursor=")[2].partition("&")[0]
    found = walk(client_of_ben, f"{URL}?limit=2&cursor={cursor}")
    assert flat(found) == scanning("byte_size")[2:]
    assert refused(client_of_ben.get(f"{URL}?ordering=-sort_at&cursor={cursor}")) == {"#/cursor"}


def test_a_link_keeps_the_filters(client_of_ben, album, group):
    other = GroupFactory(team=group.team)
    photo(other)
    url = f"{URL}?group={group.pk}&status=done&limit=2"
    assert len(flat(walk(client_of_ben, url))) == 5


def test_groups_are_merged_in_order(client_of_ben, album, group):
    other = GroupFactory(team=group.team)
    for minutes in (-3, 0, 4, 20):
        photo(other, sort_at=EVENING + timedelta(minutes=minutes))
    assert flat(walk(client_of_ben, f"{URL}?limit=2")) == scanning("-sort_at")


@pytest.mark.parametrize(
    ("query", "pointer"),
    few(
        [
            ("limit=0", "limit"),
            ("limit=201", "limit"),
            ("limit=-1", "limit"),
            ("limit=ten", "limit"),
            ("limit=", "limit"),
            ("limit=1.5", "limit"),
            ("limit=99999999999999999999", "limit"),
            ("limit=\u0661", "limit"),
            ("offset=-1", "offset"),
            ("offset=10001", "offset"),
            ("skip=10001", "skip"),
            ("offset=1&skip=1", "skip"),
            ("ordering=nonsense", "ordering"),
            ("ordering=--sort_at", "ordering"),
            ("ordering=-", "ordering"),
            ("ordering=", "ordering"),
            ("ordering=sort_at,id", "ordering"),
            ("cursor=garbage", "cursor"),
            ("cursor=", "cursor"),
            ("cursor=%FF%00", "cursor"),
            ("cursor=W10", "cursor"),
            ("cursor=" + "W1tb" * 20000, "cursor"),
        ],
        7,
    ),
)
def test_nonsense_is_named(client_of_ben, query, pointer):
    assert refused(client_of_ben.get(f"{URL}?{query}")) == {f"#/{pointer}"}


@pytest.mark.parametrize(
    "parts",
    [
        ("sort_at", False, "2026-06-21T20:00:00", "0" * 32),
        ("sort_at", False, "0001-01-01T00:00:00+23:59", "0" * 32),
        ("sort_at", False, 7, "0" * 32),
        ("sort_at", False, "2026-06-21T20:00:00+00:00", "not an id"),
        ("id", False, "2026-06-21T20:00:00+00:00", "0" * 32),
        ("byte_size", False, 2**63, "0" * 32),
        ("byte_size", False, True, "0" * 32),
        ("original_filename", False, "\0", "0" * 32),
        ("original_filename", False, "\ud800", "0" * 32),
        ("original_filename", False, None, "0" * 32),
        ("sort_at", False, "2026-06-21T20:00:00+00:00"),
        None,
        3,
    ],
)
def test_a_forged_cursor_is_refused(client_of_ben, parts):
    text = base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")
    assert refused(client_of_ben.get(f"{URL}?cursor={text}")) == {"#/cursor"}


def test_several_mistakes_are_named_at_once(client_of_ben):
    answer = client_of_ben.get(f"{URL}?limit=0&offset=x&ordering=y")
    assert refused(answer) == {"#/limit", "#/offset", "#/ordering"}


@pytest.mark.parametrize("name", ["é 100%.jpg", "'\"\\.jpg", "\u202e.jpg", "🎸" * 60])
def test_a_cursor_carries_any_filename(client_of_ben, group, name):
    photo(group, original_filename=name)
    photo(group, original_filename=name)
    found = walk(client_of_ben, f"{URL}?ordering=original_filename&limit=1")
    assert len(flat(found)) == 2


def test_a_cursor_survives_the_round_trip(group):
    cursor = Cursor("-sort_at", backwards=True, key=EVENING, id=group.pk)
    assert Cursor.decode(cursor.encode()) == cursor


# --- By offset ------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["offset", "skip"])
def test_an_offset_leaves_out_and_counts(client_of_ben, album, word):
    page = client_of_ben.get(f"{URL}?limit=2&{word}=4").json()
    assert page["count"] == 7
    assert [row["id"] for row in page["results"]] == scanning("-sort_at")[4:6]
    following = client_of_ben.get(page["next"]).json()
    assert [row["id"] for row in following["results"]] == scanning("-sort_at")[6:]
    assert following["next"] is None
    assert flat(walk(client_of_ben, f"{URL}?limit=3&{word}=0")) == scanning("-sort_at")
    first = client_of_ben.get(client_of_ben.get(page["previous"]).json()["previous"]).json()
    assert first["previous"] is None


@pytest.mark.parametrize("word", ["...", "\x96"])
def test_what_cannot_match_anything_is_nothing_to_leave_out(client_of_ben, album, word):
    page = client_of_ben.get(URL, {"q": word, "skip": 1, "ordering": "-uploaded_at"}).json()
    assert (page["count"], page["results"]) == (0, [])


def test_a_cursor_does_not_count(client_of_ben, album):
    assert "count" not in client_of_ben.get(URL).json()


def test_beyond_the_last_there_is_nothing(client_of_ben, album):
    page = client_of_ben.get(f"{URL}?offset=5000").json()
    assert page["results"] == []
    assert page["next"] is None
    assert page["count"] == 7


def test_beyond_the_largest_offset_a_cursor_goes_on(client_of_ben, album, monkeypatch):
    monkeypatch.setattr(pagination, "MAX_OFFSET", 4)
    assert flat(walk(client_of_ben, f"{URL}?limit=2&offset=0")) == scanning("-sort_at")
    answer = client_of_ben.get(f"{URL}?offset=5")
    assert refused(answer) == {"#/offset"}
    assert "cursor" in answer.json()["detail"]


def test_offset_and_cursor_exclude_each_other(client_of_ben, album):
    following = client_of_ben.get(f"{URL}?limit=2").json()["next"]
    assert refused(client_of_ben.get(f"{following}&offset=2")) == {"#/cursor"}


# --- Cost -----------------------------------------------------------------------------------


def test_a_page_asks_the_same_number_of_queries_whatever_it_holds(
    ben, signed_in, group, django_assert_num_queries
):
    client = signed_in(ben)
    client.get(URL)  # once in a while: how many groups there are
    for more in (1, 20):
        for _ in range(more):
            photo(GroupFactory(team=group.team), variants=("thumb", "small"))
        with django_assert_num_queries(2):  # session with its user, photos
            assert client.get(URL).status_code == 200


def test_neither_page_nor_order_reads_the_raw_exif(client_of_ben, album, django_assert_num_queries):
    client_of_ben.get(URL)
    with django_assert_num_queries(2) as queries:
        client_of_ben.get(f"{URL}?ordering=-taken_at&limit=2")
    assert not any('"images_image"."exif"' in query["sql"] for query in queries.captured_queries)


def test_a_deep_page_is_found_by_an_index(group):
    many(group, 4000)
    middle = Image.objects.order_by("sort_at")[2000]
    groups = Group.objects.filter(team=group.team)
    for ordering, index in [
        ("-sort_at", "image_gallery_order"),
        ("sort_at", "image_gallery_order"),
        ("-created_at", "image_upload_order"),
        ("updated_at", "image_update_order"),
        ("-taken_at", "image_taken_order"),
    ]:
        key = pagination.Ordering(ordering).key_of(middle)
        cursor = Cursor(ordering, backwards=False, key=key, id=middle.pk)
        page = Page("http://x/", pagination.Ordering(ordering), 50, cursor=cursor)
        plan = Search(groups, Image.objects.all()).cut(page).values("pk").explain()
        assert re.search(rf"Scan (Backward )?using {index} .*\n *Index Cond: .*ROW\(", plan), plan
        assert "Seq Scan on images_image" not in plan
