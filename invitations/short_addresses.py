"""Short addresses: the words by which printed links are typed, `/j/<word>/`."""

from __future__ import annotations

import re
import unicodedata
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Now, Replace
from django.utils import timezone

from bandpics.audit import trail
from bandpics.audit.models import Action
from invitations.models import Invitation, ShortAddress

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import QuerySet

    from groups.models import Group

MIN_LENGTH, MAX_LENGTH = 3, 40
KEPT_FOR = timedelta(days=30)
# First parts of addresses, today's and those that somebody may expect here.
RESERVED = frozenset(
    re.findall(
        r"\S+",
        """
        about account accounts admin api app auth bandpics blog cards docs download event favicon
        gallery group groups healthz help home image images imprint invitation invitations join
        legal login logout look mail new password photo photos pin privacy problems readyz register
        registration root settings sign-in sign-up signup static status support team teams terms
        upload uploads user users www
        """,
    )
)
# What Unicode does not take apart into a Latin letter and a mark.
_LETTERS = str.maketrans(
    {
        "ß": "ss",
        "æ": "ae",
        "œ": "oe",
        "ø": "o",
        "đ": "d",
        "ð": "d",
        "ł": "l",
        "þ": "th",
        "\N{LATIN SMALL LETTER DOTLESS I}": "i",
    }
)
_APOSTROPHES = re.compile("['`\N{ACUTE ACCENT}\N{RIGHT SINGLE QUOTATION MARK}]")
_DIGRAPHS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})


class Unknown(Exception):
    """Nobody has this word."""


class Unusable(Exception):
    """The word cannot be chosen, for this `reason`: empty, short, long, letters, reserved or
    taken."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ChangedMeanwhile(Exception):
    """Another host changed the short address of this link."""


# --- Words ----------------------------------------------------------------------------------


def word_of(typed: str) -> str:
    """Returns the word made of what a host typed; `Jürgens 40.` gives `juergens-40`.

    Raises Unusable.
    """
    word = _latin(typed, digraphs=True)
    if any(letter.isalnum() and not letter.isascii() for letter in word):
        raise Unusable("letters")
    word = _hyphenated(word)
    if not word:
        raise Unusable("empty")
    if len(word) < MIN_LENGTH:
        raise Unusable("short")
    if len(word) > MAX_LENGTH:
        raise Unusable("long")
    if word in RESERVED or _squeezed(word) in RESERVED:
        raise Unusable("reserved")
    return word


def _latin(typed: str, *, digraphs: bool) -> str:
    """Returns small letters without marks; those of other scripts stay as they are."""
    text = unicodedata.normalize("NFKC", typed[:200]).lower()
    if digraphs:
        text = text.translate(_DIGRAPHS)
    text = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    return "".join(letter for letter in text if not unicodedata.combining(letter))


def _hyphenated(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", _APOSTROPHES.sub("", text)).strip("-")


def _squeezed(word: str) -> str:
    return word.replace("-", "")


def _spelled(squeezed: Iterable[str]) -> QuerySet[ShortAddress]:
    """Rows with these words, wherever their hyphens are."""
    rows = ShortAddress.objects.alias(squeezed=Replace(F("word"), Value("-"), Value("")))
    return rows.filter(squeezed__in=list(squeezed))


def _not_free_for(group: Group) -> Q:
    return Q(invitation__isnull=False) | (Q(free_at__gt=timezone.now()) & ~Q(kept_for=group))


# --- Finding --------------------------------------------------------------------------------


def find(typed: str) -> ShortAddress:
    """Returns the word that was typed, forgiving case, spaces, dots, hyphens and umlauts.

    One that was given up has no invitation. Raises Unknown.
    """
    spellings = [
        _squeezed(_hyphenated(_latin(typed, digraphs=digraphs))) for digraphs in (True, False)
    ]
    rows = _spelled(spellings).select_related("invitation__group__team")
    found = sorted(rows, key=lambda row: spellings.index(_squeezed(row.word)))
    if not found:
        raise Unknown
    return found[0]


# --- Choosing -------------------------------------------------------------------------------


def refuse_if_taken(word: str, invitation: Invitation) -> None:
    """Raises Unusable if another link has the word, or it is kept for another group."""
    rows = _spelled([_squeezed(word)]).filter(_not_free_for(invitation.group))
    if rows.exclude(invitation=invitation).exists():
        raise Unusable("taken")


def proposals(group: Group, *, typed: str = "", count: int = 2) -> list[str]:
    """Returns words that are free for the group, made of what was typed or of its name."""
    wanted = [word for word in _ideas(group, typed) if _is_usable(word)]
    wanted = list({_squeezed(word): word for word in reversed(wanted)}.values())[::-1]
    rows = _spelled(map(_squeezed, wanted)).filter(_not_free_for(group))
    taken = {_squeezed(word) for word in rows.values_list("word", flat=True)}
    return [word for word in wanted if _squeezed(word) not in taken][:count]


def _ideas(group: Group, typed: str) -> Iterable[str]:
    texts = [_hyphenated(_latin(text, digraphs=True)) for text in (typed, group.name)]
    year = str((group.event_date or timezone.now()).year)
    for text in filter(None, texts):
        parts = text.split("-")
        numbers = [part for part in parts if part.isdigit()]
        if numbers and not parts[0].isdigit():
            yield f"{parts[0]}{numbers[0]}"  # "Hanna turns 40"
        stem = text
        while len(stem) > MAX_LENGTH // 2 and "-" in stem:
            stem = stem.rpartition("-")[0]
        stem = stem[: MAX_LENGTH - 5].strip("-")
        yield stem
        yield f"{stem}-{year}"
        yield f"{stem}-{year[2:]}"
        yield from (f"{stem}-{number}" for number in range(2, 30))
    yield from (f"{group.pk.hex[-length:]}" for length in (6, 8, 12))


def _is_usable(word: str) -> bool:
    try:
        return word_of(word) == word
    except Unusable:
        return False


def of(invitation: Invitation) -> ShortAddress | None:
    return ShortAddress.objects.filter(invitation=invitation).first()


def state_of(address: ShortAddress | None) -> str:
    """Returns what tells a later change of the short address from what a host has seen."""
    return "" if address is None else f"{address.word} {address.updated_at.isoformat()}"


def choose(
    invitation: Invitation, word: str, *, pin_hash: str | None, only_if: str
) -> ShortAddress:
    """Gives a link this word; the one it had leads nowhere from now on, and is kept for 30 days.

    `pin_hash` None leaves the PIN as it is, "" removes it. `only_if` is what state_of() must still
    return. Raises Unusable, ChangedMeanwhile.
    """
    with transaction.atomic():
        address = _locked(invitation, only_if)
        if pin_hash is None:
            pin_hash = "" if address is None else address.pin_hash
        if address is not None and _squeezed(address.word) == _squeezed(word):
            address.word, address.pin_hash = word, pin_hash
            address.save()
            _record(Action.SHORT_ADDRESS_CHOSEN, invitation, has_pin=bool(pin_hash))
            return address
        if address is not None:
            _give_up(address, invitation)
        _spelled([_squeezed(word)]).exclude(_not_free_for(invitation.group)).delete()
        try:
            with transaction.atomic():  # of two who choose one word, the second is told
                chosen = ShortAddress.objects.create(
                    word=word, invitation=invitation, pin_hash=pin_hash
                )
        except IntegrityError:
            transaction.set_rollback(True)
            raise Unusable("taken") from None
        _record(Action.SHORT_ADDRESS_CHOSEN, invitation, has_pin=bool(pin_hash))
        return chosen


def remove(invitation: Invitation, *, only_if: str) -> None:
    """Gives up the word of a link. Raises ChangedMeanwhile."""
    with transaction.atomic():
        address = _locked(invitation, only_if)
        if address is not None:
            _give_up(address, invitation)
            _record(Action.SHORT_ADDRESS_REMOVED, invitation)


def _record(action: Action, invitation: Invitation, **details: bool) -> None:
    """Not the word: it is the way in."""
    group = invitation.group
    trail.record(
        action,
        team_id=group.team_id,
        group_id=group.pk,
        objects=[invitation.pk],
        details=details,
    )


def _locked(invitation: Invitation, only_if: str) -> ShortAddress | None:
    """Returns the link's word; hosts who change it at once wait for each other here."""
    Invitation.objects.select_for_update().get(pk=invitation.pk)
    address = of(invitation)
    if state_of(address) != only_if:
        raise ChangedMeanwhile
    return address


def _give_up(address: ShortAddress, invitation: Invitation) -> None:
    ShortAddress.objects.filter(pk=address.pk).update(
        invitation=None,
        kept_for=invitation.group_id,
        free_at=Now() + KEPT_FOR,
        pin_hash="",
        updated_at=Now(),
    )
