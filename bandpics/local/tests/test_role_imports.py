"""No role loads what only others need: each megabyte would count once for each container."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from bandpics.local import environment

WORKER = """
from bandpics.celery import app
app.loader.import_default_modules()
app.finalize()
"""
WEB = "import bandpics.wsgi, bandpics.urls"
# Loaded where captions are written or settings ask for telemetry. redis-py loads the rest of
# OpenTelemetry, where it is installed.
OPTIONAL = {
    *("openai", "google.genai"),
    *("sentry_sdk", "opentelemetry.exporter", "prometheus_client"),
}
ADMIN_AND_API = {
    *("bandpics.urls", "bandpics.wsgi", "gunicorn", "segno"),
    *("images.admin", "images.admin_site", "groups.admin", "invitations.admin"),
    *("images.api.images", "images.api.urls", "invitations.api.views", "groups.api.views"),
    *("drf_spectacular.openapi", "rest_framework.test", "django.test"),
    *("images.views.gallery", "bandpics.account.urls", "whitenoise"),
}
LOCAL = {"bandpics.local", "bandpics.testing", "bandpics.benchmarks", "pytest"}


@pytest.mark.parametrize(
    ("script", "unneeded"),
    [
        pytest.param(WORKER, {*OPTIONAL, *ADMIN_AND_API, *LOCAL}, id="workers and beat"),
        pytest.param(WEB, {*OPTIONAL, *LOCAL, "celery.apps.worker", "celery.beat"}, id="web"),
    ],
)
def test_a_role_loads_nothing_that_only_others_need(script, unneeded):
    tell = "\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    answer = subprocess.run(
        [sys.executable, "-c", script + tell],
        cwd=environment.PROJECT,
        env={**os.environ, **environment.PRETENDED},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(json.loads(answer.stdout.splitlines()[-1]))
    assert len(loaded) > 500
    assert loaded & unneeded == set()
