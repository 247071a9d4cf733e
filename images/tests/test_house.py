"""The limits of size that keep files and functions readable at a glance."""

from __future__ import annotations

import ast
from pathlib import Path

PROJECT = Path(__file__).parents[2]
FILE_LINES, FUNCTION_LINES = 400, 50


def product_files():
    for folder in ("bandpics", "groups", "images", "invitations"):
        for path in (PROJECT / folder).rglob("*.py"):
            if not {"tests", "migrations"} & set(path.parts):
                yield path


def too_long(path):
    name, text = path.relative_to(PROJECT).as_posix(), path.read_text()
    if text.count("\n") > FILE_LINES:
        yield name
    for node in ast.walk(ast.parse(text)):
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if is_function and node.end_lineno - node.lineno >= FUNCTION_LINES:
            yield f"{name}::{node.name}"


def test_no_file_has_over_400_lines_and_no_function_over_50():
    assert {name for path in product_files() for name in too_long(path)} == set()
