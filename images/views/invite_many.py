"""The page that invites many people at once, from a list that is pasted or sent as a file."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from bandpics.middleware import body_limit
from images.views.link_forms import MailForm, OptionsForm, current_language, known_language
from images.views.links import context_of, links_page, too_many
from invitations import address_list, guest_list, links, mail, outbox
from invitations.guest_list import Guest, Outcome
from invitations.models import Invitation, OutgoingMail, default_expiry

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from images.views.desk import Desk

MAX_BODY_BYTES = 3 * address_list.MAX_BYTES
# More wrong lines than that are corrected in one field together.
FIELDS_FOR_WRONG_LINES = 100
# Whoever presses the button twice sends one mail.
MAILED_JUST_NOW = timedelta(minutes=10)


class ManyForm(OptionsForm, MailForm):
    field_order = ["until", "trusted", "visibility", "language", "message"]
    text = forms.CharField(
        label=gettext_lazy("Names and e-mail addresses, one person per line"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 10, "spellcheck": "false", "autocomplete": "off"}),
    )


@body_limit.takes(lambda _request: MAX_BODY_BYTES)
@links_page
@require_http_methods(["GET", "HEAD", "POST"])
def invite_many(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Takes a list, shows what it means, and invites those who are on it."""
    if request.method != "POST":
        return _page(request, desk, _form(desk, None))
    form = _form(desk, _with_defaults(request.POST))
    try:
        guests = _guests(request, desk)
    except address_list.Unreadable as refusal:
        return _page(request, desk, form, complaint=str(refusal), status=422)
    if not guests:
        complaint = _("Paste at least one address, or choose a file.")
        return _page(request, desk, form, complaint=complaint, status=422)
    act, was_edited = request.POST.get("act"), _corrected_in_vain(request, guests)
    if act in {"mail", "invite"} and form.is_valid() and not was_edited:
        people = guest_list.people(guests)
        if people and _invite(request, desk, form, people, is_mailed=act == "mail"):
            return redirect("group-invitations", desk.group.pk)
    return _preview(request, desk, form, guests, was_edited=was_edited)


def _form(desk: Desk, data: Any) -> ManyForm:
    until = timezone.localdate(default_expiry())
    return ManyForm(data, desk=desk, initial={"until": until, "language": current_language()})


def _with_defaults(data: Any) -> Any:
    """The first page has no options yet."""
    if "until" in data:
        return data
    data = data.copy()
    data["until"] = timezone.localdate(default_expiry()).isoformat()
    data["language"] = current_language()
    return data


def _guests(request: HttpRequest, desk: Desk) -> list[Guest]:
    """Reads the file, the field, and the lines that were corrected. Raises Unreadable."""
    file = request.FILES.get("file")
    parts = [request.POST.get("text", ""), "\n".join(request.POST.getlist("line"))]
    if file is not None:
        # No more of it than is needed to see that it is too large.
        parts.insert(0, address_list.decoded(file.read(address_list.MAX_BYTES + 1)))
    entries = [entry for part in parts for entry in address_list.read(part)]
    if len(entries) > address_list.MAX_LINES:
        raise address_list.Unreadable(
            _("The list names {count} people. Up to {limit} are read at once.").format(
                count=len(entries), limit=address_list.MAX_LINES
            )
        )
    user = desk.access.user
    return guest_list.compare(entries, desk.group, by=user, is_owner=desk.is_owner)


def _corrected_in_vain(request: HttpRequest, guests: list[Guest]) -> bool:
    """Whether a line that was typed is still wrong: it must not be left out without a word."""
    wrong = {guest.entry.line for guest in guests if guest.outcome == Outcome.WRONG}
    shown = {line for text in request.POST.getlist("was") for line in text.splitlines()}
    return bool(wrong - shown) and "was" in request.POST


def _invite(
    request: HttpRequest,
    desk: Desk,
    form: ManyForm,
    people: list[links.Person],
    *,
    is_mailed: bool,
) -> bool:
    """Invites all or, if they are too many mails for one day, nobody."""
    user, sent = desk.access.user, 0
    try:
        with transaction.atomic():
            outcome = links.invite_many(
                desk.group,
                people,
                by=user,
                is_owner=desk.is_owner,
                expires_at=form.expires_at,
                **form.options(),
            )
            if is_mailed:
                since = timezone.now() - MAILED_JUST_NOW
                sent = outbox.enqueue(
                    OutgoingMail.Kind.INVITATION,
                    outbox.not_mailed_since(outcome.open, since),
                    sender=user,
                    language=form.cleaned_data["language"],
                    message=form.cleaned_data["message"],
                )
    except outbox.TooMany as refusal:
        form.add_error(None, too_many(refusal))
        return False
    _say(request, len(outcome.open), sent, is_mailed=is_mailed)
    return True


def _say(request: HttpRequest, invited: int, sent: int, *, is_mailed: bool) -> None:
    text = ngettext("{count} person is invited.", "{count} people are invited.", invited)
    words = [text.format(count=invited)]
    if is_mailed:
        text = ngettext("{count} mail is on its way.", "{count} mails are on their way.", sent)
        words.append(text.format(count=sent))
    if is_mailed and sent < invited:
        text = ngettext(
            "{count} got one just now, and gets no other.",
            "{count} got one just now, and get no other.",
            invited - sent,
        )
        words.append(text.format(count=invited - sent))
    messages.success(request, " ".join(words))


def _preview(
    request: HttpRequest, desk: Desk, form: ManyForm, guests: list[Guest], *, was_edited: bool
) -> HttpResponse:
    wrong = [guest for guest in guests if guest.outcome == Outcome.WRONG]
    invited = [guest for guest in guests if guest.is_invited]
    has_acted = request.POST.get("act") in {"mail", "invite"}
    context = context_of(
        desk,
        form=form if has_acted else _as_typed(form),
        guests=guests,
        invited_count=len(invited),
        wrong=wrong,
        wrong_text="\n".join(guest.entry.line for guest in wrong),
        has_many_wrong=len(wrong) > FIELDS_FOR_WRONG_LINES,
        was_edited=was_edited,
        text=guest_list.as_text(guests),
        sample=_sample(desk, form, invited),
    )
    status = 422 if has_acted else 200
    return render(request, "invitations/links/many_preview.html", context, status=status)


def _as_typed(form: ManyForm) -> ManyForm:
    """Returns the form without complaints: looking at the list again saves nothing."""
    typed = {name: form.data.get(name) for name in form.fields}
    return ManyForm(desk=form.desk, initial=typed)


def _sample(desk: Desk, form: ManyForm, invited: list[Guest]) -> tuple[str, str] | None:
    """The mail to the first person, without their link."""
    if not invited or not mail.can_send():
        return None
    first, data = invited[0].entry, form.data
    until = form.expires_at if form.is_bound and form.is_valid() else default_expiry()
    row = OutgoingMail(
        kind=OutgoingMail.Kind.INVITATION,
        invitation=Invitation(
            group=desk.group,
            kind=Invitation.Kind.PERSONAL,
            name=first.name,
            email=first.email,
            expires_at=until,
        ),
        sender=desk.access.user,
        language=known_language(data.get("language", "")),
        message=data.get("message", "")[:1000],
    )
    return mail.preview(row, link=_("(the link of each person)"))


def _page(
    request: HttpRequest,
    desk: Desk,
    form: ManyForm,
    *,
    complaint: str = "",
    status: int = 200,
) -> HttpResponse:
    text = "\n".join([request.POST.get("text", ""), *request.POST.getlist("line")]).strip("\n")
    context = context_of(
        desk,
        form=form,
        complaint=complaint,
        text=text,
        limit=address_list.MAX_LINES,
    )
    return render(request, "invitations/links/many.html", context, status=status)
