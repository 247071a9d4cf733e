"""Tokens of another issuer, against a real server that publishes real RSA keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bandpics.api.tests.conftest import ME, problem
from bandpics.testing.matrix import few
from bandpics.users import oidc
from bandpics.users.models import ExternalIdentity, User
from bandpics.users.tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

ISSUER, AUDIENCE = "https://issuer.example.org/pool", "our-client"


class Issuer:
    """Signs tokens, and publishes its keys at an address of its own."""

    def __init__(self):
        self.keys = {"one": rsa.generate_private_key(public_exponent=65537, key_size=2048)}
        self.asked = 0
        issuer = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked += 1
                body = json.dumps(issuer.published()).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks.json"
        threading.Thread(target=self.server.serve_forever, args=[0.02], daemon=True).start()

    def published(self):
        found = []
        for kid, key in self.keys.items():
            entry = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
            found.append({**entry, "kid": kid, "use": "sig", "alg": "RS256"})
        return {"keys": found}

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def token(self, *, key=None, algorithm="RS256", kid="one", **changes):
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "ada-at-issuer",
            "exp": int(time.time()) + 600,
            "email": "ada@example.org",
            "email_verified": True,
        } | changes
        claims = {name: value for name, value in claims.items() if value is not None}
        signer = self.keys[kid] if key is None else key
        return jwt.encode(claims, signer, algorithm=algorithm, headers={"kid": kid})


@pytest.fixture
def issuer(settings):
    one = Issuer()
    settings.OIDC_ISSUER, settings.OIDC_AUDIENCE = ISSUER, [AUDIENCE]
    settings.OIDC_JWKS_URL = one.url
    yield one
    one.stop()
    oidc._key_client.cache_clear()


@pytest.fixture
def ask(with_header):
    return lambda token: with_header(f"Bearer {token}").get(ME)


def test_a_person_is_found_by_a_verified_address(ada, issuer, ask):
    assert ask(issuer.token()).json()["id"] == ada.pk
    assert ask(issuer.token(email="ADA@example.org", email_verified="true")).status_code == 200
    assert issuer.asked == 1  # the keys are kept


def test_a_token_that_ends_beyond_all_calendars_is_no_trouble(ada, issuer, with_header):
    client = with_header(f"Bearer {issuer.token(exp=10**15)}")
    assert client.get("/api/v1/images/").status_code == 200


def test_then_by_issuer_and_subject_whatever_the_address(ada, issuer, ask):
    ask(issuer.token())
    assert ask(issuer.token(email="new@example.org")).json()["id"] == ada.pk
    assert ask(issuer.token(email=None)).json()["id"] == ada.pk
    other = ask(issuer.token(sub="somebody-else", email="dora@example.org"))
    problem(other, 401, "credential-invalid")


@pytest.mark.parametrize("verified", [False, None, "false", 1])
def test_an_address_nobody_verified_finds_nobody(ada, issuer, ask, verified):
    problem(ask(issuer.token(email_verified=verified)), 401, "credential-invalid")
    assert not ExternalIdentity.objects.exists()


def test_a_newcomer_is_made_only_where_the_settings_say_so(issuer, ask, settings):
    problem(ask(issuer.token()), 401, "credential-invalid")
    settings.OIDC_CREATES_USERS = True
    assert ask(issuer.token(name="Ada")).json()["name"] == "Ada"
    made = User.objects.get()
    assert not made.has_usable_password()
    assert made.teams.get().is_personal


def test_an_access_token_of_cognito_names_its_client(ada, issuer, ask, settings):
    ask(issuer.token())
    token = issuer.token(aud=None, client_id=AUDIENCE, email=None, token_use="access")
    problem(ask(token), 401, "credential-invalid")
    settings.OIDC_CLIENT_ID_IS_AUDIENCE = True
    assert ask(token).status_code == 200
    wrong = issuer.token(aud=None, client_id="another")
    problem(ask(wrong), 401, "credential-invalid")
    problem(ask(issuer.token(aud="another", client_id=AUDIENCE)), 401, "credential-invalid")


@pytest.mark.parametrize(
    "changes",
    few(
        [
            {"aud": "somebody-else"},
            {"aud": None},
            {"aud": ["a", "b"]},
            {"aud": {"our-client": 1}},
            {"exp": 1},
            {"exp": None},
            {"sub": None},
            {"nbf": 2**40},
            {"iss": "https://evil.example.org"},
            {"iss": None},
        ],
        4,
    ),
)
def test_a_token_for_others_or_out_of_its_time_is_refused(ada, issuer, ask, changes):
    problem(ask(issuer.token(**changes)), 401, "credential-invalid")


def test_an_unsigned_token_is_refused(ada, issuer, ask):
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "x", "exp": int(time.time()) + 60}
    token = jwt.encode(claims, None, algorithm="none", headers={"kid": "one"})
    problem(ask(token), 401, "credential-invalid")


def test_the_public_key_is_no_shared_secret(ada, issuer, ask):
    """HS256 with the published key as the secret: the classic confusion."""
    public = issuer.keys["one"].public_key()
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )

    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    claims = {
        **jwt.decode(issuer.token(), options={"verify_signature": False}),
        "exp": int(time.time()) + 60,
    }
    head = part({"alg": "HS256", "typ": "JWT", "kid": "one"}) + b"." + part(claims)
    mac = base64.urlsafe_b64encode(hmac.digest(pem, head, hashlib.sha256)).rstrip(b"=")
    problem(ask((head + b"." + mac).decode()), 401, "credential-invalid")


def test_another_rsa_algorithm_is_refused(ada, issuer, ask):
    problem(ask(issuer.token(algorithm="RS512")), 401, "credential-invalid")


def test_a_key_the_issuer_does_not_publish_is_refused_without_asking_each_time(ada, issuer, ask):
    ask(issuer.token())
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    for kid in ("one", "two", "three", "four"):
        problem(ask(issuer.token(key=stranger, kid=kid)), 401, "credential-invalid")
    assert issuer.asked == 1


def test_a_new_key_of_the_issuer_is_found_after_the_cooldown(ada, issuer, ask, monkeypatch):
    monkeypatch.setattr(oidc, "KEYS_COOLDOWN_SECONDS", 0)
    assert ask(issuer.token()).status_code == 200
    issuer.keys["two"] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert ask(issuer.token(kid="two")).status_code == 200


def test_an_issuer_that_is_down_gives_503_and_is_not_waited_for_again(ada, issuer, ask):
    token = issuer.token()
    issuer.stop()
    answer = ask(token)
    problem(answer, 503, "unavailable")
    assert int(answer["Retry-After"]) > 0
    started = time.monotonic()
    problem(ask(token), 503, "unavailable")
    assert time.monotonic() - started < oidc.TIMEOUT_SECONDS


def test_kept_keys_outlive_a_short_silence(ada, issuer, ask):
    ask(issuer.token())
    issuer.stop()
    assert ask(issuer.token()).status_code == 200


def test_somebody_deactivated_is_refused(ada, issuer, ask):
    ask(issuer.token())
    User.objects.update(is_active=False)
    problem(ask(issuer.token()), 401, "credential-invalid")


def test_without_the_settings_no_issuer_is_believed(ada, issuer, ask, settings):
    settings.OIDC_ISSUER = ""
    problem(ask(issuer.token()), 401, "credential-invalid")
    assert issuer.asked == 0


def test_who_made_the_account_before_is_shut_out(ada, issuer, ask, key_of, with_header, client):
    """Anybody may have registered this address; only the issuer knows whose it is."""
    said = {"email": "ada@example.org", "password": PASSWORD}
    tokens = client.post("/api/v1/token/", said, content_type="application/json").json()
    client.force_login(ada)
    others = [
        with_header(f"Api-Key {key_of(ada)[1]}"),
        with_header(f"Bearer {tokens['access']}"),
        client,
    ]
    assert [other.get(ME).status_code for other in others] == [200, 200, 200]
    assert ask(issuer.token()).json()["id"] == ada.pk
    assert [other.get(ME).status_code for other in others] == [401, 401, 401]
    again = client.post("/api/v1/token/", said, content_type="application/json")
    assert again.status_code == 401
    # Only the first time: a key made since then is the person's own.
    own = with_header(f"Api-Key {key_of(ada)[1]}")
    ask(issuer.token())
    assert own.get(ME).status_code == 200
