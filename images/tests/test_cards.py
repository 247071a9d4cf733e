"""The cards and posters that are printed: what is on them, for whom, and how many."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.test import Client
from django.utils import timezone

from groups.models import Group
from images.views.cards import MAX_PEOPLE
from invitations import pins
from invitations.models import Invitation, ShortAddress
from invitations.tests.factories import InvitationFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def shared(group, ada):
    return InvitationFactory(group=group, kind="shared", email="", name="", created_by=ada)


@pytest.fixture
def look(group, ada):
    def look_(who=ada, **query):
        client = Client()
        client.force_login(who)
        answer = client.get(f"/groups/{group.pk}/cards/", query)
        answer.words = unescape(" ".join(answer.content.decode().split()))
        answer.cards = answer.words.count('class="print-card"')
        return answer

    return look_


def test_the_first_look_is_a_sheet_that_can_be_printed(look, group, shared):
    Group.objects.filter(pk=group.pk).update(event_date="2026-06-21")
    answer = look()
    assert (answer.status_code, answer.cards) == (200, 4)
    for words in ("Summer concert", "Sunday, 21 June 2026", "Add your photos"):
        assert words in answer.words
    assert f"/i/{shared.token}/" in answer.words  # no short address: the long one, small
    assert answer.words.count("<svg") >= 4


@pytest.mark.parametrize(
    ("query", "count", "paper"),
    [
        ({"size": "a6", "sheets": 3}, 12, "is-a4 is-a6"),
        ({"size": "a7", "paper": "letter"}, 8, "is-letter is-a7"),
        ({"size": "poster", "paper": "letter"}, 1, "is-letter is-poster"),
        ({"size": "a7", "sheets": 20}, 160, "is-a4 is-a7"),
    ],
)
def test_size_paper_and_number_can_be_chosen(look, shared, query, count, paper):
    answer = look(**query)
    assert answer.cards == count
    assert f'class="sheet {paper}"' in answer.words


def test_the_short_address_is_large_and_stands_alone(look, shared):
    ShortAddress.objects.create(word="hanna40", invitation=shared)
    answer = look(size="poster")
    assert re.search(r'class="print-address">[^<]+/j/hanna40<', answer.words)
    assert shared.token not in answer.words
    assert "asks for your PIN" not in answer.words


def test_a_pin_is_told_about_but_not_printed(look, shared):
    address = ShortAddress(word="hanna40", invitation=shared, pin_hash=pins.hashed("567890"))
    address.save()
    answer = look(words="PIN: see the menu")
    assert "it asks for your PIN" in answer.words
    assert "PIN: see the menu" in answer.words
    assert "567890" not in answer.words


def test_own_words_and_the_colour_of_the_group_are_on_it(look, group, shared):
    Group.objects.filter(pk=group.pk).update(accent_colour="#aa3366")
    answer = look(words="Free <b>beer</b>")
    assert "Free <b>beer</b>" in answer.words  # unescaped by the test
    assert b"Free &lt;b&gt;beer" in answer.content
    assert 'fill="#aa3366"' in answer.words
    assert "style=" not in answer.words.split("<main")[1]  # the page's policy refuses it


@pytest.mark.parametrize(
    "query",
    [
        {"sheets": 0},
        {"sheets": 21},
        {"sheets": "many"},
        {"size": "a0"},
        {"paper": "foolscap"},
        {"kind": "nobody"},
        {"words": "x" * 161},
        {"sheets": "9" * 5000},
    ],
)
def test_nonsense_is_marked_and_prints_nothing(look, shared, query):
    answer = look(**query)
    assert (answer.status_code, answer.cards) == (400, 0)
    assert "Please look at the marked fields" in answer.words


# --- For whom -------------------------------------------------------------------------------


@pytest.fixture
def people(group, ada):
    return [
        InvitationFactory(group=group, name=name, created_by=ada) for name in ("Hanna", "Jo", "Zoë")
    ]


def test_each_invited_person_has_a_card_of_their_own(look, people, group):
    InvitationFactory(group=group, name="Gone", revoked_at=timezone.now())
    InvitationFactory(group=group, name="Late", expires_at=timezone.now())
    InvitationFactory(name="Elsewhere")
    answer = look(kind="personal")
    assert answer.cards == 3
    for person in people:
        assert f"For {person.name}" in answer.words
        assert person.token in answer.words
    for name in ("Gone", "Late", "Elsewhere"):
        assert name not in answer.words


def test_only_those_who_were_chosen_are_printed(look, people):
    answer = look(kind="personal", chosen=1, id=[people[0].pk, people[2].pk, "x", people[0].pk])
    assert answer.cards == 2
    assert people[1].token not in answer.words
    nobody = look(kind="personal", chosen=1)
    assert nobody.cards == 0
    assert "Nobody is chosen." in nobody.words


def test_nine_small_cards_take_two_sheets(look, group, ada):
    for number in range(9):
        InvitationFactory(group=group, name=f"Guest {number}", created_by=ada)
    answer = look(kind="personal", size="a7")
    assert (answer.cards, answer.words.count('class="sheet')) == (9, 2)


def test_members_print_what_they_may_hand_out_and_no_more(look, people, shared, ben, vera, dora):
    mine = InvitationFactory(group=shared.group, name="Of Ben", created_by=ben)
    answer = look(ben, kind="personal")
    assert answer.cards == 1
    assert mine.token in answer.words
    others = look(ben)
    assert others.cards == 0
    assert shared.token not in others.words
    assert "There is no open link that you may hand out." in others.words
    assert look(vera).status_code == 403
    assert look(dora).status_code == 404


def test_a_link_that_ended_is_not_printed(look, shared):
    Invitation.objects.update(expires_at=timezone.now())
    assert look().cards == 0


def test_a_link_whose_key_is_lost_says_so(look, shared, people, settings):
    settings.INVITATION_TOKEN_KEY = "another key, of which nobody told the rows"
    for kind in ("shared", "personal"):
        answer = look(kind=kind)
        assert (answer.status_code, answer.cards) == (200, 0)
        assert "cannot be read any more" in answer.words


def test_many_people_cost_no_more_queries(group, ada, django_assert_max_num_queries):
    for number in range(30):
        InvitationFactory(group=group, name=f"Guest {number}", created_by=ada)
    client = Client()
    client.force_login(ada)
    with django_assert_max_num_queries(9):
        answer = client.get(f"/groups/{group.pk}/cards/", {"kind": "personal"})
    assert answer.content.count(b'class="print-card"') == 30


def test_of_very_many_people_the_first_are_printed(look, group, ada, monkeypatch):
    monkeypatch.setattr("images.views.cards.MAX_PEOPLE", 2)
    for number in range(3):
        InvitationFactory(group=group, name=f"Guest {number}", created_by=ada)
    answer = look(kind="personal")
    assert answer.cards == 2
    assert "the first 2 of them" in answer.words
    assert MAX_PEOPLE == 200
