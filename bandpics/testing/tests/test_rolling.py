"""A new version takes over while people look and send: the database is migrated, a second web
server starts beside the first, the first stops, then the workers. Not one request fails.

The old version is that of the newest tag before this version. While there is none, it is this code,
and the new one has a migration more: a column and an index.
"""

from __future__ import annotations

import io
import shutil
import threading
import time

import psycopg
import pytest
from PIL import Image

import bandpics
from bandpics.local import addresses
from bandpics.testing import image as images
from bandpics.testing.forwarder import Forwarder
from bandpics.testing.tests.image_stack import Evening, make_admin, set_up, stores, until

pytestmark = [
    pytest.mark.long,
    pytest.mark.xdist_group("image"),
    pytest.mark.skipif(bool(images.trouble()), reason=f"nothing is confined: {images.trouble()}"),
]

MIGRATION = """
from django.db import migrations, models
from django.contrib.postgres.operations import AddIndexConcurrently

class Migration(migrations.Migration):
    atomic = False
    dependencies = [("images", "{latest}")]
    operations = [
        migrations.AddField("image", "rolled_at", models.DateTimeField(null=True)),
        AddIndexConcurrently(
            "image", models.Index(fields=["rolled_at"], name="images_image_rolled_at")
        ),
    ]
"""


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """The image of the version before, and that of this one."""
    folder = tmp_path_factory.mktemp("rolling")
    tag = images.newest_tag_before(bandpics.__version__)
    new = images.Image(folder / "new")
    new.build()
    old = images.Image(folder / "old", tag=tag)
    old.build(venv=None if tag else new.venv)
    if tag is None:
        migrations = new.app / "images" / "migrations"
        latest = max(path.stem for path in migrations.glob("0*.py"))
        (migrations / "9999_rolled_at.py").write_text(MIGRATION.format(latest=latest))
    yield old, new
    shutil.rmtree(folder, ignore_errors=True)


class Load:
    """People who look and send all the time, each on a connection that is kept."""

    def __init__(self, evening):
        self.evening, self.errors, self.counts, self.sent = evening, [], {}, []
        self._over = threading.Event()
        doing = {"page": self.look, "api": self.ask, "form": self.post, "upload": self.upload}
        self._threads = [
            threading.Thread(target=self._repeat, args=[name, do])
            for name, do in doing.items()
            for _ in range(2 if name in {"page", "api"} else 1)
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()

    def until_more(self, count=5):
        """Waits until each has done so much more."""
        before = dict(self.counts)
        until(
            lambda: (
                all(
                    self.counts.get(name, 0) >= before.get(name, 0) + count
                    for name in ("page", "api", "form", "upload")
                )
                or self.errors
            )
        )

    def _repeat(self, name, do):
        one = Evening(self.evening.url)  # with a pool of connections of its own
        one.host, one.guest = self.evening.host, self.evening.guest
        one.group, one.link = self.evening.group, self.evening.link
        while not self._over.is_set():
            try:
                do(one)
            except Exception as error:  # noqa: BLE001 - whatever it is, a request failed
                self.errors.append((name, repr(error)))
                return
            self.counts[name] = self.counts.get(name, 0) + 1
            time.sleep(0.05)

    def look(self, one):
        one.call("GET", one.link)

    def ask(self, one):
        one.api("GET", f"images/?group={one.group}")

    def post(self, one):
        name = f"form-{self.counts.get('form', 0)}.jpg"
        body, headers = one.form(picture(), name)
        one.call("POST", one.link, body=body, headers=headers)
        self.sent.append(name)

    def upload(self, one):
        one.send(picture())


def picture():
    """A small JPEG like no other."""
    file = io.BytesIO()
    Image.effect_noise((160, 120), 80).save(file, "JPEG")
    return file.getvalue()


def test_a_second_web_server_takes_over_without_one_failed_request(versions):
    old, new = versions
    ports = {}
    with stores() as found, Forwarder() as forwarder:
        url = f"http://localhost:{forwarder.port}"
        env = found.env | {"PUBLIC_URL": url, "WEB_DRAIN_SECONDS": "3"}
        before, after = images.Compose(old, env), images.Compose(new, env)

        def start(stack, *roles):
            started = []
            for role in roles:
                ports[role] = addresses.free_port(addresses.LOOPBACK)
                started.append(stack.start(role, WEB_PORT=str(ports[role])))
            for container in started:
                container.until_healthy()
            if "web" in roles:
                forwarder.add(ports["web"])
                until(lambda: ports["web"] in forwarder.ready)
            return started

        try:
            set_up(before)
            web, worker, sweeper, beat = start(before, "web", "worker", "sweeper", "beat")
            make_admin(web, old.entrypoint)
            with Load(Evening(url).begin()) as load:
                load.until_more()
                after.run("migrate")  # the old ones go on
                load.until_more()
                start(after, "web")
                load.until_more()
                assert web.stop() == 0, web.said()
                load.until_more()
                start(after, "worker", "sweeper", "beat")
                for container in (worker, sweeper, beat):
                    assert container.stop() == 0, container.said()
                load.until_more()
            assert load.errors == []
            with psycopg.connect(found.database_url, autocommit=True) as connection:
                applied = "SELECT count(*) FROM django_migrations WHERE name = '9999_rolled_at'"
                if images.newest_tag_before(bandpics.__version__) is None:
                    assert connection.execute(applied).fetchone() == (1,)
                ends = "SELECT status, count(*) FROM images_upload GROUP BY 1"
                until(lambda: dict(connection.execute(ends).fetchall()).keys() == {"done"})
                (count,) = connection.execute("SELECT count(*) FROM images_upload").fetchone()
            assert count == load.counts["form"] + load.counts["upload"]
        finally:
            before.end()
            after.end()
