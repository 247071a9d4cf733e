"""The small addresses around a guest's link: signs of life, its picture, its PIN, its word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from bandpics import limits
from images.storage.objects import photo_storage
from images.views import guest_page, link_pictures
from images.views.guest_page import GuestPage
from invitations import pins, signs_of_life

if TYPE_CHECKING:
    from typing import Any

    from django.http import HttpRequest

SEE_OTHER = 303


class Opened(GuestPage):
    """The page's script says that somebody sees it, once per load. Previews only GET."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest) -> HttpResponse:
        answer = HttpResponse(status=204)
        if seconds := limits.consume(("invitation", f"Invitation {self.invitation.pk}")):
            answer.status_code, answer["Retry-After"] = 429, str(seconds)
        elif signs_of_life.is_of_a_guest(self.invitation, request.user):
            signs_of_life.record_opening(self.invitation)
        return answer


class NoPhotos(GuestPage):
    """An invited person says that they have no photos, or that they have some after all."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest) -> HttpResponse:
        if self.invitation.kind != self.invitation.Kind.PERSONAL:
            raise Http404  # many people share the link: one cannot speak for all
        if request.POST.get("undo"):
            signs_of_life.take_back(self.invitation)
        else:
            signs_of_life.decline(self.invitation)
        answer = HttpResponseRedirect(f"{self.base_url}#no-photos")
        answer.status_code = SEE_OTHER
        return answer


class LinkPicture(GuestPage):
    """The cover photo, which chats show beside the link."""

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest) -> HttpResponse:
        picture = link_pictures.cover_of(self.invitation)
        if picture is None:
            raise Http404
        until = self.invitation.expires_at
        storage = photo_storage()
        url = storage.presign_get(picture.key, content_type=picture.content_type, until=until)
        return HttpResponseRedirect(url)


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def try_pin(request: HttpRequest, word: str) -> HttpResponse:
    """Lets this browser in if the PIN is right. Nobody who forges this form knows it."""
    try:
        address, invitation = guest_page.by_word(request, word)
    except guest_page.Refused as refusal:
        return refusal.answer
    typed = request.POST.get("pin", "")
    back = HttpResponseRedirect(guest_page.base_url_of(address))
    back.status_code = SEE_OTHER
    if request.method != "POST" or pins.has_passed(request, address):
        return back
    more: dict[str, Any] = {"status": 422}
    if not pins.is_pin(pins.digits_of(typed)):
        more["complaint"] = _("The PIN has {least} to {most} digits.").format(
            least=pins.MIN_DIGITS, most=pins.MAX_DIGITS
        )
        return guest_page.pin_page(request, address, **more)
    try:
        if pins.is_right(address, typed, network=limits.address_of(request)):
            path, until = guest_page.base_url_of(address), invitation.expires_at
            pins.remember(request, back, address, until=until, path=path)
            return back
    except pins.TooManyTries as refusal:
        return guest_page.too_many(request, refusal.seconds)
    more["complaint"] = _("That is not the PIN. Please look at the card again.")
    return guest_page.pin_page(request, address, **more)


@never_cache
@require_http_methods(["GET", "HEAD"])
def find_word(request: HttpRequest) -> HttpResponse:
    """Leads to the short address that was typed into the form of an unknown one."""
    typed = request.GET.get("word", "").strip().replace("/", " ")[:80]
    if not typed.strip(". "):
        return guest_page.dead_link(request, "unknown-word")
    return HttpResponseRedirect(reverse("short-upload-page", args=[typed]))


opened = Opened.as_view()
no_photos = NoPhotos.as_view()
link_picture = LinkPicture.as_view()
