"""Makes plain text of whatever a model answers, or a person types: one line of letters."""

from __future__ import annotations

import re
import unicodedata

from images.models.generated_caption import MAX_LETTERS

# No more of an answer is looked at: what follows could not be shown.
READ_AT_MOST = 20 * MAX_LETTERS
LONGEST_TAG = 1000
_TAGS = re.compile(rf"<[^<>]{{0,{LONGEST_TAG}}}>")
# Of Markdown: `![alt](address)` and `[text](address)` keep their text.
_LINKS = re.compile(r"!?\[([^\[\]]{0,500})\]\((?:[^()]|\([^()]{0,500}\)){0,500}\)")
_MARKS = re.compile(r"[<>*`#|~\\]|(?:(?<=\s)|^)[-_>+=]{1,}(?=\s|$)|_{2,}")
_QUOTES = "\"'\u201c\u201d\u201e\xab\xbb\u2018\u2019\u201a\u2039\u203a"


class Nonsense(Exception):
    """The text says nothing that could stand beside a photo."""


def plain(text: str, *, at_most: int = MAX_LETTERS) -> str:
    """Returns the text without markup, control characters and line breaks, cut at a word.

    Raises Nonsense if hardly a letter is left.
    """
    text = _LINKS.sub(r"\1", _TAGS.sub(" ", text[:READ_AT_MOST]))
    words = " ".join(_MARKS.sub(" ", without_controls(text)).split())
    while len(words) > 1 and words[0] in _QUOTES and words[-1] in _QUOTES:
        words = words[1:-1].strip()
    found = cut(words, at_most)
    if sum(letter.isalpha() for letter in found) < 2:
        raise Nonsense
    return found


def without_controls(text: str) -> str:
    """Returns the text in one spelling of each letter. Controls become spaces; what is not seen at
    all, such as marks that turn the direction of text around, goes."""
    spelled = unicodedata.normalize("NFC", text)
    return "".join(_shown(letter) for letter in spelled)


def _shown(letter: str) -> str:
    category = unicodedata.category(letter)
    if category in {"Cc", "Zl", "Zp", "Zs"}:
        return " "
    return "" if category.startswith("C") else letter


def cut(words: str, at_most: int) -> str:
    """Ends a text that is too long behind a word, with an ellipsis."""
    if len(words) <= at_most:
        return words
    head = words[: at_most - 1]
    before, _space, _rest = head.rpartition(" ")
    # One endless word is cut where it must be.
    return (before if len(before) > at_most // 2 else head).rstrip(" ,;:-") + "…"
