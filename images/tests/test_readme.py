"""The commands of README.md, run as they stand there."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import urllib3

from bandpics.ids import new_id
from images.tests import drawn_pictures

README = Path(__file__).parents[2] / "README.md"


pytestmark = pytest.mark.xdist_group("stack")


@pytest.fixture
def walk(running_stack, tmp_path):
    """Runs the commands in a folder with these two files, as somebody whose group is empty."""
    url = f"{running_stack['web_url']}/api/v1/users/"
    host = {"email": f"{new_id()}@example.org", "password": "grey horses on the lake"}
    assert urllib3.request("POST", url, json=host).status == 201
    script = re.search(r"## The API.*?```sh\n(.*?)```", README.read_text(), re.DOTALL)
    assert script is not None
    environment = {
        **os.environ,
        "BANDPICS": running_stack["web_url"],
        "EMAIL": host["email"],
        "PASSWORD": host["password"],
    }

    def run(**files):
        for name, data in files.items():
            (tmp_path / f"{name}.jpg").write_bytes(data)
        return subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", script[1]],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_the_walk_through_the_api_works_as_written_and_again(walk, tmp_path):
    stage = drawn_pictures.jpeg(seed=71, taken_at="2026:06:21 21:30:00")
    other = drawn_pictures.jpeg(seed=72)
    for status in ("done", "duplicate"):
        run = walk(stage=stage, other=other)
        assert run.returncode == 0, run.stdout + run.stderr
        assert run.stdout.split() == [status, "2026-06-21T21:30:00"]
        assert (tmp_path / "medium.jpg").read_bytes().startswith(b"\xff\xd8")
        (tmp_path / "medium.jpg").unlink()
        # By now a worker may have begun, or ended.
        taken = json.loads((tmp_path / "other.json").read_text())
        assert taken["status"] in {"queued", "processing", "done"}
        assert taken["is_final"] == (taken["status"] == "done")


def test_the_walk_ends_where_the_photo_failed(walk):
    run = walk(stage=b"no photo at all", other=b"")
    assert run.stdout.split() == ["failed", "None"]
    assert run.returncode == 22, run.stderr  # curl's for an answer of 400 or more


def test_every_setting_stands_in_the_table():
    settings = (README.parent / "bandpics" / "settings.py").read_text()
    names = set(re.findall(r'env\.\w+\(\s*"([A-Z0-9_]+)"', settings))
    assert len(names) > 20
    table = README.read_text()
    assert {name for name in names if f"`{name}`" not in table} == set()
