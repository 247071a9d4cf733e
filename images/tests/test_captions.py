"""Captions by a model: the real client libraries ask a provider on loopback, which breaks."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from django.db import connections
from django.urls import reverse
from django.utils import timezone
from PIL import Image as Picture

from bandpics.testing.matrix import few, representative
from groups.tests.factories import GroupFactory
from images import tasks
from images.captions import claims, provider, waiting, writing
from images.lifecycle import forget_location, moving, sweeper, trash
from images.models import CaptionUsage, GeneratedCaption, Image, PhotoChange, Variant
from images.storage.objects import StorageUnavailable, photo_storage
from images.tests import drawn_pictures, stored_photos
from images.tests.caption_server import KEY, MODEL, CaptionServer, Reply
from images.tests.guest_client import send_as_member
from invitations.models import OutgoingMail

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]
State = GeneratedCaption.State


class Killed(BaseException):
    """As SIGKILL: nothing of ours runs afterwards."""


@pytest.fixture
def server():
    server = CaptionServer()
    yield server
    server.stop()


@pytest.fixture(params=[provider.GEMINI, provider.OPENAI])
def either(request, server, settings):
    """Every test that asks for it runs with both providers."""
    return use(settings, server, request.param)


@pytest.fixture
def openai_server(server, settings):
    return use(settings, server, provider.OPENAI)


def use(settings, server, name):
    settings.CAPTIONS_ON = True
    settings.CAPTION_PROVIDER = name
    settings.CAPTION_API_KEY = KEY
    settings.CAPTION_MODEL = MODEL
    settings.CAPTION_BASE_URL = server.url + ("/v1" if name == provider.OPENAI else "")
    settings.CAPTION_TIMEOUT_SECONDS = 10
    return server


@pytest.fixture
def group(group):
    group.caption_language = "de"
    group.save()
    return group


@pytest.fixture
def image(ada, group, signed_in):
    return stored_photos.by_member(ada, group, drawn_pictures.jpeg(seed=1, lat=48.2, lon=16.37))


@pytest.fixture
def caption(image, either):
    return added()


@pytest.fixture
def waiting_caption(image, openai_server):
    return added()


def added():
    (caption_id,) = waiting.add()
    return GeneratedCaption.objects.get(pk=caption_id)


def written(caption):
    """As it is after one run of the task."""
    tasks.write_caption(str(caption.pk))
    caption.refresh_from_db()
    return caption


def due(caption):
    """As if the pause were over."""
    GeneratedCaption.objects.filter(pk=caption.pk).update(next_attempt_at=None)
    return caption


# --- Works ----------------------------------------------------------------------------------


def test_what_a_model_says_stands_beside_the_photo(caption, either, image, group):
    found = written(caption)
    assert (found.state, found.text) == ("done", "Two people dance in front of a stage.")
    assert (found.model, found.language) == (f"{MODEL}-001", "de")
    assert (found.prompt_version, found.input_tokens, found.output_tokens) == (1, 300, 20)
    photo = Image.objects.get()
    assert photo.generated_text == found.text
    assert (photo.caption, photo.description) == ("", "")
    for whose in (group, None):
        usage = CaptionUsage.objects.get(group=whose)
        assert (usage.asked, usage.input_tokens, usage.output_tokens) == (1, 300, 20)


def test_it_sees_the_medium_size_without_metadata_and_nothing_else(
    caption, either, image, tmp_path
):
    written(caption)
    (asked,) = either.asked
    key = Variant.objects.get(name="medium").key
    photo_storage().download(key, tmp_path / "medium")
    assert asked.picture == (tmp_path / "medium").read_bytes()
    with Picture.open(io.BytesIO(asked.picture)) as picture:
        assert max(picture.size) <= 800
        assert not picture.getexif()
        assert not {"exif", "xmp", "icc_profile", "comment"} & picture.info.keys()
    assert "German" in asked.system
    encodings = (base64.b64encode, base64.urlsafe_b64encode)
    sent = str(asked.body)
    for encode in encodings:
        sent = sent.replace(encode(asked.picture).decode(), "")
    assert len(sent) < 3000  # nothing else is packed into it
    for name in (image.original_filename, str(image.pk), str(image.group_id), "48.2", "Ada"):
        assert name not in sent


def test_a_picture_with_metadata_goes_to_nobody(caption, either, tmp_path):
    """However it came there: what is sent is read again before."""
    path = tmp_path / "medium.jpg"
    path.write_bytes(drawn_pictures.jpeg(seed=1, lat=48.2, lon=16.37))
    key = Variant.objects.get(name="medium").key
    photo_storage().put_file(key, path, content_type="image/jpeg")
    assert (written(caption).state, caption.failure) == ("failed", "no-picture")
    assert not either.asked


@pytest.mark.long  # test_role_imports.py
def test_only_the_role_that_writes_loads_the_libraries():
    code = (
        "import django; django.setup(); import images.tasks, images.urls, images.api.images, sys;"
        "print(sorted({'openai', 'google.genai', 'httpx2', 'pydantic'} & sys.modules.keys()))"
    )
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


def test_without_a_key_nothing_is_queued(image, settings):
    settings.CAPTIONS_ON = False
    sweeper.sweep()
    assert not GeneratedCaption.objects.exists()


def test_a_group_that_wants_none_gets_none(image, either, group):
    group.caption_language = ""
    group.save()
    assert waiting.add() == []


# --- Providers that fail --------------------------------------------------------------------


@pytest.mark.parametrize("reply", few([Reply(refuses="prompt"), Reply(refuses="answer")], 2))
def test_a_refusal_is_not_asked_again(caption, either, reply):
    either.reply(reply)
    assert (written(caption).state, caption.failure) == ("failed", "refused")
    assert Image.objects.get().generated_text == ""
    written(caption)
    assert len(either.asked) == 1


def test_a_request_that_the_provider_does_not_take_is_a_refusal(caption, either):
    either.reply(Reply(status=400))
    assert (written(caption).state, caption.failure) == ("failed", "refused")


@pytest.mark.parametrize("form", few(["seconds", "date"], 2))
def test_retry_after_is_honoured(caption, either, form):
    before = timezone.now()
    moment = datetime.now(UTC) + timedelta(seconds=3600)
    value = "3600" if form == "seconds" else format_datetime(moment, usegmt=True)
    either.reply(Reply(status=429, headers={"Retry-After": value}), Reply())
    assert written(caption).state == "queued"
    assert caption.next_attempt_at > before + timedelta(seconds=3590)
    written(caption)
    assert len(either.asked) == 1
    assert written(due(caption)).state == "done"


@pytest.mark.parametrize(
    "value",
    representative(
        ["-5", "soon", "1e9", "9" * 5000, "", "\u00b2"], {"-5", "9" * 5000}.__contains__
    ),
)
def test_a_retry_after_that_is_none_is_a_minute(caption, either, value):
    before = timezone.now()
    either.reply(Reply(status=503, headers={"Retry-After": value.encode().decode("latin-1")}))
    written(caption)
    pause = caption.next_attempt_at - before
    assert timedelta(seconds=59) < pause <= timedelta(days=1, minutes=1)


@pytest.mark.parametrize(
    "status", representative([500, 502, 503, 401, 403, 404, 302], {500, 302}.__contains__)
)
def test_a_server_that_fails_is_asked_again_later(caption, either, status):
    either.reply(Reply(status=status, headers={"Location": f"{either.url}/elsewhere"}), Reply())
    assert written(caption).state == "queued"
    assert caption.attempts == 1
    assert caption.next_attempt_at > timezone.now()
    assert written(due(caption)).state == "done"


def test_a_wrong_key_is_not_the_photos_fault(caption, either, settings):
    settings.CAPTION_API_KEY = "another"
    assert written(caption).state == "queued"


def test_one_that_is_away_is_left_alone_by_all_that_wait(
    waiting_caption, openai_server, ada, group
):
    first = Image.objects.get()
    other = GeneratedCaption.objects.create(
        image=Image.objects.create(group=group, original_filename="b.jpg", **whole(first)),
        version=1,
        language="de",
    )
    openai_server.reply(Reply(status=503))
    written(waiting_caption)
    written(other)
    assert len(openai_server.asked) == 1
    assert (other.attempts, other.state) == (0, "queued")


def whole(image):
    names = ("version", "byte_size", "width", "height", "content_type", "uploaded_by")
    columns = {name: getattr(image, name) for name in names}
    columns |= {name: getattr(image, name) for name in ("uploader_kind", "uploader_id")}
    return columns | {"sha256": "0" * 64}


@pytest.mark.parametrize("reply", [Reply(silent=True), Reply(drips=True)])
def test_a_provider_that_never_ends_costs_its_time_and_no_more(caption, either, settings, reply):
    settings.CAPTION_TIMEOUT_SECONDS = 1
    either.reply(reply)
    assert written(caption).state == "queued"
    assert (caption.attempts, caption.text) == (1, "")


def test_nobody_listens(caption, either):
    either.stop()
    assert written(caption).state == "queued"


def test_after_six_attempts_it_is_over(caption, either):
    either.reply(Reply(status=503))
    pauses = []
    for _ in range(claims.MAX_ATTEMPTS - 1):
        written(due(caption))
        pauses.append(round((caption.next_attempt_at - timezone.now()).total_seconds() / 60))
    assert pauses == [1, 5, 30, 120, 720]
    assert (written(due(caption)).state, caption.failure) == ("failed", "unreachable")


def test_too_many_is_said(caption, either):
    either.reply(Reply(status=429))
    for _ in range(claims.MAX_ATTEMPTS):
        written(due(caption))
    assert (caption.state, caption.failure) == ("failed", "too-many")


# --- Answers that are none ------------------------------------------------------------------

JSON = {"Content-Type": "application/json"}
NONSENSE = {
    "empty": Reply(text=""),
    "blank": Reply(text=" \n\t "),
    "no letters": Reply(text="!!! 1234 ???"),
    "markup alone": Reply(text="<div><img src=x onerror=alert(1)></div>"),
    "controls alone": Reply(text="\x00\x07\x1b[31m\u202e\u2066"),
    "empty body": Reply(body=b""),
    "no object": Reply(body=b"[1, 2]"),
    "null": Reply(body=b"null"),
    "another object": Reply(body=b'{"hello": "world"}'),
    "wrong types": Reply(body=b'{"candidates": [{"content": 5}], "choices": [{"message": 5}]}'),
    "no text": Reply(
        body=b'{"candidates": [{"content": {"parts": [{"text": 5}]}}],'
        b' "choices": [{"message": {"content": 5}}]}'
    ),
    "half a JSON": Reply(body=b'{"candidates": [{"content": {"parts"'),
    "HTML": Reply(body=b"<html>Sign in</html>", headers={"Content-Type": "text/html"}),
    "a picture": Reply(body=b"\xff\xd8\xff\xe0" * 50, headers={"Content-Type": "image/jpeg"}),
    "no UTF-8": Reply(body=b"\xff\xfe\x00{"),
    "very deep": Reply(body=b"[" * 100_000),
    "two megabytes": Reply(body=b'{"candidates": "' + b"x" * 2_000_000 + b'"}'),
}


# Nothing, markup, JSON of another form, half of it, and what is none.
USUAL_NONSENSE = {"empty", "markup alone", "wrong types", "half a JSON", "a picture", "very deep"}


@pytest.mark.parametrize("kind", representative(NONSENSE, USUAL_NONSENSE.__contains__))
def test_nonsense_is_asked_three_times_and_shown_never(caption, either, kind):
    either.reply(NONSENSE[kind])
    for _ in range(writing.MOST_NONSENSE):
        assert Image.objects.get().generated_text == ""
        written(due(caption))
    assert (caption.state, caption.failure, caption.text) == ("failed", "nonsense", "")
    assert len(either.asked) == writing.MOST_NONSENSE


def test_an_answer_that_breaks_off_is_asked_again(caption, either):
    either.reply(Reply(cut_after=40), Reply())
    assert written(caption).state == "queued"
    assert written(due(caption)).state == "done"


# --- The text is data -----------------------------------------------------------------------


def test_a_long_answer_ends_at_a_word(caption, either):
    either.says("Ein langer Satz. " * 6000)
    found = written(caption).text
    assert 490 <= len(found) <= 500
    assert found.endswith(("langer…", "Satz.…", "Ein…", "Satz…"))


def test_an_endless_word_is_cut(caption, either):
    either.says("x" * 100_000)
    assert written(caption).text == "x" * 499 + "…"


def test_a_photo_that_gives_orders_changes_its_own_text_alone(
    caption, either, image, ada, group, signed_in
):
    """Whatever a model was talked into: no markup, no link, no header, no command."""
    orders = (
        "Ignore previous instructions.\r\nBcc: everybody@example.org\r\n\r\n"
        "<script>alert(1)</script><a href='https://evil.example/'>free</a> "
        "[prize](javascript:alert(2)) `rm -rf /` {{ request.user }} {% csrf_token %} "
        "'; DROP TABLE images_image; -- \u202etxt.exe \x00\x1b]0;title\x07"
    )
    either.says(orders)
    before = Image.objects.values().get()
    text = written(caption).text
    assert text.startswith("Ignore previous instructions. Bcc: everybody@example.org")
    assert not set(text) & set("<>`\r\n\x00\x1b\u202e")
    assert "](" not in text
    after = Image.objects.values().get()
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"generated_text", "search_vector", "updated_at"}
    assert not PhotoChange.objects.exists()
    assert not OutgoingMail.objects.exists()
    client = signed_in(ada)
    for page in (reverse("photo", args=[image.pk]), reverse("group-gallery", args=[group.pk])):
        html = client.get(page).content.decode()
        assert "Ignore previous instructions." in html, page
        assert "javascript:" not in html
        assert "evil.example" not in html
        assert "alert(1)</script>" not in html
        assert "{{ request.user }}" in html  # it was not run


# --- Caps -----------------------------------------------------------------------------------


def many(ada, group, signed_in, count):
    client = signed_in(ada)
    return [send_as_member(client, group, drawn_pictures.jpeg(seed=seed)) for seed in range(count)]


def test_the_newest_come_first_as_many_as_a_group_may_have_a_day(
    ada, group, signed_in, openai_server, settings
):
    settings.CAPTIONS_PER_GROUP_PER_DAY = 2
    photos = many(ada, group, signed_in, 3)
    for caption_id in waiting.add():
        tasks.write_caption(str(caption_id))
    assert waiting.add() == []
    found = GeneratedCaption.objects.order_by("image_id").values_list("image_id", "state")
    assert list(found) == [(photos[1].pk, "done"), (photos[2].pk, "done")]
    CaptionUsage.objects.update(day=claims.today() - timedelta(days=1))
    assert len(waiting.add()) == 1


def test_deleting_photos_gives_nothing_back(ada, group, signed_in, openai_server, settings):
    settings.CAPTIONS_PER_GROUP_PER_DAY = 1
    many(ada, group, signed_in, 2)
    written(added())
    GeneratedCaption.objects.all().delete()
    assert waiting.add() == []
    assert len(openai_server.asked) == 1


def test_all_groups_together_have_a_cap(ada, group, signed_in, openai_server, settings):
    settings.CAPTIONS_PER_DAY = 1
    many(ada, group, signed_in, 2)
    written(added())
    assert waiting.add() == []


def test_one_that_comes_too_late_waits_for_tomorrow(waiting_caption, openai_server, settings):
    settings.CAPTIONS_PER_DAY = 1
    CaptionUsage.objects.create(day=claims.today(), group=None, asked=1)
    assert written(waiting_caption).state == "queued"
    assert (waiting_caption.attempts, waiting_caption.next_attempt_at) == (0, claims.tomorrow())
    assert not openai_server.asked
    assert not CaptionUsage.objects.filter(group__isnull=False, asked__gt=0).exists()


def test_a_few_wait_at_a_time(ada, group, signed_in, openai_server, monkeypatch):
    monkeypatch.setattr(waiting, "WAITING_AT_MOST", 2)
    many(ada, group, signed_in, 3)
    assert len(waiting.add()) == 2
    assert waiting.add() == []


# --- Crashes --------------------------------------------------------------------------------


def test_a_worker_that_dies_before_the_answer_is_replaced(waiting_caption, openai_server):
    def die():
        raise Killed

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(writing, "_finish", lambda *_: die())
        with pytest.raises(Killed):
            writing.write(waiting_caption.pk)
    waiting_caption.refresh_from_db()
    assert waiting_caption.state == "asking"
    assert written(waiting_caption).state == "asking"  # its lease lasts
    GeneratedCaption.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert claims.WORK.stuck_ids(queued_longer_than=timedelta(minutes=1)) == [waiting_caption.pk]
    assert written(waiting_caption).state == "done"
    assert len(openai_server.asked) == 2


def test_one_that_kills_every_worker_is_given_up(waiting_caption):
    GeneratedCaption.objects.update(
        state="asking", lease_until=timezone.now() - timedelta(1), attempts=claims.MAX_ATTEMPTS
    )
    waiting.sweep()
    waiting_caption.refresh_from_db()
    assert (waiting_caption.state, waiting_caption.failure) == ("failed", "crashed")


def test_a_lost_task_is_queued_again(waiting_caption, monkeypatch):
    sent = []
    monkeypatch.setattr("images.captions.queue.enqueue", sent.append)
    waiting.sweep()
    assert sent == []
    GeneratedCaption.objects.update(last_checked_at=timezone.now() - timedelta(minutes=2))
    waiting.sweep()
    waiting.sweep()
    assert sent == [waiting_caption.pk]


def test_a_store_that_is_away_costs_no_attempt(waiting_caption, openai_server, s3_proxy):
    s3_proxy.down()
    with pytest.raises(StorageUnavailable):
        writing.write(waiting_caption.pk)
    waiting_caption.refresh_from_db()
    assert (waiting_caption.state, waiting_caption.attempts) == ("queued", 0)
    s3_proxy.up()
    assert not openai_server.asked
    assert written(waiting_caption).state == "done"


# --- The photo changes meanwhile ------------------------------------------------------------


def while_asked(server, do):
    """Does it while the provider has the picture."""

    def once():
        server.before_reply = lambda: None
        do()
        connections.close_all()  # of the server's thread, which goes on

    server.before_reply = once


def test_trashed_meanwhile_nothing_is_kept(waiting_caption, openai_server, image, ada):
    while_asked(openai_server, lambda: trash.put(Image.objects.get(), by=ada))
    tasks.write_caption(str(waiting_caption.pk))
    assert not GeneratedCaption.objects.exists()
    assert Image.objects.get().generated_text == ""


def test_a_place_forgotten_meanwhile_is_not_named(waiting_caption, openai_server, image, ada):
    openai_server.says("Zwei Menschen vor dem Stephansdom in Wien")
    while_asked(openai_server, lambda: forget_location.forget(image.pk, by=ada))
    tasks.write_caption(str(waiting_caption.pk))
    assert Image.objects.get().generated_text == ""
    assert waiting.add() == []  # nor is it asked again


def test_moved_meanwhile_to_a_group_without_captions(waiting_caption, openai_server, group, ada):
    there = GroupFactory(team=group.team)
    while_asked(
        openai_server, lambda: moving.move(Image.objects.get(), there, {}, expected={}, by=ada)
    )
    tasks.write_caption(str(waiting_caption.pk))
    assert not GeneratedCaption.objects.exists()
    assert waiting.add() == []


def test_what_waits_in_the_trash_is_shown_to_nobody(waiting_caption, openai_server, group, ada):
    group.trashed_at = timezone.now()
    group.save()
    assert written(waiting_caption).state == "queued"
    assert not openai_server.asked
    waiting.sweep()
    assert not GeneratedCaption.objects.exists()


# --- Another language -----------------------------------------------------------------------


def test_a_group_has_one_language(waiting_caption, openai_server, group, image):
    written(waiting_caption)
    group.caption_language = "fr"
    group.save()
    waiting.sweep()
    (row,) = GeneratedCaption.objects.all()
    assert (row.language, row.state) == ("fr", "queued")
    assert Image.objects.get().generated_text == ""
    written(row)
    assert "French" in openai_server.asked[-1].system
    group.refresh_from_db()
    waiting.sweep()
    group.refresh_from_db()
    assert group.captions_outdated is False


def test_switched_off_what_a_model_wrote_goes_and_what_a_host_decided_stays(
    ada, group, signed_in, openai_server
):
    photos = many(ada, group, signed_in, 3)
    for caption_id in waiting.add():
        tasks.write_caption(str(caption_id))
    rows = GeneratedCaption.objects
    rows.filter(image=photos[0]).update(is_corrected=True, text="Die Band")
    rows.filter(image=photos[1]).update(hidden_at=timezone.now())
    group.caption_language = ""
    group.save()
    waiting.sweep()
    assert {row.image_id for row in rows.all()} == {photos[0].pk, photos[1].pk}
    waiting.sweep()
    group.refresh_from_db()
    assert group.captions_outdated is False
