"""Tests talk to the real thing: one Postgres, Redis and S3 for the whole test run.

Each process of a parallel run has its own database (pytest-django), bucket and Redis number.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest

from bandpics.local import addresses, environment, postgres, s3_server
from bandpics.local.data_dir import DataDir, write_private
from bandpics.local.diagnostics import CannotStart
from bandpics.local.stack import OWN, Stack
from bandpics.local.supervisor import NoSignals, Program, Supervisor, tied_to_parent

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

LIMITS = [
    f"RATE_LIMIT_{whose}"
    for whose in [
        *("ADDRESS", "USER", "KEY", "INVITATION", "DEVICE", "GUESS", "PASSWORD", "ACCOUNT"),
        *("MAIL", "REGISTER"),
    ]
]
START_SECONDS = 90
STOP_SECONDS = 20
KILLED_RUN_SECONDS = 600
FOLDER_PREFIX = "bandpics-tests-"


# A wrapper, because pytest-django reads the settings in this same hook.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    if _is_worker():
        _take_a_corner()
    elif _only_looks(early_config):
        os.environ.update(environment.PRETENDED)
    else:
        _start(early_config)
    return (yield)


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """A good password hash costs a quarter of a second, and every test makes people."""
    from django.conf import settings
    from django.db import connection

    connection.settings_dict["TEST"]["TEMPLATE"] = postgres.DATABASE  # migrated once for all
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    _look_at_static_files_once()
    _read_descriptions_of_s3_once()
    _empty_tables_quickly()
    _refuse_updates_that_cannot_decide()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Groups that share a stack take minutes: they start first, so that nothing waits for them."""
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)


def _look_at_static_files_once() -> None:
    """Every test's client loads the middleware anew, and WhiteNoise looks at hundreds of files
    whenever it is loaded: more work than most tests."""
    from whitenoise.middleware import WhiteNoiseMiddleware

    look = WhiteNoiseMiddleware.update_files_dictionary
    found: dict[tuple[str, str], dict[str, Any]] = {}

    def remember(self: Any, root: str, prefix: str) -> None:
        if (root, prefix) not in found:
            look(self, root, prefix)
            found[root, prefix] = dict(self.files)
        self.files.update(found[root, prefix])

    WhiteNoiseMiddleware.update_files_dictionary = remember


def _read_descriptions_of_s3_once() -> None:
    """Every thread and every changed setting has a botocore session of its own, and each would
    read megabytes of JSON; one loader serves them all, as it does within a session."""
    import botocore.session

    botocore.session.create_loader = functools.cache(botocore.session.create_loader)


def _empty_tables_quickly() -> None:
    """After a test that commits. Django would TRUNCATE all tables, which makes hundreds of files
    anew, and then find all permissions and content types again: those nobody changes."""
    from django.db import connection, transaction
    from django.test import TransactionTestCase

    kept = {"auth_permission", "django_content_type"}

    def empty(self: Any) -> None:
        tables = set(connection.introspection.django_table_names()) - kept
        deletes = [f'DELETE FROM "{table}"' for table in tables]  # noqa: S608 - our own names
        with transaction.atomic(), connection.cursor() as cursor:
            # Foreign keys are triggers: with none, the order is of no matter.
            cursor.execute("; ".join(["SET LOCAL session_replication_role = replica", *deletes]))

    TransactionTestCase._fixture_teardown = empty  # type: ignore[attr-defined]  # private


# `UPDATE "x" … WHERE … IN (SELECT U0."id" FROM "x" U0 …`: what Django makes of a filter that joins.
JOINED_UPDATE = re.compile(r'UPDATE ("\w+") .* IN \(SELECT \w+\."id" FROM \1 ', re.DOTALL)


class UndecidedUpdate(AssertionError):
    """An UPDATE that looks its rows up first: of two at once, both would win."""


def _refuse_updates_that_cannot_decide() -> None:
    """Whoever waits for a row sees its new columns, but a sub-select's old ones (PostgreSQL,
    "Read Committed Isolation Level"): filter by columns of the row itself, or by Exists()."""
    from django.db.backends.signals import connection_created

    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if JOINED_UPDATE.match(sql):
            raise UndecidedUpdate(sql)
        return execute(sql, params, many, context)

    def watch(connection: Any, **kwargs: Any) -> None:
        if refuse not in connection.execute_wrappers:
            connection.execute_wrappers.append(refuse)

    connection_created.connect(watch, weak=False)


@pytest.fixture(scope="session")
def running_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What stack.json says of a whole Bandpics of its own, web and worker included.

    Mark tests that use it with `@pytest.mark.xdist_group("stack")`: one is started per process.
    """
    with stack_of_its_own(tmp_path_factory.mktemp("stack")) as known:
        yield known


@contextmanager
def stack_of_its_own(data_dir: Path, **settings: str) -> Iterator[dict[str, Any]]:
    """As running_stack, with other settings; the folder goes with it."""
    bring_static_files(data_dir)
    bring_database(data_dir)
    # Nobody listens there but a test that plays the map.
    tile_port = addresses.free_port(addresses.LOOPBACK)
    tile_url = f"http://{addresses.LOOPBACK}:{tile_port}/{{z}}/{{x}}/{{y}}.png"
    with (data_dir / "up.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "manage.py", "up", "--data-dir", str(data_dir)),
                *("--port", str(addresses.free_port(addresses.LOOPBACK))),
            ],
            cwd=environment.PROJECT,
            # Tests ask a lot, all of them from one address.
            env=outside()
            | dict.fromkeys(LIMITS, "1000000/minute")
            | {"MAP_TILE_URL": tile_url}
            | settings,
            stdout=log,
            stderr=log,
        )
    try:
        yield wait_for_stack(data_dir, process) | {"tile_port": tile_port}
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)
        shutil.rmtree(data_dir, ignore_errors=True)


@pytest.fixture(autouse=True)
def _limits_start_anew() -> None:
    """What one test asked for is not held against the next."""
    from bandpics import limits  # needs settings, which a plugin comes before

    limits.forget()


def outside() -> dict[str, str]:
    """The environment without anything that would lead to a stack."""
    ours = {*OWN, "STATIC_ROOT", "DJANGO_SETTINGS_MODULE", "BANDPICS_DATA_DIR"}
    return {name: value for name, value in os.environ.items() if name not in ours}


def bring_static_files(data_dir: Path) -> None:
    """Spare a new stack the seconds of collecting what this test run has collected already."""
    collected = Path(os.environ["STATIC_ROOT"])
    if not (data_dir / "static").exists():
        shutil.copytree(collected, data_dir / "static", dirs_exist_ok=True)


def bring_database(data_dir: Path) -> None:
    """Spare a new stack the seconds of initdb and of migrations: a copy of this run's Postgres."""
    if (data_dir / "postgres").exists():
        return
    url = os.environ["DATABASE_URL"]
    password = unquote(urlsplit(url).password or "")
    write_private(data_dir / "secrets.json", json.dumps({"postgres_password": password}))
    postgres.copy(url, data_dir / "postgres", run=_run)


def _run(program: Program) -> None:
    subprocess.run(
        [*tied_to_parent(program), *program.command], env=program.environment, check=True
    )


def wait_for_stack(data_dir: Path, process: subprocess.Popen[Any]) -> dict[str, Any]:
    """What is in stack.json, once it is there."""
    end = time.monotonic() + START_SECONDS
    while not (data_dir / "stack.json").exists():
        if process.poll() is not None or time.monotonic() > end:
            log = data_dir / "up.log"
            raise AssertionError(log.read_text() if log.exists() else "no stack.json")
        time.sleep(0.05)
    return dict(json.loads((data_dir / "stack.json").read_text()))


def _start(config: pytest.Config) -> None:
    _forget_killed_runs()
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    try:
        data_dir = DataDir(folder)
        supervisor = Supervisor(data_dir, signals=NoSignals(), report=lambda line: None)
        stack = Stack(
            data_dir, supervisor, environment=outside(), host=addresses.LOOPBACK, port=8000
        )
        config.add_cleanup(stack.stop)
        stack.start_stores(postgres_settings=(*postgres.NOT_DURABLE, *postgres.COPYABLE))
        stack.prepare_for_tests()
    except CannotStart as error:
        raise pytest.UsageError(f"bandpics: {error}") from None
    os.environ.update(stack.variables)


def _forget_killed_runs() -> None:
    """Remove what test runs left behind that could not clean up after themselves."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        with suppress(OSError, CannotStart):  # somebody else's, or in use
            if time.time() - folder.stat().st_mtime < KILLED_RUN_SECONDS:
                continue  # too young to tell: it may be about to take its lock
            data_dir = DataDir(folder)
            Supervisor(data_dir, signals=NoSignals(), report=lambda line: None).stop_leftovers()
            shutil.rmtree(folder, ignore_errors=True)
            data_dir.release()


def _take_a_corner() -> None:
    worker = os.environ["PYTEST_XDIST_WORKER"]
    server = os.environ["REDIS_URL"].rpartition("/")[0]
    os.environ["REDIS_URL"] = f"{server}/{1 + int(worker.removeprefix('gw'))}"
    os.environ["S3_BUCKET"] = f"{s3_server.BUCKET}-{worker}"
    s3_server.make_bucket(os.environ, os.environ["S3_BUCKET"])


def _is_worker() -> bool:
    return "PYTEST_XDIST_WORKER" in os.environ


def _only_looks(config: pytest.Config) -> bool:
    asked = config.known_args_namespace
    return bool(asked.help or asked.version or asked.collectonly or asked.markers)
