"""Stacks of photos that look alike, in a gallery: what it shows of them, and taking one apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID, uuid4

from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from images.lifecycle import stacks
from images.listing import stacks as listing
from images.models import Image
from images.views.desk import OWNER, Desk, desk_page
from images.views.ticked import ticked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import Q
    from django.http import HttpRequest, HttpResponse

    from images.models import ImageQuerySet

APART = "taken_apart"  # in the session, until it was shown


@dataclass(frozen=True)
class Stacks:
    """Which photos a gallery shows: one of each stack, all of one stack, or all there are."""

    visible: Q
    is_stacked: bool = False
    is_open: bool = False
    stack_id: UUID | None = None

    @classmethod
    def asked_for(cls, request: HttpRequest, *, visible: Q, is_narrowed: bool) -> Self:
        """Reads the parameters: `stack` names one, `stacks=open` shows all photos. A gallery that
        is narrowed by filters shows all that it finds."""
        asked = request.GET
        if "stack" in asked:
            return cls(visible, stack_id=_id(asked["stack"]) or uuid4())
        is_open = asked.get("stacks") == "open"
        return cls(visible, is_stacked=not (is_open or is_narrowed), is_open=is_open)

    def narrow(self, rows: ImageQuerySet) -> ImageQuerySet:
        """Returns those of the visible rows that are shown. An unknown stack has none."""
        if self.stack_id is not None:
            return rows.filter(stack_id=self.stack_id)
        return listing.tops(rows, visible=self.visible) if self.is_stacked else rows

    def more_below(self, photos: Sequence[Any]) -> dict[UUID, int]:
        """Returns how many more there are below each of these photos that has any."""
        return listing.more_below(photos, visible=self.visible) if self.is_stacked else {}


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


@desk_page(needs=OWNER)
@require_POST
def take_apart(request: HttpRequest, desk: Desk, stack_id: UUID) -> HttpResponse:
    """Takes a stack apart: its photos are not alike. The gallery then offers to undo it."""
    taken = stacks.take_apart(desk.group, stack_id)
    request.session[APART] = [str(image_id) for image_id in taken]
    return redirect("group-gallery", desk.group.pk)


@desk_page(needs=OWNER)
@require_POST
def stack_again(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Undoes take_apart() for photos: the next sweep compares them."""
    ids = ticked(request, Image.objects.in_group(desk.group))
    stacks.compare_again(desk.group, ids)
    return redirect("group-gallery", desk.group.pk)


def taken_apart_just_now(request: HttpRequest) -> list[str]:
    """The photos that the last call of take_apart() took apart, told once."""
    return list(request.session.pop(APART, []))
