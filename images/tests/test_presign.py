"""Our signatures against botocore's, byte for byte."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote, urlsplit

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from bandpics.settings.parsers import http_origin
from images.storage.presign import Credentials, Signer, attachment

AT = datetime(2026, 6, 21, 19, 30, tzinfo=UTC)


@pytest.mark.parametrize("token", [None, "session/token=="])
@pytest.mark.parametrize(
    ("method", "key", "headers", "query"),
    [
        ("PUT", "incoming/abc", {"Content-Type": "image/jpeg", "Content-Length": "12"}, {}),
        ("PUT", "incoming/abc", {"Content-Length": "9"}, {"uploadId": "a b/+=", "partNumber": "3"}),
        ("GET", "a b/ü/~x.jpg", {}, {"response-content-disposition": attachment('Ä "q".jpg')}),
        ("GET", "g/thumb/1-1.jpg", {}, {}),
    ],
)
def test_a_signature_is_botocores(monkeypatch, token, method, key, headers, query):
    ours = (
        Signer("https://s3.example.org:8443", "bucket", "eu-central-1")
        .prepare(
            method,
            credentials=Credentials("AKIDEXAMPLE", "secret", token),
            signed_at=AT,
            lifetime=timedelta(minutes=15),
            headers=headers,
            query=query,
        )
        .url(key)
    )

    class Clock(datetime):
        @classmethod
        def utcnow(cls):
            return AT.replace(tzinfo=None)

        @classmethod
        def now(cls, tz=None):
            return AT

    if hasattr(botocore.auth, "get_current_datetime"):
        monkeypatch.setattr(
            botocore.auth, "get_current_datetime", lambda *a, **k: AT.replace(tzinfo=None)
        )
    else:
        monkeypatch.setattr(botocore.auth.datetime, "datetime", Clock)
    parts = urlsplit(ours)
    plain = "&".join(pair for pair in parts.query.split("&") if not pair.startswith("X-Amz-"))
    request = AWSRequest(
        method,
        f"{parts.scheme}://{parts.netloc}{parts.path}" + (f"?{plain}" if plain else ""),
        headers=headers,
    )
    botocore.auth.S3SigV4QueryAuth(
        BotoCredentials("AKIDEXAMPLE", "secret", token), "s3", "eu-central-1", expires=900
    ).add_auth(request)

    assert sorted(urlsplit(ours).query.split("&")) == sorted(urlsplit(request.url).query.split("&"))
    assert urlsplit(ours)[:3] == urlsplit(request.url)[:3]


@pytest.mark.parametrize("token", [None, "session/token=="])
@pytest.mark.parametrize(
    ("method", "key", "headers"),
    [
        ("PUT", "g/thumb/abc", {"Content-Type": "image/jpeg", "Content-Length": "12"}),
        ("GET", "a b/ü/~x.jpg", {}),
        ("DELETE", "incoming/abc", {}),
    ],
)
def test_a_signed_header_is_botocores(token, method, key, headers):
    now = datetime.now(UTC)
    url, ours = Signer("https://s3.example.org:8443", "bucket", "eu-central-1").sign(
        method,
        key,
        credentials=Credentials("AKIDEXAMPLE", "secret", token),
        signed_at=now,
        headers=headers,
    )
    request = AWSRequest(method, url, headers=headers)
    request.context["timestamp"] = ours["x-amz-date"]
    auth = botocore.auth.S3SigV4Auth(
        BotoCredentials("AKIDEXAMPLE", "secret", token), "s3", "eu-central-1"
    )
    request.context["payload_signing_enabled"] = False
    auth._modify_request_before_signing(request)
    request.headers.replace_header("X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD")
    canonical = auth.canonical_request(request)
    text = auth.string_to_sign(request, canonical)
    auth._inject_signature_to_request(request, auth.signature(text, request))

    theirs = {name.lower(): value for name, value in request.headers.items()}
    theirs["host"] = "s3.example.org:8443"
    assert ours == theirs
    assert url == f"https://s3.example.org:8443/bucket/{quote(key, safe='/~')}"


def test_virtual_hosts_put_the_bucket_in_the_name():
    prepared = Signer("https://s3.eu.amazonaws.com", "photos", "eu", path_style=False).prepare(
        "GET", credentials=Credentials("a", "b"), signed_at=AT, lifetime=timedelta(hours=1)
    )
    url = prepared.url("k")
    assert url.startswith("https://photos.s3.eu.amazonaws.com/k?")
    assert dict(parse_qsl(urlsplit(url).query))["X-Amz-Expires"] == "3600"


@pytest.mark.parametrize("lifetime", [timedelta(0), timedelta(days=8)])
def test_a_lifetime_s3_would_refuse_is_refused_here(lifetime):
    with pytest.raises(ValueError, match="presigned URL"):
        Signer("https://s3", "b", "r").prepare(
            "GET", credentials=Credentials("a", "b"), signed_at=AT, lifetime=lifetime
        )


def test_the_same_get_is_the_same_url_within_the_hour(bucket):
    first = bucket.presign_get("g/thumb/x.jpg", content_type="image/jpeg")
    assert first == bucket.presign_get("g/thumb/x.jpg", content_type="image/jpeg")


def test_a_download_has_no_header_to_inject_into():
    header = attachment('a"\r\nSet-Cookie: x; ü.jpg')
    assert "\r" not in header
    assert "\n" not in header
    assert header.isascii()
    assert header.count('"') == 2


@pytest.mark.parametrize(
    ("told", "origin"),
    [
        ("https://S3.Example.com:443", "https://s3.example.com"),
        ("http://s3.example.com:80/", "http://s3.example.com"),
        ("https://s3.example.com:80", "https://s3.example.com:80"),
        ("http://[::1]:80", "http://[::1]"),
        ("http://s3.example.com:9000", "http://s3.example.com:9000"),
    ],
)
def test_a_host_is_signed_as_clients_say_it(told, origin):
    """RFC 9110, 7.2: without the port the scheme has anyway."""
    assert http_origin(told) == origin
