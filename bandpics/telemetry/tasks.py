"""Follows tasks: each carries the id of the request that queued it, and leaves a line when it
ends."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from celery import signals, states

from bandpics.telemetry import context, errors, metrics, tracing

if TYPE_CHECKING:
    from celery import Task

logger = logging.getLogger(__name__)

TASKS = metrics.Counter("bandpics_tasks_total", "Tasks that ended.", "task", "state")
TASK_SECONDS = metrics.Histogram("bandpics_task_seconds", "How long tasks took.", "task")
# The part of a task's headers that is ours.
REQUEST_ID, TRACE = "bandpics_request_id", "traceparent"


def watch() -> None:
    """Watches the tasks that this process sends, and those that it works on as a worker."""
    # Having a receiver keeps Celery from setting up logs its own way.
    signals.setup_logging.connect(_keep_logs, dispatch_uid="telemetry-logs")
    signals.before_task_publish.connect(_add_headers, dispatch_uid="telemetry-publish")
    signals.task_prerun.connect(_begin, dispatch_uid="telemetry-begin")
    signals.task_postrun.connect(_end, dispatch_uid="telemetry-end")
    signals.celeryd_init.connect(_prepare, dispatch_uid="telemetry-prepare")
    signals.beat_init.connect(_serve_beat, dispatch_uid="telemetry-beat")
    signals.worker_ready.connect(_serve, dispatch_uid="telemetry-serve")


def _keep_logs(**_: Any) -> None:
    pass


def _add_headers(*, headers: dict[str, Any], **_: Any) -> None:
    if (request_id := context.request_id()) is not None:
        headers[REQUEST_ID] = request_id
    if (trace := tracing.current()) is not None:
        headers[TRACE] = trace


def _begin(*, task_id: str, task: Task[..., Any], **_: Any) -> None:
    if task.request.is_eager:  # it runs within a request, or another task
        return
    context.forget()
    context.say(task_id=task_id, task=task.name)
    if request_id := getattr(task.request, REQUEST_ID, None):
        context.say(request_id=context.accepted(str(request_id)))
    request: Any = task.request
    request.began_at = time.monotonic()
    request.trace_span = tracing.begin(task.name, parent=getattr(request, TRACE, None))


def _end(*, task: Task[..., Any], state: str | None, **_: Any) -> None:
    if task.request.is_eager:
        return
    request: Any = task.request
    seconds = time.monotonic() - request.began_at
    TASKS.inc(task=task.name, state=state or "UNKNOWN")
    TASK_SECONDS.observe(seconds, task=task.name)
    request.trace_span.end(state=state)
    # What beat asks for every few seconds leaves a line only when it fails.
    is_routine = any(entry["task"] == task.name for entry in task.app.conf.beat_schedule.values())
    is_dull = is_routine and state == states.SUCCESS
    facts = {"state": state, "duration_ms": round(seconds * 1000)}
    logger.log(logging.DEBUG if is_dull else logging.INFO, "task", extra=facts)
    context.forget()


def _prepare(**_: Any) -> None:
    metrics.prepare()
    errors.start()
    tracing.start()


def _serve(*, sender: Any, **_: Any) -> None:
    metrics.begin()
    metrics.serve(*sender.app.amqp.queues.consume_from)


def _serve_beat(**_: Any) -> None:
    metrics.prepare()
    metrics.begin()
    metrics.serve()
