"""Signed addresses end with the credential that was shown them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from bandpics.users import api_keys
from bandpics.users.models import Scope
from images.access import MemberAccess
from images.tests import drawn_pictures
from images.tests.bulk_rows import photo
from images.tests.guest_client import get
from invitations.models import Invitation

pytestmark = pytest.mark.django_db

PHOTOS, RECEIPT = "/api/v1/images/", "/api/v1/uploads/"
REFUSED = {400, 403}  # AWS says 403, rclone 400


def end_of(url):
    query = parse_qs(urlsplit(url).query)
    signed_at = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return signed_at + timedelta(seconds=int(query["X-Amz-Expires"][0]))


def all_urls(client, image):
    """Every address of the photo that this credential is shown, wherever it is."""
    lines = client.get(RECEIPT).json()["results"]
    shown = [*client.get(PHOTOS).json()["results"], client.get(f"{PHOTOS}{image.pk}/").json()]
    group = client.get(f"/api/v1/groups/{image.group_id}/")
    shown += group.json()["images"] if group.status_code == 200 else []
    urls = [size["url"] for row in shown for size in row["variants"].values()]
    urls += [line["thumb"]["url"] for line in lines if line["thumb"]]
    for name in ("thumb", "original"):
        answer = client.get(f"{PHOTOS}{image.pk}/variants/{name}/")
        urls += [answer["Location"]] if answer.status_code == 302 else []
    return urls


def with_header(value):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=value)
    return client


@pytest.fixture
def shown(group, ada, cleo):
    image = photo(
        *(group,),
        uploader=cleo.key,
        invitation=cleo.invitation,
        variants=("thumb", "small"),
    )
    photo(group, uploader=MemberAccess(ada).key, uploaded_by=ada, variants=("thumb",))
    return image


def by_key(ada, ends_at):
    _, text = api_keys.issue(ada, name="script", scopes=Scope.values, expires_at=ends_at)
    return with_header(f"Api-Key {text}")


def by_token(ada, ends_at):
    token = AccessToken.for_user(ada)
    token["exp"] = int(ends_at.timestamp())
    return with_header(f"Bearer {token}")


@pytest.mark.parametrize("sign_in", [by_key, by_token])
def test_a_members_addresses_end_with_the_key_or_token(ada, shown, sign_in):
    ends_at = (timezone.now() + timedelta(minutes=3)).replace(microsecond=0)
    urls = all_urls(sign_in(ada, ends_at), shown)
    assert len(urls) == 3 + 2 + 3 + 1 + 2  # list, detail, group, receipt, redirects
    assert {end_of(url) for url in urls} == {ends_at}


def test_a_guests_addresses_end_with_the_link(cleo, shown):
    ends_at = timezone.now().replace(microsecond=0) + timedelta(minutes=1)
    Invitation.objects.update(expires_at=ends_at)
    urls = all_urls(cleo.client, shown)
    assert len(urls) == 2 + 2 + 1 + 1  # list, detail, receipt, a redirect
    assert {end_of(url) for url in urls} == {ends_at}
    assert urls == all_urls(cleo.client, shown)  # for a browser to cache, as ever


def test_of_a_credential_that_lives_longer_they_are_all_of_the_hour(ada, cleo, shown, signed_in):
    thumb = {url for url in all_urls(cleo.client, shown) if "/thumb/" in url}
    (url,) = thumb
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    assert end_of(url) == hour + timedelta(hours=2)
    for client in (signed_in(ada), by_key(ada, None)):
        assert url in all_urls(client, shown)


def test_a_redirect_is_kept_no_longer_than_what_it_leads_to(cleo, shown):
    address = f"{PHOTOS}{shown.pk}/variants/thumb/"
    assert cleo.client.get(address)["Cache-Control"] == "private, max-age=300"
    Invitation.objects.update(expires_at=timezone.now() + timedelta(seconds=30))
    seconds = int(cleo.client.get(address)["Cache-Control"].partition("max-age=")[2])
    assert 1 <= seconds <= 30


def test_a_link_that_has_ended_shows_its_own_photos_for_a_second_at_a_time(cleo, shown):
    Invitation.objects.update(expires_at=timezone.now() - timedelta(days=1))
    asked_at = timezone.now()
    answer = cleo.client.get(f"{PHOTOS}{shown.pk}/")
    end, second = end_of(answer.json()["variants"]["thumb"]["url"]), timedelta(seconds=1)
    assert asked_at - second < end <= timezone.now() + second
    headers = {"If-None-Match": answer["ETag"]}
    again = cleo.client.get(f"{PHOTOS}{shown.pk}/", headers=headers)
    assert again.status_code == 200  # never "what you have is still right"


def test_the_store_refuses_them_once_the_link_has_ended(cleo, bucket):
    image = cleo.send_and_process(drawn_pictures.jpeg())
    ends_at = timezone.now() + timedelta(seconds=5)  # a busy machine asks before
    Invitation.objects.update(expires_at=ends_at)
    urls = all_urls(cleo.client, image)
    assert get(urls[0]).status == 200
    time.sleep(max(0, (ends_at - timezone.now()).total_seconds()) + 0.1)
    assert {get(url).status for url in urls} <= REFUSED
