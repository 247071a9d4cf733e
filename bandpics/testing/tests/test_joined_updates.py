"""The test plugin refuses UPDATEs that look up their rows first."""

from __future__ import annotations

import pytest
from django.db.models import F

from bandpics.testing.pytest_plugin import JoinedUpdate
from bandpics.users.models import ApiKey, User

pytestmark = pytest.mark.django_db


def test_a_filter_that_joins_is_refused():
    with pytest.raises(JoinedUpdate):
        ApiKey.objects.filter(user__email="ada@example.org").update(revoked=True)


def test_columns_of_the_row_itself_may_decide():
    User.objects.filter(email="ada@example.org", is_active=True).update(email=F("email"))
