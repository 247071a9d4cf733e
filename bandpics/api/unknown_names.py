"""Names that a request may not use: a misspelt one is an error that says what was meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.fields import empty
from rest_framework.permissions import SAFE_METHODS

from bandpics.api.problems import MAX_ERRORS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from rest_framework.request import Request

CSRF_FIELD = "csrfmiddlewaretoken"
# What clients of earlier systems ask for: the parameter of ours, and what to send.
_PAGES = ("limit", "Use `limit` and `offset` (or `skip`), or follow `next`.")
_WORDS = ("q", "Use `q`.")
EARLIER_PARAMETERS = {
    **dict.fromkeys(["page", "page_size", "per_page", "size"], _PAGES),
    **dict.fromkeys(["search", "query", "filename"], _WORDS),
}
MAX_NAME = 60  # how much of a name is compared; difflib takes the square of it


# A mixin for serializers of requests that refuses unknown fields. Fields that are only read pass,
# because people send back what they were given. Its docstring would describe each of them in the
# OpenAPI file.
class KnownFieldsOnly:
    fields: Any
    context: Any
    also_known: ClassVar[frozenset[str]] = frozenset()
    # By names that earlier systems had: what to send instead.
    instead: ClassVar[Mapping[str, str]] = {}

    def to_internal_value(self, data: Any) -> Any:
        errors = self._unknown(data) if isinstance(data, Mapping) else {}
        if hasattr(data, "getlist"):
            data = self._filled_in(data)
        try:
            value = super().to_internal_value(data)  # type: ignore[misc]  # a serializer's
        except ValidationError as error:
            if errors and isinstance(error.detail, dict):
                raise ValidationError({**errors, **error.detail}) from None
            raise
        if errors:
            raise ValidationError(errors)
        return value

    def _unknown(self, data: Mapping[str, Any]) -> dict[str, list[ErrorDetail]]:
        known = self.also_known.union(self.fields)
        unknown = [name for name in data if name not in known]
        if hasattr(data, "getlist"):
            unknown = [name for name in unknown if not self._is_known_in_form(name)]
        offered = [name for name, field in self.fields.items() if not field.read_only]
        return _errors("field", unknown, offered, self.instead)

    def _is_known_in_form(self, name: str) -> bool:
        """Forms write an item of a list as name[0], and a field of an object as name.field.

        Any other spelling, name[] for one, would be passed over as if nothing had been sent.
        """
        base, rest = re.fullmatch(r"([^.\[]*)(.*)", name, re.DOTALL).groups()  # type: ignore[union-attr]  # matches all
        field = self.fields.get(base)
        if isinstance(field, (serializers.ListField, serializers.ListSerializer)):
            return re.match(r"\[\d+\]", rest) is not None
        is_object = isinstance(field, serializers.BaseSerializer)
        return name == CSRF_FIELD or (is_object and rest.startswith("."))

    def _filled_in(self, form: Any) -> Any:
        """Returns the form without inputs that nobody filled in; they mean the same as a field left
        out of JSON.

        To create something, an empty input says nothing; to change it, it clears. A box that is
        not ticked is not sent, so that only `false` unticks it.
        """
        for field in self.fields.values():
            field.default_empty_html = empty
        if getattr(self.context.get("request"), "method", "") != "POST":
            return form
        filled = form.copy()
        for name, field in self.fields.items():
            if not field.required and form.getlist(name) == [""]:
                del filled[name]
        return filled


class KnownParametersOnly:
    """A mixin for views that refuses unknown query parameters. `parameters` names the known ones,
    by action or by method."""

    parameters: ClassVar[Mapping[str, Collection[str]]] = {}
    credential_parameters: ClassVar[frozenset[str]] = frozenset()

    request: Any

    @property
    def name_of_call(self) -> str:
        """The action, or the method of a view without actions. HEAD and OPTIONS count as GET."""
        method = str(self.request.method)
        method = "GET" if method in SAFE_METHODS else method
        actions: Mapping[str, str] = getattr(self, "action_map", None) or {}
        return actions.get(method.lower(), method)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)  # type: ignore[misc]  # a view's
        if not hasattr(self, str(request.method).lower()):
            return  # 405
        known = self.parameters.get(self.name_of_call, ())
        unknown = [
            name
            for name in request.query_params
            if name not in known and name not in self.credential_parameters
        ]
        if unknown:
            instead = {
                name: what for name, (ours, what) in EARLIER_PARAMETERS.items() if ours in known
            }
            raise ValidationError(_errors("parameter", unknown, known, instead))


def _errors(
    kind: str, unknown: Iterable[str], known: Collection[str], instead: Mapping[str, str]
) -> dict[str, list[ErrorDetail]]:
    return {
        str(name): [_error(kind, str(name), known if index < MAX_ERRORS else (), instead)]
        for index, name in enumerate(unknown)
    }


def _error(kind: str, name: str, known: Collection[str], instead: Mapping[str, str]) -> ErrorDetail:
    if name in instead:
        hint = f" {instead[name]}"
    else:
        nearest = difflib.get_close_matches(name[:MAX_NAME].lower(), known, n=1)
        hint = f" Did you mean `{nearest[0]}`?" if nearest else ""
    return ErrorDetail(f"There is no {kind} `{name}`.{hint}", code=f"unknown-{kind}")
