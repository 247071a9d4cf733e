"""The problems of invitations."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from rest_framework import status

from bandpics.api import problems
from bandpics.api.etags import PreconditionFailed
from bandpics.api.problems import Conflict, Forbidden, Problem, wrong
from groups import registration
from invitations import links
from invitations.tokens import TokenLost


class TwoCredentials(Problem):
    """RFC 6750, 2: a token comes by one way only; 3.1: else it is an invalid request."""

    status_code = status.HTTP_400_BAD_REQUEST
    slug = "two-credentials"
    title = "There are two credentials, and they are not the same"
    default_detail = (
        "The Authorization header says one thing and ?access_token= another. Send one of them."
    )


class InvitationUnknown(Forbidden):
    slug = "invitation-unknown"
    title = _("This link is not known")
    default_detail = _("Check that it is complete, or ask whoever sent it for a new one.")


class InvitationRevoked(Forbidden):
    slug = "invitation-revoked"
    title = _("This link was withdrawn")
    default_detail = _("The host has withdrawn it. Ask them for a new one.")


class InvitationExpired(Forbidden):
    slug = "invitation-expired"
    title = _("This link has expired")
    default_detail = _("It takes no new photos. Ask whoever sent it to renew it.")
    explanation = "It takes no new photos; what was announced before may still be sent."


class InvitationExhausted(Forbidden):
    slug = "invitation-exhausted"
    title = _("This link is full")
    default_detail = _("It has taken as many photos as it may. Ask the host for more room.")
    explanation = "It takes no more photos or bytes; what was announced before may still be sent."


class GroupClosed(Forbidden):
    slug = "group-closed"
    title = _("The host has closed this group")
    default_detail = _("Guests can no longer add or change photos in it. Ask the host.")
    explanation = "Guests can add or change nothing; what was announced before may still be sent."


class LinkLost(Conflict):
    slug = "link-lost"
    title = "The key that made this link is gone"
    default_detail = "It still works, but can not be shown again. Rotate it for a new one."


class RegistrationClosed(Forbidden):
    slug = "registration-closed"
    title = "Nobody can register here"
    default_detail = "Ask whoever runs this server for an account."


problems.answer(
    {
        TokenLost: lambda _: LinkLost(),
        links.BelowUse: lambda error: wrong(
            error.field, "This is less than was already sent by the link.", "below-use"
        ),
        links.ChangedMeanwhile: lambda _: PreconditionFailed(),
        links.NotYours: lambda _: Forbidden(
            "Somebody else invited them. Leave out all but group and email to extend it."
        ),
        links.Revoked: lambda _: Conflict("It was revoked. Invite again, and there is a new link."),
        links.Withdrawn: lambda _: Forbidden(
            "The invitation was revoked. Only owners of the team, and whoever sent it, invite them "
            "again."
        ),
        registration.EmailTaken: lambda _: wrong(
            "email", "There is already a user with this e-mail address.", "unique"
        ),
    }
)
