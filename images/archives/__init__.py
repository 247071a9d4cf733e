"""ZIP archives of a group's photos: ordering, building in the bucket, and their end."""

from images.archives.ordering import (
    NothingToDownload,
    NotReady,
    QuotaExceeded,
    TooManyWaiting,
    download,
    find,
    is_shown,
    last_download,
    order,
    orders,
    url,
)

__all__ = [
    "NotReady",
    "NothingToDownload",
    "QuotaExceeded",
    "TooManyWaiting",
    "download",
    "find",
    "is_shown",
    "last_download",
    "order",
    "orders",
    "url",
]
