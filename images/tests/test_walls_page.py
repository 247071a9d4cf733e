"""The page on which owners make, change and end the walls of a group."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from images.lifecycle import walls
from images.models import Wall
from invitations.models import Invitation, ShortAddress
from invitations.tests.factories import InvitationFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(group):
    return f"/groups/{group.pk}/walls/"


@pytest.fixture
def host(signed_in, ada):
    return signed_in(ada)


@pytest.fixture
def shared(group):
    return InvitationFactory(group=group, kind="shared", email="", name="Bar")


@pytest.fixture
def wall(group, shared, ada):
    return walls.make(group, name="Hall", invitation=shared, by=ada)


def text(answer):
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def test_a_host_makes_a_wall_with_a_code_and_opens_it(host, client, page, shared):
    shown = host.get(page).content.decode()
    assert f'<option value="{shared.pk}" selected>Bar</option>' in shown
    answer = host.post(page, {"name": "Hall", "invitation": str(shared.pk)}, format="multipart")
    assert answer.status_code == 302
    wall = Wall.objects.get()
    assert (wall.name, wall.invitation) == ("Hall", shared)
    shown = host.get(page)
    assert wall.address in shown.content.decode()
    assert "On no screen yet" in text(shown)
    assert client.get(f"/w/{wall.token}/").status_code == 200
    client.get(f"/w/{wall.token}/photos/")
    assert "On a screen now" in text(host.get(page))
    Wall.objects.update(seen_at=timezone.now() - timedelta(hours=2))
    assert "Last on a screen 2" in text(host.get(page))


def test_its_name_and_code_can_be_changed(host, page, group, wall, shared):
    other = InvitationFactory(group=group, kind="shared", email="")
    ShortAddress.objects.create(word="summer", invitation=other)
    assert "/j/summer/" in host.get(page).content.decode()
    body = {"name": "Garden", "invitation": str(other.pk), "act": "save"}
    assert host.post(f"{page}{wall.pk}/", body, format="multipart").status_code == 302
    wall.refresh_from_db()
    assert (wall.name, wall.invitation) == ("Garden", other)
    assert host.post(f"{page}{wall.pk}/", {"name": ""}, format="multipart").status_code == 302
    wall.refresh_from_db()
    assert (wall.name, wall.invitation) == ("", None)


@pytest.mark.parametrize("which", ["personal", "revoked", "expired", "elsewhere", "nonsense"])
def test_only_a_shared_link_of_the_group_that_works_becomes_the_code(host, page, group, which):
    link = {
        "personal": lambda: InvitationFactory(group=group),
        "revoked": lambda: InvitationFactory(
            group=group, kind="shared", email="", revoked_at=timezone.now()
        ),
        "expired": lambda: InvitationFactory(
            group=group, kind="shared", email="", expires_at=timezone.now()
        ),
        "elsewhere": lambda: InvitationFactory(kind="shared", email=""),
        "nonsense": lambda: None,
    }[which]()
    chosen = str(link.pk) if link else "nonsense"
    answer = host.post(page, {"name": "", "invitation": chosen}, format="multipart")
    assert answer.status_code == 422
    assert which == "nonsense" or "This link cannot be used any more." in text(answer)
    assert not Wall.objects.exists()


def test_a_host_ends_a_wall(host, client, page, wall):
    assert host.post(f"{page}{wall.pk}/", {"act": "end"}, format="multipart").status_code == 302
    assert client.get(f"/w/{wall.token}/").status_code == 403
    shown = host.get(page)
    assert wall.address not in shown.content.decode()
    answer = host.post(f"{page}{wall.pk}/", {"name": "Back"}, format="multipart", follow=True)
    assert "This wall has ended meanwhile." in text(answer)


def test_a_wall_of_another_group_is_not_there(host, wall, team, ada):
    other = InvitationFactory(group__team=team).group
    answer = host.post(f"/groups/{other.pk}/walls/{wall.pk}/", {"act": "end"}, format="multipart")
    assert answer.status_code == 404
    assert Wall.objects.get().revoked_at is None


def test_a_group_has_a_bounded_number_of_walls(host, page, group, ada):
    for _ in range(walls.MAX_WALLS):
        assert host.post(page, {"name": ""}, format="multipart").status_code == 302
    answer = host.post(page, {"name": ""}, format="multipart")
    assert answer.status_code == 409
    assert "A group has at most 20 walls." in text(answer)
    walls.end(Wall.objects.filter(group=group).first())
    assert host.post(page, {"name": ""}, format="multipart").status_code == 302


def test_a_long_name_is_refused_where_it_was_typed(host, page, wall):
    body = {"name": "x" * 121, "act": "save"}
    answer = host.post(f"{page}{wall.pk}/", body, format="multipart")
    assert answer.status_code == 422
    assert "Please use up to 120 letters." in text(answer)


def test_the_page_says_what_became_of_a_code(host, page, wall):
    assert "takes no photos any more" not in text(host.get(page))
    Invitation.objects.update(revoked_at=timezone.now())
    assert "takes no photos any more" in text(host.get(page))


def test_a_host_is_told_what_guests_were_told(host, page, group):
    assert "Your guests were told" in text(host.get(page))
    group.visibility = "gallery"
    group.save()
    assert "Your guests were told" not in text(host.get(page))
    group.reveal_at = timezone.now() + timedelta(days=1)
    group.save()
    assert "Until then it shows the code alone" in text(host.get(page))


def test_an_address_whose_key_was_lost_is_not_shown(host, page, wall, settings):
    settings.INVITATION_TOKEN_KEY = "another key of more than thirty-two letters"
    assert "cannot be read any more" in text(host.get(page))
