"""Starts one Postgres, Redis and S3 for a test run, and gives tests a Bandpics of their own.

Each process of a parallel run has its own database (pytest-django), bucket and Redis database.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
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
        *("MAIL", "TAKEDOWN", "REGISTER", "RESET"),
    ]
]
# So many new objects before the garbage collector looks: one request makes thousands.
GARBAGE = 50_000
ANSWER_SECONDS = 30
START_SECONDS = 90
STOP_SECONDS = 20
KILLED_RUN_SECONDS = 600
FOLDER_PREFIX = "bandpics-tests-"
# What the tests of one xdist_group share, and what stops with the last of them.
of_group = ExitStack()


# A wrapper, because pytest-django reads the settings in this same hook.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    _keep_bytecode()
    asked = early_config.known_args_namespace
    if "PYTEST_XDIST_WORKER" in os.environ:
        _use_own_stores()
    elif asked.help or asked.version or asked.collectonly or asked.markers:
        os.environ.update(environment.PRETENDED)
    else:
        _start(early_config)
    return (yield)


def _keep_bytecode() -> None:
    """Lets Python store bytecode even where the environment forbids it, as in many containers.

    A run starts a hundred processes. Each would compile all our code anew, and those of xdist would
    rewrite all asserts, which takes more than half of a minute in all.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Makes tests faster, and refuses UPDATEs that look up their rows first."""
    import botocore.session
    import urllib3
    from django.conf import settings
    from django.db import connection

    connection.settings_dict["TEST"]["TEMPLATE"] = postgres.TEMPLATE  # migrated once for all
    # The default hasher takes a quarter of a second, and every test creates users.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # Each botocore session would read megabytes of JSON.
    botocore.session.create_loader = functools.cache(botocore.session.create_loader)
    # Tests ask a whole stack: three seconds, urllib3's own, are too few on a busy machine.
    (urllib3.request.__kwdefaults__ or {})["timeout"] = ANSWER_SECONDS
    _cache_static_files()
    _sign_in_faster()
    _flush_tables_faster()
    _refuse_joined_updates()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Collects without the garbage collector, which would look through all tests again and again,
    and exempts what was collected from it: the tests stay as long as the process."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(GARBAGE)
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts groups that share a stack first, because they take minutes, and one after the other;
    then files, those of many tests before those of few, so that all workers end at one time."""
    tests_of = Counter(item.path for item in items)

    def place(item: pytest.Item) -> tuple[object, ...]:
        group = _group(item)
        return (0, group) if group else (1, -tests_of[item.path])

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Gives a worker all tests of a file, which share fixtures and what the process remembers.

    Its own order would put the groups behind large files.
    """
    from xdist.scheduler import LoadGroupScheduling

    class Files(LoadGroupScheduling):  # type: ignore[misc]  # it has no types
        def _split_scope(self, nodeid: str) -> str:
            return str(super()._split_scope(nodeid)).partition("::")[0]

    config.option.loadscopereorder = False
    return Files(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, Any, Any]:
    """Stops the stack of a group after its last test: idle, it takes 5 % of a core."""
    result = yield
    if nextitem is None or _group(nextitem) != _group(item):
        of_group.close()
    return result


def _group(item: pytest.Item) -> str | None:
    marker = item.get_closest_marker("xdist_group")
    return str((*marker.args, *marker.kwargs.values())[0]) if marker else None


def _cache_static_files() -> None:
    """Lets WhiteNoise look at the static files once, and not for every test client."""
    from whitenoise.middleware import WhiteNoiseMiddleware

    update = WhiteNoiseMiddleware.update_files_dictionary
    found: dict[tuple[str, str], dict[str, Any]] = {}

    def update_once(self: Any, root: str, prefix: str) -> None:
        if (root, prefix) not in found:
            update(self, root, prefix)
            found[root, prefix] = dict(self.files)
        self.files.update(found[root, prefix])

    WhiteNoiseMiddleware.update_files_dictionary = update_once


def _sign_in_faster() -> None:
    """Lets force_login() store a new session once: Django stores it three times under two keys.

    What a person's own sign-in does is tried by tests that send the form.
    """
    from django.conf import settings
    from django.contrib.auth import login
    from django.http import HttpRequest
    from django.test import Client

    from bandpics.users.sessions import SessionStore  # needs settings

    sign_in = Client._login  # type: ignore[attr-defined]  # private

    def sign_in_once(self: Any, user: Any, backend: str | None = None) -> None:
        if settings.SESSION_COOKIE_NAME in self.cookies:
            sign_in(self, user, backend)
            return
        request = HttpRequest()
        request.session = session = SessionStore()
        # It has no key yet that somebody else may know.
        session.cycle_key = lambda: None  # type: ignore[method-assign]  # of this one
        login(request, user, backend)
        request.session.save()
        self._set_login_cookies(request)

    Client._login = sign_in_once  # type: ignore[attr-defined]


def _flush_tables_faster() -> None:
    """Replaces Django's TRUNCATE of all tables by DELETE, which is faster for small tables, and
    keeps the connection for the next test: a new one reads the catalogue of Postgres anew.

    Permissions and content types stay, because no test changes them.
    """
    from django.db import connection, transaction
    from django.test import TransactionTestCase

    kept = {"auth_permission", "django_content_type"}
    # migrate leaves a lock_timeout in its session; a test that fails halfway leaves triggers off,
    # or a lock that the next test would hold, too.
    anew = [
        *(f"RESET {name}" for name in ("session_replication_role", "lock_timeout")),
        *("RESET statement_timeout", "SELECT pg_advisory_unlock_all()", "DISCARD TEMP"),
    ]

    def never(_self: Any) -> bool:
        return False

    def empty(self: Any) -> None:
        tables = set(connection.introspection.django_table_names()) - kept
        deletes = [f'DELETE FROM "{table}"' for table in tables]  # noqa: S608 - our own names
        if connection.connection is not None and not connection.is_usable():
            connection.close()  # the test has cut it
        with transaction.atomic(), connection.cursor() as cursor:
            # Without triggers there are no foreign keys, and any order will do.
            without_triggers = "SET LOCAL session_replication_role = replica"
            cursor.execute("; ".join([*anew, without_triggers, *deletes]))

    TransactionTestCase._fixture_teardown = empty  # type: ignore[attr-defined]  # private
    TransactionTestCase._should_reload_connections = never  # type: ignore[attr-defined]  # private


# Django makes `UPDATE "x" … WHERE … IN (SELECT U0."id" FROM "x" U0 …` of a filter that joins.
JOINED_UPDATE = re.compile(r'UPDATE ("\w+") .* IN \(SELECT \w+\."id" FROM \1 ', re.DOTALL)


class JoinedUpdate(AssertionError):
    """An UPDATE that looks up its rows in a sub-select, so that two at once may both succeed."""


def _refuse_joined_updates() -> None:
    """Fails tests that run such an UPDATE.

    An UPDATE that waited for a row sees its new columns, but the old ones in a sub-select
    (PostgreSQL, "Read Committed Isolation Level"): filter by columns of the row, or by Exists().
    """
    from django.db.backends.signals import connection_created

    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if JOINED_UPDATE.search(sql):
            raise JoinedUpdate(sql)
        return execute(sql, params, many, context)

    def watch(connection: Any, **kwargs: Any) -> None:
        if refuse not in connection.execute_wrappers:
            connection.execute_wrappers.append(refuse)

    connection_created.connect(watch, weak=False)


@pytest.fixture(scope="session")
def running_stack(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Starts a whole Bandpics, with web and worker, and returns its stack.json.

    Mark tests that use it with `@pytest.mark.xdist_group("stack")`: each process starts one.
    """
    return of_group.enter_context(started_stack(tmp_path_factory.mktemp("stack")))


@contextmanager
def started_stack(data_dir: Path, **settings: str) -> Iterator[dict[str, Any]]:
    """Starts a stack with these settings; removes its folder afterwards."""
    copy_static_files(data_dir)
    copy_database(data_dir)
    # A test may listen there as the server of the map.
    tile_port = addresses.free_port(addresses.LOOPBACK)
    tile_url = f"http://{addresses.LOOPBACK}:{tile_port}/{{z}}/{{x}}/{{y}}.png"
    with (data_dir / "up.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "manage.py", "up", "--data-dir", str(data_dir)),
                *("--port", str(addresses.free_port(addresses.LOOPBACK))),
            ],
            cwd=environment.PROJECT,
            # Tests send many requests from one address.
            env=clean_environment()
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
def _reset_limits() -> None:
    """Resets rate limits before each test."""
    from bandpics import limits  # needs settings, which are not loaded yet

    limits.reset()


def clean_environment() -> dict[str, str]:
    """Returns the environment without the addresses of a stack."""
    ours = {*OWN, "STATIC_ROOT", "DJANGO_SETTINGS_MODULE", "BANDPICS_DATA_DIR"}
    return {name: value for name, value in os.environ.items() if name not in ours}


def copy_static_files(data_dir: Path) -> None:
    """Copies the static files of this test run into a new stack, to save seconds."""
    collected = Path(os.environ["STATIC_ROOT"])
    if not (data_dir / "static").exists():
        shutil.copytree(collected, data_dir / "static", dirs_exist_ok=True)


def copy_database(data_dir: Path) -> None:
    """Copies this run's Postgres into a new stack, which is faster than initdb and migrations."""
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
    """Waits for stack.json, and returns what it says."""
    end = time.monotonic() + START_SECONDS
    while not (data_dir / "stack.json").exists():
        if process.poll() is not None or time.monotonic() > end:
            log = data_dir / "up.log"
            raise AssertionError(log.read_text() if log.exists() else "no stack.json")
        time.sleep(0.05)
    return dict(json.loads((data_dir / "stack.json").read_text()))


def _start(config: pytest.Config) -> None:
    _remove_killed_runs()
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    try:
        data_dir = DataDir(folder)
        supervisor = Supervisor(data_dir, signals=NoSignals(), report=lambda line: None)
        stack = Stack(
            data_dir,
            supervisor,
            environment=clean_environment(),
            host=addresses.LOOPBACK,
            port=8000,
        )
        config.add_cleanup(stack.stop)
        stack.start_stores(postgres_settings=(*postgres.NOT_DURABLE, *postgres.COPYABLE))
        stack.prepare_for_tests()
        postgres.make_template(stack.variables["DATABASE_URL"])
    except CannotStart as error:
        raise pytest.UsageError(f"bandpics: {error}") from None
    os.environ.update(stack.variables)


def _remove_killed_runs() -> None:
    """Removes the folders and processes of killed test runs."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        with suppress(OSError, CannotStart):  # of another user, or in use
            if time.time() - folder.stat().st_mtime < KILLED_RUN_SECONDS:
                continue  # it may be about to lock its folder
            data_dir = DataDir(folder)
            Supervisor(data_dir, signals=NoSignals(), report=lambda line: None).stop_leftovers()
            shutil.rmtree(folder, ignore_errors=True)
            data_dir.release()


def _use_own_stores() -> None:
    worker = os.environ["PYTEST_XDIST_WORKER"]
    server = os.environ["REDIS_URL"].rpartition("/")[0]
    os.environ["REDIS_URL"] = f"{server}/{1 + int(worker.removeprefix('gw'))}"
    os.environ["S3_BUCKET"] = f"{s3_server.BUCKET}-{worker}"
    s3_server.make_bucket(os.environ, os.environ["S3_BUCKET"])
