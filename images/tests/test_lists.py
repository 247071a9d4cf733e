"""Lists are alike: the same envelope, the same limit; and what a member sent comes in pages."""

from __future__ import annotations

import itertools

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from groups.tests.factories import GroupFactory
from images.models import Upload
from images.tests import drawn_pictures
from images.tests.guest_client import described, put, send_as_member
from images.tests.test_hostile_fields import addresses, admin, clients

__all__ = ["addresses", "admin", "clients"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]

UPLOADS = "/api/v1/uploads/"
LISTS = ["images", "uploads", "groups", "teams", "invitations", "users/me/keys"]


@pytest.fixture
def lists(addresses):
    return [
        *(f"/api/v1/{name}/" for name in LISTS),
        f"/api/v1/teams/{addresses['team_id']}/members/",
    ]


_sizes = itertools.count(1)


def files(count):
    """Other ones each time."""
    sizes = itertools.islice(_sizes, count)
    return [{"filename": f"{n}.jpg", "content_type": "image/jpeg", "size": n} for n in sizes]


def announce(client, group, count):
    body = {"group": str(group.pk), "files": files(count)}
    return client.post(UPLOADS, body).json()["uploads"]


def test_each_list_has_one_envelope(lists, clients):
    _, client = clients
    for address in lists:
        answer = client.get(f"{address}?limit=1").json()
        assert {"results", "next", "previous"} <= answer.keys(), address
        assert len(answer["results"]) == 1, address
        assert answer["previous"] is None, address


def test_each_refuses_a_limit_that_is_too_large_alike(lists, clients):
    _, client = clients
    for address in lists:
        assert client.get(f"{address}?limit=200").status_code == 200, address
        for limit in ("201", "0", "x", "9" * 30):
            answer = client.get(f"{address}?limit={limit}")
            assert answer.status_code == 400, (address, limit)
            (error,) = answer.json()["errors"]
            assert error["pointer"] == "#/limit"
            assert error["detail"] == "Give a whole number from 1 to 200."


def test_what_a_member_sent_comes_in_pages_newest_first(ben, group, signed_in):
    client = signed_in(ben)
    announced = [each["id"] for _ in range(3) for each in announce(client, group, 20)]
    first = client.get(UPLOADS).json()
    assert len(first["results"]) == 50
    second = client.get(first["next"]).json()
    assert second["next"] is None
    seen = [each["id"] for each in first["results"] + second["results"]]
    assert sorted(seen) == sorted(announced)
    created = [each["created_at"] for each in first["results"] + second["results"]]
    assert created == sorted(created, reverse=True)
    back = client.get(second["previous"]).json()
    assert [each["id"] for each in back["results"]] == seen[:50]


def test_it_is_narrowed_by_status_and_group(ben, group, team, signed_in):
    client, other = signed_in(ben), GroupFactory(team=team)
    photo = send_as_member(client, group, drawn_pictures.jpeg())
    (elsewhere,) = announce(client, other, 1)

    def found(query):
        return [each["id"] for each in client.get(f"{UPLOADS}?{query}").json()["results"]]

    assert found("status=done") == [str(photo.pk)]
    assert found("status=pending,queued") == [elsewhere["id"]]
    assert found(f"group={group.pk}") == [str(photo.pk)]
    assert found(f"group={group.pk},{other.pk}&status=pending") == [elsewhere["id"]]
    for query in ("status=none", "status=", "group=x", "cursor=x"):
        answer = client.get(f"{UPLOADS}?{query}")
        assert answer.status_code == 400, query
        assert answer.json()["errors"][0]["pointer"] == f"#/{query.partition('=')[0]}"


def test_a_guests_receipt_is_whole(cleo):
    for _ in range(4):
        assert cleo.announce(*files(20)).status_code == 201
    answer = cleo.client.get(UPLOADS).json()
    assert (len(answer["results"]), answer["next"]) == (80, None)
    assert len(cleo.client.get(f"{UPLOADS}?limit=30").json()["results"]) == 30


@pytest.mark.parametrize("who", ["a guest", "a member"])
def test_nobody_announces_without_end(cleo, ben, group, signed_in, settings, who):
    settings.UPLOADS_PENDING_MAX = 20
    client = cleo.client if who == "a guest" else signed_in(ben)
    about = {} if who == "a guest" else {"group": str(group.pk)}
    data = drawn_pictures.jpeg()
    some = [described(data), *files(19)]
    first = client.post(UPLOADS, {"files": some, **about})
    assert first.status_code == 201
    refused = client.post(UPLOADS, {"files": files(1), **about})
    assert refused.status_code == 429
    assert refused.json()["type"] == "/problems/too-many-pending/"
    assert refused["Retry-After"] == "10"
    assert Upload.objects.count() == 20
    again = client.post(UPLOADS, {"files": [described(data)], **about})
    assert again.status_code == 201  # nothing new
    ticket = first.json()["uploads"][0]
    put(ticket["upload"], data)
    client.post(f"{UPLOADS}{ticket['id']}/complete/")
    assert client.post(UPLOADS, {"files": files(1), **about}).status_code == 201


def test_photos_that_come_whole_are_taken_beside_as_many_announced_ones(cleo, client, settings):
    settings.UPLOADS_PENDING_MAX = 20
    assert cleo.announce(*files(20)).status_code == 201
    whole = cleo.client.post(
        "/api/v1/images/", {"file": photo("a.jpg", seed=1)}, format="multipart"
    )
    assert whole.status_code == 202
    page = client.post(f"/i/{cleo.invitation.token}/", {"files": photo("b.jpg", seed=2)})
    assert page.status_code == 200
    assert Upload.objects.filter(status=Upload.Status.QUEUED).count() == 2


def photo(name, *, seed):
    return SimpleUploadedFile(name, drawn_pictures.jpeg(seed=seed), "image/jpeg")
