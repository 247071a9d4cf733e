"""Orders archives, has them built, and reads what came out."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
import zipfile
from typing import TYPE_CHECKING, Any
from uuid import UUID

from images.archives import building
from images.models import Archive
from images.tests.guest_client import get

if TYPE_CHECKING:
    from pathlib import Path

    from rest_framework.test import APIClient


# What people open ZIPs with: the names it has on some system or other, how it checks a ZIP, and the
# package of Debian and Ubuntu.
PROGRAMS = {"unzip": (["unzip"], ["-tqq"], "unzip"), "7z": (["7z", "7zz"], ["t"], "7zip")}


def assert_no_fault(path: Path, *, by: str) -> None:
    """Has a program read each byte and compare each CRC. 7z is for the long tests alone."""
    names, arguments, package = PROGRAMS[by]
    program = next(filter(None, map(shutil.which, names)), None)
    assert program, f"{by} is not there, and this test needs it: apt install {package}"
    tested = subprocess.run([program, *arguments, path], capture_output=True, check=False)
    assert tested.returncode == 0, tested.stdout[-500:] + tested.stderr[-500:]


def path_of(group: Any) -> str:
    return f"/api/v1/groups/{group.pk}/archives/"


def ordered(client: APIClient, group: Any, **body: Any) -> dict[str, Any]:
    """What is answered to the order of an archive."""
    answer = client.post(path_of(group), body)
    assert answer.status_code in {200, 202}, answer.json()
    return answer.json()


def built(client: APIClient, group: Any, **body: Any) -> dict[str, Any]:
    """Orders an archive and builds it as the task does; returns what is said of it then."""
    archive_id = ordered(client, group, **body)["id"]
    build(archive_id)
    return client.get(f"{path_of(group)}{archive_id}/").json()


def build(archive_id: Any) -> Archive:
    while not building.build(UUID(str(archive_id)), seconds=100):
        pass
    return Archive.objects.get(pk=archive_id)


def content_of(shown: dict[str, Any]) -> bytes:
    """The bytes that a browser gets."""
    answer = get(shown["url"])
    assert answer.status == 200, answer.data
    return answer.data


def opened(shown: dict[str, Any]) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(content_of(shown)))


def files_of(shown: dict[str, Any]) -> dict[str, bytes]:
    """{path: bytes}, checked, without the manifest."""
    with opened(shown) as file:
        assert file.testzip() is None
        return {name: file.read(name) for name in file.namelist() if name != "manifest.csv"}


def manifest_of(shown: dict[str, Any]) -> list[dict[str, str]]:
    with opened(shown) as file:
        text = file.read("manifest.csv").decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))
