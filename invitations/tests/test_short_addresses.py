"""The words of short addresses: which can be chosen, how they may be typed, who keeps them."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.urls import get_resolver
from django.utils import timezone

from groups.tests.factories import GroupFactory
from invitations import links, short_addresses
from invitations.models import ShortAddress
from invitations.short_addresses import ChangedMeanwhile, Unknown, Unusable
from invitations.tests.factories import InvitationFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def link(group):
    return InvitationFactory(group=group, kind="shared", email="")


def choose(link, word, **options):
    seen = short_addresses.state_of(short_addresses.of(link))
    return short_addresses.choose(link, word, **{"pin_hash": None, "only_if": seen} | options)


@pytest.mark.parametrize(
    ("typed", "word"),
    [
        ("hanna40", "hanna40"),
        ("Hanna 40", "hanna-40"),
        ("  Jürgens  Party!!  ", "juergens-party"),
        ("Café Zoë", "cafe-zoe"),
        ("Straße", "strasse"),
        ("Łódź", "lodz"),
        ("Ada's night", "adas-night"),
        ("\uff26ULL", "full"),
        ("a" * 40, "a" * 40),
    ],
)
def test_what_is_typed_becomes_a_word(typed, word):
    assert short_addresses.word_of(typed) == word


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "empty"),
        ("!?", "empty"),
        ("ab", "short"),
        ("a" * 41, "long"),
        ("a" * 100_000, "long"),
        ("Праздник", "letters"),
        ("誕生日", "letters"),
        ("admin", "reserved"),
        ("Sign In", "reserved"),
        ("sign-up", "reserved"),
        ("Bandpics", "reserved"),
        ("\0\0\0", "empty"),
    ],
)
def test_what_cannot_be_a_word_says_why(typed, reason):
    with pytest.raises(Unusable) as refused:
        short_addresses.word_of(typed)
    assert refused.value.reason == reason


def test_the_first_parts_of_our_addresses_are_reserved():
    firsts = {str(each.pattern).split("/")[0] for each in get_resolver().url_patterns}
    inner = {str(each.pattern).split("/")[0] for each in get_resolver("images.urls").url_patterns}
    words = {first for first in firsts | inner if len(first) >= short_addresses.MIN_LENGTH}
    assert words
    assert words <= short_addresses.RESERVED


@pytest.mark.parametrize(
    "typed",
    ["juergens-40", "JÜRGENS-40", "jürgens 40", "Juergens40", "juergens-40.", " juergens_40 ..."],
)
def test_it_is_found_however_it_is_typed(link, typed):
    choose(link, "juergens-40")
    assert short_addresses.find(typed).invitation == link


def test_umlauts_without_their_e_are_found_as_well(link):
    choose(link, "jurgen")
    assert short_addresses.find("Jürgen").word == "jurgen"


@pytest.mark.parametrize("typed", ["nobody", "", "..", "誕生日", "\0", "x" * 10_000])
def test_what_nobody_has_is_unknown(typed):
    with pytest.raises(Unknown):
        short_addresses.find(typed)


def test_rotating_the_link_keeps_the_word(link):
    choose(link, "hanna40")
    links.rotate(link)
    assert short_addresses.find("hanna40").invitation.token == link.token


def test_a_word_is_taken_wherever_its_hyphens_are(link):
    choose(link, "hanna40")
    other = InvitationFactory(kind="shared", email="")
    for word in ("hanna40", "hanna-40"):
        with pytest.raises(Unusable, match="taken"):
            short_addresses.refuse_if_taken(word, other)
        with pytest.raises(Unusable, match="taken"):
            choose(other, word)
    assert short_addresses.of(other) is None
    short_addresses.refuse_if_taken("hanna-40", link)  # its own
    assert choose(link, "hanna-40").word == "hanna-40"
    assert ShortAddress.objects.count() == 1


def test_a_host_who_is_refused_keeps_the_word_they_have(link):
    choose(link, "hanna40")
    other = InvitationFactory(kind="shared", email="")
    choose(other, "mine")
    with pytest.raises(Unusable, match="taken"):
        choose(other, "hanna40")
    assert short_addresses.of(other).word == "mine"


def test_a_word_given_up_leads_nowhere_and_is_kept_for_its_group(link, group):
    choose(link, "hanna40")
    choose(link, "hanna41")
    assert short_addresses.find("hanna40").invitation is None
    stranger = InvitationFactory(kind="shared", email="")
    with pytest.raises(Unusable, match="taken"):
        choose(stranger, "hanna40")
    second = InvitationFactory(group=group, kind="shared", email="")
    choose(second, "hanna40")
    assert short_addresses.find("hanna40").invitation == second


def test_after_thirty_days_others_may_take_it(link):
    choose(link, "hanna40")
    short_addresses.remove(link, only_if=short_addresses.state_of(short_addresses.of(link)))
    kept = ShortAddress.objects.get()
    assert timedelta(days=29) < kept.free_at - timezone.now() <= timedelta(days=30)
    ShortAddress.objects.update(free_at=timezone.now())
    stranger = InvitationFactory(kind="shared", email="")
    choose(stranger, "hanna40")
    assert short_addresses.find("hanna40").invitation == stranger


def test_of_two_hosts_who_change_one_link_the_second_is_told(link):
    choose(link, "hanna40")
    seen = short_addresses.state_of(short_addresses.of(link))
    choose(link, "hanna41", only_if=seen)
    with pytest.raises(ChangedMeanwhile):
        choose(link, "hanna42", only_if=seen)
    with pytest.raises(ChangedMeanwhile):
        short_addresses.remove(link, only_if=seen)
    assert short_addresses.of(link).word == "hanna41"


def test_the_pin_goes_along_with_the_link(link):
    choose(link, "hanna40", pin_hash="hash")
    assert choose(link, "hanna41").pin_hash == "hash"
    assert choose(link, "hanna41", pin_hash="").pin_hash == ""
    assert not ShortAddress.objects.exclude(pin_hash="").exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_hosts_who_want_one_word_at_once_one_gets_it():
    wanting = [InvitationFactory(kind="shared", email="") for _ in range(4)]
    start, told = threading.Barrier(len(wanting)), []

    def want(link):
        start.wait()
        try:
            choose(link, "hanna40")
            told.append("yours")
        except Unusable as refusal:
            told.append(refusal.reason)
        finally:
            connection.close()

    threads = [threading.Thread(target=want, args=[link]) for link in wanting]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["taken", "taken", "taken", "yours"]


# --- Proposals ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("Hanna turns 40", "hanna40"),
        ("Summer concert", "summer-concert"),
        ("40 Jahre Blasmusik", "40-jahre-blasmusik"),
        ("The very long name of a very big party", "the-very-long-name"),
        ("Ö", "oe-2"),
        ("Admin", "admin-2026"),
    ],
)
def test_a_word_is_proposed_that_the_name_suggests(name, first):
    group = GroupFactory(name=name, event_date="2026-06-21")
    group.refresh_from_db()
    assert short_addresses.proposals(group)[0].startswith(first)


@pytest.mark.parametrize("name", ["誕生日", "!!", "x" * 120, "login"])
def test_any_name_has_two_proposals_that_can_be_chosen(name):
    group = GroupFactory(name=name)
    proposals = short_addresses.proposals(group)
    assert len(set(proposals)) == 2
    for word in proposals:
        assert short_addresses.word_of(word) == word


def test_what_is_taken_is_not_proposed(link, django_assert_num_queries):
    choose(link, "hanna40")
    group = GroupFactory(name="Hanna turns 40")
    with django_assert_num_queries(1):
        proposals = short_addresses.proposals(group, typed="hanna-40")
    assert len(proposals) == 2
    assert "hanna40" not in [word.replace("-", "") for word in proposals]
