"""Fields of what people send, where DRF's own cost too much or accept too much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework import serializers

from bandpics.moments import YEARS

if TYPE_CHECKING:
    from datetime import datetime


def in_our_time(value: datetime | None) -> None:
    """Refuses a moment that no calendar of another time zone could show, such as the last of the
    year 9999: pages would fail on it."""
    if value is not None and value.year not in YEARS:
        raise serializers.ValidationError(
            f"Give a year from {YEARS.start} to {YEARS.stop - 1}.", code="year"
        )


class ListField(serializers.ListField):
    """Counts before it looks at any item. DRF validates a million items, then their number."""

    def __init__(self, *, max_length: int, **options: Any) -> None:
        super().__init__(max_length=max_length, **options)
        if isinstance(self.child, serializers.ChoiceField):
            self.style.setdefault("base_template", "select_multiple.html")
            self.iter_options = self.child.iter_options  # what that template asks for
        elif isinstance(self.child, serializers.FileField):
            self.style |= {"base_template": "input.html", "input_type": "file"}

    def run_child_validation(self, data: Any) -> Any:
        if self.max_length is not None and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return super().run_child_validation(data)
