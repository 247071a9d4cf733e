"""README and docs: their commands run as written, and what they name exists."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import urllib3

from bandpics.ids import new_id
from images.tests import drawn_pictures

PROJECT = Path(__file__).parents[2]
DOCS = PROJECT / "docs"
PAPERS = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
FOLDERS = (
    "bandpics/",
    "groups/",
    "images/",
    "invitations/",
    "templates/",
    "static/",
    "docs/",
    "infra/",
    ".github/",
)


pytestmark = pytest.mark.xdist_group("stack")


@pytest.fixture
def walk(running_stack, tmp_path):
    """Runs the commands in a folder with these two files, as somebody whose group is empty."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    url = f"{running_stack['web_url']}/api/v1/users/"
    host = {"email": f"{new_id()}@example.org", "password": "grey horses on the lake"}
    assert urllib3.request("POST", url, json=host).status == 201
    script = re.search(r"```sh\n(.*?)```", (DOCS / "api.md").read_text(), re.DOTALL)
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


SETTINGS = set(
    re.findall(
        r'env\.\w+\(\s*"([A-Z0-9_]+)"', (PROJECT / "bandpics/settings/__init__.py").read_text()
    )
)


def test_every_setting_stands_in_the_table():
    assert len(SETTINGS) > 20
    table = (DOCS / "settings.md").read_text()
    assert {name for name in SETTINGS if f"`{name}`" not in table} == set()


def named_paths(text):
    """Files and folders of this repository that a paper names, by link or as code."""
    for name in re.findall(r"`([\w./*-]+)`", text):
        if name.startswith(FOLDERS) or re.fullmatch(r"[\w-]+\.(?:py|md|toml|yml|in|txt)", name):
            yield name
    yield from re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.name)
def test_what_a_paper_names_exists(paper):
    missing = [
        name
        for name in named_paths(paper.read_text())
        if not any(
            any(folder.glob(name.rstrip("/")))
            for folder in (PROJECT, paper.parent, PROJECT / "images" / "tests")
        )
    ]
    assert missing == []


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.name)
def test_each_command_a_paper_names_is_a_target_of_make(paper):
    targets = set(re.findall(r"^([\w-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([\w-]+)", paper.read_text())) <= targets
