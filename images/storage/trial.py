"""A trial of the bucket from one browser: two files that it sends as the upload page does.

No row knows of them. Their keys are in quarantine, where the sweeper removes what no upload
waits for if the browser goes away before the trial ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.utils.translation import gettext as _

from bandpics.ids import new_id
from images.storage import object_keys
from images.storage.client import ObjectMissing

if TYPE_CHECKING:
    from images.storage.objects import PhotoStorage
    from images.storage.presign import SignedRequest

CONTENT_TYPE = "image/jpeg"
PICTURE_MAX_BYTES = 200_000
LIFETIME_SECONDS = 3600
SALT = "bandpics.bucket-trial"


@dataclass(frozen=True)
class Trial:
    """A picture and a large file that a browser sends, and how long each is."""

    picture_id: UUID
    picture_bytes: int
    large_id: UUID

    @classmethod
    def start(cls, *, picture_bytes: int) -> Trial:
        return cls(new_id(), picture_bytes, new_id())

    @classmethod
    def of(cls, token: str) -> Trial:
        """Raises signing.BadSignature for a token that is none of ours, or too old."""
        picture, picture_bytes, large = signing.loads(token, salt=SALT, max_age=LIFETIME_SECONDS)
        return cls(UUID(picture), picture_bytes, UUID(large))

    @property
    def token(self) -> str:
        words = [str(self.picture_id), self.picture_bytes, str(self.large_id)]
        return signing.dumps(words, salt=SALT)

    @property
    def large_bytes(self) -> int:
        """The largest request of the upload page."""
        return int(settings.MULTIPART_THRESHOLD_BYTES)

    @property
    def sizes(self) -> dict[str, int]:
        """{key: bytes}, the picture first."""
        return {
            object_keys.incoming(self.picture_id): self.picture_bytes,
            object_keys.incoming(self.large_id): self.large_bytes,
        }

    def signed_puts(self, storage: PhotoStorage) -> list[SignedRequest]:
        """The PUTs of both, as the upload page gets them."""
        return [
            storage.presign_put(key, content_type=CONTENT_TYPE, byte_size=size)
            for key, size in self.sizes.items()
        ]

    def shown(self, storage: PhotoStorage) -> str:
        """The address of the picture, as galleries get it."""
        return storage.presign_get(object_keys.incoming(self.picture_id), content_type=CONTENT_TYPE)

    def missing(self, storage: PhotoStorage, *, sent: int) -> str:
        """Says what the server does not find of the first `sent` files, which the browser says
        arrived; empty if all are there. Raises StorageUnavailable."""
        for key, size in list(self.sizes.items())[:sent]:
            try:
                found = storage.head(key).byte_size
            except ObjectMissing:
                return _(
                    "The browser was told that a file arrived, and the server does not find it. "
                    "S3_PUBLIC_ENDPOINT_URL leads to another store or bucket than S3_ENDPOINT_URL "
                    "and S3_BUCKET, or somebody in between answered for the store, as the sign-in "
                    "page of a network does."
                )
            if found != size:
                return _("{sent} bytes were sent, and {found} arrived.").format(
                    sent=size, found=found
                )
        return ""

    def remove(self, storage: PhotoStorage) -> None:
        """Removes both files. Safe to call twice. Raises StorageUnavailable."""
        for key in self.sizes:
            storage.delete_keys([key])
