"""Presigned S3 URLs by arithmetic alone: AWS Signature Version 4, query form.

Source: AWS "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)".
Ours because botocore signs for *now* only, and we want GETs that stay the same for an hour;
it is also some thirty times faster. A test holds it byte for byte against botocore's.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

ALGORITHM = "AWS4-HMAC-SHA256"
MAX_LIFETIME = timedelta(days=7)  # S3 refuses longer ones


@dataclass(frozen=True)
class Credentials:
    access_key: str
    secret_key: str
    session_token: str | None = None


@dataclass(frozen=True)
class Signer:
    """Signs requests to one bucket at one endpoint."""

    endpoint_url: str
    bucket: str
    region: str
    path_style: bool = True

    def presign(
        self,
        method: str,
        key: str,
        *,
        credentials: Credentials,
        signed_at: datetime,
        lifetime: timedelta,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> str:
        """The URL for one request; whoever sends it must send exactly `headers`.

        `signed_at` is aware and may lie a little in the past. Raises ValueError for a
        lifetime S3 would refuse.
        """
        if not timedelta(0) < lifetime <= MAX_LIFETIME:
            raise ValueError(f"A presigned URL lives up to {MAX_LIFETIME}, not {lifetime}.")
        base = urlsplit(self.endpoint_url)
        host, path = base.netloc, f"/{_encode(key, safe='/')}"
        if self.path_style:
            path = f"/{self.bucket}{path}"
        else:
            host = f"{self.bucket}.{host}"
        signed_headers = {name.lower(): value for name, value in (headers or {}).items()}
        signed_headers["host"] = host
        names = ";".join(sorted(signed_headers))

        moment = signed_at.astimezone(UTC)
        timestamp, day = moment.strftime("%Y%m%dT%H%M%SZ"), moment.strftime("%Y%m%d")
        scope = f"{day}/{self.region}/s3/aws4_request"
        parameters = {
            **(query or {}),
            "X-Amz-Algorithm": ALGORITHM,
            "X-Amz-Credential": f"{credentials.access_key}/{scope}",
            "X-Amz-Date": timestamp,
            "X-Amz-Expires": str(int(lifetime.total_seconds())),
            "X-Amz-SignedHeaders": names,
        }
        if credentials.session_token:
            parameters["X-Amz-Security-Token"] = credentials.session_token
        pairs = [f"{_encode(name)}={_encode(value)}" for name, value in parameters.items()]

        canonical_request = "\n".join(
            [
                method,
                path,
                "&".join(sorted(pairs)),
                *(f"{name}:{signed_headers[name]}" for name in sorted(signed_headers)),
                "",
                names,
                "UNSIGNED-PAYLOAD",
            ]
        )
        digest = hashlib.sha256(canonical_request.encode()).hexdigest()
        text = f"{ALGORITHM}\n{timestamp}\n{scope}\n{digest}"
        key_of_day = _signing_key(credentials.secret_key, day, self.region)
        signature = hmac.digest(key_of_day, text.encode(), "sha256").hex()
        return f"{base.scheme}://{host}{path}?{'&'.join(pairs)}&X-Amz-Signature={signature}"


def _encode(text: str, safe: str = "") -> str:
    return quote(text, safe=f"{safe}-_.~")


@lru_cache(maxsize=8)
def _signing_key(secret_key: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for step in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, step.encode(), "sha256")
    return key
