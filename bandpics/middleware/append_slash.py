"""Redirects a call without its last slash so that method and body are kept."""

from __future__ import annotations

from django.http import HttpResponsePermanentRedirect
from django.middleware import common


class PermanentRedirect(HttpResponsePermanentRedirect):
    status_code = 308  # after a 301 clients would send a GET


class CommonMiddleware(common.CommonMiddleware):
    response_redirect_class = PermanentRedirect
