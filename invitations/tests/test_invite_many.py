"""Many people are invited in one transaction, with the rules of inviting one."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from invitations import links
from invitations.links import Person
from invitations.models import Invitation

pytestmark = pytest.mark.django_db


def many(count):
    return [Person(f"p{n}@example.org", f"P {n}") for n in range(count)]


def test_three_hundred_people_cost_as_many_queries_as_three(
    group, ada, django_assert_max_num_queries
):
    with django_assert_max_num_queries(6):
        outcome = links.invite_many(group, many(300), by=ada, is_owner=True, trusted=True)
    assert len(outcome.new) == Invitation.objects.filter(trusted=True).count() == 300
    assert outcome.extended == outcome.withdrawn == []
    assert len({each.upload_link for each in Invitation.objects.all()}) == 300
    with django_assert_max_num_queries(7):
        assert len(links.invite_many(group, many(300), by=ada, is_owner=True).extended) == 300


def test_who_is_invited_already_keeps_the_link_for_longer(group, ada, invitation):
    link, until = invitation.upload_link, timezone.now() + timedelta(days=30)
    people = [Person("CLEO@example.org"), Person("new@example.org", "New")]
    outcome = links.invite_many(group, people, by=ada, is_owner=True, expires_at=until)
    assert [each.email for each in outcome.new] == ["new@example.org"]
    invitation.refresh_from_db()
    assert (invitation.upload_link, invitation.expires_at) == (link, until)
    assert invitation.name == "Cleo"


def test_who_was_revoked_gets_another_link_from_an_owner(group, ada, invitation):
    old = invitation.upload_link
    links.revoke(invitation)
    people = [Person("cleo@example.org", "Cleopatra")]
    assert links.invite_many(group, people, by=ada, is_owner=True).extended == [invitation]
    invitation.refresh_from_db()
    assert invitation.name == "Cleopatra"
    assert not invitation.is_revoked
    assert invitation.upload_link != old


@pytest.mark.django_db(transaction=True)
def test_two_hosts_who_invite_the_same_people_at_once_wait_for_each_other(group, ada):
    """In opposite order, which would be a deadlock if they were inserted as they come."""
    people, barrier, failures = many(150), threading.Barrier(2), []

    def invite(these):
        barrier.wait()
        try:
            links.invite_many(group, these, by=ada, is_owner=True)
        except OperationalError as error:
            failures.append(error)
        finally:
            connection.close()

    for _ in range(2):
        Invitation.objects.all().delete()
        threads = [
            threading.Thread(target=invite, args=[order]) for order in (people, people[::-1])
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert Invitation.objects.count() == 150


def test_a_member_only_extends_what_somebody_else_sent(group, ben, invitation):
    Invitation.objects.update(expires_at=timezone.now() + timedelta(days=1))
    people = [Person("cleo@example.org", "Another name")]
    until = timezone.now() + timedelta(days=300)
    outcome = links.invite_many(group, people, by=ben, is_owner=False, expires_at=until)
    assert outcome.extended == [invitation]
    invitation.refresh_from_db()
    assert invitation.name == "Cleo"
    assert timedelta(days=6) < invitation.expires_at - timezone.now() < timedelta(days=8)


def test_what_somebody_else_revoked_stays_so_for_a_member(group, ben, invitation):
    links.revoke(invitation)
    outcome = links.invite_many(group, [Person("cleo@example.org")], by=ben, is_owner=False)
    assert outcome.withdrawn == [invitation]
    assert outcome.open == []
    invitation.refresh_from_db()
    assert invitation.is_revoked
