"""The checks of `make lint` that need settings: types, migrations, deployment."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from bandpics.local import environment

CHECKS = (
    ("-m", "mypy"),
    ("manage.py", "makemigrations", "--check", "--dry-run"),
    ("manage.py", "check", "--deploy", "--fail-level", "WARNING"),
    ("manage.py", "spectacular", "--validate", "--fail-on-warn", "--file", "{schema}"),
    ("-m", "openapi_spec_validator", "{schema}"),  # defaults and examples fit their schemas, too
)


def main() -> int:
    """Run all, so that one pass shows everything; 1 if any complained."""
    variables = {**os.environ, **environment.PRETENDED}
    with tempfile.TemporaryDirectory() as folder:
        schema = f"{folder}/openapi.yaml"
        codes = [
            # makemigrations would like to compare with a database; without one it only says so.
            subprocess.run(
                [
                    *(sys.executable, "-W", "ignore::RuntimeWarning"),
                    *(word.format(schema=schema) for word in words),
                ],
                check=False,
                env=variables,
                cwd=environment.PROJECT,
            ).returncode
            for words in CHECKS
        ]
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
