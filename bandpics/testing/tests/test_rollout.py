"""`python -m bandpics.rollout`, against a cluster that answers as Amazon ECS does."""

# ruff: noqa: N803 - arguments are named as those of boto3

from __future__ import annotations

import itertools

import pytest

from bandpics import rollout
from bandpics.entrypoint import ROLES

NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"], "assignPublicIp": "DISABLED"}}
OLD, NEW = "registry/bandpics:0.1.0", "registry/bandpics:0.2.0"


class Cluster:
    """Task definitions and services; new tasks run after some questions, unless they `fail`."""

    def __init__(self):
        self.calls = []
        self.families = {}
        self.exit_code = 0
        self.fail = None
        self.numbers = itertools.count(1)
        for role in ROLES:
            self.register_task_definition(
                family=f"bandpics-{role}",
                cpu="256",
                containerDefinitions=[
                    {"name": role, "image": OLD, "environment": [{"name": "A", "value": "1"}]}
                ],
            )
        self.services = {
            role: {
                "serviceName": role,
                "status": "ACTIVE",
                "desiredCount": 1,
                "networkConfiguration": NETWORK,
                "deployments": [self.deployment(self.families[f"bandpics-{role}"][-1])],
            }
            for role in rollout.SERVICES
        }
        self.calls.clear()

    def deployment(self, definition, running=1):
        return {
            "status": "PRIMARY",
            "taskDefinition": definition["taskDefinitionArn"],
            "rolloutState": "COMPLETED",
            "runningCount": running,
        }

    def register_task_definition(self, **definition):
        assert not rollout.DESCRIBED_ONLY & definition.keys()
        revisions = self.families.setdefault(definition["family"], [])
        number = len(revisions) + 1
        arn = f"arn:aws:ecs:x:1:task-definition/{definition['family']}:{number}"
        made = {**definition, "taskDefinitionArn": arn, "revision": number, "status": "ACTIVE"}
        revisions.append(made)
        return {"taskDefinition": made}

    def describe_task_definition(self, *, taskDefinition):
        return {"taskDefinition": dict(self.families[taskDefinition][-1])}

    def describe_services(self, *, cluster, services):
        assert len(services) <= 10
        rows = [self.services[name] for name in services if name in self.services]
        for row in rows:
            if len(row["deployments"]) == 2 and next(self.numbers) % 3 == 0:
                new, old = row["deployments"]
                row["deployments"] = [old] if row["serviceName"] == self.fail else [new]
                row["deployments"][0] |= {"status": "PRIMARY", "runningCount": 1}
        return {"services": rows}

    def update_service(self, *, cluster, service, taskDefinition):
        self.calls.append(("update", service))
        row = self.services[service]
        new = self.deployment({"taskDefinitionArn": taskDefinition}, running=0)
        row["deployments"] = [new, {**row["deployments"][0], "status": "ACTIVE"}]

    def run_task(self, *, cluster, taskDefinition, launchType, networkConfiguration):
        assert networkConfiguration == NETWORK
        self.calls.append(("run", taskDefinition))
        return {"tasks": [{"taskArn": "arn:task"}], "failures": []}

    def describe_tasks(self, *, cluster, tasks):
        if next(self.numbers) % 2:
            return {"tasks": [{"lastStatus": "RUNNING", "containers": []}]}
        ended = {"name": "migrate", "exitCode": self.exit_code}
        return {"tasks": [{"lastStatus": "STOPPED", "containers": [ended]}]}


@pytest.fixture
def cluster(monkeypatch):
    monkeypatch.setattr(rollout, "PAUSE_SECONDS", 0)
    return Cluster()


def roll_out(cluster):
    rollout.Rollout(cluster, cluster="bandpics", image=NEW).run()


def test_the_database_is_migrated_before_any_service_gets_the_image(cluster):
    roll_out(cluster)
    assert cluster.calls[0] == ("run", "arn:aws:ecs:x:1:task-definition/bandpics-migrate:2")
    assert set(cluster.calls[1:]) == {("update", role) for role in rollout.SERVICES}
    for role in ROLES:
        new = cluster.families[f"bandpics-{role}"][-1]
        (container,) = new["containerDefinitions"]
        assert container["image"] == NEW
        assert container["environment"] == [{"name": "A", "value": "1"}]
        assert new["cpu"] == "256"


def test_after_a_migration_that_failed_the_old_version_goes_on(cluster):
    cluster.exit_code = 1
    with pytest.raises(rollout.RolloutFailed, match=r"ended with \[1\]"):
        roll_out(cluster)
    assert [kind for kind, _ in cluster.calls] == ["run"]


def test_a_service_that_ecs_took_back_fails_the_rollout(cluster):
    cluster.fail = "worker"
    with pytest.raises(rollout.RolloutFailed, match="worker did not start"):
        roll_out(cluster)


def test_a_cluster_without_a_role_is_refused_before_anything_changes(cluster):
    del cluster.services["archives"]
    with pytest.raises(rollout.RolloutFailed, match="no service archives"):
        roll_out(cluster)
    assert cluster.calls == []


def test_a_rollout_that_does_not_end_is_given_up(cluster, monkeypatch):
    monkeypatch.setattr(rollout, "ROLLOUT_SECONDS", -1)
    with pytest.raises(rollout.RolloutFailed, match="still not there"):
        roll_out(cluster)
