"""The page on which a member crops and edits what a photo shows; the photo itself stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import Http404
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from groups.models import Group
from images.api import transform_serializers
from images.models import Image, Upload
from images.photofile.transforms import capabilities, spec
from images.transforms import presets
from images.views.messages import MESSAGES
from images.views.photo import photo_page

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from images.views.photo import Opened

RATIOS = ["1:1", "4:3", "3:2", "16:9", "3:4", "9:16"]
POSITIONS = {
    "top-left": _("Top left"),
    "top": _("Top"),
    "top-right": _("Top right"),
    "left": _("Left"),
    "center": _("Middle"),
    "right": _("Right"),
    "bottom-left": _("Bottom left"),
    "bottom": _("Bottom"),
    "bottom-right": _("Bottom right"),
}
# What the page's script says.
EDITOR_MESSAGES = {
    "noAnswer": MESSAGES["noAnswer"],
    "somethingWrong": MESSAGES["somethingWrong"],
    "size": _("The result has {width} by {height} pixels."),
    "making": _("The picture is being made …"),
    "saving": _("The new photo is being processed …"),
    "downloaded": _("The picture is made. Your browser saves it now."),
    "saved": _("It is a new photo of the group now."),
    "known": _("The group has this very picture already."),
    "show": _("Show it"),
    "slow": _("This takes longer than usual. Try again in a minute: what was begun goes on."),
    "replaced": _("The photo shows another file by now. Load this page again."),
    "failed": _("The picture could not be made: {why}"),
    "notDone": _("That did not work: {why}"),
    "byPreset": _("The preset “{name}” makes the picture. Press it again to use your own steps."),
    # Why it could not be made, by the code that the API gives.
    **{f"failure-{code}": label for code, label in Upload.Failure.choices},
    "failure-crashed": _("It failed three times."),
    "failure-impossible": _("The photo does not allow these steps."),
    "failure-original-missing": _("The photo was lost on our side."),
    "failure-watermark-missing": _("The photo of the watermark is there no longer."),
    "mark": _("The photo that the preset lays over it is not shown here."),
}


@photo_page()
@require_safe
def edit_picture(request: HttpRequest, opened: Opened) -> HttpResponse:
    """Shows the editor. Its script sends the steps to the API of transforms."""
    image = opened.image
    if "fullsize" not in image.variant_by_name:
        raise Http404
    groups = Group.objects.writable_by(opened.access).filter(pk=image.group_id)
    context: dict[str, Any] = {
        "image": image,
        "opened": opened,
        "presets": [
            {"name": each.name, "steps": transform_serializers.shown(each.spec)}
            for each in presets.of_group(image.group_id, opened.access)
        ],
        "ratios": RATIOS,
        "positions": POSITIONS.items(),
        "formats": [(name, name.upper()) for name in capabilities.available_formats()],
        "quality": spec.DEFAULT_QUALITY,
        "watermark_letters": spec.MAX_WATERMARK_LETTERS,
        "max_edge": spec.MAX_EDGE,
        "may_add": groups.exists(),
        "is_approved": image.moderation == Image.Moderation.APPROVED,
        "page_messages": EDITOR_MESSAGES,
    }
    return render(request, "images/edit_picture.html", context)
