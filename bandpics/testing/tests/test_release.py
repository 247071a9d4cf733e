"""What a release is made of: one version, and workflows whose parts are pinned."""

from __future__ import annotations

import re
import tomllib

import pytest
import yaml

import bandpics
from bandpics import entrypoint
from bandpics.local.environment import PROJECT

WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
CHANGELOG = (PROJECT / "CHANGELOG.md").read_text()


def test_the_version_stands_in_one_place():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"]["attr"] == "bandpics.__version__"
    # As the release workflow reads it.
    line = re.search(
        r'^__version__ = "(.*)"$', (PROJECT / "bandpics/__init__.py").read_text(), re.MULTILINE
    )
    assert line[1] == bandpics.__version__


def test_the_changelog_has_a_section_of_it_that_says_how_to_upgrade():
    assert re.search(r"^## Unreleased$", CHANGELOG, re.MULTILINE)
    section = re.search(
        rf"^## {re.escape(bandpics.__version__)}\b.*?(?=^## |\Z)",
        CHANGELOG,
        re.DOTALL | re.MULTILINE,
    )
    assert "### Upgrading" in section[0]


def test_every_action_is_pinned_by_its_hash_and_says_its_version():
    lines = [line for path in WORKFLOWS for line in re.findall(r"uses: (.*)", path.read_text())]
    assert len(lines) > 15
    for line in lines:
        assert line.startswith("./.github/workflows/") or re.fullmatch(
            r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", line
        ), line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_do_what_its_jobs_say_and_nothing_else(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {}
    assert all("permissions" in job for job in workflow["jobs"].values())


def test_what_needs_a_variable_is_skipped_without_it():
    aws = yaml.safe_load((PROJECT / ".github/workflows/release.yml").read_text())["jobs"]["aws"]
    first, *others = aws["steps"]
    assert first["if"] == "vars.AWS_ROLE_ARN == '' || vars.ECR_REPOSITORY == ''"
    for step in others:
        assert step["if"].startswith("vars.AWS_ROLE_ARN != '' && vars.ECR_REPOSITORY != ''")


def test_all_versions_of_python_and_every_role_are_tried():
    jobs = yaml.safe_load((PROJECT / ".github/workflows/ci.yml").read_text())["jobs"]
    assert jobs["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13", "3.14"]
    started = re.search(r'^roles="(.*)"$', (PROJECT / ".ci/start-roles").read_text(), re.MULTILINE)
    # Services wait for migrate; `all` is started by the compose file of small servers.
    from_image = set(entrypoint.ROLES) - {"migrate", "all"}
    assert set(started[1].split()) == from_image
    assert "compose.small.yml" in (PROJECT / ".ci/start-roles").read_text()


def test_images_are_pinned_by_digest():
    bases = re.findall(r"^FROM (\S+)", (PROJECT / "Dockerfile").read_text(), re.MULTILINE)
    stages = {"build", "app"}
    for base in bases:
        assert base in stages or re.search(r"@sha256:[0-9a-f]{64}$", base), base
