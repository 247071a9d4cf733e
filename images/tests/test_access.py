"""Who may do what: every route and verb, for everybody in the cast.

Generated from the URLconf: a route or verb without a decided answer fails, and so does an answer
that is not the decided one. Columns, from left to right:

    Ada      owner of the team, who sent a photo of her own
    Ben      member           Vera   viewer, only looks
    Dora     owner of another team
    Cleo     guest who sent the photo in question
    Gus      guest of another group
    nobody   no credential
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.db import transaction
from django.urls import get_resolver, reverse
from rest_framework.test import APIClient

from bandpics import limits
from bandpics.users.tests.factories import UserFactory
from groups.models import Membership
from groups.tests.factories import GroupFactory, MembershipFactory, TeamFactory
from images import archives, transforms
from images.access import MemberAccess
from images.lifecycle import walls
from images.models import ClockCorrection, Upload
from images.photofile.transforms.spec import Spec
from images.storage.objects import photo_storage
from images.tests import drawn_pictures
from images.tests.conftest import empty
from images.tests.guest_client import Guest
from images.transforms import presets
from invitations.models import ShortAddress
from invitations.tests.factories import InvitationFactory

if TYPE_CHECKING:
    from bandpics.users.models import User

pytestmark = pytest.mark.django_db

VERBS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
# Not about anybody's things: admin has its own rules and tests.
LEFT_OUT = {"admin", "healthz", "readyz", "logout"}


@dataclass(frozen=True)
class Decided:
    """The answers of one route and verb, and what is sent to get them."""

    answers: str
    body: Any = None
    path: dict[str, str] = field(default_factory=dict)


PICTURE = base64.b64encode(drawn_pictures.jpeg(width=40, height=30)).decode()
FILES = [{"filename": "x.jpg", "content_type": "image/jpeg", "size": 9}]
DECIDED: dict[tuple[str, str], Decided] = {
    # Ada Ben Vera Dora Cleo Gus nobody
    ("add-photos", "GET"): Decided("200 200 403 404 404 404 302"),
    ("archive-detail", "GET"): Decided("200 404 404 404 404 404 401"),  # Ada has ordered it
    ("archive-download", "GET"): Decided("409 404 404 404 404 404 401"),  # it is not built yet
    # Guests only where they see the gallery: see test_archives.py.
    ("archive-list", "GET"): Decided("200 200 200 404 404 404 401"),
    ("archive-list", "POST"): Decided("202 202 202 404 404 404 401", {}),
    # Each sees the events of their own teams: see test_audit.py.
    ("audit-event-list", "GET"): Decided("200 200 200 200 401 401 401"),
    ("api-root", "GET"): Decided("200 200 200 200 200 200 200"),
    ("choose-cover", "GET"): Decided("405 403 403 404 404 404 302"),
    ("close-group", "GET"): Decided("200 403 403 404 404 404 302"),
    ("delete-group", "GET"): Decided("200 403 403 404 404 404 302"),
    ("docs", "GET"): Decided("200 200 200 200 200 200 200"),
    ("check-word", "GET"): Decided("200 403 403 404 404 404 302"),
    ("group-cards", "GET"): Decided("200 200 403 404 404 404 302"),
    ("group-detail", "DELETE"): Decided("204 403 403 404 401 401 401"),
    ("group-detail", "GET"): Decided("200 200 200 404 401 401 401"),
    ("group-detail", "PATCH"): Decided("200 403 403 404 401 401 401", {"name": "G"}),
    ("group-download", "GET"): Decided("200 200 200 404 404 404 302"),
    ("group-download-file", "GET"): Decided("302 404 404 404 404 404 302"),
    ("group-gallery", "GET"): Decided("200 200 200 404 404 404 302"),
    ("group-clusters", "GET"): Decided("400 400 400 404 404 404 302"),  # without a box
    ("group-map", "GET"): Decided("200 200 200 404 404 404 302"),
    ("group-logo", "GET"): Decided("404 404 404 404 404 404 302"),  # it has none
    ("group-invitations", "GET"): Decided("200 200 403 404 404 404 302"),
    ("extend-invitation", "GET"): Decided("405 405 403 404 404 404 302"),
    ("invitation-page", "GET"): Decided("200 200 403 404 404 404 302"),
    ("invite-many", "GET"): Decided("200 200 403 404 404 404 302"),
    ("mail-invitation", "GET"): Decided("405 405 403 404 404 404 302"),
    ("new-invitation", "GET"): Decided("200 200 403 404 404 404 302"),
    ("remind", "GET"): Decided("200 200 403 404 404 404 302"),
    ("revoke-invitation", "GET"): Decided("405 405 403 404 404 404 302"),
    ("rotate-invitation", "GET"): Decided("405 405 403 404 404 404 302"),
    ("try-mail-now", "GET"): Decided("405 405 403 404 404 404 302"),
    ("group-list", "GET"): Decided("200 200 200 200 401 401 401"),
    ("group-list", "POST"): Decided("201 201 403 201 401 401 401", {"name": "G"}),
    # By POST alone: see test_share_card.py and test_home.py.
    ("group-share", "GET"): Decided("405 405 403 404 404 404 302"),
    ("group-subscription", "GET"): Decided("405 405 405 404 404 404 302"),
    ("group-visited", "GET"): Decided("405 405 405 404 404 404 302"),
    ("group-restore", "POST"): Decided("200 403 403 404 401 401 401"),
    ("group-news", "GET"): Decided("400 400 400 404 404 404 302"),  # no moment is said
    ("group-settings", "GET"): Decided("200 403 403 404 404 404 302"),
    ("group-stats", "GET"): Decided("200 403 403 404 404 404 302"),
    ("guest-logo", "GET"): Decided("404 404 404 404 404 404 404"),
    ("home", "GET"): Decided("200 200 200 200 404 404 302"),
    ("image-bulk", "POST"): Decided(
        "200 403 403 404 403 404 401", {"ids": ["IMAGE"], "action": "approve"}
    ),
    ("image-changes", "GET"): Decided("200 200 200 404 403 404 401"),
    ("image-detail", "DELETE"): Decided("204 403 403 404 204 404 401"),
    ("image-detail", "GET"): Decided("200 200 200 404 200 404 401"),
    ("image-detail", "PATCH"): Decided("200 403 403 404 403 404 401", {"description": "D"}),
    ("image-file", "PATCH"): Decided("200 403 403 404 403 404 401", FILES[0]),
    # No model wrote one: see test_captions_page.py.
    ("image-generated-caption", "GET"): Decided("409 403 403 404 403 404 401"),
    ("image-generated-caption", "PATCH"): Decided(
        "409 403 403 404 403 404 401", {"is_hidden": True}
    ),
    ("image-generated-caption", "POST"): Decided("409 403 403 404 403 404 401", {}),
    ("image-list", "GET"): Decided("200 200 200 200 200 200 401"),
    ("image-list", "POST"): Decided(
        "202 202 403 404 202 202 401", {"group": "GROUP", "image": PICTURE, "filename": "x.jpg"}
    ),
    ("image-location", "DELETE"): Decided("200 403 403 404 200 404 401"),
    ("image-moderate", "POST"): Decided("200 403 403 404 403 404 401", {"decision": "approve"}),
    ("image-restore", "POST"): Decided("200 403 403 404 200 404 401"),
    ("image-retry", "POST"): Decided("409 403 403 404 409 404 401"),
    ("image-takedown", "GET"): Decided("404 404 404 404 404 404 401"),  # nobody has asked
    ("image-takedown", "POST"): Decided("409 201 201 404 201 404 401", {"reason": "R"}),
    ("image-variant", "GET"): Decided("302 302 302 404 302 404 401"),
    ("invitation-detail", "GET"): Decided("200 200 404 404 401 401 401"),
    ("invitation-detail", "PATCH"): Decided("200 403 404 404 401 401 401", {"name": "N"}),
    ("invitation-list", "GET"): Decided("200 200 200 200 401 401 401"),
    ("invitation-list", "POST"): Decided(
        "201 201 403 404 401 401 401", {"group": "GROUP", "email": "new@example.org"}
    ),
    ("invitation-qr", "GET"): Decided("200 403 404 404 401 401 401"),
    ("invitation-revoke", "POST"): Decided("200 403 404 404 401 401 401"),
    ("invitation-rotate", "POST"): Decided("200 403 404 404 401 401 401"),
    ("key-detail", "DELETE"): Decided("204 404 404 404 401 401 401"),
    ("key-list", "GET"): Decided("200 200 200 200 401 401 401"),
    ("key-list", "POST"): Decided("201 201 201 201 401 401 401", {"name": "k", "scopes": ["read"]}),
    ("login", "GET"): Decided("302 302 302 302 200 200 200"),
    ("login", "POST"): Decided("302 302 302 302 200 200 200", {}),
    ("login", "PUT"): Decided("302 302 302 302 200 200 200"),
    ("look", "GET"): Decided("200 200 200 200 200 200 200"),
    # Pages of accounts: about the account that asks.
    ("account", "GET"): Decided("200 200 200 200 404 404 302"),
    ("api-keys", "GET"): Decided("200 200 200 200 404 404 302"),
    ("change-email", "GET"): Decided("200 200 200 200 404 404 302"),
    ("change-password", "GET"): Decided("200 200 200 200 404 404 302"),
    ("choose-language", "GET"): Decided("405 405 405 405 405 405 405"),
    ("confirm-email", "GET"): Decided("410 410 410 410 410 410 410"),
    ("delete-account", "GET"): Decided("200 200 200 200 404 404 302"),
    ("end-sessions", "GET"): Decided("405 405 405 405 404 404 302"),
    ("forgotten-password", "GET"): Decided("200 200 200 200 200 200 200"),
    ("reset-password", "GET"): Decided("200 200 200 200 200 200 200"),  # a dead link
    ("reset-password", "POST"): Decided("200 200 200 200 200 200 200", {}),
    ("reset-password", "PUT"): Decided("200 200 200 200 200 200 200"),
    ("revoke-key", "GET"): Decided("405 405 405 405 404 404 302"),
    ("sessions", "GET"): Decided("200 200 200 200 404 404 302"),
    ("sign-up", "GET"): Decided("302 302 302 302 200 200 200"),
    # Pages of teams. What members do there is in test_team_page.py.
    ("team", "GET"): Decided("200 200 200 404 404 404 302"),
    ("team-activity", "GET"): Decided("200 403 403 404 404 404 302"),
    ("teams", "GET"): Decided("302 302 302 302 404 404 302"),
    ("join-team", "GET"): Decided("404 404 404 404 404 404 404"),  # no link to a team
    ("change-member", "GET"): Decided("405 403 403 404 404 404 302"),
    ("change-team-invitation", "GET"): Decided("405 403 403 404 404 404 302"),
    ("delete-team", "GET"): Decided("405 403 403 404 404 404 302"),
    ("hand-over-team", "GET"): Decided("405 405 405 404 404 404 302"),
    ("invite-to-team", "GET"): Decided("405 403 403 404 404 404 302"),
    ("leave-team", "GET"): Decided("405 405 405 404 404 404 302"),
    ("open-team", "GET"): Decided("405 403 403 404 404 404 302"),
    ("rename-team", "GET"): Decided("405 403 403 404 404 404 302"),
    ("me", "GET"): Decided("200 200 200 200 401 401 401"),
    ("me", "PATCH"): Decided("200 200 200 200 401 401 401", {"name": "New"}),
    ("member-detail", "DELETE"): Decided("204 204 403 404 401 401 401"),
    ("member-detail", "GET"): Decided("200 200 200 404 401 401 401"),
    ("member-detail", "PATCH"): Decided("200 403 403 404 401 401 401", {"role": "viewer"}),
    ("member-list", "GET"): Decided("200 200 200 404 401 401 401"),
    ("member-list", "POST"): Decided(
        "201 403 403 404 401 401 401", {"email": "dora@example.org", "role": "viewer"}
    ),
    ("trash", "GET"): Decided("200 403 403 404 404 404 302"),
    ("remove-photos", "GET"): Decided("405 405 403 404 404 404 302"),
    ("restore-photos", "GET"): Decided("405 405 403 404 404 404 302"),
    ("group-clocks", "GET"): Decided("200 403 403 404 404 404 302"),
    ("undo-clock", "GET"): Decided("405 403 403 404 404 404 302"),
    ("clock-correction-list", "GET"): Decided("200 403 403 404 401 401 401"),
    ("clock-correction-list", "POST"): Decided(
        "201 403 403 404 401 401 401", {"image": "IMAGE", "shift_minutes": 60}
    ),
    ("clock-correction-detail", "DELETE"): Decided("204 403 403 404 401 401 401"),
    ("take-stack-apart", "GET"): Decided("405 403 403 404 404 404 302"),
    ("stack-again", "GET"): Decided("405 403 403 404 404 404 302"),
    ("purge-group", "GET"): Decided("404 404 404 404 404 404 302"),  # nothing is in the trash
    ("group-walls", "GET"): Decided("200 403 403 404 404 404 302"),
    ("change-wall", "GET"): Decided("405 403 403 404 404 404 302"),
    ("wall", "GET"): Decided("200 200 200 200 200 200 200"),  # its link is the credential
    ("wall-photos", "GET"): Decided("200 200 200 200 200 200 200"),
    ("wall-shown", "POST"): Decided("204 204 204 204 204 204 204", {"ids": ["IMAGE"]}),
    ("moderation", "GET"): Decided("200 403 403 404 404 404 302"),
    # Nobody has asked for a removal.
    ("decide-takedown", "GET"): Decided("405 403 403 404 404 404 302"),
    ("new-group", "GET"): Decided("200 200 200 200 404 404 302"),
    # By POST alone: see test_photo_page.py.
    ("decide-caption", "GET"): Decided("405 403 403 404 404 404 302"),
    ("retry-captions", "GET"): Decided("405 403 403 404 404 404 302"),
    ("decide-photo", "GET"): Decided("405 403 403 404 404 404 302"),
    ("edit-photo", "GET"): Decided("405 403 403 404 404 404 302"),
    ("forget-place", "GET"): Decided("405 403 403 404 404 404 302"),
    ("move-photo", "GET"): Decided("405 403 403 404 404 404 302"),
    ("replace-photo", "GET"): Decided("405 403 403 404 404 404 302"),
    ("photo", "GET"): Decided("200 200 200 404 404 404 302"),
    ("edit-picture", "GET"): Decided("200 200 200 404 404 404 302"),
    ("photo-removal", "GET"): Decided("302 200 200 404 404 404 302"),
    ("removal-page", "GET"): Decided("200 200 200 200 200 200 200"),
    ("removal-page", "POST"): Decided("302 302 302 302 302 302 302"),  # the link is the credential
    ("problem", "GET"): Decided("200 200 200 200 200 200 200"),
    # Nothing is in the trash.
    ("restore-group", "GET"): Decided("405 405 405 405 404 404 302"),
    ("rotate-key", "POST"): Decided("404 201 404 404 401 401 401", {}),
    ("schema", "GET"): Decided("200 200 200 200 200 200 200"),
    ("stats", "GET"): Decided("200 200 200 200 403 403 401"),
    # With a secret of its own, and off without it: see test_storage_events.py.
    ("storage-events", "POST"): Decided("404 404 404 404 404 404 404", {"Records": []}),
    ("team-detail", "DELETE"): Decided("409 403 403 404 401 401 401"),
    ("team-detail", "GET"): Decided("200 200 200 404 401 401 401"),
    ("team-detail", "PATCH"): Decided("200 403 403 404 401 401 401", {"name": "T"}),
    ("team-list", "GET"): Decided("200 200 200 200 401 401 401"),
    ("team-list", "POST"): Decided("403 403 403 403 401 401 401", {"name": "T"}),
    ("token", "POST"): Decided(
        "401 401 401 401 401 401 401", {"email": "x@example.org", "password": "wrong"}
    ),
    ("transform-list", "GET"): Decided("200 200 200 404 200 404 401"),
    # With a link by presets only: see test_transforms_api.py.
    ("transform-list", "POST"): Decided(
        "202 202 202 404 403 404 401", {"transformations": {"mirror": True}}
    ),
    ("transform-detail", "GET"): Decided("200 200 200 404 404 404 401"),
    ("transform-detail", "DELETE"): Decided("204 403 403 404 404 404 401"),
    ("transform-file", "GET"): Decided("409 409 409 404 404 404 401"),  # it is not made yet
    ("transform-photo", "POST"): Decided("409 409 403 404 403 404 401"),  # nor is this
    ("preset-list", "GET"): Decided("200 200 200 404 200 404 401"),
    ("preset-list", "POST"): Decided(
        "201 403 403 404 403 404 401", {"name": "P", "transformations": {"flip": True}}
    ),
    ("preset-detail", "DELETE"): Decided("204 403 403 404 403 404 401"),
    ("place-page", "GET"): Decided("200 200 200 200 200 200 200"),
    ("place-page", "POST"): Decided("422 422 422 422 422 422 422", {}),
    ("token-refresh", "POST"): Decided("401 401 401 401 401 401 401", {"refresh": "x"}),
    ("upload-complete", "POST"): Decided("404 404 404 404 409 404 401"),
    ("upload-detail", "DELETE"): Decided("404 404 404 404 204 404 401"),
    ("upload-detail", "GET"): Decided("404 404 404 404 200 404 401"),
    ("upload-list", "GET"): Decided("200 200 200 200 200 200 401"),
    ("upload-list", "POST"): Decided(
        "201 201 403 404 201 201 401", {"group": "GROUP", "files": FILES}
    ),
    ("upload-page", "GET"): Decided("200 200 200 200 200 200 200"),
    ("upload-page", "POST"): Decided("400 400 400 400 400 400 400"),  # without a photo
    ("find-word", "GET"): Decided("403 403 403 403 403 403 403"),  # no word was typed
    ("short-pin", "GET"): Decided("303 303 303 303 303 303 303"),
    # Photos: by a link that shows what its guest sent, and by a shared one without a device.
    ("guest-gallery", "GET"): Decided("200 200 200 200 200 200 200"),
    # The link shows no gallery; for one that does, see test_download_page.py.
    ("guest-zip", "GET"): Decided("404 404 404 404 404 404 404"),
    ("guest-zip", "POST"): Decided("404 404 404 404 404 404 404"),
    ("guest-zip-file", "GET"): Decided("404 404 404 404 404 404 404"),
    ("short-guest-zip", "GET"): Decided("404 404 404 404 404 404 404"),
    ("short-guest-zip", "POST"): Decided("404 404 404 404 404 404 404"),
    ("short-guest-zip-file", "GET"): Decided("404 404 404 404 404 404 404"),
    ("guest-own-photos", "POST"): Decided("200 200 200 200 200 200 200"),
    ("guest-newest-photos", "GET"): Decided("204 204 204 204 204 204 204"),
    # Without a moment; by links that show no photos of others, too.
    ("guest-news", "GET"): Decided("400 400 400 400 400 400 400"),
    ("short-guest-news", "GET"): Decided("400 400 400 400 400 400 400"),
    ("guest-photo", "GET"): Decided("200 200 200 200 200 200 200"),
    ("guest-file", "GET"): Decided("302 302 302 302 302 302 302"),
    ("short-guest-gallery", "GET"): Decided("200 200 200 200 200 200 200"),
    ("short-guest-own-photos", "POST"): Decided("404 404 404 404 404 404 404"),
    ("short-guest-newest-photos", "GET"): Decided("204 204 204 204 204 204 204"),
    ("short-guest-photo", "GET"): Decided("404 404 404 404 404 404 404"),
    ("short-guest-file", "GET"): Decided("404 404 404 404 404 404 404"),
    ("link-opened", "POST"): Decided("204 204 204 204 204 204 204"),
    ("no-photos", "POST"): Decided("303 303 303 303 303 303 303"),
    ("link-picture", "GET"): Decided("404 404 404 404 404 404 404"),  # nor a cover
    ("short-link-opened", "POST"): Decided("204 204 204 204 204 204 204"),
    ("short-no-photos", "POST"): Decided("404 404 404 404 404 404 404"),  # many share that link
    ("short-link-picture", "GET"): Decided("404 404 404 404 404 404 404"),
    ("short-address", "GET"): Decided("200 403 403 404 404 404 302"),
    ("short-guest-logo", "GET"): Decided("404 404 404 404 404 404 404"),
    ("short-upload-page", "GET"): Decided("200 200 200 200 200 200 200"),
    ("short-upload-page", "POST"): Decided("400 400 400 400 400 400 400"),
    ("short-removal-page", "GET"): Decided("200 200 200 200 200 200 200"),
    ("short-removal-page", "POST"): Decided("404 404 404 404 404 404 404"),  # a shared link
    ("short-place-page", "GET"): Decided("200 200 200 200 200 200 200"),
    ("short-place-page", "POST"): Decided("422 422 422 422 422 422 422", {}),
    ("upload-parts", "GET"): Decided("404 404 404 404 409 404 401"),
    ("upload-sign", "POST"): Decided("404 404 404 404 200 404 401", {}),
    ("user-list", "POST"): Decided(
        "201 201 201 201 201 201 201",
        {"email": "new@example.org", "password": "a long enough password"},
    ),
}


def routes(patterns: Any = None, name: str = "") -> Any:
    """(route name, verbs) of every address, the admin's left out."""
    for each in get_resolver().url_patterns if patterns is None else patterns:
        if hasattr(each, "url_patterns"):
            if each.namespace != "admin":
                yield from routes(each.url_patterns)
            continue
        view = each.callback
        made_of = getattr(view, "cls", None) or getattr(view, "view_class", None)
        known = getattr(view, "actions", None) or dir(made_of)
        verbs = [verb for verb in VERBS if made_of and verb.lower() in known]
        yield each.name, verbs or ["GET"], each.pattern.converters


@pytest.fixture(scope="module")
def everything(django_db_setup, django_db_blocker):
    """What the addresses are about, and the cast to ask for it. It is made once for all tests of a
    module, in a transaction of its own; each test, and each of the cast, rolls back what it did."""
    limits.reset()
    with django_db_blocker.unblock(), transaction.atomic():
        bucket = photo_storage()
        empty(bucket)
        yield _made()
        empty(bucket)
        transaction.set_rollback(True)


def _made() -> dict[str, Any]:
    team = TeamFactory(name="The Band")
    group = GroupFactory(team=team, name="Summer concert")
    roles = {"ada": Membership.Role.OWNER, "ben": Membership.Role.MEMBER}
    roles["vera"] = Membership.Role.VIEWER
    ada, ben, vera = (
        MembershipFactory(
            team=team, role=role, user=UserFactory(email=f"{name}@example.org", name=name.title())
        ).user
        for name, role in roles.items()
    )
    dora = MembershipFactory(user__email="dora@example.org", role=Membership.Role.OWNER).user
    invitation = InvitationFactory(group=group, name="Cleo", email="cleo@example.org")
    cleo = Guest(invitation)
    image = cleo.send_and_process(drawn_pictures.jpeg(lat=48.2, lon=16.4))
    pending = Upload.objects.get(pk=cleo.announce_one(b"not sent yet")["id"])
    gus = Guest(InvitationFactory(name="Gus"))
    shared = InvitationFactory(group=group, kind="shared", email="")
    ShortAddress.objects.create(word="summer", invitation=shared)
    correction = ClockCorrection.objects.create(
        group=group, **image.uploader_key.columns, shift_minutes=60, created_by=ada
    )
    archive = archives.order(group, access=MemberAccess(ada))
    transform = transforms.request(image, Spec(flip=True), MemberAccess(ada))
    presets.make(group, "poster", Spec(flip=True), is_for_guests=False)
    wall = walls.make(group, name="", invitation=shared, by=ada)
    key, _ = ada.api_keys.model.objects.create_key(user=ada, name="script", scopes=["read"])
    return {
        "cast": [*(cookie_of(who) for who in [ada, ben, vera, dora]), cleo, gus, None],
        "path": {
            "image_id": image.pk,
            "upload_id": pending.pk,
            "group_id": group.pk,
            "team_id": team.pk,
            "invitation_id": invitation.pk,
            "user_id": ben.pk,
            "prefix": key.prefix,
            "name": "thumb",
            "token": invitation.token,
            "word": "summer",
            "wall_id": wall.pk,
            "wall_token": wall.token,
            "slug": "invalid",
            "colour": "1f5f55",
            "uidb64": "MQ",
            "request_id": image.pk,
            "stack_id": image.pk,
            "correction_id": correction.pk,
            "archive_id": archive.archive_id,
            "spec_hash": transform.spec_hash,
            "preset": "poster",
        },
        "body": {
            "GROUP": str(group.pk),
            "TEAM": str(team.pk),
            "BEN": ben.email,
            "IMAGE": str(image.pk),
        },
    }


def cookie_of(who: User) -> str:
    """Signs in, once for all tests."""
    client = APIClient()
    client.force_login(who)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def client_of(who: str | Guest | None) -> APIClient:
    if isinstance(who, Guest):
        return who.client
    client = APIClient()
    if who is not None:
        client.cookies[settings.SESSION_COOKIE_NAME] = who
    return client


def filled_in(body: Any, values: dict[str, str]) -> Any:
    if isinstance(body, dict):
        return {name: filled_in(inner, values) for name, inner in body.items()}
    if isinstance(body, list):
        return [filled_in(inner, values) for inner in body]
    return values.get(body, body) if isinstance(body, str) else body


def answers_of(name: str, verb: str, decided: Decided, everything: Any, converters: Any) -> str:
    path = {key: decided.path.get(key, everything["path"][key]) for key in converters}
    url, codes = reverse(name, kwargs=path), []
    for who in everything["cast"]:
        with transaction.atomic():
            body = filled_in(decided.body, everything["body"])
            answer = client_of(who).generic(
                verb,
                url,
                *([json.dumps(body), "application/json"] if body is not None else []),
            )
            codes.append(str(answer.status_code))
            transaction.set_rollback(True)
    return " ".join(codes)


CASES = [
    (name, verb, converters)
    for name, verbs, converters in routes()
    if name not in LEFT_OUT
    for verb in verbs
]


@pytest.mark.parametrize(
    ("name", "verb", "converters"), CASES, ids=[f"{verb}-{name}" for name, verb, _ in CASES]
)
def test_each_answer_is_the_decided_one(everything, name, verb, converters):
    decided = DECIDED.get((name, verb))
    assert decided is not None, f"Decide who may {verb} {name}, and write it down here."
    assert answers_of(name, verb, decided, everything, converters) == decided.answers


def test_nothing_is_decided_that_is_not_there():
    assert set(DECIDED) <= {(name, verb) for name, verb, _ in CASES}
