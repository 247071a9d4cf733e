"""Every role of the image, started as Docker Compose starts it, but without a Docker engine: from a
fresh virtualenv of the production requirements, confined, with stores that only settings name. And
how each stops while it is busy: as `docker stop` does it, within its time, and losing nothing."""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import boto3
import psycopg
import pytest
from PIL import Image

from bandpics import entrypoint
from bandpics.local import addresses
from bandpics.testing import image as images
from bandpics.testing.aws_server import aws_server
from bandpics.testing.tests.image_stack import Evening, make_admin, set_up, stores, until
from images.tests import caption_server, drawn_pictures
from images.tests.test_storage_events import told

pytestmark = [
    pytest.mark.long,
    pytest.mark.xdist_group("image"),
    pytest.mark.skipif(bool(images.trouble()), reason=f"nothing is confined: {images.trouble()}"),
]

SERVICES = [role for role in entrypoint.ROLES if role not in {"migrate", "all"}]
SQS_KEYS = {"AWS_ACCESS_KEY_ID": "anything", "AWS_SECRET_ACCESS_KEY": "anything"}
DRAIN_SECONDS = 2


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    one = images.Image(tmp_path_factory.mktemp("image") / "now")
    one.build()
    yield one
    shutil.rmtree(one.folder, ignore_errors=True)


@contextmanager
def queue_of_events():
    """Yields a client of an SQS server, and the settings that lead to a queue there."""
    keys = {key.lower(): value for key, value in SQS_KEYS.items()}
    with aws_server() as url:
        client = boto3.client("sqs", endpoint_url=url, region_name="us-east-1", **keys)
        yield (
            client,
            {
                "STORAGE_EVENTS_QUEUE_URL": client.create_queue(QueueName="events")["QueueUrl"],
                "STORAGE_EVENTS_QUEUE_REGION": "us-east-1",
                "STORAGE_EVENTS_QUEUE_ENDPOINT_URL": client.meta.endpoint_url,
            },
        )


class Running:
    """All services of Compose."""

    def __init__(self, image, found, sqs, queue, captions):
        self.port = addresses.free_port(addresses.LOOPBACK)
        self.s3, self.bucket, self.database_url = found.s3, found.bucket, found.database_url
        self.sqs, self.queue_url = sqs, queue["STORAGE_EVENTS_QUEUE_URL"]
        self.captions = captions
        url = f"http://localhost:{self.port}"
        settings = {
            "PUBLIC_URL": url,
            "WEB_DRAIN_SECONDS": str(DRAIN_SECONDS),
            "CAPTION_PROVIDER": "openai",
            "CAPTION_API_KEY": caption_server.KEY,
            "CAPTION_MODEL": caption_server.MODEL,
            "CAPTION_BASE_URL": f"{captions.url}/v1",
        }
        self.stack = images.Compose(image, found.env | queue | settings)
        self.roles: dict[str, images.Container] = {}
        self.evening = Evening(url)

    def start(self, role):
        """Starts a service, and waits until it is well."""
        # Containers have a port 8000 each; these share the ports of the machine. Queues elsewhere
        # than at AWS take the keys that boto3 finds.
        more = {"web": {"WEB_PORT": str(self.port)}, "events": SQS_KEYS}.get(role, {})
        self.roles[role] = self.stack.start(role, **more)
        return self.roles[role]

    def restart(self, role):
        self.start(role).until_healthy()

    def restart_stopped(self):
        """Starts what the test before has stopped. No role ends by itself."""
        for role, container in list(self.roles.items()):
            if (code := container.process.poll()) is not None:
                self.restart(role)
                assert container.is_told_to_end, (role, code, container.said())

    def ask(self, query, *values):
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(query, values)
            return cursor.fetchone() if cursor.description else None


@pytest.fixture(scope="module")
def running(image):
    captions = caption_server.CaptionServer()
    with stores() as found, queue_of_events() as (sqs, queue):
        one = Running(image, found, sqs, queue, captions)
        try:
            set_up(one.stack)
            for role in SERVICES:
                one.start(role)
            for container in one.roles.values():
                container.until_healthy()
            make_admin(one.roles["web"], image.entrypoint)
            one.evening.begin()
            yield one
        finally:
            one.stack.end()
            captions.stop()


@pytest.fixture(autouse=True)
def _all_run(running):
    running.restart_stopped()
    yield
    running.s3.heal()


def test_every_role_is_well_and_a_photo_goes_all_the_way(running):
    evening = running.evening
    page = evening.call("GET", evening.link).data.decode()
    assert "The evening" in page
    script = re.search(r'src="(/static/[^"]+\.js)"', page)[1]
    assert evening.call("GET", script).status == 200  # collected, with a hash in its name
    photo = evening.send(drawn_pictures.jpeg(width=800, height=600))
    evening.until_done(photo)
    evening.api("POST", f"images/{photo}/moderate/", json={"decision": "approve"})
    gallery = evening.call("GET", f"{evening.link}photos/", headers=evening.guest)
    assert photo in gallery.data.decode()

    path = f"images/{photo}/transforms/"
    spec = {"transformations": {"resize": {"width": 80, "height": 80, "mode": "fit"}}}
    asked = evening.api("POST", path, json=spec)
    until(lambda: evening.api("GET", f"{path}{asked['hash']}/")["status"] == "done")
    path = f"groups/{evening.group}/archives/"
    archive = evening.api("POST", path, json={"what": {"images": [photo]}})["id"]
    until(lambda: evening.api("GET", f"{path}{archive}/")["status"] == "ready")
    until(lambda: evening.api("GET", f"images/{photo}/")["generated_caption"])
    until(lambda: evening.call("GET", "/readyz").json()["seconds_since_sweep"] is not None)
    assert {name for name, role in running.roles.items() if not role.is_healthy()} == set()


def test_its_logs_are_json(running):
    """As the image sets it; but for what Python warns of before they begin."""
    for role in ("web", "worker", "sweeper"):
        lines = running.roles[role].said().splitlines()
        shown = [json.loads(line) for line in lines if line.startswith("{")]
        assert all(line["timestamp"] for line in shown) and shown, lines


def test_a_container_writes_nothing_of_its_program(running):
    code = "import pathlib; pathlib.Path('{}').touch()"
    web = running.roles["web"]
    for folder, may in (("/app", False), ("/opt/venv", False), ("/etc", False), ("/work", True)):
        run = web.execute("python", "-c", code.format(f"{folder}/written"))
        assert (run.returncode == 0) is may, (folder, run.stderr)


# --- SIGTERM while it is busy -----------------------------------------------------------------


def test_web_ends_a_request_and_a_form_that_have_begun(running):
    evening, web = running.evening, running.roles["web"]
    upload_id = evening.put(drawn_pictures.jpeg(seed=21))
    body, headers = evening.form(drawn_pictures.jpeg(width=1600, height=1200, seed=22))
    fault = running.s3.stall(direction="down", matching=f"^HEAD /{running.bucket}/incoming/")
    with ThreadPoolExecutor(1) as pool:
        completed = pool.submit(evening.complete, upload_id)
        until(lambda: fault.hits)
        form = http.client.HTTPConnection("localhost", running.port, timeout=60)
        form.putrequest("POST", evening.link)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            form.putheader(name, value)
        form.endheaders(body[: len(body) // 2])
        web.terminate()
        until(lambda: not is_open(running.port))
        fault.lift()
        form.send(body[len(body) // 2 :])
        answer = form.getresponse()
        assert answer.status == 200, answer.read()
        assert b"1 of 1" in answer.read()
        assert completed.result(60)["status"] != "pending"
    assert web.stopped() == 0
    running.restart("web")
    evening.until_done(upload_id)
    until(lambda: evening.photos().get("form.jpg") == "done")


def is_open(port):
    connection = http.client.HTTPConnection("localhost", port, timeout=5)
    try:
        connection.connect()
    except ConnectionRefusedError:
        return False
    finally:
        connection.close()
    return True


def noise(*, width, height):
    """A JPEG of many bytes, which are no two times the same."""
    file = io.BytesIO()
    picture = Image.frombytes("RGB", (width, height), os.urandom(3 * width * height))
    picture.save(file, "JPEG", quality=96, subsampling=0)
    return file.getvalue()


def stop_amid(running, role, matching, *, begin):
    """Tells a role to stop while the store keeps it waiting; returns what `begin` returned."""
    fault = running.s3.stall(direction="down", matching=matching)
    begun = begin()
    until(lambda: fault.hits)
    container = running.roles[role]
    container.terminate()
    time.sleep(1)
    assert container.process.poll() is None, container.said()
    fault.lift()
    running.s3.heal()
    assert container.stopped() == 0, container.said()
    return begun


def test_a_worker_finishes_its_photo(running):
    photo = stop_amid(
        running,
        "worker",
        f"^GET /{running.bucket}/incoming/",
        begin=lambda: running.evening.send(drawn_pictures.jpeg(width=800, height=600, seed=30)),
    )
    row = running.ask("SELECT status, attempt FROM images_upload WHERE id = %s", photo)
    assert row == ("done", 1)


def test_transforms_finishes_its_picture(running):
    evening = running.evening
    photo = evening.send(drawn_pictures.jpeg(width=800, height=600, seed=31))
    evening.until_done(photo)
    path = f"images/{photo}/transforms/"
    spec = {"transformations": {"resize": {"width": 90, "height": 90, "mode": "fit"}}}
    stop_amid(
        running,
        "transforms",
        f"^GET /{running.bucket}/{evening.group}/",
        begin=lambda: evening.api("POST", path, json=spec),
    )
    row = running.ask("SELECT state, attempts FROM images_transform WHERE image_id = %s", photo)
    assert row == ("done", 1)


def test_archives_stops_behind_its_part_and_the_next_goes_on_there(running):
    evening = running.evening
    photos = [evening.send(noise(width=2400, height=1600)) for _ in range(4)]
    evening.until_done(*photos)
    path, part = f"groups/{evening.group}/archives/", "partNumber="
    before = len(running.s3.requests)
    archive = stop_amid(
        running,
        "archives",
        f"^PUT /{running.bucket}/.*{part}2",
        begin=lambda: evening.api("POST", path, json={"what": {"images": photos}}),
    )["id"]
    row = running.ask("SELECT state, attempts FROM images_archive WHERE id = %s", archive)
    assert row == ("queued", 0)
    running.restart("archives")
    until(lambda: evening.api("GET", f"{path}{archive}/")["status"] == "ready")
    sent = [request for request in running.s3.requests[before:] if part in request]
    assert len(sent) > 3
    numbers = [re.search(rf"{part}(\d+)", request)[1] for request in sent]
    assert len(numbers) == len(set(numbers))  # none was sent twice


def test_a_sweep_ends_between_two_steps_and_the_next_does_the_rest(running):
    evening = running.evening
    photos = [evening.send(drawn_pictures.jpeg(seed=seed)) for seed in (50, 51)]
    evening.until_done(*photos)
    begun = "UPDATE images_image SET trashed_at = '2020-01-01' WHERE id = ANY(%s::uuid[])"
    stop_amid(running, "sweeper", "^POST .*delete", begin=lambda: running.ask(begun, photos))
    running.restart("sweeper")
    left = "SELECT count(*) FROM images_image WHERE id = ANY(%s::uuid[])"
    until(lambda: running.ask(left, photos) == (0,))
    until(lambda: running.ask("SELECT count(*) FROM images_pendingdeletion") == (0,))


def test_a_caption_that_was_asked_for_is_kept(running):
    evening, captions = running.evening, running.captions
    asked, may_answer = threading.Event(), threading.Event()

    def wait():
        asked.set()
        may_answer.wait(60)

    captions.before_reply = wait
    try:
        evening.send(drawn_pictures.jpeg(width=640, height=480, seed=60))
        assert asked.wait(60)
        # Perhaps one of an earlier test, which waited for its caption.
        row = "FROM images_generatedcaption WHERE"
        (photo,) = running.ask(f"SELECT image_id {row} state = 'asking'")
        container = running.roles["captions"]
        container.terminate()
        time.sleep(1)
        assert container.process.poll() is None
        may_answer.set()
        assert container.stopped() == 0, container.said()
    finally:
        captions.before_reply = lambda: None
        may_answer.set()
    kept = running.ask(f"SELECT state, attempts, text <> '' {row} image_id = %s", photo)
    assert kept == ("done", 1, True)


def test_after_a_pause_of_beat_the_sweeps_go_on(running):
    assert running.roles["beat"].stop() == 0

    def seconds_since_sweep():
        return running.evening.call("GET", "/readyz").json()["seconds_since_sweep"]

    until(lambda: seconds_since_sweep() > 12)
    running.restart("beat")
    until(lambda: seconds_since_sweep() < 10)


def test_an_event_that_comes_while_nobody_listens_is_taken_up(running):
    events = running.roles["events"]
    # It has no health check, and Linux lets process 1 ignore SIGTERM until it handles it.
    until(lambda: "Waiting for events" in events.said())
    assert events.stop() == 0, events.said()
    upload_id = running.evening.put(drawn_pictures.jpeg(seed=70))
    message = json.dumps(told(f"incoming/{upload_id}", bucket=running.bucket))
    running.sqs.send_message(QueueUrl=running.queue_url, MessageBody=message)
    running.restart("events")
    running.evening.until_done(upload_id)  # nobody else completes it within ten minutes


def test_a_command_as_process_1_ends_by_sigterm(running):
    command = running.stack.start(
        "web",
        "shell",
        "--no-imports",
        "-c",
        "import time; print('begun', flush=True); time.sleep(99)",
    )
    until(lambda: "begun" in command.said())
    assert command.stop() == 128 + 15


def test_every_role_that_has_nothing_to_do_stops_at_once(running):
    began = time.monotonic()
    for container in running.roles.values():
        container.terminate()
    codes = {name: container.stopped() for name, container in running.roles.items()}
    assert codes == dict.fromkeys(SERVICES, 0)
    assert time.monotonic() - began < min(each.stop_seconds for each in running.roles.values())
