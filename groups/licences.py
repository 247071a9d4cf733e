"""The sentence by which guests allow a host to show their photos, and its versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import Max
from django.utils.translation import gettext as _
from django.utils.translation import override

from groups.models import Group, Licence

if TYPE_CHECKING:
    from groups.models import Team


class LicenceChanged(Exception):
    """The number is not that of the group's sentence of now, which is `current`."""

    def __init__(self, current: Licence | None) -> None:
        super().__init__(current)
        self.current = current

    def shown(self) -> dict[str, Any] | None:
        """Returns the sentence of now as a guest reads it."""
        current = self.current
        if current is None or current.group is None:
            return None
        text = shown_text(current, current.group.team)
        return {"number": current.number, "kind": current.kind, "text": text}


def standard_text(team: Team) -> str:
    """Returns the standard sentence in the language of the request."""
    return _(
        "{team} may show my photos in public, for example on its website or in social media."
    ).format(team=team.name)


def shown_text(licence: Licence, team: Team) -> str:
    """Returns the sentence as a guest reads it.

    The standard sentence is shown in the guest's language. Once the team has another name it is
    shown as it was written down, so that nobody agrees to what no row says.
    """
    return standard_text(team) if _is_standard(licence, team) else licence.text


def agreed(group: Group, number: int | None) -> Licence | None:
    """Returns the sentence that a guest agreed to by its number; None for no number.

    Raises LicenceChanged for a number that is not that of the sentence of now.
    """
    if number is None:
        return None
    current = group.licence
    if current is None or current.number != number:
        raise LicenceChanged(current)
    return current


def version_of(group: Group, wanted: dict[str, Any] | None) -> Licence | None:
    """Returns the row of the sentence that a host wants, {kind, text}: the one of now if it says
    the same, else a new one with the next number.

    The caller holds the group's lock, so that no two rows take the same number.
    """
    if wanted is None:
        return None
    current, kind = group.licence, wanted["kind"]
    is_standard = kind == Licence.Kind.SHOW
    text = standard_text(group.team) if is_standard else wanted["text"]
    if current is not None and current.kind == kind and current.text == text:
        return current
    if current is not None and is_standard and _is_standard(current, group.team):
        return current
    newest = group.licences.aggregate(newest=Max("number"))["newest"] or 0
    return group.licences.create(number=newest + 1, kind=kind, text=text)


def _is_standard(licence: Licence, team: Team) -> bool:
    """Whether the row says the standard sentence, in any language, with the team's name of now."""
    if licence.kind != Licence.Kind.SHOW:
        return False
    for language, _name in settings.LANGUAGES:
        with override(language):
            if licence.text == standard_text(team):
                return True
    return False
