"""Where a generated caption is shown, to whom, and what hosts decide about it."""

from __future__ import annotations

import json

import pytest
from django.core.checks import run_checks
from django.urls import reverse
from django.utils import timezone

from bandpics.testing.matrix import few
from groups.models import Group
from images.captions import checks, waiting
from images.lifecycle import walls
from images.models import GeneratedCaption, Image, PhotoChange
from images.tests import bulk_rows
from images.tests.guest_client import Guest
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]

SIZES = ("thumb", "tile", "medium", "fullsize")
WORDS = "Zwei Menschen tanzen vor einer Bühne."
KNOWN = {"text": WORDS, "model": "vision-1", "language": "de", "is_corrected": False}


@pytest.fixture
def image(group):
    return captioned(group, uploader_name="Cleo")


def captioned(group, text=WORDS, **columns):
    image = bulk_rows.photo(group, variants=SIZES, **columns)
    caption_of(image, text=text)
    return image


def caption_of(image, **more):
    columns = {"language": "de", "text": WORDS, "state": "done", "model": "vision-1", **more}
    return GeneratedCaption.objects.create(image=image, version=1, **columns)


@pytest.fixture
def host(ada, signed_in):
    client = signed_in(ada)
    client.default_format = "multipart"
    return client


@pytest.fixture
def gus(group):
    """A guest who sees the gallery, and sent nothing."""
    Group.objects.update(visibility="gallery")
    return Guest(InvitationFactory(group=group, name="Gus"))


def api(image, more=""):
    return f"/api/v1/images/{image.pk}/{more}"


def patch(client, image, **body):
    path = api(image, "generated-caption/")
    return client.patch(path, json.dumps(body), content_type="application/json")


def page_of(image, name="photo"):
    return reverse(name, args=[image.pk])


def html(client, path, status=200):
    answer = client.get(path)
    assert answer.status_code == status, path
    return answer.content.decode()


def kinds():
    return list(PhotoChange.objects.order_by("created_at").values_list("kind", flat=True))


# --- Shown ----------------------------------------------------------------------------------


def test_the_api_says_what_a_model_wrote(image, host, gus):
    for client in (host, gus.client):
        assert client.get(api(image)).json()["generated_caption"] == KNOWN
        (row,) = client.get("/api/v1/images/").json()["results"]
        assert row["generated_caption"] == KNOWN
        assert (row["caption"], row["description"]) == ("", "")


@pytest.mark.parametrize(
    "columns", [{"hidden_at": timezone.now()}, {"state": "failed", "text": ""}]
)
def test_what_is_hidden_or_failed_is_null(image, host, gus, columns):
    GeneratedCaption.objects.update(**columns)
    for client in (host, gus.client):
        assert client.get(api(image)).json()["generated_caption"] is None
        (row,) = client.get("/api/v1/images/").json()["results"]
        assert row["generated_caption"] is None


def test_who_does_not_see_the_photo_does_not_see_it(image, dora, signed_in, gus, group):
    assert signed_in(dora).get(api(image)).status_code == 404
    Image.objects.update(moderation="pending")
    assert gus.client.get(api(image)).status_code == 404
    assert gus.client.get("/api/v1/images/", {"q": "Bühne"}).json()["results"] == []


def test_it_is_the_alternative_text_wherever_nobody_wrote_one(image, host, gus, group, ada, client):
    alt = f'alt="{WORDS}"'
    token = gus.invitation.token
    wall = walls.make(group, name="Hall", invitation=gus.invitation, by=ada)
    assert alt in html(host, page_of(image))
    assert alt in html(host, reverse("group-gallery", args=[group.pk]))
    assert alt in html(client, f"/i/{token}/photos/")
    guests = html(client, f"/i/{token}/photos/{image.pk}/")
    assert alt in guests
    assert "Written by a model" in guests
    (shown,) = client.get(f"/w/{wall.token}/photos/").json()["arrivals"]
    assert shown["alt"] == WORDS


@pytest.mark.parametrize("name", ["caption", "description"])
def test_it_never_stands_in_for_a_persons_words(image, host, gus, group, ada, client, name):
    Image.objects.update(**{name: "The encore"})
    wall = walls.make(group, name="Hall", invitation=gus.invitation, by=ada)
    token = gus.invitation.token
    for who, path in [
        (host, page_of(image)),
        (host, reverse("group-gallery", args=[group.pk])),
        (client, f"/i/{token}/photos/"),
    ]:
        shown = html(who, path)
        assert 'alt="The encore"' in shown
        assert f'alt="{WORDS}"' not in shown
    (shown,) = client.get(f"/w/{wall.token}/photos/").json()["arrivals"]
    assert shown["alt"] == "The encore"
    # Beside them it is told, and told apart.
    for who, path in [(host, page_of(image)), (client, f"/i/{token}/photos/{image.pk}/")]:
        shown = html(who, path)
        assert shown.index("The encore</p>") < shown.index(WORDS) < shown.rindex("Written by a")


def test_it_is_found_by_its_words(image, host, gus, group):
    captioned(group, text="Ein leerer Saal")
    for client in (host, gus.client):
        found = client.get("/api/v1/images/", {"q": "tanzen bühn"}).json()["results"]
        assert [each["id"] for each in found] == [str(image.pk)]
    GeneratedCaption.objects.update(hidden_at=timezone.now())
    assert host.get("/api/v1/images/", {"q": "tanzen"}).json()["results"] == []
    assert gus.client.get("/api/v1/images/", {"q": "tanzen"}).json()["results"] == []


def test_markup_in_it_is_letters(group, host, client, gus):
    """Even if it came past everything that cleans it."""
    evil = '"><script>alert(1)</script><a href="javascript:alert(2)">x</a>'
    image = captioned(group, text=evil)
    token = gus.invitation.token
    for who, path in [
        (host, page_of(image)),
        (host, reverse("group-gallery", args=[group.pk])),
        (client, f"/i/{token}/photos/"),
        (client, f"/i/{token}/photos/{image.pk}/"),
    ]:
        shown = html(who, path)
        assert "<script>alert" not in shown
        assert 'href="javascript' not in shown
        assert "&lt;script&gt;alert" in shown


# --- A host decides, by the API -------------------------------------------------------------


def test_a_host_corrects_it(image, host, ada):
    answer = patch(host, image, text="Ada und Ben\u202e tanzen\n<b>vor der Bühne</b>.")
    assert answer.status_code == 200, answer.json()
    assert answer.json()["text"] == "Ada und Ben tanzen vor der Bühne ."
    shown = host.get(api(image)).json()["generated_caption"]
    assert shown["is_corrected"] is True
    assert Image.objects.get().generated_text == shown["text"]
    assert kinds() == ["generated_caption"]
    assert "corrected what a model wrote" in html(host, page_of(image))


def test_a_host_hides_it_and_shows_it_again(image, host):
    for hidden in (True, True, False, False):
        answer = patch(host, image, is_hidden=hidden)
        assert (answer.status_code, answer.json()["is_hidden"]) == (200, hidden)
        assert Image.objects.get().generated_text == ("" if hidden else WORDS)
    assert kinds() == ["caption_hidden", "caption_shown"]


def test_a_host_is_told_why_there_is_none(image, host):
    GeneratedCaption.objects.update(state="failed", failure="refused", text="")
    told = host.get(api(image, "generated-caption/")).json()
    assert (told["state"], told["failure"]) == ("failed", "refused")
    assert patch(host, image, text="The band").status_code == 409
    GeneratedCaption.objects.all().delete()
    answer = host.get(api(image, "generated-caption/"))
    assert answer.status_code == 409
    assert answer.json()["type"].endswith("/problems/no-generated-caption/")


def test_others_decide_nothing(image, ben, vera, dora, gus, signed_in, client):
    for who, status in [
        *((signed_in(ben), 403), (signed_in(vera), 403), (signed_in(dora), 404)),
        *((gus.client, 403), (client, 401)),
    ]:
        assert patch(who, image, is_hidden=True).status_code == status
        assert who.get(api(image, "generated-caption/")).status_code == status
    assert Image.objects.get().generated_text == WORDS


@pytest.mark.parametrize(
    ("body", "field"),
    few(
        [
            ({"text": "x" * 501}, "text"),
            ({"text": ""}, "text"),
            ({"text": "<br>"}, "text"),
            ({"text": 5.5e9, "is_hidden": "perhaps"}, "is_hidden"),
            ({"txt": "x"}, "txt"),
        ],
        2,
    ),
)
def test_bad_input_is_refused_with_its_field(image, host, body, field):
    answer = patch(host, image, **body)
    assert answer.status_code == 400
    assert f"/{field}" in str(answer.json())
    assert Image.objects.get().generated_text == WORDS


# --- A host decides, on the page ------------------------------------------------------------


def decide(client, image, **fields):
    return client.post(page_of(image, "decide-caption"), {"seen": WORDS, **fields})


def test_the_page_corrects_hides_and_shows(image, host, client, gus):
    assert decide(host, image, action="correct", text="Das Finale").status_code == 302
    shown = html(host, page_of(image))
    assert "Written by a model, corrected by a host" in shown
    assert "Das Finale" in shown
    assert decide(host, image, action="hide").status_code == 302
    assert "nobody else sees it" in html(host, page_of(image))
    assert "Das Finale" not in html(client, f"/i/{gus.invitation.token}/photos/{image.pk}/")
    assert decide(host, image, action="show").status_code == 302
    assert "Das Finale" in html(client, f"/i/{gus.invitation.token}/photos/{image.pk}/")


def test_what_was_typed_stays_where_it_is_refused(image, host):
    answer = decide(host, image, action="correct", text="!!!")
    assert answer.status_code == 400
    assert ">!!!</textarea>" in answer.content.decode()
    answer = decide(host, image, action="correct", text="Mine", seen="Another text")
    assert answer.status_code == 409
    shown = answer.content.decode()
    assert "Somebody else changed it meanwhile" in shown
    assert ">Mine</textarea>" in shown
    assert Image.objects.get().generated_text == WORDS


def test_one_that_is_gone_meanwhile_is_said(image, host):
    GeneratedCaption.objects.all().delete()
    for action in ("correct", "hide", "show"):
        assert decide(host, image, action=action, text="Mine").status_code == 302
    assert "There is no such text any more" in html(host, page_of(image))


# --- One that failed ------------------------------------------------------------------------


@pytest.fixture
def failed(image, group, settings):
    """A photo whose caption failed, in a group that wants captions."""
    settings.CAPTIONS_ON = True
    Group.objects.update(caption_language="de")
    fail(GeneratedCaption.objects.all())
    return image


def fail(rows):
    rows.update(state="failed", failure="unreachable", text="", attempts=6, done_at=timezone.now())


def again(client, image):
    return client.post(api(image, "generated-caption/"))


def test_a_host_has_one_that_failed_tried_again(failed, host):
    shown = html(host, page_of(failed))
    assert "could not be reached for hours" in shown
    assert "Try again" in shown
    assert decide(host, failed, action="retry").status_code == 302
    row = GeneratedCaption.objects.get()
    assert (row.state, row.failure, row.attempts, row.done_at) == ("queued", "", 0, None)
    shown = html(host, page_of(failed))
    assert "A model will be asked again." in shown
    assert "A model will describe this photo." in shown
    assert "Try again" not in shown
    decide(host, failed, action="retry")  # it waits already
    assert "cannot be tried again now" in html(host, page_of(failed))


def test_the_api_has_one_that_failed_tried_again(failed, host):
    answer = again(host, failed)
    assert (answer.status_code, answer.json()["state"]) == (202, "queued")
    answer = again(host, failed)
    assert answer.status_code == 409
    assert answer.json()["type"].endswith("/problems/caption-not-failed/")


def test_others_try_nothing_again(failed, ben, dora, gus, signed_in, client):
    for who, status in [
        *((signed_in(ben), 403), (signed_in(dora), 404), (gus.client, 403), (client, 401))
    ]:
        assert again(who, failed).status_code == status
    assert "Try again" not in html(signed_in(ben), page_of(failed))
    assert GeneratedCaption.objects.get().state == "failed"


@pytest.mark.parametrize(
    "change",
    few(
        [
            {"state": "done", "text": WORDS},
            {"state": "queued"},
            {"language": "fr"},  # the group has another one by now
            {"version": 7},
        ],
        2,
    ),
)
def test_only_what_failed_and_is_wanted_is_tried_again(failed, host, change):
    GeneratedCaption.objects.update(**change)
    before = GeneratedCaption.objects.values().get()
    assert again(host, failed).status_code == 409
    assert GeneratedCaption.objects.values().get() == before


def test_without_a_provider_nothing_is_tried_again(failed, host, settings):
    settings.CAPTIONS_ON = False
    assert "Try again" not in html(host, page_of(failed))
    assert again(host, failed).status_code == 409


def test_a_photo_in_the_trash_is_not_tried_again(failed, host):
    Image.objects.update(trashed_at=timezone.now())
    assert again(host, failed).status_code == 404


@pytest.mark.parametrize("cap", ["CAPTIONS_PER_DAY", "WAITING_AT_MOST"])
def test_no_more_wait_than_the_caps_allow(failed, group, host, settings, monkeypatch, cap):
    for _ in range(3):
        captioned(group)
    fail(GeneratedCaption.objects.all())
    if cap == "CAPTIONS_PER_DAY":
        settings.CAPTIONS_PER_DAY = 2
    else:
        monkeypatch.setattr(waiting, cap, 2)
    page = reverse("group-stats", args=[group.pk])
    assert "Captions that failed" in html(host, page)
    retry = reverse("retry-captions", args=[group.pk])
    assert host.post(retry).status_code == 302
    states = GeneratedCaption.objects.order_by("-image_id").values_list("state", flat=True)
    assert list(states) == ["queued", "queued", "failed", "failed"]  # the newest first
    assert "asked about 2 photos again" in html(host, page)
    host.post(retry)
    assert "Look again tomorrow" in html(host, page)
    assert again(host, failed).status_code == 409  # nor one by one


def test_another_groups_captions_stay_as_they_are(failed, host, dora, signed_in, group):
    assert signed_in(dora).post(reverse("retry-captions", args=[group.pk])).status_code == 404
    assert GeneratedCaption.objects.get().state == "failed"


def test_members_who_are_no_owners_read_it_alone(image, ben, signed_in):
    shown = html(signed_in(ben), page_of(image))
    assert WORDS in shown
    assert "decide-caption" not in shown
    assert "Correct or hide" not in shown
    assert decide(signed_in(ben), image, action="hide").status_code == 403


# --- A group switches it ----------------------------------------------------------------------


@pytest.fixture
def provider(settings):
    settings.CAPTIONS_ON = True
    settings.CAPTION_PROVIDER = "openai"
    settings.CAPTION_BASE_URL = "https://vision.example.org/v1"


def save(client, group, **typed):
    path = reverse("group-settings", args=[group.pk])
    form = client.get(path).context["form"]
    fields = {bound.name: bound.value() for bound in form if bound.value()}
    return client.post(path, {**fields, "seen": form.seen_json, **typed})


def test_the_settings_say_who_gets_the_pictures(host, group, provider):
    shown = html(host, reverse("group-settings", args=[group.pk]))
    assert "is sent to vision.example.org" in shown
    assert save(host, group, caption_language="fr").status_code == 302
    group.refresh_from_db()
    assert (group.caption_language, group.captions_outdated) == ("fr", True)
    assert save(host, group, caption_language="").status_code == 302
    group.refresh_from_db()
    assert group.caption_language == ""
    assert save(host, group, caption_language="xx").status_code == 400


def test_without_a_provider_no_page_offers_it(host, group):
    path = reverse("group-settings", args=[group.pk])
    assert "caption_language" not in host.get(path).context["form"].fields
    Group.objects.update(caption_language="de")
    assert save(host, group, name="Another").status_code == 302
    group.refresh_from_db()
    assert (group.name, group.caption_language) == ("Another", "de")


def test_the_api_switches_it(host, group, ben, signed_in):
    path, kind = f"/api/v1/groups/{group.pk}/", {"content_type": "application/json"}
    answer = host.patch(path, json.dumps({"caption_language": "en"}), **kind)
    assert answer.json()["caption_language"] == "en"
    answer = host.patch(path, json.dumps({"caption_language": "tlh"}), **kind)
    assert answer.status_code == 400
    answer = signed_in(ben).patch(path, {"caption_language": ""})
    assert answer.status_code == 403


# --- Settings -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"CAPTION_PROVIDER": "gemini"}, "CAPTION_API_KEY, CAPTION_MODEL"),
        ({"CAPTION_API_KEY": "x"}, "CAPTION_PROVIDER, CAPTION_MODEL"),
        ({"CAPTION_API_KEY": "x", "CAPTION_MODEL": "vision-1"}, "CAPTION_PROVIDER"),
        ({"CAPTION_BASE_URL": "http://llama:8080/v1"}, "CAPTION_PROVIDER"),
    ],
)
def test_half_of_the_settings_is_a_warning(settings, given, missing):
    for name in (*checks.NAMES, "CAPTION_BASE_URL"):
        setattr(settings, name, given.get(name, ""))
    (warning,) = [each for each in run_checks() if each.id == "images.W001"]
    assert f"but not {missing}" in warning.msg
    assert "CAPTION_MODEL" in warning.hint


@pytest.mark.parametrize("value", ["", "x"])
def test_all_of_the_settings_or_none_is_none(settings, value):
    for name in checks.NAMES:
        setattr(settings, name, value)
    settings.CAPTION_BASE_URL = ""
    assert not [each for each in run_checks() if each.id == "images.W001"]
