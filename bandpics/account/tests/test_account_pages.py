"""The pages of one's own account: name, address, language, sessions, keys."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from bandpics.telemetry import scrubber
from bandpics.users import api_keys, email_change, sessions
from bandpics.users.models import Session, User
from bandpics.users.tests.factories import PASSWORD, UserFactory
from groups.tests.factories import GroupFactory

pytestmark = pytest.mark.django_db
ACCOUNT, EMAIL, KEYS, SESSIONS = (
    "/account/",
    "/account/email/",
    "/account/keys/",
    "/account/sessions/",
)


def text(answer):
    return answer.content.decode()


# --- Name and language ----------------------------------------------------------------------


def test_my_name_is_changed_and_nothing_else(browser_of, ada):
    browser = browser_of(ada)
    sent = {"name": "Ada L.", "email": "x@example.org", "is_staff": "on"}
    assert "Your name is saved" in text(browser.post(ACCOUNT, sent, follow=True))
    ada.refresh_from_db()
    assert (ada.name, ada.email, ada.is_staff) == ("Ada L.", "ada@example.org", False)
    refused = browser.post(ACCOUNT, {"name": "x" * 121})
    assert refused.status_code == 400
    assert "at most 120 characters" in text(refused)


def test_the_chosen_language_stays_whatever_the_browser_says(browser_of, ada):
    browser = browser_of(ada, **{"Accept-Language": "fr"})
    answer = browser.post("/language/", {"language": "de", "next": ACCOUNT})
    assert answer["Location"] == ACCOUNT
    html = text(browser.get(ACCOUNT))
    assert '<html lang="de">' in html
    assert "English" in html, "each language is named as its own speakers name it"
    assert "Englisch" not in html
    cookie = answer.cookies["django_language"]
    assert cookie["httponly"]
    assert cookie["max-age"] > 300 * 24 * 3600
    browser.post("/language/", {"language": "xx"})
    assert browser.post("/language/", {"next": "https://evil.example/"})["Location"] == "/"
    html = text(browser.get(ACCOUNT))
    assert '<html lang="de">' in html
    assert "English" in html, "each language is named as its own speakers name it"
    assert "Englisch" not in html


def test_programs_are_told_where_the_api_is(ada):
    answer = APIClient().get(ACCOUNT, headers={"Accept": "application/json"})
    assert answer.status_code == 404


# --- E-mail ---------------------------------------------------------------------------------


def link_of(message):
    return re.search(r"http://[^/]+(/account/email/\S+)", message.body)[1]


@pytest.fixture
def ask(browser_of, ada, tasks_at_once):
    def post(email="ada@new.example", password=PASSWORD):
        sent = {"email": email, "password": password}
        return browser_of(ada).post(EMAIL, sent, follow=True)

    return post


def test_another_address_counts_once_its_mail_is_opened(ask, client, ada, mailoutbox):
    assert "on its way to ada@new.example" in text(ask())
    new, old = mailoutbox
    assert (new.to, old.to) == (["ada@new.example"], ["ada@example.org"])
    assert "ada@new.example" in old.body
    link = link_of(new)
    client.get(link)
    ada.refresh_from_db()
    assert ada.email == "ada@example.org"  # looking changes nothing
    assert client.post(link).status_code == 302
    ada.refresh_from_db()
    assert ada.email == "ada@new.example"
    assert client.post(link).status_code == 410
    assert "does not work any more" in text(client.get(link))


@pytest.mark.parametrize("why", ["old", "password", "cut", "gone"])
def test_a_link_that_is_stale_changes_nothing(ask, client, ada, mailoutbox, why, monkeypatch):
    ask()
    link = link_of(mailoutbox[0])
    if why == "old":
        monkeypatch.setattr(email_change, "LIFETIME", timedelta(seconds=-1))
    elif why == "password":
        ada.set_password("grey horses on the lake")
        ada.save()
    elif why == "cut":
        link = f"{link[:-9]}/"
    else:
        ada.delete()
    assert client.post(link).status_code == 410
    assert not User.objects.filter(email="ada@new.example").exists()


def test_an_address_that_somebody_took_meanwhile_is_refused(ask, client, ada, mailoutbox):
    ask()
    UserFactory(email="ADA@new.example")
    client.force_login(ada)
    answer = client.post(link_of(mailoutbox[0]), follow=True)
    assert "another account with this address" in text(answer)
    ada.refresh_from_db()
    assert ada.email == "ada@example.org"


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"password": "guess"}, "This is not your present password"),
        ({"email": "nonsense"}, "Enter a valid email address"),
        ({"email": "ADA@example.org"}, "your address already"),
    ],
)
def test_what_is_wrong_about_a_new_address_is_said(ask, mailoutbox, sent, says):
    assert says in text(ask(**sent))
    assert mailoutbox == []


def test_without_a_mail_server_no_change_is_offered(ask, browser_of, ada, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    assert ask().status_code == 404
    assert EMAIL not in text(browser_of(ada).get(ACCOUNT))


def test_no_log_holds_the_secret_of_a_link():
    for path in ("/account/email/SECRET/", "/account/password/reset/MQ/SECRET/"):
        line = scrubber.hide(f"GET {path}")
        assert "SECRET" not in line
        assert "[hidden]" in line
    assert "SECRET" not in scrubber.hide("/login/?next=/teams/join/SECRET/")


# --- Sessions -------------------------------------------------------------------------------

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604.1"


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        (PHONE, ("Safari", "iPhone")),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/130.0 Safari/537.36 Edg/130.0", ("Edge", "Windows")),
        (
            "Mozilla/5.0 (Linux; Android 15) Chrome/130.0 Mobile Safari/537.36",
            ("Chrome", "Android"),
        ),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15) Firefox/131.0", ("Firefox", "Mac")),
        ("curl/8", ("", "")),
    ],
)
def test_a_browser_is_called_by_its_name(agent, device):
    assert sessions.device_of(agent) == device


def test_each_sign_in_is_listed_with_its_device(ada, dora):
    devices = [(ada, PHONE), (dora, "Edg on Windows"), (ada, "Firefox on Linux")]
    for user, agent in devices:
        here = Client(headers={"User-Agent": agent})
        here.post("/login/", {"username": user.email, "password": PASSWORD})
    page = text(here.get(SESSIONS))
    assert "Firefox on Linux" in page
    assert "Safari on iPhone" in page
    assert "Edge" not in page
    assert page.count("this one") == 1
    for row in Session.objects.all():
        assert row.pk not in page  # whoever has it is signed in


def test_one_of_them_is_ended_and_the_others_stay(browser_of, ada, dora):
    here, phone, strangers = browser_of(ada), browser_of(ada), browser_of(dora)
    current = here.session.session_key
    other = next(each for each in sessions.of(ada, current=current) if not each.is_current)
    for client, handle in [(strangers, other.handle), (here, "nonsense")]:
        answer = client.post(f"{SESSIONS}end/", {"session": handle}, follow=True)
        assert "had ended already" in text(answer)
    assert phone.get(ACCOUNT).status_code == 200
    assert "signed out" in text(
        here.post(f"{SESSIONS}end/", {"session": other.handle}, follow=True)
    )
    assert phone.get(ACCOUNT).status_code == 302
    assert here.get(ACCOUNT).status_code == 200


def test_all_others_are_ended_at_once(browser_of, ada, dora):
    here, others = browser_of(ada), [browser_of(ada) for _ in range(3)]
    strangers = browser_of(dora)
    assert "3 other sign-ins" in text(here.post(f"{SESSIONS}end/", follow=True))
    assert {browser.get(ACCOUNT).status_code for browser in others} == {302}
    assert here.get(ACCOUNT).status_code == strangers.get(ACCOUNT).status_code == 200


def test_a_session_that_another_password_ended_is_not_listed(browser_of, ada):
    browser_of(ada)
    ada.set_password("grey horses on the lake")
    ada.save()
    here = browser_of(ada)
    assert len(sessions.of(ada, current=here.session.session_key)) == 1


def test_the_last_use_is_stored_every_five_minutes_and_the_session_not_rewritten(browser_of, ada):
    browser = browser_of(ada)
    key = browser.session.session_key
    before = Session.objects.get(pk=key)
    browser.get(ACCOUNT)
    assert Session.objects.get(pk=key).last_seen_at == before.last_seen_at
    past = timezone.now() - timedelta(minutes=6)
    Session.objects.update(last_seen_at=past, session_data=before.session_data)
    browser.get(ACCOUNT)
    row = Session.objects.get(pk=key)
    assert row.last_seen_at > past
    assert (row.session_data, row.browser) == (before.session_data, before.browser)


@pytest.mark.parametrize("what", ["deactivated", "deleted"])
def test_a_session_of_somebody_who_is_gone_signs_nobody_in(browser_of, what):
    rows = User.objects.filter(pk=UserFactory().pk)
    browser = browser_of(rows.get())
    assert browser.get(ACCOUNT).status_code == 200
    if what == "deactivated":
        rows.update(is_active=False)
    else:
        rows._raw_delete("default")  # not the session, as that of a request under way
    assert browser.get(ACCOUNT).status_code == 302


def test_what_a_session_holds_decides_who_is_signed_in(browser_of, ada, ben):
    browser = browser_of(ada)
    Session.objects.update(user=ben)
    assert ada.email in text(browser.get(ACCOUNT))


def test_expired_sessions_are_swept(browser_of, ada):
    browser_of(ada)
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    sessions.SessionStore.clear_expired()
    assert not Session.objects.exists()


# --- API keys -------------------------------------------------------------------------------

BOOTH = {"name": "photo booth", "scopes": ["read", "upload"], "lifetime": "30"}


def test_a_key_is_shown_once_and_works(browser_of, ada):
    browser = browser_of(ada)
    answer = browser.post(KEYS, BOOTH)
    key = re.search(r'id="made-key" value="([^"]+)"', text(answer))[1]
    row = api_keys.find(key)
    assert (row.user, row.name, row.scopes) == (ada, "photo booth", ["read", "upload"])
    assert timedelta(days=29) < row.expiry_date - timezone.now() <= timedelta(days=30)
    assert "no-store" in answer["Cache-Control"]
    again = text(browser.get(KEYS))
    assert "photo booth" in again
    assert key not in again


def test_a_key_may_be_good_for_some_groups_that_i_see(browser_of, ada, group):
    hidden = GroupFactory()
    browser = browser_of(ada)
    assert browser.post(KEYS, {**BOOTH, "groups": [str(hidden.pk)]}).status_code == 400
    browser.post(KEYS, {**BOOTH, "groups": [str(group.pk)]})
    assert ada.api_keys.get().group_ids == [group.pk]
    assert f"Only for: {group.name}" in text(browser.get(KEYS))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": ""}, "This field is required"),
        ({"name": "x" * 51}, "at most 50 characters"),
        ({"scopes": []}, "This field is required"),
        ({"scopes": ["root"]}, "Select a valid choice"),
        ({"lifetime": "99999"}, "Select a valid choice"),
    ],
)
def test_what_is_wrong_about_a_key_is_said_and_none_is_made(browser_of, ada, changes, says):
    answer = browser_of(ada).post(KEYS, {**BOOTH, **changes})
    assert answer.status_code == 400
    assert says in text(answer)
    assert not ada.api_keys.exists()


def test_a_key_is_revoked_by_its_owner_only(browser_of, ada, dora):
    row, key = api_keys.issue(ada, name="script", scopes=["read"])
    path = f"{KEYS}{row.prefix}/revoke/"
    assert "no such key" in text(browser_of(dora).post(path, follow=True))
    assert api_keys.find(key)
    assert browser_of(ada).get(path).status_code == 405
    assert "is revoked" in text(browser_of(ada).post(path, follow=True))
    assert api_keys.find(key) is None


def test_many_keys_take_no_more_queries(browser_of, ada, group, django_assert_max_num_queries):
    for _ in range(12):
        api_keys.issue(ada, name="script", scopes=["read"], group_ids=[group.pk])
    browser = browser_of(ada)
    with django_assert_max_num_queries(8):
        assert text(browser.get(KEYS)).count("Revoke") >= 12
