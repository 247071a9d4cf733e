"""The WSGI entry point."""

from __future__ import annotations

import codecs
import json
import logging
import os
from typing import Any

import django
from django.core.exceptions import SuspiciousOperation
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest

from bandpics.telemetry import context, errors, metrics, tracing

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bandpics.settings")
logger = logging.getLogger(__name__)


# Charsets with the same quotes and commas as ASCII, by which values are counted. Others (punycode)
# take minutes to decode a megabyte.
CHARSETS = {"utf-8", "ascii", "iso8859-1", "cp1252"}


class Unreadable(Exception):
    """The request names a charset that is not supported (rot13, hex, …), or has too many fields."""


class Request(WSGIRequest):
    def __init__(self, environ: dict[str, Any]) -> None:
        try:
            # Decodes the query string by the charset of the Content-Type.
            super().__init__(environ)
            charset = codecs.lookup(self.encoding or "utf-8").name
        except (LookupError, UnicodeError, SuspiciousOperation):
            raise Unreadable from None
        if charset not in CHARSETS:
            raise Unreadable


class Application(WSGIHandler):
    """Django's handler, which makes the request before any middleware can respond."""

    request_class = Request

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        try:
            return super().__call__(environ, start_response)
        except Unreadable:
            context.forget()
            request_id = context.accepted(str(environ.get("HTTP_X_REQUEST_ID", "")))
            facts = {"request_id": request_id, "status": 400, "route": metrics.OTHER}
            logger.info("request", extra=facts)
            headers = [("Content-Type", "application/problem+json")]
            start_response("400 Bad Request", [*headers, (context.REQUEST_ID_HEADER, request_id)])
            if environ.get("REQUEST_METHOD") == "HEAD":
                return []
            return [json.dumps(UNREADABLE | {"request_id": request_id}).encode()]


UNREADABLE = {
    "type": "/problems/invalid/",
    "title": "The request is not valid",
    "status": 400,
    "detail": "It cannot be read by the charset that its Content-Type names. Send UTF-8.",
}

django.setup(set_prefix=False)
errors.start()
tracing.start()
application = Application()
metrics.begin()
