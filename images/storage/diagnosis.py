"""Why a browser cannot send files to the bucket or show them, in words and with what to do."""

from __future__ import annotations

import ipaddress
import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import urllib3
from botocore.exceptions import ClientError
from django.conf import settings
from django.utils.translation import gettext as _

from images.storage import contract, object_keys
from images.storage.client import ObjectMissing, Operation, StorageUnavailable

if TYPE_CHECKING:
    from images.storage.objects import PhotoStorage
    from images.storage.trial import Trial

TIMEOUT = urllib3.Timeout(connect=5, read=15)
_CODE = re.compile(r"<Code>(\w+)</Code>")


@dataclass(frozen=True)
class Failure:
    """What a browser saw of a request that failed. `origin` is that of its page.

    `status` is 0 without an answer that the page may read. `is_reachable` says that the browser did
    get some answer of the store to a request without CORS.
    """

    origin: str
    is_large: bool = False
    is_shown: bool = False  # the picture was asked for, not sent
    status: int = 0
    answer: str = ""
    is_reachable: bool = False
    is_silent: bool = False
    is_blocked: bool = False  # by the policy (CSP) of the page


def server_problem(storage: PhotoStorage) -> str:
    """Says what keeps the server itself from the bucket; empty if nothing does."""
    try:
        with storage.guarded(Operation.CHECK):
            # Not HEAD, whose errors have no code.
            storage.client.list_objects_v2(
                Bucket=storage.bucket_name, Prefix=object_keys.INCOMING, MaxKeys=1
            )
        storage.credentials()
    except (StorageUnavailable, ObjectMissing) as error:
        cause = error.__cause__
        if isinstance(cause, ClientError):
            status = cause.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            return refusal(int(status), str(cause.response.get("Error", {}).get("Code", "")))
        return _("{error} Check S3_ENDPOINT_URL and the S3 keys.").format(error=error)
    return ""


def clock_problem(storage: PhotoStorage, *, browser_ahead_seconds: float) -> str:
    """Says which clock is wrong; empty if server, store and browser agree."""
    most = contract.MOST_SKEW_SECONDS
    with suppress(StorageUnavailable, ObjectMissing):
        ahead = contract.store_ahead_seconds(storage)
        if ahead is not None and abs(ahead) > most:
            return _(
                "The clocks of this server and of the store differ by {seconds} seconds; the store "
                "refuses signatures beyond 900. Let both follow NTP."
            ).format(seconds=f"{abs(ahead):.0f}")
    if abs(browser_ahead_seconds) > most:
        return _(
            "The clock of this browser differs from the server's by {seconds} seconds. Uploads do "
            "not depend on it, but certificates may seem to have expired: set the clock of this "
            "device."
        ).format(seconds=f"{abs(browser_ahead_seconds):.0f}")
    return ""


def diagnose(storage: PhotoStorage, trial: Trial, failure: Failure) -> str:
    """Says in words what is wrong and what to do. The server asks the store, too, where that tells
    more."""
    put = trial.signed_puts(storage)[0]
    url = trial.shown(storage) if failure.is_shown else put.url
    address = urlsplit(url)
    if failure.origin.startswith("https:") and address.scheme == "http" and not _is_own(address):
        return _(
            "Mixed content: this page comes by https and the bucket by http ({host}), which "
            "browsers refuse. Give the store a certificate, and S3_PUBLIC_ENDPOINT_URL its https "
            "address."
        ).format(host=address.netloc)
    if failure.is_blocked:
        return _(
            "The policy of this page (CSP) does not name {host}. It is made of "
            "S3_PUBLIC_ENDPOINT_URL, S3_REGION and S3_ADDRESSING_STYLE when the server starts: "
            "restart web, and look for a proxy that sets a policy of its own."
        ).format(host=address.netloc)
    if failure.status:
        return refusal(failure.status, failure.answer)
    if failure.is_silent:
        return _(
            "The connection to {host} stood still while the bytes were sent. A proxy or firewall "
            "in between holds them back, or the network is very slow."
        ).format(host=address.netloc)
    if not failure.is_reachable:
        return _unreachable(url)
    if failure.is_shown:
        return _refusal_of_server("GET", url) or _not_shown()
    content = {
        "headers": {**put.headers, "Origin": failure.origin},
        "body": bytes(trial.picture_bytes),
    }
    return (
        _cors_problem(url, failure.origin, wanted=sorted(put.headers))
        or _refusal_of_server("PUT", url, **content)
        or _broke_off(failure)
    )


def refusal(status: int, answer: str) -> str:
    """Says what an error of the store means; `answer` is its body, or its code alone."""
    found = _CODE.search(answer)
    code = found[1] if found else answer if re.fullmatch(r"\w{1,60}", answer) else ""
    return f"{_meaning(status, code, answer)} ({status} {code})".replace(" )", ")")


def _meaning(status: int, code: str, answer: str) -> str:
    if code in {"RequestTimeTooSkewed", "RequestExpired"} or "expired" in answer.lower():
        return _(
            "The store says that the signature is of another time: the clock of this server or of "
            "the store is wrong. Let both follow NTP."
        )
    if code in {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "Unauthorized"}:
        return _(
            "The store does not accept the signature. Check S3_ACCESS_KEY and S3_SECRET_KEY; or a "
            "proxy before the store changes the Host header or the path, which the signature "
            "covers."
        )
    if status in {301, 307, 308} or code in {
        *("AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect"),
        *("IllegalLocationConstraintException", "AuthorizationQueryParametersError"),
    }:
        return _("The bucket is in another region or at another address: check S3_REGION.")
    if status == 413 or code in {"EntityTooLarge", "MaxMessageLengthExceeded"}:
        return _(
            "A proxy before the store, or the store, limits the size of a request. It must take as "
            "much as the large file here (with nginx: client_max_body_size), or set "
            "UPLOAD_PART_BYTES lower."
        )
    if code == "NoSuchBucket" or status == 404:
        return _(
            "There is no such bucket at this address. Check S3_BUCKET, S3_ADDRESSING_STYLE and the "
            "address; `manage.py set_up_bucket` makes a bucket."
        )
    if status == 403 or code == "AccessDenied":
        return _(
            "The store denies access. Its clock differs from this server's, or the S3 key lacks "
            "the rights to put, get, list and delete objects of this bucket, or a firewall before "
            "the store refuses."
        )
    if status >= 500:
        return _("The store, or a proxy before it, is in trouble. Look at its log, and try again.")
    return _("The store refused it.")


def _cors_problem(url: str, origin: str, *, wanted: list[str]) -> str:
    """Says what the store's answer to the preflight lacks; empty if it lets the page in."""
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": ",".join(wanted).lower(),
    }
    try:
        answer = _ask("OPTIONS", url, headers=asked)
    except urllib3.exceptions.HTTPError:
        return ""
    allowed = answer.headers.get("Access-Control-Allow-Origin", "")
    names = _listed(answer, "Headers")
    if answer.status >= 300 or not allowed:
        text = _("CORS: the store does not let pages of {origin} send photos.")
    elif allowed not in {origin, "*"}:
        text = _("CORS: the store lets in pages of {allowed}, and this page is of {origin}.")
    elif "put" not in _listed(answer, "Methods"):
        text = _("CORS: the store does not allow the method PUT.")
    elif "*" not in names and {name.lower() for name in wanted} - names:
        text = _("CORS: the store does not allow the header Content-Type.")
    else:
        return ""
    return " ".join([text.format(origin=origin, allowed=allowed), *_how_to_allow(origin)])


def _how_to_allow(origin: str) -> list[str]:
    repair = _(
        "Run `manage.py set_up_bucket`, or set the rule by the store's own means "
        "(docs/operations.md)."
    )
    if origin == settings.PUBLIC_URL:
        return [repair]
    foreign = _("The rule is for PUBLIC_URL, {url}: open this page there.")
    return [foreign.format(url=settings.PUBLIC_URL), repair]


def _listed(answer: urllib3.BaseHTTPResponse, what: str) -> set[str]:
    value = answer.headers.get(f"Access-Control-Allow-{what}", "")
    return {each.strip().lower() for each in value.split(",")}


def _refusal_of_server(method: str, url: str, **content: Any) -> str:
    """Says how the store refuses the same request of the server; empty if it takes it."""
    try:
        answer = _ask(method, url, **content)
    except urllib3.exceptions.HTTPError:
        return ""
    if answer.status < 300:
        return ""
    return refusal(answer.status, answer.data[:2000].decode(errors="replace"))


def _not_shown() -> str:
    return _(
        "The server gets the picture from that address, and this browser does not show it. An "
        "extension of the browser or a proxy may block it, or a header of the store "
        "(Cross-Origin-Resource-Policy, Content-Type)."
    )


def _broke_off(failure: Failure) -> str:
    if failure.is_large:
        return _(
            "The small picture arrived, and the connection broke while the large file was sent. A "
            "proxy before the store limits the size or the time of a request (with nginx: "
            "client_max_body_size, client_body_timeout)."
        )
    return _(
        "The store lets this page in, and the connection broke all the same; or its answer to the "
        "PUT lacks the CORS header Access-Control-Allow-Origin. Look at the log of the store and "
        "of a proxy before it."
    )


def _unreachable(url: str) -> str:
    """Says why a browser gets no answer at all, by what the server gets from the same address."""
    address = urlsplit(url)
    port = address.port or (443 if address.scheme == "https" else 80)
    where = f"{address.hostname}:{port}"
    try:
        found = {str(each[4][0]) for each in socket.getaddrinfo(address.hostname, port)}
    except OSError:
        return _(
            "The name {host} is unknown, also to this server. Check S3_PUBLIC_ENDPOINT_URL and its "
            "DNS record."
        ).format(host=address.hostname)
    try:
        _ask("OPTIONS", url)
    except urllib3.exceptions.SSLError as error:
        return _(
            "The certificate of {host} is not accepted: {error}. Give the store a valid one, with "
            "this name in it."
        ).format(host=where, error=error)
    except urllib3.exceptions.HTTPError:
        return _(
            "Nobody answers at {host}, neither this browser nor this server. Check host and port "
            "of S3_PUBLIC_ENDPOINT_URL, and that the store runs."
        ).format(host=where)
    if any(ipaddress.ip_address(each.partition("%")[0]).is_private for each in found):
        return _(
            "{host} is an address of the server's own network: the server reaches it, this browser "
            "does not. Set S3_PUBLIC_ENDPOINT_URL to the address by which browsers reach the store."
        ).format(host=where)
    return _(
        "The server reaches {host}, and this browser does not: a firewall or a VPN is in between, "
        "an extension blocks it, or this browser does not accept its certificate. Open "
        "https://{host}/ in a tab to see."
    ).format(host=where)


def _is_own(address: Any) -> bool:
    """Whether browsers take http to this host for safe: it is their own machine."""
    return address.hostname in {"localhost", "127.0.0.1", "::1"}


def _ask(method: str, url: str, **options: Any) -> urllib3.BaseHTTPResponse:
    """Sends one request; raises urllib3's HTTPError if nobody answers."""
    with urllib3.PoolManager(timeout=TIMEOUT, retries=False) as pool:
        return pool.request(method, url, **options)
