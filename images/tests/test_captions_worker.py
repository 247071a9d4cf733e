"""The role that writes captions, as `make run` starts it where a provider is set."""

from __future__ import annotations

import base64
import time

import pytest
import urllib3

from bandpics import entrypoint
from bandpics.testing.pytest_plugin import started_stack
from images.tests import drawn_pictures
from images.tests.caption_server import KEY, MODEL, CaptionServer

pytestmark = pytest.mark.xdist_group("captions")

PATIENCE_SECONDS = 180


@pytest.fixture
def server():
    server = CaptionServer()
    yield server
    server.stop()


def test_a_photo_that_arrives_is_described_by_a_worker_of_its_own(server, tmp_path_factory):
    settings = {
        "CAPTION_PROVIDER": "openai",
        "CAPTION_API_KEY": KEY,
        "CAPTION_MODEL": MODEL,
        "CAPTION_BASE_URL": f"{server.url}/v1",
        "REGISTRATION": "open",
    }
    with started_stack(tmp_path_factory.mktemp("captions"), **settings) as stack:
        headers = {}

        def call(method, path, **body):
            url = f"{stack['web_url']}/api/v1/{path}"
            more = {"json": body} if body else {}
            answer = urllib3.request(method, url, headers=headers, **more)
            assert answer.status < 300, answer.data
            return answer.json()

        account = {"email": "ada@example.org", "password": "grey horses on the lake"}
        headers["Authorization"] = f"Api-Key {call('POST', 'users/', **account)['api_key']}"
        group = call("POST", "groups/", name="The evening", caption_language="en")["id"]
        picture = base64.b64encode(drawn_pictures.jpeg(lat=48.2, lon=16.37)).decode()
        photo = call("POST", "images/", group=group, image=picture, filename="stage.jpg")
        end = time.monotonic() + PATIENCE_SECONDS
        while not (found := call("GET", f"images/{photo['id']}/"))["generated_caption"]:
            assert time.monotonic() < end, found
            time.sleep(0.5)
        assert found["generated_caption"]["text"] == "Two people dance in front of a stage."
        (asked,) = server.asked
        assert b"Exif" not in asked.picture


def test_the_role_serves_its_queue_alone():
    words = entrypoint.command("captions", [], {})
    assert words[words.index("-Q") + 1] == "captions"
    for role in ("worker", "sweeper", "archives", "transforms"):
        words = entrypoint.command(role, [], {})
        assert "captions" not in words[words.index("-Q") + 1].split(",")
