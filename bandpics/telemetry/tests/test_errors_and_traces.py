"""Errors go to Sentry and traces to OpenTelemetry, where settings say so, and without secrets."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bandpics.local import environment
from bandpics.telemetry.tests.collector import Collector
from bandpics.testing.matrix import few

TOKEN, EMAIL, FILENAME = "t0ken-of-a-link-0123456789", "hanna@example.org", "Anna-geheim.jpg"
SECRETS = [TOKEN, EMAIL, FILENAME, "48.2081", "a-local-secret", "a-posted-secret"]
# redis-py loads the rest of OpenTelemetry by itself, where it is installed.
OPTIONAL = ("sentry_sdk", "opentelemetry.exporter", "prometheus_client")

# A web process in which one view breaks: with tokens in its path, its headers, its body and its
# variables, and an e-mail address and a place in its error.
PROGRAM = f"""
import io, sys
from bandpics.wsgi import application
from django.urls import path
from bandpics import urls
from bandpics.telemetry import tracing

def broken(request, token):
    local = "a-local-secret"
    with tracing.span("store get"):
        pass
    if "quiet" in request.GET:
        from django.http import HttpResponse
        return HttpResponse("fine")
    raise ValueError("no room for {EMAIL} at 48.208174, 16.373819")

urls.urlpatterns.append(path("i/<str:token>/broken/", broken))
body = b"a-posted-secret {FILENAME}"
environ = {{
    "REQUEST_METHOD": "POST", "PATH_INFO": "/i/{TOKEN}/broken/",
    "QUERY_STRING": "access_token={TOKEN}" + sys.argv[1],
    "SERVER_NAME": "localhost", "SERVER_PORT": "80", "HTTP_HOST": "localhost",
    "REMOTE_ADDR": "127.0.0.1", "HTTP_AUTHORIZATION": "Invitation {TOKEN}",
    "HTTP_X_REQUEST_ID": "the-request",
    "wsgi.input": io.BytesIO(body), "wsgi.url_scheme": "http", "wsgi.errors": sys.stderr,
    "CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "text/plain",
}}
from django.conf import settings
settings.ALLOWED_HOSTS = ["*"]
settings.MIDDLEWARE = [m for m in settings.MIDDLEWARE if "csrf" not in m.lower()]
application.load_middleware()
status = []
answer = application(environ, lambda line, headers: status.append(line))
b"".join(answer), answer.close()
print(status[0])
loaded = [name for name in {OPTIONAL!r} if name in sys.modules]
print("loaded:", *loaded)
if "sentry_sdk" in loaded:
    import sentry_sdk
    sentry_sdk.flush(10)
if "opentelemetry.exporter" in loaded:
    from opentelemetry import trace
    trace.get_tracer_provider().force_flush()
"""


@pytest.fixture
def collector():
    collector = Collector()
    yield collector
    collector.stop()


def run(query="", **variables):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, query],
        cwd=environment.PROJECT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.long  # test_role_imports.py
def test_without_settings_nothing_of_them_is_loaded():
    result = run()
    assert result.stdout.splitlines() == ["500 Internal Server Error", "loaded:"], result.stderr


def test_an_error_is_reported_without_secrets(collector):
    result = run(SENTRY_DSN=f"http://public@{collector.address}/1")
    assert result.stdout.splitlines()[-1] == "loaded: sentry_sdk", result.stderr
    sent = b"".join(body for path, body in collector.received if "envelope" in path).decode()
    assert "ValueError" in sent
    assert "A request failed" in sent or "Internal Server Error" in sent
    assert "the-request" in sent
    assert [secret for secret in SECRETS if secret in sent] == []


def test_a_request_that_succeeds_reports_nothing(collector):
    run("&quiet=1", SENTRY_DSN=f"http://public@{collector.address}/1")
    assert collector.received == []


def test_a_request_is_traced_by_its_route_without_secrets(collector):
    result = run("&quiet=1", OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{collector.address}")
    assert result.stdout.splitlines()[-1] == "loaded: opentelemetry.exporter", result.stderr
    (sent,) = [body for path, body in collector.received if path == "/v1/traces"]
    for expected in [b"POST i/<str:token>/broken/", b"store get", b"the-request", b"bandpics"]:
        assert expected in sent
    assert [secret for secret in SECRETS if secret.encode() in sent] == []


@pytest.mark.parametrize(
    ("setting", "package"),
    few([("SENTRY_DSN", "sentry_sdk"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "opentelemetry")], 1),
)
def test_a_setting_without_its_package_says_what_to_install(setting, package):
    hidden = f"import sys; sys.modules[{package!r}] = None; import bandpics.wsgi"
    result = subprocess.run(
        [sys.executable, "-c", hidden],
        cwd=environment.PROJECT,
        env={**os.environ, setting: "http://public@127.0.0.1:9/1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert f"{setting} is set, but" in result.stderr
    assert "requirements-telemetry.txt" in result.stderr
