"""Who sends a credential the wrong way is told the right one, and programs are answered as such."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from bandpics import limits
from bandpics.api.tests.conftest import problem
from bandpics.users import api_keys
from images.tests import drawn_pictures
from images.tests.guest_client import Guest
from invitations.tests.factories import InvitationFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bucket")]
IMAGES, GROUPS, UPLOADS = "/api/v1/images/", "/api/v1/groups/", "/api/v1/uploads/"


def asked(path, **headers):
    return APIClient().get(
        path, headers={name.replace("_", "-"): headers[name] for name in headers}
    )


@pytest.fixture
def key(ada):
    return api_keys.issue(ada, name="script", scopes=["read"])[1]


@pytest.fixture
def token(ada, client):
    from bandpics.users.tests.factories import PASSWORD

    body = {"email": ada.email, "password": PASSWORD}
    return client.post("/api/v1/token/", body, content_type="application/json").json()["access"]


# --- WWW-Authenticate -----------------------------------------------------------------------


def schemes(answer) -> list[str]:
    """The schemes that WWW-Authenticate names, in order."""
    return [part.split()[0] for part in answer["WWW-Authenticate"].split(", ") if " " in part]


@pytest.mark.parametrize("path", [IMAGES, GROUPS, UPLOADS, "/api/v1/users/me/"])
def test_a_wrong_credential_is_answered_with_its_own_scheme(path, db):
    for header in ("Api-Key wrong.key", "Bearer wrong"):
        answer = asked(path, Authorization=header)
        problem(answer, 401, "credential-invalid")
        assert schemes(answer) == [header.split()[0]]


def test_without_a_credential_all_that_the_address_takes_are_named(db):
    assert schemes(asked(IMAGES)) == ["Invitation", "Bearer", "Api-Key"]
    assert schemes(asked(GROUPS)) == ["Bearer", "Api-Key"]
    assert schemes(asked(GROUPS, Authorization="Basic YQ==")) == ["Bearer", "Api-Key"]
    assert schemes(asked(GROUPS, Authorization="Invitation x")) == ["Bearer", "Api-Key"]


# --- The right credential, the wrong way ----------------------------------------------------


@pytest.mark.parametrize("path", [IMAGES, GROUPS])
def test_a_key_or_token_sent_by_another_scheme_is_told_the_right_one(path, key, token):
    for headers, hint in [
        ({"Authorization": f"Bearer {key}"}, "Authorization: Api-Key <key>"),
        ({"X_Api_Key": key}, "Authorization: Api-Key <key>"),
        ({"X_Api_Key": "anything"}, "Authorization: Api-Key <key>"),
        ({"Authorization": f"Api-Key {token}"}, "Authorization: Bearer <token>"),
        ({"Authorization": key}, "Api-Key <key>"),
    ]:
        answer = asked(path, **headers)
        body = problem(answer, 401, "credential-invalid")
        assert hint in body["detail"], headers
        assert key not in answer.content.decode()
    for header in (f"Api-Key {key}", f"Bearer {token}"):
        assert asked(path, Authorization=header).status_code == 200


def test_the_token_of_a_link_sent_by_another_scheme_is_told_the_right_one(cleo, settings):
    token = cleo.invitation.token
    for scheme in ("Bearer", "bearer"):
        for path in (IMAGES, UPLOADS):
            answer = asked(path, Authorization=f"{scheme} {token}")
            body = problem(answer, 401, "credential-invalid")
            assert "Authorization: Invitation <token>" in body["detail"]
            assert schemes(answer) == ["Invitation"]
            assert token not in answer.content.decode()
    # Groups are made by people with an account: there the link opens nothing.
    assert schemes(asked(GROUPS, Authorization=f"Bearer {token}")) == ["Bearer"]
    assert asked(IMAGES, Authorization=f"Invitation {token}").status_code == 200


def test_tokens_of_links_cannot_be_guessed_by_another_scheme(db, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "guess": "3/hour"}
    limits.reset()
    codes = [asked(IMAGES, Authorization=f"Bearer {number:043}").status_code for number in range(5)]
    assert codes == [401, 401, 401, 429, 429]


def test_a_header_that_is_not_read_does_not_stop_a_right_credential(key, ada, cleo, signed_in):
    assert asked(GROUPS, Authorization=f"Api-Key {key}", X_Api_Key="x").status_code == 200
    assert signed_in(ada).get(GROUPS, headers={"X-Api-Key": "x"}).status_code == 200
    assert cleo.client.get(IMAGES, headers={"X-Api-Key": "x"}).status_code == 200
    address = f"{IMAGES}?access_token={cleo.invitation.token}"
    assert asked(address, X_Api_Key="x").status_code == 200


# --- Pages are for people -------------------------------------------------------------------


def test_a_program_at_the_address_of_a_page_is_told_where_the_api_is(cleo, ada, key, signed_in):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    for path in (f"/images/{image.pk}/", f"/groups/{image.group_id}/"):
        for program in (
            {"Accept": "application/json"},
            {"Accept": "application/json, text/plain, */*"},
            {"Accept": "*/*", "Authorization": f"Api-Key {key}"},
        ):
            for client in (APIClient(), signed_in(ada)):
                answer = client.get(path, headers=program)
                body = problem(answer, 404, "not-found")
                assert f"/api/v1{path}" in body["detail"]
    moved = APIClient().get(f"/images/{image.pk}", headers={"Accept": "application/json"})
    assert (moved.status_code, moved["Location"]) == (308, f"/images/{image.pk}/")
    for path in ("/", "/groups/new/", "/v1/images/", "/nothing/"):
        problem(APIClient().get(path, headers={"Accept": "application/json"}), 404, "not-found")


def test_a_browser_gets_pages_as_ever(cleo, ada, signed_in):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    for accept in ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "*/*", ""):
        headers = {"Accept": accept} if accept else {}
        for path in ("/", f"/images/{image.pk}/", f"/groups/{image.group_id}/"):
            assert APIClient().get(path, headers=headers).status_code == 302
            assert signed_in(ada).get(path, headers=headers).status_code == 200
        answer = APIClient().get("/nothing/", headers=headers)
        assert answer["Content-Type"].startswith("text/html")


# --- Whose photos ---------------------------------------------------------------------------


def test_a_list_by_a_shared_link_without_a_device_says_why_it_is_empty(group, cleo, ada, signed_in):
    invitation = InvitationFactory(group=group, kind="shared", email="", name="")
    nobody, somebody = Guest(invitation, device=""), Guest(invitation)
    for path in (IMAGES, UPLOADS):
        hint = nobody.client.get(path).json()["hint"]
        assert "Bandpics-Device" in hint
        for client in (somebody.client, cleo.client, signed_in(ada)):
            assert "hint" not in client.get(path).json()
