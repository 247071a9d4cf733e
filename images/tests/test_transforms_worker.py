"""The worker of transforms, as `make run` starts it: asked by HTTP, rendered by its own process."""

from __future__ import annotations

import base64
import time

import pytest
import urllib3

from images.photofile.rendering import verify
from images.tests import drawn_pictures
from images.tests.transform_client import opened

pytestmark = pytest.mark.xdist_group("stack")

PATIENCE_SECONDS = 120


def test_what_is_asked_for_is_rendered_by_a_worker_of_its_own(running_stack, newcomer, tmp_path):
    def call(method, path, **body):
        url = f"{running_stack['web_url']}/api/v1/{path}"
        answer = urllib3.request(method, url, headers=newcomer, **({"json": body} if body else {}))
        assert answer.status < 300, answer.data
        return answer.json()

    def wait_for(path, status):
        end = time.monotonic() + PATIENCE_SECONDS
        while (found := call("GET", path))["status"] != status:
            assert time.monotonic() < end, found
            time.sleep(0.2)
        return found

    group = call("POST", "groups/", name="The evening")["id"]
    data = drawn_pictures.jpeg(width=600, height=400, lat=48.2, lon=16.4)
    picture = base64.b64encode(data).decode()
    photo = call("POST", "images/", group=group, image=picture, filename="stage.jpg")
    wait_for(f"images/{photo['id']}/", "done")
    path = f"images/{photo['id']}/transforms/"
    steps = {"crop": {"x": 100, "width": 300, "height": 400}, "rotate": 90, "format": "webp"}
    asked = call("POST", path, transformations=steps)
    shown = wait_for(f"{path}{asked['hash']}/", "done")
    url = f"{running_stack['web_url']}/api/v1/{path}{asked['hash']}/file/"
    answer = urllib3.request("GET", url, headers=newcomer, redirect=False)
    assert answer.status == 302
    picture = opened(answer.headers["Location"])
    assert (picture.format, picture.size) == ("WEBP", (400, 300))
    result = tmp_path / "result.webp"
    result.write_bytes(urllib3.request("GET", shown["url"]).data)
    verify.assert_metadata_free(result)
