"""docs/mirror.py, run as it stands there, while photos come, change and go."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import urllib3

from images.tests import drawn_pictures
from images.tests.guest_client import described, put

SCRIPT = Path(__file__).parents[2] / "docs" / "mirror.py"
WAIT_SECONDS = 120
_pool = urllib3.PoolManager(maxsize=16, timeout=30)


class Host:
    """Somebody who does all this by the API."""

    def __init__(self, stack, headers):
        self.api, self.headers = f"{stack['web_url']}/api/v1/", headers

    def call(self, method, path, body=None, *, expect=(200, 201, 202, 204)):
        url = path if path.startswith("http") else self.api + path
        answer = _pool.request(method, url, json=body, headers=self.headers)
        assert answer.status in expect, (method, path, answer.status, answer.data)
        return answer.json() if answer.data else None

    def listed(self, **query):
        url = f"images/?{'&'.join(f'{name}={value}' for name, value in query.items())}&limit=200"
        rows = []
        while url:
            page = self.call("GET", url)
            rows += page["results"]
            url = page["next"]
        return rows

    def announce(self, group, photos):
        files = [described(data) for data in photos]
        return self.call("POST", "uploads/", {"group": group, "files": files})["uploads"]

    def send(self, ticket, data):
        assert put(ticket["upload"], data).status == 200
        self.call("POST", f"uploads/{ticket['id']}/complete/")

    def replace(self, image_id, data):
        ticket = self.call("PATCH", f"images/{image_id}/file/", described(data))
        self.send(ticket, data)

    def when_all_is_done(self):
        end = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < end:
            if not self.listed(status="pending,queued,processing"):
                return
            time.sleep(0.5)
        raise AssertionError("The worker did not finish.")


@contextmanager
def ends(stop):
    """Stops the mirror whatever happens: a failure must not wait for it for ever."""
    try:
        yield
    finally:
        stop.set()


def photo(number: int) -> bytes:
    return drawn_pictures.jpeg(seed=1000 + number, width=48, height=32)


@pytest.mark.xdist_group("stack")
@pytest.mark.parametrize("some", [4, pytest.param(20, marks=pytest.mark.long)])
def test_the_mirror_ends_complete_and_right(running_stack, newcomer, tmp_path, some):
    """Ten times `some` photos arrive; of those that are done `some` each are trashed, moved,
    replaced, trashed and restored, and a group with `some` is trashed, another trashed and
    restored."""
    ada = Host(running_stack, newcomer)
    groups = [ada.call("POST", "groups/", {"name": f"Group {n}"})["id"] for n in range(4)]
    environment = {
        **os.environ,
        "BANDPICS": running_stack["web_url"],
        "API_KEY": newcomer["Authorization"].removeprefix("Api-Key "),
        "OVERLAP": "10",
    }

    folder = tmp_path / "not" / "there yet"

    def mirror():
        command = [sys.executable, str(SCRIPT), str(folder)]
        subprocess.run(command, env=environment, check=True, timeout=WAIT_SECONDS)

    stop, runs = threading.Event(), []

    def mirror_again_and_again():
        while not stop.is_set():
            mirror()
            runs.append(len(list(folder.glob("*.jpg"))))

    with ThreadPoolExecutor(6) as pool, ends(stop):
        mirroring = pool.submit(mirror_again_and_again)
        tickets = []
        for group, numbers in zip(
            [groups[0], groups[0], groups[1], groups[2]],
            [
                range(4 * some),
                range(4 * some, 8 * some),
                range(8 * some, 9 * some),
                range(9 * some, 10 * some),
            ],
            strict=True,
        ):
            photos = [photo(number) for number in numbers]
            announced = ada.announce(group, photos)
            tickets += announced
            list(pool.map(ada.send, announced, photos))
        ids = [ticket["id"] for ticket in tickets]
        ada.when_all_is_done()
        mirror_has_seen_all = len(runs) + 2
        while len(runs) < mirror_has_seen_all and not mirroring.done():
            time.sleep(0.2)

        def trash(image_id):
            ada.call("DELETE", f"images/{image_id}/")

        def restore(image_id):
            trash(image_id)
            ada.call("POST", f"images/{image_id}/restore/")

        def move(image_id):
            ada.call("PATCH", f"images/{image_id}/", {"group": groups[3]})

        acts = [
            *((trash, (image_id,)) for image_id in ids[:some]),
            *((restore, (image_id,)) for image_id in ids[some : 2 * some]),
            *((move, (image_id,)) for image_id in ids[2 * some : 3 * some]),
            *((ada.replace, (ids[n], photo(10 * some + n))) for n in range(3 * some, 4 * some)),
        ]
        for done in [pool.submit(act, *arguments) for act, arguments in acts]:
            done.result()
        ada.call("DELETE", f"groups/{groups[1]}/")
        ada.call("DELETE", f"groups/{groups[2]}/")
        ada.call("POST", f"groups/{groups[2]}/restore/")
        ada.when_all_is_done()
        stop.set()
        mirroring.result()
    mirror()

    rows = {row["id"]: row for row in ada.listed()}
    assert set(rows) == set(ids[some : 8 * some] + ids[9 * some :])
    files = {file.stem: file.read_bytes() for file in folder.glob("*.jpg")}
    assert set(files) == set(rows)
    for image_id, row in rows.items():
        assert files[image_id] == _pool.request("GET", row["variants"]["fullsize"]["url"]).data
    assert max(runs) == 10 * some  # it held all of them before some went


def test_the_script_is_short():
    assert len(SCRIPT.read_text().splitlines()) <= 60
