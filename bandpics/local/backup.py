"""A backup of a local stack: a dump of its database and, later, a copy of its bucket."""

from __future__ import annotations

import json
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg
import redis

from bandpics.local import postgres, s3_server
from bandpics.local.stack import ROLES
from images.storage import object_keys

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from bandpics.local.stack import Stack
    from bandpics.local.supervisor import Supervisor

DUMP_SECONDS, RECONCILE_SECONDS = 300, 300


class Bucket:
    """The objects of a stack's bucket, by their keys."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._client, self._name = s3_server.client(variables), variables["S3_BUCKET"]

    def stored(self) -> dict[str, datetime]:
        """Returns every key, and when it was written."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._name)
        return {
            found["Key"]: found["LastModified"]
            for page in pages
            for found in page.get("Contents", [])
        }

    def read(self, key: str) -> bytes:
        answer = self._client.get_object(Bucket=self._name, Key=key)
        return bytes(answer["Body"].read())

    def read_all(self) -> dict[str, bytes]:
        """Reads one object after the other, while they come and go."""
        found = {}
        for key in sorted(self.stored()):
            with suppress(self._client.exceptions.NoSuchKey):
                found[key] = self.read(key)
        return found

    def write(self, key: str, data: bytes) -> None:
        self._client.put_object(Bucket=self._name, Key=key, Body=data)

    def remove(self, key: str) -> None:
        self._client.delete_object(Bucket=self._name, Key=key)


class Backup:
    """Of one stack, in one folder. The objects are kept in memory: this is for drills."""

    def __init__(self, stack: Stack, supervisor: Supervisor, bucket: Bucket, folder: Path) -> None:
        self._stack, self._supervisor, self._bucket = stack, supervisor, bucket
        self._dump = folder / "dump"
        self.objects: dict[str, bytes] = {}

    def dump_database(self) -> None:
        self._run("pg_dump", "--format=custom", "--file", str(self._dump))

    def copy_bucket(self) -> None:
        self.objects = self._bucket.read_all()

    def lose_everything(self) -> None:
        """Stops the programs, and empties database, bucket and Redis; the stores run on."""
        self._supervisor.stop(*ROLES)
        with redis.Redis.from_url(self._stack.variables["REDIS_URL"]) as client:
            client.flushall()
        url = self._stack.variables["DATABASE_URL"]
        name = urlsplit(url).path.removeprefix("/")
        maintenance = urlsplit(url)._replace(path="/postgres").geturl()
        with psycopg.connect(maintenance, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
            connection.execute(f'CREATE DATABASE "{name}"')
        for key in self._bucket.stored():
            self._bucket.remove(key)

    def restore(self) -> None:
        """Brings the dump back, and the copy of the bucket. No program is started."""
        self._run("pg_restore", "--no-owner", str(self._dump))
        for key, data in self.objects.items():
            self._bucket.write(key, data)

    def originals(self) -> dict[str, str]:
        """{photo's id: key} of every original in the copy of the bucket."""
        places = {key: object_keys.place_of(key) for key in self.objects}
        return {
            str(place.version.image_id): key
            for key, place in places.items()
            if place is not None and place.is_original
        }

    def _run(self, program: str, *words: str) -> None:
        url = f"--dbname={self._stack.variables['DATABASE_URL']}"
        command = [str(postgres.binaries() / program), url, *words]
        subprocess.run(command, check=True, capture_output=True, timeout=DUMP_SECONDS)


def reconcile(stack: Stack, *options: str) -> tuple[int, dict[str, Any]]:
    """Runs `manage.py reconcile` on the command line; returns its exit code and report."""
    program = stack.command("reconcile", "manage.py", "reconcile", "--json", *options)
    done = subprocess.run(
        program.command,
        env=dict(program.environment),
        check=False,
        capture_output=True,
        timeout=RECONCILE_SECONDS,
    )
    if not done.stdout:
        raise RuntimeError(done.stderr.decode(errors="replace"))
    return done.returncode, json.loads(done.stdout)
