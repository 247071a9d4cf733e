"""The link of an invitation to a team: whoever holds it joins, once."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from bandpics.users.tests.factories import UserFactory
from groups import teams
from groups.models import Membership, Team
from groups.tests.factories import MembershipFactory
from invitations import team_invitations
from invitations.models import TeamInvitation

pytestmark = pytest.mark.django_db


@pytest.fixture
def asked(team, ada):
    return TeamInvitation.objects.create(
        team=team, email="eve@example.org", role="viewer", created_by=ada
    )


@pytest.fixture
def path(asked):
    return f"/teams/join/{asked.token}/"


@pytest.fixture
def eve(db):
    return UserFactory(email="eve@example.org", name="Eve")


def browser_of(user):
    client = Client()
    client.force_login(user)
    return client


def text(answer):
    return answer.content.decode()


def test_it_says_who_asks_and_leads_back_after_signing_in(client, path, settings):
    settings.REGISTRATION = "open"
    page = text(client.get(path))
    assert "Ada invites you to the team The Band" in page
    assert "only looks" in page
    assert f"/login/?next={path}" in page
    assert f"/signup/?next={path}" in page
    assert "eve@example.org" not in page  # whoever holds the link is not told
    settings.REGISTRATION = "closed"
    assert "/signup/" not in text(client.get(path))


def test_looking_joins_nobody_and_a_post_does(path, team, eve):
    browser = browser_of(eve)
    assert "the account of eve@example.org" in text(browser.get(path))
    assert not team.memberships.filter(user=eve).exists()
    answer = browser.post(path, follow=True)
    assert "Welcome to The Band" in text(answer)
    assert team.memberships.get(user=eve).role == "viewer"


def test_a_post_of_nobody_joins_nobody(client, path, team, asked):
    assert "To join you need an account" in text(client.post(path))
    asked.refresh_from_db()
    assert asked.accepted_at is None


def test_any_account_may_join_by_the_link(path, team):
    other = UserFactory(email="eve.at.home@example.org")
    assert browser_of(other).post(path)["Location"] == f"/teams/{team.pk}/"
    assert team.memberships.filter(user=other).exists()


def test_it_is_good_for_one_person(path, team, eve, dora):
    browser_of(eve).post(path)
    for answer in (browser_of(dora).get(path), browser_of(dora).post(path)):
        assert answer.status_code == 410
        assert "used already" in text(answer)
    assert not team.memberships.filter(user=dora).exists()


def test_whoever_is_in_keeps_their_role_and_spends_nothing(path, team, ben, asked):
    browser = browser_of(ben)
    assert "in this team already" in text(browser.get(path))
    assert "in this team already" in text(browser.post(path, follow=True))
    assert team.memberships.get(user=ben).role == "member"
    asked.refresh_from_db()
    assert asked.accepted_at is None


def test_an_expired_link_says_so(path, eve):
    TeamInvitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    for answer in (browser_of(eve).get(path), browser_of(eve).post(path)):
        assert answer.status_code == 410
        assert "has expired" in text(answer)


@pytest.mark.parametrize("token", ["x", "x" * 43, "%00", "é" * 43])
def test_a_wrong_link_says_what_to_do(client, token):
    answer = client.get(f"/teams/join/{token}/")
    assert answer.status_code == 404
    assert "Open it again from the mail" in text(answer)


def test_guessing_is_limited_and_right_links_still_open(client, path, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "guess": "2/minute"}
    codes = [client.get(f"/teams/join/{number}/").status_code for number in range(3)]
    assert codes == [404, 404, 429]
    assert client.get(path).status_code == 200


def test_a_team_that_became_personal_takes_nobody(path, eve, team):
    Team.objects.update(is_personal=True)
    assert browser_of(eve).post(path).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_of_two_who_open_a_link_at_once_one_joins(asked, team, eve, dora):
    outcomes, barrier = [], threading.Barrier(2)

    def join(user):
        barrier.wait()
        try:
            team_invitations.accept(asked.token, user)
            outcomes.append("joined")
        except team_invitations.Used:
            outcomes.append("used")
        connection.close()

    threads = [threading.Thread(target=join, args=[user]) for user in (eve, dora)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["joined", "used"]
    assert Membership.objects.filter(team=team, role="viewer").count() == 1


def test_joining_a_personal_team_is_refused_by_the_lower_room(eve, team):
    Team.objects.update(is_personal=True)
    with pytest.raises(teams.PersonalTeam):  # the row says so, not the object in hand
        teams.add(team, eve, role="member")


@pytest.mark.parametrize("act", ["remove", "demote"])
def test_an_owner_who_was_sent_away_does_not_come_back_by_a_link_of_their_own(team, ada, act):
    bea = MembershipFactory(team=team, role="owner")
    about = {"role": "owner", "language": "en"}
    own = team_invitations.invite(team, email="bea2@example.org", by=bea.user, **about)
    other = team_invitations.invite(team, email="carl@example.org", by=ada, **about)
    if act == "remove":
        teams.remove(bea)
    else:
        teams.change_role(bea, role="viewer")
    with pytest.raises(team_invitations.Unusable):
        team_invitations.find(own.token)
    assert team_invitations.find(other.token) == other
