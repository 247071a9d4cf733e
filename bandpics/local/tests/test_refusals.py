"""An error at the start is one line that says what is wrong and what to do."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bandpics.local import environment, postgres, redis_server, s3_server
from bandpics.local.data_dir import DataDir
from bandpics.local.diagnostics import CannotStart
from bandpics.local.tests.conftest import is_root, refused
from bandpics.testing.matrix import representative


@pytest.fixture
def start(tmp_path):
    """Runs an `up` that would start otherwise."""
    return lambda **variables: refused(
        "--data-dir", str(tmp_path / "data"), "--port", "31999", **variables
    )


@pytest.fixture
def as_an_ordinary_user():
    """Becomes `nobody` for a test if run as root, who may write anywhere."""

    @contextmanager
    def become():
        if not is_root():
            yield
            return
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
        try:
            yield
        finally:
            os.seteuid(0)

    return become


@pytest.fixture
def theirs():
    """Returns the address of a Postgres that `up` has not started."""
    return urlsplit(os.environ["DATABASE_URL"])


def test_a_file_in_the_place_of_the_data_folder(tmp_path):
    (tmp_path / "file").write_text("")
    line = refused("--data-dir", str(tmp_path / "file"))
    assert f"Cannot write to {tmp_path / 'file'}" in line
    assert "--data-dir" in line


def test_a_data_folder_that_nobody_may_write_to():
    # Not even root can create folders there.
    line = refused("--data-dir", "/proc/bandpics")
    assert "Cannot write to /proc/bandpics" in line


def test_a_data_folder_without_the_right_to_write(as_an_ordinary_user):
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    with as_an_ordinary_user(), pytest.raises(CannotStart, match="Permission denied"):
        DataDir(folder)
    folder.rmdir()


def test_a_database_that_does_not_answer(start):
    line = start(DATABASE_URL="postgres://ada:secret@127.0.0.1:1/bandpics")
    assert "127.0.0.1:1" in line
    assert "Connection refused" in line
    assert "secret" not in line


@pytest.mark.parametrize("url", ["nonsense", "mysql://a@b/c", "postgres://a@b:port/c"])
def test_a_database_url_that_is_none(url):
    with pytest.raises(CannotStart, match=r"DATABASE_URL is wrong.*postgres://user:password@host"):
        postgres.check(url)


def test_a_wrong_database_password(theirs):
    url = theirs._replace(netloc=f"bandpics:wrong@127.0.0.1:{theirs.port}").geturl()
    with pytest.raises(CannotStart, match="the password of bandpics is refused") as refusal:
        postgres.check(url)
    assert "wrong" not in str(refusal.value)


def test_a_database_that_does_not_exist(theirs):
    with pytest.raises(CannotStart, match=r"there is no database nowhere.*createdb nowhere"):
        postgres.check(theirs._replace(path="/nowhere").geturl())


def test_a_redis_that_does_not_answer(start):
    line = start(REDIS_URL="redis://:secret@127.0.0.1:1/0")
    assert "Redis at 127.0.0.1:1 does not answer" in line
    assert "secret" not in line


def test_a_wrong_redis_password():
    port = urlsplit(os.environ["REDIS_URL"]).port
    with pytest.raises(CannotStart, match="the password is missing or refused"):
        redis_server.check(f"redis://:wrong@127.0.0.1:{port}/0")


def test_a_redis_url_that_is_none():
    with pytest.raises(CannotStart, match="REDIS_URL is wrong"):
        redis_server.check("http://example.org")


def test_a_bucket_that_does_not_exist(start):
    line = start(**_s3(S3_BUCKET="nowhere"))
    assert "has no bucket nowhere" in line
    assert "aws s3 mb s3://nowhere" in line


def test_a_bucket_that_is_not_named():
    with pytest.raises(CannotStart, match="S3_BUCKET is not set"):
        s3_server.check(_s3(S3_BUCKET=""))


def test_wrong_s3_keys():
    with pytest.raises(CannotStart, match=r"refuses access.*S3_SECRET_KEY"):
        s3_server.check(_s3(S3_SECRET_KEY="wrong"))


def test_an_s3_that_does_not_answer():
    with pytest.raises(CannotStart, match="does not answer"):
        s3_server.check(_s3(S3_ENDPOINT_URL="http://127.0.0.1:1"))


def test_a_host_that_is_not_here(tmp_path):
    line = refused("--data-dir", str(tmp_path / "data"), "--host", "192.0.2.77")
    assert "Cannot listen on 192.0.2.77" in line


def test_a_python_without_our_packages():
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _RUN_MANAGE],
        cwd=environment.PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.startswith("bandpics: ")
    assert "make setup" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("size", representative(["4k", "20m", "45m"], lambda size: size == "20m"))
def test_a_full_disk(small_disk, size):
    line = refused("--data-dir", str(small_disk(size)), "--port", "31999")
    assert "The disk is full" in line
    assert "Free some space" in line


_RUN_MANAGE = (
    "import sys, runpy; sys.path.insert(0, '.'); sys.argv = ['manage.py', 'up'];"
    "runpy.run_path('manage.py', run_name='__main__')"
)


def _s3(**changed: str) -> dict[str, str]:
    """Returns variables that name the S3 of this test run."""
    names = ("S3_ENDPOINT_URL", "S3_BUCKET", "S3_ACCESS_KEY", "S3_SECRET_KEY", "S3_REGION")
    return {name: os.environ[name] for name in names} | changed


def test_a_file_of_a_setting_that_the_programs_would_take_before_the_stacks_own(start):
    line = start(DATABASE_URL_FILE="/run/secrets/database")
    assert "DATABASE_URL_FILE is set" in line
    assert "set DATABASE_URL itself" in line
