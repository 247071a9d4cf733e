"""A misspelt name is an error that names it and says what was meant; nowhere is it passed over."""

from __future__ import annotations

import pytest
from django.urls import resolve
from drf_spectacular.generators import SchemaGenerator

from images.models import Image
from images.tests.test_hostile_fields import addresses, admin, clients, described_fields

__all__ = ["addresses", "admin", "clients"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]

STORE = "/api/v1/storage-events/"  # its operator writes the address, the store the body
METHODS = {"get", "post", "put", "patch", "delete"}
# What is no id in a path.
WORDS = {"name": "thumb", "prefix": "x", "preset": "x", "spec_hash": "0" * 64}


@pytest.fixture(scope="module")
def schema():
    return SchemaGenerator().get_schema(request=None, public=True)


def refused(answer, name, hint, kind="field"):
    assert answer.status_code == 400, answer.content
    errors = {each["pointer"]: each for each in answer.json()["errors"]}
    error = errors[f"#/{name}"]
    assert error["code"] == f"unknown-{kind}"
    said = f"There is no {kind} `{name.rpartition('/')[2]}`."
    assert error["detail"] == (f"{said} Did you mean `{hint}`?" if hint else said)


def test_an_unknown_parameter_is_refused_by_each_operation(schema, addresses, clients):
    special, one_of_ours = clients
    tried = set()
    for path, operations in schema["paths"].items():
        if path == STORE:
            continue
        for method in METHODS & operations.keys():
            words = {**WORDS, **addresses}
            client = special.get(path, one_of_ours)
            answer = client.generic(method.upper(), f"{path.format(**words)}?no-such=1", b"")
            refused(answer, "no-such", None, "parameter")
            tried.add((method, path))
    assert len(tried) > 40
    assert Image.objects.filter(pk=addresses["image_id"]).exists()


def test_the_description_names_just_the_parameters_that_are_taken(schema, addresses):
    words = {**WORDS, **addresses}
    for path, operations in schema["paths"].items():
        view = resolve(path.format(**words)).func
        actions = getattr(view, "actions", None) or {}
        for method in METHODS & operations.keys():
            described = {
                each["name"]
                for each in operations[method].get("parameters", [])
                if each["in"] == "query"
            }
            parameters = getattr(view.cls, "parameters", {})
            taken = parameters.get(actions.get(method, method.upper()), ())
            assert described == set(taken), (method, path)


def test_an_unknown_field_is_refused_by_each_object_of_each_body(schema, addresses, clients):
    special, one_of_ours = clients
    objects = {
        (method, path, where[:-1])
        for method, path, where, _ in described_fields(schema)
        if where and isinstance(where[-1], str)
    }
    for method, path, where in objects:
        body = {"no-such": 1}
        for step in reversed(where):
            body = [body] if isinstance(step, int) else {step: body}
        client, address = special.get(path, one_of_ours), path.format(**addresses)
        if path == "/api/v1/groups/" and where[:1] == ("files",):
            body |= {"name": "Encore", "team": str(addresses["team_id"])}  # files come last
        answer = getattr(client, method.lower())(address, body)
        refused(answer, "/".join([*map(str, where), "no-such"]), None)
    assert ("PATCH", "/api/v1/images/{image_id}/", ("location",)) in objects
    assert len(objects) > 15


def test_it_names_the_nearest_one(cleo, ada, signed_in, group):
    client = signed_in(ada)
    refused(client.get("/api/v1/images/?uplaoder=Anna"), "uplaoder", "uploader", "parameter")
    refused(client.get("/api/v1/groups/?Team=x"), "Team", "team", "parameter")
    refused(client.get("/api/v1/images/?zzz=1"), "zzz", None, "parameter")
    made = client.post("/api/v1/groups/", {"name": "x", "visibilty": "gallery"})
    refused(made, "visibilty", "visibility")
    file = {"filename": "a.jpg", "contentType": "image/jpeg", "size": 3}
    refused(cleo.announce(file), "files/0/contentType", "content_type")


def test_so_it_does_for_forms_which_bring_a_csrf_token(ada, signed_in, group):
    client = signed_in(ada)
    form = {"name": "Encore", "csrfmiddlewaretoken": "x" * 64}
    assert client.post("/api/v1/groups/", form, format="multipart").status_code == 201
    answer = client.post("/api/v1/groups/", {**form, "visibilty": "own"}, format="multipart")
    refused(answer, "visibilty", "visibility")
    answer = client.post(
        "/api/v1/images/", {"group": str(group.pk), "fiel": "x"}, format="multipart"
    )
    refused(answer, "fiel", "file")


def test_what_was_read_may_be_sent_back(addresses, clients):
    _, client = clients
    for address in [
        *(f"/api/v1/{name}s/{addresses[f'{name}_id']}/" for name in ("group", "team", "image")),
        f"/api/v1/invitations/{addresses['invitation_id']}/",
        "/api/v1/users/me/",
    ]:
        read = client.get(address).json()
        sent = {name: value for name, value in read.items() if value is not None}
        answer = client.patch(address, sent)
        assert answer.status_code == 200, (address, answer.content)
        refused(client.patch(address, {**sent, "no-such": 1}), "no-such", None)


def test_a_credential_in_the_address_is_no_unknown_parameter(cleo, client):
    address = f"/api/v1/uploads/?access_token={cleo.invitation.token}"
    assert client.get(address).status_code == 200
