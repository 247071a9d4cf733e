"""The pages of a group's links: all of them, one of them, a new one."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import TruncMinute
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from images.views.desk import MEMBER, Desk, desk_page
from images.views.link_forms import (
    ChangeForm,
    PersonalLinkForm,
    SharedLinkForm,
    current_language,
    day_in_words,
)
from images.views.link_rows import MailRow, rows_of
from invitations import links, mail, outbox
from invitations.models import Invitation, OutgoingMail, default_expiry

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse

    from invitations.models import InvitationQuerySet

PAGE_SIZE = 50
SEARCH_LENGTH = 100
EXTENSION = timedelta(days=7)
FILTERS: dict[str, Callable[[InvitationQuerySet], InvitationQuerySet]] = {
    "not-opened": lambda rows: rows.not_opened(),
    "nothing-sent": lambda rows: rows.without_photos(),
    "ended": lambda rows: rows.ended(),
    "not-mailed": lambda rows: rows.filter(
        pk__in=OutgoingMail.objects.filter(state=OutgoingMail.State.FAILED).values("invitation")
    ),
}


def links_page(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Makes a view the page of a group's links: for members, in the group's time zone, uncached."""

    @never_cache
    @desk_page(needs=MEMBER)
    @wraps(view)
    def wrapped(request: HttpRequest, desk: Desk, **kwargs: Any) -> HttpResponse:
        with timezone.override(desk.group.zone):
            return view(request, desk, **kwargs)

    return wrapped


@links_page
@require_safe
def all_links(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Lists the links of a group, newest first; those made together by name."""
    shown, words = request.GET.get("show", ""), request.GET.get("q", "").replace("\0", "")
    words = words.strip()[:SEARCH_LENGTH]
    made = TruncMinute("created_at").desc()
    everything = visible(desk).order_by(made, "name", "email", "pk")
    rows = FILTERS[shown](everything) if shown in FILTERS else everything
    if words:
        rows = rows.filter(Q(name__icontains=words) | Q(email__icontains=words))
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    waiting = _waiting(desk)
    context = context_of(
        desk,
        page=page,
        rows=rows_of(page.object_list),
        shown=shown if shown in FILTERS else "",
        words=words,
        waiting_count=waiting.count(),
        waiting_why=_why(waiting),
    )
    return render(request, "invitations/links/all.html", context)


@links_page
@require_http_methods(["GET", "HEAD", "POST"])
def one_link(request: HttpRequest, desk: Desk, invitation_id: UUID) -> HttpResponse:
    """Shows a link with all that can be done with it, and changes it."""
    invitation = get_object_or_404(visible(desk), pk=invitation_id)
    if request.method != "POST":
        form = ChangeForm(desk=desk, invitation=invitation)
        return _page_of(request, desk, invitation, form)
    _refuse_unless_managed(invitation)
    form = ChangeForm(request.POST, desk=desk, invitation=invitation)
    if form.is_valid():
        changes, only_if = form.changes()
        try:
            links.change(invitation, only_if=only_if, **changes)
        except links.BelowUse as error:
            field = {"max_bytes": "max_megabytes"}.get(error.field, error.field)
            form.add_error(field, _("This is less than was already sent by the link."))
        except links.ChangedMeanwhile:
            invitation = get_object_or_404(visible(desk), pk=invitation_id)
            form = form.with_news(invitation)
        else:
            messages.success(request, _("Saved."))
            return redirect("invitation-page", desk.group.pk, invitation_id)
    return _page_of(request, desk, invitation, form, status=422)


@links_page
@require_http_methods(["GET", "HEAD", "POST"])
def new_link(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Makes a shared link, or invites one person."""
    kind = request.POST.get("kind") or request.GET.get("kind")
    is_personal = kind == Invitation.Kind.PERSONAL
    form_class = PersonalLinkForm if is_personal else SharedLinkForm
    data = request.POST if request.method == "POST" else None
    initial: dict[str, Any] = {"until": timezone.localdate(default_expiry())}
    if is_personal:  # of somebody who is invited again
        initial |= {name: request.GET.get(name, "")[:254] for name in ("email", "name")}
    form = form_class(data, desk=desk, initial=initial)
    if data is not None and form.is_valid():
        invitation = _make(request, desk, form)
        if invitation is not None:
            return redirect("invitation-page", desk.group.pk, invitation.pk)
    context = context_of(desk, form=form, is_personal=is_personal)
    return render(
        request, "invitations/links/new.html", context, status=422 if form.errors else 200
    )


@links_page
@require_POST
def extend(request: HttpRequest, desk: Desk, invitation_id: UUID) -> HttpResponse:
    """Lets a link work for 7 more days, from now if it has expired."""
    invitation = _managed(desk, invitation_id)
    seen = _moment(request.POST.get("expires_at"))
    until = max(invitation.expires_at, timezone.now()) + EXTENSION
    try:
        links.change(invitation, only_if={"expires_at": seen, "revoked_at": None}, expires_at=until)
    except links.ChangedMeanwhile:
        _say_changed(request)
    else:
        text = _("The link works until {day}.").format(day=day_in_words(until))
        messages.success(request, text)
    return redirect("invitation-page", desk.group.pk, invitation_id)


@links_page
@require_POST
def rotate(request: HttpRequest, desk: Desk, invitation_id: UUID) -> HttpResponse:
    """Replaces a link; the old one ends at once."""
    invitation = _managed(desk, invitation_id)
    if _moment(request.POST.get("updated_at")) != invitation.updated_at:
        _say_changed(request)  # the link on the page may be the new one already
    else:
        with suppress(links.Revoked):
            links.rotate(invitation)
            messages.success(request, _("Here is the new link. The old one has ended."))
    return redirect("invitation-page", desk.group.pk, invitation_id)


@links_page
@require_POST
def revoke(request: HttpRequest, desk: Desk, invitation_id: UUID) -> HttpResponse:
    """Ends a link for good. Photos that came by it stay."""
    links.revoke(_managed(desk, invitation_id))
    messages.success(request, _("The link has ended. The photos that came by it are still here."))
    return redirect("invitation-page", desk.group.pk, invitation_id)


@links_page
@require_POST
def mail_link(request: HttpRequest, desk: Desk, invitation_id: UUID) -> HttpResponse:
    """Mails a link to its person, again if need be."""
    invitation = _managed(desk, invitation_id)
    if invitation.is_revoked or invitation.is_expired:
        messages.error(request, _("The link has ended, so it was not mailed. Extend it first."))
    else:
        say_mailed(request, desk, [invitation])
    return redirect("invitation-page", desk.group.pk, invitation_id)


@links_page
@require_POST
def try_mail_now(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Tries the waiting mails of the group once more, without waiting for the pause to end."""
    count = outbox.try_now(OutgoingMail.objects.filter(invitation__in=managed(desk)))
    text = ngettext("{count} mail is tried again now.", "{count} mails are tried again now.", count)
    messages.success(request, text.format(count=count))
    return redirect("group-invitations", desk.group.pk)


def context_of(desk: Desk, **more: Any) -> dict[str, Any]:
    """Returns what every page of links shows, and `more`."""
    return desk.context(section="group-invitations", can_send=mail.can_send(), **more)


def visible(desk: Desk) -> InvitationQuerySet:
    rows = Invitation.objects.visible_to(desk.access).filter(group=desk.group)
    return rows.with_rights_of(desk.access).select_related("group__team", "created_by")


def managed(desk: Desk) -> InvitationQuerySet:
    return Invitation.objects.managed_by(desk.access).filter(group=desk.group)


def say_mailed(request: HttpRequest, desk: Desk, invitations: list[Invitation]) -> None:
    """Queues the mail with the link for each, and says so."""
    try:
        count = outbox.enqueue(
            OutgoingMail.Kind.INVITATION,
            invitations,
            sender=desk.access.user,
            language=current_language(),
        )
    except outbox.TooMany as refusal:
        messages.error(request, too_many(refusal))
        return
    if not mail.can_send():
        messages.error(request, _("This server sends no mail. Copy the link and send it yourself."))
    elif count == 0:
        messages.success(request, _("A mail with this link is waiting to be sent already."))
    else:
        messages.success(request, _("The mail is on its way."))


def too_many(refusal: outbox.TooMany) -> str:
    return ngettext(
        "That is too much mail for one day: you may send {count} more. Nothing was sent.",
        "That is too much mail for one day: you may send {count} more. Nothing was sent.",
        refusal.left,
    ).format(count=refusal.left)


def _managed(desk: Desk, invitation_id: UUID) -> Invitation:
    invitation: Invitation = get_object_or_404(visible(desk), pk=invitation_id)
    _refuse_unless_managed(invitation)
    return invitation


def _refuse_unless_managed(invitation: Invitation) -> None:
    if not invitation.may_manage:
        raise PermissionDenied(_("Only owners, and whoever made the link, may do this."))


def _page_of(
    request: HttpRequest, desk: Desk, invitation: Invitation, form: ChangeForm, *, status: int = 200
) -> HttpResponse:
    (row,) = rows_of([invitation])
    mails = invitation.mails.order_by("-created_at")[:10]
    context = context_of(
        desk,
        row=row,
        invitation=invitation,
        form=form,
        mails=[MailRow(each) for each in mails],
        mail_program=row.mail_program(desk.access.user) if row.link else "",
    )
    return render(request, "invitations/links/one.html", context, status=status)


def _make(
    request: HttpRequest, desk: Desk, form: PersonalLinkForm | SharedLinkForm
) -> Invitation | None:
    is_personal = isinstance(form, PersonalLinkForm)
    try:
        with transaction.atomic():
            invitation, _is_new = links.invite(
                desk.group,
                kind=Invitation.Kind.PERSONAL if is_personal else Invitation.Kind.SHARED,
                email=form.cleaned_data.get("email", ""),
                by=desk.access.user,
                is_owner=desk.is_owner,
                expires_at=form.expires_at,
                **form.options(),
            )
    except links.NotYours:
        form.add_error("email", _("Somebody else of the team has invited this person already."))
    except links.Withdrawn:
        text = _("Somebody else revoked this person's link. Only owners of the team invite them.")
        form.add_error("email", text)
    else:
        messages.success(request, _("Here is the link."))
        if is_personal and "mail" in request.POST:
            say_mailed(request, desk, [invitation])
        return invitation
    return None


def _waiting(desk: Desk) -> Any:
    return outbox.waiting().filter(invitation__group=desk.group, due_at__lte=_soon())


def _soon() -> datetime:
    """Mails that are planned for another day are not called waiting."""
    return timezone.now() + timedelta(hours=13)


def _why(waiting: Any) -> str:
    failed = waiting.exclude(error="").order_by("due_at").first()
    return MailRow(failed).why if failed is not None else ""


def _moment(text: str | None) -> datetime | None:
    with suppress(ValueError):
        moment = datetime.fromisoformat(str(text))
        return moment if timezone.is_aware(moment) else None
    return None


def _say_changed(request: HttpRequest) -> None:
    messages.error(
        request, _("Somebody changed this link meanwhile, so nothing was done. This is how it is.")
    )
