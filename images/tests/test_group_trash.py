"""A deleted group is in the trash with its photos and links: out of sight, restorable as it was for
TRASH_DAYS, then gone for good with every object."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from bandpics.users import api_keys
from groups.models import Group
from groups.tests.factories import GroupFactory
from images import tasks
from images.lifecycle import retention, sweeper
from images.models import Image, Upload
from images.tests import bulk_rows, drawn_pictures, stored_photos
from images.tests.guest_client import Guest, put, send_as_member
from invitations.models import Invitation
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]
GROUPS, IMAGES = "/api/v1/groups/", "/api/v1/images/"


@pytest.fixture
def host(ada, signed_in):
    return signed_in(ada)


@pytest.fixture
def path(group):
    return f"{GROUPS}{group.pk}/"


@pytest.fixture
def image(cleo):
    return stored_photos.by_guest(cleo, drawn_pictures.jpeg(lat=48.2, lon=16.4))


def is_listed(client, image) -> bool:
    return str(image.pk) in client.get(IMAGES).content.decode()


def its_time_is_over(*, days=31):
    Group.objects.exclude(trashed_at=None).update(trashed_at=timezone.now() - timedelta(days=days))


# --- In -------------------------------------------------------------------------------------


def test_nobody_sees_or_changes_anything_of_it(
    host, ada, ben, vera, cleo, group, path, image, invitation, signed_in
):
    Group.objects.update(visibility="gallery")
    Image.objects.update(moderation="approved")
    assert host.delete(path).status_code == 204
    one = f"{IMAGES}{image.pk}/"
    for client in (host, signed_in(ben), signed_in(vera)):
        assert client.get(GROUPS).json()["results"] == []
        assert not is_listed(client, image)
        assert client.get("/api/v1/stats/").json()["totals"]["groups"] == 0
        for address in (path, one, f"{one}variants/thumb/", f"{one}?trashed=true"):
            assert client.get(address).status_code == 404
        for page in (f"/groups/{group.pk}/", f"/images/{image.pk}/"):
            assert client.get(page).status_code == 404
    assert host.patch(path, {"name": "x"}).status_code == 404
    assert host.patch(one, {"description": "x"}).status_code == 404
    assert host.delete(one).status_code == 404
    body = {"group": str(group.pk), "files": [{"filename": "x.jpg", "size": 9}]}
    assert host.post("/api/v1/uploads/", body).status_code == 404
    invite = {"group": str(group.pk), "email": "new@example.org"}
    assert host.post("/api/v1/invitations/", invite).status_code == 404
    assert host.get(f"/api/v1/invitations/{invitation.pk}/").status_code == 404
    _, key = api_keys.issue(ada, name="bound", scopes=["read"], group_ids=[group.pk])
    bound = {"Authorization": f"Api-Key {key}"}
    client = signed_in(ada)
    client.logout()
    for address in (GROUPS, "/api/v1/teams/", IMAGES):
        assert client.get(address, headers=bound).json()["results"] == []


def test_its_links_are_as_good_as_withdrawn(host, cleo, group, path, image, invitation):
    pending = cleo.announce_one(b"not sent")
    host.delete(path)
    for answer in [
        cleo.client.get(IMAGES),
        cleo.client.get(f"{IMAGES}{image.pk}/"),
        cleo.announce({"filename": "x.jpg", "size": 9}),
        cleo.sign(pending["id"]),
        cleo.complete(pending["id"]),
    ]:
        assert answer.status_code == 403
        assert answer.json()["type"] == "/problems/invitation-revoked/"
    assert cleo.client.get(f"/i/{invitation.token}/").status_code == 403
    assert cleo.client.get(f"/i/{invitation.token}/photos/{image.pk}/place/").status_code == 403


def test_an_own_photo_that_was_moved_into_it_goes_along(host, cleo, team, image, signed_in):
    elsewhere = GroupFactory(team=team)
    assert host.patch(f"{IMAGES}{image.pk}/", {"group": str(elsewhere.pk)}).status_code == 200
    assert is_listed(cleo.client, image)
    host.delete(f"{GROUPS}{elsewhere.pk}/")
    one, page = f"{IMAGES}{image.pk}/", f"/i/{cleo.invitation.token}/photos/{image.pk}/place/"
    assert not is_listed(cleo.client, image)
    assert cleo.client.get(one).status_code == 404
    assert cleo.client.patch(one, {"caption": "x"}).status_code == 404
    assert cleo.client.delete(one).status_code == 404
    assert cleo.client.get(page).status_code == 404


def test_nothing_is_moved_into_it(host, team, path, image):
    other = GroupFactory(team=team)
    host.delete(f"{GROUPS}{other.pk}/")
    move = host.patch(f"{IMAGES}{image.pk}/", {"group": str(other.pk)})
    assert move.status_code == 404


def test_deleting_twice_and_what_was_changed_meanwhile(host, path, group):
    seen = host.get(path)["ETag"]
    host.patch(path, {"name": "Another"})
    assert host.delete(path, headers={"If-Match": seen}).status_code == 412
    assert host.delete(path).status_code == 204
    when = Group.objects.get().trashed_at
    assert host.delete(path).status_code == 204
    assert Group.objects.get().trashed_at == when


def test_only_owners_find_it_in_the_trash(host, ben, dora, group, path, signed_in):
    kept = GroupFactory(team=group.team)
    host.delete(path)
    (row,) = host.get(GROUPS, {"trashed": "true"}).json()["results"]
    assert (row["id"], row["role"]) == (str(group.pk), "owner")
    assert row["trashed_at"]
    listed = host.get(GROUPS, {"trashed": "false"}).json()["results"]
    assert [row["id"] for row in listed] == [str(kept.pk)]
    for user in (ben, dora):
        assert signed_in(user).get(GROUPS, {"trashed": "true"}).json()["results"] == []
    assert host.get(GROUPS, {"trashed": "perhaps"}).status_code == 400


# --- What was under way ---------------------------------------------------------------------


def test_what_was_under_way_arrives_and_comes_back_with_it(host, cleo, path, image):
    queued = cleo.send(drawn_pictures.jpeg(seed=2))
    sent = cleo.announce_one(drawn_pictures.jpeg(seed=3))
    assert put(sent["upload"], drawn_pictures.jpeg(seed=3)).status == 200
    twin = cleo.send(drawn_pictures.jpeg(lat=48.2, lon=16.4), sha256="")
    host.delete(path)
    long_ago = timezone.now() - timedelta(minutes=20)
    Upload.objects.filter(pk=sent["id"]).update(created_at=long_ago)
    sweeper.sweep()
    for upload_id in (queued.pk, sent["id"], twin.pk):
        tasks.process_upload(str(upload_id))
    assert host.post(f"{path}restore/").status_code == 200
    states = {row["id"]: row["status"] for row in host.get(IMAGES).json()["results"]}
    assert states == {
        str(image.pk): "done",
        str(queued.pk): "done",
        sent["id"]: "done",
        str(twin.pk): "duplicate",
    }


def test_its_originals_are_not_dropped_meanwhile(host, group, path, image):
    Group.objects.update(retain_originals_days=1)
    Upload.objects.update(finished_at=timezone.now() - timedelta(days=2))
    assert retention.ids_to_drop(9) == [image.pk]
    host.delete(path)
    assert retention.ids_to_drop(9) == []
    assert not retention.drop_original(image.pk)


# --- Out ------------------------------------------------------------------------------------


def test_what_was_restored_is_as_it_was(host, ben, cleo, group, path, image, signed_in):
    trashed = cleo.send_and_process(drawn_pictures.jpeg(seed=2))
    host.delete(f"{IMAGES}{trashed.pk}/")
    before = host.get(path).json()
    host.delete(path)
    answer = host.post(f"{path}restore/")
    assert answer.status_code == 200
    assert answer.json()["trashed_at"] is None
    after = host.get(path).json()
    for row in (before, after, *before["images"], *after["images"]):
        row.pop("updated_at")
    assert after == before
    assert is_listed(cleo.client, image)
    assert signed_in(ben).get(f"{IMAGES}{image.pk}/").status_code == 200
    assert cleo.send_and_process(drawn_pictures.jpeg(seed=3)).status == "done"
    # Their own trash is another matter.
    assert [row["id"] for row in host.get(IMAGES, {"trashed": "true"}).json()["results"]] == [
        str(trashed.pk)
    ]
    assert host.post(f"{path}restore/").status_code == 200


def test_who_may_restore(client, ben, vera, dora, ada, host, cleo, group, path, signed_in):
    host.delete(path)
    assert client.post(f"{path}restore/").status_code == 401
    for user in (ben, vera, dora):
        assert signed_in(user).post(f"{path}restore/").status_code == 404
        assert signed_in(user).post(f"/groups/{group.pk}/restore/").status_code == 404
        assert signed_in(user).delete(path).status_code == 404
    _, key = api_keys.issue(ada, name="x", scopes=["read", "upload", "moderate"])
    weak = {"Authorization": f"Api-Key {key}"}
    assert client.post(f"{path}restore/", headers=weak).status_code == 403
    assert Group.objects.get().trashed_at


def test_an_owner_restores_it_on_the_start_page(host, ben, group, path, signed_in):
    assert "In the trash" not in host.get("/").content.decode()
    host.delete(path)
    page = host.get("/").content.decode()
    assert f'action="/groups/{group.pk}/restore/"' in page
    assert f'href="/groups/{group.pk}/"' not in page
    assert group.name not in signed_in(ben).get("/").content.decode()
    answer = host.post(f"/groups/{group.pk}/restore/", follow=True)
    assert f'href="/groups/{group.pk}/"' in answer.content.decode()
    assert host.post(f"/groups/{group.pk}/restore/").status_code == 404


def test_the_admin_moves_it_in_and_out_and_deletes_for_good_only_from_there(
    admin_client, group, image
):
    changelist = "/admin/groups/group/"
    delete = f"{changelist}{group.pk}/delete/"
    assert admin_client.get(delete).status_code == 403
    assert admin_client.get(f"/admin/groups/team/{group.team_id}/delete/").status_code == 403
    action = {"_selected_action": [str(group.pk)]}
    admin_client.post(changelist, {"action": "delete_selected", "post": "yes", **action})
    assert Group.objects.kept().exists()
    admin_client.post(changelist, {"action": "put_in_trash", **action})
    assert Group.objects.get().trashed_at
    assert admin_client.get(delete).status_code == 200
    admin_client.post(changelist, {"action": "take_out_of_trash", **action})
    assert Group.objects.get().trashed_at is None


# --- For good -------------------------------------------------------------------------------


def test_when_its_time_is_over_nothing_is_left(host, cleo, group, path, image, bucket, team):
    duplicate = cleo.send(drawn_pictures.jpeg(lat=48.2, lon=16.4), sha256="")
    tasks.process_upload(str(duplicate.pk))
    cleo.send_and_process(b"not a photo")
    cleo.announce_one(b"never sent")
    trashed = send_as_member(host, group, drawn_pictures.jpeg(seed=2))
    host.delete(f"{IMAGES}{trashed.pk}/")
    host.delete(path)
    sweeper.sweep()
    assert Image.objects.count() == 5
    its_time_is_over(days=29)
    sweeper.sweep()
    assert Image.objects.count() == 5
    its_time_is_over()
    assert host.post(f"{path}restore/").status_code == 404
    assert "Restore" not in host.get("/").content.decode()
    sweeper.sweep()
    assert not Image.objects.exists()
    assert not Group.objects.exists()
    assert not Invitation.objects.exists()
    assert list(bucket.list_keys("")) == []
    assert list(bucket.open_multiparts("")) == []
    assert host.get(GROUPS, {"trashed": "true"}).json()["results"] == []
    assert host.delete(f"/api/v1/teams/{team.pk}/").status_code == 204


def test_a_team_waits_for_the_trash_of_its_groups(host, team, path):
    host.delete(path)
    answer = host.delete(f"/api/v1/teams/{team.pk}/")
    assert answer.status_code == 409
    assert "trash" in answer.json()["detail"]


def test_a_photo_that_is_still_worked_on_holds_up_the_end(host, cleo, path, image):
    upload = cleo.send(drawn_pictures.jpeg(seed=2))
    host.delete(path)
    its_time_is_over()
    sweeper.sweep()
    assert [row.pk for row in Image.objects.all()] == [upload.image_id]
    assert Group.objects.exists()
    tasks.process_upload(str(upload.pk))
    sweeper.sweep()
    assert not Group.objects.exists()


def test_a_replacement_elsewhere_inherits_the_bytes_it_rests_on(
    host, cleo, team, group, path, image
):
    """A photo was to be replaced by one that was here already; then it moved away."""
    photo = cleo.send_and_process(drawn_pictures.jpeg(seed=2))
    again = bulk_rows.upload(photo, status="duplicate", version=2, duplicate_of=image)
    elsewhere = GroupFactory(team=team)
    host.patch(f"{IMAGES}{photo.pk}/", {"group": str(elsewhere.pk)})
    host.delete(path)
    its_time_is_over()
    sweeper.sweep()
    assert not Image.objects.filter(group=group).exists()
    tasks.process_upload(str(again.pk))
    shown = host.get(f"{IMAGES}{photo.pk}/").json()
    assert (shown["status"], shown["sha256"]) == ("done", image.sha256)


def test_another_groups_link_gets_its_room_back(host, team, group, image, invitation):
    """A photo that was moved came by a link that stays."""
    elsewhere = GroupFactory(team=team)
    host.patch(f"{IMAGES}{image.pk}/", {"group": str(elsewhere.pk)})
    host.delete(f"{GROUPS}{elsewhere.pk}/")
    invitation.refresh_from_db()
    assert invitation.used_files == 1
    its_time_is_over()
    sweeper.sweep()
    invitation.refresh_from_db()
    assert (invitation.used_files, invitation.used_bytes) == (0, 0)


def test_bucket_and_database_agree_all_the_while(host, path, image):
    def reconciled() -> str:
        said = StringIO()
        call_command("reconcile", "--grace", "0", stdout=said)
        return said.getvalue()

    for step in (lambda: host.delete(path), its_time_is_over, sweeper.sweep):
        step()
        assert "agree" in reconciled()


def test_a_guest_of_another_group_is_not_concerned(host, path, image, team):
    emil = Guest(InvitationFactory(group=GroupFactory(team=team)))
    own = emil.send_and_process(drawn_pictures.jpeg(seed=4))
    host.delete(path)
    its_time_is_over()
    sweeper.sweep()
    assert is_listed(emil.client, own)
