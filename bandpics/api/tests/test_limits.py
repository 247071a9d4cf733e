"""How much each may ask: counted in the real Redis, and without it."""

from __future__ import annotations

import socket
import time

import pytest
import redis
from django.conf import settings as django_settings
from django.test import RequestFactory
from rest_framework.test import APIClient

from bandpics import limits
from bandpics.api.tests.conftest import ME, problem

pytestmark = pytest.mark.django_db
GONE = "redis://127.0.0.1:1/0"


@pytest.fixture
def rates(settings):
    def set_rates(**changes):
        settings.RATE_LIMITS = {**settings.RATE_LIMITS, **changes}

    return set_rates


def test_each_key_has_its_own_measure(ada, key_of, with_header, rates):
    rates(key="3/minute")
    one, other = (with_header(f"Api-Key {key_of(ada)[1]}") for _ in range(2))
    assert [one.get(ME).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert other.get(ME).status_code == 200
    answer = one.get(ME)
    body = problem(answer, 429, "too-many-requests")
    assert 1 <= int(answer["Retry-After"]) <= 60
    assert "available in" in body["detail"]


def test_a_person_is_measured_as_one_by_all_sessions_and_tokens(ada, rates):
    rates(user="2/minute")
    clients = [APIClient() for _ in range(3)]
    for client in clients:
        client.force_login(ada)
    assert [client.get(ME).status_code for client in clients] == [200, 200, 429]


def test_wrong_keys_are_limited_by_address_and_right_ones_are_not(ada, key_of, with_header, rates):
    rates(guess="2/minute")
    wrong, right = with_header("Api-Key x.y"), with_header(f"Api-Key {key_of(ada)[1]}")
    assert [wrong.get(ME).status_code for _ in range(4)] == [401, 401, 429, 429]
    assert "Retry-After" in wrong.get(ME)
    assert right.get(ME).status_code == 200
    problem(with_header("Bearer x").get(ME), 429, "too-many-requests")


def test_the_counts_are_in_redis_for_all_processes(rates):
    rates(address="5/minute")
    limits.consume(("address", "192.0.2.7"))
    client = redis.Redis.from_url(django_settings.REDIS_URL)
    assert any(b"192.0.2.7" in key for key in client.keys("limit:*"))


def test_a_redis_that_was_restarted_goes_on_counting(rates):
    """It has forgotten the script, and ended the connections."""
    rates(address="3/minute", guess="9/minute")
    keys = (("address", "192.0.2.8"), ("guess", "192.0.2.8"))
    client = redis.Redis.from_url(django_settings.REDIS_URL)
    assert limits.consume(*keys) == 0
    client.script_flush()
    assert limits.consume(*keys) == 0
    client.client_kill_filter(_type="normal", skipme=True)
    assert limits.consume(*keys) == 0
    assert limits.consume(*keys) > 0  # each was counted once
    assert limits._fallback_until <= time.monotonic()  # and none in this process


@pytest.fixture
def mute():
    """A Redis that takes the call and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


@pytest.mark.parametrize("kind", ["gone", "mute"])
def test_without_redis_limits_hold_and_nobody_waits(ada, rates, settings, kind, mute, caplog):
    settings.REDIS_URL = mute if kind == "mute" else GONE
    rates(user="3/minute")
    client = APIClient()
    client.force_login(ada)
    started = time.monotonic()
    codes = [client.get(ME).status_code for _ in range(5)]
    assert codes == [200, 200, 200, 429, 429]
    # Loose, for a busy machine; were each call to wait for this Redis, it would be 30 s and more.
    assert time.monotonic() - started < 5
    assert "counts by itself" in caplog.text


def test_once_redis_is_back_it_counts_again(rates, settings, monkeypatch):
    rates(address="2/minute")
    there = settings.REDIS_URL
    key = ("address", "192.0.2.8")
    settings.REDIS_URL = GONE
    assert [bool(limits.consume(key)) for _ in range(3)] == [False, False, True]
    settings.REDIS_URL = there
    assert limits.consume(key)  # not asked again for some seconds
    monkeypatch.setattr(limits, "_fallback_until", 0.0)
    assert not limits.consume(key)


def _address(**headers):
    return limits.address_of(RequestFactory().get("/", **headers))


def test_an_address_is_what_the_connection_says():
    assert _address(REMOTE_ADDR="192.0.2.1", HTTP_X_FORWARDED_FOR="9.9.9.9") == "192.0.2.1"


def test_behind_proxies_only_what_they_wrote_counts(settings):
    settings.TRUSTED_PROXY = True
    forged = "6.6.6.6, 203.0.113.5, 10.0.0.2"
    assert _address(REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=forged) == "10.0.0.2"
    settings.TRUSTED_PROXY_COUNT = 2
    assert _address(REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=forged) == "203.0.113.5"
    assert _address(REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR="6.6.6.6") == "10.0.0.1"
    assert _address(REMOTE_ADDR="10.0.0.1") == "10.0.0.1"


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
        ("nonsense", "nonsense"),
    ],
)
def test_a_household_of_ipv6_is_one_address(remote, address):
    assert _address(REMOTE_ADDR=remote) == address
