"""`/j/<word>/`: the upload page at an address that can be typed, and the PIN before it."""

from __future__ import annotations

import re
from datetime import timedelta
from email.utils import parsedate_to_datetime
from html import unescape

import pytest
from django.test import Client
from django.utils import timezone

from bandpics import limits
from images.models import Upload
from images.tests import drawn_pictures
from images.tests.test_plain_form import photo
from invitations import links, pins
from invitations.models import Invitation, ShortAddress
from invitations.tests.factories import InvitationFactory

pytestmark = pytest.mark.django_db

PIN = "284719"


@pytest.fixture
def shared(group, ada):
    return InvitationFactory(group=group, kind="shared", email="", name="", created_by=ada)


@pytest.fixture
def address(shared):
    return ShortAddress.objects.create(word="hanna-40", invitation=shared)


@pytest.fixture
def with_pin(address):
    address.pin_hash = pins.hashed(PIN)
    address.save()
    return address


@pytest.fixture
def slowly(settings):
    def limit(**rates):
        rates = {name.replace("_", "-"): rate for name, rate in rates.items()}
        settings.RATE_LIMITS = {**settings.RATE_LIMITS, **rates}

    limits.reset()
    yield limit
    limits.reset()


def text_of(answer):
    return unescape(" ".join(answer.content.decode().split()))


def send_pin(client, pin, **extra):
    return client.post("/j/hanna-40/pin/", {"pin": pin}, **extra)


# --- The page -------------------------------------------------------------------------------


def test_the_page_is_shown_at_its_short_address(client, address, shared):
    answer = client.get("/j/hanna-40/")
    assert answer.status_code == 200
    assert "Summer concert" in text_of(answer)
    html = answer.content.decode()
    assert "/i/" not in html  # no link, form or preview leads to the long one
    assert 'action="/j/hanna-40/"' in html
    assert html.count(shared.token) == 1  # what the scripts send to the API


@pytest.mark.parametrize(
    "typed", ["hanna40", "Hanna%2040", "HANNA-40", "hanna-40.", "%20hanna40..", "h%C3%A4nna-40"]
)
def test_other_spellings_lead_to_it(client, address, typed):
    answer = client.get(f"/j/{typed}/", follow=True)
    if typed == "h%C3%A4nna-40":
        assert answer.redirect_chain == [("/j/hanna-40/", 302)]
    assert answer.request["PATH_INFO"] == "/j/hanna-40/"
    assert answer.status_code == 200


def test_the_last_slash_may_be_missing(client, address):
    answer = client.get("/j/hanna-40", follow=True)
    assert (answer.status_code, answer.request["PATH_INFO"]) == (200, "/j/hanna-40/")


@pytest.mark.usefixtures("bucket")
def test_the_plain_form_sends_photos_and_remembers_the_device_for_this_address(address):
    client = Client(enforce_csrf_checks=True)
    answer = client.post("/j/hanna-40/", {"files": [photo(drawn_pictures.jpeg())]})
    assert answer.status_code == 200
    assert "1 of 1 arrived" in text_of(answer)
    assert answer.cookies["bandpics-device"]["path"] == "/j/hanna-40/"
    assert Upload.objects.get().image.invitation == address.invitation
    assert "What you sent" in text_of(client.get("/j/hanna-40/"))


def test_a_rotated_link_keeps_its_word(client, address, shared):
    links.rotate(shared)
    answer = client.get("/j/hanna-40/")
    assert answer.status_code == 200
    assert shared.token in answer.content.decode()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"revoked_at": timezone.now()}, "This link was withdrawn"),
        ({"expires_at": timezone.now()}, "This link has expired"),
    ],
)
@pytest.mark.parametrize("verb", ["get", "post"])
def test_a_dead_link_says_so(client, address, shared, change, says, verb):
    Invitation.objects.filter(pk=shared.pk).update(**change)
    for path in ("", "no-photos/" if verb == "post" else "picture/"):
        answer = getattr(client, verb)(f"/j/hanna-40/{path}")
        if not path or "revoked_at" in change:
            assert answer.status_code == 403
            assert says in text_of(answer)
            assert "/i/" not in answer.content.decode()


def test_a_word_given_up_is_withdrawn(client, address, group):
    ShortAddress.objects.update(invitation=None, kept_for=group, free_at=timezone.now())
    answer = client.get("/j/hanna-40/")
    assert (answer.status_code, "was withdrawn" in text_of(answer)) == (403, True)


def test_a_link_whose_key_is_lost_is_withdrawn(client, address, settings):
    settings.INVITATION_TOKEN_KEY = "another key, of which nobody told the rows"
    answer = client.get("/j/hanna-40/")
    assert (answer.status_code, "was withdrawn" in text_of(answer)) == (403, True)


def test_an_unknown_word_asks_again(client, address):
    answer = client.get("/j/hannah/")
    assert answer.status_code == 403
    assert "Nothing is found at <strong>hannah</strong>" in text_of(answer)
    assert 'action="/j/"' in answer.content.decode()
    assert client.get("/j/?word=Hanna 40", follow=True).request["PATH_INFO"] == "/j/hanna-40/"
    for nothing in ("/j/", "/j/?word=", "/j/?word=...", "/j/?word=%20"):
        assert client.get(nothing).status_code == 403


def test_who_tries_many_words_is_told_nothing_for_a_while(client, address, slowly):
    slowly(word="3 per 10 minutes")
    for word in ("one", "two", "three"):
        assert client.get(f"/j/{word}/").status_code == 403
    for word in ("four", "hanna-40"):
        answer = client.get(f"/j/{word}/")
        assert answer.status_code == 429
        assert 0 < int(answer["Retry-After"]) <= 600
        assert "too many wrong tries" in text_of(answer)
    # Others are not in the way, nor is who opens a right one.
    assert client.get("/j/hanna-40/", REMOTE_ADDR="10.1.2.3").status_code == 200


# --- The PIN --------------------------------------------------------------------------------


def test_a_pin_is_asked_for_before_anything_is_told(client, with_pin, shared):
    for path in ("", "photos/00000000-0000-0000-0000-000000000000/place/", "picture/"):
        html = client.get(f"/j/hanna-40/{path}").content.decode()
        assert 'inputmode="numeric"' in html
        assert "Summer concert" not in html
        assert "The Band" not in html
        assert shared.token not in html
    for path in ("", "opened/", "no-photos/"):
        answer = client.post(f"/j/hanna-40/{path}", {"files": [photo(b"bytes")]})
        assert answer.status_code == 403
        assert not Upload.objects.exists()


@pytest.mark.parametrize("typed", [PIN, "284 719", " 284-719 ", "٢٨٤٧١٩"])
def test_the_right_pin_lets_in_this_browser_until_the_link_ends(with_pin, shared, typed):
    client = Client(enforce_csrf_checks=True)
    answer = send_pin(client, typed)
    assert (answer.status_code, answer["Location"]) == (303, "/j/hanna-40/")
    cookie = answer.cookies[pins.COOKIE]
    assert (cookie["path"], cookie["samesite"], cookie["httponly"]) == ("/j/hanna-40/", "Lax", True)
    expires_at = parsedate_to_datetime(cookie["expires"])
    assert abs(expires_at - shared.expires_at) <= timedelta(seconds=1)
    assert "Summer concert" in text_of(client.get("/j/hanna-40/"))
    assert Client().get("/j/hanna-40/").content.count(b"Summer concert") == 0


def test_another_pin_asks_everybody_again(client, with_pin):
    send_pin(client, PIN)
    with_pin.pin_hash = pins.hashed("1111")
    with_pin.save()
    assert "Summer concert" not in text_of(client.get("/j/hanna-40/"))


def test_a_forged_cookie_opens_nothing(client, with_pin):
    for value in ("", "1", with_pin.pin_hash, "é"):
        client.cookies[pins.COOKIE] = value
        assert "Summer concert" not in text_of(client.get("/j/hanna-40/"))


def test_a_guest_who_tries_many_words_does_not_lock_out_their_wifi(client, address, slowly):
    slowly(word="3 per 10 minutes")
    assert client.get("/j/hanna-40/").status_code == 200
    for word in ("one", "two", "three", "four"):
        client.get(f"/j/{word}/")
    assert client.get("/j/hanna-40/").status_code == 200
    assert client.get("/j/hanna-40/", REMOTE_ADDR="10.1.2.3").status_code == 200


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("000000", "That is not the PIN."),
        ("12", "The PIN has 4 to 8 digits."),
        ("letters", "The PIN has 4 to 8 digits."),
        ("", "The PIN has 4 to 8 digits."),
        ("9" * 10_000, "The PIN has 4 to 8 digits."),
    ],
)
def test_a_wrong_pin_is_told_kindly(client, with_pin, typed, says):
    answer = send_pin(client, typed)
    assert answer.status_code == 422
    assert says in text_of(answer)
    assert pins.COOKIE not in answer.cookies


def test_after_five_wrong_pins_a_network_waits_even_with_the_right_one(client, with_pin, slowly):
    slowly(pin="5 per 15 minutes")
    for _ in range(5):
        assert send_pin(client, "000000").status_code == 422
    answer = send_pin(client, PIN)
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 900
    assert "minutes" in text_of(answer)
    # Everybody else goes on, and so does who is in.
    assert send_pin(client, PIN, REMOTE_ADDR="10.1.2.3").status_code == 303


def test_guests_behind_one_wifi_do_not_shut_each_other_out(with_pin, slowly):
    slowly(pin="5 per 15 minutes")
    for _ in range(4):
        for _ in range(4):
            assert send_pin(Client(), "000000").status_code == 422
        assert send_pin(Client(), PIN).status_code == 303


def test_a_wifi_where_the_pin_is_known_has_more_tries(with_pin, slowly):
    slowly(pin="5 per 15 minutes")
    assert send_pin(Client(), PIN).status_code == 303
    wrong = [send_pin(Client(), "000000").status_code for _ in range(19)]
    assert wrong == [422] * 19
    assert send_pin(Client(), PIN).status_code == 303
    assert [send_pin(Client(), "000000").status_code for _ in range(21)] == [422] * 20 + [429]


def test_many_networks_together_guess_slowly_and_the_party_goes_on(with_pin, slowly):
    slowly(pin="5 per 15 minutes", pin_word="3/day")
    party = {"REMOTE_ADDR": "10.0.0.1"}
    assert send_pin(Client(), PIN, **party).status_code == 303
    wrong = [
        send_pin(Client(), "000000", REMOTE_ADDR=f"10.9.0.{number}").status_code
        for number in range(1, 7)
    ]
    assert wrong == [422, 422, 422, 422, 429, 429]  # three, then one a minute
    waits = send_pin(Client(), PIN, REMOTE_ADDR="10.9.0.99")
    assert 0 < int(waits["Retry-After"]) <= 60
    for _ in range(3):
        assert send_pin(Client(), PIN, **party).status_code == 303


def test_a_pin_is_not_kept_as_it_is(with_pin):
    assert PIN not in with_pin.pin_hash


def test_forms_below_a_short_address_need_no_cookie(address):
    client = Client(enforce_csrf_checks=True)
    place = "/j/hanna-40/photos/00000000-0000-0000-0000-000000000000/place/"
    for path, status in [(place, 422), ("/j/hanna-40/opened/", 204), ("/j/hanna-40/", 400)]:
        assert client.post(path, {}).status_code == status


def test_pages_below_a_short_address_lead_back_to_it(client, address, group):
    html = client.get(
        "/j/hanna-40/photos/00000000-0000-0000-0000-000000000000/place/"
    ).content.decode()
    assert 'class="back" href="/j/hanna-40/"' in html
    assert not re.search(r'"/i/', html)
