"""Signs S3 requests and presigned URLs (AWS Signature Version 4); sends none.

Source: AWS "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)" and
"Using the Authorization Header". Ours because botocore presigns for *now* only, and we want GETs
that stay the same for an hour; it is also some thirty times faster. A test compares it byte for
byte with botocore's.
"""

from __future__ import annotations

import hashlib
import hmac
import string
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from django.conf import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

ALGORITHM = "AWS4-HMAC-SHA256"
MAX_LIFETIME = timedelta(days=7)  # S3 refuses longer ones
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
# Our own keys have no others: nothing to encode.
_UNENCODED = (string.ascii_letters + string.digits + "/_.~-").encode()


@dataclass(frozen=True)
class SignedRequest:
    """A signed request to the bucket, for a browser. Content-Length is signed, too: the browser
    sets it by itself."""

    method: str
    url: str
    headers: dict[str, str]
    expires_at: datetime


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
        """Prepares the URLs of one kind of request for many keys.

        Clients must send exactly `headers`. Raises ValueError for a lifetime S3 would refuse.
        """
        _refuse_unless_possible(lifetime)
        scheme, host, root = self._address
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
        pairs = [f"{_encode_once(key)}={_encode_once(value)}" for key, value in parameters.items()]
        key = _signing_key(credentials.secret_key, day, self.region)
        return Prepared(
            root=root,
            before_path=f"{method}\n",
            after_path=_after_path(pairs, signed_headers),
            signature=hmac.new(key, _before_digest(timestamp, scope), "sha256"),
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
        query: Mapping[str, str] | None = None,
    ) -> tuple[str, dict[str, str]]:
        """The URL of one request, and all headers to send it with; the body is not signed.

        For our own requests: nothing secret is in their URL, which ends up in errors and logs.
        """
        scheme, host, root = self._address
        path = _path(root, key)
        timestamp, day = _timestamp(signed_at)
        scope = f"{day}/{self.region}/s3/aws4_request"
        signed = {name.lower(): value for name, value in (headers or {}).items()}
        signed |= {"host": host, "x-amz-content-sha256": UNSIGNED_PAYLOAD, "x-amz-date": timestamp}
        if credentials.session_token:
            signed["x-amz-security-token"] = credentials.session_token
        names = ";".join(sorted(signed))
        lines = [f"{name}:{signed[name]}" for name in sorted(signed)]
        asked = "&".join(sorted(f"{_encode(key)}={_encode(v)}" for key, v in (query or {}).items()))
        canonical = "\n".join([method, path, asked, *lines, "", names, UNSIGNED_PAYLOAD])
        signature = _signature(
            _signing_key(credentials.secret_key, day, self.region),
            _before_digest(timestamp, scope),
            canonical,
        )
        signed["authorization"] = (
            f"{ALGORITHM} Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature={signature}"
        )
        return f"{scheme}://{host}{path}{'?' if asked else ''}{asked}", signed

    @cached_property
    def _address(self) -> tuple[str, str, str]:
        """Scheme, host, and the path all keys are below."""
        base = urlsplit(self.endpoint_url)
        if self.path_style:
            return base.scheme, base.netloc, f"/{self.bucket}/"
        return base.scheme, f"{self.bucket}.{base.netloc}", "/"


@dataclass(frozen=True)
class Prepared:
    """A presigned request without its key."""

    root: str
    before_path: str  # of the canonical request
    after_path: str
    # Of the string to sign, without the digest at its end. A list has 250 signatures: to begin each
    # with the key would double their time.
    signature: hmac.HMAC = field(repr=False)
    origin: str
    query: str

    def url(self, key: str) -> str:
        path = _path(self.root, key)
        request = hashlib.sha256(f"{self.before_path}{path}{self.after_path}".encode())
        signature = self.signature.copy()
        signature.update(request.hexdigest().encode())
        return f"{self.origin}{path}{self.query}{signature.hexdigest()}"


class PresignedRequests:
    """Presigns requests of browsers to the bucket's public address."""

    bucket_name: str
    _path_style: bool

    def credentials(self) -> Credentials:
        raise NotImplementedError

    def presign_put(self, key: str, *, content_type: str, byte_size: int) -> SignedRequest:
        """A PUT of exactly this many bytes of exactly this type."""
        return self._presign_upload(
            key, byte_size=byte_size, headers={"Content-Type": content_type}, query={}
        )

    def presign_part(
        self, key: str, *, multipart_id: str, number: int, byte_size: int
    ) -> SignedRequest:
        """The PUT of one part (S3 UploadPart) of exactly this many bytes."""
        query = {"uploadId": multipart_id, "partNumber": str(number)}
        return self._presign_upload(key, byte_size=byte_size, headers={}, query=query)

    def presign_get(
        self,
        key: str,
        *,
        content_type: str,
        filename: str | None = None,
        until: datetime | None = None,
    ) -> str:
        """A GET that is the same URL for a whole hour, and then valid for one more at least;
        but not beyond `until`, when the credential that asks for it ends.

        With `filename` the browser saves the file instead of showing it.
        """
        return self.prepare_get(content_type=content_type, filename=filename, until=until).url(key)

    def prepare_get(
        self, *, content_type: str, filename: str | None = None, until: datetime | None = None
    ) -> Prepared:
        """As presign_get(), for many keys at once."""
        query = {
            "response-cache-control": "private, max-age=3600, immutable",
            "response-content-type": content_type,
        }
        if filename is not None:
            query["response-content-disposition"] = attachment(filename)
        now = datetime.now(UTC)
        hour = now.replace(minute=0, second=0, microsecond=0)
        return self._public_signer.prepare(
            "GET",
            credentials=self.credentials(),
            signed_at=hour,
            lifetime=_lifetime_from(hour, now=now, until=until),
            query=query,
        )

    def _presign_upload(
        self, key: str, *, byte_size: int, headers: dict[str, str], query: dict[str, str]
    ) -> SignedRequest:
        now, lifetime = datetime.now(UTC), settings.UPLOAD_URL_LIFETIME
        prepared = self._public_signer.prepare(
            "PUT",
            credentials=self.credentials(),
            signed_at=now,
            lifetime=lifetime,
            headers={**headers, "Content-Length": str(byte_size)},
            query=query,
        )
        return SignedRequest("PUT", prepared.url(key), headers, expires_at=now + lifetime)

    @cached_property
    def _public_signer(self) -> Signer:
        return Signer(
            endpoint_url=settings.S3_PUBLIC_ENDPOINT_URL
            or f"https://s3.{settings.S3_REGION}.amazonaws.com",
            bucket=self.bucket_name,
            region=settings.S3_REGION,
            path_style=self._path_style,
        )


def attachment(filename: str) -> str:
    """Content-Disposition of a download (RFC 6266), its name encoded by RFC 8187."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in " -_.") else "_" for c in filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def _lifetime_from(hour: datetime, *, now: datetime, until: datetime | None) -> timedelta:
    """Counted from the hour in any case, so that one credential gets one URL within it.

    S3 counts in whole seconds and refuses none at all: where less than a second is left, or the
    credential has ended and still shows something, the URL is good for that one second.
    """
    longest: timedelta = settings.DOWNLOAD_URL_LIFETIME * 2
    if until is None:
        return longest
    return min(longest, max(until - hour, now - hour + timedelta(seconds=1)))


def _refuse_unless_possible(lifetime: timedelta) -> None:
    if not timedelta(0) < lifetime <= MAX_LIFETIME:
        raise ValueError(f"A presigned URL lives up to {MAX_LIFETIME}, not {lifetime}.")


def _before_digest(timestamp: str, scope: str) -> bytes:
    """Returns the string to sign, without the digest of the canonical request at its end."""
    return f"{ALGORITHM}\n{timestamp}\n{scope}\n".encode()


def _after_path(pairs: list[str], signed_headers: Mapping[str, str]) -> str:
    """Returns the part of the canonical request that follows the path; the body is not signed."""
    lines = [
        "",
        "&".join(sorted(pairs)),
        *(f"{name}:{signed_headers[name]}" for name in sorted(signed_headers)),
        "",
        ";".join(sorted(signed_headers)),
        UNSIGNED_PAYLOAD,
    ]
    return "\n".join(lines)


def _path(root: str, key: str) -> str:
    is_plain = not key.encode(errors="replace").translate(None, _UNENCODED)
    return root + (key if is_plain else _encode(key, safe="/"))


def _timestamp(signed_at: datetime) -> tuple[str, str]:
    """X-Amz-Date, and its day."""
    text = signed_at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    return text, text[:8]


def _signature(signing_key: bytes, before_digest: bytes, canonical_request: str) -> str:
    digest = hashlib.sha256(canonical_request.encode()).hexdigest().encode()
    return hmac.digest(signing_key, before_digest + digest, "sha256").hex()


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
