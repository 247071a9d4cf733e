"""The messages of the upload page's scripts, in the language of the request.

The page carries them as JSON, and `static/js/upload/messages.js` reads it. A message may also be
a dict by the categories of `Intl.PluralRules`, chosen by its `{count}`: `one` and `other` are what
our languages have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


def counted(one: str, other: str) -> dict[str, _StrPromise]:
    return {"one": ngettext_lazy(one, other, 1), "other": ngettext_lazy(one, other, 2)}


MESSAGES: dict[str, _StrPromise | dict[str, _StrPromise]] = {
    # Where a photo stands.
    "waiting": _("Waiting"),
    "sending": _("Sending, {percent}"),
    "checking": _("Sent, checking that it arrived"),
    "offline": _("You are offline. It goes on by itself."),
    "connectionBroke": _("The connection broke. Trying again."),
    "portal": _(
        "Another page answers in place of ours: perhaps this Wi-Fi wants you to sign in. After "
        "that it goes on by itself."
    ),
    "storeAway": _("The photo store has trouble. It goes on by itself."),
    "serverAway": _("The server has trouble. Trying again."),
    "stored": _("Arrived, being processed"),
    "arrivedOnly": _("Arrived"),
    "ready": _("Arrived and ready"),
    "unapproved": _("Arrived. Other guests do not see it before a host has approved it."),
    "approved": _("Arrived and accepted for the gallery."),
    "on-wall": _("On the wall now: everybody in the room can see it."),
    "was-on-wall": _("It was shown on the wall."),
    "rejected": _("The hosts do not show it to other guests."),
    "rejectedBecause": _("The hosts do not show it to other guests: {reason}"),
    "here": _("Already here"),
    "copy": _("The same photo as {name}"),
    "interrupted": _("Not finished. Choose it again to send the rest."),
    "notSent": _("It was not sent."),
    "unconfirmed": _("Sent, but nobody confirmed that it arrived."),
    # How far all of them are.
    "arrived": counted("{count} of {total} arrived", "{count} of {total} arrived"),
    "hereCount": {"one": _("{count} was already here"), "other": _("{count} were already here")},
    "copyCount": counted("{count} chosen twice", "{count} chosen twice"),
    "rejectedCount": counted("{count} not shown by the hosts", "{count} not shown by the hosts"),
    "refusedCount": counted("{count} cannot be sent", "{count} cannot be sent"),
    "failedCount": _("{count} failed"),
    "unconfirmedCount": counted("{count} not confirmed", "{count} not confirmed"),
    "cancelledCount": counted("{count} cancelled", "{count} cancelled"),
    "deletedCount": counted("{count} deleted", "{count} deleted"),
    "interruptedCount": counted("{count} not finished", "{count} not finished"),
    "keepOpen": _("Please keep this page open."),
    "thanks": _("Thank you! You can close this page."),
    "rowsSayWhy": _("Each of them says why."),
    "nothingIsSent": _("Nothing is being sent now."),
    "amount": _("{sent} of {total} sent"),
    "momentLeft": _("less than a minute left"),
    "minutesLeft": {
        "one": _("about {count} minute left"),
        "other": _("about {count} minutes left"),
    },
    "hoursLeft": {"one": _("about {count} hour left"), "other": _("about {count} hours left")},
    # What can be done with a photo, and what was done.
    "cancel": _("Cancel"),
    "retry": _("Try again"),
    "edit": _("Edit"),
    "undo": _("Undo"),
    "cancelled": _("Cancelled"),
    "deleted": _("Deleted"),
    "restored": _("It is back."),
    "captionSaved": _("Your words are saved."),
    "changedElsewhere": _(
        "Somebody changed this photo meanwhile. Please look at it, and save again."
    ),
    "linkCopied": _("Link copied"),
    "inListAlready": {
        "one": _("{count} of them is in the list already."),
        "other": _("{count} of them are in the list already."),
    },
    # What is refused before it is sent, and what went wrong on the way.
    "wrongKind": _("This kind of file cannot be sent. Photos in {formats} can."),
    "tooBig": _("Too big: a photo may have up to {size}."),
    "noRoom": _("This link is full: it has no room for this photo."),
    # When they were chosen: what was sent since has taken some of it.
    "roomForFiles": {
        "one": _("This link had room for {count} more photo."),
        "other": _("This link had room for {count} more photos."),
    },
    "roomForBytes": _("It had room for {size} more."),
    "emptyOrFolder": _("This file is empty, or a folder."),
    "somethingWrong": _("Something went wrong."),
    "noAnswer": _("The server could not be reached."),
    "storeRefused": _("The photo store refused it ({status})."),
    "connectionLost": _("The connection was lost."),
    "unreadable": _("This photo cannot be read any more. Please choose it again."),
    "couldNotBeSent": _("It could not be sent."),
}
