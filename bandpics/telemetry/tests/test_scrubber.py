from __future__ import annotations

import pytest

from bandpics.telemetry import scrubber

SECRET = "S3cret-token_0123"


@pytest.mark.parametrize(
    "line",
    [
        f"GET /i/{SECRET}/photos/ 200",
        f"GET /w/{SECRET}/ 200",
        f"GET /j/{SECRET}/ 200",
        f"/login/?next=/teams/join/{SECRET}/",
        f"/account/email/{SECRET}/",
        f"/account/password/reset/MQ/{SECRET}/",
        f"GET /api/v1/images/?access_token={SECRET}&page=2",
        f'{{"authorization": "Invitation {SECRET}"}}',
        f"Authorization: Bearer {SECRET}",
        f"Authorization: Api-Key {SECRET}",
        f"https://s3/x?X-Amz-Credential={SECRET}&X-Amz-Signature={SECRET}",
        f"Cookie: sessionid={SECRET}; csrftoken={SECRET}",
        f"cannot connect to redis://:{SECRET}@redis:6379/0",
        f"cannot connect to amqp://bandpics:{SECRET}@rabbitmq:5672//",
        f"Key (email)=({SECRET}@example.org) already exists.",
    ],
)
def test_a_secret_is_hidden(line):
    hidden = scrubber.hide(line)
    assert SECRET not in hidden
    assert "[hidden]" in hidden


@pytest.mark.parametrize(
    "line",
    [
        "at 48.208174, 16.373819",
        '{"lat": 48.208174, "lon": 16.373819}',
        "Point(-33.868820 151.209296)",
        "lat=48.208174 lon=16.373819",
    ],
)
def test_a_place_is_hidden(line):
    hidden = scrubber.hide(line)
    assert not any(digits in hidden for digits in ("208174", "373819", "868820", "209296"))


@pytest.mark.parametrize(
    "line",
    [
        "redis://:**@127.0.0.1:6379/0",
        "Task images.tasks.sweep succeeded in 0.123456789s",
        '"route": "i/<str:token>/photos/", "status": 200, "duration_ms": 3.4',
        '"timestamp": "2026-11-22T03:57:00.712+00:00", "image_id": "01a2016a-c8ca-7490"',
        "worker@bandpics-1 is ready",
    ],
)
def test_what_is_no_secret_stays(line):
    assert scrubber.hide(line) == line
