"""What a German or French reader sees is German or French: in templates every text is marked for
translation, and no page of the URLconf says an English word."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.conf import settings
from django.urls import reverse

from images.tests.test_access import client_of, everything
from images.tests.test_every_page import SEEN

__all__ = ["everything"]

# For programmers and those who run the service.
ENGLISH = {"admin", "rest_framework", "problem.html"}
TEMPLATES = [
    path
    for folder in settings.TEMPLATES[0]["DIRS"]
    for path in sorted(folder.rglob("*.*"))
    if not ENGLISH & set(path.relative_to(folder).parts)
]
# In their order: what is translated, what is not shown, tags of Django and of HTML.
HIDDEN = [
    r"\{% comment %\}.*?\{% endcomment %\}",
    r"\{% blocktranslate\b.*?\{% endblocktranslate %\}",
    r"<(style|script)\b.*?</\1>",
    r"\{% block (width|language) %\}.*?\{% endblock %\}",  # of the frame
    r"\{#.*?#\}",
    r"\{%.*?%\}",
    r"\{\{.*?\}\}",
]
SPOKEN = r'\b(?:alt|title|placeholder|aria-label)="([^"]*)"'
TAG = r"<[^>]*>"
WORD = re.compile(r"[^\W\d_]{2,}")
NAMES = {"Bandpics", "UTC", "ISO", "mm"} | set(WORD.findall("Hanna Weber <hanna@example.org>"))
# Words that neither German nor French has.
KNOWN = set(
    re.findall(
        r"\w+",
        "and you your yours this that with from have are not nothing they who it which when into "
        "them because only what their upload settings guests remove works until nobody",
    )
)


def bare(source: str) -> str:
    """What a template shows as it is written there."""
    for pattern in HIDDEN:
        source = re.sub(pattern, " ", source, flags=re.DOTALL)
    spoken = " ".join(re.findall(SPOKEN, source))
    return unescape(f"{re.sub(TAG, ' ', source)} {spoken}")


def test_every_text_of_a_template_is_marked_for_translation():
    assert TEMPLATES
    left = {path: set(WORD.findall(bare(path.read_text()))) - NAMES for path in TEMPLATES}
    assert {str(path): words for path, words in left.items() if words} == {}


def test_a_text_that_is_not_marked_is_found():
    source = '<p title="Say it">{% translate "Fine" %} <b>Not {{ fine }}</b></p><!-- {% if x %} -->'
    assert WORD.findall(bare(source)) == ["Not", "Say", "it"]


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["de", "fr"])
def test_no_page_says_an_english_word(everything, language):
    said = {}
    for name, _who, converters in SEEN:
        url = reverse(name, kwargs={key: everything["path"][key] for key in converters})
        for who in [everything["cast"][0], None]:  # Ada, and somebody without an account
            answer = client_of(who).get(url, headers={"Accept-Language": language})
            html = answer.content.decode()
            if answer.status_code == 200 and name != "problem":
                assert f'<html lang="{language}"' in html, name
                said[name] = KNOWN & set(WORD.findall(bare(html).lower()))
    assert said
    assert {name: words for name, words in said.items() if words} == {}
