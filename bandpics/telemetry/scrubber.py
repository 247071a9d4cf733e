"""Hides secrets that got into a line of a log all the same.

It is the second line of defence. The first is that nothing logs them: paths are named by their
route, and of what libraries add to a record only known facts are shown (bandpics.telemetry.logs).
"""

from __future__ import annotations

import re

HIDDEN = "[hidden]"
_SECRETS = re.compile(
    r"(/i/|/w/|/j/|/teams/join/|/account/email/|/account/password/reset/[^\s/]+/|access_token=|"
    r"Invitation |Bearer |Api-Key |X-Amz-Signature=|X-Amz-Credential=|X-Amz-Security-Token=|"
    r"X-Amz-Signature%3D|sessionid=|csrftoken=)"
    r"[^\s/&\"'\\;]+"
)
# user:password@ of an address, unless it is hidden already.
_PASSWORDS = re.compile(r"(://[^\s/:@\"']*:)(?!\*+@)[^\s/@\"']+@")
_ADDRESSES = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
# Two numbers with four decimals and more, side by side: a place.
_PLACES = re.compile(r"-?\b\d{1,3}\.\d{4,}(\W{1,16}(?:[a-z]{1,12}\W{1,6})?)-?\d{1,3}\.\d{4,}\b")
# What each of these has one of. Ids have none, and are most of what a line says.
_ANY = re.compile(r"[/= %@.]")


def hide(text: str) -> str:
    """Returns the text with tokens, signatures, passwords, e-mail addresses and places hidden."""
    if _ANY.search(text) is None:
        return text
    text = _SECRETS.sub(rf"\1{HIDDEN}", text)
    if "@" in text:
        text = _PASSWORDS.sub(rf"\1{HIDDEN}@", text)
        text = _ADDRESSES.sub(HIDDEN, text)
    return _PLACES.sub(rf"{HIDDEN}\1{HIDDEN}", text) if "." in text else text
