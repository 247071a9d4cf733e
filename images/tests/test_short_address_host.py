"""The page on which an owner chooses a short address, and what goes wrong there."""

from __future__ import annotations

from html import unescape
from uuid import uuid4

import pytest
from django.test import Client

from bandpics.testing.matrix import few
from images.tests.test_short_address import send_pin
from invitations import pins, short_addresses, tokens
from invitations.models import Invitation, ShortAddress
from invitations.tests.factories import InvitationFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def shared(group, ada):
    return InvitationFactory(group=group, kind="shared", email="", name="", created_by=ada)


@pytest.fixture
def page(group, shared):
    return f"/groups/{group.pk}/short-address/"


@pytest.fixture
def host(ada):
    client = Client()
    client.force_login(ada)
    return client


@pytest.fixture
def save(host, page):
    """Saves what the page shows, changed by what is typed."""

    def save_(seen=None, **typed):
        form = host.get(page).context["form"]
        fields = {"word": form["word"].value(), "seen": form["seen"].value()}
        if seen is not None:
            fields["seen"] = seen
        answer = host.post(page, fields | typed, follow=True)
        answer.words = unescape(" ".join(answer.content.decode().split()))
        return answer

    return save_


def test_the_first_look_proposes_a_word_that_one_click_saves(host, page, save, shared):
    assert host.get(page).context["form"]["word"].value() == "summer-concert"
    answer = save()
    assert answer.status_code == 200
    assert (
        "People can type testserver/j/summer-concert"
        in answer.words.replace("localhost", "testserver")
        or "/j/summer-concert" in answer.words
    )
    assert short_addresses.find("summer concert").invitation == shared


def test_what_is_typed_becomes_a_word(save):
    save(word="Hanna 40!")
    assert ShortAddress.objects.get().word == "hanna-40"


@pytest.mark.parametrize(
    ("typed", "says"),
    few(
        [
            ("", "required"),
            ("ab", "That is too short"),
            ("a" * 60, "That is too long"),
            ("誕生日", "Please use the letters a to z"),
            ("Admin", "Bandpics needs this word itself"),
        ],
        2,
    ),
)
def test_a_word_that_cannot_be_says_why_and_what_was_typed_stays(save, typed, says):
    answer = save(word=typed, pin="4711")
    assert answer.status_code == 400
    assert says in answer.words
    assert f'value="{typed}"' in answer.words or not typed
    assert 'value="4711"' in answer.words
    assert not ShortAddress.objects.exists()


def test_a_taken_word_says_so_with_two_free_ones(save):
    other = InvitationFactory(kind="shared", email="")
    ShortAddress.objects.create(word="hanna40", invitation=other)
    answer = save(word="hanna-40")
    assert answer.status_code == 400
    assert "This word is taken." in answer.words
    proposals = answer.context["form"].proposals
    assert len(proposals) == 2
    for word in proposals:
        assert f'value="{word}"' in answer.words
    assert save(word=proposals[0]).status_code == 200


def test_of_two_owners_for_one_word_the_second_is_told(save, monkeypatch):
    """The form finds the word free, and the row of somebody quicker then refuses it."""
    other = InvitationFactory(kind="shared", email="")
    looked = short_addresses.refuse_if_taken

    def look_then_lose(word, invitation):
        looked(word, invitation)
        ShortAddress.objects.create(word=word, invitation=other)

    monkeypatch.setattr(short_addresses, "refuse_if_taken", look_then_lose)
    answer = save(word="hanna40")
    assert answer.status_code == 409
    assert "This word is taken." in answer.words
    assert len(answer.context["form"].proposals) == 2


def test_two_owners_at_once_do_not_overwrite_each_other(save, host, page):
    save(word="first")
    seen = host.get(page).context["form"]["seen"].value()
    save(word="second")
    answer = save(word="third", seen=seen)
    assert answer.status_code == 409
    assert "the short address is second now" in answer.words
    assert 'value="third"' in answer.words
    assert ShortAddress.objects.get(invitation__isnull=False).word == "second"
    # What they are shown now is what they may overwrite.
    again = {"word": "third", "seen": answer.context["form"]["seen"].value()}
    assert host.post(page, again).status_code == 302
    assert ShortAddress.objects.get(invitation__isnull=False).word == "third"


def test_changing_says_what_becomes_of_the_old_word(save, client):
    save(word="first")
    answer = save(word="second")
    assert "/j/first leads nowhere from now on." in answer.words
    assert client.get("/j/first/").status_code == 403
    assert client.get("/j/second/").status_code == 200


def test_a_pin_is_set_kept_changed_and_removed(save):
    save(word="hanna-40", pin="12 34")
    assert send_pin(Client(), "1234").status_code == 303
    save(word="hanna-40")
    assert send_pin(Client(), "1234").status_code == 303
    save(word="hanna-40", pin="567890")
    assert send_pin(Client(), "1234").status_code == 422
    assert send_pin(Client(), "567890").status_code == 303
    save(word="hanna-40", remove_pin="on")
    assert Client().get("/j/hanna-40/").status_code == 200


@pytest.mark.parametrize("pin", few(["123", "123456789", "abcd", "12.34", "9" * 39], 2))
def test_a_pin_that_cannot_be_says_why(save, pin):
    answer = save(pin=pin)
    assert answer.status_code == 400
    assert "A PIN has 4 to 8 digits" in answer.words
    assert not ShortAddress.objects.exists()


def test_the_page_never_shows_the_pin(save, host, page):
    save(word="hanna-40", pin="567890")
    html = host.get(page).content.decode()
    assert "567890" not in html
    assert ShortAddress.objects.get().pin_hash not in html
    assert "It asks for a PIN." in html


def test_removing_it_keeps_the_link(save, host, page, shared):
    save(word="hanna-40")
    seen = host.get(page).context["form"]["seen"].value()
    old = host.post(page, {"act": "remove", "seen": "hanna-40 long ago"}, follow=True)
    assert "Another owner has changed it meanwhile" in old.content.decode()
    answer = host.post(page, {"act": "remove", "seen": seen}, follow=True)
    assert "The short address is removed." in answer.content.decode()
    assert short_addresses.of(shared) is None
    assert Client().get(f"/i/{shared.token}/").status_code == 200


def test_each_shared_link_may_have_its_own(host, page, group, shared):
    second = InvitationFactory(group=group, kind="shared", email="", name="For the band")
    assert "For the band" in host.get(page).content.decode()
    url = f"{page}?link={second.pk}"
    seen = host.get(url).context["form"]["seen"].value()
    host.post(url, {"word": "the-band", "seen": seen})
    assert short_addresses.of(second).word == "the-band"
    assert short_addresses.of(shared) is None


@pytest.mark.parametrize("of", ["nobody", "another group", "a person", "nonsense"])
def test_other_links_are_not_found(host, page, group, of):
    asked = {
        "nobody": uuid4(),
        "another group": InvitationFactory(kind="shared", email="").pk,
        "a person": InvitationFactory(group=group).pk,
        "nonsense": "x\0y",
    }[of]
    assert host.get(page, {"link": asked}).status_code == 404
    assert host.get(f"{page}check/", {"link": asked, "word": "abc"}).status_code == 404


def test_without_a_link_the_page_says_where_to_make_one(host, page):
    Invitation.objects.all().delete()
    assert "this group has none yet" in host.get(page).content.decode()


def test_a_link_whose_key_is_lost_can_have_one(host, page, save, settings):
    settings.INVITATION_TOKEN_KEY = "another key, of which nobody told the rows"
    with pytest.raises(tokens.TokenLost):
        Invitation.objects.get().token  # noqa: B018
    assert host.get(page).status_code == 200


# --- While typing ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "is_free", "says"),
    [
        ("Hanna 40", True, "/j/hanna-40 is free."),
        ("mine", True, "/j/mine is the address of now."),
        ("theirs", False, "This word is taken."),
        ("x", False, "That is too short"),
        ("login", False, "Bandpics needs this word itself"),
        ("", False, "Please type a word."),
    ],
)
def test_the_check_while_typing(host, page, shared, typed, is_free, says):
    ShortAddress.objects.create(word="mine", invitation=shared)
    ShortAddress.objects.create(
        word="theirs", invitation=InvitationFactory(kind="shared", email="")
    )
    answer = host.get(f"{page}check/", {"word": typed}).json()
    assert answer["is_free"] is is_free
    assert says in answer["says"]
    assert len(answer["proposals"]) == (0 if is_free else 2)


def test_the_check_is_not_a_way_to_ask_for_all_words(host, page, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "user": "1/hour"}
    codes = [host.get(f"{page}check/", {"word": word}).status_code for word in ("abc", "abd")]
    assert codes == [200, 429]


def test_pins_are_hashed_once_and_slowly():
    assert pins.hashed("1234") != pins.hashed("1234")
