"""Finds single rows by SQL that Django makes once per process.

To build and compile a queryset costs a multiple of the cpu time that Postgres and psycopg take for
a look-up by key. That counts where nearly every request asks the same: who is signed in, by which
key. The rows are still those of a queryset, so that no rule is written twice.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet


class _Compiled(NamedTuple):
    sql: str
    parameters: tuple[Any, ...]
    names: dict[int, str]  # of the keys, by where they stand among the parameters


class Lookup:
    """Finds the first row of a queryset of plain columns (`values_list`).

    `rows` makes the queryset from keys. It is called once, with `examples`: values that stand
    nowhere else in the query. Values come as psycopg reads them: JSON as text.
    """

    def __init__(self, rows: Callable[..., QuerySet[Any, Any]], **examples: Any) -> None:
        self._rows, self._examples = rows, examples

    def first(self, **keys: Any) -> tuple[Any, ...] | None:
        """Returns the columns of the first row for these keys, or None."""
        sql, parameters, names = self._compiled
        values = [
            keys[names[place]] if place in names else value
            for place, value in enumerate(parameters)
        ]
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            row: tuple[Any, ...] | None = cursor.fetchone()
        return row

    @cached_property
    def _compiled(self) -> _Compiled:
        sql, parameters = self._rows(**self._examples)[:1].query.sql_with_params()
        names = {
            place: name
            for place, value in enumerate(parameters)
            for name, example in self._examples.items()
            if value == example
        }
        if set(names.values()) != self._examples.keys():
            raise AssertionError(f"A key is no parameter of this look-up: {sql}")
        return _Compiled(sql, tuple(parameters), names)
