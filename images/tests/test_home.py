"""The first page of a member: cards of groups, what is new, what waits, and finding one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from bandpics.users.tests.factories import UserFactory
from groups.models import Group, GroupVisit
from groups.tests.factories import GroupFactory, MembershipFactory
from images import tasks
from images.models import Image, TakedownRequest, Upload
from images.tests import drawn_pictures
from images.tests.bulk_rows import SOMEBODY
from images.tests.guest_client import send_as_member
from invitations.models import Invitation

pytestmark = pytest.mark.django_db


@pytest.fixture
def home(signed_in):
    def home_of(person, **query):
        return signed_in(person).get("/", query)

    return home_of


@pytest.fixture
def card(home, group):
    def card_of(person):
        cards = home(person).context["cards"]
        return next(each for each in cards if each.group == group)

    return card_of


@pytest.fixture
def visit(signed_in, group):
    def visit_as(person, **body):
        body = {"seen_at": timezone.now().isoformat()} | body
        return signed_in(person).post(f"/groups/{group.pk}/visited/", body, format="multipart")

    return visit_as


def names(answer):
    return [each.group.name for each in answer.context["cards"]]


# --- Cards ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("bucket")
def test_the_cover_is_the_chosen_photo_or_else_the_newest(cleo, ben, group, card, home):
    first = cleo.send_and_process(drawn_pictures.jpeg(seed=1, taken_at="2026:06:20 20:00:00"))
    second = cleo.send_and_process(drawn_pictures.jpeg(seed=2, taken_at="2026:06:21 20:00:00"))
    assert card(ben).cover == second
    assert f"/tile/{second.pk}-1.jpg" in home(ben).content.decode()
    Group.objects.update(cover_id=first.pk)
    assert card(ben).cover == first
    # A photo that is gone is no cover, and one that hosts rejected only if they chose it.
    Image.objects.filter(pk=first.pk).update(trashed_at=timezone.now())
    assert card(ben).cover == second
    Image.objects.filter(pk=second.pk).update(moderation="rejected")
    assert card(ben).cover is None
    other = GroupFactory()
    Group.objects.filter(pk=group.pk).update(cover_id=first.pk)
    Image.objects.filter(pk=first.pk).update(trashed_at=None, group=other)
    assert card(ben).cover is None


@pytest.mark.usefixtures("bucket")
def test_owners_see_what_waits_for_them_and_others_do_not(cleo, ada, ben, group, card, home):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    asked = cleo.send_and_process(drawn_pictures.jpeg(seed=2))
    TakedownRequest.objects.create(
        image=asked, photo_id=asked.pk, group=group, **asked.uploader_key.columns
    )
    assert (card(ada).waiting, card(ada).takedowns) == (2, 1)
    html = home(ada).content.decode()
    assert "2 to approve" in html
    assert "1 request for removal" in html
    assert (card(ben).waiting, card(ben).takedowns) == (0, 0)
    assert "to approve" not in home(ben).content.decode()
    Image.objects.filter(pk=image.pk).update(moderation="approved")
    assert card(ada).waiting == 1


@pytest.mark.usefixtures("bucket")
def test_what_others_sent_is_new_until_it_was_looked_at(cleo, ben, group, card, visit, signed_in):
    cleo.send_and_process(drawn_pictures.jpeg(seed=1))
    send_as_member(signed_in(ben), group, drawn_pictures.jpeg(seed=2))
    assert (card(ben).photo_count, card(ben).new_count) == (2, 1)
    signed_in(ben).get(f"/groups/{group.pk}/")
    assert card(ben).new_count == 1  # a GET is no visit
    assert visit(ben).status_code == 204
    assert card(ben).new_count == 0

    # Announced before the visit, finished after it.
    later = cleo.send(drawn_pictures.jpeg(seed=3))
    Image.objects.filter(pk=later.pk).update(created_at=timezone.now() - timedelta(days=2))
    cleo.complete(str(later.pk))
    tasks.process_upload(str(later.pk))
    assert card(ben).new_count == 1
    gallery = signed_in(ben).get(f"/groups/{group.pk}/").content.decode()
    assert gallery.count('class="new-mark"') == 1


def test_a_visit_never_goes_back_and_never_lies_ahead(ben, group, visit):
    visit(ben)
    seen = GroupVisit.objects.get().visited_at
    visit(ben, seen_at="2020-01-01T00:00:00Z")
    assert GroupVisit.objects.get().visited_at == seen
    visit(ben, seen_at="2999-01-01T00:00:00Z")
    assert GroupVisit.objects.get().visited_at < timezone.now()
    for nonsense in ["", "x", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00", "x" * 9999]:
        assert visit(ben, seen_at=nonsense).status_code == 400


def test_strangers_leave_no_visit(dora, visit):
    assert visit(dora).status_code == 404
    assert not GroupVisit.objects.exists()


def test_many_groups_cost_as_many_queries_as_one(
    ada, team, signed_in, django_assert_max_num_queries
):
    now = timezone.now()
    for number in range(30):
        group = GroupFactory(team=team, name=f"Group {number}")
        Invitation.objects.create(group=group, kind="shared")
        image = Image.objects.create(
            group=group,
            **SOMEBODY.columns,
            original_filename="x.jpg",
            version=1,
            width=4,
            height=3,
            byte_size=1,
            sha256=f"{number:064}",
            content_type="image/jpeg",
            moderation="pending",
        )
        Upload.objects.create(
            id=image.pk,
            image=image,
            announced_to=group.pk,
            **SOMEBODY.columns,
            declared_byte_size=1,
            status="done",
            arrived_at=now,
            finished_at=now,
        )
    client = signed_in(ada)
    with django_assert_max_num_queries(12):
        answer = client.get("/")
    cards = answer.context["cards"]
    assert {(each.photo_count, each.new_count, each.waiting) for each in cards} == {(1, 1, 1)}


def test_a_page_has_sixty_groups(ada, team, home):
    Group.objects.bulk_create(Group(team=team, name=f"Group {number}") for number in range(61))
    first = home(ada)
    assert len(names(first)) == 60
    assert "page=2" in first.content.decode()
    assert len(names(home(ada, page=2))) == 1
    for nonsense in ["0", "-1", "x", "99999999999999999999"]:
        assert home(ada, page=nonsense).status_code == 200


# --- Finding --------------------------------------------------------------------------------


def test_groups_are_found_by_name_place_team_and_year(ada, team, home):
    team.name = "The Band"
    team.save()
    GroupFactory(team=team, name="Hanna turns 40", venue="Café Zoë", event_date="2026-06-21")
    GroupFactory(team=team, name="Summer", event_name="Jazz night")
    other = GroupFactory(name="Hanna elsewhere")
    found = {
        "hanna": ["Hanna turns 40"],
        "ZOË han": ["Hanna turns 40"],
        "jazz": ["Summer"],
        "2026": ["Hanna turns 40"],
        "band": ["Hanna turns 40", "Summer"],
        "nothing": [],
        "100%": [],
        "\0": ["Hanna turns 40", "Summer"],
        "0000": [],
        "word " * 500: [],
    }
    for query, expected in found.items():
        assert sorted(names(home(ada, q=query))) == expected, query
    assert other.name not in names(home(ada))


def test_what_was_not_found_is_said_and_can_be_left(ada, group, home):
    html = home(ada, q="<b>x").content.decode()
    assert "No group matches" in html
    assert "<b>x" not in html
    assert "Show all groups" in html


# --- Nothing there yet ----------------------------------------------------------------------


def test_without_groups_the_page_invites_to_make_one(ada, home):
    html = home(ada).content.decode()
    assert 'href="/groups/new/"' in html
    assert "whoever opens it can add photos" in html


def test_who_may_make_none_is_not_invited_to(vera, home):
    assert "/groups/new/" not in home(vera).content.decode()
    assert "/groups/new/" not in home(UserFactory()).content.decode()
    MembershipFactory(user=vera, role="member")
    assert "/groups/new/" in home(vera).content.decode()
