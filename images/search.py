"""Finding photos by words: of the filename, description, caption and uploader.

Postgres full text without a language: whole words in any case, and the last one as a prefix, as
somebody types. `IMG_4021.jpg` is found by `img_4021`, by `4021` and by `40`; not by `021`.
"""

from __future__ import annotations

import unicodedata

from django.contrib.postgres.search import SearchQuery, SearchVector, SearchVectorExact
from django.db.models import Func, TextField, Value
from django.db.models.functions import Concat

COLUMNS = ("original_filename", "description", "caption", "uploader_name")
# What stands between words. Postgres alone would take `a.b` for a host, `a/b` for a path, `-5`
# for a number below zero and `<b>` for markup.
SEPARATORS = "_-./\\@:+=&;#<>~?'\""
_SPACES = " " * len(SEPARATORS)


class Normalized(Func):
    """One spelling of each letter: Macs write ü as u and two dots."""

    template = "normalize(%(expressions)s, NFKC)"
    output_field = TextField()


class Spaced(Func):
    function = "translate"
    output_field = TextField()


def document() -> SearchVector:
    """What is searched. The index holds this very expression, so the query must say it, too."""
    parts = [part for column in COLUMNS for part in (column, Value(" "))]
    text = Normalized(Concat(*parts, output_field=TextField()))
    return SearchVector(Spaced(text, Value(SEPARATORS), Value(_SPACES)), config="simple")


def containing(text: str) -> SearchVectorExact | None:
    """A condition for rows that have all the words. None where there is no word to look for."""
    spaced = unicodedata.normalize("NFKC", text).translate(str.maketrans(SEPARATORS, _SPACES))
    words = [word for word in spaced.split() if any(letter.isalnum() for letter in word)]
    if not words:
        return None
    # Quoted: no operator in it. A quote itself is a separator, so none is left.
    query = " & ".join(f"'{word}'" for word in words) + ":*"
    return SearchVectorExact(document(), SearchQuery(query, config="simple", search_type="raw"))
