"""Compares a list of people with the invitations of a group, before they are invited."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from invitations.links import Person
from invitations.models import Invitation

if TYPE_CHECKING:
    from bandpics.users.models import User
    from groups.models import Group
    from invitations.address_list import Entry


class Outcome(enum.StrEnum):
    """What inviting somebody would do."""

    NEW = "new"
    KNOWN = "known"  # the link works for longer
    REVOKED = "revoked"  # there is a new link
    WITHDRAWN = "withdrawn"  # somebody else revoked it; it stays so
    DOUBLE = "double"  # the address stands further above
    WRONG = "wrong"


@dataclass(frozen=True)
class Guest:
    entry: Entry
    outcome: Outcome
    invitation: Invitation | None = None

    @property
    def is_invited(self) -> bool:
        return self.outcome in {Outcome.NEW, Outcome.KNOWN, Outcome.REVOKED}


def compare(entries: list[Entry], group: Group, *, by: User, is_owner: bool) -> list[Guest]:
    """Returns what inviting each of these people would do, in their order."""
    emails = [entry.email for entry in entries if not entry.problem]
    rows = Invitation.objects.personal_to_any(emails, group=group)
    known = {row.email.lower(): row for row in rows}
    seen: set[str] = set()
    guests = []
    for entry in entries:
        address = entry.email.lower()
        invitation = known.get(address)
        if entry.problem:
            outcome = Outcome.WRONG
        elif address in seen:
            outcome = Outcome.DOUBLE
        elif invitation is None:
            outcome = Outcome.NEW
        elif not invitation.is_revoked:
            outcome = Outcome.KNOWN
        elif is_owner or invitation.created_by_id == by.pk:
            outcome = Outcome.REVOKED
        else:
            outcome = Outcome.WITHDRAWN
        if not entry.problem:
            seen.add(address)
        guests.append(Guest(entry, outcome, invitation))
    return guests


def people(guests: list[Guest]) -> list[Person]:
    """Returns those who will be invited. A name that is missing may stand beside a double."""
    names: dict[str, str] = {}
    for guest in guests:
        address = guest.entry.email.lower()
        names[address] = names.get(address) or guest.entry.name
    return [
        Person(guest.entry.email, names[guest.entry.email.lower()])
        for guest in guests
        if guest.is_invited
    ]


def as_text(guests: list[Guest]) -> str:
    """Returns the list without its wrong lines, as address_list.read() reads it again."""
    return "\n".join(_line(guest.entry) for guest in guests if not guest.entry.problem)


def _line(entry: Entry) -> str:
    if not entry.name:
        return entry.email
    name = entry.name
    if any(character in name for character in ';,\t"<>'):
        name = '"{}"'.format(name.replace('"', '""'))
    return f"{name} <{entry.email}>"
