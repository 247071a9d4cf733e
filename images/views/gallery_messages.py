"""The messages of the scripts of a gallery, in the language of the request; see messages.py."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from images.views.messages import MESSAGES, counted

# Of the lightbox, which members and guests see.
LIGHTBOX_MESSAGES = {
    "lightbox": _("Photo, large"),
    "close": _("Close"),
    "zoom": _("Zoom"),
    "newer": _("Previous photo"),
    "older": _("Next photo"),
    "notLoaded": _("This photo cannot be shown now."),
    "page": _("About this photo"),
    "download": _("Download"),
    "removal": _("Ask for the removal of this photo"),
    "by": _("by {name}"),
    "photoOf": _("{place} of {total}"),
}

# What arrives while the page is open.
NEWS_MESSAGES = {
    "newPhotos": counted("{count} new photo", "{count} new photos"),
    "manyNew": _("More than {count} new photos"),
}

GUEST_GALLERY_MESSAGES = {**LIGHTBOX_MESSAGES, **NEWS_MESSAGES}

GALLERY_MESSAGES = {
    **GUEST_GALLERY_MESSAGES,
    "noAnswer": MESSAGES["noAnswer"],
    "somethingWrong": MESSAGES["somethingWrong"],
    # Selecting, and what is done with what is selected.
    "select": _("Select: {photo}"),
    "selected": counted("{count} selected", "{count} selected"),
    "do:approve": _("Approve"),
    "do:trash": _("Remove"),
    "do:undo": _("Undo"),
    "done:approve": counted("{count} photo approved.", "{count} photos approved."),
    "done:reject": counted("{count} photo rejected.", "{count} photos rejected."),
    "done:trash": counted(
        "{count} photo is in the trash now.", "{count} photos are in the trash now."
    ),
    "done:move": counted(
        "{count} photo is in “{group}” now.", "{count} photos are in “{group}” now."
    ),
    "gone:trash": _("In the trash"),
    "gone:move": _("In another group"),
    "rejected": pgettext_lazy("one photo", "Rejected"),
    "undone": counted("{count} photo is back.", "{count} photos are back."),
    "stayAway": counted("{count} photo cannot come back.", "{count} photos cannot come back."),
    "changedMeanwhile": counted(
        "{count} stays as it is: somebody else has changed it meanwhile.",
        "{count} stay as they are: somebody else has changed them meanwhile.",
    ),
    "notDone": _("That did not work: {why}"),
}
