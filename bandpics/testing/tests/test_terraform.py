"""`infra/terraform`, read as data: what must be in it, and that it agrees with the application."""

from __future__ import annotations

import re
from collections import defaultdict
from fnmatch import fnmatchcase
from uuid import uuid4

import hcl2
import pytest

from bandpics import entrypoint
from bandpics.local.environment import PROJECT
from images.photofile import variants
from images.storage import bucket_setup, object_keys

FOLDER = PROJECT / "infra" / "terraform"
FILES = sorted([*FOLDER.glob("*.tf"), *FOLDER.glob("*.tfvars")])
# AWS knows no narrower resource for them.
WITHOUT_RESOURCE = {
    "ecr:GetAuthorizationToken",
    *("ecs:DescribeTaskDefinition", "ecs:RegisterTaskDefinition"),
    *("ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface"),
}


def read():
    """Returns kind -> type -> name -> body; kinds without a type have an empty one."""
    options = hcl2.SerializationOptions(
        strip_string_quotes=True, with_comments=False, explicit_blocks=False
    )
    found = defaultdict(lambda: defaultdict(dict))
    for path in FOLDER.glob("*.tf"):
        for kind, bodies in hcl2.loads(path.read_text(), serialization_options=options).items():
            for body in bodies:
                type_, named = (
                    next(iter(body.items())) if kind in {"resource", "data"} else ("", body)
                )
                found[kind][type_].update(named)
    return found


@pytest.fixture(scope="module")
def terraform():
    return read()


@pytest.fixture(scope="module")
def resources(terraform):
    return terraform["resource"]


@pytest.fixture(scope="module")
def local(terraform):
    return terraform["locals"][""]


@pytest.fixture(scope="module")
def statements(terraform):
    """Every statement of every policy, with the name of its document."""
    found = []
    for name, document in terraform["data"]["aws_iam_policy_document"].items():
        found += [(name, statement) for statement in document.get("statement", [])]
        for dynamic in document.get("dynamic", []):
            found += [(name, content) for content in dynamic["statement"]["content"]]
    return found


# --- Roles -----------------------------------------------------------------------------------


# `all` is those of one small server in one container.
ROLES = set(entrypoint.ROLES) - {"all"}


def test_every_role_of_the_image_has_a_size_and_all_but_migrate_a_service(local, resources):
    assert set(local["default_sizes"]) == ROLES
    assert 'if role != "migrate"' in local["services"]
    assert resources["aws_ecs_service"]["role"]["for_each"] == "${local.services}"
    assert resources["aws_ecs_task_definition"]["role"]["for_each"] == "${local.roles}"
    words = re.search(r"\[(\".*?\")\]", str(read_sizes_condition()))[1]
    assert set(re.findall(r'"(\w+)"', words)) == ROLES


def read_sizes_condition():
    return re.search(r'variable "sizes".*?condition = (.*?)error_message', source(), re.DOTALL)[1]


def source():
    return "\n".join(path.read_text() for path in FOLDER.glob("*.tf"))


def test_roles_that_touch_no_object_may_touch_none(local):
    assert ROLES - set(local["bucket_access"]) == {"beat", "migrate"}
    assert local["bucket_access"]["captions"] == {"read": ["variants"], "write": [], "remove": []}


def test_containers_can_write_nowhere_but_where_they_must(resources):
    container = resources["aws_ecs_task_definition"]["role"]["container_definitions"]
    for words in (
        "readonlyRootFilesystem = true",
        'drop = ["ALL"]',
        'user = "10001"',
    ):
        assert words in container
    image = (PROJECT / "Dockerfile").read_text()
    for folder in re.findall(r'containerPath = "(\S+?)"', container):
        assert f'"{folder}"' in re.search(r"^VOLUME (.*)$", image, re.MULTILINE)[1]


def test_web_is_behind_https_and_its_readiness_is_asked(resources):
    assert resources["aws_lb_listener"]["https"]["protocol"] == "HTTPS"
    (redirect,) = resources["aws_lb_listener"]["http"]["default_action"]
    assert redirect["type"] == "redirect"
    (check,) = resources["aws_lb_target_group"]["web"]["health_check"]
    assert check["path"] == "/readyz"


# --- Settings --------------------------------------------------------------------------------


def names_in_table():
    """Settings of the first column of the table."""
    rows = re.findall(r"^\| (`[^|]*) \|", (PROJECT / "docs/settings.md").read_text(), re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([A-Z0-9_]+)`", row)}


def allowed_in(variable):
    body = re.search(rf'variable "{variable}" \{{(.*?)\n\}}', source(), re.DOTALL)[1]
    return set(re.findall(r'"([A-Z0-9_]{3,})"', body.split("contains([")[1].split("], name)")[0]))


def test_every_setting_of_the_docs_is_wired_or_said_to_be_not_needed(local):
    derived = set(re.findall(r"\b([A-Z][A-Z0-9_]+) = ", local["derived_settings"]))
    ways = [
        *(allowed_in("settings"), allowed_in("secret_arns")),
        *(derived, set(local["settings_not_needed"])),
    ]
    wired = set().union(*ways)
    table = names_in_table()
    assert len(table) > 60
    assert table - wired == set()
    assert wired - table == set()
    assert sum(map(len, ways)) == len(wired), "a setting is wired twice"


def test_secrets_go_to_no_role_that_does_not_use_them(local):
    known = allowed_in("secret_arns")
    given = [
        *local["secrets_of_all"],
        *(name for row in local["secrets_of"].values() for name in row),
    ]
    assert set(given) == known
    assert set(local["secrets_of"]) == {"web", "sweeper", "captions"}


def test_no_secret_is_written_into_the_state(resources):
    for secret in resources["aws_secretsmanager_secret_version"].values():
        assert "secret_string_wo" in secret and "secret_string" not in secret
    database = resources["aws_db_instance"]["database"]
    assert "password_wo" in database and "password" not in database
    assert "random_password" not in resources


# --- Buckets ---------------------------------------------------------------------------------


@pytest.mark.parametrize("bucket", ["media", "logs"])
def test_buckets_are_private_encrypted_versioned_and_by_tls_only(resources, terraform, bucket):
    block = resources["aws_s3_bucket_public_access_block"][bucket]
    kinds = ("acls", "policy")
    assert all(block[f"block_public_{kind}"] is True for kind in kinds)
    assert block["ignore_public_acls"] is True and block["restrict_public_buckets"] is True
    (rule,) = resources["aws_s3_bucket_server_side_encryption_configuration"][bucket]["rule"]
    assert rule["apply_server_side_encryption_by_default"] == [{"sse_algorithm": "AES256"}]
    versioning = resources["aws_s3_bucket_versioning"][bucket]["versioning_configuration"]
    assert versioning == [{"status": "Enabled"}]
    policy = resources["aws_s3_bucket_policy"][bucket]["policy"]
    assert policy == f'${{data.aws_iam_policy_document.tls_only["{bucket}"].json}}'
    (deny,) = terraform["data"]["aws_iam_policy_document"]["tls_only"]["statement"]
    assert deny["effect"] == "Deny" and deny["condition"][0]["variable"] == "aws:SecureTransport"


def camel(name):
    return "".join(part.capitalize() for part in name.split("_"))


def as_boto(value):
    """Writes a block of Terraform as boto3 has it."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        (value,) = value
    if isinstance(value, dict):
        return {"ID" if key == "id" else camel(key): as_boto(each) for key, each in value.items()}
    return value


def test_the_bucket_of_terraform_has_the_rules_of_set_up_bucket(resources):
    (cors,) = resources["aws_s3_bucket_cors_configuration"]["media"]["cors_rule"]
    assert as_boto(cors) == bucket_setup.cors_rule("https://${var.domain}")
    rules = [
        as_boto(rule)
        for rule in resources["aws_s3_bucket_lifecycle_configuration"]["media"]["rule"]
    ]
    ours = bucket_setup.lifecycle_rules()
    assert rules[: len(ours)] == ours
    # Versions are Terraform's alone: many stores refuse all rules for the sake of this one.
    assert [rule["ID"] for rule in rules[len(ours) :]] == ["noncurrent-versions", "delete-markers"]


def test_the_registry_keeps_its_tags_and_scans(resources):
    registry = resources["aws_ecr_repository"]["app"]
    assert registry["image_tag_mutability"] == "IMMUTABLE"
    assert registry["image_scanning_configuration"] == [{"scan_on_push": True}]


def test_events_come_from_quarantine_and_what_is_none_ends_aside(resources):
    (queue,) = resources["aws_s3_bucket_notification"]["media"]["queue"]
    assert queue["filter_prefix"] == object_keys.INCOMING
    assert "dead_events" in resources["aws_sqs_queue"]["events"]["redrive_policy"]


def test_stores_of_data_are_encrypted_and_hidden(resources):
    database = resources["aws_db_instance"]["database"]
    assert database["storage_encrypted"] is True and database["publicly_accessible"] is False
    assert database["deletion_protection"] is True
    cache = resources["aws_elasticache_replication_group"]["cache"]
    assert cache["transit_encryption_enabled"] is cache["at_rest_encryption_enabled"] is True
    # Celery checks no certificate without it.
    assert "ssl_cert_reqs=required" in source()


# --- Permissions -----------------------------------------------------------------------------


def test_no_policy_allows_a_wildcard_action_or_everything(statements):
    allowed = [row for row in statements if row[1].get("effect", "Allow") == "Allow"]
    assert len(allowed) > 15
    for name, statement in allowed:
        actions = statement["actions"]
        assert "*" not in str(actions).replace("${", ""), name
        if statement.get("resources") == ["*"]:
            assert set(actions) <= WITHOUT_RESOURCE, name


def test_actions_on_objects_are_few(local):
    actions = {action for row in local["bucket_actions"].values() for action in row}
    assert actions == {
        *("s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
        *("s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"),
    }


def test_every_key_of_the_bucket_belongs_to_one_kind(local):
    """A kind of object without a line here could be neither read nor removed."""
    assert set(local["sizes"]) == {variant.name for variant in variants.ALL}
    patterns = {kind: row for kind, row in local["keys"].items() if kind != "variants"}
    patterns["variants"] = [f"*/{size}/*" for size in local["sizes"]]
    version = object_keys.Version(uuid4(), uuid4(), 1)
    expected = {
        **dict.fromkeys(version.originals(), "originals"),
        **{version.variant(variant.name): "variants" for variant in variants.ALL},
        **dict.fromkeys(object_keys.markers(uuid4()), "markers"),
        object_keys.incoming(uuid4()): "incoming",
        object_keys.archive(uuid4(), uuid4(), 1): "archives",
        version.transform("0" * 64, "webp"): "transforms",
    }
    for key, kind in expected.items():
        found = [
            name for name, row in patterns.items() if any(fnmatchcase(key, each) for each in row)
        ]
        assert found == [kind], key


# --- Form ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_are_formatted(path):
    """The part of `terraform fmt` that needs no Terraform; `make lint` asks it where it is."""
    text = path.read_text()
    assert text.endswith("\n") and not text.endswith("\n\n")
    for number, line in enumerate(text.splitlines(), 1):
        assert line == line.rstrip() and "\t" not in line, number
        assert (len(line) - len(line.lstrip())) % 2 == 0, number


def test_what_is_undescribed_is_not_there(terraform):
    for kind in ("variable", "output"):
        for name, body in terraform[kind][""].items():
            assert body.get("description"), f"{kind} {name}"
