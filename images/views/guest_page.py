"""What the pages of a guest's link share: who may open them, by `/i/<token>/…` or `/j/<word>/…`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from bandpics import limits
from images.views.messages import MESSAGES
from invitations import pins, short_addresses
from invitations.api import authentication
from invitations.api.problems import InvitationRevoked, InvitationUnknown
from invitations.tokens import TokenLost

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

    from invitations.models import Invitation, ShortAddress


class Refused(Exception):
    """The address leads to no link that is alive, or not yet: what the guest is answered."""

    def __init__(self, answer: HttpResponse) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


# No CSRF token: the link in the path is the credential, and no cookie adds to it. Whoever forges a
# form must know the link, and may send anyhow. Django's check would also read the whole body first.
@method_decorator(csrf_exempt, name="dispatch")
class GuestPage(View):
    """A page of a guest's link. Answers what is unknown, withdrawn or asks for a PIN alike for
    every method."""

    http_method_names = ["get", "head", "post", "options"]
    invitation: Invitation
    token: str
    base_url: str  # the path of the upload page, as the guest opened it

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        token, word = kwargs.pop("token", ""), kwargs.pop("word", "")
        try:
            if word:
                self._enter_by_word(word)
            else:
                self.invitation, self.token = by_token(request, token), token
                self.base_url = reverse("upload-page", args=[token])
            answer = self.refusal(**kwargs) or super().dispatch(request, *args, **kwargs)
        except Refused as refusal:
            answer = refusal.answer
        if not answer.has_header("Cache-Control"):
            add_never_cache_headers(answer)
        return answer

    def refusal(self, **kwargs: Any) -> HttpResponse | None:
        """What the page answers in place of what was asked for, if it does."""
        return None

    def _enter_by_word(self, word: str) -> None:
        address, self.invitation = by_word(self.request, word)
        if not pins.has_passed(self.request, address):
            raise Refused(pin_page(self.request, address))
        self.base_url = base_url_of(address)
        try:
            self.token = self.invitation.token
        except TokenLost:  # its host has to rotate the link
            raise Refused(dead_link(self.request, "revoked")) from None


def by_token(request: HttpRequest, token: str) -> Invitation:
    """Returns the invitation, expired ones included. Raises Refused."""
    try:
        return authentication.find(token)
    except InvitationUnknown:
        answer = dead_link(request, "unknown")
        if seconds := limits.consume(("guess", limits.address_of(request))):
            answer.status_code, answer["Retry-After"] = 429, str(seconds)
        raise Refused(answer) from None
    except InvitationRevoked:
        raise Refused(dead_link(request, "revoked")) from None


def by_word(request: HttpRequest, typed: str) -> tuple[ShortAddress, Invitation]:
    """Returns the short address and its invitation, whatever its PIN. Raises Refused.

    Words are short enough to be guessed. Whoever tried too many that nobody has is not told about
    the next one either, right or wrong. A word that was opened from there before stays open: one
    guest who guesses does not lock out all who share their Wi-Fi.
    """
    network = limits.address_of(request)
    seconds = limits.retry_after(("word", network))
    try:
        address = short_addresses.find(typed)
    except short_addresses.Unknown:
        if seconds:
            raise Refused(too_many(request, seconds)) from None
        limits.consume(("word", network))
        raise Refused(dead_link(request, "unknown-word", typed=typed[:80])) from None
    known = ("word-known", f"{address.pk} {network}")
    if seconds and not limits.retry_after(known):
        raise Refused(too_many(request, seconds))
    limits.consume(known)
    if typed != address.word:  # so that forms and cookies know one address only
        raise Refused(HttpResponseRedirect(base_url_of(address)))
    invitation = address.invitation
    try:
        if invitation is None:
            raise InvitationRevoked  # the word was given up
        authentication.say_who(invitation)
        authentication.refuse_if_dead(invitation)
    except InvitationRevoked:
        raise Refused(dead_link(request, "revoked")) from None
    return address, invitation


def base_url_of(address: ShortAddress) -> str:
    return reverse("short-upload-page", args=[address.word])


def pin_page(request: HttpRequest, address: ShortAddress, **more: Any) -> HttpResponse:
    """Asks for the PIN. It says nothing about whose photos these are."""
    status = more.pop("status", 200 if request.method in {"GET", "HEAD"} else 403)
    context = {"address": address, **more}
    return render(request, "invitations/pin.html", context, status=status)


def dead_link(request: HttpRequest, reason: str, **context: object) -> HttpResponse:
    context |= {"reason": reason, "page_messages": MESSAGES}
    return render(request, "invitations/dead_link.html", context, status=403)


def too_many(request: HttpRequest, seconds: int) -> HttpResponse:
    """Says how long to wait, in whole minutes."""
    answer = dead_link(request, "too-many", minutes=-(-seconds // 60))
    answer.status_code, answer["Retry-After"] = 429, str(seconds)
    return answer
