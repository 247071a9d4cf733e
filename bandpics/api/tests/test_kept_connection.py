"""A connection to Postgres that is kept is looked at before it is used again."""

from __future__ import annotations

import signal

import psycopg
import pytest
from django.db import close_old_connections, connection

from bandpics.database import base

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def asked(monkeypatch):
    """Counts how often the connection was asked by a statement whether it is usable."""
    asked, ask = [], base.base.DatabaseWrapper.is_usable

    def counted(self):
        asked.append(ask(self))
        return asked[-1]

    monkeypatch.setattr(base.base.DatabaseWrapper, "is_usable", counted)
    return asked


def process_id():
    close_old_connections()  # as each request does
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def test_a_connection_in_use_is_not_asked_each_time(asked):
    assert len({process_id() for _ in range(20)}) == 1
    assert len(asked) <= 1


def test_one_that_postgres_has_ended_is_replaced(asked):
    before = process_id()
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [before])
    assert process_id() != before
    assert asked[-1] is False


def test_after_a_pause_it_is_asked_by_a_statement(asked, monkeypatch):
    monkeypatch.setattr(base, "ASKED_EVERY_SECONDS", 0.0)
    before = process_id()
    assert process_id() == before
    assert asked
    assert all(asked)


class TooLateError(Exception):
    pass


@pytest.fixture
def time_limit():
    """Raises TooLateError in the main thread in some moments, as Celery's time limit does."""

    def give_up(*_):
        raise TooLateError

    before = signal.signal(signal.SIGALRM, give_up)
    yield lambda: signal.setitimer(signal.ITIMER_REAL, 0.2)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_one_whose_statement_was_left_while_it_ran_is_replaced(time_limit):
    before = process_id()
    connection.close()
    assert process_id() != before  # a new one, which nobody asks for seconds
    with connection.cursor() as cursor:
        time_limit()
        with pytest.raises(TooLateError):
            cursor.execute("SELECT pg_sleep(3)")
    assert process_id()


def test_one_whose_transaction_has_failed_is_replaced():
    connection.close()
    before = process_id()
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        with pytest.raises(psycopg.Error):
            cursor.cursor.execute("SELECT nothing")
    assert process_id() != before
