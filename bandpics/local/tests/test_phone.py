"""`--host 0.0.0.0`: links and signed addresses that a phone can reach."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from bandpics.local import addresses, environment
from bandpics.local.tests.conftest import healthz, s3_client

pytestmark = pytest.mark.xdist_group("up")


def test_everything_a_phone_needs_has_an_address_it_can_reach(up):
    address = addresses.lan_address()
    assert address != addresses.LOOPBACK
    stack = up.start("--host", "0.0.0.0")  # noqa: S104
    assert stack["web_url"] == f"http://{address}:{up.port}"
    assert stack["upload_link"].startswith(stack["web_url"])
    assert healthz(stack["web_url"]) == 200
    assert healthz(f"http://localhost:{up.port}") == 200

    variables = environment.parse((up.data_dir / "env").read_text())
    public = urlsplit(variables["S3_PUBLIC_ENDPOINT_URL"])
    assert public.hostname == address
    from_outside = s3_client(stack, endpoint_url=variables["S3_PUBLIC_ENDPOINT_URL"])
    from_outside.head_bucket(Bucket=stack["s3_bucket"])
    for name in ("DATABASE_URL", "REDIS_URL"):
        assert urlsplit(variables[name]).hostname == "127.0.0.1"
