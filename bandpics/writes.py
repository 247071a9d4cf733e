"""Changes rows by SQL that Django makes once per process, and several tables by one statement."""

from __future__ import annotations

import re
from enum import Enum
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Generic, NamedTuple
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.models import DEFERRED, BooleanField, CharField, Field, TextField, UUIDField
from django.db.models.sql import UpdateQuery

from bandpics.lookups import Compiled, Reader, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from django.db.models import Model, QuerySet

_LENGTH = re.compile(r"\(\d+\)")  # of a type: a cast would cut what an INSERT refuses


class Statement(NamedTuple):
    """SQL that changes rows of one table."""

    sql: str
    values: Sequence[Any]


def write(*statements: Statement) -> int:
    """Runs statements as one; returns how many rows the last of them changed.

    Each sees the rows as they were before all of them. Foreign keys are checked behind them.
    """
    *others, last = statements
    before = ", ".join(f"table{number} AS ({each.sql})" for number, each in enumerate(others))
    values = [value for each in statements for value in each.values]
    with transaction.mark_for_rollback_on_error(), connection.cursor() as cursor:
        cursor.execute(f"WITH {before} {last.sql}" if before else last.sql, values)
        return int(cursor.rowcount)


def update(rows: QuerySet[Any], **columns: Any) -> Statement:
    """Returns the UPDATE that `rows.update(**columns)` runs."""
    query: Any = rows.order_by().query.chain(UpdateQuery)
    query.add_update_values(columns)
    query.clear_select_clause()
    return Statement(*query.get_compiler(using=DEFAULT_DB_ALIAS).as_sql())


def insertion(rows: Sequence[Model], *, where: str = "") -> Statement:
    """Returns the INSERT that `bulk_create(rows)` runs; neither sends signals.

    It leaves out columns that are NULL in all rows; most are, in a photo without its bytes.
    """
    model = type(rows[0])
    own = connections[DEFAULT_DB_ALIAS]  # looked up once, not for each value
    names, places, types, filled = [], [], [], []
    for column in _columns(model):
        values = [column.value(row) for row in rows]
        if values.count(None) == len(values):
            continue
        # Most are defaults: those are no parameters, each of which costs as much as another.
        is_default = values.count(column.default) == len(values)
        place = column.default_place if is_default else column.place
        names.append(column.name)
        places.append(place)
        types.append(f"{place}::{column.type}")
        if not is_default:
            filled.append([column.prepared(value, own) for value in values])
    by_row = [f"({', '.join(places)})"] * len(rows)
    source = f"VALUES {', '.join(by_row)}"
    if where:
        # Of a VALUES that is no INSERT's own, Postgres does not know the types.
        by_row[0] = f"({', '.join(types)})"
        source = f"SELECT * FROM (VALUES {', '.join(by_row)}) AS new WHERE {where}"  # noqa: S608 - ours
    table = own.ops.quote_name(model._meta.db_table)
    sql = f"INSERT INTO {table} ({', '.join(names)}) {source}"
    return Statement(sql, [value for row in zip(*filled, strict=True) for value in row])


def unsaved(model: type[Row], **values: Any) -> Row:
    """Returns an unsaved row, equal to `model(**values)`, in a quarter of its time: the defaults of
    a model are looked up once, not for each row."""
    columns = [
        values.pop(name) if name in values else default() if callable(default) else default
        for name, default in _defaults(model)
    ]
    row = model(*columns)
    for name, related in values.items():
        setattr(row, model._meta.get_field(name).name, related)
    return row


@cache
def _defaults(model: type[Model]) -> list[tuple[str, Any]]:
    """Returns the default of each column, or what makes it."""
    return [
        (field.attname, DEFERRED if field.generated else _default(field))
        for field in model._meta.concrete_fields
    ]


def _default(field: Any) -> Any:
    is_made = field.has_default() and callable(field.default)
    return field.default if is_made else field.get_default()


def insert(*tables: Sequence[Model], if_changed: Statement | None = None) -> bool:
    """Inserts rows of one or several models by one statement. Rows may refer to those of the tables
    before. With `if_changed`, an UPDATE, it does so only if that changes a row; returns whether it
    did."""
    changes, where = [], ""
    if if_changed is not None:
        changes = [Statement(f"{if_changed.sql} RETURNING 1", if_changed.values)]
        where = "EXISTS (SELECT FROM table0)"
    if not write(*changes, *(insertion(rows, where=where) for rows in tables if rows)):
        return False
    for row in (row for rows in tables for row in rows):
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS
    return True


class Update:
    """An UPDATE of the rows of a queryset.

    `rows` and `columns` make the queryset and the new values from keys. They are called once, with
    `examples`: values that stand nowhere else in the statement. A key may be None if it is only a
    new value.
    """

    def __init__(
        self,
        rows: Callable[..., QuerySet[Any]],
        columns: Callable[..., Mapping[str, Any]],
        **examples: Any,
    ) -> None:
        self._rows, self._columns, self._examples = rows, columns, examples

    def count(self, **keys: Any) -> int:
        """Changes the rows for these keys; returns how many there were."""
        return write(self.statement(**keys))

    def statement(self, **keys: Any) -> Statement:
        return Statement(self.compiled.sql, self.compiled.values(keys))

    @cached_property
    def compiled(self) -> Compiled:
        rows, columns = self._rows(**self._examples), self._columns(**self._examples)
        return Compiled.of(*update(rows, **columns), self._examples)


class UpdateReturning(Generic[Row]):
    """An UPDATE that returns the row it has changed.

    `rows` makes a queryset that finds the row by keys; it may have `select_related` and `only`.
    What it reads of other tables is as it was before the UPDATE.
    """

    def __init__(
        self, changes: Update, rows: Callable[..., QuerySet[Row]], **examples: Any
    ) -> None:
        self._changes, self._rows, self._examples = changes, rows, examples

    def first(self, **keys: Any) -> Row | None:
        """Changes the row for these keys, and returns it; None if there is none."""
        changes, found = self._changes.compiled, self._compiled
        values = [*changes.values(keys), *found.values(keys)]
        with transaction.mark_for_rollback_on_error(), connection.cursor() as cursor:
            cursor.execute(f"WITH changed AS ({changes.sql} RETURNING *) {found.sql}", values)
            rows = cursor.fetchmany(1)
        return next(iter(self._reader.read(rows)), None) if rows else None

    @cached_property
    def _compiled(self) -> Compiled:
        return Compiled.of(self._select, self._reader.parameters, self._examples)

    @cached_property
    def _select(self) -> str:
        table = connection.ops.quote_name(self._reader.model._meta.db_table)
        before, found, after = self._reader.sql.partition(f" FROM {table} ")
        if not found:
            raise AssertionError(f"This does not select from {table} first: {before}")
        return f"{before} FROM changed AS {table} {after}"

    @cached_property
    def _reader(self) -> Reader[Row]:
        return Reader(self._rows(**self._examples))


# Values of these types, most of a row, are written as they are.
_PLAIN = {CharField: str, TextField: str, BooleanField: bool, UUIDField: UUID}


class _Column:
    """A column of an INSERT."""

    def __init__(self, field: Any) -> None:
        own: Any = connections[DEFAULT_DB_ALIAS]
        cast = getattr(field, "get_placeholder", None)
        self.name = own.ops.quote_name(field.column)
        self.place = cast(None, None, own) if cast else "%s"
        self.type = _LENGTH.sub("", field.db_type(own))
        self._field, self._attname = field, field.attname
        self._is_set_by_field = type(field).pre_save is not Field.pre_save  # when it was written
        kind = getattr(field, "target_field", field)
        self._plain = next((_PLAIN[each] for each in _PLAIN if isinstance(kind, each)), None)
        default = _default(field)
        self.default = {} if default is dict else None if callable(default) else default
        written = own.ops.compose_sql(self.place, [self.prepared(self.default, own)])
        self.default_place = written.replace("%", "%%")

    def value(self, row: Model) -> Any:
        if self._is_set_by_field:
            return self._field.pre_save(row, add=True)
        return vars(row)[self._attname]

    def prepared(self, value: Any, own: Any) -> Any:
        if isinstance(value, Enum):
            value = value.value  # as a text, which psycopg writes faster than a choice
        if value is None or type(value) is self._plain:
            return value
        return self._field.get_db_prep_save(value, own)


@cache
def _columns(model: type[Model]) -> list[_Column]:
    """Returns the columns of a model, but for those whose values Postgres makes."""
    serial = model._meta.auto_field
    fields = [
        field for field in model._meta.concrete_fields if not (field.generated or field is serial)
    ]
    if any(field.has_db_default() for field in fields):
        raise AssertionError(f"{model.__name__} has defaults that Postgres fills in.")
    return [_Column(field) for field in fields]
