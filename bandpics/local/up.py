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

from bandpics.local import addresses, diagnostics, environment, postgres, s3_server
from bandpics.local.data_dir import DataDir, write_private
from bandpics.local.diagnostics import CannotStart
from bandpics.local.stack import Stack
from bandpics.local.supervisor import StopRequested, StopSignals, Supervisor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def main(arguments: Sequence[str]) -> int:
    """Runs everything until somebody asks to stop; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        with StopSignals() as signals:
            _up(options, signals)
    except CannotStart as error:
        report(f"bandpics: {error}", to_stderr=True)
        return 1
    return 0


def report(line: str, *, to_stderr: bool = False) -> None:
    # The terminal may be closed already.
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
        help="where all data is kept (default: .local, or $BANDPICS_DATA_DIR)",
    )
    add(
        "--concurrency",
        type=int,
        default=_cores(),
        help="photos processed at once (default: cores)",
    )
    return parser


def _up(options: argparse.Namespace, signals: StopSignals) -> None:
    started = time.monotonic()
    data_dir = DataDir(options.data_dir)
    supervisor = Supervisor(data_dir, signals=signals, report=report)
    try:
        if supervisor.stop_leftovers():
            report("The last run was killed; cleaning up after it.")
            s3_server.remove_unfinished(data_dir / "s3")
        addresses.check_web_port(options.host, options.port)
        variables = dict(os.environ)
        stack = Stack(
            data_dir,
            supervisor,
            environment=variables,
            host=options.host,
            port=options.port,
            # Elsewhere, as on macOS, libraries of the system do not outlive a fork.
            are_forks=sys.platform == "linux",
        )
        data_dir.write_holder(stack.variables["PUBLIC_URL"])
        try:
            report("Bandpics is starting …")
            stack.start_stores(postgres_settings=postgres.SMALL)
            write_private(data_dir / "env", environment.render(stack.variables))
            facts = stack.prepare()
            stack.prepare_forks()
            stack.start_web()
            stack.start_workers(concurrency=options.concurrency)
            stack.wait_until_healthy()
            _write_stack_json(data_dir, stack.variables, facts)
            seconds = time.monotonic() - started
            _welcome(data_dir, options, stack.variables, facts, given=variables, seconds=seconds)
            supervisor.watch()
        finally:
            requested_at = time.monotonic()
            if signals.requests:
                report("\nStopping …")
            stack.stop()
            if signals.requests:
                report(f"Stopped after {time.monotonic() - requested_at:.1f} s. Your data is safe.")
    except StopRequested:
        return
    except OSError as error:
        raise diagnostics.cannot_write(error, data_dir.path) from error
    finally:
        data_dir.release()


def _write_stack_json(
    data_dir: DataDir, variables: Mapping[str, str], facts: Mapping[str, Any]
) -> None:
    """Writes what scripts need to know. Once the file exists, everything answers."""
    stores = ("DATABASE_URL", "REDIS_URL", "S3_ENDPOINT_URL", "S3_BUCKET")
    keys = ("S3_ACCESS_KEY", "S3_SECRET_KEY")
    content = {
        "web_url": variables["PUBLIC_URL"],
        "upload_link": facts["upload_link"],
        "admin_email": facts["admin_email"],
        "admin_password": facts["admin_password"],
        "admin_api_key": facts["admin_api_key"],
        **{name.lower(): variables.get(name, "") for name in (*stores, *keys)},
    }
    write_private(data_dir / "stack.json", json.dumps(content, indent=2) + "\n")


def _welcome(
    data_dir: DataDir,
    options: argparse.Namespace,
    variables: Mapping[str, str],
    facts: Mapping[str, Any],
    *,
    given: Mapping[str, str],
    seconds: float,
) -> None:
    web, link = variables["PUBLIC_URL"], facts["upload_link"]
    report(f"Ready after {seconds:.1f} s.\n")
    if link:
        report(f"  Upload   {link}\n")
        report(_qr_code(link))
        if options.host == addresses.LOOPBACK and "PUBLIC_URL" not in given:
            report('  (For a phone in the same network: make run ARGS="--host 0.0.0.0")\n')
    else:
        report("  Upload   no link is open; make one in the admin\n")
    report(f"  Gallery  {web}/")
    report(f"  Admin    {web}/admin/")
    if facts["is_first"]:
        report(f"           e-mail {facts['admin_email']}, password {facts['admin_password']}")
        report("           (shown only now; also in stack.json)")
    elif facts["admin_email"]:
        report(f"           e-mail {facts['admin_email']}; a new password:")
        is_default = data_dir.path == environment.DEFAULT_DATA_DIR
        option = "" if is_default else f" --data-dir {data_dir.path}"
        report(
            f"           {sys.executable} manage.py{option} changepassword {facts['admin_email']}"
        )
    report(f"  API      {web}/api/v1/docs/")
    if "EMAIL_URL" not in given:
        report(f"  Mail     none is sent; it is kept in {data_dir / 'mail'}")
    report(f"  Data     {data_dir.path}\n")
    report("Ctrl-C stops everything; your data stays.")


def _qr_code(link: str) -> str:
    """Draws a QR code with plain characters, so that a log stays readable."""
    drawing = io.StringIO()
    segno.make(link, error="l", micro=False).terminal(drawing, compact=True, border=2)
    text = drawing.getvalue()
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return ""
    return text


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # a container may have fewer than its host
    return len(affinity(0)) if affinity else os.cpu_count() or 1
