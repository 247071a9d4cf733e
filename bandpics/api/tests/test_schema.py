"""The description of the API tells of errors and credentials."""

from __future__ import annotations

import pytest
import yaml
from django.test import Client

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
