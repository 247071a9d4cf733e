"""The wall as its page sees it: the link, the photos that it may show, and what it says of them."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from bandpics.ids import new_id
from bandpics.telemetry import scrubber
from groups import trash as group_trash
from images.api import uploads
from images.lifecycle import moderation, trash, walls
from images.listing import wall_photos
from images.models import Image, Tombstone, UploaderKey, Wall
from images.tests import bulk_rows, drawn_pictures
from images.tests.guest_client import get
from invitations.models import Invitation, ShortAddress
from invitations.tests.factories import InvitationFactory

pytestmark = pytest.mark.django_db

LONG_AGO = timedelta(minutes=5)


@pytest.fixture
def shared(group):
    return InvitationFactory(group=group, kind="shared", email="", name="Bar")


@pytest.fixture
def wall(group, shared, ada):
    return walls.make(group, name="Hall", invitation=shared, by=ada)


def photo(group, **columns):
    return bulk_rows.photo(group, variants=("small", "fullsize"), **columns)


def address(wall, more=""):
    return f"/w/{wall.token}/{more}"


@pytest.fixture
def ask(client, wall):
    """What the page gets."""

    def ask(**query):
        answer = client.get(address(wall, "photos/"), query)
        assert answer.status_code == 200, answer.content
        return answer.json()

    return ask


def ids(photos):
    return [each["id"] for each in photos]


# --- The link -------------------------------------------------------------------------------


def test_the_page_shows_name_and_code_and_is_for_nobodys_index(client, wall, group, shared):
    ShortAddress.objects.create(word="summer", invitation=shared)
    answer = client.get(address(wall))
    page = answer.content.decode()
    assert "Summer concert" in page
    assert "<svg" in page
    assert "/j/summer" in page
    assert '<meta name="robots" content="noindex">' in page
    assert "no-store" in answer["Cache-Control"]
    assert answer["Referrer-Policy"] == "same-origin"
    assert not answer.cookies


@pytest.mark.parametrize(
    "change",
    [
        lambda group, shared: Invitation.objects.update(revoked_at=timezone.now()),
        lambda group, shared: Invitation.objects.update(expires_at=timezone.now()),
        lambda group, shared: Invitation.objects.update(max_files=0),
        lambda group, shared: group.__class__.objects.update(closes_at=timezone.now()),
        lambda group, shared: shared.delete(),
    ],
    ids=["revoked", "expired", "full", "closed", "deleted"],
)
def test_a_code_that_leads_nowhere_any_more_goes_and_the_wall_goes_on(
    client, ask, wall, group, shared, change
):
    image, before = photo(group), ask()["frame"]
    change(group, shared)
    after = ask()
    assert after["frame"] != before
    assert ids(after["round"]) == [str(image.pk)]
    page = client.get(address(wall)).content.decode()
    assert "<svg" not in page
    assert after["frame"] in page


def test_a_wall_that_was_ended_is_dead_and_one_of_a_group_in_the_trash_rests(client, wall, group):
    image = photo(group)
    body = json.dumps({"ids": [str(image.pk)]})

    def answers():
        return [
            client.get(address(wall)).status_code,
            client.get(address(wall, "photos/")).status_code,
            client.post(address(wall, "shown/"), body, "application/json").status_code,
        ]

    assert answers() == [200, 200, 204]
    group_trash.put(group)
    assert answers() == [403, 403, 403]
    group_trash.restore(group)
    assert answers() == [200, 200, 204]
    assert walls.end(wall)
    assert not walls.end(wall)
    assert answers() == [403, 403, 403]
    assert "This wall has ended" in client.get(address(wall)).content.decode()


@pytest.mark.parametrize("token", ["x", "é" * 43, "A" * 43])
def test_an_unknown_address_is_403_and_guessing_is_limited(client, settings, token):
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"guess": "2/minute"}
    codes = [client.get(f"/w/{token}/{more}").status_code for more in ["", "photos/", "", ""]]
    assert codes == [403, 403, 429, 429]


def test_all_screens_of_a_wall_have_one_limit(client, settings, wall):
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"wall": "2/minute"}
    answers = [client.get(address(wall, "photos/")) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[-1]["Retry-After"]) > 0


def test_logs_hold_no_token(wall):
    line = f"GET {address(wall, 'photos/')} 200"
    assert scrubber.hide(line) == "GET /w/[hidden]/photos/ 200"


# --- Which photos ---------------------------------------------------------------------------


def test_it_shows_what_is_approved_ready_and_kept_of_its_group_alone(ask, group):
    good = photo(group, uploader_name="Cleo")
    photo(group, moderation="pending")
    photo(group, moderation="rejected")
    photo(group, trashed_at=timezone.now())
    photo(group, status="processing")
    bulk_rows.photo(group, variants=("small",))  # its largest variant is being made again
    photo(InvitationFactory().group)
    found = ask()
    assert ids(found["round"]) == ids(found["arrivals"]) == [str(good.pk)]
    [shown] = found["round"]
    assert set(shown) == {"id", "version", "url", "width", "height", "by", "alt", "is_new"}
    assert shown["by"] == "Cleo"
    assert shown["is_new"]


def test_the_address_of_a_photo_is_the_buckets_and_opens_it(ask, wall, cleo, bucket):
    cleo.send_and_process(drawn_pictures.jpeg())
    Image.objects.update(moderation="approved")
    [shown] = ask()["round"]
    assert get(shown["url"]).status == 200
    assert wall.token not in shown["url"]
    assert ask()["round"][0]["url"] == shown["url"]


def test_before_they_are_revealed_nobody_sees_photos(client, ask, wall, group):
    photo(group)
    group.reveal_at = timezone.now() + timedelta(hours=1)
    group.save()
    found = ask()
    assert (found["arrivals"], found["round"]) == ([], [])
    assert "The photos are shown here from" in client.get(address(wall)).content.decode()
    group.reveal_at = timezone.now()
    group.save()
    assert len(ask()["round"]) == 1


@pytest.mark.parametrize("decision", ["reject", "wait", "trash", "move"])
def test_what_a_host_takes_away_is_gone_with_the_next_answer(ask, group, decision):
    image, other = photo(group), photo(group)
    Image.objects.update(updated_at=Now() - LONG_AGO)
    assert ask(shows=image.pk)["stays"]
    if decision == "trash":
        trash.put(image)
    elif decision == "move":
        elsewhere = InvitationFactory(group__team=group.team).group
        Image.objects.filter(pk=image.pk).update(group=elsewhere)
    else:
        moderation.moderate([image.pk], decision, by=None)
    found = ask(shows=image.pk)
    assert not found["stays"]
    assert ids(found["round"]) == ids(found["arrivals"]) == [str(other.pk)]


def test_a_photo_on_the_screen_stays_though_the_window_has_gone_on(ask, group):
    images = [photo(group) for _ in range(wall_photos.WINDOW + 3)]
    Image.objects.update(first_on_wall_at=timezone.now() - LONG_AGO)
    found = ask()
    assert str(images[0].pk) not in ids(found["round"])
    assert ask(shows=images[0].pk)["stays"]
    assert not ask(shows=InvitationFactory().pk)["stays"]
    assert not ask(shows="nonsense")["stays"]


# --- In which order -------------------------------------------------------------------------


def test_the_round_leads_past_every_photo_once(ask, group):
    count = 2 * wall_photos.WINDOW + 5
    images = [str(photo(group).pk) for _ in range(count)]
    seen, after = [], None
    for _ in range(3):
        found = ask(**({"after": after} if after else {}))
        seen += ids(found["round"])
        after = found["next"]
    assert seen[:count] == images[::-1]
    assert seen[count:] == images[::-1][: len(seen) - count]  # and begins again


def test_a_small_group_is_one_window(ask, group):
    images = {str(photo(group).pk) for _ in range(wall_photos.WINDOW)}
    found = ask()
    assert set(ids(found["round"])) == images
    assert found["next"] is None


@pytest.mark.parametrize("after", ["nonsense", "2026-06-21T20:00:00~x", "~" * 500, "\0"])
def test_a_place_that_is_none_begins_the_round_anew(ask, group, after):
    image = photo(group)
    assert ids(ask(after=after)["round"]) == [str(image.pk)]


def test_uploaders_take_turns(ask, group):
    people = {name: new_id() for name in ["Cleo", "Emil", "Gus"]}
    for name, count in [("Cleo", 1), ("Emil", 4), ("Gus", 2)]:
        for _ in range(count):
            photo(group, uploader_name=name, uploader=UploaderKey("personal", str(people[name])))
    names = [each["by"] for each in ask()["round"]]
    assert names == ["Gus", "Emil", "Cleo", "Gus", "Emil", "Emil", "Emil"]


def test_what_was_on_no_wall_yet_arrives_first_and_on_other_walls_soon_after(
    client, ask, group, wall
):
    old = photo(group, first_on_wall_at=timezone.now() - LONG_AGO)
    first, second = photo(group), photo(group)
    found = ask()
    assert ids(found["arrivals"]) == [str(second.pk), str(first.pk)]
    assert str(old.pk) in ids(found["round"])
    body = json.dumps({"ids": [str(second.pk)]})
    assert client.post(address(wall, "shown/"), body, "application/json").status_code == 204
    found = ask()
    assert ids(found["arrivals"]) == [str(first.pk), str(second.pk)]
    assert [each["is_new"] for each in found["arrivals"]] == [True, False]
    Image.objects.filter(pk=second.pk).update(first_on_wall_at=timezone.now() - LONG_AGO)
    assert ids(ask()["arrivals"]) == [str(first.pk)]


# --- What it says ---------------------------------------------------------------------------


def test_it_says_which_photos_it_shows_and_the_first_time_counts(client, wall, group):
    image, pending = photo(group), photo(group, moderation="pending")
    strange = photo(InvitationFactory().group)
    before = image.updated_at
    body = json.dumps({"ids": [str(each.pk) for each in (image, pending, strange)]})
    assert client.post(address(wall, "shown/"), body, "application/json").status_code == 204
    image.refresh_from_db()
    first = image.first_on_wall_at
    assert first is not None
    assert image.updated_at == before
    assert client.post(address(wall, "shown/"), body, "application/json").status_code == 204
    image.refresh_from_db()
    assert image.first_on_wall_at == first
    assert not Image.objects.exclude(pk=image.pk).exclude(first_on_wall_at=None).exists()


def test_whoever_sent_it_is_told_while_a_wall_shows_it_and_later(
    client, wall, cleo, bucket, monkeypatch
):
    monkeypatch.setattr(uploads, "OVERLAP", timedelta(0))
    image = cleo.send_and_process(drawn_pictures.jpeg())
    moderation.moderate([image.pk], "approve", by=None)
    receipt = cleo.client.get("/api/v1/uploads/").json()
    assert receipt["results"][0]["gallery"] is None  # other guests are shown nothing
    client.get(address(wall, "photos/"))
    body = json.dumps({"ids": [str(image.pk)]})
    client.post(address(wall, "shown/"), body, "application/json")

    since = {"updated_since": receipt["next_updated_since"]}
    [line] = cleo.client.get("/api/v1/uploads/", since).json()["results"]
    assert line["gallery"] == "on-wall"
    assert line["photo"]["etag"] == receipt["results"][0]["photo"]["etag"]

    def told():
        return cleo.client.get("/api/v1/uploads/").json()["results"][0]["gallery"]

    walls.end(wall)
    assert told() == "was-on-wall"
    moderation.moderate([image.pk], "reject", by=None)
    assert told() is None


def test_the_upload_page_says_that_there_is_a_wall(client, wall, cleo, signed_in, ada, group):
    pages = [
        lambda: client.get(f"/i/{cleo.invitation.token}/").content.decode(),
        lambda: signed_in(ada).get(f"/groups/{group.pk}/add/").content.decode(),
    ]
    for page in pages:
        assert "A screen at the event shows approved photos, too." in page()
        assert "data-wall" in page()
    walls.end(wall)
    for page in pages:
        assert "A screen at the event" not in page()
        assert "data-wall" not in page()


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "null",
        "nonsense",
        '{"ids": []}',
        '{"ids": "x"}',
        '{"ids": [1]}',
        '{"ids": ["x"]}',
        "[" * 3000,
        json.dumps({"ids": ["0190b1a0-0000-7000-8000-000000000000"] * 21}),
        json.dumps({"ids": ["0190b1a0-0000-7000-8000-000000000000"], "more": "x" * 5000}),
    ],
)
def test_what_it_says_is_checked(client, wall, body):
    answer = client.post(address(wall, "shown/"), body, "application/json")
    assert answer.status_code == 400


# --- What it costs --------------------------------------------------------------------------


def settle():
    """As if the last change were two minutes ago."""
    since, then = Now() - timedelta(minutes=1), Now() - timedelta(minutes=2)
    Image.objects.filter(updated_at__gt=since).update(updated_at=then)
    Tombstone.objects.filter(removed_at__gt=since).update(removed_at=then)


def test_while_nothing_changes_an_answer_is_one_query_and_no_body(
    client, wall, group, django_assert_num_queries
):
    image = photo(group)
    settle()
    first = client.get(address(wall, "photos/"))
    with django_assert_num_queries(1):
        again = client.get(
            address(wall, "photos/"), {"shows": image.pk}, headers={"If-None-Match": first["ETag"]}
        )
    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"] == first["ETag"]


def test_a_whole_answer_is_few_queries_however_many_photos_there_are(
    client, wall, group, django_assert_num_queries
):
    for _ in range(30):
        photo(group)
    client.get(address(wall, "photos/"))
    with django_assert_num_queries(3):
        client.get(address(wall, "photos/"))


def test_whatever_changes_makes_another_answer(client, wall, group, shared):
    image = photo(group)
    changes = [
        lambda: moderation.moderate([image.pk], "reject", by=None),
        lambda: trash.put(image),
        lambda: type(group).objects.update(name="Winter concert"),
        lambda: ShortAddress.objects.create(word="summer", invitation=shared),
        lambda: shared.__class__.objects.update(revoked_at=timezone.now()),
        lambda: image.delete(),  # a tombstone remains
    ]
    settle()
    etag = client.get(address(wall, "photos/"))["ETag"]
    for change in changes:
        change()
        settle()
        answer = client.get(address(wall, "photos/"), headers={"If-None-Match": etag})
        assert answer.status_code == 200
        etag = answer["ETag"]
        again = client.get(address(wall, "photos/"), headers={"If-None-Match": etag})
        assert again.status_code == 304


def test_a_change_that_is_seen_late_is_not_missed(client, wall, group):
    """It is dated before another one, and committed after it."""
    late, other = photo(group), photo(group)
    Image.objects.filter(pk=other.pk).update(updated_at=Now())
    first = client.get(address(wall, "photos/"))
    Image.objects.filter(pk=late.pk).update(
        moderation="rejected", updated_at=Now() - timedelta(seconds=20)
    )
    headers = {"If-None-Match": first["ETag"]} if first.has_header("ETag") else {}
    answer = client.get(address(wall, "photos/"), headers=headers)
    assert ids(answer.json()["round"]) == [str(other.pk)]


def test_when_it_was_seen_is_written_once_a_minute(ask, wall, django_assert_num_queries):
    ask()
    first = Wall.objects.get().seen_at
    assert first is not None
    ask()
    assert Wall.objects.get().seen_at == first
    Wall.objects.update(seen_at=timezone.now() - LONG_AGO)
    ask()
    assert Wall.objects.get().seen_at > first
