"""All packages are pinned by hashes, with everything they need."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[2]
NAMES = ["requirements", "requirements-local", "requirements-dev"]
HASHES = r" \\\n(?:    --hash=sha256:[0-9a-f]{64}.*\n)+"
PIN = re.compile(rf"^([\w.-]+)==([^\s;]+)(?: ;[^\\\n]*)?{HASHES}", re.MULTILINE)


def wanted(name: str) -> dict[str, Requirement]:
    """Returns the requirements of an .in file, and of files it includes, by name."""
    found = {}
    for line in (PROJECT / f"{name}.in").read_text().splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith("-r "):
            found |= wanted(text.removeprefix("-r ").removesuffix(".in"))
        elif text:
            found[canonicalize_name(Requirement(text).name)] = Requirement(text)
    return found


def pinned(name: str) -> dict[str, str]:
    """Returns the versions that pip installs, by name."""
    text = (PROJECT / f"{name}.txt").read_text()
    pins = {canonicalize_name(name): version for name, version in PIN.findall(text)}
    assert len(pins) == len(re.findall(r"^[^\s#]", text, re.M))  # a hash for every one
    return pins


@pytest.mark.parametrize("package", ["celery", "kombu", "billiard"])
def test_a_package_that_carries_the_work_is_pinned_with_its_reason(package):
    """Other versions lost the worker to a MemoryError or a killed Redis. Run `make chaos` before
    changing these."""
    text = (PROJECT / "requirements.in").read_text()
    line = re.search(rf"^{package}==(\S+)  # (.+)$", text, re.MULTILINE)
    assert line is not None
    assert metadata.version(package) == pinned("requirements")[package] == line[1]


@pytest.mark.parametrize("name", NAMES)
def test_what_was_chosen_is_pinned_as_chosen(name):
    pins = pinned(name)
    for package, requirement in wanted(name).items():
        assert requirement.specifier == f"=={pins[package]}", f"{package}: make requirements"


@pytest.mark.parametrize("name", NAMES)
def test_all_that_it_needs_is_pinned_with_it(name):
    pins, ahead, seen = pinned(name), list(wanted(name).values()), set()
    while ahead:
        requirement = ahead.pop()
        package, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (package, extras) in seen:
            continue
        seen.add((package, extras))
        assert package in pins
        for text in metadata.requires(package) or []:
            needed = Requirement(text)
            if needed.marker is None or any(
                needed.marker.evaluate({"extra": extra}) for extra in ["", *extras]
            ):
                ahead.append(needed)
    assert len(seen) > len(wanted(name))


def test_production_make_run_and_make_test_agree():
    assert pinned("requirements").items() <= pinned("requirements-local").items()
    assert pinned("requirements-local").items() <= pinned("requirements-dev").items()


def test_make_run_installs_no_tools_for_tests():
    assert not {"pytest", "playwright", "mypy", "ruff"} & pinned("requirements-local").keys()


def test_nothing_is_installed_without_its_hash():
    for file in ("Makefile", "Dockerfile"):
        installs = re.findall(r"pip install .*-r\b.*", (PROJECT / file).read_text())
        assert installs
        assert all("--require-hashes" in line for line in installs)


@pytest.mark.parametrize("name", NAMES)
def test_where_packages_come_from_is_not_said(name):
    assert "://" not in (PROJECT / f"{name}.txt").read_text()
