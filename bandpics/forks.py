"""Roles as forks of one process that has imported the application, so that they share its memory.

A program of its own takes 120 MB for what it imports; a fork takes what it changes, a tenth of
that. A process that forks must hold nothing that two cannot use: no thread, no connection. So
`prepare()` imports and makes ready, connects to nothing, and `fork()` refuses beside threads.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import os
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from importlib import import_module
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
# What the roles are made of, as `python -m` would run it.
PROGRAMS = {"gunicorn": "gunicorn.app.wsgiapp:run", "celery": "celery.__main__:main"}
# What they import when they start.
IMPORTS = (
    *("bandpics.celery", "bandpics.gunicorn_worker", "bandpics.urls", "gunicorn.app.wsgiapp"),
    *("celery.bin.celery", "celery.apps.worker", "celery.apps.beat", "celery.beat"),
    *("celery.concurrency.prefork", "celery.concurrency.solo", "celery.worker.consumer"),
    *("celery.app.amqp", "celery.app.control", "celery.app.log", "celery.events.receiver"),
    *("celery.worker.autoscale", "celery.worker.components", "celery.worker.strategy"),
    *("celery.worker.consumer.delayed_delivery", "billiard.popen_fork", "billiard.sharedctypes"),
    *("kombu.asynchronous.hub", "kombu.transport.redis", "kombu.pidbox", "psycopg_pool"),
)
PAUSE_SECONDS = 0.05
# From linux/prctl.h.
PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15


class CannotFork(Exception):
    """This process has threads; a fork would have their locks, and nobody who releases them."""


class Fork:
    """A forked process, as far as subprocess.Popen describes one."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Returns the exit code, that of a signal as a negative number, or None while it runs."""
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody else waited for it
                pid, status = self.pid, 0
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        end = time.monotonic() + timeout if timeout is not None else None
        while (code := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise TimeoutExpired(str(self.pid), timeout or 0)
            time.sleep(PAUSE_SECONDS)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def prepare() -> None:
    """Imports what roles need, and exempts it from the garbage collector, which would write to all
    of it: a page that is written to is shared no longer."""
    gc.disable()
    import django
    from django.conf import settings

    django.setup()
    for name in (*IMPORTS, *(path.rpartition(".")[0] for path in settings.MIDDLEWARE)):
        import_module(name)
    from bandpics.celery import app
    from images.storage.objects import photo_storage

    app.loader.import_default_modules()
    app.finalize()
    photo_storage().prepare()
    gc.freeze()
    gc.enable()


def fork(
    run: Callable[[], object], *, name: str, environment: Mapping[str, str], output: int
) -> Fork:
    """Runs a function in a session of its own that ends with this process; its output goes to the
    file `output`. Raises CannotFork."""
    if threading.active_count() > 1:
        raise CannotFork(", ".join(thread.name for thread in threading.enumerate()))
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    # A signal that came before the child has its own handlers would be taken for the parent's.
    held = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        return Fork(pid)
    # Nothing may unwind into the frames of the parent, whose `finally` stops all others.
    code = 1
    try:
        _leave(parent, name=name, output=output)
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        os.environ.update(environment)
        _set_pool()
        code = _exit_code(run)
    except BaseException:  # noqa: BLE001 - see above
        traceback.print_exc()
    finally:
        os._exit(code)


def run_program(words: Sequence[str]) -> None:
    """Runs gunicorn or celery with these words in this process, as `python -m` does."""
    module, _, function = PROGRAMS[words[0]].partition(":")
    sys.argv = list(words)
    getattr(import_module(module), function)()


def _leave(parent: int, *, name: str, output: int) -> None:
    """Leaves behind what belongs to the parent: signals, files, session."""
    os.setsid()
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None).prctl
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        prctl(PR_SET_NAME, name.encode()[:15])
    if os.getppid() != parent:  # it has died before it could send a signal
        os._exit(1)
    signal.set_wakeup_fd(-1)
    for number in HANDLED:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))


def _set_pool() -> None:
    """Gives this role its number of connections to Postgres. The parent has read the settings, and
    has none."""
    from django.conf import settings

    from bandpics.settings.stores import pooled

    settings.DATABASE_POOL_SIZE = int(os.environ.get("DATABASE_POOL_SIZE") or 0)
    if settings.DATABASE_POOL_SIZE:
        settings.DATABASES["default"] |= pooled(
            settings.DATABASES["default"], settings.DATABASE_POOL_SIZE
        )


def _exit_code(run: Callable[[], object]) -> int:
    """Returns the code with which Python would end, after what it does at the end."""
    code = 0
    try:
        run()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            sys.stderr.write(f"{ended.code}\n")
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    # Otherwise Python does these two, which os._exit() leaves out.
    with suppress(Exception):
        threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as at any end
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code
