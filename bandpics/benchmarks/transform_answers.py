"""Measures what an answer costs that is there already: a transform that was made before.

One web process on one core, and one client that keeps its connection. The floors are endpoints
that route, authenticate, check the scope, throttle and answer `{}`, to a GET and to a POST.
"""

from __future__ import annotations

import json
from statistics import median
from typing import Any
from uuid import UUID

from bandpics.benchmarks import stack
from bandpics.benchmarks.api import Case, Client

ROUNDS = 300
TARGET_MS = 3.0
STEPS: dict[str, Any] = {
    "crop": {"x": 504, "y": 378, "width": 3024, "height": 2268},
    "resize": {"width": 1000},
    "filters": {"grayscale": True},
}


def main(*, rounds: int = ROUNDS) -> None:
    with stack.stores():
        cases = _cases(_fill())
        with stack.web() as web:
            client = Client(web)
            answers = {case.name: client.ask(case) for case in cases}
            _check(answers)
            client.times, client.cpu_times = {}, {}
            for _ in range(rounds):
                for case in cases:
                    client.ask(case)
            _print(client, rounds)


def _fill() -> dict[str, Any]:
    """Makes one photo with one transform that is done; returns its id, hash and a session."""
    import django

    django.setup()
    from bandpics.benchmarks import rows

    known = rows.fill(small=1, large=1)
    return {"session": known["small"], **rows.add_transform(UUID(known["small group"]), STEPS)}


def _cases(known: dict[str, Any]) -> list[Case]:
    path = f"/api/v1/images/{known['image']}/transforms/"
    credentials = {
        "session": {"Cookie": f"sessionid={known['session']}; csrftoken={'a' * 32}"}
        | {"X-CSRFToken": "a" * 32},
        "API key": {"Authorization": f"Api-Key {known['api_key']}"},
    }
    body = json.dumps({"transformations": STEPS}).encode()
    return [
        case
        for name, headers in credentials.items()
        for case in [
            Case(f"{name}: floor of GET", "/benchmark/nothing/", headers),
            Case(f"{name}: GET", f"{path}{known['hash']}/", headers),
            Case(f"{name}: floor of POST", "/benchmark/nothing/", headers, body),
            Case(f"{name}: POST", path, headers, body),
        ]
    ]


def _check(answers: dict[str, Any]) -> None:
    assert len({answer["hash"] for answer in answers.values() if answer}) == 1
    assert all(
        answer["status"] == "done" and answer["url"] for answer in answers.values() if answer
    )


def _print(client: Client, rounds: int) -> None:
    print(f"\n{'a transform that is there':36} {'ms':>8} {'web cpu ms':>11} {'target':>8}")
    for name, seconds in client.times.items():
        cpu = median(client.cpu_times[name]) * 1000
        target = "" if "floor" in name else f"<= {TARGET_MS}"
        missed = "  MISSED" if target and cpu > TARGET_MS else ""
        print(f"{name:36} {median(seconds) * 1000:8.2f} {cpu:11.2f} {target:>8}{missed}")
    print(f"median of {rounds}")
