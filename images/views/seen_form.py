"""Forms that lose nothing when two people save the same thing.

Such a form sends back what its page showed (`seen`). So it is known which fields this person
changed, and of those, which somebody else has changed, too.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar, Self

from django import forms
from django.utils.translation import gettext as _

LONGEST_SEEN = 32 * 1024


def plain(text: str) -> str:
    """Returns text as the server keeps it: browsers send line breaks as CRLF."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


class SeenForm(forms.Form):
    """`now` is what the fields show of the row as it is. Call read_seen() at the end of
    __init__()."""

    names: ClassVar[tuple[str, ...]]
    # Fields that make sense together only.
    units: ClassVar[tuple[set[str], ...]] = ()
    now: dict[str, str]
    seen: dict[str, str]

    def read_seen(self) -> None:
        """Reads what the page showed when it was opened; what is there now if it does not say."""
        text = self.data.get("seen", "") if self.is_bound else ""
        try:
            found = json.loads(text) if len(text) <= LONGEST_SEEN else {}
        except (ValueError, RecursionError):
            found = {}
        said = found if isinstance(found, dict) else {}
        self.seen = self.now | {name: str(said[name]) for name in self.names if name in said}

    @property
    def seen_json(self) -> str:
        return json.dumps(self.seen)

    def typed(self, name: str) -> str:
        return plain(self.data.get(name, ""))

    @property
    def mine(self) -> set[str]:
        """The fields that this person changed."""
        names = {name for name in self.names if self.typed(name) != plain(self.seen[name])}
        return names.union(*(unit for unit in self.units if unit & names))

    @property
    def theirs(self) -> set[str]:
        """The fields that somebody else changed since."""
        now = self.now_as_seen()
        return {name for name in self.names if plain(now[name]) != plain(self.seen[name])}

    def now_as_seen(self) -> dict[str, str]:
        """Returns what the row says now, in the terms of what the page showed."""
        return self.now

    def both(self) -> set[str]:
        """The fields that this person and somebody else changed."""
        return self.mine & self.theirs

    def conflicts(self) -> dict[str, str]:
        """{field: what it says now} of fields that two people changed differently."""
        now = self.now_as_seen()
        return {
            name: self.now[name] for name in self.both() if plain(now[name]) != self.typed(name)
        }

    def again(self, data: Any) -> Self:
        """Returns a form like this one, of the row as it is now."""
        raise NotImplementedError

    def merged(self, notice: Any) -> Self:
        """Returns the form with what this person changed, and all else as it is now. It says at
        each conflict what somebody else wrote, and a second save then keeps what this one wrote."""
        sent: Any = self.data  # a QueryDict
        data = sent.copy()
        for name in set(self.names) - self.mine:
            data[name] = self.now[name]
        data["seen"] = json.dumps(self.now)
        form = self.again(data)
        form.add_error(None, notice)
        for name, value in self.conflicts().items():
            form.add_error(name, self.said_by_others(name, value))
        return form

    def said_by_others(self, name: str, value: str) -> str:
        shown = self.in_words(name, value)
        if not shown:
            return _("Somebody else emptied this meanwhile. Save again to use what you wrote.")
        return _(
            "Somebody else changed this meanwhile. It now says: {value}. Save again to use yours."
        ).format(value=shown)

    def in_words(self, name: str, value: str) -> str:
        """Returns a field's value as people read it."""
        choices = dict(getattr(self.fields[name], "choices", ()))
        return str(choices.get(value) or value)
