"""Creates the bucket and sets its CORS and lifecycle rules, for `manage.py set_up_bucket`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from images.storage import object_keys
from images.storage.client import Operation, StorageUnavailable

if TYPE_CHECKING:
    from images.storage.client import BucketClient

FORGOTTEN_DAYS = 60


def create_bucket(bucket: BucketClient) -> bool:
    """True if it was not there before. Raises StorageUnavailable."""
    try:
        bucket.check()
    except StorageUnavailable:
        region = bucket.region_name
        where = {} if region == "us-east-1" else {"LocationConstraint": region}
        options = {"CreateBucketConfiguration": where} if where else {}
        with bucket.guarded(Operation.SET_UP):
            bucket.client.create_bucket(Bucket=bucket.bucket_name, **options)
        return True
    return False


def cors_rule(origin: str) -> dict[str, Any]:
    """Lets pages of `origin` PUT and GET, and read the ETag by which parts are confirmed."""
    return {
        "AllowedOrigins": [origin],
        "AllowedMethods": ["PUT", "GET", "HEAD"],
        "AllowedHeaders": ["content-type"],
        "ExposeHeaders": ["ETag"],
        "MaxAgeSeconds": 3600,
    }


def lifecycle_rules() -> list[dict[str, Any]]:
    """Expires what is forgotten in quarantine, and parts of multipart uploads anywhere.

    Only backstops, far beyond every lifetime of ours: rows decide, not dates.
    """
    return [
        {
            "ID": "forgotten-incoming",
            "Status": "Enabled",
            "Filter": {"Prefix": object_keys.INCOMING},
            "Expiration": {"Days": FORGOTTEN_DAYS},
        },
        {
            "ID": "forgotten-multiparts",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": FORGOTTEN_DAYS},
        },
    ]


def set_rules(bucket: BucketClient, *, origin: str) -> list[str]:
    """Sets both kinds of rule; infra/terraform/bucket.tf sets the same.

    Returns the kinds of rule this store takes only by its own configuration.
    """
    client = bucket.client
    rules: list[tuple[str, Any, dict[str, Any]]] = [
        ("CORS", client.put_bucket_cors, {"CORSConfiguration": {"CORSRules": [cors_rule(origin)]}}),
        (
            "lifecycle",
            client.put_bucket_lifecycle_configuration,
            {"LifecycleConfiguration": {"Rules": lifecycle_rules()}},
        ),
    ]
    refused = []
    for name, put, rule in rules:
        try:
            put(Bucket=bucket.bucket_name, **rule)
        except (ClientError, BotoCoreError):
            refused.append(name)
    return refused
