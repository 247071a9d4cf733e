"""Traces by OpenTelemetry, if OTEL_EXPORTER_OTLP_ENDPOINT is set: a span for each request, task
and call of the store.

Spans are our own, not those of OpenTelemetry's instrumentations, which write addresses with their
tokens and signatures into them.
"""

from __future__ import annotations

import functools
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bandpics.telemetry import context
from bandpics.telemetry.packages import NotInstalled

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_tracer: Any = None


@functools.cache
def start() -> None:
    """Sends traces from now on, if the environment says where to. Raises NotInstalled."""
    global _tracer
    if not os.environ.get(ENDPOINT):
        return
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise NotInstalled(ENDPOINT, "opentelemetry-exporter-otlp-proto-http") from None
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": "bandpics"}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    _tracer = trace.get_tracer("bandpics")


class Span:
    """A part of a trace that is open, or nothing where no traces are sent."""

    def __init__(self, span: Any = None, token: Any = None) -> None:
        self._span, self._token = span, token

    def end(self, **facts: Any) -> None:
        if self._span is None:
            return
        from opentelemetry import context as traces

        known = {**context.known(), **facts}
        for name, fact in known.items():
            if fact is not None:
                self._span.set_attribute(f"bandpics.{name}", fact)
        self._span.end()
        traces.detach(self._token)

    def rename(self, name: str) -> None:
        if self._span is not None:
            self._span.update_name(name)


NO_SPAN = Span()


def begin(name: str, *, parent: str | None = None) -> Span:
    """Opens a span, to be ended by the same thread; `parent` is what current() returned."""
    if _tracer is None:
        return NO_SPAN
    from opentelemetry import context as traces
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    inherited = TraceContextTextMapPropagator().extract({"traceparent": parent}) if parent else None
    span = _tracer.start_span(name, context=inherited)
    return Span(span, traces.attach(trace.set_span_in_context(span, inherited)))


@contextmanager
def span(name: str) -> Iterator[None]:
    """Traces the block."""
    opened = begin(name)
    try:
        yield
    finally:
        opened.end()


def current() -> str | None:
    """Returns the open span as W3C Trace Context has it, `traceparent`; None without traces."""
    if _tracer is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")
