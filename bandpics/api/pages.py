"""Paging of short lists by `limit` and `offset` (or `skip`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.exceptions import ValidationError
from rest_framework.pagination import LimitOffsetPagination

if TYPE_CHECKING:
    from rest_framework.request import Request


class Pages(LimitOffsetPagination):
    default_limit = 50
    max_limit = 200
    skip_query_param = "skip"
    parameters = ("limit", "offset", "skip")

    def get_limit(self, request: Request) -> int:
        limit = self._number(request, self.limit_query_param, at_least=1)
        return self.default_limit if limit is None else min(limit, self.max_limit)

    def get_offset(self, request: Request) -> int:
        offset = self._number(request, self.offset_query_param, at_least=0)
        if offset is None:
            offset = self._number(request, self.skip_query_param, at_least=0)
        return offset or 0

    @staticmethod
    def _number(request: Request, name: str, *, at_least: int) -> int | None:
        """DRF takes nonsense for the default; ours says what is wrong."""
        text = request.query_params.get(name)
        if text is None:
            return None
        if text.isascii() and text.isdigit() and len(text) < 19 and int(text) >= at_least:
            return int(text)
        raise ValidationError({name: [f"Give a whole number, {at_least} or more."]})

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        def number(name: str, least: int, description: str) -> dict[str, Any]:
            return {
                "name": name,
                "in": "query",
                "required": False,
                "description": description,
                "schema": {"type": "integer", "minimum": least},
            }

        return [
            number(
                "limit",
                1,
                f"How many; {self.default_limit} if not given, {self.max_limit} at most.",
            ),
            number("offset", 0, "How many to leave out from the beginning."),
            number("skip", 0, "The same as offset."),
        ]
