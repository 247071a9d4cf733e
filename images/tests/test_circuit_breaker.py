"""A store that hangs is asked now and then, not once for every photo."""

from __future__ import annotations

import threading

import pytest
from billiard.exceptions import SoftTimeLimitExceeded

from bandpics.testing.fault_proxy import SLOW_DOWN
from images.models import Upload
from images.processing import work
from images.storage import client as storage_client
from images.storage.circuit_breaker import CircuitBreaker, CircuitOpen
from images.storage.objects import ObjectMissing, StorageUnavailable, photo_storage
from images.tests import drawn_pictures


class Trouble(Exception):
    pass


@pytest.fixture
def clock():
    return [100.0]


@pytest.fixture
def breaker(clock):
    return CircuitBreaker(
        failures_in_a_row=3,
        long_seconds=10,
        pause_seconds=20,
        longest_try_seconds=120,
        is_failure=lambda error: isinstance(error, Trouble),
        now=lambda: clock[0],
    )


def fail(breaker, error=Trouble, *, took=0.0, clock=None):
    with pytest.raises(error), breaker.watched():
        if clock:
            clock[0] += took
        raise error


def works(breaker):
    with breaker.watched():
        return True


def test_three_failures_in_a_row_open_it_for_the_pause(breaker, clock):
    fail(breaker)
    fail(breaker)
    assert works(breaker)
    for _ in range(3):
        fail(breaker)
    with pytest.raises(CircuitOpen), breaker.watched():
        pytest.fail("was asked")
    clock[0] += 19
    assert breaker.is_open
    clock[0] += 2
    assert works(breaker)
    assert works(breaker)


def test_one_long_failure_is_enough(breaker, clock):
    fail(breaker, took=11, clock=clock)
    assert breaker.is_open


def test_after_the_pause_one_tries_and_the_others_wait_for_its_answer(breaker, clock):
    fail(breaker, took=11, clock=clock)
    clock[0] += 21
    with pytest.raises(Trouble), breaker.watched():
        with pytest.raises(CircuitOpen), breaker.watched():
            pytest.fail("two at once")
        raise Trouble
    assert breaker.is_open
    clock[0] += 21
    with breaker.watched():
        assert breaker.is_open
    assert not breaker.is_open


def test_a_try_that_never_ends_does_not_keep_it_open(breaker, clock):
    fail(breaker, took=11, clock=clock)
    clock[0] += 21
    abandoned = breaker.watched()
    abandoned.__enter__()
    clock[0] += 119
    assert breaker.is_open
    clock[0] += 2
    assert works(breaker)


@pytest.mark.parametrize("error", [KeyError, GeneratorExit])
def test_any_answer_closes_it(breaker, clock, error):
    fail(breaker, took=11, clock=clock)
    clock[0] += 21
    fail(breaker, error)
    assert works(breaker)


# --- The store ------------------------------------------------------------------------------


PAUSE = 2.0


@pytest.fixture
def short_pause(monkeypatch):
    """Longer than a busy machine takes for the calls that must not ask."""
    monkeypatch.setattr(storage_client, "PAUSE_SECONDS", PAUSE)


@pytest.mark.usefixtures("short_pause")
def test_a_store_that_says_slow_down_is_left_alone_for_a_while(s3_proxy):
    store = photo_storage()
    slow = s3_proxy.answer(*SLOW_DOWN, times=None, matching="HEAD")
    for _ in range(storage_client.FAILURES_IN_A_ROW):
        with pytest.raises(StorageUnavailable):
            store.head("nothing")
    asked = slow.hits
    for _ in range(100):
        with pytest.raises(StorageUnavailable, match="in a moment"):
            store.head("nothing")
    assert slow.hits == asked

    slow.lift()
    threading.Event().wait(PAUSE)
    for _ in range(2):
        with pytest.raises(ObjectMissing):
            store.head("nothing")


def test_a_store_that_does_not_answer_costs_one_timeout(s3_proxy, monkeypatch):
    # Less than the pauses between attempts and the time-outs together, which are drawn by lot.
    monkeypatch.setattr(storage_client, "LONG_SECONDS", 0.3)
    monkeypatch.setattr(storage_client, "PAUSE_SECONDS", 60.0)
    store = photo_storage()
    silent = s3_proxy.stall(direction="down", times=None)
    with pytest.raises(StorageUnavailable, match="did not answer"):
        store.head("nothing")
    asked = silent.hits
    assert asked
    for _ in range(100):
        with pytest.raises(StorageUnavailable, match="in a moment"):
            store.head("nothing")
    assert silent.hits == asked


def test_a_worker_s_time_limit_is_no_answer(breaker):
    fail(breaker)
    fail(breaker)
    fail(breaker, SoftTimeLimitExceeded)
    assert not breaker.is_open
    fail(breaker)
    assert breaker.is_open


def test_a_refusal_is_about_one_request_only(s3_proxy):
    store = photo_storage()
    s3_proxy.answer(403, times=None, matching="^HEAD")
    for _ in range(10):
        with pytest.raises(StorageUnavailable, match="403"):
            store.head("nothing")
    s3_proxy.heal()
    with pytest.raises(ObjectMissing):
        store.head("nothing")


@pytest.mark.django_db
@pytest.mark.usefixtures("short_pause")
def test_photos_wait_for_the_store_and_not_each_for_its_own_timeout(cleo, s3_proxy, bucket):
    waiting = [cleo.send(drawn_pictures.jpeg(width=60, height=40, seed=n)) for n in range(8)]
    broken = s3_proxy.answer(500, times=None, matching="^GET")
    for _ in range(10):
        for upload in waiting:
            with pytest.raises(StorageUnavailable):
                work.process(upload)
    assert broken.hits < 40  # of 80 x 2, had each asked
    assert set(Upload.objects.values_list("status", "attempt")) == {("queued", 0)}

    broken.lift()
    threading.Event().wait(PAUSE)
    for upload in waiting:
        work.process(upload)
    assert set(Upload.objects.values_list("status", flat=True)) == {"done"}
