"""Finding photos by words."""

from __future__ import annotations

import unicodedata

import pytest

from groups.models import Group
from groups.tests.factories import GroupFactory
from images import search
from images.models import Image
from images.pages import Ordering, Page
from images.tests.albums import many, names, photo, refused

pytestmark = pytest.mark.django_db

URL = "/api/v1/images/"


@pytest.fixture
def found(ben, signed_in):
    client = signed_in(ben)
    return lambda words, **more: sorted(names(client.get(URL, {"q": words, **more})))


@pytest.mark.parametrize(
    "words",
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
)
def test_whatever_was_written_is_found_by_writing_it_again(found, group, text):
    photo(group, original_filename="yes", description=text)
    photo(group, original_filename="no", description="something else")
    assert found(text) == ["yes"]


@pytest.mark.parametrize(
    "text",
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
    key = f"invitation:{cleo.invitation.pk}"
    photo(group, original_filename="own", caption="encore", sender=key)
    photo(group, original_filename="other", caption="encore")
    assert names(cleo.client.get(URL, {"q": "encore"})) == ["own"]


def test_too_much_text_is_refused(ben, signed_in):
    assert refused(signed_in(ben).get(URL, {"q": "x" * 201})) == {"#/q"}


def test_search_asks_the_index_not_every_row(group):
    many(group, 4000)
    page = Page("http://x/", Ordering("-sort_at"), 50)
    for words, hits in [("song 1234", 1), ("dsc_03999", 1), ("nothing", 0)]:
        rows = Image.objects.filter(search.containing(words))
        bound = rows.filter(group__in=Group.objects.filter(team=group.team))
        plan = page.cut(bound).explain()
        assert "Bitmap Index Scan on image_search" in plan, plan
        assert "Seq Scan on images_image" not in plan
        assert bound.count() == hits
