"""The catalogues are complete in every language, and compiled."""

from __future__ import annotations

import re

import pytest

from bandpics.testing import messages

PLACEHOLDER = re.compile(r"%\(\w+\)s|\{\w+\}|</?\w+>")


@pytest.fixture(scope="module")
def found():
    """What the sources say: to read them takes two seconds."""
    return messages.extracted()


@pytest.fixture(params=messages.languages())
def language(request) -> str:
    return request.param


def test_there_is_german_and_french():
    assert messages.languages() == ["de", "fr"]


def test_what_the_sources_say_is_in_the_catalogue_and_nothing_else(language, found):
    """If it fails, run `make messages`."""
    stored, updated = (
        messages.po_path(language).read_bytes(),
        messages.po(messages.updated(language, found)),
    )
    # Not compared by pytest, which would look for the smallest difference for minutes.
    is_the_same = stored == updated
    assert is_the_same, sorted(set(updated.splitlines()) ^ set(stored.splitlines()))[:20]


def test_sentences_are_found_in_templates_and_in_python(found):
    ids = {message.id for message in found if message.id}
    assert {"Choose photos", "This is not a picture.", "Waiting"} <= ids
    assert "%(team)s asks for your photos of" in ids
    assert ("{count} chosen twice", "{count} chosen twice") in ids


def test_everything_is_translated_and_nothing_guessed(language):
    for message in messages.read(language):
        texts = message.string if isinstance(message.string, tuple) else (message.string,)
        assert all(texts), message.id
        assert not message.fuzzy or not message.id, message.id


def test_translations_fill_the_same_places(language):
    for message in messages.read(language):
        if not message.id:
            continue
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        texts = message.string if isinstance(message.string, tuple) else (message.string,)
        places = [set(PLACEHOLDER.findall(text)) for text in ids]
        for text in texts:
            # "This group" names no number, "These 3 groups" does.
            assert set.intersection(*places) <= set(PLACEHOLDER.findall(text)), message.id
            assert set(PLACEHOLDER.findall(text)) <= set.union(*places), message.id


def test_what_is_compiled_is_what_is_written(language, found):
    """If it fails, run `make messages`."""
    assert messages.mo_path(language).read_bytes() == messages.mo(messages.updated(language, found))
