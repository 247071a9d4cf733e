"""The page on which a guest says where a photo of theirs was taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.http import HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _

from groups.models import Group
from images.access import GuestAccess
from images.lifecycle import editing
from images.models import Image
from images.uploads import when_and_where
from images.views import map_picker
from images.views.guest_page import GuestPage
from images.views.messages import MESSAGES
from invitations.models import Invitation

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse

PLACE_MESSAGES = {
    "somethingWrong": MESSAGES["somethingWrong"],
    "noAnswer": MESSAGES["noAnswer"],
    "placeSaved": _("Saved. Thank you!"),
    "placeRemoved": _("The place was removed."),
    "placeForgotten": _("The place was removed. Taken out of the file that is kept: {removed}."),
    "placeAndOriginalRemoved": _(
        "The place was removed, and with it the original file, which could not be edited; smaller "
        "sizes stay."
    ),
    "removed:position": _("the position"),
    "removed:maker_notes": _("the camera maker's notes"),
    "removed:texts": _("descriptions or comments that told the place"),
    "removed:keywords": _("keywords"),
    "removed:xmp": _("an editor's notes (XMP)"),
    "removed:iptc": _("a caption of the press (IPTC)"),
    "removed:attachments": _("what hung on the photo, such as a film"),
    "removed:other": _("what nobody understands"),
    "placeIncomplete": _(
        "Give both numbers, in degrees: latitude from -90 to 90, longitude from -180 to 180."
    ),
    "placeOfPhoto": _("The photo itself says where it was taken."),
    "noPosition": _(
        "Your device does not tell where it is. You can type the place, or use the map."
    ),
    "changedElsewhere": _("Somebody changed this photo meanwhile. Please look at it again."),
    "noMap": _("The map could not be loaded. You can type the place."),
    "notYours": _(
        "This photo is not among those you sent from this device, or it is not ready yet."
    ),
}


class DegreesField(forms.FloatField):
    """A number with a point or a comma: many keyboards offer only one of them."""

    def to_python(self, value: Any) -> Any:
        return super().to_python(str(value or "").replace(",", "."))


class PlaceForm(forms.Form):
    latitude = DegreesField(min_value=-90, max_value=90)
    longitude = DegreesField(min_value=-180, max_value=180)


@method_decorator(map_picker.allow_tiles, "dispatch")
class PlacePage(GuestPage):
    """Takes the place from whoever sent the photo, until the group is closed.

    The server cannot tell the guests of a shared link apart without their device's secret, which
    only scripts send: for them the page is the same for every id, and a script fills it in.
    """

    def refusal(self, **kwargs: Any) -> None:
        self.image = self._own_photo(kwargs["image_id"])

    def get(self, request: HttpRequest, image_id: UUID) -> HttpResponse:
        return self._page(status=403 if self.invitation.group.is_closed else 200)

    def post(self, request: HttpRequest, image_id: UUID) -> HttpResponse:
        """Saves the plain form; of personal links only."""
        if self.invitation.group.is_closed:
            return self._page(status=403)
        form = PlaceForm(request.POST)
        if self.image is None or not form.is_valid():
            return self._page(status=422, complaint=PLACE_MESSAGES["placeIncomplete"], form=form)
        place = form.cleaned_data["latitude"], form.cleaned_data["longitude"]
        source = self.image.gps_source
        if source == Image.GpsSource.EXIF:
            return self._page(status=409, complaint=PLACE_MESSAGES["placeOfPhoto"])
        try:
            editing.change(
                self.image,
                when_and_where.place_columns(place),
                expected={"gps_source": source},
                by_uploader=True,
            )
        except editing.ChangedMeanwhile:
            return self._page(status=409, complaint=PLACE_MESSAGES["changedElsewhere"], form=form)
        return HttpResponseRedirect(f"{request.path}?saved")

    def _own_photo(self, image_id: UUID) -> Image | None:
        """The guest's photo; None for a shared link. Raises Http404."""
        if self.invitation.kind != Invitation.Kind.PERSONAL:
            return None
        mine = GuestAccess.of(self.invitation).own_images().ready()
        return get_object_or_404(mine, pk=image_id)

    def _page(
        self, *, status: int, complaint: Any = "", form: PlaceForm | None = None
    ) -> HttpResponse:
        group, image = self.invitation.group, self.image
        context = {
            "group": group,
            "image": image,
            "image_id": self.kwargs["image_id"],
            "token": self.token,
            "base_url": self.base_url,
            "is_exif": image is not None and image.gps_source == Image.GpsSource.EXIF,
            "is_coarse": group.gps_policy == Group.GpsPolicy.COARSE
            and self.invitation.may_be_shown_to_guests,
            "was_saved": "saved" in self.request.GET,
            "complaint": complaint,
            "latitude": form.data.get("latitude", "") if form else _shown(image, "latitude"),
            "longitude": form.data.get("longitude", "") if form else _shown(image, "longitude"),
            **map_picker.context(),
            "page_messages": PLACE_MESSAGES,
        }
        return render(self.request, "invitations/place.html", context, status=status)


def _shown(image: Image | None, name: str) -> str:
    degrees = None if image is None else getattr(image, name)
    return "" if degrees is None else f"{degrees:.6f}"


place_page = PlacePage.as_view()
