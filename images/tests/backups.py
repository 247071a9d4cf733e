"""A backup of a Bandpics at work: a dump of the database and, later, a copy of the bucket."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg

from bandpics.local import postgres
from bandpics.local.stack import BEAT, SWEEPER, WEB, WORKER
from images.storage import object_keys

if TYPE_CHECKING:
    from pathlib import Path

    from images.tests.chaos import World


class Backup:
    """Of one world, in one folder."""

    def __init__(self, world: World, folder: Path) -> None:
        self._world, self._dump = world, folder / "dump"
        self.objects: dict[str, bytes] = {}

    def dump_database(self) -> None:
        self._run("pg_dump", "--format=custom", "--file", str(self._dump))

    def copy_bucket(self) -> None:
        """Object by object, while they come and go."""
        self.objects = self._world.read_all()

    def restore(self) -> None:
        """Lose everything, and begin again with the backup: only the stores run on."""
        world = self._world
        world.supervisor.stop(WEB, WORKER, SWEEPER, BEAT)
        world.forget_queue()
        url = world.stack.variables["DATABASE_URL"]
        name = urlsplit(url).path.removeprefix("/")
        maintenance = urlsplit(url)._replace(path="/postgres").geturl()
        with psycopg.connect(maintenance, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
            connection.execute(f'CREATE DATABASE "{name}"')
        self._run("pg_restore", "--no-owner", str(self._dump))
        for key in world.stored():
            world.remove(key)
        for key, data in self.objects.items():
            world.write(key, data)

    def originals(self) -> dict[str, str]:
        """{photo's id: key} of every original in the copy of the bucket."""
        places = {key: object_keys.place_of(key) for key in self.objects}
        return {
            str(place.version.image_id): key
            for key, place in places.items()
            if place is not None and place.is_original
        }

    def _run(self, program: str, *words: str) -> None:
        parts = urlsplit(self._world.stack.variables["DATABASE_URL"])
        url = f"--dbname={parts.geturl()}"
        command = [str(postgres._binaries() / program), url, *words]
        subprocess.run(command, check=True, capture_output=True, timeout=60)


def reconcile(world: World, *options: str) -> tuple[int, dict[str, Any]]:
    """Exit code and report of `manage.py reconcile`, on the command line."""
    program = world.stack._python("reconcile", "manage.py", "reconcile", "--json", *options)
    done = subprocess.run(
        program.command,
        env=dict(program.environment),
        check=False,
        capture_output=True,
        timeout=120,
    )
    assert done.stdout, done.stderr.decode()
    return done.returncode, json.loads(done.stdout)
