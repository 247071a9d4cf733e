"""`manage.py up`: the whole of Bandpics on this machine, until Ctrl-C."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import segno

from bandpics.local import addresses, diagnostics, environment, s3_server
from bandpics.local.data_dir import DataDir, write_private
from bandpics.local.diagnostics import CannotStart
from bandpics.local.stack import Stack
from bandpics.local.supervisor import StopAsked, StopSignals, Supervisor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def main(arguments: Sequence[str]) -> int:
    """Run until somebody asks to stop; the exit code."""
    wishes = _parser().parse_args(arguments)
    try:
        with StopSignals() as signals:
            _up(wishes, signals)
    except CannotStart as error:
        say(f"bandpics: {error}", to_stderr=True)
        return 1
    return 0


def say(line: str, *, to_stderr: bool = False) -> None:
    # The terminal may be closed before we are done; that is no reason to stop half-way.
    with suppress(OSError, ValueError):
        print(line, file=sys.stderr if to_stderr else sys.stdout, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="manage.py up",
        description="Start Postgres, Redis, S3, web, worker and beat; print an upload link. "
        "DATABASE_URL, REDIS_URL or S3_ENDPOINT_URL, if set, replace the embedded ones.",
    )
    add = parser.add_argument
    add("--port", type=int, default=8000, help="of the web server (default: %(default)s)")
    add(
        "--host",
        default=addresses.LOOPBACK,
        help="where to listen; 0.0.0.0 lets phones in the same network in (default: %(default)s)",
    )
    add(
        "--data-dir",
        type=Path,
        default=environment.data_dir(),
        help="everything that is kept (default: .local, or $BANDPICS_DATA_DIR)",
    )
    add(
        "--concurrency",
        type=int,
        default=_cores(),
        help="photos processed at once (default: cores)",
    )
    return parser


def _up(wishes: argparse.Namespace, signals: StopSignals) -> None:
    started = time.monotonic()
    data_dir = DataDir(wishes.data_dir)
    supervisor = Supervisor(data_dir, signals=signals, say=say)
    try:
        if supervisor.stop_leftovers():
            say("The last run was killed; cleaning up after it.")
            s3_server.sweep(data_dir / "s3")
        addresses.claim_web_port(wishes.host, wishes.port)
        stack = Stack(
            data_dir, supervisor, outside=dict(os.environ), host=wishes.host, port=wishes.port
        )
        data_dir.say_where(stack.variables["PUBLIC_URL"])
        try:
            say("Bandpics is starting …")
            stack.start_stores()
            stack.write_environment()
            known = stack.prepare()
            stack.start_web()
            stack.start_work(concurrency=wishes.concurrency)
            stack.wait_until_well()
            _write_stack_json(data_dir, stack.variables, known)
            _welcome(data_dir, wishes, stack.variables, known, seconds=time.monotonic() - started)
            supervisor.watch()
        finally:
            asked_at = time.monotonic()
            if signals.asked:
                say("\nStopping …")
            stack.stop()
            if signals.asked:
                say(f"Stopped after {time.monotonic() - asked_at:.1f} s. Your data is safe.")
    except StopAsked:
        return
    except OSError as error:
        raise diagnostics.in_folder(error, data_dir.path) from error
    finally:
        data_dir.release()


def _write_stack_json(
    data_dir: DataDir, variables: Mapping[str, str], known: Mapping[str, Any]
) -> None:
    """What a script needs to talk to this stack. Its appearance means: everything answers."""
    stores = ("DATABASE_URL", "REDIS_URL", "S3_ENDPOINT_URL", "S3_BUCKET")
    keys = ("S3_ACCESS_KEY", "S3_SECRET_KEY")
    content = {
        "web_url": variables["PUBLIC_URL"],
        "upload_link": known["upload_link"],
        "admin_email": known["admin_email"],
        "admin_password": known["admin_password"],
        "admin_api_key": known["admin_api_key"],
        **{name.lower(): variables.get(name, "") for name in (*stores, *keys)},
    }
    write_private(data_dir / "stack.json", json.dumps(content, indent=2) + "\n")


def _welcome(
    data_dir: DataDir,
    wishes: argparse.Namespace,
    variables: Mapping[str, str],
    known: Mapping[str, Any],
    *,
    seconds: float,
) -> None:
    web, link = variables["PUBLIC_URL"], known["upload_link"]
    say(f"Ready after {seconds:.1f} s.\n")
    if link:
        say(f"  Upload   {link}\n")
        say(_qr_code(link))
        if wishes.host == addresses.LOOPBACK and "PUBLIC_URL" not in os.environ:
            say('  (For a phone in the same network: make run ARGS="--host 0.0.0.0")\n')
    else:
        say("  Upload   no link is open; make one in the admin\n")
    say(f"  Gallery  {web}/")
    say(f"  Admin    {web}/admin/")
    if known["is_first"]:
        say(f"           e-mail {known['admin_email']}, password {known['admin_password']}")
        say("           (shown only now; also in stack.json)")
    elif known["admin_email"]:
        say(f"           e-mail {known['admin_email']}; a new password:")
        is_default = data_dir.path == environment.DEFAULT_DATA_DIR
        option = "" if is_default else f" --data-dir {data_dir.path}"
        say(f"           {sys.executable} manage.py{option} changepassword {known['admin_email']}")
    say(f"  API      {web}/api/v1/docs/")
    if "EMAIL_URL" not in os.environ:
        say(f"  Mail     none is sent; it is kept in {data_dir / 'mail'}")
    say(f"  Data     {data_dir.path}\n")
    say("Ctrl-C stops everything; your data stays.")


def _qr_code(link: str) -> str:
    """Small enough for a terminal; plain characters, so that a log stays readable."""
    drawing = io.StringIO()
    segno.make(link, error="l", micro=False).terminal(drawing, compact=True, border=2)
    text = drawing.getvalue()
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return ""
    return text


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # containers often have fewer than the host
    return len(affinity(0)) if affinity else os.cpu_count() or 1
