"""Rolls an image out on Amazon ECS, for the release workflow: `python -m bandpics.rollout IMAGE`.

The database is migrated first, by a task of its own; old code runs on the new schema meanwhile.
Then every service gets the image, and the function of Lambda, if there is one. Each role keeps the
settings of its latest task definition, which Terraform writes.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import boto3

from bandpics.entrypoint import ROLES

MIGRATE = "migrate"
SERVICES = [role for role in ROLES if role != MIGRATE]
MIGRATION_SECONDS, ROLLOUT_SECONDS, PAUSE_SECONDS = 1800, 1200, 10
# What describe_task_definition says and register_task_definition does not take.
DESCRIBED_ONLY = {
    *("taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities"),
    *("registeredAt", "registeredBy", "deregisteredAt"),
}


class RolloutFailed(Exception):
    """ECS did not take the new version; the old one goes on."""


class Rollout:
    """One image on its way to one cluster."""

    def __init__(self, ecs: Any, *, cluster: str, image: str) -> None:
        self.ecs, self.cluster, self.image = ecs, cluster, image

    def run(self) -> None:
        """Raises RolloutFailed."""
        services = self._services()
        self._migrate(services["web"]["networkConfiguration"])
        wanted = {role: self._register(role) for role in SERVICES}
        for role, definition in wanted.items():
            self.ecs.update_service(cluster=self.cluster, service=role, taskDefinition=definition)
            say(f"{role}: {definition}")
        self._wait(wanted)

    def _services(self) -> dict[str, Any]:
        found: list[Any] = []
        for start in range(0, len(SERVICES), 10):  # ECS describes ten at once
            names = SERVICES[start : start + 10]
            answer = self.ecs.describe_services(cluster=self.cluster, services=names)
            found += answer["services"]
        by_name = {row["serviceName"]: row for row in found if row["status"] == "ACTIVE"}
        if missing := set(SERVICES) - by_name.keys():
            raise RolloutFailed(f"The cluster has no service {', '.join(sorted(missing))}.")
        return by_name

    def _register(self, role: str) -> str:
        """Registers the latest task definition of a role with the image; returns its ARN."""
        family = f"{self.cluster}-{role}"
        found = self.ecs.describe_task_definition(taskDefinition=family)["taskDefinition"]
        definition = {key: value for key, value in found.items() if key not in DESCRIBED_ONLY}
        for container in definition["containerDefinitions"]:
            container["image"] = self.image
        made = self.ecs.register_task_definition(**definition)["taskDefinition"]
        return str(made["taskDefinitionArn"])

    def _migrate(self, network: dict[str, Any]) -> None:
        started = self.ecs.run_task(
            cluster=self.cluster,
            taskDefinition=self._register(MIGRATE),
            launchType="FARGATE",
            networkConfiguration=network,
        )
        if not started["tasks"]:
            raise RolloutFailed(f"The migration did not start: {started['failures']}")
        arn = started["tasks"][0]["taskArn"]
        say(f"{MIGRATE}: {arn}")
        end = time.monotonic() + MIGRATION_SECONDS
        while True:
            (task,) = self.ecs.describe_tasks(cluster=self.cluster, tasks=[arn])["tasks"]
            if task["lastStatus"] == "STOPPED":
                break
            if time.monotonic() > end:
                raise RolloutFailed(f"The migration takes over {MIGRATION_SECONDS} s: {arn}")
            time.sleep(PAUSE_SECONDS)
        codes = [container.get("exitCode") for container in task["containers"]]
        if codes != [0]:
            why = task.get("stoppedReason") or "see its log"
            raise RolloutFailed(f"The migration ended with {codes}: {why}")

    def _wait(self, wanted: dict[str, str]) -> None:
        """Waits until each service runs its new tasks only."""
        end = time.monotonic() + ROLLOUT_SECONDS
        while waiting := self._unfinished(wanted):
            if time.monotonic() > end:
                raise RolloutFailed(f"After {ROLLOUT_SECONDS} s still not there: {waiting}")
            time.sleep(PAUSE_SECONDS)

    def _unfinished(self, wanted: dict[str, str]) -> list[str]:
        unfinished = []
        for role, service in self._services().items():
            (primary,) = (row for row in service["deployments"] if row["status"] == "PRIMARY")
            # The circuit breaker of ECS makes the last version that worked the primary one again.
            if primary["taskDefinition"] != wanted[role] or primary["rolloutState"] == "FAILED":
                raise RolloutFailed(f"{role} did not start; ECS went back to the version before.")
            is_alone = len(service["deployments"]) == 1
            if not is_alone or primary["runningCount"] < service["desiredCount"]:
                unfinished.append(role)
        return unfinished


def update_function(client: Any, *, name: str, image: str) -> None:
    """Gives the function of Lambda its image, and waits until it has it."""
    client.update_function_code(FunctionName=name, ImageUri=image)
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
    say(f"{name}: {image}")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(image: str) -> None:
    Rollout(boto3.client("ecs"), cluster=os.environ["ECS_CLUSTER"], image=image).run()
    if name := os.environ.get("LAMBDA_FUNCTION"):
        update_function(boto3.client("lambda"), name=name, image=f"{image}-lambda")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except RolloutFailed as error:
        sys.exit(str(error))
