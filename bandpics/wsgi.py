"""The WSGI entry point."""

from __future__ import annotations

import codecs
import json
import os
from typing import Any

import django
from django.core.exceptions import SuspiciousOperation
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bandpics.settings")


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
            start_response("400 Bad Request", [("Content-Type", "application/problem+json")])
            return [json.dumps(UNREADABLE).encode()]


UNREADABLE = {
    "type": "/problems/invalid/",
    "title": "The request is not valid",
    "status": 400,
    "detail": "It cannot be read by the charset that its Content-Type names. Send UTF-8.",
}

django.setup(set_prefix=False)
application = Application()
