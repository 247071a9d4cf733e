"""The buckets, as Django's STORAGES names them."""

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
