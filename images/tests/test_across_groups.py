"""Lists and searches of somebody who sees very many groups: the same photos in the same order as of
somebody who sees few, by indexes of all photos."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bandpics.testing.matrix import representative
from groups.models import Group, Membership
from groups.tests.factories import GroupFactory
from images.access import GuestAccess, MemberAccess
from images.listing import across_groups, search_plan, whole_list
from images.listing.filters import ImageFilters
from images.listing.pagination import ORDERINGS, Cursor, Ordering, Page
from images.models import Image, Upload
from images.tests.bulk_rows import many, photo

pytestmark = pytest.mark.django_db

URL = "/api/v1/images/"
EVENING = datetime(2026, 6, 21, 20, tzinfo=UTC)
LONG_AGO, NOW = EVENING - timedelta(days=30), EVENING + timedelta(days=30)
# How far is read before the next way is tried: nothing, some, all of it.
FAR = [0, 12, 1000]
QUERIES = [
    "",
    "q=encore",
    "q=song",
    "q=nothing",
    "q=encore+song",
    "updated_since=2026-07-01",
    "updated_since=2026-05-01",
    "updated_since=2100-01-01",
    "q=encore&updated_since=2026-07-01",
    "status=failed",
    "moderation=pending",
    "uploader=Anna&q=song",
]


@pytest.fixture(autouse=True)
def _anew():
    """No test knows what another has found out, or how far its statements read."""
    across_groups._known.clear()
    whole_list._statement.cache_clear()
    yield
    across_groups._known.clear()
    whole_list._statement.cache_clear()


@pytest.fixture
def far(monkeypatch):
    def set_far(photos):
        for name in ("ALL_PART", "FIRST_PART", "LONG_PART", "FEW_MATCHES", "FEW_PHOTOS"):
            monkeypatch.setattr(search_plan, name, photos)
        monkeypatch.setattr(search_plan, "FEW_UPLOADS", photos)
        whole_list._statement.cache_clear()

    return set_far


@pytest.fixture
def evenings(group, ben):
    """Photos of three of Ben's groups and of two of others, in turns; at the same moment, in the
    trash, in a group in the trash, with and without words and dates."""
    team = group.team
    mine = [group, GroupFactory(team=team), GroupFactory(team=team)]
    gone = GroupFactory(team=team, trashed_at=timezone.now())
    others = [GroupFactory(), GroupFactory()]
    for number in range(48):
        # The newest are of others; then some of each, two at a time.
        place = others[number % 2] if number < 14 else [*mine, gone, *others][number % 6]
        at = EVENING - timedelta(minutes=number // 2)
        changed = NOW if number % 5 == 0 else LONG_AGO
        photo(
            place,
            status="failed" if number % 9 == 4 else "done",
            original_filename=f"{number % 4}.jpg",
            sort_at=at,
            taken_at=None if number % 7 == 3 else at,
            byte_size=1000 + number // 3,
            caption=("encore " if number % 3 == 0 else "") + ("song" if number % 7 else ""),
            uploader_name="Anna" if number % 4 == 2 else "Ben",
            moderation="pending" if number % 8 == 1 else "approved",
            trashed_at=NOW if number % 11 == 10 else None,
            created_at=LONG_AGO + timedelta(minutes=number // 3),
            updated_at=changed + timedelta(minutes=number // 4),
            arrived_at=NOW if number % 10 == 2 else LONG_AGO,
            finished_at=LONG_AGO,
        )
    return mine


def walk(client, url):
    """All pages, and all of the way back."""
    pages, previous = [], None
    while url:
        answer = client.get(url).json()
        pages.append([row["id"] for row in answer["results"]])
        url, previous = answer["next"], answer["previous"]
    back = [pages[-1]]
    while previous:
        answer = client.get(previous).json()
        back.append([row["id"] for row in answer["results"]])
        previous = answer["previous"]
    assert list(itertools.chain(*back[::-1])) == list(itertools.chain(*pages))
    return pages


# In each run all orders of the whole list and of a search, and one order of the others.
ORDERED = representative(
    itertools.product(QUERIES, [f"{sign}{name}" for name in ORDERINGS for sign in ("-", "")]),
    lambda case: case[0] in {"", "q=song"} or case[1] == "-sort_at",
)


@pytest.mark.parametrize(("query", "ordering"), ORDERED)
def test_pages_are_those_of_somebody_who_sees_few(
    ben, signed_in, evenings, far, monkeypatch, query, ordering
):
    client, url = signed_in(ben), f"{URL}?{query}&ordering={ordering}&limit=5"
    expected = walk(client, url)
    monkeypatch.setattr(across_groups, "are_many", lambda access: True)
    for photos in FAR:
        far(photos)
        assert walk(client, url) == expected, photos


def test_what_is_compared_is_there(ben, signed_in, evenings):
    client = signed_in(ben)
    found = {query: len(walk(client, f"{URL}?{query}&limit=200")[0]) for query in QUERIES}
    assert {query for query, number in found.items() if number == 0} == {
        "q=nothing",
        "updated_since=2100-01-01",
    }
    assert found[""] == found["updated_since=2026-05-01"] == 14
    assert all(number < 14 for query, number in found.items() if "07-01" in query or "q=" in query)


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("photos", FAR)
def test_a_stranger_is_shown_nothing(dora, signed_in, evenings, far, monkeypatch, query, photos):
    monkeypatch.setattr(across_groups, "are_many", lambda access: True)
    far(photos)
    assert walk(signed_in(dora), f"{URL}?{query}") == [[]]


@pytest.mark.parametrize("photos", FAR)
@pytest.mark.parametrize("query", ["", "q=song", "updated_since=2026-05-01"])
def test_a_group_that_was_left_between_two_pages_is_not_on_the_next(
    ben, signed_in, evenings, far, monkeypatch, query, photos
):
    monkeypatch.setattr(across_groups, "are_many", lambda access: True)
    far(photos)
    client = signed_in(ben)
    other = GroupFactory()
    membership = Membership.objects.create(team=other.team, user=ben, role="member")
    for minute in range(60):
        photo(other, sort_at=EVENING - timedelta(minutes=minute), caption="song")
    first = client.get(f"{URL}?{query}&limit=8").json()
    assert str(other.pk) in {row["group"] for row in first["results"]}
    membership.delete()
    Group.objects.filter(pk=evenings[0].pk).update(trashed_at=timezone.now())
    url, groups = first["next"], set()
    while url:
        answer = client.get(url).json()
        groups |= {row["group"] for row in answer["results"]}
        url = answer["next"]
    assert groups == {str(each.pk) for each in evenings[1:]}


def test_an_offset_leaves_out_and_counts(ben, signed_in, evenings, far, monkeypatch):
    client = signed_in(ben)
    expected = client.get(f"{URL}?offset=4&limit=5").json()
    monkeypatch.setattr(across_groups, "are_many", lambda access: True)
    for photos in FAR:
        far(photos)
        assert client.get(f"{URL}?offset=4&limit=5").json()["count"] == expected["count"] == 14
        found = client.get(f"{URL}?offset=4&limit=5").json()["results"]
        assert [row["id"] for row in found] == [row["id"] for row in expected["results"]]


# --- Who sees very many groups ----------------------------------------------------------------


def test_very_many_are_more_than_a_few(ben, group):
    GroupFactory.create_batch(across_groups.FEW_GROUPS - 1, team=group.team)
    access = MemberAccess(ben)
    assert not across_groups.are_many(access)
    GroupFactory(team=group.team)
    assert not across_groups.are_many(access)  # so long it is believed
    across_groups._known.clear()
    assert across_groups.are_many(access)


def test_it_is_asked_once_in_a_while(ben, group, monkeypatch):
    access = MemberAccess(ben)
    with CaptureQueriesContext(connection) as queries:
        for _ in range(3):
            across_groups.are_many(access)
        monkeypatch.setattr(across_groups, "MOST_KNOWN", 1)
        across_groups.are_many(access)
    assert len(queries) == 1
    monkeypatch.setattr(across_groups, "KNOWN_SECONDS", -1)
    across_groups._known.clear()
    with CaptureQueriesContext(connection) as queries:
        across_groups.are_many(access)
        across_groups.are_many(access)
    assert len(queries) == 2
    assert len(across_groups._known) == 1


def test_who_sees_a_few_named_groups_or_is_a_guest_sees_few(ben, group, invitation):
    GroupFactory.create_batch(across_groups.FEW_GROUPS, team=group.team)
    assert across_groups.are_many(MemberAccess(ben))
    assert not across_groups.are_many(MemberAccess(ben, group_ids=frozenset([group.pk])))
    assert not across_groups.are_many(GuestAccess.of(invitation, device_secret="a phone"))
    asked = QueryDict(f"group={group.pk}&q=song")
    assert not ImageFilters(asked, MemberAccess(ben)).search().is_wide
    assert ImageFilters(QueryDict("q=song"), MemberAccess(ben)).search().is_wide


# --- Cost ---------------------------------------------------------------------------------------


def explained(access, query, *, ordering="-sort_at", cursor=None):
    page = Page("http://x/", Ordering(ordering), 50, cursor=cursor)
    search = ImageFilters(QueryDict(query), access).search() if query else whole_list.search(access)
    assert search.is_wide
    return search.cut(page).values("pk").explain(analyze=True)


def rows_read(plan):
    """How many photos any part of the plan has read at most."""
    read = re.findall(r"on images_image\b.*actual.*rows=([\d.]+) loops=([\d.]+)", plan)
    read += re.findall(r"Scan on image_\w+ .*actual.*rows=([\d.]+) loops=([\d.]+)", plan)
    return max(float(rows) * float(loops) for rows, loops in read)


@pytest.fixture
def large(ben, group):
    """4,000 photos of others, the newest; among them each tenth, 400 of 60 of Ben's groups."""
    other = GroupFactory()
    many(other, 4000)
    mine = [group, *GroupFactory.create_batch(60, team=group.team)]
    rows = list(Image.objects.order_by("-sort_at").values_list("pk", flat=True)[::10])
    for number, each in enumerate(mine):
        Image.objects.filter(pk__in=rows[number :: len(mine)]).update(group=each)
    then = EVENING - timedelta(days=9)
    Image.objects.update(updated_at=then)
    Upload.objects.update(arrived_at=then, finished_at=then)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE images_image")
    return MemberAccess(ben)


@pytest.mark.parametrize(
    ("query", "ordering", "index", "at_most"),
    [
        ("", "-sort_at", "image_all_in_order", 600),
        ("", "sort_at", "image_all_in_order", 600),
        ("", "-created_at", "image_all_by_upload", 600),
        ("q=song", "-sort_at", "image_all_in_order", 600),
        ("updated_since=2020-01-01", "-sort_at", "image_all_in_order", 1100),
        ("updated_since=2100-01-01", "-sort_at", "image_all_by_update", 1),
        ("q=dsc_00037", "-sort_at", "image_words", 1000),
        ("q=nothing", "-sort_at", "image_words", 1000),
    ],
)
def test_a_page_of_very_many_groups_reads_a_part_of_all_photos(
    large, query, ordering, index, at_most
):
    plan = explained(large, query, ordering=ordering)
    assert re.search(rf"(using|on) {index}\b.*actual", plan), plan
    assert rows_read(plan) <= at_most, plan
    assert not re.search(r"groups_group.*actual.*rows=6\d", plan), plan  # no group is read


def test_a_deep_page_begins_at_its_cursor(large):
    middle = Image.objects.order_by("-sort_at")[2000]
    cursor = Cursor("-sort_at", backwards=False, key=middle.sort_at, id=middle.pk)
    plan = explained(large, "", cursor=cursor)
    assert re.search(r"using image_all_in_order .*actual.*\n *Index Cond: .*ROW\(", plan), plan
    assert rows_read(plan) <= 600, plan


def test_groups_whose_photos_are_older_are_asked_for_their_first(large, monkeypatch):
    monkeypatch.setattr(search_plan, "ALL_PART", 100)  # ten of them are Ben's
    plan = explained(large, "")
    # One photo of each of the 61, and then those of as many groups as the page may have photos of.
    assert re.search(r"using image_gallery_order .*actual.*rows=1\.00 loops=61", plan), plan
    assert re.search(r"on images_image .*actual.*loops=51", plan), plan


def test_no_list_of_one_group_reads_the_photos_of_others(ben, group):
    # Postgres takes either group for half of all photos.
    many(GroupFactory(), 4000)
    for minute in range(20):
        photo(group, sort_at=EVENING - timedelta(days=minute))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE images_image")
    for ordering in ("-sort_at", "sort_at", "-created_at", "updated_at"):
        page = Page("http://x/", Ordering(ordering), 50)
        for rows in (
            whole_list.search(MemberAccess(ben)).cut(page),
            Image.objects.filter(group=group).order_by(*[ordering, "-id"])[:50],
            Image.objects.filter(group__in=[group.pk]).order_by(ordering)[:50],
        ):
            plan = rows.values("pk").explain()
            assert "image_all_" not in plan, plan
