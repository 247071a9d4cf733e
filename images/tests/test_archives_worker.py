"""The worker of archives, as `make run` starts it: ordered by HTTP, built by its own process."""

from __future__ import annotations

import base64
import io
import time
import zipfile

import pytest
import urllib3

from images.tests import drawn_pictures

pytestmark = pytest.mark.xdist_group("stack")

PATIENCE_SECONDS = 120


def test_what_is_ordered_is_built_by_a_worker_of_its_own(running_stack, newcomer):
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
    data = drawn_pictures.jpeg()
    picture = base64.b64encode(data).decode()
    photo = call("POST", "images/", group=group, image=picture, filename="stage.jpg")
    wait_for(f"images/{photo['id']}/", "done")
    ordered = call("POST", f"groups/{group}/archives/", what={"images": [photo["id"]]})
    shown = wait_for(f"groups/{group}/archives/{ordered['id']}/", "ready")
    with zipfile.ZipFile(io.BytesIO(urllib3.request("GET", shown["url"]).data)) as file:
        assert file.read(file.namelist()[0]) == data
