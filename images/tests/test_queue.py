"""The queue: who has little waiting before who has much, each first come, first served; as many at
a time as the operator says; by any broker."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time

import pytest
import redis
from celery import current_app
from django.conf import settings as live_settings
from django.db import connection

from bandpics import entrypoint, probe
from bandpics.ids import new_id
from bandpics.local.environment import PRETENDED, PROJECT
from bandpics.testing.matrix import few
from images.models import Transform, Upload
from images.tests import bulk_rows, drawn_pictures
from images.tests.guest_client import Guest
from images.transforms import queue as transforms_queue
from images.uploads import queue
from invitations.tests.factories import InvitationFactory

ASK = """
import json
from bandpics.celery import app
c = app.conf
print(json.dumps({
    "broker": c.broker_url, "options": c.broker_transport_options,
    "prefetch": c.worker_prefetch_multiplier,
    "transport": app.connection_for_write().as_uri(),
    "driver": type(app.connection_for_write().transport).__module__,
}))
"""


def started_with(**variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], **PRETENDED, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_broker_is_redis_unless_said_otherwise():
    said = json.loads(started_with(BROKER_URL="").stdout)
    assert said["broker"] == PRETENDED["REDIS_URL"]
    assert said["options"]["visibility_timeout"] > live_settings.CELERY_TASK_TIME_LIMIT
    assert said["prefetch"] == 1


def test_the_broker_may_be_rabbitmq():
    said = json.loads(started_with(BROKER_URL="amqp://me:word@rabbit.example:5672//").stdout)
    assert said["transport"].startswith("amqp://me:**@rabbit.example:5672/")
    assert said["driver"] == "kombu.transport.pyamqp"
    # Of Redis alone, or the AMQP client refuses them.
    assert "visibility_timeout" not in said["options"]


@pytest.mark.parametrize("url", few(["rabbit.example:5672", "sqs://", "http://rabbit.example"], 1))
def test_a_broker_nobody_speaks_to_stops_the_start(url):
    done = started_with(BROKER_URL=url)
    assert done.returncode != 0
    assert "BROKER_URL" in done.stderr.rstrip().splitlines()[-1]


def test_without_rabbitmq_an_upload_waits_for_the_sweeper_and_nobody_for_the_broker():
    script = (
        "import uuid, time; import bandpics.celery; from images.uploads import queue; "
        "start = time.monotonic(); queue.enqueue(uuid.uuid4()); "
        "assert time.monotonic() - start < 8"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import django; django.setup(); {script}"],
        cwd=PROJECT,
        env={
            "PATH": os.environ["PATH"],
            **PRETENDED,
            "DJANGO_SETTINGS_MODULE": "bandpics.settings",
            "BROKER_URL": "amqp://127.0.0.1:1//",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "waits for the sweeper; no broker" in done.stderr


@pytest.fixture
def broker():
    client = redis.Redis.from_url(live_settings.REDIS_URL)
    client.flushdb()
    yield client
    client.close()


def served(count: int, name: str = live_settings.CELERY_TASK_DEFAULT_QUEUE) -> list[str]:
    """The ids a worker takes from a queue, in its order."""
    ids = []
    with current_app.connection_for_read() as connection:
        simple_queue = connection.SimpleQueue(name)
        for _ in range(count):
            message = simple_queue.get(timeout=5)
            ids.append(message.payload[0][0])
            message.ack()
        simple_queue.close()
    return ids


@pytest.mark.django_db
def test_first_come_first_served(broker):
    queued = [new_id() for _ in range(5)]
    for upload_id in queued:
        queue.enqueue(upload_id)
    assert served(5) == [str(upload_id) for upload_id in queued]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("bucket")
def test_somebodys_first_photo_does_not_wait_behind_anothers_hundreds(cleo, broker, group):
    """Of those who have little waiting before those who have much; each in the order they came."""
    many = [str(cleo.send(drawn_pictures.jpeg(width=8, height=8, seed=n)).pk) for n in range(52)]
    mias = Guest(InvitationFactory(group=group, name="Mia", email="mia@example.org"))
    first = str(mias.send(drawn_pictures.jpeg(width=8, height=8, seed=99)).pk)
    assert queue.depth() == 53
    assert served(53) == [*many[:5], first, *many[5:50], *many[50:]]
    # What was served is no more waiting.
    Upload.objects.filter(pk__in=many).update(status=Upload.Status.DISCARDED)
    again = cleo.send(drawn_pictures.jpeg(width=8, height=8, seed=100))
    assert broker.llen("images") == 1  # the first of four lists
    assert served(1) == [str(again.pk)]


def test_the_operator_says_how_many_at_a_time():
    words = entrypoint.command("worker", [], {"WORKER_PROCESSES": "1"})
    assert words[words.index("--concurrency") + 1] == "1"


@pytest.mark.parametrize("count", ["0", "-1", "many", "1.5"])
def test_a_number_of_processes_that_is_none_is_refused(count):
    with pytest.raises(SystemExit, match="WORKER_PROCESSES must be a number from 1"):
        entrypoint.command("worker", [], {"WORKER_PROCESSES": count})
    with pytest.raises(SystemExit, match="WEB_PROCESSES"):
        entrypoint.command("web", [], {"WEB_PROCESSES": count})


@pytest.mark.parametrize("words", [["-Q", "images,transforms"], ["--queues=transforms,images"]])
def test_with_rabbitmq_photos_do_not_share_their_worker(words):
    """It hands out the tasks of several queues in turn."""
    amqp = {"BROKER_URL": "amqp://rabbit:5672//"}
    with pytest.raises(SystemExit, match=r"beside it `transforms`"):
        entrypoint.command("worker", words, amqp)
    assert entrypoint.command("worker", words, {})[-1] == words[-1]
    assert entrypoint.command("worker", ["-Q", "images"], amqp)[-1] == "images"


def test_the_consumer_of_events_is_a_role():
    assert entrypoint.command("events", [], {}) == ["python", "manage.py", "consume_storage_events"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.django_db
def test_one_transform_does_not_wait_behind_anothers_hundred(broker, group, ada, ben):
    image = bulk_rows.photo(group)

    def asked_by(user, number):
        row = Transform.objects.create(
            image=image,
            group_id=group.pk,
            version=1,
            spec={},
            spec_hash=f"{user.pk}-{number}".zfill(64),
            requested_by=user,
        )
        transforms_queue.enqueue(row.pk)
        return str(row.pk)

    many = [asked_by(ben, number) for number in range(8)]
    one = asked_by(ada, 0)
    assert served(9, "transforms") == [*many[:5], one, *many[5:]]


@pytest.mark.django_db
def test_photos_go_first_where_one_worker_serves_transforms_as_well(broker, tmp_path):
    """One worker, one process; what it does with ids that are no rows is nothing."""
    for _ in range(20):
        transforms_queue.enqueue(new_id())
    for _ in range(5):
        queue.enqueue(new_id())
    program = [sys.executable, "-m", *entrypoint.command("worker", [], {"WORKER_PROCESSES": "1"})]
    log, sign = tmp_path / "worker.log", tmp_path / "worker-heartbeat"
    with log.open("w") as file:
        worker = subprocess.Popen(
            [*program, "-Q", "images,transforms", "--pool", "solo"],
            cwd=PROJECT,
            env={
                **PRETENDED,
                **os.environ,
                "DATABASE_URL": os.environ["DATABASE_URL"].rpartition("/")[0]
                + f"/{connection.settings_dict['NAME']}",
                "REDIS_URL": live_settings.REDIS_URL,
                "WORKER_HEARTBEAT_FILE": str(sign),
            },
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        end = time.monotonic() + 120
        while (
            len(received := re.findall(r"task=images\.tasks\.(\w+)", log.read_text())) < 25
        ) or not sign.exists():
            assert worker.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.2)
    finally:
        worker.terminate()
        worker.wait(60)
    assert received == ["process_upload"] * 5 + ["render_transform"] * 20
    assert probe.trouble_of_file(sign, seconds=120) == ""
