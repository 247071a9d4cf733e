"""The image without a Docker engine: its files, its virtualenv, its roles as containers.

A container here is a process with namespaces of its own (`unshare` of util-linux): it is process
1, sees the image's files at their paths and nothing of this project, writes to /work and /tmp only,
and has no capabilities. It shares the network, and the C library of this machine. What it is told
is read from Dockerfile, docker-compose.yml and .env.example.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil

from bandpics.local import environment
from bandpics.testing import compose

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

PROJECT = environment.PROJECT
GIT, TAR = "/usr/bin/git", "/usr/bin/tar"
START_SECONDS = 120
# What Docker waits before it kills, where compose says nothing.
DOCKER_STOP_SECONDS = 10.0

# A test run that is killed leaves no container behind: `unshare` takes its child with it.
TIED = ("/usr/bin/setpriv", "--pdeathsig", "KILL")

# Makes a root of its own: the machine's folders, read-only, and the image's in place of some.
ENTER = """
set -eu
mount --make-rprivate /
mount -t tmpfs -o mode=755 none /mnt
cd /mnt
for path in /*; do
  case $path in /app | /mnt | /opt | /proc | /tmp | /work | /lost+found) continue ;; esac
  if [ -L "$path" ]; then cp -P "$path" .
  elif [ -d "$path" ]; then
    mkdir ".$path"
    mount --rbind "$path" ".$path"
    case $path in /dev | /sys) ;; *) mount -o remount,bind,ro ".$path" ;; esac
  fi
done
mkdir -p app opt/venv proc work tmp ".$PYTHON"
mount --bind "$PYTHON" ".$PYTHON"
mount -o remount,bind,ro ".$PYTHON"
mount --bind "$APP" app
mount --bind "$VENV" opt/venv
mount --bind "$WORK" work
mount -t proc none proc
mount -t tmpfs -o size=64m,mode=1777 none dev/shm
mount -t tmpfs -o size=64m,mode=1777 none tmp
if [ "$WRITES" = no ]; then
  mount -o remount,bind,ro app
  mount -o remount,bind,ro opt/venv
  mount -o remount,ro /mnt
fi
exec chroot . /usr/bin/setpriv --no-new-privs --bounding-set=-all --inh-caps=-all \\
  /bin/sh -c 'cd /app && exec /usr/bin/env -i "$@"' sh "$@"
"""


@functools.cache
def trouble() -> str:
    """Returns why this machine cannot confine a process; empty if it can."""
    try:
        run = subprocess.run(
            [*unshare(), "/bin/sh", "-c", "mount -t tmpfs none /mnt && setpriv --version"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        return str(error)
    return run.stderr.strip() if run.returncode else ""


def unshare() -> list[str]:
    who = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *who, "--mount", "--pid", "--fork", "--kill-child"]


class Image:
    """The files that the image gets, of this working copy or of a tag, and a virtualenv of the
    production requirements, in `folder`."""

    def __init__(self, folder: Path, *, tag: str | None = None) -> None:
        self.folder, self.app, self.venv = folder, folder / "app", folder / "venv"
        self.app.mkdir(parents=True)
        copy_context(self.app, tag=tag)
        self.dockerfile = (self.app / "Dockerfile").read_text()
        self.variables = told_by(self.dockerfile)
        found = re.findall(r"^ENTRYPOINT (\[.*\])$", self.dockerfile, re.M)
        self.entrypoint: list[str] = json.loads(found[0])

    def build(self, *, venv: Path | None = None) -> None:
        """Does what the Dockerfile does. Takes `venv` of another image, if it is given."""
        shutil.copytree((PROJECT / "node_modules").resolve(), self.app / "node_modules")
        if venv is None:
            self._install()
        else:
            self.venv = venv
        self._collect_static_files()

    def _install(self) -> None:
        requirements = self.app / "requirements.txt"
        subprocess.run([sys.executable, "-m", "venv", self.venv], check=True)
        pip = [str(self.venv / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--require-hashes", "-r", str(requirements)], check=True)
        for script in (self.venv / "bin").iterdir():  # they name their Python by its path
            if script.is_file() and not script.is_symlink():
                written = script.read_bytes()
                script.write_bytes(written.replace(str(self.venv).encode(), b"/opt/venv"))

    def _collect_static_files(self) -> None:
        """Runs the line of the Dockerfile that does it."""
        pattern = r"^RUN (SECRET_KEY=.*?collectstatic --no-input)$"
        (line,) = re.findall(pattern, self.dockerfile, re.M | re.S)
        container = Container(self, "build", ["/bin/sh", "-c", line], {}, writes=True)
        container.succeed()


def newest_tag_before(version: str) -> str | None:
    """Returns the tag of the latest release that is older than this version, if there is one."""
    listed = subprocess.run(
        [GIT, "tag", "--list", "v*"], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    known = {parsed(tag): tag for tag in listed.stdout.split() if parsed(tag)}
    older = [number for number in known if number < parsed(version)]
    return known[max(older)] if older else None


def parsed(version: str) -> tuple[int, ...]:
    found = re.fullmatch(r"v?(\d+)\.(\d+)\.(\d+)", version)
    return tuple(int(number) for number in found.groups()) if found else ()


def copy_context(into: Path, *, tag: str | None = None) -> None:
    """Copies what .dockerignore lets the image have: files of this working copy, or of a tag."""
    if tag is not None:
        packed = subprocess.run(
            [GIT, "archive", tag], cwd=PROJECT, stdout=subprocess.PIPE, check=True
        )
        subprocess.run([TAR, "-x", "-C", into], input=packed.stdout, check=True)
    else:
        listed = subprocess.run(
            [GIT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
        )
        for name in filter(None, listed.stdout.split("\0")):
            if (PROJECT / name).is_file():
                (into / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(PROJECT / name, into / name)
    for pattern in (into / ".dockerignore").read_text().split():
        for path in list(into.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def told_by(dockerfile: str) -> dict[str, str]:
    """Returns the variables that the image sets for its roles."""
    stage = re.sub(r"^ *#.*\n", "", dockerfile.split(" AS app\n")[1], flags=re.M)
    lines: list[str] = re.findall(r"^ENV (.*?[^\\])\n", stage, re.M | re.S)
    found: dict[str, str] = dict(re.findall(r"^\s*([A-Z_]+)=(\S+)", lines[0], re.M))
    found["PATH"] = found["PATH"].replace("$PATH", "/usr/local/bin:/usr/bin:/bin")
    return found


class Container:
    """One process of an image."""

    def __init__(
        self,
        image: Image,
        name: str,
        command: Sequence[str],
        variables: Mapping[str, str],
        *,
        writes: bool = False,
        stop_seconds: float = DOCKER_STOP_SECONDS,
        health: Sequence[str] = (),
    ) -> None:
        self.name, self.stop_seconds, self.health = name, stop_seconds, health
        self.is_told_to_end = False
        number = len(list(image.folder.glob(f"{name}-*.log")))
        self.log = image.folder / f"{name}-{number}.log"
        work = image.folder / f"{name}-{number}-work"
        work.mkdir()
        told = {**image.variables, **variables}
        words = [f"{key}={value}" for key, value in told.items()]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*TIED, *unshare(), "/bin/sh", "-c", ENTER, "sh", *words, *command],
                env={
                    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                    "APP": str(image.app),
                    "VENV": str(image.venv),
                    "PYTHON": sys.base_prefix,
                    "WORK": str(work),
                    "WRITES": "yes" if writes else "no",
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def said(self) -> str:
        return self.log.read_text()

    @property
    def main(self) -> psutil.Process:
        """Process 1 of the container."""
        (child,) = psutil.Process(self.process.pid).children()
        return child

    def execute(self, *command: str, says: str = "") -> subprocess.CompletedProcess[str]:
        """Runs a command in it, as `docker exec` does, and says this to its standard input."""
        told = self.main.environ()
        words = [f"{key}={value}" for key, value in told.items()]
        inside = 'cd /app && exec /usr/bin/env -i "$@"'
        enter = ["nsenter", "--target", str(self.main.pid), "--mount", "--pid", "--root"]
        enter += [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        return subprocess.run(
            [*enter, "/bin/sh", "-c", inside, "sh", *words, *command],
            input=says,
            capture_output=True,
            text=True,
            check=False,
        )

    def is_healthy(self) -> bool:
        """Asks as Compose does; a role without a check is well while it runs."""
        if self.process.poll() is not None or not psutil.Process(self.process.pid).children():
            return False  # it has ended, or not begun
        return not self.health or self.execute(*self.health).returncode == 0

    def until_healthy(self) -> None:
        end = time.monotonic() + START_SECONDS
        while not self.is_healthy():
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"{self.name}: {self.said()}")
            time.sleep(0.2)

    def terminate(self) -> None:
        self.is_told_to_end = True
        self.main.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """Does what `docker stop` does: SIGTERM, and SIGKILL once its time is over. Returns the
        exit code; 137 means that it was killed."""
        if self.process.poll() is None:
            self.terminate()
        return self.stopped()

    def stopped(self) -> int:
        """Waits for the end of one that was told to stop."""
        try:
            return self.wait(self.stop_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return 137

    def kill(self) -> None:
        self.is_told_to_end = True
        if self.process.poll() is None:
            self.main.kill()
        self.process.wait(10)

    def wait(self, seconds: float) -> int:
        return self.process.wait(seconds)

    def succeed(self) -> str:
        """Waits for its end; returns what it said."""
        if self.wait(START_SECONDS) != 0:
            raise AssertionError(f"{self.name}: {self.said()}")
        return self.said()


class Compose:
    """docker-compose.yml with a filled .env, whose stores are those that `stores` names."""

    def __init__(self, image: Image, stores: Mapping[str, str]) -> None:
        self.image, self.stores = image, dict(stores)
        self.services = compose.read(image.app / "docker-compose.yml")["services"]
        example = (image.app / ".env.example").read_text()
        self.env = dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", example, re.M)) | self.stores
        self.running: list[Container] = []

    def told(self, service: str) -> dict[str, str]:
        """Returns what a service is told: a name without a value has that of .env."""
        names = self.services[service]["environment"]
        return {
            name: self.env.get(name, value)
            for name, value in names.items()
            if name in self.env or value is not None
        }

    def start(self, service: str, *words: str, **variables: str) -> Container:
        """Starts `docker compose run SERVICE WORDS`, or the service as it is without words."""
        body = self.services[service]
        check = body.get("healthcheck", {}).get("test", ["CMD"])
        container = Container(
            self.image,
            service if not words else words[0],
            [*self.image.entrypoint, *(words or body["command"].split())],
            self.told(service) | variables,
            stop_seconds=float(body.get("stop_grace_period", f"{DOCKER_STOP_SECONDS}s")[:-1]),
            health=check[1:] if not words else (),
        )
        self.running.append(container)
        return container

    def run(self, service: str, *words: str, **variables: str) -> str:
        """Runs a command to its end; returns what it said."""
        container = self.start(service, *words, **variables)
        return container.succeed()

    def end(self) -> None:
        for container in self.running:
            if container.process.poll() is None:
                container.kill()
