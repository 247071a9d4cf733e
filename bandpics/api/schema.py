"""Describes credentials, problems and Idempotency-Key in the OpenAPI file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework.serializers import Serializer

from bandpics.api.etags import IF_MATCH
from bandpics.api.idempotency import IDEMPOTENCY_KEY
from bandpics.api.problems import CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterator

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
_ACTIONS = {"complete", "moderate", "refresh", "restore", "retry", "revoke", "rotate", "sign"}
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457. Some problems have members of their own besides these.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "The address of a page that explains it."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {
            "type": "string",
            "description": "Names this request in the server's log, as `X-Request-Id` does.",
        },
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

    def get_request_serializer(self) -> Any:
        """Returns None for an empty Serializer, which only makes a button of the browsable
        pages."""
        found = super().get_request_serializer()
        return None if type(found) is Serializer else found

    def get_response_serializers(self) -> Any:
        """A view's `serializer_classes` are of what is sent."""
        view: Any = self.view
        return view.serializer_class

    def map_parsers(self) -> list[Any]:
        """JSON, unless an operation says otherwise: forms are for the browsable pages."""
        return ["application/json"]


def say_null(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Replaces `nullable`, which Django REST framework says of a page's links, and which OpenAPI
    3.1 does not know (https://spec.openapis.org/oas/v3.1.0#schema-object)."""
    parts: list[Any] = [result]
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            if isinstance(part.get("type"), str) and part.get("nullable") is True:
                del part["nullable"]
                part["type"] = [part["type"], "null"]
            parts.extend(part.values())
        elif isinstance(part, list):
            parts.extend(part)
    return result


def add_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Adds to each operation the problems it may answer. A hook of drf-spectacular."""
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            for code, name in _problems_of(path, method, operation):
                answer = {"$ref": f"#/components/responses/{name}"}
                operation["responses"].setdefault(code, answer)
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


def _problems_of(path: str, method: str, operation: Any) -> Iterator[tuple[str, str]]:
    """Returns the name of the problem's component for each status."""
    parameters = {each["name"] for each in operation.get("parameters", [])}
    codes = ["400", "401", "403", "429", "default"]
    codes += ["404"] if "{" in path else []
    codes += ["409", "415"] if method != "get" else []
    codes += ["412"] if IF_MATCH.name in parameters else []
    codes += ["422"] if IDEMPOTENCY_KEY.name in parameters else []
    yield from ((code, f"Problem{code.title()}") for code in codes)
    if method == "get":
        yield "414", "AddressTooLong"


class CredentialScheme(OpenApiAuthenticationExtension):
    """A way to sign in, as the OpenAPI file describes it."""

    definition: ClassVar[dict[str, Any]]

    def get_security_definition(self, auto_schema: object) -> dict[str, Any]:
        return self.definition


class ApiKeyScheme(CredentialScheme):
    target_class = "bandpics.api.authentication.ApiKeyAuthentication"
    name = "apiKey"
    definition: ClassVar = {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Api-Key <key>`, from registering or rotating.",
    }


class TokenScheme(CredentialScheme):
    target_class = "bandpics.api.authentication.TokenAuthentication"
    name = "token"
    definition: ClassVar = {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "`access` of `/api/v1/token/`.",
    }


class SessionScheme(CredentialScheme):
    target_class = "bandpics.api.authentication.SessionAuthentication"
    name = "session"
    definition: ClassVar = {
        "type": "apiKey",
        "in": "cookie",
        "name": settings.SESSION_COOKIE_NAME,
        "description": "Of the browser. Writing takes the header X-CSRFToken, too.",
    }
