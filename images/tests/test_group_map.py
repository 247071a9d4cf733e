"""The map and the histogram of a group: what is counted, for whom, and where it leads."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from bandpics.testing.matrix import few
from images.listing import clusters, filters, histogram
from images.listing.filters import Box
from images.models import Image
from images.photofile.metadata.capture_time import YEARS
from images.tests import bulk_rows

pytestmark = pytest.mark.django_db

STEP = 180 / 2**14
VIENNA = {"latitude": 48.2082, "longitude": 16.3738}
EVENING = datetime(2026, 6, 21, 18, 10, tzinfo=UTC)  # ten past eight in Vienna


@pytest.fixture
def member(ben, group, signed_in):
    group.time_zone = "Europe/Vienna"
    group.save()
    return signed_in(ben)


def photo(group, *, minutes=0, **columns):
    moment = EVENING + timedelta(minutes=minutes)
    return bulk_rows.photo(
        group, **{"taken_at": moment, "sort_at": moment} | VIENNA | columns, variants=("thumb",)
    )


def page_of(client, group):
    answer = client.get(f"/groups/{group.pk}/map/")
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def ask_clusters(client, group, bbox="-180,-90,180,90"):
    answer = client.get(f"/groups/{group.pk}/map/clusters/?bbox={bbox}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def found_by(ben, group, url):
    """The photos that the filters of the gallery find with the parameters of a link."""
    from images.access import MemberAccess

    asked = QueryDict(urlsplit(url).query)
    assert asked
    access = MemberAccess(user=ben)
    rows = filters.ImageFilters(asked, access).search().rows
    return set(rows.ready().filter(group=group).values_list("pk", flat=True))


# --- The histogram ---------------------------------------------------------------------------


def test_photos_are_counted_by_hours_of_the_group(member, group):
    for minutes in (0, 5, 49, 50, 200):
        photo(group, minutes=minutes)
    bars = histogram.of(group).bars
    assert [(f"{bar.starts_at:%d %H:%M}", bar.count) for bar in bars] == [
        ("21 20:00", 3),
        ("21 21:00", 1),
        ("21 23:00", 1),
    ]


def test_a_bar_leads_to_exactly_its_photos(member, ben, group):
    photos = {minutes: photo(group, minutes=minutes).pk for minutes in (0, 49, 50, 109, 110)}
    html = page_of(member, group)
    links = re.findall(r'<a href="([^"]+)"\s+data-count="(\d+)"', html)
    assert [int(count) for _, count in links] == [2, 2, 1]
    found = [found_by(ben, group, url) for url, _ in links]
    assert found == [{photos[0], photos[49]}, {photos[50], photos[109]}, {photos[110]}]


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/New_York", "Pacific/Auckland"])
def test_hours_are_those_of_the_clocks_there(group, zone):
    group.time_zone = zone
    photo(group)
    (bar,) = histogram.of(group).bars
    assert bar.starts_at.minute == 0
    assert bar.starts_at <= EVENING < bar.ends_at
    assert bar.starts_at.utcoffset() == histogram.local(EVENING, group).utcoffset()


def test_the_hour_that_clocks_show_twice_is_two_bars(group):
    """On 25 October 2026 clocks in Vienna go back from 3:00 to 2:00."""
    group.time_zone = "Europe/Vienna"
    for hour in (0, 1):
        moment = datetime(2026, 10, 25, hour, 30, tzinfo=UTC)
        photo(group, taken_at=moment)
    bars = histogram.of(group).bars
    assert [(f"{bar.starts_at:%H:%M %z}", bar.count) for bar in bars] == [
        ("02:00 +0200", 1),
        ("02:00 +0100", 1),
    ]


def test_many_days_are_counted_by_day_and_days_are_as_long_as_their_clocks_say(group):
    group.time_zone = "Europe/Vienna"
    for day in range(40):
        for hour in (10, 11, 12):
            moment = datetime(2026, 10, 1, hour, tzinfo=UTC) + timedelta(days=day)
            photo(group, taken_at=moment)
    found = histogram.of(group)
    assert found.unit == "day"
    assert [bar.count for bar in found.bars] == [3] * 40
    long_day = found.bars[24]
    assert long_day.ends_at.astimezone(UTC) - long_day.starts_at.astimezone(UTC) == timedelta(
        hours=25
    )


def test_years_are_the_last_resort_and_the_latest_of_them_are_shown(group):
    for year in range(1850, 2000):
        photo(group, taken_at=datetime(year, 6, 1, tzinfo=UTC))
    found = histogram.of(group)
    assert (found.unit, len(found.bars)) == ("year", histogram.MAX_BARS)
    assert found.bars[-1].starts_at.year == 1999


@pytest.mark.parametrize("year", [YEARS[0], YEARS[-1]])
@pytest.mark.parametrize("zone", few(["America/New_York", "Asia/Tokyo"], 1))
def test_a_camera_that_shows_another_century_spoils_nothing(member, group, zone, year):
    group.time_zone = zone
    group.save()
    photo(group, taken_at=datetime(year, 12, 31, 23, 30, tzinfo=UTC))
    photo(group)
    assert len(histogram.of(group).bars) == 2
    page_of(member, group)


def test_a_photo_that_says_no_time_is_counted_apart(member, group):
    photo(group)
    photo(group, taken_at=None)
    found = histogram.of(group)
    assert (found.undated, [bar.count for bar in found.bars]) == (1, [1])
    assert "1 photo does not say when it was taken." in page_of(member, group)


def days_of_bars(client, group):
    return re.findall(r'data-day="([^"]+)"', page_of(client, group))


def test_bars_say_the_year_unless_it_is_this_one_alone(member, group):
    now = datetime.now(histogram.ZoneInfo(group.time_zone))
    this_year = now.replace(month=3, day=5, hour=12).astimezone(UTC)
    photo(group, taken_at=this_year)
    assert days_of_bars(member, group) == ["5 Mar"]
    photo(group, taken_at=this_year.replace(year=now.year - 1))
    assert days_of_bars(member, group) == [f"5 Mar {now.year - 1}", f"5 Mar {now.year}"]
    Image.objects.filter(taken_at=this_year).delete()
    assert days_of_bars(member, group) == [f"5 Mar {now.year - 1}"]


# --- The map --------------------------------------------------------------------------------


def test_photos_in_one_place_are_one_cluster_with_the_newest_on_top(member, group):
    photo(group)
    newest = photo(group)
    photo(group, latitude=-33.85, longitude=151.2)
    answer = ask_clusters(member, group)
    assert [(each["count"], round(each["lat"])) for each in answer["clusters"]] == [
        (2, 48),
        (1, -34),
    ]
    assert answer["count"] == 3
    top = answer["clusters"][0]
    assert top["url"] == f"/images/{newest.pk}/"
    assert f"/thumb/{newest.pk}" in top["thumb"]


def test_coming_closer_parts_a_cluster(member, group):
    for metres in range(10):
        photo(group, longitude=16.37 + metres / 1000)
    assert len(ask_clusters(member, group)["clusters"]) == 1
    close = ask_clusters(member, group, "16.369,48.208,16.380,48.209")
    assert len(close["clusters"]) >= 6
    assert close["count"] == 10


def test_only_what_the_box_holds_is_counted(member, group):
    photo(group)
    photo(group, longitude=-179.9)
    photo(group, longitude=179.9)
    assert ask_clusters(member, group, "16,48,17,49")["count"] == 1
    assert ask_clusters(member, group, "179,40,-179,50")["count"] == 2  # across the 180th meridian
    assert ask_clusters(member, group, "0,0,1,1") == {"count": 0, "clusters": []}


@pytest.mark.parametrize(
    "bbox", ["", "1,2,3", "a,b,c,d", "0,10,1,0", "0,0,200,1", "nan,0,1,1", "0,0,1,1,1" * 1000]
)
def test_a_box_that_is_none_is_refused(member, group, bbox):
    answer = member.get(f"/groups/{group.pk}/map/clusters/", {"bbox": bbox})
    assert answer.status_code == 400


def test_a_listed_place_leads_to_exactly_its_photos(member, ben, group):
    here = {photo(group, longitude=16.37 + metres / 10_000).pk for metres in range(5)}
    photo(group, latitude=10.0, longitude=10.0)
    photo(group, latitude=None, longitude=None)
    urls = re.findall(r'<a href="([^"]+\?bbox=[^"]+)"', page_of(member, group))
    assert len(urls) == 2
    assert found_by(ben, group, urls[0]) == here
    assert len(found_by(ben, group, urls[1])) == 1


def test_photos_without_a_place_are_counted_and_lead_to_themselves(member, ben, group):
    photo(group)
    without = {photo(group, latitude=None, longitude=None).pk for _ in range(2)}
    html = page_of(member, group)
    assert "2 photos do not say where they were taken." in html
    url = re.search(r'href="([^"]+\?has_gps=[^"]+)"', html)[1]
    assert found_by(ben, group, url) == without


@pytest.mark.parametrize(
    ("latitude", "words"),
    [
        (48.2082, "At the old bandstand"),
        (48.2132, "560 m from the old bandstand"),
        (49.2082, "111 km from"),
    ],
)
def test_a_place_says_how_far_it_is_from_the_venue(member, group, latitude, words):
    group.latitude, group.longitude = VIENNA["latitude"], VIENNA["longitude"]
    group.venue = "the old bandstand"
    group.save()
    photo(group, latitude=latitude)
    assert words in page_of(member, group)


def test_what_is_in_the_trash_or_not_ready_is_nowhere(member, group):
    photo(group)
    photo(group, trashed_at=EVENING)
    photo(group, status="queued")
    assert ask_clusters(member, group)["count"] == 1
    assert [bar.count for bar in histogram.of(group).bars] == [1]
    assert clusters.extent_of(group).located == 1


def test_another_groups_photos_are_not_shown(member, group, dora):
    from groups.tests.factories import GroupFactory

    photo(GroupFactory(team=group.team))
    assert ask_clusters(member, group)["count"] == 0
    assert member.get(f"/groups/{GroupFactory().pk}/map/").status_code == 404


def test_tiles_are_allowed_on_this_page_and_nothing_is_loaded_from_there_before_consent(
    member, group, settings
):
    photo(group)
    answer = member.get(f"/groups/{group.pk}/map/")
    host = urlsplit(settings.MAP_TILE_URL).netloc.replace("{s}", "*")
    assert host in answer["Content-Security-Policy"]
    html = unescape(answer.content.decode())
    assert 'id="map-question" hidden' in html
    assert not re.search(rf'(?:src|href)="https?://{re.escape(host)}', html)


def test_without_a_map_the_places_are_still_listed(member, group, monkeypatch):
    from images.views import map_picker

    nothing = {"map_tile_url": "", "map_attribution": "", "map_host": ""}
    monkeypatch.setattr(map_picker, "context", lambda: nothing)
    photo(group)
    html = page_of(member, group)
    assert 'id="map"' not in html
    assert "?bbox=" in html


def test_an_empty_group_says_what_will_be_here(member, group):
    assert "Once there are photos" in page_of(member, group)
    bulk_rows.photo(group, taken_at=None)
    assert "neither where nor when" in page_of(member, group)


# --- What it costs --------------------------------------------------------------------------


def test_the_number_of_queries_does_not_depend_on_the_number_of_photos(member, group):
    def asked():
        with CaptureQueriesContext(connection) as queries:
            page_of(member, group)
            ask_clusters(member, group)
        return len(queries)

    photo(group)
    few = asked()
    for number in range(60):
        photo(group, minutes=number * 7, latitude=48 + number / 7, longitude=16 + number / 3)
    assert asked() <= few


def test_a_full_map_is_small_on_the_wire(member, group):
    """In each cell of the grid there is a photo."""
    west, south = 16.25, 48.0  # on lines of a grid of 1/64 of a degree and finer
    for column in range(clusters.COLUMNS):
        for row in range(clusters.ROWS):
            where = {"latitude": south + row * STEP, "longitude": west + column * STEP}
            photo(group, **where, original_filename="x" * 200, uploader_name="Cleo")
    edges = (west, south, west + STEP * 11.9, south + STEP * 7.9)
    answer = member.get(f"/groups/{group.pk}/map/clusters/?bbox={','.join(map(str, edges))}")
    assert len(answer.json()["clusters"]) > clusters.COLUMNS * clusters.ROWS / 4
    most = (clusters.COLUMNS + 1) * (clusters.ROWS + 1)
    per_cluster = len(answer.content) / len(answer.json()["clusters"])
    assert per_cluster * most < 100 * 1024


def copied(row, changed, numbers, where="TRUE"):
    bulk_rows.copied(row, changed, numbers, where)
    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM ANALYZE {row._meta.db_table}")


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_the_map_of_a_hundred_thousand_photos_answers_at_once(member, group):
    one = photo(group)
    taken = "timestamptz '2026-06-19 16:00Z' + n * interval '2.4 s'"
    moved = {
        "id": "uuidv7()",
        "sha256": "lpad(n::text, 64, '0')",
        "taken_at": taken,
        "sort_at": taken,
        "latitude": "CASE WHEN mod(n, 5) > 0 THEN 48.2 + (random() - 0.5) / 3 END",
        "longitude": "CASE WHEN mod(n, 5) > 0 THEN 16.4 + (random() - 0.5) / 3 END",
    }
    copied(one, moved, "generate_series(1, 100000) n")
    ids = "nextval(pg_get_serial_sequence('images_variant', 'id'))"
    of_each = {"id": ids, "image_id": "image.id", "key": "one.key || image.id"}
    copied(
        one.variants.get(), {**of_each, "id": ids}, "images_image image", f"image.id <> '{one.pk}'"
    )

    def seconds(path):
        start = time.perf_counter()
        answer = member.get(path, headers={"Accept-Encoding": "gzip"})
        assert answer.status_code == 200
        return time.perf_counter() - start, len(answer.content)

    base = f"/groups/{group.pk}/map/"
    for path in (
        f"{base}clusters/?bbox=16.2,48,16.6,48.4",
        f"{base}clusters/?bbox=16.39,48.19,16.41,48.21",
    ):
        measured = [seconds(path) for _ in range(5)]
        assert min(took for took, _ in measured) < 0.3
        assert max(size for _, size in measured) < 100 * 1024
    assert min(seconds(base)[0] for _ in range(5)) < 1
    assert ask_clusters(member, group, "16.2,48,16.6,48.4")["count"] > 79_000


@pytest.mark.parametrize("width", few([360, 40, 3, 0.01, 0.0001, 0], 2))
def test_there_are_never_more_clusters_than_cells(group, width):
    side = 40
    bulk_rows.many(group, side * side)
    place = """
        UPDATE images_image SET latitude = (n / %(side)s / %(side)s.0 - 0.5) * %(width)s / 2.1,
            longitude = (mod(n, %(side)s) / %(side)s.0 - 0.5) * %(width)s * 0.99
        FROM (SELECT id AS pk, row_number() OVER (ORDER BY id) - 1 AS n FROM images_image) numbered
        WHERE id = pk
    """
    with connection.cursor() as cursor:
        cursor.execute(place % {"side": side, "width": width})
    box = Box(-width / 2, -width / 4, width / 2, width / 4)
    found = clusters.within(group, box)
    assert sum(cluster.count for cluster in found) == side * side
    assert len(found) <= (clusters.COLUMNS + 1) * (clusters.ROWS + 1)
    for cluster in found:
        assert cluster.box.west - 1e-9 <= cluster.longitude <= cluster.box.east + 1e-9
        assert cluster.box.south - 1e-9 <= cluster.latitude <= cluster.box.north + 1e-9
