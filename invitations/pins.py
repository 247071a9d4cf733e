"""PINs of short addresses: asked for once per browser, and slow to guess.

A network may try five wrong ones in a quarter of an hour for each word, or twenty if it has sent
the right one that day; a right one sets its count back, so that the many guests behind one Wi-Fi
are hardly in each other's way. Once a word has seen a hundred wrong ones within a day, from
wherever, one a minute may be tried by all networks that have never known the PIN. So nobody locks
a party out from afar: those at the place go on as before, and others wait for minutes at most. Six
digits then stand for more than a year of guessing.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from django.contrib.auth.hashers import check_password, make_password
from django.utils.crypto import constant_time_compare, salted_hmac

from bandpics import limits

if TYPE_CHECKING:
    from datetime import datetime

    from django.http import HttpRequest, HttpResponse

    from invitations.models import ShortAddress

MIN_DIGITS, MAX_DIGITS = 4, 8
COOKIE = "bandpics-pin"


class TooManyTries(Exception):
    """The next PIN may be tried after so many `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


def digits_of(typed: str) -> str:
    """Returns what was typed without spaces and hyphens, and digits of any script as 0 to 9."""
    text = unicodedata.normalize("NFKC", typed[:40])
    return "".join(str(unicodedata.digit(letter, letter)) for letter in text if letter not in " -")


def is_pin(text: str) -> bool:
    return text.isascii() and text.isdigit() and MIN_DIGITS <= len(text) <= MAX_DIGITS


def hashed(pin: str) -> str:
    return make_password(pin)


def is_right(address: ShortAddress, typed: str, *, network: str) -> bool:
    """Tries a PIN. Raises TooManyTries, before it looks at it."""
    here = f"{address.pk} {network}"
    knows = limits.retry_after(("pin-known", here)) > 0  # used up: it sent the right one before
    # Counted before it is checked: a hundred sent at once are not a hundred tries.
    tried = ("pin-there" if knows else "pin", here)
    if seconds := limits.consume(tried) or (0 if knows else _wait_of_all(address)):
        raise TooManyTries(seconds)
    if not check_password(digits_of(typed), address.pin_hash):
        limits.consume(("pin-word", str(address.pk)))
        return False
    limits.forget(tried)
    limits.forget(("pin-slow", str(address.pk)))
    limits.consume(("pin-known", here))
    return True


def _wait_of_all(address: ShortAddress) -> int:
    """Returns how long a network waits that has not known the PIN, or counts its try."""
    everywhere = str(address.pk)
    if not limits.retry_after(("pin-word", everywhere)):
        return 0
    return limits.consume(("pin-slow", everywhere))


# --- The cookie -----------------------------------------------------------------------------


def has_passed(request: HttpRequest, address: ShortAddress) -> bool:
    """Whether this browser gave the PIN that the address has now, or it has none."""
    if not address.pin_hash:
        return True
    return constant_time_compare(request.COOKIES.get(COOKIE, ""), _signature(address))


def remember(
    request: HttpRequest, answer: HttpResponse, address: ShortAddress, *, until: datetime, path: str
) -> None:
    """Lets this browser in until the link ends, or the PIN changes."""
    answer.set_cookie(
        COOKIE,
        _signature(address),
        path=path,
        expires=until,
        secure=request.is_secure(),
        httponly=True,
        samesite="Lax",
    )


def _signature(address: ShortAddress) -> str:
    value = f"{address.pk} {address.invitation_id} {address.pin_hash}"
    return salted_hmac("invitations.pins", value, algorithm="sha256").hexdigest()
