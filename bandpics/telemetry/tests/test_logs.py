"""What a line says, whoever logs it."""

from __future__ import annotations

import json
import logging
import logging.config
from types import SimpleNamespace

import pytest

from bandpics.telemetry import context, logs

TOKEN = "t0ken-of-a-link"


@pytest.fixture(autouse=True)
def _no_context():
    context.forget()
    yield
    context.forget()


def line_of(message="It happened", *, style="json", name="images.x", exc_info=None, **extra):
    record = logging.LogRecord(name, logging.INFO, "x.py", 1, message, (), exc_info)
    vars(record).update(extra)
    handled = all(one.filter(record) for one in (logs.SaidByRequestLine(), logs.CountsErrors()))
    return logs.formatter(style).format(record) if handled else None


def test_json_has_one_object_for_each_line():
    with context.saying(request_id="abc"):
        line = json.loads(line_of(image_id="1234"))
    assert line.pop("timestamp").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "images.x",
        "event": "It happened",
        "request_id": "abc",
        "image_id": "1234",
    }


def test_plain_lines_are_for_people():
    line = line_of(style="plain", image_id="1234")
    assert line.endswith("+00:00 INFO images.x It happened image_id=1234")


def test_a_traceback_stays_in_its_line_of_json():
    raised = (ValueError, ValueError("why"), None)
    text = line_of(exc_info=raised)
    assert "\n" not in text
    assert "ValueError: why" in json.loads(text)["exception"]
    assert line_of(style="plain", exc_info=raised).endswith("It happened\nValueError: why")


def test_what_is_hidden_leaves_json_that_can_be_read():
    said = "\N{LEFT DOUBLE QUOTATION MARK}leakme@mail.example\N{RIGHT DOUBLE QUOTATION MARK}"
    line = json.loads(line_of(f"Not valid: {said}"))
    assert "[hidden]" in line["event"]
    assert "leakme" not in line["event"]


def test_of_what_libraries_add_only_known_facts_are_shown():
    request = SimpleNamespace(path=f"/x/{TOKEN}/")
    line = line_of(data={"args": [TOKEN]}, request=request, status=200)
    assert TOKEN not in line
    assert json.loads(line)["status"] == 200


@pytest.mark.parametrize("name", ["django.request", "django.security.csrf"])
def test_a_4xx_is_left_to_the_line_of_its_request(name):
    assert line_of(f"Not Found: /x/{TOKEN}/", name=name, request=1, status_code=404) is None


def test_a_5xx_is_told_without_its_path():
    line = line_of(f"Error: /x/{TOKEN}/", name="django.request", request=1, status_code=500)
    assert "A request failed" in line
    assert TOKEN not in line


def test_gunicorn_tells_no_path_either():
    said = ["Error handling request /x/{}/", "Invalid request from ip=192.0.2.7: 'GET /x/{}/'"]
    for words in said:
        line = line_of(words.format(TOKEN), name="gunicorn.error")
        assert "A request" in line
        assert TOKEN not in line and "192.0.2.7" not in line


@pytest.mark.parametrize("name", ["botocore", "urllib3", "psycopg", "kombu", "amqp", "httpx"])
def test_libraries_that_log_secrets_at_debug_stay_quiet(name):
    chosen = logs.configuration(level="DEBUG", style="json")["loggers"]
    assert chosen[name]["level"] == "WARNING"


def test_a_stricter_level_holds_for_all():
    chosen = logs.configuration(level="ERROR", style="json")["loggers"]
    assert {one.get("level", "ERROR") for one in chosen.values()} == {"ERROR"}


@pytest.mark.parametrize("sent", ["a", "A-b_c.9", "x" * 40])
def test_an_id_that_was_sent_is_taken_over(sent):
    assert context.accepted(sent) == sent


@pytest.mark.parametrize("sent", ["", "x" * 41, "a b", "a\n", "ä", "<script>", "a;b"])
def test_what_is_no_id_is_replaced_by_a_new_one(sent):
    made = context.accepted(sent)
    assert made not in {sent, context.accepted(sent)}
    assert len(made) == 32
