"""The photos that somebody ticked in a form of many."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from django.contrib import messages
from django.utils.translation import gettext as _

from images.lifecycle import bulk, editing

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

    from images.models import ImageQuerySet


def ticked(request: HttpRequest, photos: ImageQuerySet) -> set[UUID]:
    """Returns the ids of those of these photos that are ticked; none, with a message, if there is
    none, or more than one call takes."""
    sent = request.POST.getlist("ids")
    if len(sent) > bulk.AT_MOST:
        text = _("Nothing was changed: tick up to {count} photos at once.")
        messages.error(request, text.format(count=bulk.AT_MOST))
        return set()
    ids = {UUID(text) for text in sent if _is_id(text)}
    found = set(photos.filter(pk__in=ids).values_list("pk", flat=True))
    if not found:
        messages.error(request, _("Nothing was changed: tick the photos first."))
    return found


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def all_but_refused(ids: set[UUID], change: Callable[[set[UUID]], object]) -> dict[UUID, str]:
    """Calls `change` with the photos that allow it. Returns why the others do not."""
    why: dict[UUID, str] = {}
    while left := ids - why.keys():
        try:
            change(left)
        except editing.Refused as refusal:
            why |= refusal.why
        else:
            break
    return why
