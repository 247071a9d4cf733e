"""Passwords: signing in, another one, one that was forgotten."""

from __future__ import annotations

import re

import pytest
from celery import Celery
from django.conf import settings as live_settings
from django.test import Client

from bandpics.celery import app as celery_app
from bandpics.users import tasks
from bandpics.users.models import User
from bandpics.users.tests.factories import PASSWORD, UserFactory
from invitations.tests.mail_server import MailServer

pytestmark = pytest.mark.django_db
CHANGE, FORGOTTEN, LOGIN = "/account/password/", "/account/password/forgotten/", "/login/"
NEW = "grey horses on the lake"


def text(answer):
    return answer.content.decode()


def new_password(old=PASSWORD, new=NEW, again=NEW):
    return {"old_password": old, "new_password1": new, "new_password2": again}


# --- Signing in -----------------------------------------------------------------------------


def test_signing_in_leads_to_the_page_that_was_asked_for(client, ada):
    assert client.get("/account/")["Location"] == "/login/?next=/account/"
    answer = client.post(
        LOGIN, {"username": "ADA@example.org", "password": PASSWORD, "next": "/account/"}
    )
    assert answer["Location"] == "/account/"


def test_a_wrong_password_keeps_the_address_and_is_counted(client, ada, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "password": "1 per 15 minutes"}
    wrong = {"username": "ada@example.org", "password": "guess"}
    assert 'value="ada@example.org"' in text(client.post(LOGIN, wrong))
    german = client.post(LOGIN, wrong, headers={"Accept-Language": "de"})
    assert "15" in text(german)


# --- Another one ----------------------------------------------------------------------------


def test_another_password_keeps_this_sign_in_and_ends_the_others(browser_of, ada):
    here, elsewhere = browser_of(ada), browser_of(ada)
    answer = here.post(CHANGE, new_password(), follow=True)
    assert "Your password is changed" in text(answer)
    assert elsewhere.get("/account/").status_code == 302
    ada.refresh_from_db()
    assert ada.check_password(NEW)


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (new_password(old="guess"), "This is not your present password"),
        (new_password(new="short", again="short"), "too short"),
        (new_password(again="something else entirely"), "match"),
        (new_password(new="ada@example.org", again="ada@example.org"), "too similar"),
        ({}, "This field is required"),
    ],
)
def test_what_is_wrong_is_said_and_the_password_stays(browser_of, ada, sent, says):
    answer = browser_of(ada).post(CHANGE, sent)
    assert answer.status_code == 400
    assert says in text(answer)
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)


def test_the_present_password_cannot_be_guessed_here_either(browser_of, ada, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "password": "2 per 15 minutes"}
    browser = browser_of(ada)
    for _ in range(2):
        browser.post(CHANGE, new_password(old="guess"))
    assert "Too many wrong passwords" in text(browser.post(CHANGE, new_password()))


def test_whoever_signs_in_by_another_service_has_none_to_change(browser_of):
    person = UserFactory()
    person.set_unusable_password()
    person.save()
    assert "no password" in text(browser_of(person).get(CHANGE))


# --- A forgotten one ------------------------------------------------------------------------


@pytest.fixture
def ask(client, tasks_at_once):
    def post(email, **headers):
        return client.post(FORGOTTEN, {"email": email}, headers=headers, follow=True)

    return post


def link_of(message):
    return re.search(r"http://[^/]+(/account/password/reset/\S+)", message.body)[1]


def test_the_link_of_the_mail_sets_another_password_once(ask, client, ada, browser_of, mailoutbox):
    elsewhere = browser_of(ada)
    assert "a mail with a link is on its way" in text(ask("ADA@example.org"))
    assert mailoutbox[0].to == ["ada@example.org"]
    link = link_of(mailoutbox[0])
    form = client.get(link, follow=True)
    answer = client.post(
        form.request["PATH_INFO"], {"new_password1": NEW, "new_password2": NEW}, follow=True
    )
    assert "Your new password is set" in text(answer)
    ada.refresh_from_db()
    assert ada.check_password(NEW)
    assert elsewhere.get("/account/").status_code == 302
    assert "was used" in text(Client().get(link, follow=True))


def test_the_link_of_the_mail_is_good_in_a_browser_that_is_signed_in(
    ask, ada, browser_of, mailoutbox
):
    here = browser_of(ada)
    ask(ada.email)
    form = here.get(link_of(mailoutbox[0]), follow=True)
    passwords = {"new_password1": NEW, "new_password2": NEW}
    answer = here.post(form.request["PATH_INFO"], passwords, follow=True)
    assert "Your new password is set" in text(answer)
    ada.refresh_from_db()
    assert ada.check_password(NEW)
    assert here.get("/account/").status_code == 302


def test_whether_somebody_has_an_account_is_not_told(ask, ada, mailoutbox):
    closed = UserFactory(email="closed@example.org", is_active=False)
    answers = [ask(email) for email in (ada.email, "nobody@example.org", closed.email)]
    assert len({re.sub(r'value="[^"]{64}"', "", text(answer)) for answer in answers}) == 1  # CSRF
    assert [message.to for message in mailoutbox] == [[ada.email]]


def test_the_mail_is_in_the_language_of_the_page(ask, ada, mailoutbox):
    ask(ada.email, **{"Accept-Language": "de"})
    ask(ada.email, **{"Accept-Language": "fr"})
    assert [message.body.split()[0] for message in mailoutbox] == ["Hallo", "Bonjour"]


def test_an_account_gets_so_many_mails_and_no_more(ask, ada, mailoutbox, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "reset": "2/hour"}
    for _ in range(2):
        ask("ada@example.org")
    assert "Try again in" in text(ask("Ada@example.org"))
    assert len(mailoutbox) == 2


def test_one_network_asks_for_so_many_and_no_more(ask, settings, mailoutbox):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "register": "1/hour"}
    ask("one@example.org")
    assert "Try again in" in text(ask("two@example.org"))


def test_without_a_mail_server_the_page_says_so(ask, ada, settings, mailoutbox):
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    assert "This server sends no mail" in text(ask("ada@example.org"))
    assert mailoutbox == []


def test_without_a_broker_the_page_asks_to_try_again(client, ada, settings):
    dead = Celery("dead", broker="redis://127.0.0.1:1/0")
    dead.conf.task_publish_retry_policy = live_settings.CELERY_TASK_PUBLISH_RETRY_POLICY
    dead.set_current()
    try:
        answer = client.post(FORGOTTEN, {"email": "ada@example.org"})
    finally:
        celery_app.set_current()
    assert answer.status_code == 400
    assert "No mail can be sent right now" in text(answer)
    assert 'value="ada@example.org"' in text(answer)


def test_an_account_without_a_password_gets_no_link(ask, mailoutbox):
    person = UserFactory(email="by-issuer@example.org")
    User.objects.filter(pk=person.pk).update(password="!")
    ask("by-issuer@example.org")
    assert mailoutbox == []


def test_an_address_that_fits_in_no_header_fails_no_task(ada, mailoutbox):
    User.objects.filter(pk=ada.pk).update(email="a\nb@example.org")
    tasks.mail_password_link("a\nb@example.org", "en")
    assert mailoutbox == []


class Moody(MailServer):
    """Refuses the first mail for now, and takes the second."""

    async def handle_DATA(self, server, session, envelope):
        self.to_data = "451 later" if self.connections == 1 else "250 OK"
        return await super().handle_DATA(server, session, envelope)


def test_a_mail_server_that_refuses_for_now_is_asked_again(ask, ada, settings):
    server = Moody()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    celery_app.conf.task_eager_propagates = False  # as with a worker, nobody waits for it
    server.start()
    try:
        assert "on its way" in text(ask("ada@example.org"))
    finally:
        server.stop()
    assert server.connections == 2
    assert server.recipients == ["ada@example.org"]
    assert "/account/password/reset/" in server.mails[0].get_content()
