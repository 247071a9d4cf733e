"""The page on which the owners of a team read who did what."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from bandpics.audit.models import OF_ACCOUNTS, Action, AuditEvent
from invitations import activity
from invitations.views.team import team_view

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from bandpics.users.access import Access
    from groups.models import Team

PAGE = 50


@team_view(owners_only=True)
@never_cache
@require_safe
def team_activity(request: HttpRequest, access: Access, team: Team) -> HttpResponse:
    """Lists the events of a team, newest first; `what` shows one kind, `before` the older ones."""
    events = AuditEvent.objects.filter(team_id=team.pk)
    what, before = request.GET.get("what", ""), request.GET.get("before", "")
    kinds = [(each.value, each.label) for each in Action if each not in OF_ACCOUNTS]
    if what and what not in dict(kinds):
        raise Http404
    if what:
        events = events.filter(action=what)
    if before:
        events = events.filter(pk__lt=_id(before))
    found = list(events[: PAGE + 1])
    older = ""
    if len(found) > PAGE:
        older = "?" + urlencode({"what": what, "before": str(found[PAGE - 1].pk)})
    context = {
        "team": team,
        "lines": activity.lines(found[:PAGE]),
        "older": older,
        "is_later_page": bool(before),
        "what": what,
        "kinds": kinds,
    }
    return render(request, "teams/activity.html", context)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None
