"""API keys through the API: made, listed, rotated, revoked; none may do more than its user."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from bandpics.users import api_keys
from bandpics.users.models import ApiKey, Scope
from groups.tests.factories import GroupFactory

pytestmark = pytest.mark.django_db
KEYS, ME = "/api/v1/users/me/keys/", "/api/v1/users/me/"


def rotate_url(user):
    return f"/api/v1/users/{user.pk}/credentials/rotate/"


@pytest.fixture
def with_key():
    def make(user, **about):
        row, key = api_keys.issue(user, **{"name": "script", "scopes": Scope.values, **about})
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Api-Key {key}")
        client.row = row
        return client

    return make


def status_of(key):
    return APIClient().get(ME, headers={"Authorization": f"Api-Key {key}"}).status_code


# --- Making and listing ---------------------------------------------------------------------


def test_a_key_is_shown_once_and_listed_without_its_secret(ada, signed_in):
    answer = signed_in(ada).post(KEYS, {"name": "booth", "scopes": ["upload", "read", "read"]})
    assert answer.status_code == 201
    made = answer.json()
    assert made["scopes"] == ["read", "upload"]
    assert made["groups"] == []
    assert made["expires_at"] is None
    assert status_of(made["api_key"]) == 200
    (listed,) = signed_in(ada).get(KEYS).json()["results"]
    assert listed["prefix"] == made["api_key"][:8]
    assert "api_key" not in listed
    assert listed["last_used_at"] is not None


def test_a_repeated_call_makes_no_other_key_and_shows_none(ada, signed_in):
    client, headers = signed_in(ada), {"Idempotency-Key": "1"}
    body = {"name": "booth", "scopes": ["read"]}
    first = client.post(KEYS, body, headers=headers).json()
    again = client.post(KEYS, body, headers=headers)
    assert again.status_code == 201
    assert again.json() == {**first, "api_key": None}
    assert ApiKey.objects.count() == 1


def test_a_key_can_be_for_some_groups(ada, group, signed_in):
    body = {"name": "booth", "scopes": ["read"], "groups": [str(group.pk)]}
    assert signed_in(ada).post(KEYS, body).json()["groups"] == [str(group.pk)]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"scopes": ["read"]}, "#/name"),
        ({"name": "x"}, "#/scopes"),
        ({"name": "x", "scopes": []}, "#/scopes"),
        ({"name": "x", "scopes": ["king"]}, "#/scopes/0"),
        ({"name": "x" * 51, "scopes": ["read"]}, "#/name"),
        ({"name": "x", "scopes": ["read"], "groups": ["x"]}, "#/groups/0"),
        ({"name": "x", "scopes": ["read"], "expires_at": "2001-01-01T00:00:00Z"}, "#/expires_at"),
        ({"name": "x", "scopes": ["read"], "expires_at": "tomorrow"}, "#/expires_at"),
    ],
)
def test_what_is_wrong_is_named(ada, signed_in, body, pointer):
    answer = signed_in(ada).post(KEYS, body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert not ApiKey.objects.exists()


def test_groups_one_does_not_see_are_not_there(ada, group, signed_in):
    body = {"name": "x", "scopes": ["read"], "groups": [str(group.pk), str(GroupFactory().pk)]}
    answer = signed_in(ada).post(KEYS, body)
    assert answer.status_code == 400
    assert [each["pointer"] for each in answer.json()["errors"]] == ["#/groups/1"]


def test_keys_are_managed_by_keys_with_the_scope_admin_only(ada, with_key):
    client = with_key(ada, scopes=["read", "upload", "moderate"])
    assert client.get(KEYS).status_code == 403
    assert client.post(KEYS, {"name": "x", "scopes": ["read"]}).status_code == 403
    assert client.post(rotate_url(ada)).status_code == 403
    assert client.delete(f"{KEYS}{client.row.prefix}/").status_code == 403


def test_a_key_makes_none_that_is_good_for_more(ada, group, with_key):
    client = with_key(ada, scopes=["admin"], group_ids=[group.pk])
    mine, other = str(group.pk), str(GroupFactory(team=group.team).pk)
    assert client.post(KEYS, {"name": "x", "scopes": ["admin", "read"]}).status_code == 403
    assert client.post(KEYS, {"name": "x", "scopes": ["admin"]}).status_code == 403
    wider = {"name": "x", "scopes": ["admin"], "groups": [mine, other]}
    assert client.post(KEYS, wider).status_code == 400
    fine = {"name": "x", "scopes": ["admin"], "groups": [mine]}
    assert client.post(KEYS, fine).status_code == 201


def test_a_key_makes_none_with_more_scopes(ada, with_key):
    """The key is for all groups, so that no other rule refuses it."""
    client = with_key(ada, scopes=["admin", "read"])
    body = {"name": "x", "scopes": ["admin", "read", "upload"]}
    for url in (KEYS, rotate_url(ada)):
        answer = client.post(url, body)
        assert answer.status_code == 403
        assert "more scopes" in answer.json()["detail"]
        assert ApiKey.objects.count() == 1
    made = client.post(KEYS, {"name": "x", "scopes": ["admin", "read"]})
    assert made.status_code == 201
    assert ApiKey.objects.get(prefix=made.json()["prefix"]).scopes == ["admin", "read"]


def test_nobody_has_no_keys(db):
    for answer in [APIClient().get(KEYS), APIClient().post(KEYS, {}), APIClient().post(KEYS)]:
        assert answer.status_code == 401


# --- Revoking -------------------------------------------------------------------------------


def test_a_revoked_key_is_gone_and_revoking_twice_is_harmless(ada, signed_in, with_key):
    prefix = with_key(ada).row.prefix
    for _ in range(2):
        assert signed_in(ada).delete(f"{KEYS}{prefix}/").status_code == 204
    assert signed_in(ada).get(KEYS).json()["results"] == []


def test_other_peoples_keys_are_not_there(ada, dora, signed_in, with_key):
    row = with_key(ada).row
    assert signed_in(dora).delete(f"{KEYS}{row.prefix}/").status_code == 404
    row.refresh_from_db()
    assert not row.revoked


# --- Rotating -------------------------------------------------------------------------------


def test_a_rotated_key_goes_on_for_a_day_beside_the_new_one(ada, group, signed_in):
    old, text = api_keys.issue(ada, name="booth", scopes=["read"], group_ids=[group.pk])
    answer = signed_in(ada).post(rotate_url(ada))
    assert answer.status_code == 201
    new = answer.json()
    assert (new["name"], new["scopes"], new["groups"]) == ("booth", ["read"], [str(group.pk)])
    assert new["expires_at"] is None
    assert new["replaces"]["prefix"] == old.prefix
    left = datetime.fromisoformat(new["replaces"]["expires_at"]) - timezone.now()
    assert timedelta(hours=23) < left <= timedelta(hours=24)
    assert (status_of(text), status_of(new["api_key"])) == (200, 200)
    ApiKey.objects.filter(pk=old.pk).update(expiry_date=timezone.now())
    assert (status_of(text), status_of(new["api_key"])) == (401, 200)


def test_rotating_never_lengthens_the_life_of_the_old_key(ada, signed_in):
    soon = timezone.now() + timedelta(minutes=5)
    old, _ = api_keys.issue(ada, name="x", scopes=["read"], expires_at=soon)
    new = signed_in(ada).post(rotate_url(ada)).json()
    old.refresh_from_db()
    assert old.expiry_date == soon
    lifetime = datetime.fromisoformat(new["expires_at"]) - timezone.now()
    assert timedelta(minutes=4) < lifetime <= timedelta(minutes=5)


def test_a_key_rotates_itself(ada, with_key):
    api_keys.issue(ada, name="another", scopes=["read"])
    client = with_key(ada)
    assert client.post(rotate_url(ada)).json()["replaces"]["prefix"] == client.row.prefix
    assert client.post(rotate_url(ada)).status_code == 201  # the first answer may have got lost


def test_of_several_one_must_be_named(ada, signed_in):
    one, _ = api_keys.issue(ada, name="one", scopes=["read"])
    api_keys.issue(ada, name="two", scopes=["read"])
    answer = signed_in(ada).post(rotate_url(ada))
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "#/prefix"
    assert one.prefix in answer.json()["detail"]
    body = {"prefix": one.prefix, "name": "new", "scopes": ["read", "upload"]}
    new = signed_in(ada).post(rotate_url(ada), body).json()
    assert (new["name"], new["scopes"]) == ("new", ["read", "upload"])
    assert signed_in(ada).post(rotate_url(ada), {"prefix": "nothing"}).status_code == 400


def test_whoever_has_none_gets_their_first(ada, signed_in):
    new = signed_in(ada).post(rotate_url(ada)).json()
    assert new["replaces"] is None
    assert status_of(new["api_key"]) == 200


def test_a_key_without_a_scope_cannot_pass_it_on_by_rotating_another(ada, with_key):
    strong, _ = api_keys.issue(ada, name="strong", scopes=Scope.values)
    client = with_key(ada, scopes=["admin"])
    assert client.post(rotate_url(ada), {"prefix": strong.prefix}).status_code == 400
    strong.refresh_from_db()
    assert strong.expiry_date is None


@pytest.mark.parametrize("limit", ["groups", "scopes"])
def test_a_key_neither_sees_nor_ends_one_that_is_good_for_more(ada, group, with_key, limit):
    strong, _ = api_keys.issue(ada, name="strong", scopes=Scope.values)
    own = {"groups": {"group_ids": [group.pk]}, "scopes": {"scopes": ["admin"]}}[limit]
    client = with_key(ada, **own)
    weak, _ = api_keys.issue(ada, name="weak", scopes=["admin"], group_ids=[group.pk])
    seen = {row["prefix"] for row in client.get(KEYS).json()["results"]}
    assert seen == {client.row.prefix, weak.prefix}
    assert client.delete(f"{KEYS}{strong.prefix}/").status_code == 404
    assert client.post(rotate_url(ada), {"prefix": strong.prefix}).status_code == 400
    strong.refresh_from_db()
    assert (strong.revoked, strong.expiry_date) == (False, None)
    assert client.delete(f"{KEYS}{weak.prefix}/").status_code == 204


def test_a_superusers_key_for_some_groups_reaches_nobody_else(ada, admin, with_key):
    admin.is_superuser = True
    admin.save()
    client = with_key(admin, group_ids=[GroupFactory().pk])
    assert client.post(rotate_url(ada)).status_code == 404
    assert with_key(admin).post(rotate_url(ada)).status_code == 201


def test_a_key_until_the_end_of_time_is_rotated(ada, signed_in):
    """Keys made before years were limited may have such an end."""
    end = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    old, _ = ApiKey.objects.create_key(user=ada, name="booth", scopes=["read"], expiry_date=end)
    answer = signed_in(ada).post(rotate_url(ada), {"prefix": old.prefix})
    assert answer.status_code == 201
    assert answer.json()["expires_at"] == "9999-12-31T23:59:59.999999Z"


@pytest.mark.parametrize("role", ["ben", "dora", "admin"])
def test_somebody_elses_id_is_not_there(ada, role, request, signed_in):
    somebody = request.getfixturevalue(role)
    assert signed_in(somebody).post(rotate_url(ada)).status_code == 404
    assert signed_in(somebody).post("/api/v1/users/999999999999999999999/credentials/rotate/")
    assert not ApiKey.objects.exists()


def test_a_superuser_rotates_for_others(ada, admin, signed_in):
    admin.is_superuser = True
    admin.save()
    new = signed_in(admin).post(rotate_url(ada)).json()
    assert ApiKey.objects.get(prefix=new["prefix"]).user == ada


def test_nobody_rotates_nothing(ada):
    assert APIClient().post(rotate_url(ada)).status_code == 401


# --- Forms ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["groups[]", "groups[a]", "groups.0", "expires_at[0]"])
def test_a_name_of_a_form_that_would_be_passed_over_is_refused(ada, group, signed_in, name):
    form = {"name": "booth", "scopes": "read", name: str(group.pk)}
    answer = signed_in(ada).post(KEYS, form, format="multipart")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "unknown-field"
    assert not ApiKey.objects.exists()


def test_items_of_a_form_may_be_numbered(ada, group, signed_in):
    form = {"name": "booth", "scopes[0]": "read", "groups[0]": str(group.pk)}
    answer = signed_in(ada).post(KEYS, form, format="multipart")
    assert (answer.status_code, answer.json()["groups"]) == (201, [str(group.pk)])


def test_a_key_that_is_rotated_by_an_empty_form_ends_when_the_old_one_does(
    ada, with_key, signed_in
):
    ends_at = timezone.now() + timedelta(days=30)
    old = with_key(ada, expires_at=ends_at).row
    form = {"prefix": old.prefix, "expires_at": ""}
    answer = signed_in(ada).post(rotate_url(ada), form, format="multipart")
    assert answer.status_code in {200, 201}, answer.json()
    assert answer.json()["expires_at"] is not None
