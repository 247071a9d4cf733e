"""The checks of `make lint` of what runs Bandpics: workflows, image, compose files, Terraform.

Terraform is asked where it is installed, and in CI always."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bandpics.local import environment
from bandpics.testing import compose

PROJECT = environment.PROJECT
COMPOSE_FILES = ("docker-compose.yml", "compose.caddy.yml", "infra/monitoring/compose.yml")


def commands(folder: Path) -> list[list[str]]:
    """Returns the commands; `folder` gets the compose files without tags of YAML."""
    here = Path(sys.executable).parent
    workflows = [str(path) for path in sorted((PROJECT / ".github" / "workflows").glob("*.yml"))]
    scripts = [".ci/run", "infra/backup/backup.sh"]
    plain = []
    for name in COMPOSE_FILES:
        plain.append(folder / f"{name.replace('/', '-')}.json")
        plain[-1].write_text(json.dumps(compose.read(PROJECT / name)))
    found = [
        [str(here / "zizmor"), "--offline", "--quiet", "--persona", "regular", *workflows],
        [str(here / "check-jsonschema"), "--builtin-schema", "vendor.github-workflows", *workflows],
        [
            str(here / "check-jsonschema"),
            "--builtin-schema",
            "vendor.compose-spec",
            *map(str, plain),
        ],
        [str(here / "hadolint"), "Dockerfile"],
        [str(here / "shellcheck"), *scripts],
    ]
    if terraform := shutil.which("terraform"):
        found.append([terraform, "fmt", "-check", "-diff", "-recursive", "infra/terraform"])
    return found


def main() -> int:
    """Runs all checks; returns 1 if one failed."""
    with tempfile.TemporaryDirectory() as folder:
        codes = [
            subprocess.run(words, check=False, cwd=PROJECT).returncode
            for words in commands(Path(folder))
        ]
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
