"""The pages of a group's links: who sees and changes which, and what two hosts at once are told."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client
from django.utils import timezone

from images.tests import drawn_pictures
from invitations import delivery, links
from invitations.models import Invitation, OutgoingMail
from invitations.tests.factories import InvitationFactory
from invitations.tests.mail_server import MailServer

pytestmark = pytest.mark.django_db

NOT_SENDING = "django.core.mail.backends.dummy.EmailBackend"


class Host:
    """A signed-in browser on the pages of one group's links."""

    def __init__(self, user, group):
        self.client = Client()
        self.client.force_login(user)
        self.base = f"/groups/{group.pk}/invitations/"

    def get(self, path=""):
        return self.client.get(self.base + path)

    def says(self, path=""):
        answer = self.get(path)
        assert answer.status_code == 200
        return text_of(answer)

    def post(self, path, data=None):
        return self.client.post(self.base + path, data or {})

    def form(self, path):
        """The fields of the page's forms, as a browser would send them back unchanged."""
        html = self.get(path).content.decode()
        fields = {}
        for tag in re.findall(r"<input [^>]*>", html, re.DOTALL):
            name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
            is_off = 'type="checkbox"' in tag and "checked" not in tag
            if name and not is_off:
                fields[name[1]] = unescape(value[1]) if value else ""
        for name, options in re.findall(r'<select name="(\w+)"(.*?)</select>', html, re.DOTALL):
            chosen = re.search(r'value="([^"]*)" selected', options)
            fields[name] = chosen[1] if chosen else ""
        return fields


def text_of(answer):
    """What a page says, without its tags."""
    main = answer.content.decode().partition("<main")[2]
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", main)).split())


@pytest.fixture
def invitation(group, ada):
    return InvitationFactory(group=group, name="Cleo", email="cleo@example.org", created_by=ada)


@pytest.fixture
def smtp(settings):
    server = MailServer()
    server.start(settings)
    yield server
    server.stop()


@pytest.fixture
def adas(ada, group):
    return Host(ada, group)


@pytest.fixture
def bens(ben, group):
    return Host(ben, group)


@pytest.mark.usefixtures("bucket")
def test_the_list_says_what_came_of_each_link(adas, cleo, invitation):
    assert "Not opened yet" in adas.says()
    cleo.send_and_process(drawn_pictures.jpeg())
    Invitation.objects.update(last_seen_at=timezone.now() - timedelta(hours=3), max_files=20)
    says = adas.says()
    assert "Cleo cleo@example.org Works until" in says
    assert "1 photo Last seen 3 hours ago" in says
    assert "1 of 20 photos used" in says
    Invitation.objects.update(declined_at=timezone.now())
    assert "Said: no photos" in adas.says()


def test_mails_are_told_with_what_became_of_them(adas, invitation, ada):
    mail = OutgoingMail.objects.create(invitation=invitation, kind="invitation", sender=ada)
    assert "Invitation: waits to be mailed" in adas.says()
    OutgoingMail.objects.update(error="server-away")
    says = adas.says()
    assert "1 mail waits to be sent. The mail server cannot be reached." in says
    assert "Try again now" in says
    OutgoingMail.objects.update(state="failed", error="recipient-refused", reply="550 No such user")
    says = adas.says()
    assert "Invitation: not mailed. The mail server does not accept this address." in says
    assert "(550 No such user)" in says
    assert "mail waits" not in says
    assert "Cleo" in adas.says("?show=not-mailed")
    OutgoingMail.objects.filter(pk=mail.pk).update(state="sent", sent_at=timezone.now())
    assert "Invitation: mailed on" in adas.says()


def test_a_mail_server_that_is_down_is_said_and_the_mail_arrives_when_it_is_back(
    smtp, adas, invitation
):
    smtp.stop()
    adas.post(f"{invitation.pk}/mail/")
    delivery.send_due()
    assert "1 mail waits to be sent. The mail server cannot be reached." in adas.says()
    smtp.start()
    adas.post("mail/")
    delivery.send_due()
    assert smtp.recipients == ["cleo@example.org"]
    assert "Invitation: mailed on" in adas.says()


def test_a_mail_that_waits_can_be_tried_at_once(adas, invitation, ada):
    later = timezone.now() + timedelta(hours=5)
    OutgoingMail.objects.create(
        invitation=invitation, kind="invitation", sender=ada, attempts=4, due_at=later
    )
    adas.post("mail/")
    assert OutgoingMail.objects.get().due_at <= timezone.now()


@pytest.mark.parametrize(
    ("show", "names"),
    [
        ("", {"Opened", "Quiet", "Sent", "Over"}),
        ("not-opened", {"Quiet"}),
        ("nothing-sent", {"Opened", "Quiet"}),
        ("ended", {"Over"}),
        ("nonsense", {"Opened", "Quiet", "Sent", "Over"}),
    ],
)
def test_links_are_filtered(adas, group, show, names):
    now = timezone.now()
    InvitationFactory(group=group, name="Opened", opened_at=now)
    InvitationFactory(group=group, name="Quiet")
    InvitationFactory(group=group, name="Sent", used_files=1, opened_at=now)
    InvitationFactory(group=group, name="Over", revoked_at=now)
    html = adas.get(f"?show={show}").content.decode()
    assert set(re.findall(r'class="link-title"[^>]*>(\w+)<', html)) == names


def test_links_are_searched_by_name_and_address(adas, group):
    InvitationFactory(group=group, name="Zoë", email="z@example.org")
    InvitationFactory(group=group, name="Hanna", email="weber@example.org")
    assert "Zoë" in adas.says("?q=zoë")
    assert "Hanna" not in adas.says("?q=zoë")
    assert "Hanna" in adas.says("?q=WEBER")
    assert "No link is like that" in adas.says("?q=nobody%00")


def test_300_links_cost_as_many_queries_as_three(adas, group, ada, django_assert_max_num_queries):
    for _ in range(3):
        InvitationFactory(group=group, created_by=ada)
    with django_assert_max_num_queries(14):
        assert "3 links" in adas.says()
    rows = [InvitationFactory.build(group=group, created_by=ada) for _ in range(297)]
    for row in rows:
        row.new_secret()
    Invitation.objects.bulk_create(rows)
    mails = [OutgoingMail(invitation=row, kind="invitation", sender=ada) for row in rows]
    OutgoingMail.objects.bulk_create(mails)
    with django_assert_max_num_queries(14):
        answer = adas.get()
    assert answer.content.count(b'class="link-title"') == 50
    assert "Page 1 of 6" in text_of(answer)
    assert answer["Cache-Control"].startswith("max-age=0, no-cache, no-store")


def test_a_member_sees_all_links_and_changes_their_own(bens, ben, group, invitation):
    own = InvitationFactory(group=group, name="Own", created_by=ben)
    html = bens.get().content.decode()
    assert own.upload_link in html
    assert invitation.upload_link not in html
    page = bens.get(f"{invitation.pk}/").content.decode()
    assert invitation.upload_link not in page
    assert "Ada made this link" in page
    assert "Replace" not in page
    for action in ("", "extend/", "rotate/", "revoke/", "mail/"):
        assert bens.post(f"{invitation.pk}/{action}", {"name": "X"}).status_code == 403
    before = Invitation.objects.get(pk=invitation.pk)
    assert before.name == "Cleo"
    assert not before.is_revoked
    assert bens.post(f"{own.pk}/revoke/").status_code == 302


def test_a_member_grants_no_trust(bens, ben, group):
    own = InvitationFactory(group=group, name="Own", created_by=ben)
    form = bens.form(f"{own.pk}/")
    assert "trusted" not in form
    bens.post(f"{own.pk}/", {**form, "name": "New", "trusted": "on", "visibility": "gallery"})
    own.refresh_from_db()
    assert (own.name, own.trusted, own.visibility) == ("New", False, "")


def test_a_link_of_another_group_is_not_there(adas, invitation, dora):
    other = InvitationFactory()
    assert adas.get(f"{other.pk}/").status_code == 404
    assert adas.post(f"{other.pk}/revoke/").status_code == 404


def test_a_link_is_changed(adas, group, invitation):
    group.time_zone = "America/New_York"
    group.save()
    form = adas.form(f"{invitation.pk}/")
    form |= {"name": "Cleopatra", "until": "2027-01-31", "trusted": "on", "visibility": "drop"}
    answer = adas.post(f"{invitation.pk}/", {**form, "max_files": "30", "max_megabytes": "2"})
    assert answer.status_code == 302
    invitation.refresh_from_db()
    assert (invitation.name, invitation.trusted, invitation.visibility) == (
        ("Cleopatra", True, "drop")
    )
    assert (invitation.max_files, invitation.max_bytes) == (30, 2_000_000)
    # The end of that day where the party is.
    assert invitation.expires_at.isoformat() == "2027-02-01T04:59:59+00:00"
    assert "Works until 31 January 2027" in adas.says(f"{invitation.pk}/")
    assert adas.form(f"{invitation.pk}/")["until"] == "2027-01-31"


def test_saving_what_was_not_changed_changes_nothing(adas, invitation):
    before = invitation.expires_at
    adas.post(f"{invitation.pk}/", adas.form(f"{invitation.pk}/"))
    invitation.refresh_from_db()
    assert invitation.expires_at == before


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("until", "2020-01-01", "This day is over."),
        ("until", "soon", "This is not a date"),
        ("until", "9999-12-31", "within ten years"),
        ("max_files", "1", "This is less than was already sent by the link."),
        ("max_files", "0", "greater than or equal to 1"),
        ("name", "x" * 121, "at most 120 characters"),
    ],
)
def test_what_cannot_be_saved_says_why_and_stays_typed(adas, invitation, field, value, why):
    Invitation.objects.update(used_files=2)
    form = adas.form(f"{invitation.pk}/")
    answer = adas.post(f"{invitation.pk}/", {**form, field: value})
    assert answer.status_code == 422
    assert why in text_of(answer)
    assert f'value="{value}"' in answer.content.decode()


def test_two_hosts_at_once_the_second_is_told_and_keeps_what_was_typed(adas, invitation):
    first, second = adas.form(f"{invitation.pk}/"), adas.form(f"{invitation.pk}/")
    adas.post(f"{invitation.pk}/", {**first, "name": "Cleo A."})
    answer = adas.post(f"{invitation.pk}/", {**second, "name": "Cleo B."})
    assert answer.status_code == 422
    assert "Somebody changed this meanwhile; it is now: Cleo A." in text_of(answer)
    assert 'value="Cleo B."' in answer.content.decode()
    invitation.refresh_from_db()
    assert invitation.name == "Cleo A."
    # Knowing that, they may save it all the same.
    known = {**second, "name": "Cleo B.", "initial-name": "Cleo A."}
    assert adas.post(f"{invitation.pk}/", known).status_code == 302
    invitation.refresh_from_db()
    assert invitation.name == "Cleo B."


def test_two_hosts_who_change_different_things_are_in_nobodys_way(adas, invitation):
    first, second = adas.form(f"{invitation.pk}/"), adas.form(f"{invitation.pk}/")
    adas.post(f"{invitation.pk}/", {**first, "name": "Cleo A."})
    assert adas.post(f"{invitation.pk}/", {**second, "max_files": "7"}).status_code == 302
    invitation.refresh_from_db()
    assert (invitation.name, invitation.max_files) == ("Cleo A.", 7)


def test_an_expired_link_is_extended_from_now_and_once(adas, invitation):
    Invitation.objects.update(expires_at=timezone.now() - timedelta(days=30))
    seen = {"expires_at": adas.form(f"{invitation.pk}/")["expires_at"]}
    adas.post(f"{invitation.pk}/extend/", seen)
    invitation.refresh_from_db()
    left = invitation.expires_at - timezone.now()
    assert timedelta(days=6, hours=23) < left < timedelta(days=7, hours=1)
    assert "The link works until" in adas.says(f"{invitation.pk}/")
    adas.post(f"{invitation.pk}/extend/", seen)
    assert "Somebody changed this link meanwhile" in adas.says(f"{invitation.pk}/")
    before = invitation.expires_at
    invitation.refresh_from_db()
    assert invitation.expires_at == before


def test_a_link_is_replaced_once(adas, invitation):
    old = invitation.upload_link
    seen = {"updated_at": adas.form(f"{invitation.pk}/")["updated_at"]}
    adas.post(f"{invitation.pk}/rotate/", seen)
    invitation.refresh_from_db()
    new = invitation.upload_link
    assert new != old
    assert new in adas.get(f"{invitation.pk}/").content.decode()
    adas.post(f"{invitation.pk}/rotate/", seen)  # the button was pressed twice
    invitation.refresh_from_db()
    assert invitation.upload_link == new


def test_a_revoked_link_is_shown_no_more(adas, invitation):
    adas.post(f"{invitation.pk}/revoke/")
    html = adas.get(f"{invitation.pk}/").content.decode()
    assert invitation.upload_link not in html
    assert "Invite again" in html
    assert "Revoke the link" not in html
    adas.post(f"{invitation.pk}/mail/")
    assert not OutgoingMail.objects.exists()


def test_a_link_is_mailed_again_once(adas, invitation):
    adas.post(f"{invitation.pk}/mail/")
    assert "The mail is on its way." in adas.says(f"{invitation.pk}/")
    adas.post(f"{invitation.pk}/mail/")
    assert "is waiting to be sent already" in adas.says(f"{invitation.pk}/")
    assert OutgoingMail.objects.count() == 1


def test_a_server_that_sends_no_mail_says_so_and_offers_the_own_program(adas, invitation, settings):
    settings.EMAIL_BACKEND = NOT_SENDING
    assert "This server sends no mail" in adas.says()
    html = adas.get(f"{invitation.pk}/").content.decode()
    assert "Mail it" not in html
    assert 'href="mailto:cleo@example.org?subject=' in html
    adas.post(f"{invitation.pk}/mail/")
    assert "This server sends no mail" in adas.says()
    assert not OutgoingMail.objects.exists()


def test_a_lost_link_can_be_replaced(adas, invitation, settings):
    settings.INVITATION_TOKEN_KEY = "another key, at least 32 characters"
    assert "cannot be shown again" in adas.says(f"{invitation.pk}/")
    assert adas.get().status_code == 200
    adas.post(f"{invitation.pk}/rotate/", adas.form(f"{invitation.pk}/"))
    assert "Copy the link" in adas.says(f"{invitation.pk}/")


def test_a_shared_link_is_made(adas, group):
    form = {**adas.form("new/?kind=shared"), "name": "At the bar", "max_files": "500"}
    answer = adas.post("new/", form)
    made = Invitation.objects.get()
    assert answer["Location"] == f"{adas.base}{made.pk}/"
    assert (made.kind, made.name, made.max_files) == ("shared", "At the bar", 500)
    assert timedelta(days=6) < made.expires_at - timezone.now() < timedelta(days=8, hours=1)


def test_one_person_is_invited_and_mailed(adas):
    form = {**adas.form("new/?kind=personal"), "email": "z@example.org", "name": "Zoë"}
    adas.post("new/", {**form, "mail": "1"})
    made = Invitation.objects.get()
    assert (made.kind, made.email, made.name) == ("personal", "z@example.org", "Zoë")
    assert OutgoingMail.objects.get().invitation == made


def test_a_person_of_somebody_else_is_not_invited_again_by_a_member(bens, invitation):
    form = {**bens.form("new/?kind=personal"), "email": "CLEO@example.org"}
    answer = bens.post("new/", form)
    assert answer.status_code == 422
    assert "Somebody else of the team has invited this person already." in text_of(answer)
    links.revoke(invitation)
    assert "Somebody else revoked" in text_of(bens.post("new/", form))


def test_reading_changes_nothing(adas, invitation):
    before = Invitation.objects.values().get()
    for path in ("", f"{invitation.pk}/", "new/", "many/", "remind/"):
        assert adas.get(path).status_code == 200
    assert Invitation.objects.values().get() == before
