"""What .dockerignore keeps is enough to run production."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from bandpics.local import environment

IGNORED = (environment.PROJECT / ".dockerignore").read_text().split()


@pytest.fixture
def image(tmp_path):
    """The files that the image gets, as far as they are code."""
    for name in ("bandpics", "groups", "images", "invitations", "templates", "static"):
        shutil.copytree(environment.PROJECT / name, tmp_path / name)
    shutil.copy(environment.PROJECT / "manage.py", tmp_path)
    for pattern in IGNORED:
        for path in list(tmp_path.glob(pattern)):
            shutil.rmtree(path)
    (tmp_path / "node_modules").symlink_to(environment.PROJECT / "node_modules")
    return tmp_path


def test_the_image_has_neither_local_stack_nor_tests_nor_benchmarks(image):
    for name in ("local", "testing", "benchmarks", "api/tests"):
        assert not (image / "bandpics" / name).exists()


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
