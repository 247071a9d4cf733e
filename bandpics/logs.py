"""Keeps upload tokens and signatures out of logs."""

from __future__ import annotations

import logging
import re

_SECRETS = re.compile(
    r"(/i/|/w/|/teams/join/|/account/email/|/account/password/reset/[^\s/]+/|access_token=|"
    r"Invitation |Bearer |Api-Key |X-Amz-Signature=|X-Amz-Credential=|X-Amz-Security-Token=)"
    r"[^\s/&\"']+"
)


class WithoutTokens(logging.Filter):
    """Replaces the secret part of links, headers and presigned URLs by `[hidden]`."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        hidden = _SECRETS.sub(r"\1[hidden]", message)
        if hidden != message:
            record.msg, record.args = hidden, None
        return True
