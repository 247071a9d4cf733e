"""Whether this machine's disk has room."""

from __future__ import annotations

import errno

FULL = {errno.ENOSPC, errno.EDQUOT}


def is_full(error: BaseException | None) -> bool:
    """Whether this is what the system says when nothing more can be written."""
    return isinstance(error, OSError) and error.errno in FULL
