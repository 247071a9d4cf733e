"""Writes the database of this release with data in it, for the test of later upgrades.

    python -m bandpics.testing.release_data

A stack is started, an evening is played through its API, and the database is dumped to
bandpics/testing/releases/<version>.sql.gz, which is committed with the release.
"""

from __future__ import annotations

import base64
import gzip
import io
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

import urllib3
from PIL import Image

from bandpics.local import addresses, environment, postgres
from bandpics.testing.pytest_plugin import STOP_SECONDS, clean_environment, wait_for_stack

RELEASES = Path(__file__).parent / "releases"
PATIENCE_SECONDS = 60


def main() -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        data_dir = Path(folder) / "stack"
        port = str(addresses.free_port(addresses.LOOPBACK))
        up = [sys.executable, "manage.py", "up", "--data-dir", str(data_dir), "--port", port]
        process = subprocess.Popen(up, cwd=environment.PROJECT, env=clean_environment())
        try:
            stack = wait_for_stack(data_dir, process)
            play(stack)
            text = dump(stack["database_url"])
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)
    project = tomllib.loads((environment.PROJECT / "pyproject.toml").read_text())["project"]
    path = RELEASES / f"{project['version']}.sql.gz"
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
    sys.stdout.write(f"Wrote {path}: {path.stat().st_size:,} bytes.\n")


def play(stack: dict[str, Any]) -> None:
    """Makes a group with guests and six photos, of which some are decided about."""
    root, key = f"{stack['web_url']}/api/v1/", stack["admin_api_key"]

    def call(method: str, path: str, body: Any = None) -> Any:
        return _call(root + path, method, body, Authorization=f"Api-Key {key}")

    group = call("POST", "groups/", {"name": "Hanna turns 40", "venue": "The barn"})["id"]
    other = call("POST", "groups/", {"name": "Another evening"})["id"]
    call("POST", "invitations/", {"group": group, "kind": "shared"})
    call("POST", "invitations/", {"group": group, "kind": "personal", "email": "emil@example.org"})
    photos = [_send(call, group, number) for number in range(6)]
    decided = {"approve": photos[:2], "reject": photos[2:3], "trash": photos[3:4]}
    for action, ids in decided.items():
        call("POST", "images/bulk/", {"ids": ids, "action": action})
    call("POST", "images/bulk/", {"ids": photos[4:5], "action": "move", "group": other})
    call("PATCH", f"images/{photos[0]}/", {"description": "The cake"})
    spec = {"transformations": {"resize": {"width": 20, "height": 20, "mode": "fit"}}}
    call("POST", f"images/{photos[0]}/transforms/", spec)
    call("POST", f"groups/{group}/archives/", {})


def _send(call: Any, group: str, number: int) -> str:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), (40 * number, 90, 160)).save(file, "JPEG")
    picture = base64.b64encode(file.getvalue()).decode()
    body = {"group": group, "image": picture, "filename": f"IMG_{number:04}.jpg"}
    image_id: str = call("POST", "images/", body)["id"]
    end = time.monotonic() + PATIENCE_SECONDS
    while call("GET", f"images/{image_id}/")["status"] != "done":
        if time.monotonic() > end:
            raise TimeoutError(f"Photo {number} was not processed.")
        time.sleep(0.2)
    return image_id


def _call(url: str, method: str, body: Any, **headers: str) -> Any:
    more = {} if body is None else {"json": body}
    answer = urllib3.request(method, url, headers=headers, timeout=30, **more)
    if answer.status >= 300:
        raise RuntimeError(f"{method} {url}: {answer.data!r}")
    return answer.json()


def dump(url: str) -> str:
    """Returns the database as SQL without psql's own commands."""
    options = ["--no-owner", "--no-privileges", "--inserts", "--rows-per-insert=50"]
    command = [str(postgres.binaries() / "pg_dump"), f"--dbname={url}", *options]
    done = subprocess.run(command, check=True, capture_output=True, timeout=120)
    lines = done.stdout.decode().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("\\"))


if __name__ == "__main__":
    main()
