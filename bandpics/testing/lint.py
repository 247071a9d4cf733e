"""The checks of `make lint` that need settings: types, migrations, deployment, OpenAPI."""

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
    ("-m", "openapi_spec_validator", "{schema}"),  # also checks defaults and examples
)


def main() -> int:
    """Runs all checks; returns 1 if one failed."""
    variables = {**os.environ, **environment.PRETENDED}
    with tempfile.TemporaryDirectory() as folder:
        schema = f"{folder}/openapi.yaml"
        codes = [
            # makemigrations warns that there is no database to compare with.
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
