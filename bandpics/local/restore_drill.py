"""`manage.py restore_drill`: everything of a new stack is lost, and comes back from a backup.

It plays what docs/operations.md says under "Restoring a backup", on a stack of its own in a folder
that is removed afterwards. A stack that runs beside it is not touched.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import urllib3
from PIL import Image

from bandpics.local import addresses
from bandpics.local.backup import Backup, Bucket, reconcile
from bandpics.local.data_dir import DataDir
from bandpics.local.diagnostics import CannotStart
from bandpics.local.stack import Stack
from bandpics.local.supervisor import StopRequested, StopSignals, Supervisor
from images.photofile.metadata import exif
from images.storage import object_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PHOTOS, FEWEST, MOST = 12, 4, 500
WAIT_SECONDS, RUNS = 180, 15
DEVICE = "0123456789abcdef0123456789abcdef"
GPS_IFD = 0x8825
# Of the environment nothing else is passed on: any other variable may be a setting that names a
# database, a broker or a provider of somebody's installation.
OF_THE_SYSTEM = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
VIENNA = {1: "N", 2: (48.0, 12.0, 29.5), 3: "E", 4: (16.0, 22.0, 25.7)}
ROWS = """
    SELECT image.id, upload.status, image.latitude, image.trashed_at
    FROM images_image image JOIN images_upload upload ON upload.id = image.id
"""


class DrillFailed(Exception):
    """Something was not as it was before; the text says what."""


def main(arguments: Sequence[str]) -> int:
    """Returns 0 if all came back."""
    parser = argparse.ArgumentParser(prog="manage.py restore_drill", description=__doc__)
    parser.add_argument(
        "--photos", type=int, default=PHOTOS, help=f"{FEWEST} to {MOST} (default: %(default)s)"
    )
    photos = parser.parse_args(arguments).photos
    if not FEWEST <= photos <= MOST:
        parser.error(f"--photos must be {FEWEST} to {MOST}, not {photos}")
    try:
        with (
            StopSignals() as signals,
            tempfile.TemporaryDirectory(prefix="bandpics-drill-") as name,
        ):
            data_dir = DataDir(Path(name))
            supervisor = Supervisor(data_dir, signals=signals, report=say)
            drill = Drill(data_dir, supervisor)
            try:
                drill.run(photos)
            finally:
                drill.stack.stop()
                data_dir.release()
    except StopRequested:
        return 1
    except (CannotStart, DrillFailed) as error:
        say(f"bandpics: {error}")
        return 1
    return 0


def outside() -> dict[str, str]:
    return {name: os.environ[name] for name in OF_THE_SYSTEM if name in os.environ}


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Drill:
    """One stack, what was sent to it, and what people decided."""

    def __init__(self, data_dir: DataDir, supervisor: Supervisor) -> None:
        self._supervisor, self._folder = supervisor, data_dir.path
        port = addresses.free_port(addresses.LOOPBACK)
        self.stack = Stack(
            data_dir, supervisor, environment=outside(), host=addresses.LOOPBACK, port=port
        )
        self._pool = urllib3.PoolManager(retries=False, timeout=30)

    def run(self, photos: int) -> None:
        """Raises DrillFailed unless all comes back."""
        say("A new stack starts …")
        self.stack.start_stores()
        facts = self.stack.prepare()
        self._start_programs()
        link = {
            "Authorization": f"Invitation {facts['upload_link'].rstrip('/').rpartition('/')[2]}",
            "Bandpics-Device": DEVICE,
        }
        host = {"Authorization": f"Api-Key {facts['admin_api_key']}"}
        bucket = Bucket(self.stack.variables)
        backup = Backup(self.stack, self._supervisor, bucket, self._folder)

        later = photos // 3
        known = [self._send(link, number) for number in range(photos - later)]
        self._until_done(known)
        backup.dump_database()
        say(f"{len(known)} photos were sent, and the database was dumped.")
        unknown = [self._send(link, number) for number in range(photos - later, photos)]
        self._until_done(known + unknown)
        forgotten, trashed = {known[0], unknown[0]}, {known[0], known[1]}
        for image_id in forgotten:
            self._ask("DELETE", f"images/{image_id}/location/", host)
        for image_id in trashed:
            self._ask("DELETE", f"images/{image_id}/", host)
        self._until(
            lambda: set(bucket.stored()) >= {f"{object_keys.TRASHED}{one}" for one in trashed},
            "the markers of the trash",
        )
        backup.copy_bucket()
        say(f"{later} more were sent, 2 places forgotten, 2 photos trashed; the bucket was copied.")

        began = time.monotonic()
        backup.lose_everything()
        say("All is lost: database, bucket and Redis are empty.")
        backup.restore()
        reconcile(self.stack, "--fix", "--grace", "0")
        self._start_programs()
        runs = self._until_reconciled()
        self._compare(backup, bucket, forgotten=forgotten, trashed=trashed)
        seconds = time.monotonic() - began
        say(
            f"All {photos} photos are back after {seconds:.0f} s and {runs + 1} runs of reconcile: "
            "each original as it was, what was forgotten is forgotten, what was trashed is in the "
            "trash."
        )

    def _start_programs(self) -> None:
        self.stack.start_web()
        self.stack.start_workers(concurrency=2)
        self.stack.wait_until_healthy()

    def _send(self, headers: dict[str, str], number: int) -> str:
        """Sends a photo as the upload page does; returns its id."""
        data = photo(number)
        described = {"filename": f"{number}.jpg", "content_type": "image/jpeg", "size": len(data)}
        answer = self._ask("POST", "uploads/", headers, {"files": [described]})
        (ticket,) = answer["uploads"]
        signed = ticket["upload"]
        put = self._pool.request("PUT", signed["url"], body=data, headers=signed["headers"])
        if put.status != 200:
            raise DrillFailed(f"The store answered {put.status} to a photo.")
        self._ask("POST", f"uploads/{ticket['id']}/complete/", headers)
        return str(ticket["id"])

    def _ask(self, method: str, path: str, headers: dict[str, str], body: Any = None) -> Any:
        url = f"{self.stack.variables['PUBLIC_URL']}/api/v1/{path}"
        answer = self._pool.request(method, url, json=body, headers=headers)
        if answer.status >= 300:
            raise DrillFailed(f"{method} {path} was answered {answer.status}: {answer.data!r}")
        return answer.json() if answer.data else None

    def _until_done(self, image_ids: list[str]) -> None:
        self._until(
            lambda: (
                [self._rows().get(one, ("",))[0] for one in image_ids] == ["done"] * len(image_ids)
            ),
            "the end of all uploads",
        )

    def _until_reconciled(self) -> int:
        for run in range(1, RUNS + 1):
            code, report = reconcile(self.stack, "--fix", "--grace", "0")
            if code == 0 and not report["differences"]:
                return run
            self._supervisor.check_children()
            time.sleep(2)
        raise DrillFailed(f"reconcile still finds differences: {report['differences']}")

    def _until(self, happens: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + WAIT_SECONDS
        while not happens():
            if time.monotonic() > end:
                raise DrillFailed(f"Waited {WAIT_SECONDS} s for {what}.")
            self._supervisor.check_children()
            time.sleep(0.1)

    def _rows(self) -> dict[str, tuple[Any, ...]]:
        with psycopg.connect(self.stack.variables["DATABASE_URL"], connect_timeout=5) as connection:
            return {str(row[0]): row[1:] for row in connection.execute(ROWS).fetchall()}

    def _compare(
        self, backup: Backup, bucket: Bucket, *, forgotten: set[str], trashed: set[str]
    ) -> None:
        rows = self._rows()
        for image_id, key in backup.originals().items():
            if image_id not in rows:
                raise DrillFailed(f"{image_id} has no row.")
            status, latitude, trashed_at = rows[image_id]
            data = bucket.read(key)
            (self._folder / "original").write_bytes(data)
            is_forgotten = exif.read(self._folder / "original").gps is None
            for wrong, what in [
                (status != "done", f"is {status}"),
                (data != backup.objects[key], "has other bytes"),
                ((latitude is None) != (image_id in forgotten), "has the wrong place"),
                (is_forgotten != (image_id in forgotten), "has the wrong place in its file"),
                (
                    (trashed_at is not None) != (image_id in trashed),
                    "is wrongly in the trash, or not",
                ),
            ]:
                if wrong:
                    raise DrillFailed(f"{image_id} {what}.")
        if len(backup.originals()) != len(rows):
            raise DrillFailed(f"{len(rows)} photos came back of {len(backup.originals())}.")


def photo(number: int) -> bytes:
    """Draws a photo with a place, unlike the others."""
    image = Image.effect_mandelbrot((1200, 800), (-2 + number / 500, -1, 1, 1), 50).convert("RGB")
    tags = Image.Exif()
    tags.get_ifd(GPS_IFD).update(VIENNA)
    file = io.BytesIO()
    image.save(file, "JPEG", exif=tags, comment=str(number))
    return file.getvalue()
