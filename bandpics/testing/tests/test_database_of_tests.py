"""The database of each worker: it is made beside programs that others started, and the connection
to it is kept, so that the next test finds a session as if it were new."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import psycopg
from django.db import connection
from django.test import TransactionTestCase

SESSION = """
    SELECT current_setting('session_replication_role'), current_setting('lock_timeout'),
        current_setting('statement_timeout'), to_regclass('pg_temp.stored_objects'),
        (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())
"""
LEFT = """
    SET session_replication_role = replica;
    SET lock_timeout = '5s';
    SET statement_timeout = '7s';
    CREATE TEMP TABLE stored_objects (key text);
    SELECT pg_advisory_lock(42)
"""


def test_what_a_test_leaves_in_its_session_is_not_there_in_the_next(transactional_db):
    with connection.cursor() as cursor:
        cursor.execute(LEFT)
    kept = connection.connection
    TransactionTestCase()._fixture_teardown()
    with connection.cursor() as cursor:
        cursor.execute(SESSION)
        assert cursor.fetchone() == ("origin", "0", "0", None, 0)
    assert connection.connection is kept


def test_a_worker_makes_its_database_while_a_program_uses_that_of_the_run():
    url = urlsplit(os.environ["DATABASE_URL"])
    template = connection.settings_dict["TEST"]["TEMPLATE"]
    maintenance = url._replace(path="/postgres").geturl()
    with (
        psycopg.connect(url.geturl()) as program,
        psycopg.connect(maintenance, autocommit=True) as worker,
    ):
        worker.execute(f"CREATE DATABASE one_more TEMPLATE {template}")
        worker.execute("DROP DATABASE one_more")
        assert program.execute("SELECT 1").fetchone() == (1,)
