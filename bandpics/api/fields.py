"""Fields of serializers, where DRF's own cost too much or accept too much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.functional import cached_property
from django.utils.text import format_lazy
from rest_framework import serializers
from rest_framework.utils.formatting import lazy_format
from rest_framework.utils.serializer_helpers import BindingDict

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


_MADE: dict[type, dict[str, Any]] = {}


# A mixin for serializers whose class says all of their fields: they are made once for all requests.
# DRF makes them anew for each, which costs more than to use them once. Each serializer has copies,
# which it may change. (A docstring would describe each of them in the OpenAPI file.)
class FieldsMadeOnce:
    @cached_property
    def fields(self) -> BindingDict:
        made = _MADE.get(type(self))
        if made is None:
            made = self.get_fields()  # type: ignore[attr-defined]  # a serializer's
            for field in made.values():
                _say_in_any_language(field)
            _MADE[type(self)] = made
        fields = BindingDict(self)  # type: ignore[arg-type]  # a serializer
        for name, field in made.items():
            fields[name] = _copied(field)
        return fields


def _say_in_any_language(field: Any) -> None:
    """Replaces messages of validators that keep the words of whoever is refused first."""
    for validator in vars(field).get("_validators", ()):
        said = getattr(validator, "message", None)
        if isinstance(said, lazy_format) and said.format_string is not None:
            validator.message = format_lazy(said.format_string, *said.args, **said.kwargs)
    if "child" in vars(field):
        _say_in_any_language(field.child)


def _copied(field: Any) -> Any:
    """Returns a field that no serializer has yet."""
    copied = object.__new__(type(field))
    vars(copied).update(vars(field))
    if "child" in vars(field):
        copied.child = _copied(field.child)
        copied.child.parent = copied
    return copied


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
