"""The folder of one local stack: data, secrets, ports, logs, and a lock."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any

from bandpics.local import diagnostics
from bandpics.local.diagnostics import CannotStart

SECRET_NAMES = (
    *("postgres_password", "redis_password", "s3_access_key", "s3_secret_key"),
    *("secret_key", "invitation_token_key", "admin_password", "admin_api_key"),
)


class DataDir:
    """A writable folder that this process has locked."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = self._take_lock()
            (self.path / "logs").mkdir(exist_ok=True)
            # Finds a full disk now and not in the middle of something.
            write_private(self.path / ".writable", "yes\n" * 1024)
            (self.path / ".writable").unlink()
        except OSError as error:
            raise diagnostics.cannot_write(error, self.path) from None

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def write_holder(self, url: str) -> None:
        """Writes the address into the lock file, for the error of a second `up`."""
        os.truncate(self._lock, 0)
        os.pwrite(self._lock, f"{url} (process {os.getpid()})".encode(), 0)

    def release(self) -> None:
        os.close(self._lock)

    def secrets(self) -> dict[str, str]:
        """Returns the secrets of this folder; the first start makes them at random."""
        stored = read_json(self / "secrets.json")
        if not stored and (self / "postgres").exists():
            raise CannotStart(
                f"{self / 'secrets.json'} is missing",
                "it holds the passwords of the data in this folder",
                "Bring it back from a backup, or start anew with another --data-dir",
            )
        missing = [name for name in SECRET_NAMES if name not in stored]
        if missing:
            stored |= {name: secrets.token_urlsafe(32) for name in missing}
            write_private(self / "secrets.json", json.dumps(stored, indent=1))
        return stored

    def stored_ports(self) -> dict[str, int]:
        return read_json(self / "ports.json")

    def store_ports(self, ports: dict[str, int]) -> None:
        write_private(self / "ports.json", json.dumps(self.stored_ports() | ports))

    def new_log(self, name: str) -> Path:
        """Makes an empty log; that of the last run stays beside it."""
        log = self / "logs" / f"{name}.log"
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        log.touch(mode=0o600)
        return log

    def _take_lock(self) -> int:
        # O_CLOEXEC: children would otherwise keep the lock of a supervisor that has ended.
        lock = os.open(self / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 1000, 0).decode() or "starting right now"
            os.close(lock)
            raise CannotStart(
                f"{self.path} is in use",
                f"another Bandpics runs there: {holder}",
                'Stop it first, or run beside it: ARGS="--data-dir .local2 --port 8001"',
            ) from None
        return lock


def write_private(path: Path, text: str) -> None:
    """Replaces a file as a whole, readable by its owner only, and waits for the disk."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_json(path: Path) -> dict[str, Any]:
    """Returns the object in a JSON file, or {} if there is none."""
    try:
        value = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
