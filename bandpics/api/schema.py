"""What the OpenAPI description says of credentials, of errors, and of Idempotency-Key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from bandpics.api import idempotency
from bandpics.api.etags import IF_MATCH
from bandpics.api.problems import CONTENT_TYPE

if TYPE_CHECKING:
    from drf_spectacular.utils import Direction

_PROBLEM_REF = {"$ref": "#/components/schemas/Problem"}
_HEADERS = {
    "401": {"WWW-Authenticate": {"schema": {"type": "string"}}},
    "429": {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}},
}
_MEANINGS = {
    "400": "Something in the request is missing or wrong; `errors` says what.",
    "401": "No credential, or not a valid one.",
    "403": "Known, but not allowed to do this.",
    "404": "There is nothing here, or nothing this credential may see.",
    "409": "It does not fit the present state.",
    "412": "It was changed since you read it, so that `If-Match` does not fit any more.",
    "415": "This address does not take this type of body.",
    "422": "The Idempotency-Key was used with another body.",
    "429": "Too many requests; wait as long as `Retry-After` says.",
    "default": "Any other problem.",
}
_ACTIONS = {
    *("complete", "moderate", "restore", "retry", "revoke", "rotate", "sign"),
}
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457. Some problems have members of their own besides these.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "The address of a page that explains it."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "Where, by RFC 6901."},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
    "example": {
        "type": "/problems/not-found/",
        "title": "There is nothing here, or nothing you may see",
        "status": 404,
        "detail": "Not found.",
    },
}


class Schema(AutoSchema):
    """Adds to each operation what every one of ours has."""

    def get_operation_id(self) -> str:
        """As a client's author would call it: `groups_restore`, not `groups_restore_create`."""
        name = super().get_operation_id()
        if self.path.rstrip("/").rpartition("/")[2] in _ACTIONS:
            name = name.removesuffix("_create")
        return re.sub("_partial_update$", "_update", re.sub("_destroy$", "_delete", name))

    def get_summary(self) -> str:
        """The first clause of the docstring."""
        return re.split(r"[.;](?:\s|$)", self.get_description(), maxsplit=1)[0].replace("\n", " ")

    def get_override_parameters(self) -> list[Any]:
        found = list(super().get_override_parameters())
        if self._takes_idempotency_key():
            found.append(
                OpenApiParameter(
                    idempotency.HEADER,
                    {"type": "string", "pattern": f"^{idempotency.KEY_PATTERN}$"},
                    OpenApiParameter.HEADER,
                    description="For 24 hours, the same call with the same key is done only once.",
                )
            )
        return found

    def map_parsers(self) -> list[Any]:
        """JSON, unless an operation says otherwise: forms are for the browsable pages."""
        return ["application/json"]

    def _get_response_bodies(self, direction: Direction = "response") -> Any:
        bodies = super()._get_response_bodies(direction)
        for code in self._problems():
            bodies.setdefault(code, {"$ref": f"#/components/responses/Problem{code.title()}"})
        if self.method == "GET":
            bodies.setdefault("414", {"$ref": "#/components/responses/AddressTooLong"})
        return bodies

    def _problems(self) -> list[str]:
        codes = ["400", "403", "429", "default"]
        if self.view.authentication_classes or hasattr(self.view, "get_authenticate_header"):
            codes.append("401")
        if "{" in self.path:
            codes.append("404")
        if self.method in {"POST", "PUT", "PATCH", "DELETE"}:
            codes += ["409", "415"]
        if IF_MATCH in self.get_override_parameters():
            codes.append("412")
        if self._takes_idempotency_key():
            codes.append("422")
        return codes

    def _takes_idempotency_key(self) -> bool:
        name = getattr(self.view, "action", None) or self.method.lower()
        action = getattr(self.view, name, None)
        return bool(getattr(action, "takes_idempotency_key", False))


def add_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A hook of drf-spectacular: the components that each operation points to."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = _PROBLEM
    components["responses"] = {
        f"Problem{code.title()}": {
            "description": meaning,
            **({"headers": _HEADERS[code]} if code in _HEADERS else {}),
            "content": {CONTENT_TYPE: {"schema": _PROBLEM_REF}},
        }
        for code, meaning in _MEANINGS.items()
    }
    components["responses"]["AddressTooLong"] = {
        "description": "More than 8190 bytes, not the `ids` alone: the web server's own words.",
        "content": {"text/html": {"schema": {"type": "string"}}},
    }
    return result


class ApiKeyScheme(OpenApiAuthenticationExtension):
    target_class = "bandpics.api.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Api-Key <key>`, from registering or rotating.",
        }


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = "bandpics.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "`access` of `/api/v1/token/`.",
        }


class SessionScheme(OpenApiAuthenticationExtension):
    target_class = "bandpics.api.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "Of the browser. Writing takes the header X-CSRFToken, too.",
        }
