"""Services named in the environment are used instead of embedded ones."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import boto3
import psycopg
import pytest
import redis

from bandpics.local.tests.conftest import healthz

pytestmark = pytest.mark.xdist_group("up")


@pytest.mark.long
def test_all_three_may_be_somebody_elses(up):
    """The stores of this test run, which `up` must not start or stop."""
    theirs = urlsplit(os.environ["DATABASE_URL"])
    with psycopg.connect(theirs.geturl(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE somebody_elses")
    s3 = {name: value for name, value in os.environ.items() if name.startswith("S3_")}
    s3["S3_BUCKET"] = "somebody-elses"
    boto3.client(
        "s3",
        endpoint_url=s3["S3_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id=s3["S3_ACCESS_KEY"],
        aws_secret_access_key=s3["S3_SECRET_KEY"],
    ).create_bucket(Bucket=s3["S3_BUCKET"])
    variables = {
        "DATABASE_URL": theirs._replace(path="/somebody_elses").geturl(),
        "REDIS_URL": os.environ["REDIS_URL"].rpartition("/")[0] + "/60",
    }
    stack = up.start(**variables, **s3)
    assert healthz(stack["web_url"]) == 200
    assert stack["database_url"] == variables["DATABASE_URL"]
    assert stack["s3_bucket"] == "somebody-elses"
    names = {one.name() for one in up.descendants()}
    assert not names & {"postgres", "redis-server", "rclone"}
    assert not (up.data_dir / "postgres").exists()
    with psycopg.connect(variables["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT count(*) FROM users_user").fetchone() == (1,)
    assert redis.Redis.from_url(variables["REDIS_URL"]).client_list()
