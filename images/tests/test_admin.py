"""The admin: everything can be looked at, pictures are visible, cascades take the objects."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from bandpics.users.models import ApiKey, ExternalIdentity, User
from groups.models import Group
from images import admin_overview, deletions
from images.lifecycle import counts
from images.listing import service
from images.models import Image, TakedownRequest, Upload
from images.tests import drawn_pictures
from invitations.models import Invitation, OutgoingMail, ShortAddress, TeamInvitation
from invitations.tests.factories import InvitationFactory

OURS = {"users", "groups", "invitations", "images"}
admin.autodiscover()  # as the URLs do
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
        "TakedownRequest",
        "ShortAddress",
        "TeamInvitation",
        "OutgoingMail",
    }


def test_each_list_search_and_page_opens(admin_client, cleo, invitation, bucket, ada):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    deletions.record(image.pk, ["gone"])
    TakedownRequest.objects.create(
        group=image.group, image=image, photo_id=image.pk, **image.uploader_key.columns
    )
    ShortAddress.objects.create(word="hanna40", invitation=invitation)
    TeamInvitation.objects.create(
        team=image.group.team, email="new@example.org", role="member", nonce=b"n", digest="d"
    )
    OutgoingMail.objects.create(kind="reminder", invitation=invitation)
    ApiKey.objects.create_key(user=ada, name="script", scopes=["read"])
    ExternalIdentity.objects.create(user=ada, issuer="https://issuer.example.org", subject="1")
    for model in MODELS:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        listed = reverse(f"{name}_changelist")
        assert admin_client.get(listed).status_code == 200, model
        assert admin_client.get(listed, {"q": "x"}).status_code == 200, model
        page = reverse(f"{name}_change", args=[model.objects.first().pk])
        assert admin_client.get(page).status_code == 200, model


def test_photos_are_visible(admin_client, cleo, bucket):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    html = admin_client.get(reverse("admin:images_image_changelist")).content.decode()
    assert f"/small/{image.pk}-1.jpg" in html
    html = admin_client.get(reverse("admin:images_image_change", args=[image.pk])).content.decode()
    assert f"/medium/{image.pk}-1.jpg" in html


def test_an_invitation_shows_its_link_and_can_be_revoked(admin_client, cleo, invitation):
    url = reverse("admin:invitations_invitation_changelist")
    assert invitation.upload_link in admin_client.get(url).content.decode()
    page = reverse("admin:invitations_invitation_change", args=[invitation.pk])
    html = admin_client.get(page).content.decode()
    assert invitation.upload_link in html
    assert "data:image/svg+xml;base64," in html
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


def act(admin_client, name, action, rows):
    """Runs an action of a list on these rows, and returns the page that follows."""
    form = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    answer = admin_client.post(reverse(f"admin:{name}_changelist"), form, follow=True)
    return answer.content.decode()


def test_links_are_extended_by_a_week(admin_client, invitation):
    before = invitation.expires_at
    assert "1 links extended" in act(admin_client, "invitations_invitation", "extend", [invitation])
    invitation.refresh_from_db()
    assert invitation.expires_at == before + timedelta(days=7)


def test_links_are_mailed_again_by_the_queue(admin_client, invitation, group):
    shared = InvitationFactory(group=group, kind="shared", email="")
    html = act(admin_client, "invitations_invitation", "resend", [invitation, shared])
    assert "Mails on their way: 1." in html
    assert OutgoingMail.objects.get().invitation == invitation


@pytest.mark.django_db(transaction=True)
def test_photos_are_decided_about_trashed_and_restored(admin_client, cleo, bucket):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    assert "Approved: 1" in act(admin_client, "images_image", "approve", [image])
    image.refresh_from_db()
    assert (image.moderation, image.moderated_by.email) == ("approved", "root@example.org")
    assert "Rejected: 1" in act(admin_client, "images_image", "reject", [image])
    assert "trash: 1" in act(admin_client, "images_image", "put_in_trash", [image])
    image.refresh_from_db()
    assert image.trashed_at is not None
    assert image.trashed_by.email == "root@example.org"
    html = act(admin_client, "images_image", "take_out_of_trash", [image])
    assert "Taken out of the trash: 1." in html
    image.refresh_from_db()
    assert (image.trashed_at, image.moderation) == (None, "rejected")


def test_only_what_failed_is_processed_again(admin_client, cleo, bucket):
    done = cleo.send_and_process(drawn_pictures.jpeg())
    failed = cleo.send_and_process(drawn_pictures.jpeg(seed=2))
    Upload.objects.filter(image=failed).update(status="failed", failure="crashed")
    html = act(admin_client, "images_image", "retry", [done, failed])
    assert "Queued again: 1. Not possible: 1." in html
    assert Upload.objects.get(image=failed).status == "queued"


def test_each_column_of_a_photo_is_in_one_section(admin_client, cleo, bucket):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    page = admin_client.get(reverse("admin:images_image_change", args=[image.pk]))
    sections = page.context["adminform"].fieldsets
    named = flatten_fieldsets(sections)
    columns = {field.name for field in Image._meta.fields}
    assert len(named) == len(set(named))
    assert columns <= set(named)
    internals = dict(sections)["Internals"]["fields"]
    assert {"search_vector", "uploader_id", "exif"} <= set(internals)
    assert not {"caption", "camera_model", "licence", "moderated_at"} & set(internals)


def test_photos_are_filtered_by_group_moderation_and_trash(admin_client, cleo, group, bucket):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    listed = reverse("admin:images_image_changelist")

    def count(**query):
        return admin_client.get(listed, query).context["cl"].result_count

    assert count(group=str(group.pk)) == 1
    assert count(group=str(image.pk)) == 0
    assert count(group="no id") == 0
    assert count(moderation__exact="pending") == 1
    assert count(moderation__exact="rejected") == 0
    assert count(trashed_at__isempty="0") == 0


@pytest.mark.django_db(transaction=True)
def test_the_start_page_counts_and_charts(
    admin_client, cleo, invitation, bucket, django_assert_max_num_queries
):
    failed = cleo.send_and_process(drawn_pictures.jpeg())
    cleo.send_and_process(drawn_pictures.jpeg(seed=2))
    cleo.send(drawn_pictures.jpeg(seed=3))
    Upload.objects.filter(image=failed).update(status="failed", failure="crashed")
    long_ago = timezone.now() - timedelta(hours=3)
    Upload.objects.filter(status="queued").update(arrived_at=long_ago)
    OutgoingMail.objects.create(kind="reminder", invitation=invitation, state="failed")
    counts.add_up()
    counts.recount()
    with django_assert_max_num_queries(80):  # each limited one is in a transaction of its own
        page = admin_client.get(reverse("admin:index"))
    figures = {figure.label: figure.value for figure in page.context["figures"]}
    assert (figures["Photos"], figures["Groups"], figures["Wait for approval"]) == (2, 1, 2)
    assert figures["Mails given up"] == 1
    lines = {line.name: line for line in page.context["waiting"]}
    assert list(lines) == ["Images", "Transforms", "Captions", "Archives", "Deletions", "Mails"]
    assert (lines["Images"].waiting, lines["Images"].oldest) == (1, "3 h")
    assert lines["Images"].is_bad
    assert not lines["Archives"].is_bad
    charts = {chart.name: chart for chart in page.context["charts"]}
    assert [row.count for row in charts["uploads"].rows] == [*[0] * 29, 3]
    assert [row.label for row in charts["times"].rows] == ["JPEG"]
    (crashed,) = charts["failures"].rows
    assert (crashed.label, crashed.count) == (
        "Images: Processing this picture failed three times.",
        1,
    )
    assert admin_client.get(crashed.url).context["cl"].result_count == 1
    assert [row.label for row in charts["stored"].rows][:2] == ["Originals", "Variants"]
    assert charts["stored"].title == "Stored, in KB"
    internals = page.context["app_list"][-1]
    assert internals["name"] == "Internals"
    names = {model["object_name"] for model in internals["models"]}
    assert {"PendingDeletion", "Variant", "Upload"} <= names


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("de", ["Bandpics für Betreiber", "Was wartet", "Warteschlange", "Offene Links"]),
        ("fr", ["Bandpics pour les exploitants", "Ce qui attend", "Liens ouverts"]),
    ],
)
def test_the_start_page_speaks_the_language_of_the_operator(admin_client, language, words):
    url = reverse("admin:index")
    html = admin_client.get(url, headers={"Accept-Language": language}).content.decode()
    for word in words:
        assert word in html
    for english in ["What waits", "Open links", "Nothing failed", "At work", "The numbers"]:
        assert english not in html


def test_the_start_page_opens_while_the_database_is_too_slow_to_count(admin_client, monkeypatch):
    monkeypatch.setattr(service, "SECONDS", 0.05)
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("LOCK images_image, images_upload IN ACCESS EXCLUSIVE MODE")
            page = admin_client.get(reverse("admin:index"))
            cursor.execute("ROLLBACK")
    finally:
        other.close()
    figures = {figure.label: figure.value for figure in page.context["figures"]}
    assert (figures["Photos"], figures["Groups"]) == ("unknown", 0)
    assert [line.name for line in page.context["waiting"]] == ["Deletions", "Mails"]
    assert page.content.decode().count("The database took too long to say.") == 4


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, ""), (0, "0 s"), (119, "119 s"), (150, "2 min"), (7300, "2 h"), (200_000, "2 days")],
)
def test_ages_are_told_in_their_largest_unit(seconds, words):
    assert admin_overview.in_words(seconds) == words


def test_staff_who_see_no_photos_see_no_numbers(client, db):
    client.force_login(User.objects.create_user("staff@example.org", is_staff=True))
    page = client.get(reverse("admin:index"))
    assert page.status_code == 200
    assert "figures" not in page.context


def test_a_group_is_compared_with_the_bucket_and_repaired(admin_client, cleo, group, bucket):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    bucket.delete_keys([image.variants.get(name="thumb").key])
    url = reverse("admin:reconcile")
    html = admin_client.post(url, {"group": str(group.pk)}).content.decode()
    assert "size-missing: 1 (--fix" in html
    html = admin_client.post(url, {"group": str(group.pk), "repairs": "on"}).content.decode()
    assert "size-missing: 1, 1 repaired" in html
    html = admin_client.post(url, {"group": str(image.pk)}).content.decode()
    assert "There is no such group." in html


def test_only_superusers_compare(client, db):
    client.force_login(User.objects.create_user("staff@example.org", is_staff=True))
    assert client.get(reverse("admin:reconcile")).status_code == 403
