"""The page of a team: who is in it, who was invited, and what its owners change."""

from __future__ import annotations

from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from bandpics.error_handlers import page_for_members
from bandpics.users.access import Access
from groups import teams
from groups.models import Group, Membership, Team
from invitations import mail
from invitations.models import TeamInvitation
from invitations.tokens import TokenLost

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse

    from invitations.models import OutgoingMail

Role = Membership.Role
ROLES = [
    (Role.OWNER.value, _("Owner")),
    (Role.MEMBER.value, _("Member")),
    (Role.VIEWER.value, _("Viewer")),
]
ROLE_CHOICES = [
    (Role.MEMBER.value, _("Member: makes groups, adds photos, invites guests")),
    (Role.VIEWER.value, _("Viewer: only looks at the photos")),
    (Role.OWNER.value, _("Owner: also approves and removes photos, and manages people")),
]


class NameForm(forms.Form):
    name = forms.CharField(label=_("Name of the team"), max_length=120)
    # What the page said when it was opened, so that two owners do not undo each other's work.
    was = forms.CharField(max_length=120, required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""


class InviteForm(forms.Form):
    email = forms.EmailField(
        label=_("E-mail"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    role = forms.ChoiceField(
        label=_("Role"),
        choices=ROLE_CHOICES,
        initial=Role.MEMBER.value,
        widget=forms.RadioSelect,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""


class HandOverForm(forms.Form):
    to = forms.ModelChoiceField(
        label=_("Who becomes an owner"), queryset=Membership.objects.none(), empty_label=None
    )
    then = forms.ChoiceField(
        label=_("And you"),
        choices=[("stay", _("I stay as a member")), ("leave", _("I leave the team"))],
        initial="stay",
        widget=forms.RadioSelect,
    )

    def __init__(self, *args: Any, mine: Membership, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        others = Membership.objects.filter(team=mine.team_id).exclude(pk=mine.pk)
        field: Any = self.fields["to"]
        field.queryset = others.select_related("user").order_by("created_at", "pk")
        field.label_from_instance = lambda membership: str(membership.user)


@dataclass(frozen=True)
class ShownInvitation:
    """An open invitation, as owners see it."""

    row: TeamInvitation
    role: str
    link: str  # empty if its key is lost
    mail: OutgoingMail | None  # the last one


def team_view(*, owners_only: bool = False) -> Callable[..., Callable[..., HttpResponse]]:
    """Makes a view of (request, access, team, …) a page of the members of a team, or its owners."""

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @page_for_members
        @wraps(view)
        def wrapped(request: HttpRequest, team_id: UUID, **kwargs: Any) -> HttpResponse:
            access = Access.of(request)
            visible = Team.objects.visible_to(access).with_role_of(access.user)
            team = visible.filter(pk=team_id).first()
            if team is None:
                raise Http404
            if owners_only and not _may_manage(access, team):
                raise PermissionDenied(_("Only the owners of a team may do this."))
            return view(request, access, team, **kwargs)

        return wrapped

    return decorate


def show(
    request: HttpRequest, access: Access, team: Team, *, status: int = 200, **forms: forms.Form
) -> HttpResponse:
    """Renders the page of a team, with the forms in which something is wrong."""
    rows = Membership.objects.filter(team=team).select_related("user", "team")
    memberships = list(rows.order_by("created_at", "pk"))
    mine = next((row for row in memberships if row.user_id == access.user.pk), None)
    others = [row for row in memberships if row is not mine]
    owners = [row for row in memberships if row.role == Role.OWNER]
    may_manage = _may_manage(access, team)
    groups = Group.objects.filter(team=team)
    context = {
        "team": team,
        "memberships": memberships,
        "mine": mine,
        "my_role": dict(ROLES).get(mine.role, "") if mine else "",
        "roles": ROLES,
        "may_manage": may_manage,
        "is_last_owner": owners == [mine],
        "has_others": bool(others),
        "may_delete": may_manage and not team.is_personal and not groups.exists(),
        "groups": groups.kept().order_by("name") if team.is_personal else (),
        "invitations": _open_invitations(team) if may_manage else [],
        "sends_mail": mail.can_send(),
        "name_form": NameForm(initial={"name": team.name, "was": team.name}),
        "invite_form": InviteForm(),
        "hand_over_form": _hand_over_form(mine, others),
        **forms,
    }
    return render(request, "teams/team.html", context, status=status)


def _hand_over_form(mine: Membership | None, others: list[Membership]) -> HandOverForm | None:
    if mine is None or mine.role != Role.OWNER or not others:
        return None
    return HandOverForm(mine=mine)


def _may_manage(access: Access, team: Team) -> bool:
    return Team.objects.manageable_by(access).filter(pk=team.pk).exists()


def _open_invitations(team: Team) -> list[ShownInvitation]:
    rows = TeamInvitation.objects.open_of(team).select_related("created_by")
    found = []
    for row in rows.prefetch_related("mails").order_by("created_at"):
        try:
            link = row.join_link
        except TokenLost:
            link = ""
        # Ordered by OutgoingMail's Meta: the newest first.
        last = next(iter(row.mails.all()), None)
        found.append(ShownInvitation(row, str(dict(ROLES)[row.role]), link, last))
    return found


@page_for_members
@require_safe
def teams_page(request: HttpRequest) -> HttpResponse:
    """Lists the teams of the person; leads to the only one."""
    access = Access.of(request)
    mine = Team.objects.filter(memberships__user=access.user).with_role_of(access.user)
    found = list(mine.order_by("name", "pk"))
    if len(found) == 1:
        return redirect("team", found[0].pk)
    roles = dict(ROLES)
    listed = [{"team": team, "role": roles[str(team.role)]} for team in found]
    return render(request, "teams/teams.html", {"teams": listed})


@team_view()
@require_safe
def team_page(request: HttpRequest, access: Access, team: Team) -> HttpResponse:
    return show(request, access, team)


@team_view(owners_only=True)
@require_POST
def rename(request: HttpRequest, access: Access, team: Team) -> HttpResponse:
    form = NameForm(request.POST)
    if form.is_valid():
        name, was = form.cleaned_data["name"], form.cleaned_data["was"]
        if name == team.name or teams.rename(team, name=name, expected=was):
            messages.success(request, _("The team has a new name."))
            return redirect("team", team.pk)
        # The next attempt is about the name that the person reads now.
        form = NameForm({"name": name, "was": team.name})
        text = _("Somebody has called the team {name} meanwhile. Save again if yours is better.")
        form.is_valid()
        form.add_error("name", text.format(name=team.name))
    return show(request, access, team, name_form=form, status=400)


@team_view(owners_only=True)
@require_POST
def open_to_others(request: HttpRequest, access: Access, team: Team) -> HttpResponse:
    """Makes a personal team one that others can join."""
    form = NameForm(request.POST)
    if not form.is_valid():
        return show(request, access, team, open_form=form, status=400)
    if teams.open_to_others(team, name=form.cleaned_data["name"]):
        messages.success(request, _("Now you can invite people to your team."))
    return redirect("team", team.pk)


@team_view(owners_only=True)
@require_POST
def delete(request: HttpRequest, access: Access, team: Team) -> HttpResponse:
    """Deletes a team without groups."""
    try:
        teams.delete(team)
    except (teams.TeamNotEmpty, teams.PersonalTeam):
        text = _("A team with groups, or with groups in the trash, cannot be deleted.")
        messages.error(request, text)
        return redirect("team", team.pk)
    messages.success(request, _("The team {name} is deleted.").format(name=team.name))
    return redirect("home")
