"""What a model wrote of a photo, as its page shows it, and what hosts decide about it there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from images.captions import deciding, plain_text
from images.models.generated_caption import MAX_LETTERS
from images.views import map_picker
from images.views.photo import Opened, photo_page, show

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


class CaptionForm(forms.Form):
    """The words of a host in place of a model's."""

    text = forms.CharField(
        label=gettext_lazy("What it says"),
        max_length=MAX_LETTERS,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    seen = forms.CharField(required=False, max_length=MAX_LETTERS, widget=forms.HiddenInput)

    def clean_text(self) -> str:
        try:
            return plain_text.plain(self.cleaned_data["text"])
        except plain_text.Nonsense:
            raise forms.ValidationError(_("Write some words, or hide it.")) from None


@map_picker.allow_tiles
@photo_page(decides=True)
@require_POST
def decide_caption(request: HttpRequest, opened: Opened) -> HttpResponse:
    """Corrects what a model wrote, hides it, shows it again, or has what failed tried again."""
    image, by = opened.image, opened.access.user
    action = request.POST.get("action")
    try:
        if action == "hide":
            deciding.hide(image, by=by)
        elif action == "show":
            deciding.show(image, by=by)
        elif action == "retry":
            deciding.retry(image)
            messages.success(request, _("A model will be asked again. It takes a moment."))
        else:
            return _correct(request, opened)
    except deciding.NoCaption:
        messages.warning(request, _gone())
    except deciding.NotFailed:
        messages.warning(request, _("It cannot be tried again now: look at what the page says."))
    return opened.again()


def _correct(request: HttpRequest, opened: Opened) -> HttpResponse:
    """Raises NoCaption."""
    form = CaptionForm(request.POST)
    if not form.is_valid():
        return show(request, opened, caption_form=form, status=400)
    said: dict[str, Any] = form.cleaned_data
    try:
        deciding.correct(opened.image, said["text"], by=opened.access.user, expected=said["seen"])
    except deciding.ChangedMeanwhile:
        text = _("Somebody else changed it meanwhile. Nothing of yours is saved yet: look first.")
        form.add_error("text", text)
        return show(request, opened, caption_form=form, status=409)
    messages.success(request, _("Your changes are saved."))
    return opened.again()


def _gone() -> str:
    return _("There is no such text any more: a model will write another, or the group wants none.")
