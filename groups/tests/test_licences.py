"""Sentences of licence are written once: another wording is another version."""

from __future__ import annotations

import threading

import pytest
from django.db import connection
from django.utils.translation import override

from groups import editing, licences
from groups.models import Group, Licence

pytestmark = pytest.mark.django_db
SHOW, OWN = {"kind": "show"}, {"kind": "own", "text": "You may print my photos."}


def current(group):
    return Group.objects.select_related("licence", "team").get(pk=group.pk)


def test_each_wording_is_a_row_of_its_own(group):
    editing.change(group, {"licence": SHOW})
    first = current(group).licence
    assert (first.number, first.kind) == (1, "show")
    assert "The Band may show my photos in public" in first.text
    editing.change(group, {"licence": OWN})
    second = current(group).licence
    assert (second.number, second.text) == (2, "You may print my photos.")
    editing.change(group, {"licence": None})
    assert current(group).licence is None
    editing.change(group, {"licence": SHOW})
    assert current(group).licence.number == 3
    assert Licence.objects.get(pk=first.pk).text == first.text


def test_the_same_wording_again_is_the_same_version(group):
    for wanted in (SHOW, OWN):
        editing.change(group, {"licence": wanted})
        before = current(group).licence
        with override("de"):
            editing.change(group, {"licence": wanted})
        assert current(group).licence == before


def test_guests_read_the_standard_sentence_with_the_name_it_was_agreed_with(group, team):
    editing.change(group, {"licence": SHOW})
    licence = current(group).licence
    assert licences.shown_text(licence, team) == licences.standard_text(team)
    team.name = "Another name"
    assert "The Band" in licences.shown_text(licence, team)


def test_a_number_of_another_version_is_refused(group):
    editing.change(group, {"licence": OWN})
    found = current(group)
    assert licences.agreed(found, None) is None
    assert licences.agreed(found, 1) == found.licence
    with pytest.raises(licences.LicenceChanged) as refusal:
        licences.agreed(found, 2)
    assert refusal.value.current == found.licence


@pytest.mark.django_db(transaction=True)
def test_two_hosts_who_write_at_once_make_two_versions(group):
    def write(text):
        try:
            editing.change(group, {"licence": {"kind": "own", "text": text}})
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=[f"Sentence {n}"]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(Licence.objects.values_list("number", flat=True)) == [1, 2, 3, 4]
