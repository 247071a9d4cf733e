"""Texts for guests are in the language of their browser: English, German or French."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.urls import reverse
from django.utils import timezone

from groups.models import Group
from images.models import Image
from images.tests import drawn_pictures
from images.tests.guest_client import Guest
from images.views.messages import MESSAGES
from invitations.models import Invitation
from invitations.tests.factories import InvitationFactory

pytestmark = pytest.mark.django_db

GERMAN = {"Accept-Language": "de"}


def page(client, invitation, language):
    path = urlsplit(invitation.upload_link).path
    return client.get(path, headers={"Accept-Language": language})


@pytest.mark.parametrize(
    ("asked", "given", "says"),
    [
        ("en", "en", "Choose photos"),
        ("de-AT,de;q=0.9,en;q=0.5", "de", "Fotos auswählen"),
        ("fr-CH", "fr", "Choisir des photos"),
        ("ja, pt;q=0.8", "en", "Choose photos"),
        ("", "en", "Choose photos"),
    ],
)
def test_the_upload_page_is_in_the_language_asked_for(client, invitation, asked, given, says):
    answer = page(client, invitation, asked)
    html = answer.content.decode()
    assert f'<html lang="{given}">' in html
    assert says in html
    assert "Accept-Language" in answer["Vary"]


def test_the_scripts_words_come_with_the_page(client, invitation):
    html = page(client, invitation, "de").content.decode()
    found = re.search(r'<script id="messages" type="application/json">(.*?)</script>', html)
    words = json.loads(found[1])
    assert set(words) == set(MESSAGES)
    assert words["waiting"] == "Wartet"
    assert words["arrived"]["other"] == "{count} von {total} angekommen"


def test_dead_links_and_lost_pages_are_translated(client, invitation):
    Invitation.objects.filter(pk=invitation.pk).update(expires_at=timezone.now())
    assert "Dieser Link ist abgelaufen" in page(client, invitation, "de").content.decode()
    lost = client.get("/nowhere/", headers={"Accept-Language": "fr"})
    assert "Page introuvable" in lost.content.decode()


def test_problems_are_said_in_the_guests_language_under_the_same_name(cleo):
    Invitation.objects.filter(pk=cleo.invitation.pk).update(expires_at=timezone.now())
    german = cleo.client.post(
        "/api/v1/uploads/", {"files": []}, headers={"Accept-Language": "de"}
    ).json()
    assert german["type"] == "/problems/invitation-expired/"
    assert german["title"] == "Dieser Link ist abgelaufen"
    assert cleo.client.post("/api/v1/uploads/", {"files": []}).json()["title"] == (
        "This link has expired"
    )


def test_refusals_of_files_are_translated(cleo):
    files = [{"filename": "a.pdf", "content_type": "application/pdf", "size": 10}]
    answer = cleo.client.post(
        "/api/v1/uploads/", {"files": files}, headers={"Accept-Language": "de"}
    ).json()
    assert answer["errors"][0]["code"] == "unsupported-type"
    assert answer["errors"][0]["detail"].startswith("Diese Art von Datei")


@pytest.mark.parametrize(
    ("language", "says"),
    [
        ("en", "This photo is here already."),
        ("de", "Dieses Foto ist schon da."),
        ("fr", "Cette photo est déjà là."),
    ],
)
def test_undoing_what_was_sent_again_meanwhile_is_refused_in_a_guests_words(cleo, language, says):
    data = drawn_pictures.jpeg(seed=8101)
    first = cleo.send_and_process(data)
    assert cleo.client.delete(f"/api/v1/images/{first.pk}/").status_code == 204
    assert cleo.send_and_process(data).status == "done"
    answer = cleo.client.post(
        f"/api/v1/images/{first.pk}/restore/", headers={"Accept-Language": language}
    )
    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/duplicate-in-group/"
    assert answer.json()["detail"].startswith(says)


def test_what_a_guest_may_not_change_is_said_in_their_language(cleo):
    """The same for photos that cannot be tried again."""
    image = cleo.send_and_process(drawn_pictures.jpeg(seed=8102))
    address = f"/api/v1/images/{image.pk}/"
    Group.objects.update(visibility=Group.Visibility.GALLERY)
    Image.objects.update(moderation=Image.Moderation.APPROVED)
    stranger = Guest(InvitationFactory(group=image.group))
    said = [
        stranger.client.patch(address, {"caption": "x"}, headers=GERMAN),
        cleo.client.patch(address, {"description": "x"}, headers=GERMAN),
        cleo.client.post(f"{address}retry/", headers=GERMAN),
    ]
    assert [(each.status_code, each.json()["detail"]) for each in said] == [
        (403, "Ein Foto ändern darf nur, wer es geschickt hat, und wer eingeladen hat."),
        (403, "Mit einem Link lassen sich nur die Worte und der Ort eines Fotos ändern."),
        (409, "Noch einmal versuchen lässt sich nur ein Foto, bei dem es nicht geklappt hat."),
    ]


def test_the_description_of_the_api_stays_english(client):
    german = client.get("/api/v1/schema/", headers={"Accept-Language": "de"})
    assert german.content == client.get("/api/v1/schema/").content


def test_an_invitation_is_written_in_the_language_of_whoever_sends_it(
    signed_in, ada, group, mailoutbox
):
    group.event_date = timezone.now().date() + timedelta(days=400)
    group.save()
    body = {"group": str(group.pk), "email": "neu@example.org", "name": "Neo", "send_email": True}
    signed_in(ada).post("/api/v1/invitations/", body, headers={"Accept-Language": "de"})
    (message,) = mailoutbox
    assert message.subject == "Deine Fotos von Summer concert?"
    assert message.body.startswith("Hallo Neo,")
    assert f"{group.event_date.day}. " in message.body


def test_signing_in_speaks_german_and_names_each_language_in_itself(client, ada):
    typed = {"username": ada.email, "password": "wrong"}
    html = client.post(reverse("login"), typed, headers=GERMAN).content.decode()
    assert "Diese E-Mail-Adresse und dieses Passwort gehören nicht zusammen." in html
    assert [name in html for name in ("English", "Deutsch", "Français")] == [True] * 3
    assert "Englisch" not in html


def test_how_long_ago_a_link_was_used_is_said_as_germans_say_it(client, ada, invitation):
    Invitation.objects.update(last_seen_at=timezone.now() - timedelta(hours=3))
    client.force_login(ada)
    page_of_links = reverse("group-invitations", args=[invitation.group_id])
    html = client.get(page_of_links, headers=GERMAN).content.decode()
    assert "Zuletzt da: vor 3 Stunden" in html


def test_of_a_field_that_is_wrong_each_is_told_in_their_own_language(cleo):
    files = [{"filename": "x", "size": 1, "content_type": "image/jpeg", "client_id": "1" * 65}]
    said = [
        cleo.client.post("/api/v1/uploads/", {"files": files}, headers={"Accept-Language": code})
        for code in ("de", "en", "fr")
    ]
    german, english, french = (answer.json()["errors"] for answer in said)
    assert "no more than 64 characters" in str(english)
    assert "64 Zeichen" in str(german)
    assert "Assurez-vous" in str(french)
