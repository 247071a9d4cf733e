"""Large tables of cases: a few are tried in each run, all of them by `make test-long`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Case = TypeVar("Case")


def representative(cases: Iterable[Case], is_usual: Callable[[Case], bool]) -> list[Any]:
    """Returns the cases for `parametrize`, with those marked `long` that are not usual.

    A case of several arguments is a tuple, as `parametrize` takes it.
    """
    return [case if is_usual(case) else _long(case) for case in cases]


def few(cases: Iterable[Any], count: int) -> list[Any]:
    """Returns the cases for `parametrize`, with those marked `long` that are not among `count` of
    them, taken at equal distances from the first to the last."""
    cases = list(cases)
    steps = max(count - 1, 1)
    usual = {round(step * (len(cases) - 1) / steps) for step in range(count)}
    return [case if place in usual else _long(case) for place, case in enumerate(cases)]


def _long(case: Any) -> Any:
    if isinstance(case, type(pytest.param())):
        return pytest.param(*case.values, id=case.id, marks=[*case.marks, pytest.mark.long])
    values = case if isinstance(case, tuple) else (case,)
    return pytest.param(*values, marks=pytest.mark.long)
