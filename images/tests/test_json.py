"""The API writes the JSON that Django REST framework writes."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.utils.translation import gettext_lazy
from rest_framework.exceptions import ErrorDetail
from rest_framework.renderers import JSONRenderer
from rest_framework.utils.serializer_helpers import ReturnDict

from bandpics.api.renderers import JsonRenderer
from images.access import Place
from images.models import Upload

MOMENT = datetime(2026, 6, 21, 19, 30, 1, 250_001, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, 0, -1, 2**53, 2**63, 2**64, 2**70, 0.1, 100.0, 1 / 3, -0.0),
        *("", "Ünï 🎸 \"'\\\n\t\0\x1f/<>&", "a\u2028b\u2029c", "\x7f"),
        *(MOMENT, MOMENT.replace(microsecond=0), MOMENT.replace(tzinfo=None)),
        *(MOMENT.astimezone().astimezone(UTC), date(2026, 6, 21), time(19, 30)),
        *(timedelta(hours=1), Decimal("1.50"), UUID(int=5), b"bytes"),
        *(Upload.Status.DONE, gettext_lazy("Please sign in"), ErrorDetail("why", code="invalid")),
        *((1, "two"), [], {}, {1: "one"}, {None: 1}, {True: 1}, {"a": {"b": [{"c": ()}]}}),
        ReturnDict({"a": MOMENT}, serializer=None),
        {1},
    ],
    ids=repr,
)
def test_it_is_the_same_byte_for_byte(value):
    assert JsonRenderer().render({"it": value}) == JSONRenderer().render({"it": value})


def test_numbers_are_the_same_however_they_are_spelt():
    numbers = [1e-9, 1e16, 1.5e300, 5e-324, 123456789.123456789, 1e22]
    assert json.loads(JsonRenderer().render(numbers)) == numbers


@pytest.mark.parametrize("accepted", ["application/json; indent=4", "application/json; indent=0"])
def test_it_is_indented_on_request(accepted):
    data = {"a": [1, {"b": MOMENT}]}
    assert JsonRenderer().render(data, accepted, {}) == JSONRenderer().render(data, accepted, {})


@pytest.mark.parametrize(
    "value",
    ["\ud800", object(), Place(1.0, 2.0)],
    ids=["half of a pair", "an object", "a tuple"],
)
def test_what_is_no_json_is_refused_alike(value):
    with pytest.raises((TypeError, UnicodeEncodeError)) as theirs:
        JSONRenderer().render({"it": value})
    with pytest.raises(theirs.type):
        JsonRenderer().render({"it": value})


def test_nothing_is_nothing():
    assert JsonRenderer().render(None) == b""
