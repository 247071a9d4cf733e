"""The pages on which people ask for the removal of a photo, and read the answer."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.db.models import Q
from django.http import Http404, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from bandpics import limits
from bandpics.error_handlers import page_for_members
from images.access import GuestAccess, MemberAccess
from images.lifecycle import takedown
from images.models import Image, UploaderKind
from images.views import guest_grid, upload
from images.views.guest_page import GuestPage

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse


class RemovalForm(forms.Form):
    reason = forms.CharField(
        label=gettext_lazy("Why should it go?"),
        help_text=gettext_lazy("Only the hosts read this. You may leave it empty."),
        max_length=1000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    name = forms.CharField(
        label=gettext_lazy("Your name"),
        help_text=gettext_lazy("So that the hosts know who asks. You may leave it empty."),
        max_length=120,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.label_suffix = ""


def ask(
    request: HttpRequest, image: Image | None, access: MemberAccess | GuestAccess, form: RemovalForm
) -> int:
    """Asks for the removal, or says in the form why not. Returns the status of an answer that
    shows the form again, or 0."""
    if not form.is_valid():
        return 422
    if image is None:
        raise Http404
    address = limits.address_of(request)
    if takedown.seconds_to_wait(access.key, address=address):
        form.add_error(None, _("You asked for many removals. Please try again in an hour."))
        return 429
    try:
        takedown.ask(image, asker=access.key, **form.cleaned_data)
    except takedown.TooManyOpen:
        text = _("Many of your requests wait for an answer. Please wait until some have one.")
        form.add_error(None, text)
        return 429
    except takedown.RefusedBefore:
        form.add_error(None, _("The hosts have decided that this photo stays. Please write them."))
        return 409
    except takedown.PhotoGone:
        raise Http404 from None
    return 0


@page_for_members
@require_http_methods(["GET", "HEAD", "POST"])
def photo_removal(request: HttpRequest, image_id: UUID) -> HttpResponse:
    """Takes the request of a member who sees the photo; owners remove it themselves."""
    access = MemberAccess.of(request)
    rows = access.images().ready().with_variants().select_related("group__team")
    image = rows.filter(pk=image_id).first()
    asked = takedown.request_of(image_id, asker=access.key)
    if image is None and asked is None:
        raise Http404
    if image is not None and access.rights_on(image).is_host:
        messages.info(request, _("You are an owner of this group: you can remove the photo here."))
        return redirect("photo", image_id)
    is_post, status = request.method == "POST", 200
    form = RemovalForm(request.POST if is_post else None, initial={"name": str(access.user)})
    if is_post:
        status = ask(request, image, access, form)
        if not status:
            return redirect("photo-removal", image_id)
    group = image.group if image else asked.group  # type: ignore[union-attr]  # one of the two
    context = {"image": image, "group": group, "asked": asked, "form": form}
    return render(request, "images/removal.html", context, status=status)


class RemovalPage(GuestPage):
    """Takes the request of a guest, who reads the answer at the same address.

    Guests of a shared link are known by the secret of their device, which scripts send along with
    the form; it stays here as a cookie, so that the answer is shown to them alone.
    """

    def get(self, request: HttpRequest, image_id: UUID) -> HttpResponse:
        access = self._access(upload.device_of(request))
        name = self.invitation.name if access.key.kind == UploaderKind.PERSONAL else ""
        return self._page(access, RemovalForm(initial={"name": name}))

    def post(self, request: HttpRequest, image_id: UUID) -> HttpResponse:
        sent = request.POST.get("device", "")
        device = sent if upload.DEVICE_SECRET.match(sent) else upload.device_of(request)
        device = device or secrets.token_hex(16)
        access, form = self._access(device), RemovalForm(request.POST)
        status = ask(request, self._photo(access), access, form)
        if status:
            return self._page(access, form, status=status)
        answer = HttpResponseRedirect(request.path)
        upload.remember_device(request, answer, device, page=self)
        return answer

    def _access(self, device: str) -> GuestAccess:
        return GuestAccess.of(self.invitation, device_secret=device)

    def _photo(self, access: GuestAccess) -> Image | None:
        """The photo, if the guest sees it, or has sent it."""
        own, image_id = access.own_images().values("pk"), self.kwargs["image_id"]
        visible = Q(pk__in=access.images().values("pk")) | Q(pk__in=own)
        rows = Image.objects.ready().with_variants().filter(visible, pk=image_id)
        photo = rows.first()
        if photo is not None:
            guest_grid.sign_until([photo], self.invitation.expires_at)
            photo.uploader_name = access.uploader_of(photo)  # of the alternative text
        return photo

    def _page(self, access: GuestAccess, form: RemovalForm, *, status: int = 200) -> HttpResponse:
        image = self._photo(access)
        asked = takedown.request_of(self.kwargs["image_id"], asker=access.key)
        # Whoever is not known may have sent it: for them the form is the same for every id.
        if image is None and asked is None and access.key.is_identified:
            raise Http404
        context = {
            "image": image,
            "group": self.invitation.group,
            "asked": asked,
            "form": form,
            "base_url": self.base_url,
        }
        return render(self.request, "invitations/removal.html", context, status=status)


removal_page = RemovalPage.as_view()
