"""Photos as a worker leaves them, for tests of what comes after: rows and objects are those of a
processed photo, but nothing is sent, and each file is rendered once for all tests of a process.

Tests of announcing, sending or processing use guest_client instead.
"""

from __future__ import annotations

import functools
import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db.models.functions import Now

from groups.models import Group
from images.access import GuestAccess, MemberAccess
from images.models import Image, Upload, Variant
from images.photofile import rendering
from images.photofile.metadata import exif
from images.photofile.rendering import appearance
from images.processing.columns import Finished, columns_of, variant_rows
from images.storage.objects import photo_storage
from images.uploads.announce import Announced, create_announced
from invitations.models import Invitation

if TYPE_CHECKING:
    from bandpics.users.models import User
    from images.access import Uploader
    from images.tests.guest_client import Guest


def by_guest(guest: Guest, data: bytes, **more: Any) -> Image:
    """As guest.send_and_process(data)."""
    invitation = Invitation.objects.select_related("group").get(pk=guest.invitation.pk)
    access = GuestAccess.of(invitation, device_secret=guest.device)
    return _stored(access.uploader, data, **more)


def by_member(user: User, group: Group, data: bytes, **more: Any) -> Image:
    """As send_as_member(client, group, data) of somebody who is signed in."""
    group = Group.objects.get(pk=group.pk)
    return _stored(MemberAccess(user).uploader(group), data, **more)


def _stored(uploader: Uploader, data: bytes, **more: Any) -> Image:
    finished = _finished(data)
    content_type = finished.header.format.content_type
    described = {"filename": "IMG_0001.jpg", "content_type": content_type} | more
    file = Announced(byte_size=len(data), sha256=finished.sha256, **described)
    (ticket,) = create_announced(uploader, [file], bytes_are_here=True)
    upload = ticket.upload
    keys = upload.version_keys
    photo_storage().put_files(
        [
            (keys.original(content_type=content_type), finished.original, content_type),
            *((keys.variant(one.name), one.path, one.content_type) for one in finished.renderings),
        ]
    )
    Upload.objects.filter(pk=upload.pk).update(
        status=Upload.Status.DONE,
        sha256=finished.sha256,
        attempt=1,
        claim_number=1,
        processing_ms=1,
        arrived_at=Now(),
        queued_at=Now(),
        finished_at=Now(),
    )
    columns = columns_of(finished, upload, upload.image)
    Image.objects.filter(pk=upload.image_id).update(**columns, version=1)
    Variant.objects.bulk_create(variant_rows(keys, finished.renderings))
    return Image.objects.with_status().get(pk=upload.image_id)


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Removed with the process."""
    return tempfile.TemporaryDirectory(prefix="bandpics-stored-")


@functools.cache
def _finished(data: bytes) -> Finished:
    sha256 = hashlib.sha256(data).hexdigest()
    folder = Path(_folder().name) / sha256
    folder.mkdir()
    source = folder / "original"
    source.write_bytes(data)
    header = rendering.inspect(source)
    renderings = rendering.render(source, header=header, into=folder)
    files = {one.name: one.path for one in renderings}
    looks = appearance.read(files, pixels=header.width * header.height)
    metadata = exif.read(source)
    return Finished(header, sha256, len(data), metadata, renderings, source, looks)
