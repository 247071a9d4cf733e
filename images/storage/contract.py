"""What Bandpics needs of a bucket, tried one by one: for `manage.py check_bucket`.

Each check plays what the application does, with objects of its own under `incoming/`, and says in
words what is missing and where to mend it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any

import urllib3
from botocore.exceptions import BotoCoreError, ClientError

from bandpics.ids import new_id
from images.storage import object_keys
from images.storage.client import ObjectMissing, Operation, StorageUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from images.storage.client import BucketClient
    from images.storage.objects import PhotoStorage
    from images.storage.presign import SignedRequest

CONTENT = b"Bandpics checks this bucket."
CONTENT_TYPE = "image/jpeg"
PART_BYTES = 5 * 1024 * 1024  # S3 takes no smaller parts, but for the last
MOST_SKEW_SECONDS = 300  # S3 refuses signatures that are 15 minutes off
LOGS_CHECKED = "checked/"
TIMEOUT = urllib3.Timeout(connect=5, read=30)


@dataclass(frozen=True)
class Outcome:
    """`problem` is empty where the bucket does it. Without what is `needed` photos cannot arrive;
    the rest is advice."""

    name: str
    problem: str = ""
    needed: bool = True


class Missing(Exception):
    """The bucket does not do what a check is about, for the reason it says."""


@dataclass(frozen=True)
class _Bucket:
    storage: PhotoStorage
    origin: str  # of our pages, as browsers send it
    key: str

    def fetch(self, method: str, url: str, **options: Any) -> urllib3.BaseHTTPResponse:
        """Sends what a browser would send. Raises Missing if nobody answers."""
        try:
            with urllib3.PoolManager(timeout=TIMEOUT, retries=False) as pool:
                return pool.request(method, url, **options)
        except urllib3.exceptions.HTTPError as error:
            where = url.partition("?")[0]
            raise Missing(
                f"{where} does not answer: {error} Check S3_PUBLIC_ENDPOINT_URL."
            ) from None

    def put(self, signed: SignedRequest, content: bytes = CONTENT) -> urllib3.BaseHTTPResponse:
        headers = {**signed.headers, "Origin": self.origin}
        return self.fetch(signed.method, signed.url, body=content, headers=headers)


def check(storage: PhotoStorage, *, origin: str) -> Iterator[Outcome]:
    """Tries all, the next after the last one's outcome was taken. What it writes it removes.

    `origin` is that of our pages. Without the first, none of the others is tried.
    """
    for number, (name, needed, run) in enumerate(CHECKS):
        bucket = _Bucket(storage, origin, object_keys.incoming(new_id()))
        problem = _problem(run, bucket)
        yield Outcome(name, problem, needed)
        if problem and not number:
            return


def check_logs(storage: PhotoStorage) -> Iterator[Outcome]:
    """Tries what shipping the audit trail needs of LOGS_BUCKET: that it answers and takes objects.

    A key that may write there and not delete is right; then what was written stays.
    """
    bucket = _Bucket(storage, "", f"{LOGS_CHECKED}{new_id()}")
    for name, run in [
        ("The bucket of logs answers", _answers),
        ("Objects are written to the bucket of logs", _takes_objects),
    ]:
        problem = _problem(run, bucket)
        yield Outcome(name, problem.replace("S3_BUCKET", "LOGS_BUCKET"))
        if problem:
            return


def _takes_objects(bucket: _Bucket) -> None:
    bucket.storage.put_stream(
        bucket.key, BytesIO(CONTENT), byte_size=len(CONTENT), content_type="text/plain"
    )


def _problem(run: Callable[[_Bucket], None], bucket: _Bucket) -> str:
    try:
        run(bucket)
    except Missing as missing:
        return str(missing)
    except (StorageUnavailable, ObjectMissing, ClientError, BotoCoreError) as error:
        return f"The store refused it: {error}"
    finally:
        with suppress(StorageUnavailable):
            bucket.storage.delete_keys([bucket.key])
    return ""


# --- The checks ---------------------------------------------------------------------------------


def _answers(bucket: _Bucket) -> None:
    try:
        bucket.storage.check()
    except StorageUnavailable as error:
        raise Missing(
            f"{error} Check S3_ENDPOINT_URL, S3_BUCKET and the S3 keys; `manage.py set_up_bucket` "
            "makes a bucket."
        ) from None


def _stores(bucket: _Bucket) -> None:
    storage = bucket.storage
    storage.put_stream(
        bucket.key, BytesIO(CONTENT), byte_size=len(CONTENT), content_type=CONTENT_TYPE
    )
    size = storage.head(bucket.key).byte_size
    if size != len(CONTENT):
        raise Missing(f"{len(CONTENT)} bytes were written, and it says that it has {size}.")
    if bucket.key not in {each.key for each in storage.list_keys(bucket.key)}:
        raise Missing("An object that was just written is not listed.")
    memory = memoryview(bytearray(8))
    read = storage.read_into(bucket.key, [memory], start=4, stop=12, byte_size=len(CONTENT))
    if bytes(next(iter(read))) != CONTENT[4:12]:
        raise Missing("It does not answer a Range request with the bytes that were asked for.")


def _copies(bucket: _Bucket) -> None:
    storage, target = bucket.storage, f"{bucket.key}-copy"
    storage.put_stream(
        bucket.key, BytesIO(CONTENT), byte_size=len(CONTENT), content_type=CONTENT_TYPE
    )
    try:
        storage.copy(bucket.key, target)
        if storage.head(target).byte_size != len(CONTENT):
            raise Missing("A copy has another size.")
    finally:
        storage.delete_keys([bucket.key, target])
    with suppress(ObjectMissing):
        storage.head(target)
        raise Missing("An object that was deleted is still there.")


def _has_our_time(bucket: _Bucket) -> None:
    ahead = store_ahead_seconds(bucket.storage)
    if ahead is not None and abs(ahead) > MOST_SKEW_SECONDS:
        raise Missing(
            f"The clocks of this server and of the store differ by {abs(ahead):.0f} seconds; "
            "signatures are refused beyond 900. Let both follow NTP."
        )


def store_ahead_seconds(storage: BucketClient) -> float | None:
    """Returns by how much the store's clock is ahead of ours; None if it does not say its time."""
    with storage.guarded(Operation.CHECK):
        answer = storage.client.head_bucket(Bucket=storage.bucket_name)
    said = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    if said is None:
        return None
    return (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()


def _takes_signed_put(bucket: _Bucket) -> None:
    signed = bucket.storage.presign_put(
        bucket.key, content_type=CONTENT_TYPE, byte_size=len(CONTENT)
    )
    answer = bucket.put(signed)
    if answer.status != 200:
        raise Missing(_refusal("A signed PUT, as a browser sends it,", answer))
    if bucket.storage.head(bucket.key).byte_size != len(CONTENT):
        raise Missing("A signed PUT was taken, and the object has another size.")


def _refuses_other_size(bucket: _Bucket) -> None:
    signed = bucket.storage.presign_put(
        bucket.key, content_type=CONTENT_TYPE, byte_size=len(CONTENT)
    )
    if bucket.put(signed, CONTENT * 2).status < 300:
        raise Missing(
            "It takes more bytes than were signed: a guest could send files of any size. Our "
            "worker refuses them afterwards."
        )


def _serves_signed_get(bucket: _Bucket) -> None:
    storage = bucket.storage
    storage.put_stream(
        bucket.key, BytesIO(CONTENT), byte_size=len(CONTENT), content_type=CONTENT_TYPE
    )
    url = storage.presign_get(bucket.key, content_type=CONTENT_TYPE, filename="check.jpg")
    answer = bucket.fetch("GET", url, headers={"Origin": bucket.origin})
    if answer.status != 200 or answer.data != CONTENT:
        raise Missing(_refusal("A signed GET, as a browser sends it,", answer))
    if "check.jpg" not in answer.headers.get("Content-Disposition", ""):
        raise Missing("It ignores response-content-disposition: downloads have no filename.")


def _is_private(bucket: _Bucket) -> None:
    storage = bucket.storage
    storage.put_stream(
        bucket.key, BytesIO(CONTENT), byte_size=len(CONTENT), content_type=CONTENT_TYPE
    )
    url = storage.presign_get(bucket.key, content_type=CONTENT_TYPE).partition("?")[0]
    if bucket.fetch("GET", url).status == 200:
        raise Missing("Anybody reads its objects without a signature. Block public access.")


def _takes_parts(bucket: _Bucket) -> None:
    storage = bucket.storage
    multipart_id = storage.create_multipart(bucket.key, content_type=CONTENT_TYPE)
    try:
        for number, content in ((1, bytes(PART_BYTES)), (2, CONTENT)):
            signed = storage.presign_part(
                bucket.key, multipart_id=multipart_id, number=number, byte_size=len(content)
            )
            answer = bucket.put(signed, content)
            if answer.status != 200:
                raise Missing(_refusal(f"Part {number} of a large photo", answer))
        parts = storage.list_parts(bucket.key, multipart_id=multipart_id)
        if [part.number for part in parts] != [1, 2]:
            raise Missing("Parts that have arrived are not listed.")
        storage.complete_multipart(bucket.key, multipart_id=multipart_id, parts=parts)
    finally:
        storage.abort_multipart(bucket.key, multipart_id=multipart_id)
    if storage.head(bucket.key).byte_size != PART_BYTES + len(CONTENT):
        raise Missing("The parts together have another size than the object made of them.")


def _lets_browsers_in(bucket: _Bucket) -> None:
    signed = bucket.storage.presign_put(
        bucket.key, content_type=CONTENT_TYPE, byte_size=len(CONTENT)
    )
    asked = {
        "Origin": bucket.origin,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "content-type",
    }
    answer = bucket.fetch("OPTIONS", signed.url, headers=asked)
    allowed = answer.headers.get("Access-Control-Allow-Origin", "")
    if answer.status >= 300 or allowed not in {bucket.origin, "*"}:
        raise Missing(
            f"CORS does not let pages of {bucket.origin} (PUBLIC_URL) send photos. Run `manage.py "
            "set_up_bucket`, or set the rule by the store's own means (docs/operations.md)."
        )
    if "PUT" not in answer.headers.get("Access-Control-Allow-Methods", ""):
        raise Missing("CORS allows no PUT. Run `manage.py set_up_bucket`.")


def _may_be_reached(bucket: _Bucket) -> None:
    url = bucket.storage.presign_get(bucket.key, content_type=CONTENT_TYPE)
    if bucket.origin.startswith("https://") and url.startswith("http://"):
        raise Missing(
            "Pages come by https, and the bucket by http: browsers refuse such mixed content. Give "
            "the store a certificate, and S3_PUBLIC_ENDPOINT_URL its https address."
        )


def _expires_quarantine(bucket: _Bucket) -> None:
    try:
        with bucket.storage.guarded(Operation.SET_UP):
            found = bucket.storage.client.get_bucket_lifecycle_configuration(
                Bucket=bucket.storage.bucket_name
            )
    except (StorageUnavailable, ObjectMissing):
        found = {}
    if not any("AbortIncompleteMultipartUpload" in rule for rule in found.get("Rules", [])):
        raise Missing(
            "No lifecycle rule removes what is forgotten in incoming/, or parts of uploads that "
            "were given up. Our sweeper does it; a rule is the backstop. Run `manage.py "
            "set_up_bucket`, or set it by the store's own means."
        )


def _refusal(what: str, answer: urllib3.BaseHTTPResponse) -> str:
    return f"{what} was answered {answer.status}: {answer.data[:300].decode(errors='replace')}"


CHECKS: list[tuple[str, bool, Callable[[_Bucket], None]]] = [
    ("The bucket answers", True, _answers),
    ("Objects are written, listed, read and read in part", True, _stores),
    ("Objects are copied and deleted", True, _copies),
    ("Its clock agrees with ours", True, _has_our_time),
    ("Browsers may reach it from our pages", True, _may_be_reached),
    ("CORS lets our pages send photos", True, _lets_browsers_in),
    ("A signed PUT is taken", True, _takes_signed_put),
    ("A PUT of another size is refused", False, _refuses_other_size),
    ("Large photos arrive in parts", True, _takes_parts),
    ("A signed GET is answered", True, _serves_signed_get),
    ("Without a signature nothing is shown", True, _is_private),
    ("What is forgotten is removed after a while", False, _expires_quarantine),
]
