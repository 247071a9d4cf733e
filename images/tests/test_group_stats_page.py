"""The page of a group in numbers: what owners read there."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest

from images.listing import stats
from images.tests.bulk_rows import photo

pytestmark = pytest.mark.django_db

EVENING = datetime(2026, 6, 21, 18, 10, tzinfo=UTC)  # ten past eight in Vienna


@pytest.fixture
def page_of(ada, group, signed_in):
    group.time_zone = "Europe/Vienna"
    group.save()
    client = signed_in(ada)

    def ask():
        answer = client.get(f"/groups/{group.pk}/stats/")
        assert answer.status_code == 200
        return unescape(answer.content.decode())

    return ask


def table(html, name):
    """The rows of the table of one chart."""
    body = re.search(rf'id="{name}">.*?<tbody>(.*?)</tbody>', html, re.DOTALL)
    return re.findall(r'data-count="(\d+)">\s*<th scope="row">(.*?)</th>', body[1]) if body else []


def test_each_chart_has_its_table(group, page_of):
    for minutes, name in ((0, "Ada"), (20, "Ada"), (50, "Ben")):
        at = EVENING + timedelta(minutes=minutes)
        photo(group, sort_at=at, uploader_name=name, camera_make="Canon", camera_model="Canon R5")
    photo(group, status="queued", byte_size=None)
    html = page_of()
    assert table(html, "taken") == [("2", "21 Jun 20:00"), ("1", "21 Jun 21:00")]
    assert table(html, "uploaders") == [("2", "Ada"), ("1", "Ben")]
    assert table(html, "cameras") == [("3", "Canon R5")]
    assert table(html, "formats") == [("3", "JPEG")]
    assert table(html, "sizes")[0] == ("3", "< 1 MB")
    assert len(table(html, "arrived")) == 30
    assert "Waiting for a worker" in html


def test_guests_without_a_name_share_a_bar(group, page_of):
    for name in ("", "Ada", "", ""):
        photo(group, uploader_name=name)
    assert table(page_of(), "uploaders") == [("1", "Ada"), ("3", "without a name")]


def test_cameras_of_one_label_share_a_bar(group, page_of):
    for make, model in (("Canon", "Canon R5"), ("", "Canon R5"), ("Sony", "A7"), ("Nikon", "A7")):
        photo(group, camera_make=make, camera_model=model)
    assert table(page_of(), "cameras") == [("2", "Canon R5"), ("1", "Nikon A7"), ("1", "Sony A7")]


def test_hours_of_another_year_say_which(group, page_of):
    photo(group, sort_at=EVENING)
    photo(group, sort_at=EVENING.replace(year=2019))
    rows = table(page_of(), "taken")
    assert rows == [("1", "21 Jun 2019 20:00"), ("1", "21 Jun 2026 20:00")]


def test_hours_of_an_older_group_say_which_year(group, page_of):
    photo(group, sort_at=EVENING.replace(year=2019))
    assert table(page_of(), "taken") == [("1", "21 Jun 2019 20:00")]


def test_photos_of_many_days_are_counted_by_day(group, page_of):
    for day in range(7):
        for hour in range(16):
            photo(group, sort_at=EVENING.replace(hour=hour) + timedelta(days=day))
    rows = table(page_of(), "taken")
    assert [int(count) for count, _ in rows] == [16] * 7
    assert rows[0][1] == "21 Jun 2026"


def test_it_says_when_it_was_counted_on_the_clock_of_the_group(group, page_of, monkeypatch):
    monkeypatch.setattr(stats.timezone, "now", lambda: EVENING)
    assert "Counted at 20:10." in page_of()


def test_a_group_without_photos_has_no_chart(page_of):
    html = page_of()
    assert "chart-frame" not in html
    assert "charts/page" not in html
