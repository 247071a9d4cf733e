"""A host pastes a list, sees what is wrong with it, and invites all of them in four clicks."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from images.tests.test_links_page import NOT_SENDING, Host, text_of
from invitations import delivery, links
from invitations.address_list import Entry, read
from invitations.guest_list import as_text, compare
from invitations.models import Invitation, OutgoingMail
from invitations.tests.factories import InvitationFactory

pytestmark = pytest.mark.django_db

THIRTY = "\n".join(f"Guest {n} <guest{n}@example.com>" for n in range(30))


@pytest.fixture
def adas(ada, group):
    return Host(ada, group)


@pytest.fixture
def bens(ben, group):
    return Host(ben, group)


def check(host, text="", **more):
    return host.post("many/", {"text": text, "act": "check", **more})


def fields(answer):
    """The preview's form, as a browser would send it back unchanged."""
    html = answer.content.decode().partition("<main")[2]
    found: dict[str, object] = {"line": [], "was": []}
    for tag in re.findall(r"<input [^>]*>", html, re.DOTALL):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        text = unescape(value[1]) if value else ""
        if name is None or ('type="checkbox"' in tag and "checked" not in tag):
            continue
        if name[1] in ("line", "was"):
            found[name[1]].append(text)
        else:
            found[name[1]] = text
    for name, text in re.findall(
        r'<textarea[^>]*name="(\w+)"[^>]*>\n?(.*?)</textarea>', html, re.S
    ):
        found[name] = [unescape(text)] if name == "line" else unescape(text)
    for name, options in re.findall(r'<select name="(\w+)"(.*?)</select>', html, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options)
        found[name] = chosen[1] if chosen else ""
    return found


def test_thirty_people_are_looked_at_invited_and_mailed(adas, mailoutbox):
    preview = check(adas, THIRTY)
    assert preview.status_code == 200
    assert "30 people will be invited" in text_of(preview)
    assert "Invite 30 and mail them" in text_of(preview)
    assert "Guest 0 asks" not in text_of(preview)
    assert "Hello Guest 0," in text_of(preview)  # the mail as it will be
    assert not Invitation.objects.exists()
    answer = adas.post("many/", {**fields(preview), "message": "Till soon!", "act": "mail"})
    assert answer["Location"] == adas.base
    assert "30 people are invited. 30 mails are on their way." in adas.says()
    assert Invitation.objects.filter(name="Guest 7", email="guest7@example.com").count() == 1
    delivery.send_due()
    assert len(mailoutbox) == 30
    assert "Till soon!" in mailoutbox[0].body


def test_options_are_for_all_of_them(adas):
    form = {**fields(check(adas, THIRTY)), "until": "2027-05-01", "trusted": "on"}
    adas.post("many/", {**form, "visibility": "gallery", "act": "invite"})
    assert Invitation.objects.filter(trusted=True, visibility="gallery").count() == 30
    assert set(Invitation.objects.dates("expires_at", "day")) == {
        timezone.datetime(2027, 5, 1).date()
    }
    assert not OutgoingMail.objects.exists()


def test_each_line_says_what_becomes_of_it(adas, group, ada, ben):
    InvitationFactory(group=group, email="known@example.org", created_by=ada)
    links.revoke(InvitationFactory(group=group, email="gone@example.org", created_by=ben))
    lines = ["New <new@example.org>", "KNOWN@example.org", "gone@example.org", "new@example.org"]
    preview = check(adas, "\n".join([*lines, "Nobody"]))
    says = text_of(preview)
    assert "3 people will be invited" in says
    assert "New new@example.org Will be invited" in says
    assert "KNOWN@example.org Invited already: the same link, for longer" in says
    assert "gone@example.org Was revoked: gets a new link" in says
    assert "new@example.org Left out: is in the list twice" in says
    assert "1 line is left out unless you correct it" in says
    assert "There is no e-mail address in this line." in says
    assert fields(preview)["line"] == ["Nobody"]


def test_a_wrong_line_is_corrected_in_place(adas):
    form = fields(check(adas, "Hanna <hanna@example.org>\nBen ben@"))
    assert form["line"] == ["Ben ben@"]
    answer = adas.post("many/", {**form, "line": ["Ben <ben@example.org>"], "act": "mail"})
    assert answer.status_code == 302
    assert set(Invitation.objects.values_list("name", flat=True)) == {"Hanna", "Ben"}


def test_a_wrong_line_that_was_seen_is_left_out(adas):
    form = fields(check(adas, "Hanna <hanna@example.org>\nBen"))
    assert adas.post("many/", {**form, "act": "mail"}).status_code == 302
    assert Invitation.objects.get().name == "Hanna"


def test_a_correction_that_is_wrong_again_is_not_lost(adas):
    form = fields(check(adas, "Hanna <hanna@example.org>\nBen"))
    answer = adas.post("many/", {**form, "line": ["Ben, ben@example"], "act": "mail"})
    assert answer.status_code == 422
    assert "a line that you changed is still not right" in text_of(answer)
    assert fields(answer)["line"] == ["Ben, ben@example"]
    assert not Invitation.objects.exists()


def test_options_that_are_wrong_lose_nothing(adas):
    form = fields(check(adas, THIRTY)) | {"until": "2020-01-01", "message": "Till soon!"}
    answer = adas.post("many/", {**form, "act": "mail"})
    assert answer.status_code == 422
    assert "Nobody was invited yet." in text_of(answer)
    assert "This day is over." in text_of(answer)
    assert fields(answer)["text"].count("@") == 30
    assert fields(answer)["message"] == "Till soon!"
    assert not Invitation.objects.exists()


def test_hundreds_of_wrong_lines_are_one_field(adas):
    form = fields(check(adas, "\n".join(f"Guest {n}" for n in range(300)) + "\nh@example.org"))
    assert len(form["line"]) == len(form["was"]) == 1
    assert form["line"][0].count("Guest") == 300
    assert adas.post("many/", {**form, "act": "mail"}).status_code == 302
    assert Invitation.objects.count() == 1


def test_a_csv_file_is_read(adas):
    data = "Vorname;Nachname;E-Mail\nHanna;Müller;h@example.org\n".encode("cp1252")
    preview = check(adas, file=SimpleUploadedFile("guests.csv", data, "text/csv"))
    assert "Hanna Müller h@example.org Will be invited" in text_of(preview)


@pytest.mark.parametrize(
    ("text", "file", "why"),
    [
        ("", None, "Paste at least one address, or choose a file."),
        ("x@example.org\n" * 10_000, None, "The list has 10000 lines."),
        ("Kept", b"PK\x03\x04 a spreadsheet", "This is not a text file."),
        ("Kept", b"x" * (1024 * 1024 + 1), "The file is larger than 1 MB."),
    ],
)
def test_a_list_that_cannot_be_read_says_why_and_stays(adas, text, file, why):
    more = {"file": SimpleUploadedFile("guests.xlsx", file)} if file else {}
    answer = check(adas, text, **more)
    assert answer.status_code == 422
    assert why in text_of(answer)
    assert fields(answer)["text"] == text.rstrip("\n")


def test_a_body_beyond_all_lists_is_refused_before_it_is_read(adas):
    assert check(adas, "x" * 4_000_000).status_code == 413


def test_300_are_let_through_but_not_more_than_a_days_mails(adas, settings):
    text = "\n".join(f"guest{n}@example.org" for n in range(300))
    form = fields(check(adas, text))
    settings.MAILS_PER_DAY = 299
    answer = adas.post("many/", {**form, "act": "mail"})
    assert answer.status_code == 422
    assert "you may send 299 more. Nothing was sent." in text_of(answer)
    assert not Invitation.objects.exists()
    settings.MAILS_PER_DAY = 300
    assert adas.post("many/", {**form, "act": "mail"}).status_code == 302
    assert OutgoingMail.objects.count() == 300


def test_the_button_pressed_twice_mails_once(adas):
    form = fields(check(adas, THIRTY))
    for _ in range(2):
        adas.post("many/", {**form, "act": "mail"})
        delivery.send_due()
    assert "30 got one just now, and get no other." in adas.says()
    assert Invitation.objects.count() == OutgoingMail.objects.count() == 30


def test_a_member_invites_without_the_rights_of_owners(bens, group, ada):
    theirs = InvitationFactory(group=group, email="known@example.org", created_by=ada)
    links.revoke(InvitationFactory(group=group, email="gone@example.org", created_by=ada))
    before = theirs.expires_at
    preview = check(bens, "known@example.org\ngone@example.org\nnew@example.org")
    assert "Left out: somebody else revoked this person's link" in text_of(preview)
    assert 'name="trusted"' not in preview.content.decode()
    form = {**fields(preview), "trusted": "on", "until": "2029-01-01", "act": "mail"}
    assert bens.post("many/", form).status_code == 302
    theirs.refresh_from_db()
    assert not theirs.trusted
    assert theirs.expires_at - before < timedelta(days=1)
    assert not Invitation.objects.get(email="new@example.org").trusted
    assert OutgoingMail.objects.count() == 2


def test_without_a_mail_server_people_are_invited_all_the_same(adas, settings):
    settings.EMAIL_BACKEND = NOT_SENDING
    preview = check(adas, THIRTY)
    assert "This server sends no mail" in text_of(preview)
    assert "and mail them" not in text_of(preview)
    adas.post("many/", {**fields(preview), "act": "invite"})
    assert Invitation.objects.count() == 30


def test_who_was_invited_together_is_listed_by_name(adas):
    lines = "Zoe <a@example.org>\nAnna <c@example.org>\nBen <b@example.org>"
    adas.post("many/", {**fields(check(adas, lines)), "act": "invite"})
    said = text_of(adas.get())
    assert said.index("Anna") < said.index("Ben") < said.index("Zoe")


def test_names_in_any_script_and_with_any_sign_come_back_as_they_were(group, ada):
    names = ["Zoë", "花子", "עדה", 'Ada "A" B', "Weber, Hanna", "a;b", "<b>", "O'Brien"]
    entries = [
        Entry(line="", name=name, email=f"g{number}@example.org")
        for number, name in enumerate(names)
    ]
    guests = compare(entries, group, by=ada, is_owner=True)
    again = read(as_text(guests))
    assert [(each.name, each.email, each.problem) for each in again] == [
        (each.name, each.email, "") for each in entries
    ]


def test_a_name_is_no_markup(adas):
    assert b"<script>alert" not in check(adas, "<script>alert(1)</script> <h@example.org>").content
