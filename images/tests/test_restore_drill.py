"""The drill: everything is lost while photos arrive, and comes back from a backup.

Part of `make chaos`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from bandpics.local.backup import Backup, reconcile
from bandpics.local.environment import PROJECT
from bandpics.testing import pytest_plugin
from images.photofile.metadata import exif
from images.storage import object_keys
from images.tests import drawn_pictures
from images.tests.chaos import Sender, World

pytestmark = [pytest.mark.xdist_group("chaos"), pytest.mark.long, pytest.mark.chaos]

PHOTOS = max(12, int(os.environ.get("BANDPICS_CHAOS_PHOTOS", "200")) // 4)


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path / "world")
    yield world
    world.end()


def photos(prefix: str, *, seed: int) -> dict[str, bytes]:
    return {
        f"{prefix}-{n}.jpg": drawn_pictures.jpeg(
            width=1800, height=1200, seed=seed + n, lat=48.2082, lon=16.3738
        )
        for n in range(PHOTOS // 3)
    }


def is_done(world, upload_id: str) -> bool:
    return world.row(upload_id).status == "done"


def test_every_photo_of_the_copy_is_done_and_what_people_decided_holds(world, tmp_path, capsys):
    sender = Sender(world)
    backup = Backup(world.stack, world.supervisor, world.bucket, tmp_path)
    host = Sender(world, group="any")  # with the admin's key

    first = sender.send_all(photos("before", seed=20_000))
    known = [future.result() for future in first[:3]]
    for upload_id in known:
        world.until(lambda upload_id=upload_id: is_done(world, upload_id), seconds=30)
    second = sender.send_all(photos("meanwhile", seed=21_000))
    world.until(lambda: any(row.status == "processing" for row in world.rows()), seconds=20)
    backup.dump_database()

    unknown = [future.result() for future in second[-2:]]
    for upload_id in unknown:
        world.until(lambda upload_id=upload_id: is_done(world, upload_id), seconds=60)
    forgotten = {known[0], known[1], unknown[0]}
    trashed = {known[1], known[2], unknown[1]}
    for upload_id in forgotten:
        host.ask("DELETE", f"/images/{upload_id}/location/")
    for upload_id in trashed:
        host.ask("DELETE", f"/images/{upload_id}/")
    world.until(
        lambda: set(world.stored()) >= {f"{object_keys.TRASHED}{one}" for one in trashed},
        seconds=20,
    )
    third = sender.send_all(photos("after", seed=22_000))
    third[0].result()
    backup.copy_bucket()
    for future in [*first, *second, *third]:
        future.result()

    backup.lose_everything()
    backup.restore()
    world.stack.start_web()
    world.start_workers()
    world.stack.wait_until_healthy()
    began, runs = time.monotonic(), 0
    while True:
        runs += 1
        code, report = reconcile(world.stack, "--fix", "--grace", "0")
        if code == 0 and not report["differences"]:
            break
        assert runs < 15, (report, str(world))
        end = time.monotonic() + 2
        world.until(lambda end=end: time.monotonic() > end, seconds=5)

    originals = backup.originals()
    rows = {str(row.image_id): row for row in world.rows()}
    ends = {image_id: rows[image_id].status for image_id in originals if image_id in rows}
    assert ends == dict.fromkeys(originals, "done"), world
    for image_id, key in originals.items():
        assert world.read(rows[image_id].original_key) == backup.objects[key]
    for image_id in forgotten:
        (tmp_path / "original").write_bytes(world.read(rows[image_id].original_key))
        assert exif.read(tmp_path / "original").gps is None
    with world.postgres() as connection:
        found = connection.execute("SELECT id, latitude, trashed_at, exif FROM images_image")
        for image_id, latitude, trashed_at, tags in found.fetchall():
            if str(image_id) in originals:
                assert (latitude is None) == (str(image_id) in forgotten)
                assert ("GPS" in tags) == (str(image_id) not in forgotten)
                assert (trashed_at is not None) == (str(image_id) in trashed)
    with capsys.disabled():
        seconds = time.monotonic() - began
        sys.stdout.write(
            f"\n{len(originals)} originals of {len(rows)} photos; agreed after {runs} runs of"
            f" reconcile, {seconds:.0f} s"
        )


def test_an_operator_plays_the_drill_by_a_command(tmp_path):
    """Beside settings of an installation, which it neither reads nor touches."""
    secret = tmp_path / "secret"
    secret.write_text("postgres://somebody@127.0.0.1:1/installation")
    folder = tmp_path / "folder"
    folder.mkdir()
    theirs = {
        "DATABASE_URL": secret.read_text(),
        "DATABASE_URL_FILE": str(secret),
        "S3_BUCKET_FILE": str(secret),
        "BROKER_URL": "amqp://127.0.0.1:1//",
        "LOGS_BUCKET": "audit",
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "restore_drill", "--photos", "6"],
        cwd=PROJECT,
        env=pytest_plugin.clean_environment() | theirs | {"TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All 6 photos are back" in done.stdout
    assert list(folder.iterdir()) == []
