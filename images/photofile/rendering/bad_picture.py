"""The error for a file that gives no picture, and the translation of decoder errors to it."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from billiard.exceptions import SoftTimeLimitExceeded

from images.photofile import formats
from images.photofile.rendering import memory

if TYPE_CHECKING:
    from collections.abc import Iterator

# More than the largest picture within the budgets needs (a test measures). Headers may lie: a
# decoder that then asks for more gets nothing.
MAX_GROWTH_BYTES: Final = 1200 * 1024 * 1024


class BadPicture(Exception):
    """The file gives no picture, and trying again will not help. The text is for a person."""

    def __init__(self, reason: str, sentence: str) -> None:
        self.reason = reason
        super().__init__(sentence)


def damaged() -> BadPicture:
    return BadPicture(
        "damaged", "This picture is damaged or not complete. Please send the original again."
    )


def rare(kind: str) -> BadPicture:
    return BadPicture("unsupported-format", str(formats.UnsupportedFormat(kind)))


@contextmanager
def translate_decoder_errors() -> Iterator[None]:
    """Translate whatever a decoder raises over hostile bytes to `BadPicture`, and bound memory.

    The disk and a machine short of memory are nobody's fault: a MemoryError and an error of the
    operating system pass.
    """
    try:
        with memory.bounded(MAX_GROWTH_BYTES):
            yield
    except (BadPicture, MemoryError, SoftTimeLimitExceeded):
        raise  # a machine that slept through the time says nothing about the picture
    except memory.Exceeded as error:
        sentence = "This picture takes more memory to open than any photo we accept."
        raise BadPicture("too-many-pixels", sentence) from error
    except OSError as error:
        # Decoders raise OSError by hand, without a number, or seek where no file goes (EINVAL).
        if error.errno not in {None, errno.EINVAL}:
            raise
        raise damaged() from error
    except Exception as error:
        # Over 11,000 broken files Pillow raised ValueError, IndexError, TypeError, SyntaxError and
        # KeyError; a list of classes would only ever be the list of those seen so far.
        raise damaged() from error
