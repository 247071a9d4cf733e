"""Parsers of environment variables; each says what is wrong with a value."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import unquote, urlsplit

import dj_email_url
import limits
from environs import ValidationError, validate

STILL_AN_EXAMPLE = "is still that of .env.example: make one of your own"


def http_origin(value: str | None) -> str | None:
    """Returns scheme, host and port of an address that has no path, as signatures and CORS do."""
    if not value:
        return None
    parts = urlsplit(value)
    is_bare = parts.path in {"", "/"} and not (parts.query or parts.fragment or parts.username)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not is_bare:
        raise ValidationError("must be an address such as https://photos.example.org, no path")
    # Clients leave the default port out of the Host header, which is signed.
    default = {"http": 80, "https": 443}[parts.scheme]
    netloc = parts.netloc.lower().removesuffix(f":{default}")
    return f"{parts.scheme}://{netloc}"


def public_origin(value: str) -> str:
    """Works as http_origin, and refuses an empty value."""
    if not value:
        raise ValidationError("must not be empty")
    return http_origin(value) or ""


def rate(value: str) -> str:
    """Refuses what is not a rate such as 20/minute or 100 per 2 hours."""
    try:
        limits.parse(value)
    except ValueError:
        raise ValidationError("must be a rate such as 20/minute") from None
    return value


def mail_server(value: str) -> dict[str, Any]:
    """Returns Django's EMAIL_* settings for the address of a mail server."""
    try:
        parsed: dict[str, Any] = dj_email_url.parse(value or "dummy://")
    except ValueError:
        parsed = {}
    if "EMAIL_BACKEND" not in parsed:
        raise ValidationError("must be an address such as submission://user:password@host:587")
    parsed["EMAIL_FILE_PATH"] = unquote(parsed["EMAIL_FILE_PATH"])
    return parsed


def not_the_example(value: str | None) -> None:
    """Refuses a secret that everybody can read in `.env.example`."""
    if "change-me" in (value or ""):
        raise ValidationError(STILL_AN_EXAMPLE)


def webhook_secret(value: str | None) -> str | None:
    """Takes a secret of standardwebhooks.com (whsec_ and base64), or any text long enough."""
    if not value:
        return None
    if value.startswith("whsec_"):
        try:
            key = base64.b64decode(value.removeprefix("whsec_"), validate=True)
        except ValueError:
            raise ValidationError("must be base64 after whsec_") from None
        if len(key) < 24:
            raise ValidationError("must hold 24 bytes or more after whsec_")
    elif len(value) < 32 or not value.isascii() or not value.isprintable():
        raise ValidationError("must have 32 or more ASCII characters")
    return value


def queue_url(value: str | None) -> str | None:
    """Takes the address of a queue of Amazon SQS, whose path is the queue's name."""
    if not value:
        return None
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not parts.path.strip("/"):
        raise ValidationError(
            "must be a queue's address, such as https://sqs.eu-central-1.amazonaws.com/123/bandpics"
        )
    return value


PARSERS = (http_origin, public_origin, rate, mail_server, webhook_secret, queue_url)
LONG_SECRET: list[Any] = [validate.Length(min=32), not_the_example]
