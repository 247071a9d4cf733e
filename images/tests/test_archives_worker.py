"""The worker of archives, as `make run` starts it: ordered by HTTP, built by its own process."""

from __future__ import annotations

import io
import zipfile

import pytest
import urllib3

from images.tests import drawn_pictures
from images.tests.stack_client import StackClient

pytestmark = pytest.mark.xdist_group("stack")


def test_what_is_ordered_is_built_by_a_worker_of_its_own(running_stack, newcomer):
    client = StackClient(running_stack["web_url"], newcomer)
    data = drawn_pictures.jpeg()
    group_id, photo_id = client.send(data)
    path = f"groups/{group_id}/archives/"
    ordered = client.call("POST", path, what={"images": [photo_id]})
    shown = client.wait_for(f"{path}{ordered['id']}/", "ready")
    with zipfile.ZipFile(io.BytesIO(urllib3.request("GET", shown["url"]).data)) as file:
        assert file.read(file.namelist()[0]) == data
