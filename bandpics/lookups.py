"""Finds rows by SQL that Django makes once per process.

To build and compile a queryset costs a multiple of the cpu time that Postgres and psycopg take for
a look-up by key. That counts where nearly every request asks the same: who is signed in, by which
key. The rows are still those of a queryset, so that no rule is written twice.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Model
from django.db.models.query import get_related_populators

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from django.db.models import QuerySet

Row = TypeVar("Row", bound=Model)


class Compiled(NamedTuple):
    """SQL, and which of its parameters are keys."""

    sql: str
    parameters: tuple[Any, ...]
    names: dict[int, str]  # of the keys, by where they stand among the parameters

    @classmethod
    def of(cls, sql: str, parameters: Sequence[Any], examples: Mapping[str, Any]) -> Compiled:
        """Finds the keys by their examples. Raises AssertionError for one that is not there."""
        names = {
            place: name
            for place, value in enumerate(parameters)
            for name, example in examples.items()
            # 1 equals True, and a text equals a choice of that text.
            if value == example and isinstance(value, bool) == isinstance(example, bool)
        }
        if set(names.values()) != examples.keys():
            raise AssertionError(f"A key is no parameter of this statement: {sql}")
        return cls(sql, tuple(parameters), names)

    def values(self, keys: Mapping[str, Any]) -> list[Any]:
        """Returns the parameters for these keys."""
        values = list(self.parameters)
        for place, name in self.names.items():
            values[place] = keys[name]
        return values


class Lookup:
    """Finds rows of a queryset of plain columns (`values_list`).

    `rows` makes the queryset from keys. It is called once, with `examples`: values that stand
    nowhere else in the query: what the time is must be a key, or Now(). Values come as psycopg
    reads them: JSON as text. No key may be None, which SQL compares in another way. all() may run
    a statement that is made around that of the queryset, by `within`.
    """

    def __init__(
        self,
        rows: Callable[..., QuerySet[Any, Any]],
        within: Callable[[str], str] = str,
        **examples: Any,
    ) -> None:
        self._rows, self._within, self._examples = rows, within, examples

    def first(self, **keys: Any) -> tuple[Any, ...] | None:
        """Returns the columns of the first row for these keys, or None."""
        compiled = self._first
        with connection.cursor() as cursor:
            cursor.execute(compiled.sql, compiled.values(keys))
            row: tuple[Any, ...] | None = cursor.fetchone()
        return row

    def all(self, **keys: Any) -> list[tuple[Any, ...]]:
        """Returns the columns of all rows for these keys."""
        compiled = self._all
        with connection.cursor() as cursor:
            cursor.execute(compiled.sql, compiled.values(keys))
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows

    @cached_property
    def _first(self) -> Compiled:
        sql, parameters = self._rows(**self._examples)[:1].query.sql_with_params()
        return Compiled.of(sql, parameters, self._examples)

    @cached_property
    def _all(self) -> Compiled:
        sql, parameters = self._rows(**self._examples).query.sql_with_params()
        return Compiled.of(self._within(sql), parameters, self._examples)


class RowLookup(Generic[Row]):
    """Finds rows of a queryset as Django does: with all that `select_related` and `only` say.

    Its keys are those of Lookup.
    """

    def __init__(self, rows: Callable[..., QuerySet[Row]], **examples: Any) -> None:
        self._rows, self._examples = rows, examples

    def first(self, **keys: Any) -> Row | None:
        """Returns the first row for these keys, or None; name the order, if there are several."""
        return next(iter(self.all(**keys)), None)

    def all(self, **keys: Any) -> list[Row]:
        """Returns all rows for these keys."""
        compiled = self._compiled
        with connection.cursor() as cursor:
            cursor.execute(compiled.sql, compiled.values(keys))
            rows = cursor.fetchall()
        return self._reader.read(rows) if rows else []

    @cached_property
    def _compiled(self) -> Compiled:
        return Compiled.of(self._reader.sql, self._reader.parameters, self._examples)

    @cached_property
    def _reader(self) -> Reader[Row]:
        return Reader(self._rows(**self._examples))


class Reader(Generic[Row]):
    """Makes instances from rows, as django.db.models.query.ModelIterable does at each query."""

    def __init__(self, rows: QuerySet[Any]) -> None:
        self._compiler = compiler = rows.query.get_compiler(using=DEFAULT_DB_ALIAS)
        self.sql, self.parameters = compiler.as_sql()
        select, found = compiler.select, compiler.klass_info
        first, last = found["select_fields"][0], found["select_fields"][-1]
        self._own = slice(first, last + 1)
        self.model = found["model"]
        self._names = [column[0].target.attname for column in select[self._own]]
        self._related = get_related_populators(found, select, DEFAULT_DB_ALIAS)  # type: ignore[call-arg]  # stubs of Django 6
        self._annotations = dict(compiler.annotation_col_map or {})
        self._converters = compiler.get_converters(
            [column[0] for column in select[: compiler.col_count]]
        )

    def read(self, rows: Sequence[Sequence[Any]]) -> list[Row]:
        if self._converters:
            rows = list(self._compiler.apply_converters(rows, self._converters))
        return [self._instance(row) for row in rows]

    def _instance(self, row: Sequence[Any]) -> Any:
        instance = self.model.from_db(DEFAULT_DB_ALIAS, self._names, row[self._own])
        for related in self._related:
            related.populate(row, instance)
        for name, place in self._annotations.items():
            setattr(instance, name, row[place])
        return instance
