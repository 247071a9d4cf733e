"""Prometheus metrics on a port of their own, METRICS_PORT. Without it nothing is counted, and
prometheus_client is not imported.

A role has several processes: gunicorn's and Celery's children count in files of one folder
(prometheus_client's multiprocess mode), and their parent, which serves no requests and no tasks,
answers for all of them.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prometheus_client.core import GaugeMetricFamily
    from prometheus_client.registry import CollectorRegistry

logger = logging.getLogger(__name__)

PORT, HOST = "METRICS_PORT", "METRICS_HOST"
FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's own name
FOLDERS = ("/dev/shm", "/tmp")  # noqa: S108 - the first that is there; the subfolder is ours alone
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
OTHER = "other"
READ_AGAIN_SECONDS = 5.0

_DECLARED: list[Metric] = []


class Metric:
    """A name with labels. `known` are labels that are shown from the start, as zero: a rate needs
    a value before the first event."""

    def __init__(
        self, name: str, text: str, *labels: str, known: Iterable[Mapping[str, str]] = ()
    ) -> None:
        self.name, self.text, self.labels = name, text, labels
        self.known = list(known) if labels else [{}]
        _DECLARED.append(self)

    @cached_property
    def _metric(self) -> Any:
        raise NotImplementedError

    def child(self, labels: Mapping[str, object]) -> Any:
        return self._metric.labels(**labels) if labels else self._metric


class Counter(Metric):
    @cached_property
    def _metric(self) -> Any:
        import prometheus_client

        return prometheus_client.Counter(self.name, self.text, self.labels)

    def inc(self, amount: float = 1, **labels: object) -> None:
        if is_on():
            self.child(labels).inc(amount)


class Histogram(Metric):
    """Seconds."""

    @cached_property
    def _metric(self) -> Any:
        import prometheus_client

        return prometheus_client.Histogram(self.name, self.text, self.labels, buckets=SECONDS)

    def observe(self, seconds: float, **labels: object) -> None:
        if is_on():
            self.child(labels).observe(seconds)


@dataclass(frozen=True)
class Reading:
    """A number that is read when somebody asks for the metrics, such as the length of a queue."""

    name: str
    text: str
    value: float
    labels: Mapping[str, str]


Readings = Callable[[], Sequence[Reading]]
# By the queue whose worker answers with them.
_READINGS: dict[str, list[Readings]] = {}


def provide(readings: Readings, *, queue: str) -> None:
    """Lets the worker that serves this queue answer with these numbers, and no other process."""
    _READINGS.setdefault(queue, []).append(readings)


def is_on() -> bool:
    return FOLDER in os.environ


def prepare() -> None:
    """Makes the folder of a role whose parent process this is, before it has any children."""
    port = os.environ.get(PORT)
    if not port or is_on():
        return
    parent = next((path for path in FOLDERS if Path(path).is_dir()), tempfile.gettempdir())
    folder = Path(parent) / f"bandpics-metrics-{port}"
    shutil.rmtree(folder, ignore_errors=True)  # of a role that was killed
    folder.mkdir(mode=0o700)
    os.environ[FOLDER] = str(folder)


def begin() -> None:
    """Shows what is declared as zero, where its labels are known."""
    if is_on():
        for metric in _DECLARED:
            for labels in metric.known:
                metric.child(labels)


def serve(*queues: str) -> None:
    """Answers for all processes of this role, and with the readings of these queues."""
    if not is_on():
        return
    from prometheus_client import CollectorRegistry, start_http_server
    from prometheus_client.multiprocess import MultiProcessCollector

    registry: CollectorRegistry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it has no types
    readings = [each for queue in queues for each in _READINGS.get(queue, [])]
    if readings:
        registry.register(_Collector(readings))
    host, port = os.environ.get(HOST) or "127.0.0.1", int(os.environ[PORT])
    try:
        start_http_server(port, host, registry=registry)
    except OSError as error:
        logger.error("No metrics: %s %s cannot be opened: %s", PORT, port, error)
    else:
        logger.info("Metrics are at port %s of %s", port, host)


def forget_process(pid: int) -> None:
    """Forgets what a child that ended was doing; what it counted stays."""
    if is_on():
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]  # it has no types


class _Collector:
    """Reads numbers when Prometheus asks."""

    def __init__(self, readings: Sequence[Readings]) -> None:
        self._readings = readings
        self._lock = threading.Lock()
        self._last: list[GaugeMetricFamily] = []
        self._stale_at = 0.0

    def collect(self) -> Iterable[GaugeMetricFamily]:
        with self._lock:  # however many ask
            if time.monotonic() >= self._stale_at:
                self._last = list(self._read())
                self._stale_at = time.monotonic() + READ_AGAIN_SECONDS
            return self._last

    def _read(self) -> Iterable[GaugeMetricFamily]:
        from prometheus_client.core import GaugeMetricFamily

        families: dict[str, GaugeMetricFamily] = {}
        failed = 0
        for read in self._readings:
            try:
                found = read()
            except Exception:  # the others are worth having; the next scrape tries again
                logger.exception("Some metrics could not be read")
                failed += 1
                continue
            for one in found:
                labels = tuple(one.labels)
                family = families.setdefault(
                    one.name, GaugeMetricFamily(one.name, one.text, labels=labels)
                )
                family.add_metric([one.labels[name] for name in labels], one.value)
        yield from families.values()
        text = "Groups of numbers that could not be read for this answer."
        yield GaugeMetricFamily("bandpics_unreadable_metrics", text, value=failed)

    def describe(self) -> list[Any]:
        return []  # so that registering reads nothing
