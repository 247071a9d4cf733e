"""The buckets, as Django's STORAGES names them, and the pool of connections to Postgres."""

from __future__ import annotations

from typing import Any


def storages(*, bucket: str, logs_bucket: str, **options: Any) -> dict[str, dict[str, Any]]:
    """Returns STORAGES: `default` for photos, `logs` for what is shipped to LOGS_BUCKET.

    `options` are those of django-storages' S3 backend.
    """
    options |= {"signature_version": "s3v4", "file_overwrite": True}
    return {
        **{
            name: {
                "BACKEND": "images.storage.objects.PhotoStorage",
                "OPTIONS": {"bucket_name": bucket_name, **options},
            }
            for name, bucket_name in {"default": bucket, "logs": logs_bucket}.items()
        },
        "staticfiles": {"BACKEND": "bandpics.static.ModuleStaticFilesStorage"},
    }


def pooled(database: dict[str, Any], size: int) -> dict[str, Any]:
    """Returns what gives a database of DATABASES a pool of so many connections."""
    # The pool keeps connections, so Django must not. The timeout is shorter than that of probes.
    pool = {"min_size": 1, "max_size": size, "timeout": 3.0}
    return {"CONN_MAX_AGE": 0, "OPTIONS": {**database["OPTIONS"], "pool": pool}}
