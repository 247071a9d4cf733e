"""Changes who is in a team: invites, changes roles, removes, leaves, hands over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from groups import teams
from groups.models import Membership, Team
from invitations import mail, outbox, team_invitations
from invitations.models import TeamInvitation
from invitations.views.team import ROLES, HandOverForm, InviteForm, show, team_view

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse

    from bandpics.users.access import Access

LAST_OWNER = _(
    "A team keeps at least one owner. Make somebody else an owner first, or hand the team over."
)
TOO_MANY_MAILS = _("You have sent many mails today. Try again tomorrow.")
CHANGED_MEANWHILE = _("Somebody changed this meanwhile. Look again, please.")


@team_view(owners_only=True)
@require_POST
def invite(request: HttpRequest, access: Access, team: Team) -> HttpResponse:
    """Invites somebody by e-mail; the same address again gets its link once more."""
    form = InviteForm(request.POST)
    if form.is_valid() and _invite(request, access, team, form):
        return redirect("team", team.pk)
    return show(request, access, team, invite_form=form, status=400)


def _invite(request: HttpRequest, access: Access, team: Team, form: InviteForm) -> bool:
    said = form.cleaned_data
    try:
        team_invitations.invite(
            team, email=said["email"], role=said["role"], by=access.user, language=get_language()
        )
    except teams.PersonalTeam:
        form.add_error(None, _("Make it a team that others can join first."))
    except team_invitations.AlreadyMember:
        form.add_error("email", _("The person with this address is in the team already."))
    except team_invitations.TooMany:
        text = _("There are {count} open invitations. Withdraw some of them first.")
        form.add_error(None, text.format(count=team_invitations.OPEN_MAX))
    except outbox.TooMany:
        form.add_error(None, TOO_MANY_MAILS)
    else:
        messages.success(request, _mailed(said["email"]))
        return True
    return False


def _mailed(email: str) -> str:
    if mail.can_send():
        return str(_("{email} is invited; the mail is on its way.").format(email=email))
    text = _("{email} is invited. This server sends no mail: give them the link yourself.")
    return str(text.format(email=email))


@team_view(owners_only=True)
@require_POST
def change_invitation(
    request: HttpRequest, access: Access, team: Team, invitation_id: UUID
) -> HttpResponse:
    """Mails an open invitation again, replaces its link, or withdraws it."""
    action = request.POST.get("action", "")
    rows = TeamInvitation.objects.open_of(team)
    invitation = rows.filter(pk=invitation_id).first()
    if invitation is None:
        messages.info(request, _("This invitation was accepted or withdrawn meanwhile."))
    elif action == "withdraw" and team_invitations.withdraw(team, invitation_id):
        messages.success(request, _("The invitation is withdrawn. Its link is dead."))
    elif action == "rotate" and team_invitations.rotate(team, invitation_id):
        text = _("The invitation has a new link, and the old one does not work any more.")
        messages.success(request, text)
    elif action == "mail":
        _mail_again(request, access, invitation)
    else:
        messages.info(request, CHANGED_MEANWHILE)
    return redirect("team", team.pk)


def _mail_again(request: HttpRequest, access: Access, invitation: TeamInvitation) -> None:
    """Renews the invitation, too: a link that ends tomorrow is no good in a mail of today."""
    try:
        team_invitations.invite(
            invitation.team,
            email=invitation.email,
            role=invitation.role,
            by=access.user,
            language=get_language(),
        )
    except outbox.TooMany:
        messages.error(request, TOO_MANY_MAILS)
    except team_invitations.AlreadyMember:
        messages.info(request, _("The person with this address is in the team already."))
    else:
        messages.success(request, _mailed(invitation.email))


@team_view(owners_only=True)
@require_POST
def change(request: HttpRequest, access: Access, team: Team, user_id: int) -> HttpResponse:
    """Changes the role of a member, or removes the member."""
    rows = Membership.objects.filter(team=team).select_related("user", "team")
    membership = get_object_or_404(rows, user_id=user_id)
    name, action = str(membership.user), request.POST.get("action", "")
    role, was = request.POST.get("role", ""), request.POST.get("was", "")
    try:
        if action == "remove":
            teams.remove(membership)
            text = _("{name} is not in the team any more.").format(name=name)
        elif role not in dict(ROLES) or was not in dict(ROLES):
            messages.error(request, _("Choose one of the roles."))
            return redirect("team", team.pk)
        elif teams.change_role(membership, role=role, expected=was):
            text = _("The role of {name} is changed.").format(name=name)
        else:
            messages.info(request, CHANGED_MEANWHILE)
            return redirect("team", team.pk)
    except teams.LastOwner:
        messages.error(request, LAST_OWNER)
    else:
        messages.success(request, text)
    return redirect("team", team.pk) if _is_in(access, team) else redirect("home")


@team_view()
@require_POST
def leave(request: HttpRequest, access: Access, team: Team) -> HttpResponse:
    """Takes the person out of the team; their photos stay."""
    mine = get_object_or_404(Membership, team=team, user=access.user)
    try:
        teams.remove(mine)
    except teams.LastOwner:
        messages.error(request, LAST_OWNER)
        return redirect("team", team.pk)
    messages.success(request, _("You have left {team}.").format(team=team.name))
    return redirect("home")


@team_view()
@require_POST
def hand_over(request: HttpRequest, access: Access, team: Team) -> HttpResponse:
    """Makes another member an owner in place of the person."""
    rows = Membership.objects.filter(team=team, user=access.user)
    mine = get_object_or_404(rows.select_related("team"))
    form = HandOverForm(request.POST, mine=mine)
    if not form.is_valid():
        return show(request, access, team, hand_over_form=form, status=400)
    heir, leaves = form.cleaned_data["to"], form.cleaned_data["then"] == "leave"
    try:
        is_done = teams.hand_over(mine, to=heir, leave=leaves)
    except teams.NotOwner:
        messages.error(request, _("Only the owners of a team may do this."))
        return redirect("team", team.pk)
    if not is_done:
        messages.info(request, CHANGED_MEANWHILE)
        return redirect("team", team.pk)
    text = _("{name} owns {team} now.").format(name=heir.user, team=team.name)
    messages.success(request, text)
    return redirect("home") if leaves else redirect("team", team.pk)


def _is_in(access: Access, team: Team) -> bool:
    return Team.objects.visible_to(access).filter(pk=team.pk).exists()
