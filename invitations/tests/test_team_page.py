"""The page of a team: who sees and changes what, and that an owner always stays."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest
from django.db import connection
from django.test import Client

from bandpics.users.tests.factories import UserFactory
from groups import teams
from groups.models import Membership, Team
from groups.tests.factories import GroupFactory, MembershipFactory
from invitations import mail, outbox
from invitations.models import TeamInvitation

pytestmark = pytest.mark.django_db
OWNER, MEMBER, VIEWER = Membership.Role.OWNER, Membership.Role.MEMBER, Membership.Role.VIEWER


def browser_of(user):
    client = Client()
    client.force_login(user)
    return client


def text(answer):
    return answer.content.decode()


@pytest.fixture
def path(team):
    return f"/teams/{team.pk}/"


@pytest.fixture
def post(path):
    """Posts to a page below the team's, and returns the page it leads to."""

    def send(user, page, **sent):
        return browser_of(user).post(f"{path}{page}", sent, follow=True)

    return send


def role_of(team, user):
    return team.memberships.filter(user=user).values_list("role", flat=True).first()


# --- Who sees it ----------------------------------------------------------------------------


def test_all_members_see_who_is_in_and_only_owners_the_buttons(path, ada, ben, vera):
    for user, sees in [(ada, True), (ben, False), (vera, False)]:
        page = text(browser_of(user).get(path))
        assert all(name in page for name in ("Ada", "Ben", "Vera", "ben@example.org"))
        for button in ("Invite somebody", "Change the role", "Remove Ben", "Rename the team"):
            assert (button in page) is sees, (user, button)
        assert ("Hand the team over" in page) is sees


def test_the_header_leads_to_the_only_team_and_to_a_list_of_several(ada, team):
    assert browser_of(ada).get("/teams/")["Location"] == f"/teams/{team.pk}/"
    other = MembershipFactory(user=ada).team
    page = text(browser_of(ada).get("/teams/"))
    assert "The Band" in page
    assert other.name in page
    assert "You are in no team" in text(browser_of(UserFactory()).get("/teams/"))


def test_an_admin_outside_manages_it(path, admin, ada):
    page = browser_of(admin).get(path)
    assert "as an admin" in text(page)
    assert "Leave the team" not in text(page)


def test_many_people_and_invitations_take_no_more_queries(
    path, team, ada, django_assert_max_num_queries
):
    for number in range(15):
        MembershipFactory(team=team)
        TeamInvitation.objects.create(team=team, email=f"{number}@example.org", role=MEMBER)
    browser = browser_of(ada)
    with django_assert_max_num_queries(14):
        assert text(browser.get(path)).count("Withdraw") == 15


@pytest.mark.parametrize(
    "page",
    ["name/", "open/", "delete/", "invitations/", "people/1/", f"invitations/{'0' * 32}/"],
)
def test_what_owners_do_nobody_else_does(path, post, ben, vera, dora, page):
    page = page.replace("0" * 32, "00000000-0000-0000-0000-000000000000")
    for user, status in [(ben, 403), (vera, 403), (dora, 404)]:
        assert post(user, page, name="X", email="x@example.org", role=MEMBER).status_code == status
    assert Team.objects.filter(name="The Band").exists()
    assert not TeamInvitation.objects.exists()


# --- Its name -------------------------------------------------------------------------------


def test_it_is_renamed_by_its_owners(post, team, ada):
    assert "new name" in text(post(ada, "name/", name="The Bands", was="The Band"))
    team.refresh_from_db()
    assert team.name == "The Bands"
    refused = post(ada, "name/", name="", was="The Bands")
    assert refused.status_code == 400


def test_the_second_of_two_owners_is_told_and_keeps_what_was_typed(post, team, ada):
    post(ada, "name/", name="First", was="The Band")
    answer = post(ada, "name/", name="Second", was="The Band")
    assert answer.status_code == 400
    assert "called the team First meanwhile" in text(answer)
    assert 'value="Second"' in text(answer)
    post(ada, "name/", name="Second", was="First")  # as the page now sends it
    team.refresh_from_db()
    assert team.name == "Second"


# --- Roles ----------------------------------------------------------------------------------


def test_an_owner_changes_roles_and_removes_people(post, team, ada, ben, vera):
    sent = {"role": VIEWER, "was": MEMBER}
    assert "The role of Ben is changed" in text(post(ada, f"people/{ben.pk}/", **sent))
    assert role_of(team, ben) == VIEWER
    assert "Vera is not in the team" in text(post(ada, f"people/{vera.pk}/", action="remove"))
    assert role_of(team, vera) is None
    assert post(ada, f"people/{vera.pk}/", action="remove").status_code == 404


def test_a_role_that_somebody_changed_meanwhile_is_not_changed_back(post, team, ada, ben):
    teams.change_role(team.memberships.get(user=ben), role=OWNER)
    answer = post(ada, f"people/{ben.pk}/", role=VIEWER, was=MEMBER)
    assert "changed this meanwhile" in text(answer)
    assert role_of(team, ben) == OWNER


@pytest.mark.parametrize("role", ["", "root"])
def test_a_role_that_there_is_not_changes_nothing(post, team, ada, ben, role):
    assert "Choose one of the roles" in text(post(ada, f"people/{ben.pk}/", role=role, was=MEMBER))
    assert role_of(team, ben) == MEMBER


# --- The last owner -------------------------------------------------------------------------


def test_the_last_owner_neither_leaves_nor_steps_down(path, post, team, ada, ben):
    assert "You are its only owner" in text(browser_of(ada).get(path))
    for page, sent in [
        ("leave/", {}),
        (f"people/{ada.pk}/", {"action": "remove"}),
        (f"people/{ada.pk}/", {"role": VIEWER, "was": OWNER}),
    ]:
        assert "keeps at least one owner" in text(post(ada, page, **sent))
        assert role_of(team, ada) == OWNER


def test_others_leave_when_they_like(post, team, ada, ben):
    assert "You have left The Band" in text(post(ben, "leave/"))
    assert role_of(team, ben) is None
    assert post(ben, "leave/").status_code == 404


@pytest.mark.parametrize(("then", "role"), [("stay", MEMBER), ("leave", None)])
def test_the_team_is_handed_over(post, team, ada, ben, then, role):
    to = team.memberships.get(user=ben).pk
    assert "Ben owns The Band now" in text(post(ada, "hand-over/", to=to, then=then))
    assert (role_of(team, ben), role_of(team, ada)) == (OWNER, role)


def test_only_an_owner_hands_it_over_and_only_to_a_member(post, team, ada, ben, vera, dora):
    to = team.memberships.get(user=vera).pk
    post(ben, "hand-over/", to=to, then="leave")
    outside = dora.memberships.get().pk
    for heir in (outside, team.memberships.get(user=ada).pk, "x", ""):
        assert post(ada, "hand-over/", to=heir, then="stay").status_code == 400
    roles = [role_of(team, user) for user in (ada, ben, vera)]
    assert roles == [OWNER, MEMBER, VIEWER]


@pytest.mark.django_db(transaction=True)
def test_of_two_owners_who_hand_over_and_leave_at_once_somebody_stays_an_owner(team, ada, ben):
    """Each names the other."""
    mine, theirs = team.memberships.get(user=ada), team.memberships.get(user=ben)
    Membership.objects.update(role=OWNER)
    barrier = threading.Barrier(2)

    def leave(one, other):
        barrier.wait()
        with suppress(teams.NotOwner):
            teams.hand_over(one, to=other, leave=True)
        connection.close()

    threads = [
        threading.Thread(target=leave, args=pair) for pair in [(mine, theirs), (theirs, mine)]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert team.memberships.filter(role=OWNER).count() == 1


# --- Inviting -------------------------------------------------------------------------------


def test_an_invitation_is_mailed_and_shown_to_owners_only(path, post, team, ada, ben):
    answer = post(ada, "invitations/", email="new@example.org", role=VIEWER)
    assert "new@example.org is invited" in text(answer)
    invitation = TeamInvitation.objects.get()
    assert (invitation.role, invitation.created_by) == (VIEWER, ada)
    assert invitation.join_link in text(answer)
    row = invitation.mails.get()
    assert (row.kind, row.sender, row.state) == ("team_invitation", ada, "queued")
    assert "new@example.org" not in text(browser_of(ben).get(path))


def test_the_mail_holds_the_link_in_the_language_of_the_page(path, ada, team):
    german = {"Accept-Language": "de"}
    sent = {"email": "new@example.org", "role": MEMBER}
    browser_of(ada).post(f"{path}invitations/", sent, headers=german)
    invitation = TeamInvitation.objects.get()
    message = mail.compose(invitation.mails.get())
    assert message.to == ["new@example.org"]
    assert message.reply_to == ["ada@example.org"]
    assert invitation.join_link in message.body
    assert invitation.mails.get().language == "de"


def test_the_same_address_again_keeps_the_link_and_takes_the_new_role(post, ada):
    for email, role in [("New@example.org", VIEWER), ("new@example.org", MEMBER)]:
        post(ada, "invitations/", email=email, role=role)
    invitation = TeamInvitation.objects.get()
    assert invitation.role == MEMBER
    assert invitation.mails.count() == 1  # the first one waits still


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"email": "nonsense", "role": MEMBER}, "Enter a valid email address"),
        ({"email": "new@example.org", "role": "root"}, "Select a valid choice"),
        ({"email": "BEN@example.org", "role": MEMBER}, "in the team already"),
        ({}, "This field is required"),
    ],
)
def test_what_is_wrong_about_an_invitation_is_said(post, ada, ben, sent, says):
    answer = post(ada, "invitations/", **sent)
    assert answer.status_code == 400
    assert says in text(answer)
    if "email" in sent:
        assert f'value="{sent["email"]}"' in text(answer)
    assert not TeamInvitation.objects.exists()


def test_a_team_has_so_many_open_invitations_and_one_person_sends_so_many_mails(
    post, ada, monkeypatch, settings
):
    monkeypatch.setattr("invitations.team_invitations.OPEN_MAX", 1)
    post(ada, "invitations/", email="one@example.org", role=MEMBER)
    answer = post(ada, "invitations/", email="two@example.org", role=MEMBER)
    assert "Withdraw some of them first" in text(answer)
    monkeypatch.setattr("invitations.team_invitations.OPEN_MAX", 9)
    settings.MAILS_PER_DAY = 1
    answer = post(ada, "invitations/", email="two@example.org", role=MEMBER)
    assert "many mails today" in text(answer)
    assert TeamInvitation.objects.count() == 1


def test_without_a_mail_server_the_owner_gives_the_link_away(post, ada, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    answer = post(ada, "invitations/", email="new@example.org", role=MEMBER)
    assert "This server sends no mail" in text(answer)
    assert TeamInvitation.objects.get().join_link in text(answer)
    assert outbox.waiting().count() == 0


def test_a_link_is_replaced_withdrawn_and_mailed_again(post, ada, dora, client):
    post(ada, "invitations/", email="new@example.org", role=MEMBER)
    invitation = TeamInvitation.objects.get()
    old, page = invitation.token, f"invitations/{invitation.pk}/"
    assert "new link" in text(post(ada, page, action="rotate"))
    invitation.refresh_from_db()
    assert client.get(f"/teams/join/{old}/").status_code == 404
    assert client.get(f"/teams/join/{invitation.token}/").status_code == 200
    TeamInvitation.objects.update(expires_at="2020-01-01T00:00:00Z")
    assert "link has expired" in text(browser_of(ada).get(f"/teams/{invitation.team_id}/"))
    assert "on its way" in text(post(ada, page, action="mail"))
    assert client.get(f"/teams/join/{invitation.token}/").status_code == 200
    assert "withdrawn" in text(post(ada, page, action="withdraw"))
    assert client.get(f"/teams/join/{invitation.token}/").status_code == 404
    assert "withdrawn meanwhile" in text(post(ada, page, action="rotate"))
    assert not TeamInvitation.objects.exists()


def test_a_link_whose_key_is_lost_can_be_replaced(path, post, ada, team, settings):
    TeamInvitation.objects.create(team=team, email="new@example.org", role=MEMBER)
    settings.INVITATION_TOKEN_KEY = "another key of thirty-two characters or more"
    settings.INVITATION_TOKEN_KEY_FALLBACKS = []
    assert "cannot be shown any more" in text(browser_of(ada).get(path))


# --- Personal teams, and the end ------------------------------------------------------------


@pytest.fixture
def personal(team):
    Team.objects.update(is_personal=True)
    return team


def test_a_personal_team_takes_nobody_until_it_is_opened(personal, path, post, ada, group):
    page = text(browser_of(ada).get(path))
    assert "Nobody else sees its groups" in page
    assert group.name in page
    assert "Leave the team" not in page
    refused = post(ada, "invitations/", email="new@example.org", role=MEMBER)
    assert refused.status_code == 400
    assert post(ada, "open/", name="").status_code == 400
    assert "Now you can invite people" in text(post(ada, "open/", name="Hanna's band"))
    personal.refresh_from_db()
    assert (personal.is_personal, personal.name) == (False, "Hanna's band")
    post(ada, "open/", name="Again")  # of an old page
    personal.refresh_from_db()
    assert personal.name == "Hanna's band"
    post(ada, "invitations/", email="new@example.org", role=MEMBER)
    assert TeamInvitation.objects.exists()


def test_only_a_team_without_groups_is_deleted(path, post, team, ada):
    group = GroupFactory(team=team)
    assert "Delete the team" not in text(browser_of(ada).get(path))
    assert "cannot be deleted" in text(post(ada, "delete/"))
    group.delete()
    assert "Delete the team" in text(browser_of(ada).get(path))
    assert "The team The Band is deleted" in text(post(ada, "delete/"))
    assert not Team.objects.filter(pk=team.pk).exists()
