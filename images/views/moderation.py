"""The page on which owners decide about photos that wait, and about requests for a removal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.db.models import Prefetch
from django.http import HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from images.lifecycle import bulk, editing, takedown
from images.lifecycle.moderation import APPROVE, REJECT, WAIT
from images.listing import overview, pagination
from images.models import Image, TakedownRequest
from images.storage.objects import StorageUnavailable
from images.views.desk import OWNER, desk_page
from images.views.messages import MESSAGES, counted
from images.views.ticked import all_but_refused, ticked

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse

    from images.models import ImageQuerySet
    from images.views.desk import Desk

SHOWN = {
    "waiting": Image.Moderation.PENDING,
    "rejected": Image.Moderation.REJECTED,
    "approved": Image.Moderation.APPROVED,
}
LABELS = {
    "waiting": gettext_lazy("Waiting"),
    "rejected": gettext_lazy("Rejected"),
    "approved": gettext_lazy("Approved"),
}
READY_REASONS = [
    gettext_lazy("It is not from this evening."),
    gettext_lazy("It is blurred or too dark."),
    gettext_lazy("There is almost the same photo already."),
    gettext_lazy("Somebody on it does not want to be shown."),
]
TAKEDOWNS_SHOWN = 50
PAGE_MESSAGES = {
    "noAnswer": MESSAGES["noAnswer"],
    "somethingWrong": MESSAGES["somethingWrong"],
    "done:approve": counted("{count} photo approved.", "{count} photos approved."),
    "done:reject": counted("{count} photo rejected.", "{count} photos rejected."),
    "done:wait": counted("{count} photo waits again.", "{count} photos wait again."),
    "undone": counted("Undone: {count} photo is back.", "Undone: {count} photos are back."),
    "left": counted("{count} left on this page.", "{count} left on this page."),
    "selected": counted("{count} selected", "{count} selected"),
    "decidedMeanwhile": counted(
        "Somebody else has decided about {count} of them meanwhile; that stays.",
        "Somebody else has decided about {count} of them meanwhile; that stays.",
    ),
    "tickFirst": gettext_lazy("Tick photos first, or go to one with the arrow keys."),
    "nothingToUndo": gettext_lazy("There is nothing to undo."),
    "notDone": gettext_lazy("That did not work, and the photos are back in the list: {why}"),
    "photoOf": gettext_lazy("{place} of {total}"),
}


class DecisionForm(forms.Form):
    action = forms.ChoiceField(choices=[(name, name) for name in (APPROVE, REJECT, WAIT)])
    reason = forms.CharField(max_length=500, required=False)
    own_reason = forms.CharField(max_length=500, required=False)


@desk_page(needs=OWNER)
@require_http_methods(["GET", "HEAD", "POST"])
def moderation(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Shows photos to decide about; a POST decides about those that are ticked."""
    show = request.GET.get("show", "waiting")
    if show not in SHOWN:
        return redirect("moderation", desk.group.pk)
    if request.method == "POST":
        return _decide(request, desk, show)
    photos = pagination.gallery_page(_photos(desk, show), request)
    requests = TakedownRequest.objects.filter(group=desk.group).open().order_by("created_at")
    pictures = Prefetch("image", Image.objects.with_variants())
    context = desk.context(
        photos=photos.rows,
        older_url=photos.next_url,
        newer_url=photos.previous_url,
        requests=requests.prefetch_related(pictures)[:TAKEDOWNS_SHOWN],
        show=show,
        state=SHOWN[show],
        filters=_filters(desk),
        ready_reasons=READY_REASONS,
        page_messages=PAGE_MESSAGES,
    )
    return render(request, "groups/moderation.html", context)


def _photos(desk: Desk, show: str) -> ImageQuerySet:
    rows = Image.objects.in_group(desk.group).ready().filter(moderation=SHOWN[show])
    return rows.select_related("moderated_by").with_variants().defer("exif", "search_vector")


def _filters(desk: Desk) -> list[tuple[str, Any, int]]:
    """The name, label and number of each filter."""
    counts = overview.by_moderation(desk.group.pk)
    return [(name, LABELS[name], counts.get(state, 0)) for name, state in SHOWN.items()]


def _decide(request: HttpRequest, desk: Desk, show: str) -> HttpResponse:
    """Decides about the ticked photos, but for those about which somebody else has."""
    back = HttpResponseRedirect(request.get_full_path())
    form = DecisionForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Nothing was changed: a reason has up to 500 letters."))
        return back
    ids = ticked(request, Image.objects.in_group(desk.group))
    action, user = form.cleaned_data["action"], desk.access.user
    reason = form.cleaned_data["own_reason"].strip() or form.cleaned_data["reason"]
    others = all_but_refused(
        ids,
        lambda left: bulk.moderate(left, action, by=user, reason=reason, expected=SHOWN[show]),
    )
    if done := len(ids) - len(others):
        messages.success(request, said("done:" + action, done))
    if others:
        messages.warning(request, said("decidedMeanwhile", len(others)))
    return back


def said(name: str, count: int) -> str:
    """A message with a count, as the script would say it."""
    message: Any = PAGE_MESSAGES[name]
    return str(message["one" if count == 1 else "other"]).format(count=count)


class TakedownForm(forms.Form):
    decision = forms.ChoiceField(choices=[(each, each) for each in ("grant", "purge", "refuse")])
    answer = forms.CharField(max_length=1000, required=False)


@desk_page(needs=OWNER)
@require_POST
def decide_takedown(request: HttpRequest, desk: Desk, request_id: UUID) -> HttpResponse:
    """Grants or refuses a request for a removal."""
    asked = get_object_or_404(TakedownRequest, pk=request_id, group=desk.group)
    form, user = TakedownForm(request.POST), desk.access.user
    if not form.is_valid():
        messages.error(request, _("Nothing was changed: an answer has up to 1,000 letters."))
        return redirect("moderation", desk.group.pk)
    decision, answer = form.cleaned_data["decision"], form.cleaned_data["answer"].strip()
    try:
        if decision == "refuse":
            takedown.refuse(asked, by=user, answer=answer)
            messages.success(request, _("The photo is shown again, and whoever asked reads why."))
        else:
            takedown.grant(asked, by=user, answer=answer, and_purge=decision == "purge")
            messages.success(request, _("The photo stays removed, and whoever asked reads that."))
    except takedown.DecidedMeanwhile:
        messages.warning(request, _("Somebody else has decided about this request meanwhile."))
    except editing.DuplicateInGroup:
        text = _("It cannot come back: the group shows the same photo. Remove that one first.")
        messages.error(request, text)
    except StorageUnavailable:
        text = _("The photo store does not answer. Nothing was changed; try again soon.")
        messages.error(request, text)
    return redirect("moderation", desk.group.pk)
