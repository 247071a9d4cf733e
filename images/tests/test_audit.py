"""The audit trail: every act writes who did what, by what and from where, and nobody changes it."""

from __future__ import annotations

import base64
import json
import re
from html import unescape

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from bandpics.audit import trail
from bandpics.audit.models import Action, AuditEvent
from bandpics.ids import new_id
from bandpics.testing.matrix import few
from bandpics.users import api_keys
from bandpics.users.models import User
from bandpics.users.tests.factories import PASSWORD, UserFactory
from groups import trash as group_trash
from groups.models import Group, Membership
from groups.tests.conftest import admin
from groups.tests.factories import GroupFactory
from images import tasks
from images.archives import building
from images.lifecycle import account_deletion
from images.models import Image, TakedownRequest
from images.tests import drawn_pictures
from images.tests.guest_client import Guest
from invitations.tests.factories import InvitationFactory

__all__ = ["admin"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]

EVENTS = "/api/v1/audit-events/"


@pytest.fixture
def host(ada, signed_in):
    client = signed_in(ada)
    client.credentials(REMOTE_ADDR="192.0.2.7")
    return client


@pytest.fixture
def image(cleo):
    return cleo.send_and_process(drawn_pictures.jpeg(lat=48.2, lon=16.4))


def events(client, **asked):
    answer = client.get(EVENTS, asked)
    assert answer.status_code == 200, answer.json()
    return answer.json()["results"]


# --- Every act writes its line --------------------------------------------------------------

ACTS = {
    Action.PHOTOS_APPROVED: lambda case: case.bulk("approve"),
    Action.PHOTOS_REJECTED: lambda case: case.bulk("reject"),
    Action.PHOTOS_TRASHED: lambda case: case.bulk("trash"),
    Action.PHOTOS_RESTORED: lambda case: (case.bulk("trash"), case.bulk("restore")),
    Action.PHOTOS_MOVED: lambda case: case.bulk("move", group=str(case.other.pk)),
    Action.PLACE_FORGOTTEN: lambda case: case.delete(f"{case.image_path}location/"),
    Action.ORIGINAL_READ: lambda case: case.get(f"{case.image_path}variants/original/"),
    Action.ARCHIVE_READ: lambda case: case.archive(),
    Action.GROUP_CREATED: lambda case: case.post(
        "/api/v1/groups/", {"team": str(case.group.team_id), "name": "Autumn"}
    ),
    Action.GROUP_CHANGED: lambda case: case.patch(case.group_path, {"venue": "The barn"}),
    Action.GROUP_TRASHED: lambda case: case.delete(case.group_path),
    Action.GROUP_RESTORED: lambda case: (
        case.delete(case.group_path),
        case.post(f"{case.group_path}restore/"),
    ),
    Action.INVITATION_CREATED: lambda case: case.invite(),
    Action.INVITATION_CHANGED: lambda case: case.patch(case.link_path, {"max_files": 50}),
    Action.INVITATION_ROTATED: lambda case: case.post(f"{case.link_path}rotate/"),
    Action.INVITATION_REVOKED: lambda case: case.post(f"{case.link_path}revoke/"),
    Action.MEMBER_REMOVED: lambda case: case.delete(
        f"/api/v1/teams/{case.group.team_id}/members/{case.ben.pk}/"
    ),
    Action.MEMBER_ROLE_CHANGED: lambda case: case.patch(
        f"/api/v1/teams/{case.group.team_id}/members/{case.ben.pk}/", {"role": "viewer"}
    ),
    Action.TEAM_RENAMED: lambda case: case.patch(
        f"/api/v1/teams/{case.group.team_id}/", {"name": "The Others"}
    ),
    Action.WALL_CREATED: lambda case: case.page("group-walls", {"name": "Stage"}),
    Action.REMOVAL_ASKED: lambda case: case.ask_removal(),
    Action.REMOVAL_GRANTED: lambda case: case.decide_removal("grant"),
    Action.REMOVAL_REFUSED: lambda case: case.decide_removal("refuse"),
    Action.PHOTOS_PURGED: lambda case: case.decide_removal("purge"),
    Action.PHOTO_REPLACED: lambda case: case.replace(),
}


class Case:
    """Ada's client, and what she acts on."""

    def __init__(self, client, *, image, group, other, invitation, ben, cleo):
        self.client, self.image, self.group, self.other = client, image, group, other
        self.invitation, self.ben, self.cleo = invitation, ben, cleo
        self.image_path = f"/api/v1/images/{image.pk}/"
        self.group_path = f"/api/v1/groups/{group.pk}/"
        self.link_path = f"/api/v1/invitations/{invitation.pk}/"

    def _ok(self, answer):
        assert answer.status_code < 400, answer.content
        return answer

    def get(self, path):
        return self._ok(self.client.get(path))

    def post(self, path, body=None):
        return self._ok(self.client.post(path, body or {}, format="json"))

    def patch(self, path, body):
        return self._ok(self.client.patch(path, body, format="json"))

    def delete(self, path):
        return self._ok(self.client.delete(path))

    def bulk(self, action, **more):
        body = {"ids": [str(self.image.pk)], "action": action, **more}
        return self.post("/api/v1/images/bulk/", body)

    def invite(self):
        body = {"group": str(self.group.pk), "kind": "shared"}
        return self.post("/api/v1/invitations/", body)

    def page(self, route, body):
        path = reverse(route, args=[self.group.pk])
        return self._ok(self.client.post(path, body, format="multipart"))

    def archive(self):
        made = self.post(f"{self.group_path}archives/").json()
        assert building.build(made["id"], seconds=60)
        return self.get(f"{self.group_path}archives/{made['id']}/download/")

    def ask_removal(self):
        Group.objects.update(visibility="gallery")
        Image.objects.update(moderation="approved")
        answer = self.cleo.client.post(f"{self.image_path}takedown/", {}, format="json")
        return self._ok(answer)

    def decide_removal(self, decision):
        self.ask_removal()
        asked = TakedownRequest.objects.get()
        path = reverse("decide-takedown", args=[self.group.pk, asked.pk])
        self._ok(self.client.post(path, {"decision": decision}, format="multipart"))

    def replace(self):
        file = SimpleUploadedFile(
            "b.jpg", drawn_pictures.jpeg(lat=1.0, lon=2.0), content_type="image/jpeg"
        )
        answer = self.client.patch(f"{self.image_path}file/", {"file": file}, format="multipart")
        tasks.process_upload(self._ok(answer).json()["upload"])


@pytest.mark.parametrize("action", few(ACTS, 8))
def test_an_act_is_recorded_once_with_who_and_where(
    host, ada, ben, cleo, image, group, invitation, team, action
):
    other = GroupFactory(team=team, name="Winter concert")
    case = Case(
        host, image=image, group=group, other=other, invitation=invitation, ben=ben, cleo=cleo
    )
    ACTS[action](case)
    assert AuditEvent.objects.filter(action=action).count() == 1
    event = AuditEvent.objects.get(action=action)
    assert event.team_id == team.pk
    if action == Action.REMOVAL_ASKED:
        assert (event.invitation_id, event.credential) == (invitation.pk, "invitation")
    elif action == Action.PHOTO_REPLACED:  # by the worker, when the file was good
        assert (event.user_id, event.credential) == (ada.pk, "server")
    else:
        assert (event.user_id, event.credential) == (ada.pk, "session")
        assert event.address == "192.0.2.7"


def test_signing_in_and_out_and_failing_are_recorded(ada):
    browser = Client(REMOTE_ADDR="2001:db8:1:2:3:4:5:6")
    browser.post("/login/", {"username": ada.email, "password": "a wrong one"})
    browser.post("/login/", {"username": ada.email, "password": PASSWORD})
    page = reverse("change-password")
    new = "another grey horse on the lake"
    browser.post(page, {"old_password": PASSWORD, "new_password1": new, "new_password2": new})
    browser.post("/logout/")
    found = [(each.action, each.user_id) for each in AuditEvent.objects.order_by("pk")]
    assert found[-4:] == [
        ("sign_in_failed", None),
        ("signed_in", ada.pk),
        ("password_changed", ada.pk),
        ("signed_out", ada.pk),
    ]
    failed = AuditEvent.objects.get(action="sign_in_failed")
    assert (failed.address, failed.credential) == ("2001:db8:1:2::/64", "none")
    assert failed.details == {"of_user": ada.pk}


def test_a_key_is_recorded_when_it_is_made_used_and_revoked(ada, image):
    row, key = api_keys.issue(ada, name="Mirror", scopes=["read", "admin"])
    script = APIClient()
    script.credentials(HTTP_AUTHORIZATION=f"Api-Key {key}")
    assert script.get(f"/api/v1/images/{image.pk}/variants/original/").status_code == 302
    api_keys.revoke(ada, prefix=row.prefix)
    api_keys.revoke(ada, prefix=row.prefix)  # a second time changes nothing
    read = AuditEvent.objects.get(action="original_read")
    assert (read.credential, read.key_prefix) == ("api_key", row.prefix)
    assert read.object_ids == [image.pk]
    for action in ("key_issued", "key_revoked"):
        assert AuditEvent.objects.get(action=action).details["prefix"] == row.prefix


def test_who_asks_for_the_upload_of_somebody_else_is_recorded(cleo, group, team):
    ticket = cleo.announce_one(drawn_pictures.jpeg())
    stranger = Guest(InvitationFactory(group=GroupFactory()))
    assert stranger.complete(ticket["id"]).status_code == 404
    assert stranger.complete(ticket["id"]).status_code == 404  # within the hour: no second line
    assert stranger.complete(str(new_id())).status_code == 404  # nobody's: nothing to record
    event = AuditEvent.objects.get(action="upload_of_another")
    assert (event.team_id, event.invitation_id) == (team.pk, stranger.invitation.pk)


def test_what_is_done_in_the_admin_is_recorded(client, ada, group):
    admin = UserFactory(email="root@example.org", is_staff=True, is_superuser=True)
    client.force_login(admin)
    page = f"/admin/users/user/{ada.pk}/change/"
    answer = client.post(page, {"email": ada.email, "name": "Ada Lovelace", "is_active": "on"})
    assert answer.status_code == 302, answer.content
    gone = [UserFactory().pk, UserFactory().pk]
    chosen = {"action": "delete_selected", "_selected_action": gone, "post": "yes"}
    client.post("/admin/users/user/", chosen)
    changed, deleted = AuditEvent.objects.filter(action="admin").order_by("pk")
    assert (changed.user_id, deleted.user_id) == (admin.pk, admin.pk)
    assert changed.details == {"object": "user", "object_id": str(ada.pk), "did": "changed"}
    assert deleted.details["did"] == "deleted"
    assert sorted(deleted.details["object_ids"]) == sorted(map(str, gone))


def test_the_deletion_of_an_account_outlives_it(ada, ben, host, team):
    Membership.objects.filter(user=ben).update(role=Membership.Role.OWNER)
    account_deletion.delete(ada, keep_name=False, at_once=False)
    event = AuditEvent.objects.get(action="account_deleted")
    assert event.details["of_user"] is not None
    # As a word: an id may hold these letters.
    details = json.dumps(list(AuditEvent.objects.values("details"))).lower()
    assert not re.search(r"\bada\b", details)


# --- Nobody changes it ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.update(action="admin"),
        lambda rows: rows.delete(),
        lambda rows: rows.filter(pk=None).delete(),  # not even where nothing would be
    ],
)
def test_the_database_refuses_to_change_or_delete_an_event(host, change):
    before = list(AuditEvent.objects.values())
    assert before
    with pytest.raises(DatabaseError, match="neither changed nor deleted"), transaction.atomic():
        _sql(change)
    assert list(AuditEvent.objects.values()) == before


def _sql(change):
    """Django reads before it deletes, and would then send no DELETE for nothing."""
    with connection.cursor() as cursor:
        if change(AuditEvent.objects.all()) in {0, (0, {})}:
            cursor.execute("DELETE FROM audit_auditevent WHERE false")


def test_an_act_that_is_rolled_back_leaves_no_event(group):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        group_trash.put(group)
        _ = 1 / 0
    assert not AuditEvent.objects.filter(action="group_trashed").exists()


def test_it_holds_no_text_place_or_address(host, ada, image, group, cleo):
    host.patch(f"/api/v1/images/{image.pk}/", {"description": "SECRET words"}, format="json")
    host.patch(f"/api/v1/groups/{group.pk}/", {"venue": "SECRET barn"}, format="json")
    invited = {"group": str(group.pk), "kind": "personal", "email": "secret@example.org"}
    host.post("/api/v1/invitations/", invited, format="json")
    # Without the times: one may end in 48.2 seconds.
    rows = [{**row, "at": None} for row in AuditEvent.objects.values()]
    written = json.dumps(rows, default=str)
    assert AuditEvent.objects.filter(action="invitation_created").exists()
    for secret in ("SECRET", "secret@", "example.org", "48.2", "IMG_0001", cleo.invitation.token):
        assert secret not in written


# --- Who reads it ---------------------------------------------------------------------------


def test_owners_read_the_events_of_their_team_and_of_their_account(
    host, dora, ben, group, image, signed_in
):
    host.patch(f"/api/v1/groups/{group.pk}/", {"venue": "The barn"}, format="json")
    (changed,) = events(host, action="group_changed")
    assert (changed["by"], changed["details"]) == ("Ada", {"fields": ["venue"]})
    assert [each["user"] for each in events(host, action="signed_in")] == [changed["user"]]
    assert events(signed_in(dora), action="group_changed") == []
    assert events(signed_in(ben), action="group_changed") == []


def test_those_who_run_the_server_read_all(host, group, admin, signed_in):
    host.patch(f"/api/v1/groups/{group.pk}/", {"venue": "The barn"}, format="json")
    assert events(signed_in(admin), action="group_changed") == []
    admin.user_permissions.add(Permission.objects.get(codename="view_auditevent"))
    assert len(events(signed_in(User.objects.get(pk=admin.pk)), action="group_changed")) == 1


def test_a_key_needs_the_scope_and_sees_its_groups_alone(host, ada, group, team):
    other = GroupFactory(team=team)
    for each in (group, other):
        host.patch(f"/api/v1/groups/{each.pk}/", {"venue": "The barn"}, format="json")
    script = APIClient()
    for scopes, status in ((["read"], 403), (["admin"], 200)):
        _, key = api_keys.issue(ada, name="x", scopes=scopes, group_ids=[other.pk])
        script.credentials(HTTP_AUTHORIZATION=f"Api-Key {key}")
        assert script.get(EVENTS).status_code == status
    assert {each["group"] for each in events(script)} == {str(other.pk)}


def test_events_are_filtered_and_come_in_pages(host, group):
    for venue in "abc":
        host.patch(f"/api/v1/groups/{group.pk}/", {"venue": venue}, format="json")
    first = host.get(EVENTS, {"group": str(group.pk), "limit": 2}).json()
    second = host.get(first["next"]).json()
    ids = [each["id"] for each in first["results"] + second["results"]]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == 3
    latest = first["results"][0]["at"]
    assert len(events(host, group=str(group.pk), until=latest)) == 2
    assert len(events(host, group=str(group.pk), since=latest)) == 1
    wrong = host.get(EVENTS, {"action": "dance", "since": "soon"})
    assert wrong.status_code == 400
    assert {each["pointer"] for each in wrong.json()["errors"]} == {"#/action", "#/since"}


@pytest.mark.parametrize("position", ["x", "", "1", "{}", "9" * 30])
def test_a_cursor_of_another_list_is_refused(host, position):
    for cursor in (base64.b64encode(f"p={position}".encode()).decode(), "%%%"):
        answer = host.get(EVENTS, {"cursor": cursor})
        assert answer.status_code == 400, answer.content
        assert answer.json()["errors"][0]["pointer"] == "#/cursor"
    assert host.get(EVENTS, {"limit": "1000"}).status_code == 400


def test_who_is_not_of_the_team_is_not_named(host, group, cleo, dora, signed_in):
    ticket = cleo.announce_one(drawn_pictures.jpeg())
    User.objects.filter(pk=dora.pk).update(name="ada@example.org")
    assert signed_in(dora).get(f"/api/v1/uploads/{ticket['id']}/").status_code == 404
    (event,) = events(host, action="upload_of_another")
    assert (event["by"], event["user"]) == ("", dora.pk)


def test_the_page_tells_owners_and_nobody_else(host, ben, group, signed_in, team):
    host.patch(f"/api/v1/groups/{group.pk}/", {"venue": "The barn"}, format="json")
    page = reverse("team-activity", args=[team.pk])
    assert page in host.get(reverse("team", args=[team.pk])).content.decode()
    html = host.get(page, {"what": "group_changed"}).content.decode()
    assert "Changed the settings" in html
    assert "<bdi>Ada</bdi>" in html
    assert "192.0.2.7" in html
    assert "Summer concert" in html
    assert "Nothing of this kind" in host.get(page, {"what": "wall_ended"}).content.decode()
    assert signed_in(ben).get(page).status_code == 403
    assert "signed_in" not in host.get(page).content.decode()  # it is of no team
    for nonsense in ({"what": "dance"}, {"what": "signed_in"}, {"before": "x"}):
        assert host.get(page, nonsense).status_code == 404


def test_the_page_goes_back_in_time(host, group, team):
    for number in range(60):
        trail.record(Action.GROUP_CHANGED, team_id=team.pk, details={"fields": [str(number)]})
    page = reverse("team-activity", args=[team.pk])
    html = host.get(page).content.decode()
    older = unescape(re.search(r'rel="next" href="([^"]*)"', html)[1])
    rest = host.get(f"{page}{older}").content.decode()
    assert html.count("Changed the settings</strong>") == 50
    assert rest.count("Changed the settings</strong>") == 10
