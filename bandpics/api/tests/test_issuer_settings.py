"""Settings about another issuer that cannot be right stop the start, and say why."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bandpics.testing.matrix import few

RIGHT = {
    "OIDC_ISSUER": "https://issuer.example.org/pool",
    "OIDC_AUDIENCE": "our-client",
    "OIDC_JWKS_URL": "https://issuer.example.org/pool/jwks.json",
    "REGISTRATION": "closed",
}


def start(**variables):
    return subprocess.run(
        [sys.executable, "-c", "import bandpics.settings"],
        env={**os.environ, **RIGHT, **variables},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_all_that_belongs_together_starts():
    done = start()
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("wrong", "words"),
    few(
        [
            ({"OIDC_AUDIENCE": ""}, "OIDC_ISSUER needs OIDC_AUDIENCE and OIDC_JWKS_URL"),
            pytest.param(
                {"OIDC_JWKS_URL": ""},
                "OIDC_ISSUER needs OIDC_AUDIENCE and OIDC_JWKS_URL",
                marks=pytest.mark.long,
            ),
            pytest.param(
                {"OIDC_JWKS_URL": "issuer/jwks.json"},
                "OIDC_JWKS_URL: must be an address",
                marks=pytest.mark.long,
            ),
            ({"OIDC_JWKS_URL": "file:///etc/passwd"}, "OIDC_JWKS_URL: must be an address"),
            ({"OIDC_CREATES_USERS": "perhaps"}, "OIDC_CREATES_USERS: "),
            ({"REGISTRATION": "open"}, "Set REGISTRATION to closed"),
            pytest.param(
                {"REGISTRATION": "invite"}, "Set REGISTRATION to closed", marks=pytest.mark.long
            ),
        ],
        2,
    ),
)
def test_what_does_not_is_refused_loudly(wrong, words):
    done = start(**wrong)
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert "ImproperlyConfigured" in last
    assert words in last
