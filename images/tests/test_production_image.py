"""What .dockerignore keeps is enough to run production."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions

import pytest

from bandpics.local import environment
from bandpics.testing.image import copy_context, told_by

OURS = {"bandpics", "groups", "images", "invitations"}
# Imported only where a setting asks for them; then requirements-telemetry.txt is installed.
BY_SETTING = {"sentry-sdk", "opentelemetry-api", "opentelemetry-sdk"}
BY_SETTING |= {"opentelemetry-exporter-otlp-proto-http"}


@pytest.fixture
def image(tmp_path):
    """The files that the image gets."""
    copy_context(tmp_path)
    (tmp_path / "node_modules").symlink_to(environment.PROJECT / "node_modules")
    return tmp_path


def test_the_image_has_neither_local_stack_nor_tests_nor_benchmarks(image):
    for name in ("local", "testing", "benchmarks", "api/tests"):
        assert not (image / "bandpics" / name).exists()


@pytest.mark.long  # lint-imports, and below what it imports
def test_manage_py_web_server_and_worker_import_what_is_there(image):
    roles = "import bandpics.entrypoint, bandpics.wsgi, bandpics.gunicorn_worker, images.tasks"
    for command in (["manage.py", "check"], ["-c", roles]):
        run = subprocess.run(
            [sys.executable, *command],
            cwd=image,
            env={**os.environ, **environment.PRETENDED, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr


def test_what_its_code_imports_is_in_its_requirements(image):
    """Not only in those of developers, whose virtualenv runs the tests."""
    text = (environment.PROJECT / "requirements.txt").read_text()
    installed = {normal(name) for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}
    known = packages_distributions()
    missing = set()
    for path in image.rglob("*.py"):
        if "node_modules" in path.relative_to(image).parts:
            continue
        for name in imported(ast.parse(path.read_text())) - OURS - sys.stdlib_module_names:
            packages = {normal(package) for package in known.get(name, [name])}
            if not packages & (installed | BY_SETTING):
                missing.add((str(path.relative_to(image)), name))
    assert missing == set()


def imported(tree):
    """Returns the packages that a module imports at its top, in functions, and conditionally, but
    for those that only types need."""
    found, left = set(), [tree]
    while left:
        node = left.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.partition(".")[0])
        left += ast.iter_child_nodes(node)
    return found


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_what_the_image_tells_its_roles_is_read_from_the_dockerfile():
    """So that the tests of its roles tell them the same."""
    told = told_by((environment.PROJECT / "Dockerfile").read_text())
    assert told["WORK_DIR"] == "/work"
    assert told["LOG_FORMAT"] == "json"
    assert told["STATIC_ROOT"] == "/app/staticfiles"
    assert told["PATH"].startswith("/opt/venv/bin:/")
