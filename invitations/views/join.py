"""The page behind the link of an invitation to a team."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from bandpics import limits
from bandpics.users.models import User
from invitations import team_invitations
from invitations.views.team import ROLE_CHOICES

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from invitations.models import TeamInvitation


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def join_team(request: HttpRequest, token: str) -> HttpResponse:
    """Shows who asks whom to join what; a POST of somebody who is signed in joins."""
    user = request.user if isinstance(request.user, User) else None
    try:
        invitation = team_invitations.find(token)
        if user is not None and request.method == "POST":
            return _join(request, token, user, invitation)
    except team_invitations.Unusable:
        # Only wrong links count, so that nobody who holds a right one is in the way.
        if limits.consume(("guess", limits.address_of(request))):
            return _refuse(request, "throttled", status=429)
        return _refuse(request, "unusable", status=404)
    except team_invitations.Expired:
        return _refuse(request, "expired", status=410)
    except team_invitations.Used:
        return _refuse(request, "used", status=410)
    context = {
        "invitation": invitation,
        "role": dict(ROLE_CHOICES)[invitation.role],
        "is_member": user is not None and invitation.team.memberships.filter(user=user).exists(),
        "may_sign_up": settings.REGISTRATION != "closed",
        "next": request.path,
    }
    return render(request, "teams/join.html", context)


def _join(request: HttpRequest, token: str, user: User, invitation: TeamInvitation) -> HttpResponse:
    try:
        team_invitations.accept(token, user)
    except team_invitations.AlreadyMember:
        messages.info(request, _("You are in this team already."))
    else:
        text = _("Welcome to {team}! You see its groups now.")
        messages.success(request, text.format(team=invitation.team.name))
    return redirect("team", invitation.team_id)


def _refuse(request: HttpRequest, why: str, *, status: int) -> HttpResponse:
    return render(request, "teams/dead_link.html", {"why": why}, status=status)
