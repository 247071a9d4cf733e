"""The packages of package.json: installed by npm, served as modules that pages import by name."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.core import checks

from bandpics import node_packages
from bandpics.local import environment

PROJECT = environment.PROJECT
LOCK = json.loads((PROJECT / "package-lock.json").read_text())["packages"]
MAP = re.compile(r'<script type="importmap" nonce="([^"]+)">(.*?)</script>', re.DOTALL)


@pytest.fixture
def settings_page(client, ada, group):
    """A page that has an import map, as the server sends it."""
    client.force_login(ada)
    return client.get(f"/groups/{group.pk}/settings/")


def test_every_package_is_pinned_by_a_version_and_a_hash():
    wanted = json.loads((PROJECT / "package.json").read_text())["dependencies"]
    assert {name: LOCK[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    packages = [package for path, package in LOCK.items() if path]
    assert all(package["integrity"].startswith("sha512-") for package in packages)


def test_no_package_wants_to_run_a_script_while_it_is_installed():
    assert not [path for path, package in LOCK.items() if package.get("hasInstallScript")]


def test_where_packages_come_from_is_not_said():
    assert "://" not in (PROJECT / "package-lock.json").read_text()


@pytest.mark.django_db
def test_the_import_map_names_hashed_modules_that_are_there(client, settings_page):
    imports = json.loads(MAP.search(settings_page.content.decode())[2])["imports"]
    assert {"leaflet", "photoswipe", "photoswipe/lightbox", "supercluster", "uplot"} <= set(imports)
    for url in imports.values():
        assert re.fullmatch(r"/static/vendor/[\w./-]+\.[0-9a-f]{12}\.js", url)
        answer = client.get(url)
        assert answer.status_code == 200
        assert answer["Content-Type"].startswith("text/javascript")
        assert "immutable" in answer["Cache-Control"]


@pytest.mark.django_db
def test_the_policy_lets_the_browser_read_the_map_of_this_answer_alone(client, settings_page):
    nonce = MAP.search(settings_page.content.decode())[1]
    assert f"script-src 'self' 'nonce-{nonce}'" in settings_page["Content-Security-Policy"]
    again = client.get(settings_page.request["PATH_INFO"])
    assert nonce not in again.content.decode()
    assert nonce not in again["Content-Security-Policy"]


def test_a_page_without_an_import_map_allows_no_inline_script(client, db):
    policy = client.get("/login/", follow=True)["Content-Security-Policy"]
    assert "nonce" not in policy


def test_every_file_is_served_with_the_licence_of_its_package(client, db):
    packages = {name.split("/")[0] for name in node_packages.FILES}
    for package in packages:
        assert (Path(settings.STATIC_ROOT) / "vendor" / package / "LICENSE").exists()


def test_scripts_of_packages_travel_without_comments_and_names_of_files_that_are_not_there():
    leaflet = Path(settings.STATIC_ROOT) / "vendor/leaflet/dist/leaflet-src.esm.js"
    assert b"sourceMappingURL" not in leaflet.read_bytes()
    original = PROJECT / "node_modules/leaflet/dist/leaflet-src.esm.js"
    assert leaflet.stat().st_size < original.stat().st_size / 2


def test_where_packages_are_missing_the_check_says_what_to_do(monkeypatch, tmp_path):
    assert checks.run_checks(tags=[checks.Tags.staticfiles]) == []
    monkeypatch.setattr(node_packages, "NODE_MODULES", tmp_path)
    (error,) = node_packages.NodePackageFinder().check()
    assert error.id == "bandpics.E001"
    assert "make setup" in error.hint


def project(folder: Path, dependency: str) -> Path:
    """A folder in which npm has something to install."""
    package = {"name": "tried", "version": "1.0.0", "dependencies": {"one": dependency}}
    (folder / "package.json").write_text(json.dumps(package))
    return folder


def install(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bandpics.local.npm"],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(PROJECT),
            "npm_config_cache": str(folder / "cache"),
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("has_node", [True, False], ids=["as it is", "without Node"])
def test_packages_are_installed_and_their_scripts_do_not_run(tmp_path, has_node):
    one = tmp_path / "one"
    one.mkdir()
    ran = tmp_path / "ran"
    script = {"name": "one", "version": "1.0.0", "scripts": {"install": f"touch {ran}"}}
    (one / "package.json").write_text(json.dumps(script))
    folder = project(tmp_path, "file:one")
    lock = {
        "name": "tried",
        "version": "1.0.0",
        "lockfileVersion": 3,
        "requires": True,
        "packages": {
            "": {"name": "tried", "version": "1.0.0", "dependencies": {"one": "file:one"}},
            "node_modules/one": {"resolved": "one", "link": True},
            "one": {"version": "1.0.0", "hasInstallScript": True},
        },
    }
    (folder / "package-lock.json").write_text(json.dumps(lock))
    path = os.environ["PATH"] if has_node else str(tmp_path / "empty")
    run = install(folder, PATH=path)
    assert run.returncode == 0, run.stderr
    assert (folder / "node_modules" / "one" / "package.json").exists()
    assert (folder / "node_modules" / ".package-lock.json").exists()  # what make looks at
    assert not ran.exists()


def test_without_a_registry_it_says_so_and_what_to_do(tmp_path):
    folder = project(tmp_path, "1.0.0")
    one = {"version": "1.0.0", "integrity": "sha512-" + "A" * 86 + "=="}
    top = {"name": "tried", "version": "1.0.0", "dependencies": {"one": "1.0.0"}}
    lock = {"name": "tried", "version": "1.0.0", "lockfileVersion": 3, "requires": True}
    lock["packages"] = {"": top, "node_modules/one": one}
    (folder / "package-lock.json").write_text(json.dumps(lock))
    nobody = "http://127.0.0.1:9"  # the port of discard, where nobody listens
    run = install(folder, npm_config_registry=nobody, npm_config_fetch_retries="0")
    assert run.returncode == 1
    assert "could not be installed" in run.stderr
    assert "npm_config_registry" in run.stderr
    assert urlsplit(nobody).netloc in run.stderr
