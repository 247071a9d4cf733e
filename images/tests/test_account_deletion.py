"""Deleting an account: what is said before, and what becomes of its photos, groups and teams."""

from __future__ import annotations

import threading
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from bandpics.users import api_keys
from bandpics.users.models import Session, User
from bandpics.users.tests.factories import PASSWORD, UserFactory
from groups import registration, trash
from groups.models import Group, Membership, Team
from groups.tests.factories import GroupFactory, MembershipFactory
from images.lifecycle import account_deletion, sweeper
from images.models import Image
from images.tests import bulk_rows, drawn_pictures
from images.tests.guest_client import Guest
from invitations.models import TeamInvitation
from invitations.tests.factories import InvitationFactory

pytestmark = pytest.mark.django_db
PAGE = "/account/delete/"


def browser_of(user):
    client = Client()
    client.force_login(user)
    return client


def text(answer):
    return answer.content.decode()


@pytest.fixture
def hanna(db):
    """Somebody who registered, with a group of her own."""
    user, _group = registration.sign_up(email="hanna@example.org", password=PASSWORD, name="Hanna")
    return user


def photo_of(user, group):
    return bulk_rows.photo(
        group,
        uploader_kind="member",
        uploader_id=str(user.pk),
        uploaded_by=user,
        uploader_name=str(user),
    )


def test_it_says_before_what_happens(hanna, group, ada):
    MembershipFactory(team=group.team, user=hanna)
    photo_of(hanna, group)
    own = Group.objects.get(team__memberships__user=hanna, name="My photos")
    photo_of(hanna, own)
    page = text(browser_of(hanna).get(PAGE))
    assert "My photos" in page
    assert "1 in all" in page
    assert "The photo that you added to a group of another team stays there" in page
    assert group.team.name in page
    assert User.objects.filter(pk=hanna.pk).exists()


def test_questions_about_what_is_not_there_are_left_out(hanna):
    Group.objects.all().delete()
    page = text(browser_of(hanna).get(PAGE))
    assert "Your own groups" not in page
    assert "in groups of other teams" not in page


@pytest.mark.parametrize(("credit", "name"), [("keep", "Hanna"), ("anonymous", "")])
def test_photos_in_other_teams_stay_by_name_or_without(hanna, group, ada, credit, name):
    MembershipFactory(team=group.team, user=hanna)
    photo = photo_of(hanna, group)
    others = photo_of(UserFactory(name="Ben"), group)
    answer = browser_of(hanna).post(
        PAGE, {"password": PASSWORD, "own_groups": "trash", "credit": credit}, follow=True
    )
    assert "Your account is deleted" in text(answer)
    photo.refresh_from_db()
    others.refresh_from_db()
    assert (photo.uploader_name, photo.uploaded_by, photo.trashed_at) == (name, None, None)
    assert Group.objects.kept().filter(pk=group.pk).exists()
    assert others.uploader_name == "Ben"
    assert not User.objects.filter(pk=hanna.pk).exists()


def test_without_a_name_the_address_never_stays(hanna, group, ada):
    User.objects.update(name="")
    hanna.refresh_from_db()
    photo = photo_of(hanna, group)
    account_deletion.delete(hanna, keep_name=True, at_once=False)
    photo.refresh_from_db()
    assert photo.uploader_name == ""


def test_it_ends_sessions_keys_and_tokens(hanna, ada):
    elsewhere, strangers = browser_of(hanna), browser_of(ada)
    _, key = api_keys.issue(hanna, name="script", scopes=["read"])
    token = str(AccessToken.for_user(hanna))
    here = browser_of(hanna)
    here.post(PAGE, {"password": PASSWORD, "own_groups": "trash"})
    for browser in (here, elsewhere):
        assert browser.get("/account/").status_code == 302
    for header in (f"Api-Key {key}", f"Bearer {token}"):
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=header)
        assert client.get("/api/v1/users/me/").status_code == 401
    assert strangers.get("/account/").status_code == 200
    assert not Session.objects.filter(user_id=hanna.pk).exists()


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"password": "guess", "own_groups": "trash"}, "This is not your present password"),
        ({"own_groups": "trash"}, "This field is required"),
        ({"password": PASSWORD}, "This field is required"),
        ({"password": PASSWORD, "own_groups": "keep"}, "Select a valid choice"),
    ],
)
def test_what_is_wrong_deletes_nothing(hanna, sent, says):
    answer = browser_of(hanna).post(PAGE, sent)
    assert answer.status_code == 400
    assert says in text(answer)
    assert User.objects.filter(pk=hanna.pk).exists()
    assert Group.objects.kept().exists()


def test_looking_deletes_nothing(hanna):
    browser_of(hanna).get(PAGE, {"password": PASSWORD, "own_groups": "purge"})
    assert User.objects.filter(pk=hanna.pk).exists()


def test_whoever_has_no_password_types_the_address(hanna):
    hanna.set_unusable_password()
    hanna.save()
    browser = browser_of(hanna)
    wrong = {"email": "x@example.org", "own_groups": "trash"}
    assert "This is not your address" in text(browser.post(PAGE, wrong))
    browser.post(PAGE, {"email": "HANNA@example.org", "own_groups": "trash"})
    assert not User.objects.filter(pk=hanna.pk).exists()


# --- The last owner, the last admin ---------------------------------------------------------


def test_the_last_owner_of_a_team_hands_it_over_first(ada, ben, team):
    page = text(browser_of(ada).get(PAGE))
    assert "Hand over The Band" in page
    assert "Delete my account" not in page
    answer = browser_of(ada).post(PAGE, {"password": PASSWORD})
    assert answer.status_code == 400
    assert User.objects.filter(pk=ada.pk).exists()
    team.memberships.filter(user=ben).update(role=Membership.Role.OWNER)
    browser_of(ada).post(PAGE, {"password": PASSWORD})
    assert not User.objects.filter(pk=ada.pk).exists()
    assert team.memberships.get().user == ben


def test_an_owner_who_was_deactivated_does_not_count(ada, ben, team):
    team.memberships.filter(user=ben).update(role=Membership.Role.OWNER)
    User.objects.filter(pk=ben.pk).update(is_active=False)
    with pytest.raises(account_deletion.MustHandOver):
        account_deletion.delete(ada, keep_name=True, at_once=False)


def test_the_last_admin_stays(hanna):
    User.objects.filter(pk=hanna.pk).update(is_superuser=True)
    answer = browser_of(hanna).post(PAGE, {"password": PASSWORD, "own_groups": "trash"})
    assert "only admin of this service" in text(answer)
    assert User.objects.filter(pk=hanna.pk).exists()


# --- Own groups -----------------------------------------------------------------------------


def test_own_groups_go_to_the_trash_with_their_links(hanna):
    group = Group.objects.get()
    link = InvitationFactory(group=group).upload_link
    TeamInvitation.objects.create(team=group.team, email="x@example.org", role="member")
    account_deletion.delete(hanna, keep_name=False, at_once=False)
    group.refresh_from_db()
    assert group.trashed_at is not None
    assert trash.overdue().count() == 0
    page = Client().get(urlsplit(link).path)
    assert page.status_code >= 400
    assert "Choose photos" not in text(page)
    assert not TeamInvitation.objects.exists()
    assert Team.objects.filter(pk=group.team_id).exists()


def test_a_team_that_nobody_else_is_in_goes_the_same_way(hanna):
    team = GroupFactory().team
    MembershipFactory(team=team, user=hanna, role=Membership.Role.OWNER)
    empty = MembershipFactory(user=hanna, role=Membership.Role.OWNER).team
    account_deletion.delete(hanna, keep_name=False, at_once=False)
    assert not team.groups.kept().exists()
    assert not Team.objects.filter(pk=empty.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_at_once_leaves_nothing_after_the_next_sweep(hanna, bucket):
    group = Group.objects.get()
    guest = Guest(InvitationFactory(group=group))
    guest.send_and_process(drawn_pictures.jpeg(seed=7301))
    assert list(bucket.list_keys(""))
    account_deletion.delete(hanna, keep_name=False, at_once=True)
    assert Group.objects.exists()  # out of sight until then
    assert not Group.objects.kept().exists()
    sweeper.sweep()
    assert not Image.objects.exists()
    assert not Group.objects.exists()
    assert not Team.objects.exists()
    assert list(bucket.list_keys("")) == []


@pytest.mark.django_db(transaction=True)
def test_of_two_last_owners_who_go_at_once_one_stays(ada, ben, vera, team):
    team.memberships.filter(user=ben).update(role=Membership.Role.OWNER)
    outcomes, barrier = [], threading.Barrier(2)

    def go(user):
        barrier.wait()
        try:
            account_deletion.delete(user, keep_name=True, at_once=False)
            outcomes.append("gone")
        except account_deletion.MustHandOver:
            outcomes.append("stays")
        connection.close()

    threads = [threading.Thread(target=go, args=[user]) for user in (ada, ben)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["gone", "stays"]
    assert team.memberships.filter(role=Membership.Role.OWNER).count() == 1
