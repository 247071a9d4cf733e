"""A call without its last slash is sent on whole, not turned into a GET."""

from __future__ import annotations

from django.http import HttpResponsePermanentRedirect
from django.middleware import common


class _SentOn(HttpResponsePermanentRedirect):
    """308 instead of 301: the client repeats method and body."""

    status_code = 308


class CommonMiddleware(common.CommonMiddleware):
    response_redirect_class = _SentOn
