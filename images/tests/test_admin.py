"""The admin: everything can be looked at, pictures are visible, cascades take the objects."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from bandpics.users.models import ApiKey, ExternalIdentity, User
from groups.models import Group
from images import deletions
from images.models import Image, Upload
from images.tests import drawn_pictures
from invitations.models import Invitation

OURS = {"users", "groups", "invitations", "images"}
MODELS = [model for model in admin.site._registry if model._meta.app_label in OURS]


@pytest.fixture
def admin_client(client, db):
    client.force_login(User.objects.create_superuser("root@example.org"))
    return client


def test_all_tables_are_there():
    names = {model.__name__ for model in MODELS}
    assert names == {
        "ApiKey",
        "ExternalIdentity",
        "User",
        "Team",
        "Membership",
        "Group",
        "Invitation",
        "Image",
        "Upload",
        "Variant",
        "PendingDeletion",
    }


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_each_list_search_and_page_opens(admin_client, cleo, bucket, ada, model):
    deletions.record(cleo.send_and_process(drawn_pictures.jpeg()).pk, ["gone"])
    ApiKey.objects.create_key(user=ada, name="script", scopes=["read"])
    ExternalIdentity.objects.create(user=ada, issuer="https://issuer.example.org", subject="1")
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    listed = reverse(f"{name}_changelist")
    assert admin_client.get(listed).status_code == 200
    assert admin_client.get(listed, {"q": "x"}).status_code == 200
    page = reverse(f"{name}_change", args=[model.objects.first().pk])
    assert admin_client.get(page).status_code == 200


def test_photos_are_visible(admin_client, cleo, bucket):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    html = admin_client.get(reverse("admin:images_image_changelist")).content.decode()
    assert f"/small/{image.pk}-1.jpg" in html
    html = admin_client.get(reverse("admin:images_image_change", args=[image.pk])).content.decode()
    assert f"/medium/{image.pk}-1.jpg" in html


def test_an_invitation_shows_its_link_and_can_be_revoked(admin_client, cleo, invitation):
    url = reverse("admin:invitations_invitation_changelist")
    assert invitation.upload_link in admin_client.get(url).content.decode()
    admin_client.post(url, {"action": "revoke", "_selected_action": [str(invitation.pk)]})
    assert Invitation.objects.get().is_revoked


def test_an_invitation_made_here_has_a_working_link(admin_client, group):
    form = {
        "group": str(group.pk),
        "kind": "shared",
        "name": "Wall",
        "email": "",
        "expires_at_0": "2030-01-01",
        "expires_at_1": "12:00:00",
        "max_files": "",
        "max_bytes": "",
    }
    answer = admin_client.post(reverse("admin:invitations_invitation_add"), form)
    assert answer.status_code == 302, answer.context["errors"]
    link = Invitation.objects.get().upload_link
    assert admin_client.get(link[link.index("/i/") :]).status_code == 200


def test_a_second_invitation_of_the_same_person_is_refused_kindly(admin_client, invitation):
    form = {
        "group": str(invitation.group.pk),
        "kind": "personal",
        "name": "",
        "email": invitation.email.upper(),
        "expires_at_0": "2030-01-01",
        "expires_at_1": "12:00:00",
        "max_files": "",
        "max_bytes": "",
    }
    answer = admin_client.post(reverse("admin:invitations_invitation_add"), form)
    assert "already invited" in answer.content.decode()


def changes(invitation, **more):
    return {
        "group": str(invitation.group.pk),
        "kind": invitation.kind,
        "name": invitation.name,
        "email": invitation.email,
        "visibility": "",
        "expires_at_0": "2030-01-01",
        "expires_at_1": "12:00:00",
        "max_files": "",
        "max_bytes": "",
        **more,
    }


def test_changing_an_invitation_leaves_the_counters_alone(admin_client, invitation, monkeypatch):
    """Guests announce files while a host has the form open."""
    url = reverse("admin:invitations_invitation_change", args=[invitation.pk])
    save = Invitation.save

    def meanwhile(self, **kwargs):
        Invitation.objects.filter(pk=self.pk).update(used_files=3, revoked_at=timezone.now())
        save(self, **kwargs)

    monkeypatch.setattr(Invitation, "save", meanwhile)
    answer = admin_client.post(url, changes(invitation, max_files="9"))
    assert answer.status_code == 302, answer.context["errors"]
    invitation.refresh_from_db()
    assert (invitation.max_files, invitation.used_files) == (9, 3)
    assert invitation.is_revoked


def test_a_limit_below_what_is_used_is_refused_kindly(admin_client, invitation):
    Invitation.objects.update(used_files=5)
    url = reverse("admin:invitations_invitation_change", args=[invitation.pk])
    answer = admin_client.post(url, changes(invitation, max_files="4"))
    assert "5 are used already" in answer.content.decode()


def test_an_invitation_is_revoked_not_deleted(admin_client, invitation):
    url = reverse("admin:invitations_invitation_delete", args=[invitation.pk])
    assert admin_client.post(url, {"post": "yes"}).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_deleting_a_group_deletes_its_objects(admin_client, cleo, group, bucket):
    cleo.send_and_process(drawn_pictures.jpeg())
    cleo.send(drawn_pictures.jpeg(seed=2))
    assert len(list(bucket.list_keys(""))) == 7
    Group.objects.update(trashed_at=timezone.now())
    url = reverse("admin:groups_group_delete", args=[group.pk])
    assert "Are you sure" in admin_client.get(url).content.decode()

    assert admin_client.post(url, {"post": "yes"}).status_code == 302

    assert not Image.objects.exists()
    assert not Upload.objects.exists()
    assert list(bucket.list_keys("")) == []


@pytest.mark.django_db(transaction=True)
def test_objects_go_in_one_request_and_only_with_the_commit(cleo, group, bucket):
    for seed in range(3):
        cleo.send_and_process(drawn_pictures.jpeg(seed=seed))
    deletes = []
    count = lambda params, **_: deletes.append(params)  # noqa: E731
    bucket.connection.meta.client.meta.events.register("before-call.s3.DeleteObjects", count)

    with pytest.raises(ZeroDivisionError), transaction.atomic():
        group.delete()
        _ = 1 / 0
    assert len(list(bucket.list_keys(""))) == 18

    Group.objects.get().delete()
    assert list(bucket.list_keys("")) == []
    bucket.connection.meta.client.meta.events.unregister("before-call.s3.DeleteObjects", count)
    assert len(deletes) == 1


def test_a_single_photo_is_not_deleted_behind_its_duplicates_back(admin_client, cleo, bucket):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    url = reverse("admin:images_image_delete", args=[image.pk])
    assert admin_client.post(url, {"post": "yes"}).status_code == 403
    assert Image.objects.exists()


def test_a_member_is_not_an_admin(client, ben):
    client.force_login(ben)
    assert client.get("/admin/").status_code == 302
