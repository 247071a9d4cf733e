"""The cast of groups, and an invitation for Cleo."""

from __future__ import annotations

import pytest

from groups.tests.conftest import ada, admin, ben, dora, group, signed_in, team, vera
from invitations.tests.factories import InvitationFactory

__all__ = ["ada", "admin", "ben", "dora", "group", "invitation", "signed_in", "team", "vera"]


@pytest.fixture
def invitation(group, ada):
    return InvitationFactory(group=group, name="Cleo", email="cleo@example.org", created_by=ada)
