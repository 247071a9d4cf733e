"""The description of the API tells of errors and credentials."""

from __future__ import annotations

import pytest
import yaml
from django.test import Client
from openapi_spec_validator import validate

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def schema():
    return yaml.safe_load(Client().get("/api/v1/schema/").content)


def _operations(schema):
    for path, operations in schema["paths"].items():
        for method in METHODS & operations.keys():
            yield path, method, operations[method]


def test_every_operation_tells_of_problems(schema):
    for path, method, operation in _operations(schema):
        codes = set(operation["responses"])
        assert {"400", "403", "429", "default"} <= codes, (method, path)
        if "{" in path:
            assert "404" in codes, (method, path)


def test_problems_are_problem_json_and_every_reference_leads_somewhere(schema):
    components = schema["components"]
    assert components["schemas"]["Problem"]["required"] == ["type", "title", "status", "detail"]
    for _, _, operation in _operations(schema):
        for code, answer in operation["responses"].items():
            if "$ref" in answer:
                kind = components["responses"][answer["$ref"].rpartition("/")[2]]
                # An address that is too long never gets as far as to us.
                types = ["text/html"] if code == "414" else ["application/problem+json"]
                assert list(kind["content"]) == types


def test_all_four_credentials_are_described(schema):
    schemes = schema["components"]["securitySchemes"]
    assert {"apiKey", "token", "session", "invitation"} <= set(schemes)
    assert schemes["token"]["scheme"] == "bearer"


def test_creating_calls_tell_of_the_idempotency_key(schema):
    register = schema["paths"]["/api/v1/users/"]["post"]
    assert "Idempotency-Key" in [each["name"] for each in register["parameters"]]
    assert "422" in register["responses"]


def test_every_operation_has_a_summary_and_an_id_of_its_own(schema):
    ids = [operation["operationId"] for _, _, operation in _operations(schema)]
    assert len(set(ids)) == len(ids)
    assert {"uploads_list", "uploads_retrieve", "uploads_create", "uploads_complete"} <= set(ids)
    assert {"images_update", "images_delete", "images_restore", "images_moderate"} <= set(ids)
    for path, method, operation in _operations(schema):
        assert 5 < len(operation["summary"]) < 120, (method, path)
        assert not operation["operationId"].endswith(("_destroy", "_partial_update")), path


def test_it_is_valid_openapi_with_plain_names(schema):
    validate(schema)
    assert [name for name in schema["components"]["schemas"] if "Schema" in name] == []


def test_no_description_is_about_our_own_classes(schema):
    described = {
        name: one.get("description", "") for name, one in schema["components"]["schemas"].items()
    }
    assert [
        name for name, text in described.items() if "mixin" in text or "serializer" in text
    ] == []
    assert described["NewTransform"].startswith("The picture to make")
    assert described["PatchedAccountChange"].startswith("Changes of an account")


def test_a_failure_and_the_sizes_are_typed(schema):
    schemas = schema["components"]["schemas"]
    for name in ("Image", "Upload"):
        assert "damaged" in str(_enum_of(schemas, schemas[name]["properties"]["failure"]))
    sizes = schemas["Variants"]["properties"]
    assert set(sizes) == {"thumb", "small", "tile", "medium", "fullsize"}
    assert "schemas/Variants" in str(schemas["Image"]["properties"]["variants"])


def _enum_of(schemas, field):
    parts = field.get("oneOf", [field])
    return [schemas.get(part.get("$ref", "").rpartition("/")[2], part) for part in parts]


def test_what_takes_if_match_tells_of_412(schema):
    told = set()
    for path, method, operation in _operations(schema):
        names = {each["name"] for each in operation.get("parameters", [])}
        assert ("If-Match" in names) == ("412" in operation["responses"]), (method, path)
        told |= {method} & set(names and ["patch", "delete"])
    assert told == {"patch", "delete"}


def test_announcing_has_examples(schema):
    announce = schema["paths"]["/api/v1/uploads/"]["post"]
    assert announce["requestBody"]["content"]["application/json"]["examples"]
    assert announce["responses"]["201"]["content"]["application/json"]["examples"]
