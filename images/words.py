"""What the scripts of the upload page say, in the language of whoever looks at it.

The page carries these as JSON; `static/js/upload/words.js` says them. A sentence may also be
a dict by the categories of `Intl.PluralRules`, chosen by its `{count}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


WORDS: dict[str, _StrPromise | dict[str, _StrPromise]] = {
    # Where a photo stands.
    "waiting": _("Waiting"),
    "sending": _("Sending, {percent}"),
    "checking": _("Sent, checking that it arrived"),
    "offline": _("You are offline. It goes on by itself."),
    "connectionBroke": _("The connection broke. Trying again."),
    "stored": _("Arrived, being processed"),
    "ready": _("Arrived and ready"),
    "here": _("Already here"),
    "interrupted": _("Not finished. Choose it again to send the rest."),
    "notSent": _("It was not sent."),
    # How far all of them are.
    "arrived": _("{count} of {total} arrived"),
    "failed": _("{count} failed"),
    "unfinished": _("{count} not finished"),
    "keepOpen": _("Please keep this page open."),
    "thanks": _("Thank you! You can close this page."),
    "failuresSayWhy": _("Those that failed say why."),
    "nothingIsSent": _("Nothing is being sent now."),
    "inListAlready": _("{name} is in the list already."),
    # What is refused before it is sent, and what went wrong on the way.
    "wrongKind": _("This kind of file cannot be sent. JPEG, PNG and HEIC photos can."),
    "tooBig": _("Too big: a photo may have up to {size}."),
    "emptyOrFolder": _("This file is empty, or a folder."),
    "somethingWrong": _("Something went wrong."),
    "noAnswer": _("The server could not be reached."),
    "storeRefused": _("The photo store refused it ({status})."),
    "connectionLost": _("The connection was lost."),
    "unreadable": _("This photo cannot be read any more. Please choose it again."),
    "unconfirmed": _("It was sent, but did not arrive."),
    "couldNotBeSent": _("It could not be sent."),
}
