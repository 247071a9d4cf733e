"""The worker of transforms, as `make run` starts it: asked by HTTP, rendered by its own process."""

from __future__ import annotations

import pytest
import urllib3

from images.photofile.rendering import verify
from images.tests import drawn_pictures
from images.tests.stack_client import StackClient
from images.tests.transform_client import opened

pytestmark = pytest.mark.xdist_group("stack")


def test_what_is_asked_for_is_rendered_by_a_worker_of_its_own(running_stack, newcomer, tmp_path):
    client = StackClient(running_stack["web_url"], newcomer)
    _, photo_id = client.send(drawn_pictures.jpeg(width=600, height=400, lat=48.2, lon=16.4))
    path = f"images/{photo_id}/transforms/"
    steps = {"crop": {"x": 100, "width": 300, "height": 400}, "rotate": 90, "format": "webp"}
    asked = client.call("POST", path, transformations=steps)
    shown = client.wait_for(f"{path}{asked['hash']}/", "done")
    url = f"{client.root}{path}{asked['hash']}/file/"
    answer = urllib3.request("GET", url, headers=newcomer, redirect=False)
    assert answer.status == 302
    picture = opened(answer.headers["Location"])
    assert (picture.format, picture.size) == ("WEBP", (400, 300))
    result = tmp_path / "result.webp"
    result.write_bytes(urllib3.request("GET", shown["url"]).data)
    verify.assert_metadata_free(result)
