"""Signatures of S3 requests by arithmetic alone: AWS Signature Version 4, of URLs and of headers.

Source: AWS "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)" and
"Using the Authorization Header". Ours because botocore presigns for *now* only, and we want GETs
that stay the same for an hour; it is also some thirty times faster. A test holds it byte for byte
against botocore's.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

ALGORITHM = "AWS4-HMAC-SHA256"
MAX_LIFETIME = timedelta(days=7)  # S3 refuses longer ones
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
_PLAIN = re.compile(r"[A-Za-z0-9/_.~-]*")  # our own keys: nothing to encode


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
        return self.prepare(
            method,
            credentials=credentials,
            signed_at=signed_at,
            lifetime=lifetime,
            headers=headers,
            query=query,
        ).url(key)

    def prepare(
        self,
        method: str,
        *,
        credentials: Credentials,
        signed_at: datetime,
        lifetime: timedelta,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Prepared:
        """As presign(), for many keys: what their URLs have in common is worked out once."""
        if not timedelta(0) < lifetime <= MAX_LIFETIME:
            raise ValueError(f"A presigned URL lives up to {MAX_LIFETIME}, not {lifetime}.")
        scheme, host, root = self._place()
        signed_headers = {name.lower(): value for name, value in (headers or {}).items()}
        signed_headers["host"] = host
        names = ";".join(sorted(signed_headers))

        timestamp, day = _timestamp(signed_at)
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
        pairs = [
            f"{_encode_once(name)}={_encode_once(value)}" for name, value in parameters.items()
        ]
        return Prepared(
            root=root,
            before_path=f"{method}\n",
            after_path="\n".join(
                [
                    "",
                    "&".join(sorted(pairs)),
                    *(f"{name}:{signed_headers[name]}" for name in sorted(signed_headers)),
                    "",
                    names,
                    UNSIGNED_PAYLOAD,
                ]
            ),
            before_digest=f"{ALGORITHM}\n{timestamp}\n{scope}\n",
            signing_key=_signing_key(credentials.secret_key, day, self.region),
            origin=f"{scheme}://{host}",
            query=f"?{'&'.join(pairs)}&X-Amz-Signature=",
        )

    def sign(
        self,
        method: str,
        key: str,
        *,
        credentials: Credentials,
        signed_at: datetime,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[str, dict[str, str]]:
        """The URL of one request, and all headers to send it with; the body is not signed.

        For our own requests: nothing secret is in their URL, which ends up in errors and logs.
        """
        scheme, host, root = self._place()
        path = _path(root, key)
        timestamp, day = _timestamp(signed_at)
        scope = f"{day}/{self.region}/s3/aws4_request"
        signed = {name.lower(): value for name, value in (headers or {}).items()}
        signed |= {"host": host, "x-amz-content-sha256": UNSIGNED_PAYLOAD, "x-amz-date": timestamp}
        if credentials.session_token:
            signed["x-amz-security-token"] = credentials.session_token
        names = ";".join(sorted(signed))
        lines = [f"{name}:{signed[name]}" for name in sorted(signed)]
        canonical = "\n".join([method, path, "", *lines, "", names, UNSIGNED_PAYLOAD])
        signature = _signature(
            _signing_key(credentials.secret_key, day, self.region),
            f"{ALGORITHM}\n{timestamp}\n{scope}\n",
            canonical,
        )
        signed["authorization"] = (
            f"{ALGORITHM} Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature={signature}"
        )
        return f"{scheme}://{host}{path}", signed

    def _place(self) -> tuple[str, str, str]:
        """Scheme, host, and the path all keys are below."""
        base = urlsplit(self.endpoint_url)
        if self.path_style:
            return base.scheme, base.netloc, f"/{self.bucket}/"
        return base.scheme, f"{self.bucket}.{base.netloc}", "/"


@dataclass(frozen=True)
class Prepared:
    """A presigned request but for its key."""

    root: str
    before_path: str  # of the canonical request
    after_path: str
    before_digest: str  # of the string to sign
    signing_key: bytes = field(repr=False)
    origin: str
    query: str

    def url(self, key: str) -> str:
        path = _path(self.root, key)
        canonical_request = f"{self.before_path}{path}{self.after_path}"
        signature = _signature(self.signing_key, self.before_digest, canonical_request)
        return f"{self.origin}{path}{self.query}{signature}"


def _path(root: str, key: str) -> str:
    return root + (key if _PLAIN.fullmatch(key) else _encode(key, safe="/"))


def _timestamp(signed_at: datetime) -> tuple[str, str]:
    """X-Amz-Date, and its day."""
    text = signed_at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    return text, text[:8]


def _signature(signing_key: bytes, before_digest: str, canonical_request: str) -> str:
    digest = hashlib.sha256(canonical_request.encode()).hexdigest()
    return hmac.digest(signing_key, f"{before_digest}{digest}".encode(), "sha256").hex()


def _encode(text: str, safe: str = "") -> str:
    return quote(text, safe=f"{safe}-_.~")


@lru_cache(maxsize=256)
def _encode_once(text: str) -> str:
    """As _encode(), for what is much the same from URL to URL."""
    return _encode(text)


@lru_cache(maxsize=8)
def _signing_key(secret_key: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for step in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, step.encode(), "sha256")
    return key
