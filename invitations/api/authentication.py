"""`Authorization: Invitation <token>`: the credential of people without an account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication, get_authorization_header

from bandpics.api import throttles
from bandpics.api.authentication import BEARER, CredentialInvalid
from bandpics.lookups import RowLookup
from bandpics.telemetry import context
from invitations import tokens
from invitations.api.problems import (
    GroupClosed,
    InvitationExpired,
    InvitationRevoked,
    InvitationUnknown,
    TwoCredentials,
)
from invitations.models import Invitation

if TYPE_CHECKING:
    from rest_framework.request import Request

KEYWORD = "Invitation"
_BY_DIGEST = RowLookup(
    lambda digest: (
        Invitation.objects.filter(digest=digest).select_related("group__team").order_by()
    ),
    digest="a digest",
)
_WRONG_SCHEME = (
    f"This looks like the token of an upload link. Send it as `Authorization: {KEYWORD} <token>`."
)
PARAMETER = "access_token"
CREDENTIAL_PARAMETERS = frozenset({PARAMETER})


def refuse_unless_open(invitation: Invitation) -> None:
    """Before a guest adds something. Raises InvitationExpired, GroupClosed."""
    if invitation.is_expired:
        raise InvitationExpired
    refuse_if_closed(invitation)


def refuse_if_closed(invitation: Invitation) -> None:
    """Before a guest changes something they sent. Raises GroupClosed."""
    if invitation.group.is_closed:
        raise GroupClosed


def find(token: str) -> Invitation:
    """The invitation behind a token, expired ones included: what was started may finish.

    One of a group in the trash counts as revoked, until the group is restored. Raises
    InvitationUnknown, InvitationRevoked.
    """
    if len(token) != tokens.TOKEN_LENGTH or not token.isascii():
        raise InvitationUnknown
    invitation = _BY_DIGEST.first(digest=tokens.digest(token))
    if invitation is None:
        raise InvitationUnknown
    say_who(invitation)
    refuse_if_dead(invitation)
    return invitation


def say_who(invitation: Invitation) -> None:
    """Adds the invitation to the line that this request leaves in the log."""
    group = invitation.group
    context.say(
        credential="invitation",
        invitation_id=invitation.pk,
        group_id=group.pk,
        team_id=group.team_id,
    )


def refuse_if_dead(invitation: Invitation) -> None:
    """Raises InvitationRevoked, also while the group is in the trash."""
    if invitation.is_revoked or invitation.group.trashed_at is not None:
        raise InvitationRevoked


class InvitationAuthentication(BaseAuthentication):
    """Sets `request.auth` to the Invitation; `request.user` stays anonymous.

    Goes before the members' own: what it finds no invitation in, they judge.
    """

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Invitation] | None:
        token = self._token(request)
        if token is None:
            return None
        try:
            return AnonymousUser(), find(token)
        except InvitationUnknown:
            throttles.guessed_wrong(request)
            raise

    def authenticate_header(self, request: Request) -> str:
        return KEYWORD

    @staticmethod
    def _token(request: Request) -> str | None:
        words = get_authorization_header(request).split()
        in_address = request.GET.get(PARAMETER)
        if not words:
            return in_address
        in_header = None
        text = words[1].decode("latin-1") if len(words) == 2 else ""
        if words[0].lower() == KEYWORD.lower().encode():
            in_header = text
        elif words[0].lower() == BEARER.lower().encode() and _looks_like_ours(text):
            throttles.guessed_wrong(request)
            raise CredentialInvalid(_WRONG_SCHEME, scheme=KEYWORD)
        # Neither may hide that the other is wrong, or somebody else's.
        if in_address is not None and in_address != in_header:
            raise TwoCredentials
        return in_header


def _looks_like_ours(text: str) -> bool:
    """Whether it has the form of a link's token. A JWT has two dots, an API key has one."""
    return len(text) == tokens.TOKEN_LENGTH and text.isascii() and "." not in text


def guest(request: Request) -> Invitation | None:
    """The invitation this request came with, if it did."""
    return request.auth if isinstance(request.auth, Invitation) else None
