"""The page "Try the bucket from this browser" of the admin: what it says of real faults."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
import urllib3
from django.urls import reverse
from django.utils import translation

from bandpics.local import addresses
from bandpics.users.models import User
from images.models import Image, Upload
from images.reconcile import compare
from images.storage import contract, diagnosis
from images.storage.diagnosis import Failure
from images.storage.objects import photo_storage
from images.storage.trial import Trial
from images.tests.guest_client import put

pytestmark = pytest.mark.django_db
PICTURE = b"\xff\xd8 a picture of a test \xff\xd9"


@pytest.fixture(autouse=True)
def _in_english():
    """Whatever language the last request of another test had."""
    with translation.override("en"):
        yield


@pytest.fixture
def operator(client, db):
    client.force_login(User.objects.create_superuser("root@example.org"))
    return client


@pytest.fixture
def origin(settings):
    return settings.PUBLIC_URL


def start(client, **more):
    values = {"picture_bytes": len(PICTURE), "browser_time_ms": time.time() * 1000, **more}
    return client.post(reverse("admin:bucket-start"), values)


def end(client, found, sent):
    values = {"trial": found["trial"], "sent": sent}
    return client.post(reverse("admin:bucket-end"), values).json()


def put_both(found):
    assert put(found["picture"], PICTURE).status == 200
    assert put(found["large"], bytes(found["large_bytes"])).status == 200


def keys(bucket):
    return [each.key for each in bucket.list_keys("")]


# --- What it does ---------------------------------------------------------------------------------


def test_both_files_arrive_as_the_upload_page_sends_them_and_are_removed(operator, bucket, origin):
    found = start(operator).json()
    assert found["clock_problem"] == ""
    put_both(found)
    assert urllib3.request("GET", found["shown"]).data == PICTURE
    assert all(key.startswith("incoming/") for key in keys(bucket))
    assert end(operator, found, sent=2) == {"problem": ""}
    assert keys(bucket) == []
    assert end(operator, found, sent=0) == {"problem": ""}  # safe to call twice
    assert not Upload.objects.exists()
    assert not Image.objects.exists()


def test_the_large_file_is_as_large_as_the_largest_request_of_the_upload_page(operator, settings):
    found = start(operator).json()
    assert found["large_bytes"] == settings.MULTIPART_THRESHOLD_BYTES
    assert found["large_bytes"] >= settings.MULTIPART_PART_BYTES


def test_what_a_browser_leaves_behind_the_sweeper_removes(operator, bucket, monkeypatch):
    put_both(start(operator).json())
    assert compare.clean_quarantine() == 0  # it may still be under way
    monkeypatch.setattr(compare, "GRACE", timedelta(seconds=-5))
    assert compare.clean_quarantine() == 2
    assert keys(bucket) == []


@pytest.mark.parametrize("name", ["bucket", "bucket-start", "bucket-explain", "bucket-end"])
def test_it_is_for_operators_who_may_see_photos(client, name):
    url = reverse(f"admin:{name}")
    assert client.post(url).status_code == 302  # to the page for signing in
    staff = User.objects.create_user("staff@example.org", is_staff=True)
    client.force_login(staff)
    assert client.post(url).status_code == 403
    client.force_login(User.objects.create_user("ada@example.org"))
    assert client.post(url).status_code == 302


def test_only_a_token_of_ours_names_files(operator, bucket):
    found = start(operator).json()
    for token in ["", "x", found["trial"] + "x", f"incoming/{found['trial']}"]:
        values = {"trial": token, "sent": 1, "status": 0}
        for name in ["bucket-end", "bucket-explain"]:
            answer = operator.post(reverse(f"admin:{name}"), values)
            assert answer.status_code == 422
            assert "trial" in answer.json()["problem"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"picture_bytes": 200_001},
        {"picture_bytes": 0},
        {"picture_bytes": "9" * 5000},
        {"browser_time_ms": "nan"},
        {"browser_time_ms": "soon"},
    ],
)
def test_sizes_and_times_that_cannot_be_are_refused(operator, wrong):
    assert start(operator, **wrong).status_code == 422


def test_its_requests_need_the_token_of_the_page(operator):
    operator.handler.enforce_csrf_checks = True
    assert start(operator).status_code == 403


# --- What it says of faults -----------------------------------------------------------------------


def explain(failure):
    return diagnosis.diagnose(photo_storage(), Trial.start(picture_bytes=9), failure)


def test_a_store_without_cors_is_named_with_the_origin(s3_proxy, origin):
    s3_proxy.answer(403, matching="^OPTIONS", times=None)
    said = explain(Failure(origin, is_reachable=True))
    assert said.startswith(f"CORS: the store does not let pages of {origin}")
    assert "set_up_bucket" in said


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"Origin": "https://other.example"}, "lets in pages of https://other.example"),
        ({"Origin": "*", "Methods": "GET, HEAD"}, "does not allow the method PUT"),
        ({"Origin": "*", "Methods": "PUT"}, "does not allow the header Content-Type"),
        ({"Origin": "*", "Methods": "put", "Headers": "*"}, "lets this page in"),
        ({"Origin": "*", "Methods": "PUT", "Headers": "X-A, Content-Type"}, "lets this page in"),
    ],
)
def test_a_cors_rule_that_lacks_something_says_what(s3_proxy, origin, headers, said):
    answer = {f"Access-Control-Allow-{name}": value for name, value in headers.items()}
    s3_proxy.answer(204, answer, matching="^OPTIONS", times=None)
    assert said in explain(Failure(origin, is_reachable=True))


def test_a_page_at_another_address_than_public_url_is_told_so(s3_proxy, origin):
    s3_proxy.answer(403, matching="^OPTIONS", times=None)
    said = explain(Failure("http://192.168.1.7:8000", is_reachable=True))
    assert f"The rule is for PUBLIC_URL, {origin}" in said


def test_wrong_keys_are_named_though_the_browser_may_not_read_the_answer(settings, origin, bucket):
    _with_options(settings, secret_key="wrong" * 8)
    said = explain(Failure(origin, is_reachable=True))
    assert "S3_SECRET_KEY" in said
    assert "403 SignatureDoesNotMatch" in said
    shown = explain(Failure(origin, is_reachable=True, is_shown=True))
    assert "S3_SECRET_KEY" in shown


def test_a_signature_of_another_time_is_named(bucket, origin, monkeypatch):
    """The server's clock is a day behind: the store says itself that the signature expired."""
    late = datetime.now(UTC) - timedelta(days=1)

    class Late(datetime):
        @classmethod
        def now(cls, tz=None):
            return late

    monkeypatch.setattr("images.storage.presign.datetime", Late)
    assert "clock" in explain(Failure(origin, is_reachable=True))


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (403, "RequestTimeTooSkewed", "NTP"),
        (403, "InvalidAccessKeyId", "S3_ACCESS_KEY"),
        (400, "AuthorizationHeaderMalformed", "S3_REGION"),
        (307, "TemporaryRedirect", "S3_REGION"),
        (413, "", "client_max_body_size"),
        (400, "EntityTooLarge", "UPLOAD_PART_BYTES"),
        (404, "NoSuchBucket", "S3_BUCKET"),
        (403, "AccessDenied", "rights"),
        (503, "SlowDown", "trouble"),
        (418, "", "refused"),
    ],
)
def test_what_the_store_answered_is_explained(origin, status, code, said):
    body = f"<Error><Code>{code}</Code></Error>" if code else "<html>"
    explained = explain(Failure(origin, status=status, answer=body))
    assert said in explained
    assert f"({status}{' ' if code else ''}{code})" in explained


def test_a_port_where_nobody_listens_is_named(settings, origin):
    port = addresses.free_port(addresses.LOOPBACK)
    _with_address(settings, f"http://127.0.0.1:{port}")
    said = explain(Failure(origin))
    assert f"Nobody answers at 127.0.0.1:{port}" in said


def test_a_name_that_does_not_exist_is_named(settings, origin):
    _with_address(settings, "http://no-such-store.invalid")
    assert "The name no-such-store.invalid is unknown" in explain(Failure(origin))


def test_an_https_address_of_a_store_without_a_certificate_is_named(settings, origin):
    _with_address(settings, settings.S3_ENDPOINT_URL.replace("http:", "https:"))
    assert "certificate" in explain(Failure(origin))


def test_an_address_inside_the_servers_network_is_named(settings, origin):
    """The server reaches its own address, and the browser does not."""
    assert "server's own network" in explain(Failure(origin))


def test_mixed_content_is_named_before_all_else(settings):
    _with_address(settings, "http://files.example.org")
    assert explain(Failure("https://photos.example.org")).startswith("Mixed content")
    _with_address(settings, "http://localhost:9000")  # browsers take it for safe
    assert not explain(Failure("https://photos.example.org")).startswith("Mixed content")


def test_a_policy_that_was_made_for_another_store_is_named(origin, settings):
    host = urlsplit(settings.S3_PUBLIC_ENDPOINT_URL or settings.S3_ENDPOINT_URL).netloc
    assert f"(CSP) does not name {host}" in explain(Failure(origin, is_blocked=True))


def test_a_connection_that_stands_still_or_breaks_is_named(bucket, origin):
    assert "stood still" in explain(Failure(origin, is_silent=True, is_reachable=True))
    assert "limits the size" in explain(Failure(origin, is_large=True, is_reachable=True))
    assert "lets this page in" in explain(Failure(origin, is_reachable=True))


def test_a_picture_that_the_server_gets_and_the_browser_does_not_show(origin, bucket):
    storage, trial = photo_storage(), Trial.start(picture_bytes=len(PICTURE))
    put(dict(vars(trial.signed_puts(storage)[0])), PICTURE)
    failure = Failure(origin, is_shown=True, is_reachable=True)
    assert "Cross-Origin-Resource-Policy" in diagnosis.diagnose(storage, trial, failure)


def test_a_store_that_the_server_does_not_reach_ends_the_trial(operator, settings):
    _with_options(settings, endpoint_url="http://127.0.0.1:1")
    found = start(operator).json()
    assert "S3_ENDPOINT_URL" in found["problem"]
    assert "trial" not in found


def test_a_bucket_that_is_not_there_is_named(operator, settings):
    _with_options(settings, bucket_name="no-such-bucket-here")
    assert "S3_BUCKET" in start(operator).json()["problem"]


def test_keys_that_the_server_has_wrong_are_named(operator, settings):
    _with_options(settings, secret_key="wrong" * 8)
    assert "S3_SECRET_KEY" in start(operator).json()["problem"]


def test_a_browser_that_sends_to_another_store_is_found_out(operator, bucket):
    """It was answered 200 by somebody, and the server's store has nothing."""
    found = start(operator).json()
    assert "another store or bucket" in end(operator, found, sent=1)["problem"]


def test_a_store_that_goes_away_before_the_end_leaves_the_files_to_the_sweeper(
    operator, bucket, s3_proxy
):
    found = start(operator).json()
    put_both(found)
    s3_proxy.down()
    assert "sweeper" in end(operator, found, sent=2)["problem"]
    s3_proxy.up()


def test_the_clock_of_the_browser_is_named(operator):
    ahead = (time.time() + 3600) * 1000
    said = start(operator, browser_time_ms=ahead).json()["clock_problem"]
    assert said.startswith("The clock of this browser differs from the server's by 3")


def test_the_clock_of_the_store_is_named(operator, s3_proxy):
    wrong = {"Date": "Mon, 02 Jan 2023 10:00:00 GMT"}
    s3_proxy.answer(200, wrong, matching=r"^HEAD /[^/]+(\?|$)", times=None)
    said = start(operator).json()["clock_problem"]
    assert "this server and of the store differ" in said
    assert contract.store_ahead_seconds(photo_storage()) < -86_400


@pytest.mark.parametrize(
    ("language", "title"),
    [("de", "Den Bucket von diesem Browser aus prüfen"), ("fr", "Tester le bucket depuis")],
)
def test_it_speaks_the_language_of_the_operator(operator, language, title):
    html = operator.get(
        reverse("admin:bucket"), headers={"Accept-Language": language}
    ).content.decode()
    assert title in html
    assert (
        title
        in operator.get(
            reverse("admin:index"), headers={"Accept-Language": language}
        ).content.decode()
    )


def _with_address(settings, url):
    settings.S3_PUBLIC_ENDPOINT_URL = url
    _with_options(settings)  # a storage of its own, which signs for that address


def _with_options(settings, **options):
    default = settings.STORAGES["default"]
    merged = {**default, "OPTIONS": {**default["OPTIONS"], **options}}
    settings.STORAGES = {**settings.STORAGES, "default": merged}
