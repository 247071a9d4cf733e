"""Measures the API: one web process on one core, and one client with one connection.

Each target is a ratio of two cases, which take turns, A B A B, so that a busy machine slows both
alike. The photos have rows only, and no objects in the bucket.
"""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from bandpics.benchmarks import stack

SMALL, LARGE = 100, 100_000
ROUNDS = 150


@dataclass(frozen=True)
class Case:
    name: str
    path: str
    headers: dict[str, str]
    body: bytes | None = None
    photos: int = 0  # how many the response must hold


@dataclass(frozen=True)
class Target:
    """`fast` must answer at least `at_least` times as often as `than`."""

    name: str
    fast: str
    than: str
    at_least: float


TARGETS = [
    Target("list of 50, against plain", "list", "list, plain", 6.0),
    Target("list of 50 of 100,000 photos, against 100", "list, large", "list", 1 / 1.5),
    Target("   its 1000th page", "list, large, deep", "list", 1 / 1.5),
    Target("a word of all 100,000 photos, against 100", "word, large", "word", 1 / 1.5),
    Target("   a word of one photo", "rare word, large", "rare word", 1 / 1.5),
    Target("   a word of none", "no word, large", "no word", 1 / 1.5),
    Target("   no news", "no news, large", "no news", 1 / 1.5),
    Target("   all of it is new", "all new, large", "all new", 1 / 1.5),
    Target("announce 1 file, against unsigned", "announce", "announce, unsigned", 0.9),
    Target("announce 100 files, against unsigned", "announce 100", "announce 100, unsigned", 0.9),
]


@dataclass
class Client:
    """A client that keeps its connection and measures its requests."""

    web: stack.Web
    times: dict[str, list[float]] = field(default_factory=dict)
    cpu_times: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", self.web.port, timeout=60)

    def ask(self, case: Case) -> Any:
        """Sends a request, measures it, and returns the JSON of the response."""
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        cpu_before, started = self.web.cpu_seconds(), time.perf_counter()
        self._connection.request(
            "POST" if case.body else "GET", case.path, case.body, headers | case.headers
        )
        answer = self._connection.getresponse()
        data = answer.read()
        took = time.perf_counter() - started
        assert answer.status in {200, 201}, data
        self.times.setdefault(case.name, []).append(took)
        self.cpu_times.setdefault(case.name, []).append(self.web.cpu_seconds() - cpu_before)
        return json.loads(data)


def main(*, rounds: int = ROUNDS) -> None:
    with stack.stores():
        cases = _cases(_fill())
        with stack.web() as web:
            client = Client(web)
            cases.append(_deep(client, next(case for case in cases if case.name == "list, large")))
            _check(client, cases)
            client.times, client.cpu_times = {}, {}
            for _ in range(rounds):
                for case in cases:
                    client.ask(case)
            measured = client.times, client.cpu_times
            client.times, client.cpu_times = {}, {}
            _check(client, cases)  # the photos are the same
    _print(*measured, rounds)


def _fill() -> dict[str, Any]:
    """Fills the database; returns the credentials of the cases."""
    import django

    django.setup()
    from bandpics.benchmarks import rows

    return rows.fill(small=SMALL, large=LARGE)


def _cases(known: dict[str, Any]) -> list[Case]:
    def announcement(count: int) -> bytes:
        photo = {"filename": "IMG_0001.jpg", "content_type": "image/jpeg", "size": 3_456_789}
        return json.dumps({"files": [photo] * count}).encode()

    small, large = ({"Cookie": f"sessionid={known[name]}"} for name in ("small", "large"))
    guest = {"Authorization": f"Invitation {known['token']}"}
    narrowed = [
        ("word", "q=img", 50),
        ("rare word", "q=0050", 1),
        ("no word", "q=nothing", 0),
        ("no news", "updated_since=2100-01-01", 0),
        ("all new", "updated_since=2026-01-01", 50),
    ]
    return [
        *(
            Case(f"{name}{size}", f"/api/v1/images/?{query}", who, photos=photos)
            for name, query, photos in narrowed
            for size, who in (("", small), (", large", large))
        ),
        Case("list", "/api/v1/images/", small, photos=50),
        Case("list, plain", "/benchmark/images/", small, photos=50),
        Case("list, large", "/api/v1/images/", large, photos=50),
        Case("announce", "/api/v1/uploads/", guest, announcement(1)),
        Case("announce, unsigned", "/benchmark/uploads/", guest, announcement(1)),
        Case("announce 100", "/api/v1/uploads/", guest, announcement(100)),
        Case("announce 100, unsigned", "/benchmark/uploads/", guest, announcement(100)),
    ]


def _deep(client: Client, case: Case) -> Case:
    """Returns a case for the page after 50,000 photos, by cursor."""
    url = client.ask(Case("", f"{case.path}?limit=50&offset=9950", case.headers))["next"]
    for _ in range(200):
        url = client.ask(Case("", url.replace("limit=50", "limit=200"), case.headers))["next"]
    return Case("list, large, deep", url.replace("limit=200", "limit=50"), case.headers, photos=50)


def _check(client: Client, cases: list[Case]) -> None:
    """Checks that both sides of each target return the same; warms caches."""
    answers = {case.name: client.ask(case) for case in cases}
    for case in cases:
        if case.photos:
            results = answers[case.name]["results"]
            assert len(results) == case.photos
            assert all(len(row["variants"]) == 5 for row in results)
    assert _without_urls(answers["list"]) == _without_urls(answers["list, plain"])
    for name, count in (("announce", 1), ("announce 100", 100)):
        assert len(_urls(answers[name])) == count
        assert len(answers[f"{name}, unsigned"]["uploads"]) == count
    assert len(_urls(answers["announce, unsigned"]) | _urls(answers["announce 100, unsigned"])) == 1


def _urls(answer: Any) -> set[str]:
    return {ticket["upload"]["url"] for ticket in answer["uploads"]}


def _without_urls(answer: Any) -> Any:
    rows = answer["results"]
    return [{**row, "variants": sorted(row["variants"])} for row in rows]


def _print(times: dict[str, list[float]], cpu_times: dict[str, list[float]], rounds: int) -> None:
    walls = {name: median(some) for name, some in times.items()}
    cpus = {name: median(some) for name, some in cpu_times.items()}
    print(f"{'median of ' + str(rounds):42} {'ms':>8} {'web cpu ms':>11}")
    for name, seconds in walls.items():
        print(f"{name:42} {seconds * 1000:8.2f} {cpus[name] * 1000:11.2f}")
    print(f"\n{'as often as':42} {'measured':>8} {'web cpu':>11} {'target':>8}")
    for target in TARGETS:
        wall = walls[target.than] / walls[target.fast]
        cpu = cpus[target.than] / cpus[target.fast]
        missed = "" if wall >= target.at_least else "  MISSED"
        goal = f">= {target.at_least:.2f}"
        print(f"{target.name:42} {wall:8.2f} {cpu:11.2f} {goal:>8}{missed}")
