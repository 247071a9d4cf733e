"""The page that reminds guests who have sent nothing."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from images.views.invite_many import MAILED_JUST_NOW
from images.views.link_forms import MailForm, current_language, known_language
from images.views.link_rows import LinkRow, rows_of
from images.views.links import context_of, links_page, managed, too_many, visible
from invitations import mail, outbox
from invitations.models import OutgoingMail

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.http import HttpRequest, HttpResponse

    from images.views.desk import Desk
    from invitations.models import Invitation

# Each is a field of the form, of which Django takes 1000.
MOST = 500
# Who got a mail since then is not proposed.
LEFT_IN_PEACE = timedelta(hours=24)


@links_page
@require_http_methods(["GET", "HEAD", "POST"])
def remind(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Lists who has sent nothing, shows the mail, and queues it for those who are ticked."""
    if request.method != "POST":
        form = MailForm(initial={"language": current_language()})
        return _page(request, desk, form, None)
    form, chosen = MailForm(request.POST), _chosen(request)
    if request.POST.get("act") != "send" or not form.is_valid():
        return _page(request, desk, form, chosen)
    if not chosen:
        form.add_error(None, _("Nobody is ticked."))
        return _page(request, desk, form, chosen)
    try:
        sent = _remind(desk, form, chosen)
    except outbox.TooMany as refusal:
        form.add_error(None, too_many(refusal))
        return _page(request, desk, form, chosen)
    _say(request, sent, left_out=len(chosen) - sent)
    return redirect("group-invitations", desk.group.pk)


def _remind(desk: Desk, form: MailForm, chosen: set[UUID]) -> int:
    with transaction.atomic():
        # Locked, so that two hosts at once remind each guest once.
        rows = managed(desk).to_remind().filter(pk__in=chosen).order_by("pk").select_for_update()
        return outbox.enqueue(
            OutgoingMail.Kind.REMINDER,
            outbox.not_mailed_since(list(rows), timezone.now() - MAILED_JUST_NOW),
            sender=desk.access.user,
            language=form.cleaned_data["language"],
            message=form.cleaned_data["message"],
        )


def _say(request: HttpRequest, sent: int, *, left_out: int) -> None:
    text = ngettext("{count} reminder is on its way.", "{count} reminders are on their way.", sent)
    words = [text.format(count=sent)]
    if left_out:
        text = ngettext(
            "{count} person was left out: they answered meanwhile, or got a mail just now.",
            "{count} people were left out: they answered meanwhile, or got a mail just now.",
            left_out,
        )
        words.append(text.format(count=left_out))
    messages.success(request, " ".join(words))


def _chosen(request: HttpRequest) -> set[UUID]:
    found = set()
    for text in request.POST.getlist("invitation")[:MOST]:
        with suppress(ValueError):
            found.add(UUID(text))
    return found


def _page(
    request: HttpRequest, desk: Desk, form: MailForm, chosen: set[UUID] | None
) -> HttpResponse:
    mine = managed(desk).to_remind()
    shown = visible(desk).filter(pk__in=mine.values("pk")).order_by("name", "email", "pk")[:MOST]
    rows = rows_of(shown)
    mailed = _mailed_lately(row.invitation for row in rows)
    guests = [
        (
            row,
            row.invitation.pk in mailed,
            row.invitation.pk in chosen if chosen is not None else row.invitation.pk not in mailed,
        )
        for row in rows
    ]
    context = context_of(
        desk,
        form=form,
        guests=guests,
        total=mine.count(),
        ticked=sum(is_ticked for _row, _mailed, is_ticked in guests),
        sample=_sample(desk, form, rows),
        programs=[] if mail.can_send() else _programs(desk, rows),
    )
    status = 422 if form.is_bound and form.errors else 200
    return render(request, "invitations/links/remind.html", context, status=status)


def _mailed_lately(invitations: Iterable[Invitation]) -> set[UUID]:
    asked = list(invitations)
    others = outbox.not_mailed_since(asked, timezone.now() - LEFT_IN_PEACE)
    return {each.pk for each in asked} - {each.pk for each in others}


def _programs(desk: Desk, rows: list[LinkRow]) -> list[tuple[LinkRow, str]]:
    """For a server that sends no mail: the mail of each guest, for the host's own mail program."""
    user, kind = desk.access.user, OutgoingMail.Kind.REMINDER
    return [(row, row.mail_program(user, kind)) for row in rows if row.link]


def _sample(desk: Desk, form: MailForm, rows: list[LinkRow]) -> tuple[str, str] | None:
    """The mail to the first of them, without the link."""
    if not rows:
        return None
    data: Any = form.data if form.is_bound else {"language": current_language()}
    row = OutgoingMail(
        kind=OutgoingMail.Kind.REMINDER,
        invitation=rows[0].invitation,
        sender=desk.access.user,
        language=known_language(str(data.get("language", ""))),
        message=str(data.get("message", ""))[:1000],
    )
    return mail.preview(row, link=_("(the link of each person)"))
