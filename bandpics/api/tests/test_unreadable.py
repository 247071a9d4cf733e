"""What fails before Django has a request: asked of the WSGI application itself."""

from __future__ import annotations

import io
import json
from wsgiref.util import setup_testing_defaults

import pytest

from bandpics.wsgi import application

pytestmark = pytest.mark.django_db


@pytest.fixture
def ask(settings):
    settings.SECURE_SSL_REDIRECT = False
    settings.ALLOWED_HOSTS = ["testserver"]

    def post(charset, query):
        body, told = b'{"email": "ada@example.org"}', []
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/api/v1/token/",
            "QUERY_STRING": query,
            "CONTENT_TYPE": f"application/json; charset={charset}",
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_HOST": "testserver",
            "wsgi.input": io.BytesIO(body),
        }
        setup_testing_defaults(environ)
        answer = b"".join(application(environ, lambda *head: told.append(head)))
        return told[0][0], json.loads(answer)

    return post


@pytest.mark.parametrize("query", ["", "a=b%ff"])
@pytest.mark.parametrize(
    "charset", ["rot13", "zlib", "hex", "idna", "undefined", "punycode", "utf-16", "utf-7", "cp037"]
)
def test_what_is_not_read_as_ascii_is_a_bad_request(ask, charset, query):
    status, body = ask(charset, query)
    assert status == "400 Bad Request"
    assert body["status"] == 400
    assert body["type"] == "/problems/invalid/"


@pytest.mark.parametrize("charset", ["utf-8", "latin-1", "nonsense"])
def test_all_others_are_read(ask, charset):
    assert "password" in ask(charset, "")[1]["errors"][0]["pointer"]
