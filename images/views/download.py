"""The page on which members order a ZIP of a group's photos and download it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.db.models import Count, Sum
from django.http import HttpResponseRedirect
from django.shortcuts import redirect, render
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from images import archives
from images.models import Image
from images.views.desk import Desk, desk_page
from invitations import mail

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse

    from groups.models import Group
    from images.access import GuestAccess, MemberAccess
    from images.archives import content
    from images.models import ArchiveOrder

ALL, NEW, UPLOADER = "all", "new", "uploader"
# Names to choose from; more than a person would read through.
MOST_UPLOADERS = 300
# Orders that are shown.
MOST_SHOWN = 20
NOBODY = ""  # the name of those who gave none


class OrderRefused(Exception):
    """A ZIP cannot be ordered now; the text tells people why."""


class OrderForm(forms.Form):
    """What the ZIP is to hold, and whether a mail tells when it is ready."""

    what = forms.ChoiceField(label=gettext_lazy("Which photos?"), widget=forms.RadioSelect)
    uploader = forms.ChoiceField(label=gettext_lazy("Whose photos?"), required=False)
    mail = forms.BooleanField(label=gettext_lazy("Mail me when it is ready"), required=False)

    def __init__(self, *args: Any, desk: Desk, **more: Any) -> None:
        super().__init__(*args, **more)
        self.label_suffix, self.desk = "", desk
        self.since = archives.last_download(desk.group, desk.access)
        self.uploaders = _uploaders(desk)
        what: Any = self.fields["what"]
        what.choices = self._choices()
        uploader: Any = self.fields["uploader"]
        uploader.choices = [
            (name, f"{name} ({count})") for name, count in self.uploaders if name != NOBODY
        ]
        if not mail.can_send():
            del self.fields["mail"]
        if UPLOADER not in dict(what.choices):
            del self.fields["uploader"]

    def _choices(self) -> list[tuple[str, str]]:
        choices = [(ALL, _("All photos"))]
        if self.since is not None:
            choices.append((NEW, _("What is new since my last download")))
        if len(self.uploaders) > 1:
            choices.append((UPLOADER, _("The photos of one person")))
        return choices

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if found.get("what") == UPLOADER and not found.get("uploader"):
            self.add_error("uploader", _("Choose whose photos you want."))
        return found

    def asked(self) -> content.What:
        """Returns what archives.order() takes."""
        chosen = self.cleaned_data["what"]
        if chosen == UPLOADER:
            return {"uploader": self.cleaned_data["uploader"]}
        if chosen == NEW and self.since is not None:
            return {"since": self.since.isoformat()}
        return {}


def _uploaders(desk: Desk) -> list[tuple[str, int]]:
    """Returns the names under which photos were sent, and how many, those with most first."""
    ready = Image.objects.in_group(desk.group).ready().order_by()
    named = ready.values("uploader_name").annotate(count=Count("pk")).order_by("-count")
    return [(each["uploader_name"], each["count"]) for each in named[:MOST_UPLOADERS]]


@desk_page()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def download(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Shows what can be downloaded and what was ordered, and takes an order."""
    form = OrderForm(request.POST or None, desk=desk, initial={"what": ALL, "mail": True})
    if request.method == "POST" and form.is_valid():
        wants_mail = form.cleaned_data.get("mail", False)
        try:
            order(desk.group, desk.access, form.asked(), wants_mail=wants_mail)
        except OrderRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            return redirect("group-download", desk.group.pk)
    status = 422 if form.errors else 200
    return render(request, "groups/download.html", _context(desk, form), status=status)


def order(
    group: Group,
    access: MemberAccess | GuestAccess,
    what: content.What | None = None,
    *,
    wants_mail: bool = False,
) -> ArchiveOrder:
    """Orders a ZIP. Raises OrderRefused."""
    try:
        return archives.order(group, what=what, access=access, wants_mail=wants_mail)
    except archives.NothingToDownload:
        text = _("There is no photo to download. Choose others, or wait until some have arrived.")
    except archives.TooManyWaiting:
        text = _("Several of your ZIPs are still being made. Wait until one of them is ready.")
    except archives.QuotaExceeded as refusal:
        text = _no_room(refusal, is_guest=access.is_guest)
    raise OrderRefused(text)


def _no_room(refusal: archives.QuotaExceeded, *, is_guest: bool) -> str:
    if is_guest:
        return _("There is no room for another ZIP now. Try again in a few days.")
    text = _(
        "Your team's ZIPs may take up {limit}, and they take up {used} now; this one needs "
        "{needed}. Choose fewer photos, or wait: each ZIP is removed after a week."
    )
    sizes = {name: filesizeformat(getattr(refusal, name)) for name in ("limit", "used", "needed")}
    return text.format(**sizes)


@desk_page()
@never_cache
@require_safe
def download_file(request: HttpRequest, desk: Desk, archive_id: UUID) -> HttpResponse:
    """Leads to a ZIP that the member ordered."""
    found = archives.find(desk.group, desk.access, archive_id)
    try:
        return HttpResponseRedirect(archives.download(found, desk.access))
    except archives.NotReady:
        if found.archive.is_live:
            messages.info(request, _("This ZIP is not ready yet."))
        else:
            messages.error(
                request,
                _(
                    "This ZIP is not there any more: it has expired, or one of its photos was "
                    "removed or changed. Order it again."
                ),
            )
        return redirect("group-download", desk.group.pk)


def _context(desk: Desk, form: OrderForm) -> dict[str, Any]:
    ready = Image.objects.in_group(desk.group).ready()
    size = ready.aggregate(count=Count("pk"), bytes=Sum("byte_size", default=0))
    return desk.context(
        form=form,
        photo_count=size["count"],
        byte_size=size["bytes"],
        orders=archives.orders(desk.group, desk.access)[:MOST_SHOWN],
        section="group-gallery",
    )
