"""Checks a file before it is taken, whichever way it comes. Workers check all of its bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from images.models import Upload
from images.photofile import formats
from images.uploads.announce import UNKNOWN_CONTENT_TYPE, Announced

if TYPE_CHECKING:
    from typing import BinaryIO

    from django.core.files.uploadedfile import UploadedFile

FILENAME_LENGTH = 255


class Unacceptable(Exception):
    """The file cannot be taken. The message tells a person why, the `code` a program."""

    def __init__(self, why: str, code: str) -> None:
        super().__init__(why)
        self.code = code


def check(*, byte_size: int, content_type: str = "", file: BinaryIO | Any = None) -> None:
    """Looks at the size, at the declared type, and at the first bytes where they are here.

    Raises Unacceptable.
    """
    if not byte_size:
        raise Unacceptable(_("This file is empty, or a folder."), "empty")
    if byte_size > settings.UPLOAD_MAX_BYTES:
        size = size_in_words(settings.UPLOAD_MAX_BYTES)
        why = _("Too big: a photo may have up to {size}.").format(size=size)
        raise Unacceptable(why, "too-large")
    kind = _("This kind of file cannot be sent. Photos in {formats} can.")
    unsupported = Unacceptable(kind.format(formats=formats_in_words()), "unsupported-type")
    if not _is_known(plain_type(content_type)):
        raise unsupported
    if file is None:
        return
    head = file.read(formats.HEAD_BYTES)
    file.seek(0)
    try:
        formats.sniff_head(head)
    except formats.NotAnImage:
        why = str(Upload.Failure.NOT_AN_IMAGE.label)
        raise Unacceptable(why, "unsupported-type") from None
    except formats.UnsupportedFormat:
        raise unsupported from None


def described(file: UploadedFile[Any], *, unnamed: str = "photo", **said: Any) -> Announced:
    """Returns what a form says of one of its files, and `said` of its photo."""
    declared = plain_type(file.content_type or "")
    return Announced(
        filename=(file.name or unnamed)[:FILENAME_LENGTH],
        content_type=declared if _is_known(declared) else "",
        byte_size=file.size or 0,
        **said,
    )


def plain_type(content_type: str) -> str:
    """Returns a content type without its parameters: `image/jpeg`."""
    return content_type.partition(";")[0].strip().lower()


def _is_known(content_type: str) -> bool:
    return content_type in {"", UNKNOWN_CONTENT_TYPE} | formats.ACCEPTED_CONTENT_TYPES


def formats_in_words() -> str:
    """`JPEG, PNG or HEIC`: the labels of what we take."""
    *some, last = dict.fromkeys(format_.label for format_ in formats.ACCEPTED)
    return _("{some} or {last}").format(some=", ".join(some), last=last)


def size_in_words(byte_size: int) -> str:
    """`250 MB`, `1.5 GB`: binary ones, as the scripts count, with the units of the language."""
    size, unit = byte_size / 1024**2, _("{number} MB")
    if size >= 1024:
        size, unit = size / 1024, _("{number} GB")
    rounded = round(size, 1)
    digits = 0 if rounded == int(rounded) else 1
    return unit.format(number=number_format(rounded, decimal_pos=digits))
