"""Reading JSON that strangers send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from rest_framework import parsers, status
from rest_framework.exceptions import ParseError

from bandpics.api.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO

MIB = 1024 * 1024


class BodyTooLarge(Problem):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    slug = "body-too-large"
    title = "The body is too large"


class JsonParser(parsers.JSONParser):
    """DRF's own, with an end: it reads bodies of any size and any depth."""

    max_bytes: ClassVar[int] = 2 * MIB

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        # Django reads no further than this header says.
        size = (parser_context or {})["request"].META.get("CONTENT_LENGTH") or 0
        if int(size) > self.max_bytes:
            raise BodyTooLarge(f"This address takes JSON of up to {self.max_bytes} bytes.")
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise ParseError("JSON parse error - nested too deeply") from None
