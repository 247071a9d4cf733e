"""Every field of the API's description refuses hostile JSON quickly, in little memory, with a short
answer: whoever writes a new field need not think of it."""

from __future__ import annotations

import json
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from bandpics.ids import new_id
from bandpics.testing.matrix import few
from bandpics.users import api_keys
from bandpics.users.models import Scope
from bandpics.users.tests.factories import UserFactory
from groups.models import Membership
from groups.tests.factories import MembershipFactory, TeamFactory
from images import archives
from images.access import MemberAccess
from images.models import Image
from images.tests import drawn_pictures
from images.tests.guest_client import described, put

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]

KIB, MIB = 1024, 1024 * 1024
# Of this thread. 50 ms and less were measured; it was up to 23 s.
MAX_SECONDS = 0.5
MAX_MEMORY = 20 * MIB
MAX_ANSWER = 16 * KIB

FOR_EACH_FIELD = {
    "a list of 950,000 numbers": "[" + ",".join("1" * 950_000) + "]",
    "objects nested 380,000 deep": '{"":' * 380_000 + "1" + "}" * 380_000,
    "a text of 1.9 MB": '"' + "x" * 1_900_000 + '"',
    "a number of a million digits": "9" * 1_000_000,
}
# What is within the bounds of the parser, so that the field has to refuse it.
FOR_EACH_LIST = {
    "a list of 9,000 numbers": json.dumps([1] * 9_000),
    "a list of 4,000 objects": json.dumps([{}] * 4_000),
}
FOR_ONE_FIELD = {
    "a list of 650,000 objects": "[" + "{}," * 650_000 + "{}]",
    "lists nested 900,000 deep": "[" * 900_000 + "]" * 900_000,
    "lists nested 500 deep": "[" * 500 + "]" * 500,
    "470,000 texts": "[" + '"",' * 470_000 + '""]',
    "a text of 950,000 escapes": '"' + '\\"' * 950_000 + '"',
    "a text of commas": '"' + "," * 1_900_000 + '"',
    "a text of emoji": '"' + "\N{GUITAR}" * 470_000 + '"',
    "a fraction of a million digits": "0." + "9" * 1_000_000,
    "an object of 150,000 names": json.dumps(dict.fromkeys(map(str, range(150_000)), 1)),
    "a name of 1.9 MB": json.dumps({"x" * 1_900_000: 1}),
}


def described_fields(
    schema: dict[str, Any],
) -> Iterator[tuple[str, str, tuple[str | int, ...], bool]]:
    """Method, address, where in the JSON, and whether it is a list: of each field of each body."""
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if body is not None:
                for where, is_list in _fields(schema, body["schema"], ()):
                    yield method.upper(), path, where, is_list


def _fields(
    schema: dict[str, Any], node: dict[str, Any], where: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], bool]]:
    if "$ref" in node:
        node = schema["components"]["schemas"][node["$ref"].rpartition("/")[2]]
    yield where, "items" in node
    for part in ("allOf", "oneOf", "anyOf"):
        for inner in node.get(part, []):
            yield from (found for found in _fields(schema, inner, where) if found[0] != where)
    for name, inner in node.get("properties", {}).items():
        if not inner.get("readOnly"):
            yield from _fields(schema, inner, (*where, name))
    if "items" in node:
        yield from _fields(schema, node["items"], (*where, 0))


def body_with(where: tuple[str | int, ...], value: str) -> bytes:
    for step in reversed(where):
        value = f"[{value}]" if isinstance(step, int) else f"{{{json.dumps(step)}:{value}}}"
    return value.encode()


@pytest.fixture
def admin(db):
    return UserFactory(email="admin@example.org", is_staff=True, is_superuser=True)


@pytest.fixture
def addresses(group, admin, cleo):
    """Things the admin may change, by the names of the description."""
    MembershipFactory(team=group.team, user=admin, role=Membership.Role.OWNER)
    member = MembershipFactory(team=TeamFactory(), user=admin, role=Membership.Role.OWNER)
    photo = cleo.send_and_process(drawn_pictures.jpeg())
    data = drawn_pictures.jpeg(seed=2)
    client = APIClient()
    client.force_login(admin)
    file = {"filename": "a.jpg", "content_type": "image/jpeg", "size": len(data)}
    announced = client.post("/api/v1/uploads/", {"group": str(group.pk), "files": [file]})
    (ticket,) = announced.json()["uploads"]
    assert put(ticket["upload"], data).status == 200
    return {
        "group_id": group.pk,
        "team_id": member.team_id,
        "user_id": admin.pk,
        "image_id": photo.pk,
        "upload_id": ticket["id"],
        "invitation_id": cleo.invitation.pk,
        "archive_id": archives.order(group, access=MemberAccess(admin)).archive_id,
        "correction_id": new_id(),
    }


@pytest.fixture
def clients(admin, settings):
    """Who may call what: most the admin, some nobody in particular, one the store."""
    settings.REGISTRATION = "open"
    settings.STORAGE_EVENTS_SECRET = "s" * 32
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, "1000000/minute")
    _, text = api_keys.issue(admin, name="script", scopes=Scope.values)
    one_of_ours, store = APIClient(), APIClient()
    one_of_ours.credentials(HTTP_AUTHORIZATION=f"Api-Key {text}")
    store.credentials(HTTP_AUTHORIZATION=f"Bearer {'s' * 32}")
    anybody = APIClient()
    return {"/api/v1/storage-events/": store, "/api/v1/users/": anybody}, one_of_ours


@pytest.fixture(autouse=True)
def _all_is_loaded(client):
    client.get("/api/v1/uploads/")


def refused_at_once(client, method, address, body, told):
    tracemalloc.start()
    started = time.thread_time()
    answer = client.generic(method, address, body, content_type="application/json")
    seconds = time.thread_time() - started
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert answer.status_code in {400, 413}, (told, answer.content[:500])
    assert len(answer.content) <= MAX_ANSWER, told
    assert seconds < MAX_SECONDS, (told, seconds)
    assert peak < MAX_MEMORY, (told, peak)


@pytest.mark.long
def test_each_field_of_the_description_refuses_it_at_once(addresses, clients):
    special, one_of_ours = clients
    found = list(described_fields(SchemaGenerator().get_schema(request=None, public=True)))
    for method, path, where, is_list in found:
        told = f"{method} {path} {'/'.join(map(str, where))}"
        print(told)  # noqa: T201 - the fields that were found
        client, address = special.get(path, one_of_ours), path.format(**addresses)
        for name, value in (FOR_EACH_FIELD | (FOR_EACH_LIST if is_list else {})).items():
            refused_at_once(client, method, address, body_with(where, value), f"{told}: {name}")
    everywhere = {(path, where) for _, path, where, _ in found}
    assert ("/api/v1/uploads/", ("files", 0, "sha256")) in everywhere
    assert ("/api/v1/users/me/keys/", ("groups", 0)) in everywhere
    assert ("/api/v1/images/{image_id}/", ("location", "lat")) in everywhere
    assert len(found) > 100


@pytest.mark.parametrize("name", few(FOR_ONE_FIELD, 4))
@pytest.mark.parametrize("where", [(), ("files",), ("files", 0, "filename")])
def test_a_guest_is_refused_at_once(cleo, where, name):
    body = body_with(where, FOR_ONE_FIELD[name])
    refused_at_once(cleo.client, "POST", "/api/v1/uploads/", body, name)


def test_at_most_20_errors_are_told_and_how_many_more_there_are(cleo):
    answer = cleo.announce(*[{"filename": "a.jpg", "size": 0}] * 100)
    assert answer.status_code == 400
    errors = answer.json()["errors"]
    assert [each["pointer"] for each in errors[:20]] == [
        f"#/files/{index}/size" for index in range(20)
    ]
    assert errors[20:] == [{"pointer": "#", "code": "more", "detail": "And 80 more."}]


def test_a_text_full_of_commas_is_no_list(cleo):
    name = ",[{" * 600 + '\\"\\'
    ticket = cleo.announce_one(drawn_pictures.jpeg(), filename=name)
    assert Image.objects.get(pk=ticket["id"]).original_filename == name[:255]
    full = [{**described(b"x" * n), "filename": ",[{" * 600} for n in range(1, 101)]
    assert cleo.announce(*full).status_code == 201
