"""The API against its own description, by schemathesis: on the live server, with every verb.

Two of its checks are off, by name and with their reason:

- positive_data_acceptance: what fits the schema may still be refused, for reasons OpenAPI cannot
  say: a date must lie ahead, a password be good, a group be one's own, one of two fields be there.
- negative_data_rejection: forms know no types, so our readers take 5 for "5" and an empty
  parameter for none, as Django REST framework does. What is truly wrong is refused; the tests of
  each door show it.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator

from bandpics.audit.models import Action, AuditEvent, Credential
from images.models import Image
from images.tests import drawn_pictures, stored_photos
from images.tests.guest_client import Guest, described
from invitations.tests.factories import InvitationFactory

OFF = "positive_data_acceptance,negative_data_rejection"

pytestmark = pytest.mark.xdist_group("stack")


def schemathesis(stack, folder, *options: str, seconds: int) -> None:
    done = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "schemathesis.cli",
                "run",
                f"{stack['web_url']}/api/v1/schema/",
            ),
            *("--header", f"Authorization: Api-Key {stack['admin_api_key']}"),
            *("--exclude-checks", OFF, "--warnings", "off", "--continue-on-failure"),
            # It would take away the key it calls with, and the account of everybody else.
            *("--exclude-path-regex", "users/me/|credentials/rotate"),
            *("--max-time", str(seconds), "--workers", "1", *options),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + 120,
    )
    assert done.returncode == 0, done.stdout[-20_000:]
    assert "Tested:" in done.stdout


@pytest.mark.long  # test_rude_requests.py, test_unknown_names.py
def test_a_short_run_finds_nothing(running_stack, tmp_path):
    schemathesis(
        running_stack, tmp_path, "--phases", "examples,coverage", "--seed", "20260621", seconds=10
    )


@pytest.mark.long
def test_a_long_run_finds_nothing(running_stack, tmp_path):
    schemathesis(
        running_stack,
        tmp_path,
        "--phases",
        "examples,coverage,fuzzing,stateful",
        "--max-examples",
        "200",
        seconds=900,
    )


@pytest.mark.django_db
@pytest.mark.usefixtures("bucket")
def test_a_text_that_is_empty_is_described_as_one_that_may_be(ada, group, signed_in, cleo):
    """What the server does itself has no address, a photo perhaps no camera, and a thing that
    waits has not failed and was not answered."""
    client, data = signed_in(ada), drawn_pictures.jpeg()
    photo = f"/api/v1/images/{stored_photos.by_member(ada, group, data).pk}/"
    Image.objects.update(moderation="approved")
    emil = Guest(InvitationFactory(group=group, visibility="gallery")).client
    asked = {"transformations": {"resize": {"width": 50}}}
    unknown = described(data, content_type="", sha256="0" * 64)
    assert cleo.announce(unknown).status_code == 201
    by_server = {"action": Action.PHOTOS_PURGED, "credential": Credential.SERVER}
    AuditEvent.objects.create(team_id=group.team_id, **by_server)
    answers = {
        "/images/{image_id}/transforms/": client.post(f"{photo}transforms/", asked),
        "/images/{image_id}/takedown/": emil.post(f"{photo}takedown/", {"reason": "Not me"}),
        "/stats/": client.get("/api/v1/stats/"),
        "/uploads/": cleo.client.get("/api/v1/uploads/"),
        "/audit-events/": client.get("/api/v1/audit-events/"),
    }
    described_by = SchemaGenerator().get_schema(request=None, public=True)
    for path, answer in answers.items():
        verb, status = answer.request["REQUEST_METHOD"].lower(), str(answer.status_code)
        responses = described_by["paths"][f"/api/v1{path}"][verb]["responses"]
        said = responses[status]["content"]["application/json"]
        schema = {**said["schema"], "components": described_by["components"]}
        wrong = [str(error) for error in Draft202012Validator(schema).iter_errors(answer.json())]
        assert wrong == [], path
