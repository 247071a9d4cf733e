"""The sweeper writes for how long photos wait, as CloudWatch reads it."""

from __future__ import annotations

import io
import json
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from bandpics import cloudwatch
from images import tasks
from images.models import Upload
from images.tests import drawn_pictures

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bucket")]


@pytest.fixture
def written():
    """Returns the lines so far."""
    text = io.StringIO()
    before = cloudwatch.handler.setStream(text)
    yield lambda: [json.loads(line) for line in text.getvalue().splitlines()]
    cloudwatch.handler.setStream(before)


def test_the_age_of_the_oldest_photo_that_waits_is_a_metric(cleo, settings, written):
    settings.CLOUDWATCH_METRICS = True
    cleo.send(drawn_pictures.jpeg())
    Upload.objects.update(arrived_at=timezone.now() - timedelta(seconds=300))
    tasks.sweep()
    lines = {line["Queue"]: line for line in written()}
    assert set(lines) == {"images", "transforms", "captions", "archives"}
    assert 300 <= lines["images"]["OldestSeconds"] < 900
    assert lines["transforms"]["OldestSeconds"] == 0
    directive = lines["images"]["_aws"]
    assert abs(directive["Timestamp"] / 1000 - time.time()) < 600
    (metric,) = directive["CloudWatchMetrics"]
    assert metric["Namespace"] == "Bandpics" and metric["Dimensions"] == [["Queue"]]
    assert [each["Name"] for each in metric["Metrics"]] == ["OldestSeconds"]


def test_elsewhere_nothing_is_written(cleo, written):
    cleo.send(drawn_pictures.jpeg())
    tasks.sweep()
    assert written() == []
