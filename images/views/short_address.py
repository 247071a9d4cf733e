"""The page on which owners choose the short address of a link, and its PIN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from bandpics import limits
from images.views.desk import OWNER, Desk, desk_page
from invitations import pins, sharing, short_addresses

if TYPE_CHECKING:
    from django.http import HttpRequest

    from invitations.models import Invitation

PROBLEMS = {
    "empty": gettext_lazy("Please type a word."),
    "short": gettext_lazy("That is too short: it takes at least 3 letters or digits."),
    "long": gettext_lazy("That is too long: it may have up to 40 letters and digits."),
    "letters": gettext_lazy(
        "Please use the letters a to z and digits: not every keyboard has others."
    ),
    "reserved": gettext_lazy("Bandpics needs this word itself. Please choose another one."),
    "taken": gettext_lazy("This word is taken. Please choose another one."),
}


class ShortAddressForm(forms.Form):
    word = forms.CharField(
        label=gettext_lazy("Short address"),
        max_length=200,
        strip=True,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    pin = forms.CharField(
        label=gettext_lazy("PIN"),
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "numeric"}),
    )
    remove_pin = forms.BooleanField(label=gettext_lazy("Ask for no PIN any more"), required=False)
    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, invitation: Invitation, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        self.invitation = invitation
        self.proposals: list[str] = []
        current = sharing.short_address_of(invitation)
        self.fields["word"].help_text = _("3 to 40 letters, digits and hyphens.")
        if current is not None and current.pin_hash:
            self.fields["pin"].help_text = _(
                "People who type the address are asked for a PIN. Leave this empty to keep it, or "
                "type 4 to 8 digits for another one."
            )
        else:
            self.fields["pin"].help_text = _(
                "If you like: 4 to 8 digits, without which the address does not open. Six are "
                "much harder to guess than four."
            )
            del self.fields["remove_pin"]

    def clean_word(self) -> str:
        try:
            word = short_addresses.word_of(self.cleaned_data["word"])
            short_addresses.refuse_if_taken(word, self.invitation)
        except short_addresses.Unusable as refusal:
            raise forms.ValidationError(self._problem(refusal)) from None
        return word

    def clean_pin(self) -> str:
        pin = pins.digits_of(self.cleaned_data["pin"])
        if pin and not pins.is_pin(pin):
            raise forms.ValidationError(_("A PIN has 4 to 8 digits, and nothing else."))
        return pin

    def save(self) -> bool:
        """Returns whether it was saved; if not, the form says why."""
        data = self.cleaned_data
        pin_hash = pins.hashed(data["pin"]) if data["pin"] else None
        if data.get("remove_pin") and pin_hash is None:
            pin_hash = ""
        try:
            short_addresses.choose(
                self.invitation, data["word"], pin_hash=pin_hash, only_if=data["seen"]
            )
        except short_addresses.Unusable as refusal:  # somebody else was quicker
            self.add_error("word", self._problem(refusal))
        except short_addresses.ChangedMeanwhile:
            self.add_error(None, changed_meanwhile(self.invitation))
            # What was typed stays; sending it again is about what is there by now.
            current = short_addresses.of(self.invitation)
            self.data = self.data.copy()  # type: ignore[attr-defined]  # a QueryDict
            self.data["seen"] = short_addresses.state_of(current)  # type: ignore[index]
        return self.is_valid()

    def _problem(self, refusal: short_addresses.Unusable) -> str:
        typed = str(self.data.get("word", ""))
        self.proposals = short_addresses.proposals(self.invitation.group, typed=typed)
        return problem_in_words(refusal)


def problem_in_words(refusal: short_addresses.Unusable) -> str:
    return str(PROBLEMS[refusal.reason])


def changed_meanwhile(invitation: Invitation) -> str:
    current = short_addresses.of(invitation)
    if current is None:
        return _("Another owner has removed the short address meanwhile. Nothing was saved yet.")
    return _(
        "Another owner has changed it meanwhile: the short address is {word} now. Nothing was "
        "saved yet; save again if you want yours."
    ).format(word=current.word)


@desk_page(needs=OWNER)
@require_http_methods(["GET", "HEAD", "POST"])
def short_address(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Shows and changes the short address of one shared link of the group."""
    invitation = _link(request, desk)
    if invitation is None:
        context = desk.context(section="group-invitations")
        return render(request, "groups/short_address.html", context)
    if request.method != "POST":
        return _page(request, desk, _form(invitation))
    if request.POST.get("act") == "remove":
        return _remove(request, desk, invitation)
    form = ShortAddressForm(request.POST, invitation=invitation)
    if not form.is_valid():
        return _page(request, desk, form, status=400)
    before = sharing.short_address_of(invitation)
    if not form.save():
        return _page(request, desk, form, status=409)
    word = form.cleaned_data["word"]
    messages.success(request, _("Saved. People can type {address}").format(address=shown(word)))
    if before is not None and before.word != word:
        messages.info(
            request,
            _(
                "{address} leads nowhere from now on. Nobody else can take it for 30 days, so that "
                "cards with it do not lead to strangers."
            ).format(address=shown(before.word)),
        )
    return redirect(_url(desk, invitation))


@desk_page(needs=OWNER)
@require_safe
def check_word(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Says while an owner types whether the word is free."""
    if seconds := limits.consume(("user", str(desk.access.user.pk))):
        return HttpResponse(status=429, headers={"Retry-After": str(seconds)})
    invitation, typed = _link(request, desk), request.GET.get("word", "")[:200]
    if invitation is None:
        raise Http404
    try:
        word = short_addresses.word_of(typed)
        short_addresses.refuse_if_taken(word, invitation)
    except short_addresses.Unusable as refusal:
        says, proposals = (
            problem_in_words(refusal),
            short_addresses.proposals(desk.group, typed=typed),
        )
        return JsonResponse({"is_free": False, "says": says, "proposals": proposals})
    says = _("{address} is free.").format(address=shown(word))
    current = sharing.short_address_of(invitation)
    if current is not None and current.word == word:
        says = _("{address} is the address of now.").format(address=shown(word))
    return JsonResponse({"is_free": True, "says": says, "proposals": []})


def shown(word: str) -> str:
    """Returns the short address as people type it."""
    return sharing.short_link(word).partition("://")[2].rstrip("/")


def _link(request: HttpRequest, desk: Desk) -> Invitation | None:
    """Returns the link that was asked for, or the one that the group page hands out."""
    asked = request.GET.get("link", "")
    if not asked:
        return sharing.link_of(desk.group, desk.access)
    try:
        found = sharing.links_of(desk.group, desk.access).filter(pk=UUID(asked)).first()
    except ValueError:
        found = None
    if found is None:
        raise Http404
    return found


def _url(desk: Desk, invitation: Invitation) -> str:
    return f"{reverse('short-address', args=[desk.group.pk])}?link={invitation.pk}"


def _form(invitation: Invitation) -> ShortAddressForm:
    current = sharing.short_address_of(invitation)
    initial = {
        "word": current.word if current else next(iter(_proposals(invitation)), ""),
        "seen": short_addresses.state_of(current),
    }
    return ShortAddressForm(initial=initial, invitation=invitation)


def _proposals(invitation: Invitation) -> list[str]:
    return short_addresses.proposals(invitation.group)


def _remove(request: HttpRequest, desk: Desk, invitation: Invitation) -> HttpResponse:
    try:
        short_addresses.remove(invitation, only_if=request.POST.get("seen", ""))
    except short_addresses.ChangedMeanwhile:
        messages.error(request, changed_meanwhile(invitation))
    else:
        messages.success(
            request,
            _("The short address is removed. The link itself goes on working."),
        )
    return redirect(_url(desk, invitation))


def _page(
    request: HttpRequest, desk: Desk, form: ShortAddressForm, *, status: int = 200
) -> HttpResponse:
    current = sharing.short_address_of(form.invitation)
    others = sharing.links_of(desk.group, desk.access).exclude(pk=form.invitation.pk)
    context = desk.context(
        section="group-invitations",
        form=form,
        invitation=form.invitation,
        current=current,
        address=shown(current.word) if current else "",
        before_word=f"{settings.PUBLIC_URL.partition('://')[2]}/j/",
        others=others.order_by("created_at")[: sharing.LOOKED_AT],
    )
    return render(request, "groups/short_address.html", context, status=status)
