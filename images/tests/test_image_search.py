"""Finding photos by words."""

from __future__ import annotations

import itertools
import re
import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from bandpics.testing.matrix import few, representative
from groups.models import Group
from groups.tests.factories import GroupFactory
from images.listing import across_groups, pagination, search_plan
from images.listing.pagination import Cursor, Ordering, Page
from images.listing.search_plan import Search, TextMatch
from images.models import Image, search_vector
from images.tests.bulk_rows import many, names, photo, refused

pytestmark = pytest.mark.django_db

URL = "/api/v1/images/"
NOON = datetime(2026, 6, 21, 12, tzinfo=UTC)


@pytest.fixture
def found(ben, signed_in):
    client = signed_in(ben)
    return lambda words, **more: sorted(names(client.get(URL, {"q": words, **more})))


@pytest.mark.parametrize(
    "words",
    few(
        [
            "IMG_4021",
            "img_4021.jpg",
            "4021",
            "40",
            "img",
            "im",
            "jpg 4021",
            "4021.JPG",
            "  4021  ",
            "img-4021",
            "img 402",
        ],
        4,
    ),
)
def test_a_filename_is_found_by_its_parts(found, group, words):
    photo(group, original_filename="IMG_4021.jpg")
    photo(group, original_filename="DSC-0001.png")
    assert found(words) == ["IMG_4021.jpg"]


@pytest.mark.parametrize("words", ["021", "mg_4021", "4021 jp png", "402 img", "IMG_4022", "heic"])
def test_words_are_found_whole_and_only_the_last_as_a_beginning(found, group, words):
    photo(group, original_filename="IMG_4021.jpg")
    assert found(words) == []


@pytest.mark.parametrize("column", ["description", "caption", "uploader_name"])
def test_what_people_wrote_is_found(found, group, column):
    photo(group, original_filename="yes", **{column: "Anna's encore, at the Bühne"})
    photo(group, original_filename="no")
    assert found("encore") == ["yes"]
    assert found("ANNA bühn") == ["yes"]
    assert found("stage") == []


def test_words_may_stand_in_different_places(found, group):
    photo(group, original_filename="IMG_1.jpg", caption="encore", uploader_name="Anna")
    photo(group, original_filename="IMG_2.jpg", caption="encore", uploader_name="Ben")
    assert found("anna encore img") == ["IMG_1.jpg"]


def test_letters_are_found_however_they_are_written(found, group):
    photo(group, original_filename=unicodedata.normalize("NFD", "Bühne é.jpg"))
    photo(group, original_filename="ﬁnale.jpg", caption="日本 вечер")
    assert len(found(unicodedata.normalize("NFC", "bühne é"))) == 1
    assert len(found(unicodedata.normalize("NFD", "bühne"))) == 1
    assert found("finale") == ["ﬁnale.jpg"]
    assert found("日本") == ["ﬁnale.jpg"]
    assert found("ВЕЧЕР") == ["ﬁnale.jpg"]


@pytest.mark.parametrize(
    "text",
    few(
        [
            "anna@example.org",
            "https://example.org/path?a=b",
            "<b>bold</b>",
            "-4021 +5 1.5e3 0x1F",
            "a/b\\c:d;e",
            'O\'Brien "quoted"',
            "rock'n'roll",
            "x" * 150,
            "C++ & C#",
            "don\u2019t stop",
            "v1.2.3-beta",
            "5\u20ac (five) [euro] {cash} 100% *",
        ],
        4,
    ),
)
def test_whatever_was_written_is_found_by_writing_it_again(found, group, text):
    photo(group, original_filename="yes", description=text)
    photo(group, original_filename="no", description="something else")
    assert found(text) == ["yes"]


@pytest.mark.parametrize(
    "text",
    few(
        [
            "'",
            "''",
            "\\",
            "a' | 'b",
            "!a",
            "a & | b",
            "(((",
            ":*",
            "a:*b",
            "<->",
            "%",
            "_",
            "\u202e",
            "🎸",
        ],
        5,
    ),
)
def test_no_text_is_an_operator(found, group, text):
    photo(group, original_filename="c.jpg")
    assert found(text) == []


@pytest.mark.parametrize("text", ["-", "...", "!?", "' '"])
def test_text_without_a_word_finds_nothing(found, group, text):
    photo(group)
    assert found(text) == []


def test_a_changed_description_is_found_at_once(found, group):
    image = photo(group, original_filename="a", description="before")
    Image.objects.filter(pk=image.pk).update(description="after")
    assert found("before") == []
    assert found("after") == ["a"]


def test_the_longest_texts_can_be_kept_and_found(found, group):
    words = " ".join(f"w{number:x}" for number in range(700))[:4000]
    photo(group, original_filename="a", description=words, caption=words[:2000])
    assert found("w2b0") == ["a"]


def test_search_adds_up_with_other_filters_and_pages(found, ben, signed_in, group):
    for number in range(5):
        photo(group, original_filename=f"IMG_{number}.jpg", status="done" if number else "failed")
    assert len(found("img", status="done")) == 4
    client, seen, url = signed_in(ben), [], f"{URL}?q=img&limit=2&ordering=original_filename"
    while url:
        page = client.get(url)
        seen += names(page)
        url = page.json()["next"]
    assert seen == [f"IMG_{number}.jpg" for number in range(5)]


def test_nothing_of_another_team_is_found(found, group):
    photo(GroupFactory(), original_filename="IMG_4021.jpg", caption="encore")
    assert found("4021") == []
    assert found("encore") == []


def test_a_guest_finds_own_photos_only(cleo, group):
    photo(group, original_filename="own", caption="encore", uploader=cleo.key)
    photo(group, original_filename="other", caption="encore")
    assert names(cleo.client.get(URL, {"q": "encore"})) == ["own"]


def test_too_much_text_is_refused(ben, signed_in):
    assert refused(signed_in(ben).get(URL, {"q": "x" * 201})) == {"#/q"}


def test_a_word_is_found_by_the_index_of_its_own_group(group):
    other = GroupFactory()
    many(group, 1200)
    many(other, 2800)
    found = {"song 1111": 1, "dsc_01199": 1, "nothing": 0, "song 1": 311}
    for words, hits in found.items():
        plan = explained(group, words)
        read = re.findall(r"Bitmap Index Scan on image_search_vector .*actual.*rows=([\d.]+)", plan)
        assert {float(rows) for rows in read} <= {hits}, plan  # none of the other group's 2800
        assert read or hits > 51, plan
        assert "Seq Scan on images_image" not in plan.split("never executed")[0]


def test_a_word_of_most_photos_is_looked_for_in_order(group):
    # To sort all that follows the cursor must cost far more than to read a part of it in order.
    many(group, 4000)
    part = r"Index Only Scan using image_gallery_order .*actual.*rows=51\."  # a page and one more
    plan = explained(group, "song")
    assert re.search(part, plan), plan
    assert not re.search(r"Bitmap Index Scan on image_search_vector .*actual", plan), plan
    plan = explained(group, "song", cursor=Image.objects.order_by("-sort_at")[100])
    assert re.search(part + r".*\n *Index Cond:.*ROW\(", plan), plan


def test_a_word_of_which_some_are_near_is_looked_for_along_the_order(group):
    many(group, 4000)
    newest_first = Image.objects.order_by("-sort_at").values_list("pk", flat=True)
    Image.objects.filter(pk__in=list(newest_first[::50])).update(caption="encore")
    plan = explained(group, "encore")
    # As far as the last of a page and one more: 50 times 50, and itself.
    assert re.search(r"Index Only Scan using image_gallery_order .*actual.*rows=2501\.", plan), plan
    assert not re.search(r"Bitmap Index Scan on image_search_vector .*actual", plan), plan


@pytest.mark.django_db(transaction=True)
def test_a_large_group_among_many_small_ones_is_not_read_as_a_whole(group):
    # Postgres takes each group for one of the usual size.
    many(group, 4000)
    for other in GroupFactory.create_batch(400):
        photo(other)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE images_image")
    for words in ("nothing", "song"):
        plan = explained(group, words)
        read = re.findall(r"Scan .*on images_image\b.*actual.*rows=([\d.]+)", plan)
        assert max(map(float, read)) <= search_plan.FIRST_PART + 1, plan


def test_a_sample_says_how_far_a_page_of_a_word_reaches(group, monkeypatch):
    # Digests of many() are the least there are, so all of them are in the sample.
    monkeypatch.setattr(search_plan, "ONE_OF", 1)
    many(group, 4000)
    newest_first = Image.objects.order_by("-sort_at").values_list("pk", flat=True)
    Image.objects.filter(pk__in=list(newest_first[1500:])).update(caption="encore")
    plan = explained(group, "encore")
    read = re.findall(r"Scan .*on images_image\b.*actual.*rows=([\d.]+)", plan)
    assert 2 + 4 * 51 in map(float, read), plan  # of 2500


# Which of 300 photos have the word, the newest first, and so which way of four finds them.
WAYS = {
    "among the first": range(1, 300, 2),
    "along the order": range(15, 300),
    "where a sample says": range(150, 300),
    "few": range(90, 140),
    "so many, and none is near": range(150, 300),
    "none": range(0),
}


ORDERS = ["-sort_at", "sort_at", "-taken_at", "-created_at", "byte_size"]
ORDERED_WAYS = representative(
    itertools.product(WAYS, ORDERS),
    lambda case: case[0] == "along the order" or case[1] == "-sort_at",
)


@pytest.mark.parametrize(("way", "order"), few(ORDERED_WAYS, 3))
def test_pages_are_the_same_whichever_way_a_search_runs(
    ben, signed_in, group, monkeypatch, way, order
):
    for name, photos in [("FIRST_PART", 20), ("NEAR_PART", 20), ("LONG_PART", 100)]:
        monkeypatch.setattr(search_plan, name, photos)
    monkeypatch.setattr(search_plan, "FEW_PHOTOS", 60)
    if way == "where a sample says":
        monkeypatch.setattr(search_plan, "ONE_OF", 1)
    many(group, 300)
    newest_first = list(Image.objects.order_by("-sort_at").values_list("pk", flat=True))
    wanted = {newest_first[place] for place in WAYS[way]}
    Image.objects.filter(pk__in=wanted).update(caption="encore")
    column = pagination.ORDERINGS[order.removeprefix("-")]
    sign = "-" if order.startswith("-") else ""
    in_order = Image.objects.order_by(f"{sign}{column}", f"{sign}id").values_list("pk", flat=True)
    expected = [str(pk) for pk in in_order if pk in wanted]
    client, url, pages = signed_in(ben), f"{URL}?q=encore&limit=9&ordering={order}", []
    while url and len(pages) < 4:
        answer = client.get(url).json()
        pages.append([row["id"] for row in answer["results"]])
        url, back = answer["next"], answer["previous"]
    assert [each for page in pages for each in page] == expected[:36]
    if len(pages) > 1:
        again = client.get(back).json()["results"]
        assert [row["id"] for row in again] == pages[-2]


def explained(group, words, cursor=None):
    """What the database did for the first page, or the one after that photo. It is asked as lists
    ask: for photos that are not in the trash, which few indexes tell."""
    cursor = cursor and Cursor("-sort_at", backwards=False, key=cursor.sort_at, id=cursor.pk)
    page = Page("http://x/", Ordering("-sort_at"), 50, cursor=cursor)
    groups = Group.objects.filter(team=group.team)
    cut = Search(groups, Image.objects.kept(), TextMatch(search_vector.query_of(words))).cut(page)
    return cut.explain(analyze=True)


@pytest.mark.parametrize("hits", [99, 100, 101])
def test_few_and_many_are_found_alike(found, group, monkeypatch, hits):
    monkeypatch.setattr(search_plan, "FEW_PHOTOS", 100)
    monkeypatch.setattr(search_plan, "FEW_MATCHES", 100)
    many(group, hits)
    photo(group, original_filename="last", caption="song", sort_at=NOON)
    photo(group, original_filename="other")
    for more in ({}, {"ordering": "original_filename"}, {"has_gps": "false"}):
        seen = found("song", limit=200, offset=0, **more)
        assert (len(seen), seen[-1]) == (hits + 1, "last")


def test_a_count_is_of_what_matches(ben, signed_in, group, monkeypatch):
    many(group, 120)
    many(GroupFactory(team=group.team), 30)
    many(GroupFactory(), 10)
    photo(group, original_filename="other")
    for threshold in (1000, 100):
        monkeypatch.setattr(search_plan, "FEW_PHOTOS", threshold)
        answer = signed_in(ben).get(URL, {"q": "song", "offset": 0, "limit": 1}).json()
        assert answer["count"] == 150


def test_a_group_is_no_word(found, group):
    photo(group, original_filename="a.jpg")
    text = str(group.pk)
    for words in (
        text,
        f"{text}a",
        f"{text}a.jpg",
        text[:8],
        text.replace("-", ""),
        "=",
        f"={text}",
    ):
        assert found(words) == []


def test_a_photo_that_moves_to_another_group_is_found_there(found, ben, signed_in, group):
    image = photo(GroupFactory(), original_filename="a.jpg")
    assert found("a") == []
    Image.objects.filter(pk=image.pk).update(group=group)
    assert found("a") == ["a.jpg"]


@pytest.mark.parametrize(
    "word",
    ["x" * 2020, "\u6f22" * 4000, "e" + "\u0335" * 1010, "\U00020000" * 505, "\u2028" * 675],
)
def test_no_word_is_too_long_to_be_kept(found, group, word):
    photo(group, original_filename="a", description=f"before {word} after")
    assert found("before after") == ["a"]
    if word.isalpha():
        assert found(word[:200]) == ["a"]


@pytest.mark.parametrize("is_wide", [False, True])
@pytest.mark.parametrize("letter", ["\u3316", "\ufdfa", "\u33ff"])
def test_letters_that_stand_for_many_are_found(found, group, monkeypatch, letter, is_wide):
    monkeypatch.setattr(across_groups, "are_many", lambda access: is_wide)
    photo(group, original_filename="a", description=letter * 200)
    assert found(letter * 200) == ["a"]
    assert found(letter * 199 + "x") == []


def test_words_and_news_add_up(found, group):
    photo(group, original_filename="old", caption="song", created_at=NOON, updated_at=NOON)
    photo(group, original_filename="new", caption="song")
    photo(group, original_filename="other")
    since = (NOON + timedelta(hours=1)).isoformat()
    assert found("song", updated_since=since) == ["new"]
    ids = ",".join(str(image.pk) for image in Image.objects.all())
    assert found("song", updated_since=since, ids=ids) == ["new"]
