"""The first admin of an installation has a team; admins without one are shown how to get one."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from bandpics import entrypoint
from bandpics.users.models import User
from groups.models import Group, Membership, Team
from groups.tests.factories import GroupFactory

PROJECT = Path(__file__).parents[2]
PASSWORD = "eine-lange-Nacht-am-See"
HINT = "first_admin you@example.org"


@pytest.fixture(params=["here", pytest.param("in a process", marks=pytest.mark.long)])
def container(request, transactional_db, monkeypatch, capsys):
    """Runs what a container of the image does, on the database of this test."""
    if request.param == "here":
        return partial(run_here, monkeypatch, capsys)
    row = connection.settings_dict
    url = f"postgres://{row['USER']}:{row['PASSWORD']}@{row['HOST']}:{row['PORT']}/{row['NAME']}"

    def run(*words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "bandpics.entrypoint", *words],
            cwd=PROJECT,
            # Programs are found by PATH.
            env={
                **os.environ,
                "DATABASE_URL": url,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            },
            input=typed,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def run_here(monkeypatch, capsys, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """Runs the entrypoint, and the commands that it starts, in this process."""
    monkeypatch.setattr(sys, "argv", ["entrypoint", *words])
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    monkeypatch.setattr(entrypoint, "run", lambda program: call_command(*program[2:]) or 0)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    with pytest.raises(SystemExit) as ended:
        entrypoint.main()
    said = capsys.readouterr()
    return subprocess.CompletedProcess(words, ended.value.code, said.out, said.err)


@pytest.fixture
def typed(monkeypatch):
    return lambda line: monkeypatch.setattr(sys, "stdin", io.StringIO(f"{line}\n"))


def test_migrate_offers_one_who_can_make_a_group_at_once(container, client, settings, capsys):
    offered = container("migrate")
    assert offered.returncode == 0, offered.stderr
    assert HINT in offered.stdout

    made = container("first_admin", "ada@example.org", "--name", "Ada", typed=f"{PASSWORD}\n")
    assert made.returncode == 0, made.stderr
    assert PASSWORD not in made.stdout + made.stderr
    call_command("first_admin")
    assert HINT not in capsys.readouterr().out

    settings.PASSWORD_HASHERS = [
        *settings.PASSWORD_HASHERS,
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",  # of the other process
    ]
    assert client.login(username="ada@example.org", password=PASSWORD)
    team = Team.objects.get()
    answer = client.post("/groups/new/", {"team": str(team.pk), "name": "Summer concert"})
    assert answer.status_code == 302
    assert client.get(answer["Location"]).status_code == 200
    assert client.get("/admin/").status_code == 200


@pytest.mark.parametrize(
    ("email", "password", "why"),
    [
        ("ada@example.org", "12345678", "too common"),
        ("ada@example.org", "", "too short"),
        ("nonsense", PASSWORD, "valid email"),
        ("ben@example.org", PASSWORD, "is no admin"),
    ],
)
def test_nobody_is_made_by_mistake(db, typed, email, password, why):
    User.objects.create_user("ben@example.org", "password")
    typed(password)
    with pytest.raises(CommandError, match=why):
        call_command("first_admin", email)
    assert not User.objects.filter(is_superuser=True).exists()
    assert not Team.objects.exists()


def test_an_admin_of_createsuperuser_gets_a_team_and_keeps_the_password(db):
    root = User.objects.create_superuser("root@example.org", PASSWORD)
    for _ in range(2):
        call_command("first_admin", "root@example.org", team="The Band")
    assert Membership.objects.get().role == Membership.Role.OWNER
    assert Team.objects.get().name == "The Band"
    assert User.objects.get().password == root.password


@pytest.mark.django_db
class TestAnAdminWithoutATeam:
    @pytest.fixture
    def root(self, client):
        client.force_login(User.objects.create_superuser("root@example.org"))
        return client

    def test_is_led_to_one_by_the_pages(self, root):
        for page in ["/", "/groups/new/"]:
            html = root.get(page).content.decode()
            assert 'href="/admin/groups/team/add/"' in html
            assert "Ask the owner" not in html
        assert root.get("/admin/groups/team/add/").status_code == 200

    def test_follows_the_gallery_link_of_the_admin_to_the_groups_team(self, root):
        group = GroupFactory()
        address = f"/groups/{group.pk}/"
        assert address in root.get("/admin/groups/group/").content.decode()
        answer = root.get(address)
        assert answer.status_code == 403
        html = answer.content.decode()
        assert f'href="/admin/groups/team/{group.team_id}/change/"' in html
        assert root.get(f"/admin/groups/team/{group.team_id}/change/").status_code == 200

    def test_is_told_by_the_api_how_to_make_one(self, signed_in):
        root = signed_in(User.objects.create_superuser("root@example.org"))
        answer = root.post("/api/v1/groups/", {"name": "Summer concert"})
        assert answer.status_code == 403
        assert "POST /api/v1/teams/" in answer.json()["detail"]
        team = root.post("/api/v1/teams/", {"name": "The Band"}).json()["id"]
        answer = root.post("/api/v1/groups/", {"name": "Summer concert", "team": team})
        assert answer.status_code == 201

    def test_a_group_in_the_trash_and_one_that_never_was_are_nowhere(self, root):
        group = GroupFactory()
        Group.objects.update(trashed_at="2026-01-01T00:00Z")
        assert root.get(f"/groups/{group.pk}/").status_code == 404
        assert root.get("/groups/01978a5e-0000-7000-8000-000000000000/").status_code == 404


def test_others_outside_a_team_see_no_way_in(dora, signed_in, group):
    client = signed_in(dora)
    assert client.get(f"/groups/{group.pk}/").status_code == 404
    assert "/admin/" not in client.get("/").content.decode()


def test_staff_who_may_not_change_teams_see_none_either(dora, signed_in, group):
    User.objects.filter(pk=dora.pk).update(is_staff=True)
    Membership.objects.filter(user=dora).delete()
    dora.refresh_from_db()
    client = signed_in(dora)
    assert client.get(f"/groups/{group.pk}/").status_code == 404
    assert "/admin/groups/team/add/" not in client.get("/groups/new/").content.decode()


def test_where_nobody_can_type_the_first_admin_asks_for_a_password_by_mail(db):
    call_command("first_admin", "ada@example.org", "--random-password")
    made = User.objects.get(is_superuser=True)
    assert made.has_usable_password()  # or no link would be sent
    assert Membership.objects.get(user=made).role == Membership.Role.OWNER
    with pytest.raises(CommandError, match="valid email"):
        call_command("first_admin", "nonsense", "--random-password")
