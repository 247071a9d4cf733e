"""Finding photos by words: of the filename, description, captions and uploader.

Postgres full text without a language: whole words in any case, and the last one as a prefix, as
somebody types. `IMG_4021.jpg` is found by `img_4021`, by `4021` and by `40`; not by `021`.

Each word is kept with its group's id before it, so that one index serves every group and a search
in one of them, by the beginning of a word, too, reads nothing of the others. An index of the words
alone, without the ids, serves those who search in very many groups.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from django.contrib.postgres.search import (
    SearchQuery,
    SearchQueryField,
    SearchVector,
    SearchVectorField,
)
from django.db.models import BooleanField, Case, F, Func, TextField, Value, When
from django.db.models.functions import Cast, Concat

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import Expression, OuterRef

COLUMNS = ("original_filename", "description", "caption", "generated_text", "uploader_name")
# They separate words. Postgres alone would read `a.b` as a host, `a/b` as a path, `-5` as a number
# below zero and `<b>` as markup.
SEPARATORS = "_-./\\@:+=&;#<>~?'\""
_SPACES = " " * len(SEPARATORS)
# Letters of a word; a longer one counts as several.
LONGEST = 250


class Normalized(Func):
    """One spelling of each letter: Macs write ü as u and two dots."""

    template = "normalize(%(expressions)s, NFKC)"
    output_field = TextField()


class Replaced(Func):
    function = "replace"
    output_field = TextField()


class Spaced(Func):
    function = "translate"
    output_field = TextField()


def search_vector(columns: Iterable[str | Expression] = COLUMNS) -> Cast:
    """The words of a photo, its group's id before each: what a search compares."""
    parts = [part for column in columns for part in (column, Value(" "))]
    whole = Normalized(Concat(*parts, output_field=TextField()))
    spaced = Spaced(whole, Value(SEPARATORS), Value(_SPACES))
    # tsvector refuses a word of more than 2046 bytes where to_tsvector passes over it.
    text = Func(
        *(spaced, Value(rf"([^ \n\r\t]{{{LONGEST}}})"), Value(r"\1 "), Value("g")),
        function="regexp_replace",
        output_field=TextField(),
    )
    # 'anna':3 'img':1; separators were taken out, so no quote and no space is inside a word.
    vector = Cast(SearchVector(text, config="simple"), TextField())
    written = Concat(Value(" "), vector, output_field=TextField())
    group = Concat(Value(" '"), Cast("group_id", TextField()), output_field=TextField())
    return Cast(Replaced(written, Value(" '"), group), SearchVectorField())


def words() -> Cast:
    """The words of a photo alone, as their own index has them. No word has an id in it, whose
    hyphens separate words."""
    text, group_id = Cast("search_vector", TextField()), Cast("group_id", TextField())
    return Cast(Replaced(text, group_id, Value("")), SearchVectorField())


def query_of(text: str) -> str | None:
    """Returns the query for matching() that asks for all of the words; None where there is no
    word."""
    spaced = unicodedata.normalize("NFKC", text).translate(str.maketrans(SEPARATORS, _SPACES))
    # In the pieces that search_vector() makes: one letter may become 18.
    pieces = [
        word[start : start + LONGEST]
        for word in spaced.split()
        for start in range(0, len(word), LONGEST)
    ]
    found = [piece for piece in pieces if any(letter.isalnum() for letter in piece)]
    # Quoted: no operator in it. A quote itself is a separator, so none is left.
    return " & ".join(f"'{word}'" for word in found) + ":*" if found else None


class Matches(Func):
    arg_joiner = " @@ "
    template = "(%(expressions)s)"
    output_field = BooleanField()


class OfGroup(Func):
    """A query for words, the id of their group before each. An equals sign is a separator: it is in
    no word, and stands where the group belongs."""

    template = "replace(regexp_replace(to_tsquery('simple', %(expressions)s::text)::tsquery"
    arg_joiner = r")::text, '''([^'']+)''', '''=\1''', 'g'), '=', "
    output_field = SearchQueryField()


def matching(
    query: str, *, group: F | OuterRef | None = None, vector: Expression | F | None = None
) -> Matches:
    """A condition for photos with the words; by index if `group`, an id, is not of their row."""
    if group is None:
        wanted = OfGroup(Value(query), F("group_id"))
    else:
        # In a query of its own it is made once, not for each row.
        wanted = OfGroup(Value(query), group, template=f"(SELECT {OfGroup.template})")
    return Matches(F("search_vector") if vector is None else vector, wanted)


def matching_anywhere(query: str) -> Matches:
    """A condition for photos with the words, in whichever group; by the index of words alone."""
    return Matches(words(), SearchQuery(query, config="simple", search_type="raw"))


def matching_shown(query: str) -> Func:
    """A condition for photos with the words, those aside that not everybody who sees a photo is
    shown: of filenames, and of e-mail addresses in place of names. It is computed for each row, so
    it is for few rows, or beside matching()."""
    address = When(uploader_name__contains="@", then=Value(""))
    name = Case(address, default=F("uploader_name"), output_field=TextField())
    shown = search_vector(("description", "caption", "generated_text", name))
    return seen_to_match(matching(query, vector=shown))


def seen_to_match(condition: Matches) -> Func:
    """The same condition, checked row by row: Postgres has no index for a CASE, and assumes that
    half of the rows pass."""
    whether = "CASE WHEN %(expressions)s THEN TRUE ELSE FALSE END"
    return Func(condition, template=whether, output_field=BooleanField())
