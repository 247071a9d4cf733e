"""The page on which an owner closes a group, or opens it again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from groups import editing
from images.archives import closing as closing_archives
from images.views.desk import OWNER, Desk, desk_page
from images.views.link_forms import MailForm, current_language, known_language
from images.views.links import too_many
from images.views.settings_form import LocalTimeField
from invitations import closing, mail, outbox
from invitations.models import OutgoingMail, may_be_shown_to_guests

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from groups.models import Group

NOW, DAY, DATE, NEVER = "now", "day", "date", "never"


class CloseForm(forms.Form):
    """When a group closes, and whether those who have sent nothing are called."""

    when = forms.ChoiceField(label=gettext_lazy("When does it close?"), widget=forms.RadioSelect)
    at = LocalTimeField(label=gettext_lazy("Day and time"), required=False)
    last_call = forms.BooleanField(required=False)
    archive = forms.BooleanField(label=gettext_lazy("Make a ZIP of all photos"), required=False)

    def __init__(self, *args: Any, group: Group, **more: Any) -> None:
        super().__init__(*args, **more)
        self.label_suffix, self.group = "", group
        when: Any = self.fields["when"]
        when.choices = _times(group)
        if not group.is_closed:
            self.fields["archive"].help_text = _archive_hint()
        zone = _("In the group's time zone: {zone}.").format(zone=group.time_zone)
        self.fields["at"].help_text = zone

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if found.get("when") != DATE or "at" in self.errors:
            return found
        if found.get("at") is None:
            self.add_error("at", _("Say on which day and at what time."))
        elif self.closes_at() <= timezone.now():  # type: ignore[operator]  # it is given
            self.add_error("at", _("This time is over. Choose a later one, or “Now”."))
        return found

    def closes_at(self) -> datetime | None:
        """Returns when the group is to close; None: not at all."""
        when = self.cleaned_data["when"]
        if when == NEVER:
            return None
        if when == DATE:
            local: datetime = self.cleaned_data["at"]
            return local.replace(tzinfo=self.group.zone).astimezone(UTC)
        return timezone.now() + (timedelta(days=1) if when == DAY else timedelta())


def _times(group: Group) -> list[tuple[str, str]]:
    """Returns what can be chosen for a group that is open, will close, or is closed."""
    day, date = (DAY, _("In 24 hours")), (DATE, _("On a day and at a time of your choice"))
    if group.is_closed:
        return [(NEVER, _("Not at all: open it again")), day, date]
    if group.closes_at is not None:
        return [(NOW, _("Now")), day, date, (NEVER, _("Not at all: it stays open"))]
    return [(NOW, _("Now")), day, date]


def _archive_hint() -> str:
    minutes = int(closing_archives.WAIT.total_seconds() // 60)
    hint = _(
        "{minutes} minutes after the group has closed, when the last photos have arrived. You find "
        "it under “Download as a ZIP”."
    )
    told = _("A mail tells you when it is ready.") if mail.can_send() else ""
    return f"{hint.format(minutes=minutes)} {told}".strip()


@desk_page(needs=OWNER)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def close_group(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Says what closing means, and closes the group or opens it again."""
    if request.method != "POST":
        return _page(request, desk, _untouched(desk.group), MailForm(initial=_language()))
    form = CloseForm(request.POST, group=desk.group)
    mail_form = MailForm(request.POST)
    if request.POST.get("act") == "preview" or not (form.is_valid() and mail_form.is_valid()):
        return _page(request, desk, form, mail_form)
    try:
        called = _close(desk, request, form, mail_form)
    except editing.ChangedMeanwhile:
        desk.group.refresh_from_db(fields=["closes_at", "time_zone"])
        form.add_error(
            None,
            _(
                "Somebody else changed meanwhile when the group closes; it is shown above. Nothing "
                "of yours is saved yet: close it again if you still want to."
            ),
        )
        return _page(request, desk, form, mail_form, status=409)
    except outbox.TooMany as refusal:
        form.add_error(None, too_many(refusal))
        return _page(request, desk, form, mail_form)
    _say(request, form.cleaned_data["when"], called)
    return redirect(desk.group)


def _close(desk: Desk, request: HttpRequest, form: CloseForm, mail_form: MailForm) -> int:
    said = mail_form.cleaned_data
    call = closing.LastCall(said["language"], said["message"])
    with transaction.atomic():
        called = closing.close(
            desk.group,
            at=form.closes_at(),
            by=desk.access.user,
            expected=_seen(request, desk.group),
            last_call=call if form.cleaned_data["last_call"] else None,
        )
        if form.cleaned_data["archive"] and form.closes_at() is not None:
            closing_archives.wish(desk.group, desk.access.user, language=current_language())
        else:
            closing_archives.withdraw(desk.group)
    return called


def _seen(request: HttpRequest, group: Group) -> datetime | None:
    """Returns when the group was to close as the page showed it; what is there now if it does not
    say."""
    text = request.POST.get("seen")
    if text is None:
        return group.closes_at
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    return moment if moment is None or timezone.is_aware(moment) else None


def _say(request: HttpRequest, when: str, called: int) -> None:
    texts = {
        NOW: _("The group is closed. You can open it again at any time."),
        NEVER: _("The group is open: guests may send photos."),
    }
    messages.success(request, texts.get(when, _("It is set when the group closes.")))
    if called:
        text = ngettext(
            "{count} last call is on its way.", "{count} last calls are on their way.", called
        )
        messages.success(request, text.format(count=called))


def _language() -> dict[str, str]:
    return {"language": current_language()}


def _untouched(group: Group) -> CloseForm:
    """Returns the form as it opens: with what closes the group now, or opens it again."""
    at = group.closes_at
    if at is None or group.is_closed:
        when = NEVER if group.is_closed else NOW
        return CloseForm(group=group, initial={"when": when, "archive": True})
    local = f"{at.astimezone(group.zone):%Y-%m-%dT%H:%M}"
    wished = closing_archives.is_wished(group)
    return CloseForm(group=group, initial={"when": NOW, "at": local, "archive": wished})


def _page(
    request: HttpRequest, desk: Desk, form: CloseForm, mail_form: MailForm, *, status: int = 0
) -> HttpResponse:
    group, called = desk.group, closing.to_call(desk.group)
    context = desk.context(
        form=form,
        mail_form=mail_form,
        section="group-settings",
        seen=group.closes_at.isoformat() if group.closes_at else "",
        call_count=called.count(),
        can_send=mail.can_send(),
        sample=_sample(desk, form, mail_form),
        shows_gallery=may_be_shown_to_guests(group),
    )
    is_wrong = form.is_bound and bool(form.errors or mail_form.errors)
    return render(
        request, "groups/close.html", context, status=status or (422 if is_wrong else 200)
    )


def _sample(desk: Desk, form: CloseForm, mail_form: MailForm) -> tuple[str, str] | None:
    """The mail to the first of those who are called, without the link."""
    first = closing.to_call(desk.group).select_related("group__team").order_by("pk").first()
    if first is None:
        return None
    if form.is_bound and form.is_valid():
        first.group.closes_at = form.closes_at()  # as it would be by then
    data: Any = mail_form.data if mail_form.is_bound else _language()
    row = OutgoingMail(
        kind=OutgoingMail.Kind.LAST_CALL,
        invitation=first,
        sender=desk.access.user,
        language=known_language(str(data.get("language", ""))),
        message=str(data.get("message", ""))[:1000],
    )
    return mail.preview(row, link=_("(the link of each person)"))
