"""The commands of README.md, run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from images.tests import drawing

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.xdist_group("stack")
def test_the_walk_through_the_api_works_as_written(running_stack, tmp_path):
    taken = drawing.jpeg(seed=71, taken_at="2026:06:21 21:30:00")
    (tmp_path / "stage.jpg").write_bytes(taken)
    (tmp_path / "other.jpg").write_bytes(drawing.jpeg(seed=72))
    script = re.search(r"## The API.*?```sh\n(.*?)```", README.read_text(), re.DOTALL)
    assert script is not None
    environment = {
        **os.environ,
        "BANDPICS": running_stack["web_url"],
        "EMAIL": running_stack["admin_email"],
        "PASSWORD": running_stack["admin_password"],
    }
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", script[1]],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2026-06-21T21:30:00" in done.stdout
    assert (tmp_path / "medium.jpg").read_bytes().startswith(b"\xff\xd8")
    assert '"queued"' in (tmp_path / "other.json").read_text()


def test_every_setting_stands_in_the_table():
    settings = (README.parent / "bandpics" / "settings.py").read_text()
    names = set(re.findall(r'env\.\w+\(\s*"([A-Z0-9_]+)"', settings))
    assert len(names) > 20
    table = README.read_text()
    assert {name for name in names if f"`{name}`" not in table} == set()
