"""A host and a guest of the image's web servers, and the stores that the image is told of."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import contextmanager
from types import SimpleNamespace
from urllib.parse import urlsplit

import psycopg
import urllib3

from bandpics.local import s3_server
from bandpics.testing import pytest_plugin
from bandpics.testing.fault_proxy import FaultProxy
from images.tests.guest_client import DEVICE, described, put

PATIENCE_SECONDS = 120
EMAIL, PASSWORD = "hanna@example.org", "grey horses on the lake"


def until(happens, *, seconds=PATIENCE_SECONDS):
    """Waits for it, and returns it."""
    end = time.monotonic() + seconds
    while not (found := happens()):
        assert time.monotonic() < end, happens
        time.sleep(0.1)
    return found


class Evening:
    """A host and a guest, who speak to a web server by HTTP."""

    def __init__(self, url):
        self.url, self.host, self.guest = url, {}, {}
        self.pool = urllib3.PoolManager(retries=False, timeout=60)

    def call(self, method, path, *, headers=None, says=(200, 201, 202, 204), **more):
        answer = self.pool.request(method, self.url + path, headers=headers, redirect=False, **more)
        assert answer.status in says, (path, answer.status, answer.data[:500])
        return answer

    def api(self, method, path, *, who=None, **more):
        who = self.host if who is None else who
        answer = self.call(method, f"/api/v1/{path}", headers=who, **more)
        return answer.json() if answer.data else None

    def begin(self):
        tokens = self.api("POST", "token/", who={}, json={"email": EMAIL, "password": PASSWORD})
        self.host = {"Authorization": f"Bearer {tokens['access']}"}
        made = self.api("POST", "groups/", json={"name": "The evening", "caption_language": "en"})
        self.group = made["id"]
        asked = {"group": self.group, "kind": "shared", "visibility": "gallery"}
        link = self.api("POST", "invitations/", json=asked)["upload_link"]
        self.link = urlsplit(link).path
        token = self.link.strip("/").rpartition("/")[2]
        self.guest = {"Authorization": f"Invitation {token}", "Bandpics-Device": DEVICE}
        return self

    def put(self, data):
        """Announces a photo and sends its bytes to the bucket; returns its id."""
        body = {"files": [described(data)]}
        (ticket,) = self.api("POST", "uploads/", who=self.guest, json=body)["uploads"]
        stored = put(ticket["upload"], data)
        assert stored.status == 200, (stored.status, stored.data[:500])
        return ticket["id"]

    def complete(self, upload_id):
        return self.api("POST", f"uploads/{upload_id}/complete/", who=self.guest)

    def send(self, data):
        """Sends a photo as the upload page does; returns its id."""
        upload_id = self.put(data)
        self.complete(upload_id)
        return upload_id

    def form(self, data, name="form.jpg"):
        """Returns the body and the headers of the upload form, as a browser without JavaScript
        sends it."""
        body, kind = urllib3.encode_multipart_formdata({"files": (name, data, "image/jpeg")})
        return body, {"Content-Type": kind, "Origin": self.url}

    def status(self, upload_id):
        return self.api("GET", f"uploads/{upload_id}/", who=self.guest)["status"]

    def until_done(self, *upload_ids):
        for upload_id in upload_ids:
            until(lambda upload_id=upload_id: self.status(upload_id) == "done")

    def photos(self):
        """The status of every photo of the group, by filename."""
        found = self.api("GET", f"images/?group={self.group}&limit=200")["results"]
        return {row["original_filename"]: row["status"] for row in found}


@contextmanager
def stores():
    """A database, a bucket and a Redis database of this test's own. The bucket is behind a proxy
    that causes faults."""
    parts, name = urlsplit(os.environ["DATABASE_URL"]), f"image_{secrets.token_hex(4)}"
    database_url = parts._replace(path=f"/{name}").geturl()
    with (
        psycopg.connect(parts.geturl(), autocommit=True) as server,
        FaultProxy(os.environ["S3_ENDPOINT_URL"]) as proxy,
    ):
        server.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        try:
            yield SimpleNamespace(
                s3=proxy,
                bucket=name.replace("_", "-"),
                database_url=database_url,
                env={
                    **dict.fromkeys(pytest_plugin.LIMITS, "1000000/minute"),
                    "DATABASE_URL": database_url,
                    "REDIS_URL": os.environ["REDIS_URL"].rpartition("/")[0] + "/61",
                    "S3_ENDPOINT_URL": proxy.url,
                    "S3_PUBLIC_ENDPOINT_URL": proxy.url,
                    "S3_BUCKET": name.replace("_", "-"),
                    "S3_ACCESS_KEY": os.environ["S3_ACCESS_KEY"],
                    "S3_SECRET_KEY": os.environ["S3_SECRET_KEY"],
                    "SECRET_KEY": secrets.token_urlsafe(40),
                    "INVITATION_TOKEN_KEY": secrets.token_urlsafe(40),
                    "POSTGRES_PASSWORD": secrets.token_urlsafe(40),
                },
            )
        finally:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def set_up(stack):
    """Runs the services that make the bucket and the tables."""
    stack.run("bucket")
    s3_server.keep_incoming(stack.env, stack.env["S3_BUCKET"])
    stack.run("migrate")


def make_admin(container, entrypoint):
    made = container.execute(*entrypoint, "first_admin", EMAIL, says=f"{PASSWORD}\n")
    assert made.returncode == 0, made.stderr
