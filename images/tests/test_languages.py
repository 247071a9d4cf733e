"""Guests are spoken to in their own language: English, German or French."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from images.words import WORDS
from invitations.models import Invitation

pytestmark = pytest.mark.django_db


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
    found = re.search(r'<script id="words" type="application/json">(.*?)</script>', html)
    words = json.loads(found[1])
    assert set(words) == set(WORDS)
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
