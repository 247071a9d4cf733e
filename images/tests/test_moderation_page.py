"""The page on which owners decide about photos, with forms alone and in a browser."""

from __future__ import annotations

import pytest
from django.urls import reverse

from bandpics.testing.matrix import few
from images.lifecycle import moderation, takedown
from images.models import Image, TakedownRequest
from images.tests import bulk_rows, drawn_pictures, stored_photos
from images.tests.guest_client import send_as_member

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]


@pytest.fixture
def page(ada, signed_in):
    client = signed_in(ada)
    client.default_format = "multipart"
    return client


@pytest.fixture
def url(group):
    return reverse("moderation", args=[group.pk])


@pytest.fixture
def waiting(group):
    options = {"moderation": "pending", "variants": ("thumb", "tile", "medium", "fullsize")}
    return [bulk_rows.photo(group, **options) for _ in range(3)]


def states():
    return list(Image.objects.order_by("id").values_list("moderation", flat=True))


def test_it_shows_what_waits_and_how_much(page, url, waiting, group):
    bulk_rows.photo(group, moderation="approved", variants=("thumb",))
    html = page.get(url).content.decode()
    assert all(str(image.pk) in html for image in waiting)
    assert html.count('class="pick"') == 3
    home = page.get(reverse("group-gallery", args=[group.pk])).content.decode()
    assert 'To approve\n            <span class="badge">3</span>' in home


def test_the_number_of_queries_is_constant(page, url, group, django_assert_max_num_queries):
    for _ in range(30):
        bulk_rows.photo(group, moderation="pending", variants=("thumb", "tile"))
    with django_assert_max_num_queries(14):
        assert page.get(url).status_code == 200


def test_ticked_photos_are_decided_by_the_plain_form(page, url, ada, waiting):
    body = {"ids": [waiting[0].pk, waiting[1].pk], "action": "reject"}
    reasons = {"reason": "It is blurred or too dark.", "own_reason": " My own "}
    answer = page.post(url, {**body, **reasons}, follow=True)
    assert "2 photos rejected." in answer.content.decode()
    assert states() == ["rejected", "rejected", "pending"]
    image = Image.objects.get(pk=waiting[0].pk)
    assert (image.moderation_reason, image.moderated_by) == ("My own", ada)
    html = page.get(f"{url}?show=rejected").content.decode()
    assert "My own" in html
    page.post(f"{url}?show=rejected", {"ids": [waiting[0].pk], "action": "approve"})
    assert states() == ["approved", "rejected", "pending"]


def test_what_another_host_has_decided_stays_and_is_said(page, url, ben, waiting):
    moderation.moderate([waiting[0].pk], "reject", by=ben)
    ids = [image.pk for image in waiting]
    html = page.post(url, {"ids": ids, "action": "approve"}, follow=True).content.decode()
    assert "2 photos approved." in html
    assert "Somebody else has decided about 1 of them meanwhile" in html
    assert states() == ["rejected", "approved", "approved"]


@pytest.mark.parametrize(
    ("body", "said"),
    few(
        [
            ({"action": "approve"}, "tick the photos first"),
            ({"action": "approve", "ids": ["x", "'"]}, "tick the photos first"),
            ({"action": "approve", "ids": ["x"] * 201}, "up to 200 photos at once"),
            ({"action": "approve", "reason": "x" * 501}, "up to 500 letters"),
            ({"action": "nonsense"}, "Nothing was changed"),
        ],
        2,
    ),
)
def test_a_form_that_makes_no_sense_changes_nothing(page, url, waiting, body, said):
    assert said in page.post(url, body, follow=True).content.decode()
    assert set(states()) == {"pending"}


def test_photos_of_another_group_are_left_alone(page, url, dora):
    other = bulk_rows.photo(dora.teams.first().groups.create(name="Hers"), moderation="pending")
    page.post(url, {"ids": [other.pk], "action": "approve"})
    assert states() == ["pending"]


def test_an_unknown_filter_leads_to_the_page_itself(page, url):
    answer = page.get(f"{url}?show=nonsense")
    assert (answer.status_code, answer["Location"]) == (302, url)


# --- Requests for a removal -----------------------------------------------------------------


@pytest.fixture
def asked(cleo):
    image = stored_photos.by_guest(cleo, drawn_pictures.jpeg())
    return takedown.ask(image, asker=cleo.key, name="Cleo", reason="That is <me>")


def decide(page, asked, decision, **more):
    url = reverse("decide-takedown", args=[asked.group_id, asked.pk])
    answer = page.post(url, {"decision": decision, **more}, follow=True)
    return answer.content.decode()


def test_a_request_is_shown_with_its_photo_and_reason(page, url, asked):
    html = page.get(url).content.decode()
    assert "Asked to remove" in html
    assert "That is &lt;me&gt;" in html
    assert f"tile/{asked.photo_id}-1.jpg" in html


def test_a_host_grants_or_refuses_it_once(page, url, ada, asked):
    assert "shown again" in decide(page, asked, "refuse", answer="It is not you")
    asked.refresh_from_db()
    assert (asked.state, asked.answer, asked.decided_by) == ("refused", "It is not you", ada)
    assert Image.objects.kept().exists()
    assert "Somebody else has decided" in decide(page, asked, "grant")
    assert Image.objects.kept().exists()


def test_a_grant_may_delete_for_good(page, asked):
    assert "stays removed" in decide(page, asked, "purge")
    assert TakedownRequest.objects.get().state == "granted"
    assert "Somebody else has decided" in decide(page, asked, "refuse")


def test_a_photo_that_came_again_cannot_come_back_twice(page, group, asked, ada, signed_in):
    send_as_member(signed_in(ada), group, drawn_pictures.jpeg())
    assert "the group shows the same photo" in decide(page, asked, "refuse")
    assert TakedownRequest.objects.get().state == "open"
