"""The local stack of one data folder: its stores, its programs, and their environment."""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from bandpics import entrypoint, forks
from bandpics.local import addresses, postgres, redis_server, s3_server
from bandpics.local.diagnostics import CannotStart
from bandpics.local.environment import PROJECT
from bandpics.local.supervisor import Child, Program, Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bandpics.local.data_dir import DataDir

WEB, WORKER, SWEEPER, BEAT = "web", "worker", "sweeper", "beat"
ARCHIVES, TRANSFORMS = "archives", "transforms"
CAPTIONS = "captions"  # only where the environment names a provider
ROLES = (WEB, WORKER, SWEEPER, ARCHIVES, TRANSFORMS, CAPTIONS, BEAT)
STORES = (redis_server.NAME, s3_server.NAME, postgres.NAME)
# Variables by which somebody brings stores or settings of their own.
OWN = (
    *("DATABASE_URL", "REDIS_URL", "PUBLIC_URL", "ALLOWED_HOSTS", "WORK_DIR"),
    *("SECRET_KEY", "INVITATION_TOKEN_KEY", "REGISTRATION"),
    *("S3_ENDPOINT_URL", "S3_PUBLIC_ENDPOINT_URL", "S3_REGION", "S3_BUCKET"),
    *("S3_ACCESS_KEY", "S3_SECRET_KEY", "S3_ADDRESSING_STYLE", "EMAIL_URL"),
)


class Stack:
    """Stores and programs; stores that the environment names replace the embedded ones."""

    def __init__(
        self,
        data_dir: DataDir,
        supervisor: Supervisor,
        *,
        environment: Mapping[str, str],
        host: str,
        port: int,
        are_forks: bool = False,
    ) -> None:
        self.data_dir = data_dir
        self.host = host
        self.port = port
        _refuse_files(environment)
        self.variables = {name: environment[name] for name in OWN if environment.get(name)}
        self._environment = environment
        self._supervisor = supervisor
        self._are_forks = are_forks
        self._secrets = data_dir.secrets()
        self._ports: dict[str, int] = {}
        self._embeds_s3 = "S3_ENDPOINT_URL" not in self.variables
        self._set_variables()

    def start_stores(self, *, postgres_settings: tuple[str, ...] = ()) -> None:
        """Starts Postgres, Redis and S3; checks the access to those that are not embedded."""
        embeds_redis = "REDIS_URL" not in self.variables
        embeds_postgres = "DATABASE_URL" not in self.variables
        # Checked first, so that nothing has to be stopped after a refusal.
        if not embeds_postgres:
            postgres.check(self.variables["DATABASE_URL"])
        if not embeds_redis:
            redis_server.check(self.variables["REDIS_URL"])
        if not self._embeds_s3:
            s3_server.check(self.variables)
        waiting = []
        if embeds_redis:
            waiting.append(self._start_redis())
        if self._embeds_s3:
            waiting.append(self._start_s3())
        if embeds_postgres:
            waiting.append(self._start_postgres(postgres_settings))
        for child, answers in waiting:
            self._supervisor.wait_for(child, answers)
        if embeds_postgres:
            postgres.make_database(self._postgres_url("postgres"))
        self.data_dir.store_ports(self._ports)

    def prepare(self) -> dict[str, Any]:
        """Brings database and static files up to date; returns what the welcome text needs."""
        secrets = {
            "ADMIN_PASSWORD": self._secrets["admin_password"],
            "ADMIN_API_KEY": self._secrets["admin_api_key"],
        }
        command = ("-m", "bandpics.local.prepare")
        (output,) = self._supervisor.run(self.command("prepare", *command, extra=secrets))
        return dict(json.loads(output.splitlines()[-1]))

    def prepare_for_tests(self) -> None:
        """Migrates the database while static files are collected."""
        self._supervisor.run(
            self.command("migrate", "manage.py", "migrate", "-v0"),
            self.command("static", "-m", "bandpics.local.prepare", "static"),
        )

    def prepare_forks(self) -> None:
        """Imports in this process what its roles need, if they are its forks."""
        if self._are_forks:
            os.chdir(PROJECT)  # as other programs are started
            os.environ.update(self.variables)
            # Forks share the settings: web alone drains, and gets its pool when it is forked.
            os.environ.update(WEB_DRAIN_SECONDS="0", DATABASE_POOL_SIZE="0")
            forks.prepare()

    def start_web(self) -> None:
        """Starts the role `web` with one process, and without waiting for a balancer."""
        settings = {
            "WEB_HOST": addresses.url_host(self.host),
            "WEB_PORT": str(self.port),
            "WEB_PROCESSES": "1",
            "WEB_DRAIN_SECONDS": "0",
        }
        variables = {**self._environment, **settings}
        command = entrypoint.command(WEB, ["--graceful-timeout", "5"], variables)
        extra = settings | entrypoint.variables(WEB, variables) | self._metrics_port(WEB)
        self._supervisor.start(self._role(WEB, *command, extra=extra))

    def start_workers(self, *, concurrency: int, application: str = "bandpics") -> None:
        """Starts the workers and beat of a Celery application, named by its module."""
        captions = [(CAPTIONS, "captions", "1 --pool solo")] if self._writes_captions else []
        for name, queue, processes in [
            (WORKER, "images", str(concurrency)),
            (SWEEPER, "sweep,mail", "2"),
            # Without a child process, to save memory.
            (ARCHIVES, "archives", "1 --pool solo"),
            (TRANSFORMS, "transforms", "1"),
            *captions,
        ]:
            self._supervisor.start(
                self._role(
                    name,
                    *("celery", "--quiet", "-A", application, "worker", "-Q", queue),
                    *("--hostname", f"{name}@%h", "--concurrency", *processes.split()),
                    *("--without-gossip", "--without-mingle"),
                    extra=self._metrics_port(name),
                )
            )
        self._supervisor.start(
            self._role(
                BEAT,
                *("celery", "--quiet", "-A", application, "beat"),
                *("-s", str(self.data_dir / "beat-schedule")),
                extra=self._metrics_port(BEAT),
            )
        )

    def wait_until_healthy(self) -> None:
        self._supervisor.wait_for(
            self._supervisor.children[WEB],
            lambda: addresses.http_status(self.host, self.port, "/healthz") == 200,
        )

    def stop(self) -> None:
        """Stops the programs before the stores, so that they can finish what they do."""
        self._supervisor.stop(WEB, WORKER, SWEEPER, ARCHIVES, TRANSFORMS, CAPTIONS, BEAT)
        self._supervisor.stop(*STORES)

    def _metrics_port(self, role: str) -> dict[str, str]:
        """The port of each role, beside those of the others: METRICS_PORT is that of web."""
        first = self._environment.get("METRICS_PORT")
        return {"METRICS_PORT": str(int(first) + ROLES.index(role))} if first else {}

    @property
    def _writes_captions(self) -> bool:
        return bool(
            self._environment.get("CAPTION_PROVIDER") and self._environment.get("CAPTION_API_KEY")
        )

    def _set_variables(self) -> None:
        """Sets the variables of the programs, but for the addresses of embedded stores."""
        host = addresses.url_host(addresses.public_host(self.host))
        local = f"http://{host}:{self.port}"
        public = self.variables.get("PUBLIC_URL", local).rstrip("/")
        hosts = [urlsplit(public).hostname, urlsplit(local).hostname, "localhost", "127.0.0.1"]
        hosts += self.variables.get("ALLOWED_HOSTS", "").split(",")
        self.variables = {
            "SECRET_KEY": self._secrets["secret_key"],
            "INVITATION_TOKEN_KEY": self._secrets["invitation_token_key"],
            "WORK_DIR": str(self.data_dir / "work"),
            # A folder, because the links of e-mails must not get into a log.
            "EMAIL_URL": f"file:///{quote(str(self.data_dir / 'mail'))}",
            # Open to try it out; the settings refuse that beside OIDC_ISSUER.
            "REGISTRATION": "closed" if self._environment.get("OIDC_ISSUER") else "open",
            **self.variables,
            "PUBLIC_URL": public,
            "ALLOWED_HOSTS": ",".join(dict.fromkeys(host for host in hosts if host)),
            "STATIC_ROOT": str(self.data_dir / "static"),
            "DJANGO_SETTINGS_MODULE": "bandpics.settings",
        }
        (self.data_dir / "mail").mkdir(mode=0o700, exist_ok=True)
        if self.variables["WORK_DIR"] == str(self.data_dir / "work"):
            # No worker runs yet: its files are left from one that was killed.
            shutil.rmtree(self.data_dir / "work", ignore_errors=True)
            (self.data_dir / "work").mkdir(mode=0o700)

    def _start_postgres(self, settings: tuple[str, ...]) -> tuple[Child, Callable[[], bool]]:
        folder = self.data_dir / "postgres"
        port = self._port(postgres.NAME, addresses.LOOPBACK)
        postgres.create(
            folder, password=self._secrets["postgres_password"], run=self._supervisor.run
        )
        child = self._supervisor.start(postgres.program(folder, port=port, settings=settings))
        self.variables["DATABASE_URL"] = self._postgres_url(postgres.DATABASE)
        return child, lambda: postgres.answers(self._postgres_url("postgres"))

    def _postgres_url(self, database: str) -> str:
        return postgres.url(
            port=self._ports[postgres.NAME],
            password=self._secrets["postgres_password"],
            database=database,
        )

    def _start_redis(self) -> tuple[Child, Callable[[], bool]]:
        password = self._secrets["redis_password"]
        port = self._port(redis_server.NAME, addresses.LOOPBACK)
        child = self._supervisor.start(
            redis_server.program(self.data_dir / "redis", port=port, password=password)
        )
        url = redis_server.url(port=port, password=password)
        self.variables["REDIS_URL"] = url
        return child, lambda: redis_server.answers(url)

    def _start_s3(self) -> tuple[Child, Callable[[], bool]]:
        port = self._port(s3_server.NAME, self.host)
        local = addresses.connect_host(self.host)
        public = addresses.public_host(self.host)
        access_key, secret_key = self._secrets["s3_access_key"], self._secrets["s3_secret_key"]
        folder = self.data_dir / "s3"
        program = s3_server.program(
            folder, host=self.host, port=port, access_key=access_key, secret_key=secret_key
        )
        child = self._supervisor.start(program)
        self.variables = {
            "S3_PUBLIC_ENDPOINT_URL": f"http://{addresses.url_host(public)}:{port}",
            **self.variables,
            "S3_ENDPOINT_URL": f"http://{addresses.url_host(local)}:{port}",
            "S3_REGION": s3_server.REGION,
            "S3_BUCKET": s3_server.BUCKET,
            "S3_ADDRESSING_STYLE": "path",
            "S3_ACCESS_KEY": access_key,
            "S3_SECRET_KEY": secret_key,
        }
        return child, lambda: s3_server.answers(host=self.host, port=port)

    def _port(self, name: str, host: str) -> int:
        """Returns the port of the last run if it is free, so that signed addresses stay valid."""
        preferred = self.data_dir.stored_ports().get(name)
        self._ports[name] = addresses.free_port(host, preferred=preferred)
        return self._ports[name]

    def _role(self, name: str, *words: str, extra: Mapping[str, str]) -> Program:
        """A program of Python's, or this process forked, which has imported all of it."""
        if not self._are_forks:
            return self.command(name, "-m", *words, extra=extra)
        return Program(name=name, command=words, environment=extra, is_fork=True)

    def command(self, name: str, *words: str, extra: Mapping[str, str] | None = None) -> Program:
        return Program(
            name=name,
            command=[sys.executable, *words],
            environment={
                **self._environment,
                **self.variables,
                "PYTHONUNBUFFERED": "1",
                **(extra or {}),
            },
        )


def _refuse_files(environment: Mapping[str, str]) -> None:
    """Refuses what the settings would take before the value that a stack gives its programs: they
    would work on another database or bucket than the stack believes. Raises CannotStart."""
    for name in (f"{name}_FILE" for name in OWN):
        if environment.get(name):
            raise CannotStart(
                f"{name} is set",
                "a stack on this machine reads no files of settings",
                f"Unset it; to use what the file names, set {name.removesuffix('_FILE')} itself",
            )
