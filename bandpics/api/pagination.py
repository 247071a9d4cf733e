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
    parameters = ("limit", "offset", "skip")

    def get_limit(self, request: Request) -> int:
        limit = self._number(request, "limit", at_least=1, at_most=self.max_limit)
        return self.default_limit if limit is None else limit

    def get_offset(self, request: Request) -> int:
        offset = self._number(request, "offset", at_least=0)
        if offset is None:
            offset = self._number(request, "skip", at_least=0)
        return offset or 0

    @staticmethod
    def _number(request: Request, name: str, *, at_least: int, at_most: int = 10**18) -> int | None:
        """DRF takes nonsense for the default; ours says what is wrong."""
        text = request.query_params.get(name)
        if text is None:
            return None
        is_number = text.isascii() and text.isdigit() and len(text) < 19
        if is_number and at_least <= int(text) <= at_most:
            return int(text)
        wanted = f"from {at_least} to {at_most}" if at_most < 10**18 else f"{at_least} or more"
        raise ValidationError({name: [f"Give a whole number {wanted}."]})

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        limit = {"minimum": 1, "maximum": self.max_limit, "default": self.default_limit}
        numbers = {
            "limit": ("How many a page has.", limit),
            "offset": ("How many to leave out from the beginning.", {"minimum": 0}),
            "skip": ("The same as offset.", {"minimum": 0}),
        }
        return [
            {
                "name": name,
                "in": "query",
                "required": False,
                "description": description,
                "schema": {"type": "integer", **bounds},
            }
            for name, (description, bounds) in numbers.items()
        ]
