"""The role that writes captions, as `make run` starts it where a provider is set."""

from __future__ import annotations

import base64
import time

import pytest
import urllib3

from bandpics import entrypoint
from bandpics.ids import new_id
from images.tests import drawn_pictures

pytestmark = pytest.mark.xdist_group("mail")

PATIENCE_SECONDS = 180


@pytest.mark.long  # test_captions.py
def test_a_photo_that_arrives_is_described_by_a_worker_of_its_own(mail_stack, caption_server):
    headers = {}

    def call(method, path, **body):
        url = f"{mail_stack['web_url']}/api/v1/{path}"
        more = {"json": body} if body else {}
        answer = urllib3.request(method, url, headers=headers, **more)
        assert answer.status < 300, answer.data
        return answer.json()

    account = {"email": f"{new_id()}@example.net", "password": "grey horses on the lake"}
    headers["Authorization"] = f"Api-Key {call('POST', 'users/', **account)['api_key']}"
    group = call("POST", "groups/", name="The evening", caption_language="en")["id"]
    picture = base64.b64encode(drawn_pictures.jpeg(lat=48.2, lon=16.37)).decode()
    photo = call("POST", "images/", group=group, image=picture, filename="stage.jpg")
    end = time.monotonic() + PATIENCE_SECONDS
    while not (found := call("GET", f"images/{photo['id']}/"))["generated_caption"]:
        assert time.monotonic() < end, found
        time.sleep(0.5)
    assert found["generated_caption"]["text"] == "Two people dance in front of a stage."
    # Groups of other tests have no language of captions.
    (asked,) = caption_server.asked
    assert b"Exif" not in asked.picture


def test_the_role_serves_its_queue_alone():
    words = entrypoint.command("captions", [], {})
    assert words[words.index("-Q") + 1] == "captions"
    for role in ("worker", "sweeper", "archives", "transforms"):
        words = entrypoint.command(role, [], {})
        assert "captions" not in words[words.index("-Q") + 1].split(",")
