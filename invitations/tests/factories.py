from __future__ import annotations

import factory

from groups.tests.factories import GroupFactory
from invitations.models import Invitation


class InvitationFactory(factory.django.DjangoModelFactory[Invitation]):
    """A personal invitation by default."""

    class Meta:
        model = Invitation

    group = factory.SubFactory(GroupFactory)
    kind = Invitation.Kind.PERSONAL
    email = factory.Sequence(lambda n: f"guest{n}@example.org")
    name = "Cleo"
