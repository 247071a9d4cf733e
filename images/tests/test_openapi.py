"""The API against its own description, by schemathesis: on the live server, with every verb.

Two of its checks are off, by name and with their reason:

- positive_data_acceptance: what fits the schema may still be refused, for reasons OpenAPI cannot
  say: a date must lie ahead, a password be good, a group be one's own, one of two fields be there.
- negative_data_rejection: forms know no types, so our readers take 5 for "5" and an empty
  parameter for none, as Django REST framework does. What is truly wrong is refused; the tests of
  each door show it.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

OFF = "positive_data_acceptance,negative_data_rejection"

pytestmark = pytest.mark.xdist_group("stack")


def schemathesis(stack, folder, *options: str, seconds: int) -> None:
    done = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "schemathesis.cli",
                "run",
                f"{stack['web_url']}/api/v1/schema/",
            ),
            *("--header", f"Authorization: Api-Key {stack['admin_api_key']}"),
            *("--exclude-checks", OFF, "--warnings", "off", "--continue-on-failure"),
            # It would take away the key it calls with, and the account of everybody else.
            *("--exclude-path-regex", "users/me/|credentials/rotate"),
            *("--max-time", str(seconds), "--workers", "1", *options),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + 120,
    )
    assert done.returncode == 0, done.stdout[-20_000:]
    assert "Tested:" in done.stdout


@pytest.mark.long  # test_rude_requests.py, test_unknown_names.py
def test_a_short_run_finds_nothing(running_stack, tmp_path):
    schemathesis(
        running_stack, tmp_path, "--phases", "examples,coverage", "--seed", "20260621", seconds=10
    )


@pytest.mark.long
def test_a_long_run_finds_nothing(running_stack, tmp_path):
    schemathesis(
        running_stack,
        tmp_path,
        "--phases",
        "examples,coverage,fuzzing,stateful",
        "--max-examples",
        "200",
        seconds=900,
    )
