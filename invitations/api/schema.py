"""How the OpenAPI description names our credential."""

from __future__ import annotations

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class InvitationScheme(OpenApiAuthenticationExtension):
    target_class = "invitations.api.authentication.InvitationAuthentication"
    name = "invitation"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Invitation <token>`, the token being the last part of the link.",
        }
