"""Names that a request may not use: a misspelt one is an error that says what was meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.permissions import SAFE_METHODS

from bandpics.api.problems import MAX_ERRORS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from rest_framework.request import Request

CSRF_FIELD = "csrfmiddlewaretoken"
MAX_NAME = 60  # how much of a name is compared; difflib takes the square of it


class KnownFieldsOnly:
    """For a serializer of a request. Fields that are only read pass: people send back what they
    were given."""

    fields: Any
    also_known: ClassVar[frozenset[str]] = frozenset()

    def to_internal_value(self, data: Any) -> Any:
        errors = self._unknown(data) if isinstance(data, Mapping) else {}
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
        if hasattr(data, "getlist"):  # a form, which writes items of fields as name[0] and name.a
            known |= {CSRF_FIELD}
            given = {re.split(r"[.\[]", name)[0] for name in data}
        else:
            given = set(data)
        if given <= known:
            return {}
        offered = [name for name, field in self.fields.items() if not field.read_only]
        return _errors("field", [name for name in data if name not in known], offered)


class KnownParametersOnly:
    """For a view of the API: which parameters an address may have, by action or by method."""

    parameters: ClassVar[Mapping[str, Collection[str]]] = {}
    credential_parameters: ClassVar[frozenset[str]] = frozenset()

    request: Any

    @property
    def name_of_call(self) -> str:
        """The action, or the method of a view without actions; those of GET for HEAD, OPTIONS."""
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
            raise ValidationError(_errors("parameter", unknown, known))


def _errors(
    kind: str, unknown: Iterable[str], known: Collection[str]
) -> dict[str, list[ErrorDetail]]:
    return {
        str(name): [_error(kind, str(name), known if index < MAX_ERRORS else ())]
        for index, name in enumerate(unknown)
    }


def _error(kind: str, name: str, known: Collection[str]) -> ErrorDetail:
    nearest = difflib.get_close_matches(name[:MAX_NAME].lower(), known, n=1)
    hint = f" Did you mean `{nearest[0]}`?" if nearest else ""
    return ErrorDetail(f"There is no {kind} `{name}`.{hint}", code=f"unknown-{kind}")
