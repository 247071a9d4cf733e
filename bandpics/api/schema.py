"""What the OpenAPI description says of credentials and of errors."""

from __future__ import annotations

from typing import Any


def add_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    return result
