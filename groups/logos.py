"""The logo of a group: kept as one row, which a new logo replaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from groups.models import GroupLogo

if TYPE_CHECKING:
    from groups.models import Group


class Drawn(Protocol):
    """A PNG that was drawn anew from what the host sent."""

    @property
    def content(self) -> bytes: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...


def replace(group: Group, drawn: Drawn) -> None:
    """Stores the logo, in place of the one before."""
    columns = {"content": drawn.content, "width": drawn.width, "height": drawn.height}
    GroupLogo.objects.update_or_create(group=group, defaults=columns)


def remove(group: Group) -> None:
    """Removes the logo. Safe to call twice."""
    GroupLogo.objects.filter(group=group).delete()
