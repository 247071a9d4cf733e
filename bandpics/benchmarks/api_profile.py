"""Shows where the milliseconds of one request go, and how many are left above the floor.

Requests go through the real WSGI application, in this process and one thread, to the real stores;
what the web server adds is measured apart, in a process of its own. The floor is a WSGI function
that reads the same rows by the same SQL, makes the same signatures and writes JSON: without Django,
limits, logs and checks. All cases take turns, and cpu time is counted, so that a busy machine slows
them alike; /healthz is the control.
"""

from __future__ import annotations

import collections
import io
import json
import signal
import time
from contextlib import suppress
from functools import cache, partial
from statistics import median
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults

import orjson

from bandpics.benchmarks import api, stack

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 200
WARM_UP = 30
PHOTO: dict[str, Any] = {
    "filename": "IMG_0001.jpg",
    "content_type": "image/jpeg",
    "size": 3_456_789,
}
FLOORS = {"list": "floor of a list", "announce": "floor of announce"}
# The first whose files a stack has on its inside: SQL that somebody is looked up by is SQL.
ROOMS = {
    "SQL: driver and Django's cursor": ("/psycopg", "/django/db/backends/", "/django/db/utils"),
    "SQL: statements, models": ("bandpics/lookups.py", "bandpics/writes.py", "/django/db/"),
    "throttle": ("/redis/", "/limits/", "bandpics/limits.py", "throttles.py"),
    "signatures": ("images/storage/",),
    "JSON": ("bandpics/api/renderers.py", "/json/", "api/parsers.py"),
    "log and metrics": ("/logging/", "bandpics/telemetry/", "request_log.py", "journey.py"),
    "who asks, what they may": ("auth", "sessions", "signing.py", "access.py", "permissions"),
    "serializers": ("serializers.py", "/fields.py", "unknown_names.py", "serializer_helpers"),
    "rows": ("images/listing/", "exif_fields", "images/uploads/", "images/models/"),
    "addresses": ("/django/urls/",),
    "middleware": ("middleware", "/csp/", "/translation/", "/django/utils/deprecation"),
    "REST framework": ("/rest_framework/", "bandpics/api/", "images/api/"),
    "Django": ("/django/", "/asgiref/"),
}


def main(*, rounds: int = ROUNDS) -> None:
    with stack.stores():
        calls = _calls()
        for call in list(calls.values()) * WARM_UP:
            call()
        cpu = _in_turns(calls, rounds)
        web = _by_web_server(rounds)
        print(
            f"{'cpu ms of one request, median of ' + str(rounds):42} {'application':>11} {'web':>6}"
        )
        for name, ms in cpu.items():
            added = f"{web[name]:6.2f}" if name in web else ""
            above = f"  {ms / cpu[FLOORS[name]]:.1f} x of the floor" if name in FLOORS else ""
            print(f"{name:42} {ms:11.2f} {added:>6}{above}")
        for name in ("list", "announce", "complete again"):
            print(f"\n{name}: {_of_sql(calls[name])}")
            for room, share in _by_room(calls[name], rounds * 4):
                print(f"  {room:40} {share * cpu[name]:11.2f} {share:6.0%}")


def _calls() -> dict[str, Callable[[], bytes]]:
    """Fills the database; returns a function for each case, which sends its request."""
    import django

    django.setup()
    from django.db.models.functions import Now

    from bandpics.benchmarks import rows
    from bandpics.wsgi import application
    from images.listing import image_rows
    from images.models import Upload

    known = rows.fill(small=api.SMALL, large=1)
    _HEADERS.update(
        member={"Cookie": f"sessionid={known['small']}"},
        guest={"Authorization": f"Invitation {known['token']}"},
    )
    announce = partial(_ask, application, "POST", _PATHS["announce"], "guest", {"files": [PHOTO]})
    upload_id = json.loads(announce())["uploads"][0]["id"]
    Upload.objects.filter(pk=upload_id).update(
        status=Upload.Status.QUEUED, arrived_at=Now(), queued_at=Now()
    )
    _PATHS["complete again"] = f"/api/v1/uploads/{upload_id}/complete/"
    see = partial(_ask, application, "GET", _PATHS["list"], "member")

    def see_anew() -> bytes:
        image_rows._variants_json.cache_clear()
        return see()

    return {
        "healthz": partial(_ask, application, "GET", "/healthz"),
        "list": see,
        "list of photos that nobody has seen yet": see_anew,
        FLOORS["list"]: partial(_ask, _floor(see, _sign_list), "GET", "/"),
        "announce": announce,
        FLOORS["announce"]: partial(_ask, _floor(announce, _sign_put), "POST", "/"),
        "complete again": partial(_ask, application, "POST", _PATHS["complete again"], "guest"),
    }


_HEADERS: dict[str, dict[str, str]] = {"": {}}
_PATHS = {"list": "/api/v1/images/", "announce": "/api/v1/uploads/"}


def _ask(app: Any, method: str, path: str, who: str = "", sent: Any = None) -> bytes:
    body = b"" if sent is None else json.dumps(sent).encode()
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "HTTP_ACCEPT": "application/json",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        **{f"HTTP_{name.upper()}": value for name, value in _HEADERS[who].items()},
    }
    setup_testing_defaults(environ)
    statuses: list[str] = []
    response = app(environ, lambda status, _headers: statuses.append(status))
    answer = b"".join(response)
    with suppress(AttributeError):
        response.close()  # what gunicorn does: Django ends the request
    assert statuses[0][:2] == "20", answer
    return answer


# --- The floor ------------------------------------------------------------------------------


def _floor(call: Callable[[], bytes], answer: Callable[[Any], Any]) -> Any:
    """Returns a WSGI application that runs the statements of this call, and answers."""
    import psycopg
    from django.db import connection

    from bandpics.ids import new_id

    said: list[tuple[str, list[Any]]] = []

    def listen(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        said.append((sql, list(params or ())))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(listen):
        known = {ticket["id"] for ticket in json.loads(call()).get("uploads", ())}
    own = psycopg.connect(**connection.get_connection_params(), autocommit=True)

    def app(_environ: Any, start_response: Any) -> list[bytes]:
        fresh, found = new_id(), []
        for sql, params in said:
            values = [fresh if str(value) in known else value for value in params]
            cursor = own.execute(sql, values)
            found = cursor.fetchall() if cursor.description else []
        body = orjson.dumps(answer(found or fresh))
        start_response("200 OK", [("Content-Type", "application/json")])
        return [body]

    return app


def _sign_list(found: list[tuple[Any, ...]]) -> Any:
    from images.listing import image_rows
    from images.listing.pagination import DEFAULT_LIMIT
    from images.storage.objects import photo_storage

    prepared = photo_storage().prepare_get(content_type="image/jpeg")
    results = []
    for row in found[:DEFAULT_LIMIT]:
        shown = dict(zip(image_rows.Row._fields, row, strict=True))
        shown["placeholder"] = None
        shown["variants"] = {
            name: {"url": prepared.url(key), "width": width, "height": height}
            for name, key, _type, width, height in orjson.loads(shown["variants"])
        }
        results.append(shown)
    return {"results": results}


def _sign_put(fresh: Any) -> Any:
    from images.storage.objects import photo_storage

    signed = photo_storage().presign_put(
        f"incoming/{fresh}", content_type=PHOTO["content_type"], byte_size=PHOTO["size"]
    )
    return {"uploads": [{"id": str(fresh), "upload": {"url": signed.url}}]}


# --- Measuring ------------------------------------------------------------------------------


def _in_turns(calls: dict[str, Callable[[], bytes]], rounds: int) -> dict[str, float]:
    """Returns the median cpu time of each call, in milliseconds."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            before = time.thread_time()
            call()
            times[name].append((time.thread_time() - before) * 1000)
    return {name: median(some) for name, some in times.items()}


def _by_web_server(rounds: int) -> dict[str, float]:
    """Returns the median cpu time of the web process for each request, in milliseconds."""
    body = json.dumps({"files": [PHOTO]}).encode()
    cases = [
        api.Case("list", _PATHS["list"], _HEADERS["member"]),
        api.Case("announce", _PATHS["announce"], _HEADERS["guest"], body),
        api.Case("complete again", _PATHS["complete again"], _HEADERS["guest"], b"{}"),
    ]
    with stack.web() as web:
        client = api.Client(web)
        for number in range(WARM_UP + rounds):
            if number == WARM_UP:
                client.cpu_times.clear()
            for case in cases:
                client.ask(case)
    return {name: median(times) * 1000 for name, times in client.cpu_times.items()}


def _of_sql(call: Callable[[], bytes]) -> str:
    """Says how many statements the call runs, and how long it waits for Postgres."""
    from django.db import connection

    waits: list[float] = []

    def measure(execute: Any, *args: Any) -> Any:
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            return execute(*args)
        finally:
            wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
            waits.append((wall - cpu) * 1000)

    with connection.execute_wrapper(measure):
        for _ in range(50):
            call()
    return f"{len(waits) / 50:.0f} statements, {sum(waits) / 50:.2f} ms of waiting for them"


def _by_room(call: Callable[[], bytes], count: int) -> list[tuple[str, float]]:
    """Returns the rooms in which the call spends its time, by samples, and their shares."""
    samples: collections.Counter[str] = collections.Counter()

    def sample(_signal: int, frame: Any) -> None:
        while frame is not None and _room(frame.f_code.co_filename) == "":
            frame = frame.f_back
        samples["other" if frame is None else _room(frame.f_code.co_filename)] += 1

    before = signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
    try:
        for _ in range(count):
            call()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    return [(room, number / samples.total()) for room, number in samples.most_common()]


@cache
def _room(path: str) -> str:
    return next((room for room, parts in ROOMS.items() if any(p in path for p in parts)), "")
