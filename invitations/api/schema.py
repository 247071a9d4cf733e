"""Describes the credential of guests in the OpenAPI file."""

from __future__ import annotations

from typing import ClassVar

from bandpics.api.schema import CredentialScheme


class InvitationScheme(CredentialScheme):
    target_class = "invitations.api.authentication.InvitationAuthentication"
    name = "invitation"
    definition: ClassVar = {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Invitation <token>`, the token being the last part of the link.",
    }
