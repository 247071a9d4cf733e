"""Upgrades: the database of each release, with data in it, is migrated to what there is now."""

from __future__ import annotations

import gzip
import threading
import time

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, connections
from django.test import Client
from django.urls import reverse

from bandpics.ids import new_id
from bandpics.testing import release_data
from bandpics.users.models import User
from groups.models import Group
from images.management.commands import migrate
from images.models import Image

ONE_SIZE = """
    INSERT INTO images_variant
        (image_id, version, name, key, width, height, byte_size, content_type, created_at)
    VALUES (gen_random_uuid(), 1, 'thumb', 'a key', 1, 1, 1, 'image/jpeg', now())
"""
DUMPS = sorted(release_data.RELEASES.glob("*.sql.gz"))


@pytest.fixture
def elsewhere(transactional_db):
    """Lets Django use another, empty database until the end of the test."""
    own, name = connection.settings_dict["NAME"], f"upgrade_{new_id().hex}"
    connection.close()
    parameters = connections["default"].get_connection_params() | {"dbname": "postgres"}
    for unknown in ("cursor_factory", "context", "prepare_threshold"):
        parameters.pop(unknown, None)
    with psycopg.connect(**parameters, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        connection.settings_dict["NAME"] = name
        try:
            yield name
        finally:
            connection.close()
            connection.settings_dict["NAME"] = own
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def of_last_release(elsewhere):
    """Lets Django use a database of the last release, with data in it."""
    with connection.cursor() as cursor:
        cursor.execute(gzip.decompress(DUMPS[-1].read_bytes()).decode())
    connection.close()  # the dump has emptied search_path


def counts():
    with connection.cursor() as cursor:
        tables = connection.introspection.django_table_names(only_existing=True)
        found = {}
        for table in sorted(tables):
            cursor.execute(f'SELECT count(*) FROM "{table}"')  # noqa: S608 - our own names
            found[table] = cursor.fetchone()[0]
    return found


def test_there_is_the_database_of_a_release():
    assert DUMPS


@pytest.mark.parametrize("dump", DUMPS, ids=lambda path: path.name.removesuffix(".sql.gz"))
def test_a_release_is_upgraded_with_its_data(elsewhere, dump):
    with connection.cursor() as cursor:
        cursor.execute(gzip.decompress(dump.read_bytes()).decode())
    connection.close()  # the dump has emptied search_path
    before = counts()
    call_command("migrate", interactive=False, verbosity=0)
    call_command("migrate", check=True, verbosity=0)  # nothing is left to do
    after = counts()
    kept = {"images_image", "images_upload", "groups_group", "invitations_invitation", "users_user"}
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert after["images_image"] == 6
    browser, hanna = Client(), User.objects.get(is_superuser=True)
    browser.force_login(hanna)
    group = Group.objects.get(name="Hanna turns 40")
    photo = Image.objects.get(description="The cake")
    for page in ("gallery", "invitations", "settings"):
        assert browser.get(reverse(f"group-{page}", args=[group.pk])).status_code == 200
    for page in ("moderation", "trash"):
        assert browser.get(reverse(page, args=[group.pk])).status_code == 200
    assert "The cake" in browser.get(reverse("photo", args=[photo.pk])).content.decode()
    assert "Hanna turns 40" in browser.get("/").content.decode()
    listed = browser.get("/api/v1/images/", {"group": str(group.pk)}).json()["results"]
    assert len(listed) == 4  # of six, one is in the trash and one in another group


def indexes(table):
    """By name: whether it is complete."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexrelid::regclass::text, indisvalid FROM pg_index"
            " WHERE indrelid = %s::regclass",
            [table],
        )
        return dict(cursor.fetchall())


@pytest.mark.usefixtures("of_last_release")
def test_keys_of_sizes_stay_unique_and_have_one_index():
    assert "images_variant_key_7990385b_like" in indexes("images_variant")
    call_command("migrate", "images", "0003", verbosity=0)  # while the other index is still there
    for _ in range(2):
        assert indexes("images_variant")["variant_key_once"]
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            cursor.execute("DELETE FROM images_variant")
            cursor.execute(ONE_SIZE)
            with pytest.raises(IntegrityError, match="variant_key_once"):
                cursor.execute(ONE_SIZE)
        call_command("migrate", interactive=False, verbosity=0)
    assert "images_variant_key_7990385b_like" not in indexes("images_variant")


@pytest.mark.usefixtures("of_last_release")
def test_what_a_build_that_was_cut_short_has_left_is_made_anew():
    call_command("migrate", "images", "0004", interactive=False, verbosity=0)
    with connection.cursor() as cursor:
        for name in ("image_all_in_order", "image_words"):
            with pytest.raises(IntegrityError):  # its six photos are of two groups
                cursor.execute(
                    f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON images_image (group_id)"
                )
    assert indexes("images_image")["image_words"] is False
    call_command("migrate", interactive=False, verbosity=0)
    made = indexes("images_image")
    assert made["image_words"]
    assert all(made.values())


@pytest.mark.usefixtures("of_last_release")
def test_migrate_does_not_wait_for_a_lock_for_ever(monkeypatch):
    monkeypatch.setattr(migrate, "LOCK_SECONDS", 1)
    monkeypatch.setattr(migrate, "ATTEMPTS", 2)
    monkeypatch.setattr(migrate, "PAUSE_SECONDS", 0.1)
    parameters = connection.get_connection_params()
    parameters = {key: parameters[key] for key in ("dbname", "user", "password", "host", "port")}
    with psycopg.connect(**parameters) as somebody:
        somebody.execute("LOCK TABLE images_image IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(CommandError, match="table locked"):
            call_command("migrate", interactive=False, verbosity=0)
        monkeypatch.setattr(migrate, "ATTEMPTS", 30)
        done = threading.Thread(target=lambda: (time.sleep(0.5), somebody.rollback()))
        done.start()  # a lock that is given back in time is no error
        call_command("migrate", interactive=False, verbosity=0)
        done.join()
    call_command("migrate", check=True, verbosity=0)
