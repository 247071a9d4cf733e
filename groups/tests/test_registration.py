"""A new user gets an account, a team and a group: all of it or nothing."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from bandpics.users import api_keys
from bandpics.users.access import Access
from bandpics.users.models import ApiKey, User
from groups import registration
from groups.models import Group, Team

PASSWORD = "a long enough password"


@pytest.mark.django_db
def test_everything_is_made_that_is_needed_to_add_photos_at_once():
    made = registration.register(email="ada@example.org", password=PASSWORD, name="Ada")
    assert made.user.check_password(PASSWORD)
    assert Group.objects.owned_by(Access(made.user)).get() == made.group
    assert made.group.team.is_personal
    assert api_keys.find(made.api_key).user == made.user


@pytest.mark.django_db
def test_an_address_is_taken_whatever_the_case_and_nothing_else_is_made():
    registration.register(email="ada@example.org", password=PASSWORD)
    with pytest.raises(registration.EmailTaken):
        registration.register(email="ADA@Example.org", password=PASSWORD)
    assert (User.objects.count(), Team.objects.count(), ApiKey.objects.count()) == (1, 1, 1)


@pytest.mark.django_db
def test_a_long_name_still_gives_a_team():
    made = registration.register(email="a@example.org", password=PASSWORD, name="x" * 120)
    assert len(made.group.team.name) == 120


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_gets_the_address():
    outcomes = []

    def race():
        try:
            registration.register(email="ada@example.org", password=PASSWORD)
            outcomes.append("made")
        except registration.EmailTaken:
            outcomes.append("taken")
        connection.close()

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["made", "taken", "taken", "taken"]
    assert Team.objects.count() == 1
