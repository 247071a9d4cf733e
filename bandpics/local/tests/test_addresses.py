"""Free ports of this machine."""

from __future__ import annotations

import random

from bandpics.local import addresses


def seeded_port() -> int:
    random.seed(1)
    return addresses.free_port(addresses.LOOPBACK)


def test_programs_that_are_seeded_alike_draw_other_ports():
    """The processes of a test run have one seed, and start stacks at the same moment."""
    assert len({seeded_port() for _ in range(3)}) > 1
