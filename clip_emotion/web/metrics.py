"""Numbers about the process for Prometheus: requests and their time, the queue, batches, pictures, failures."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clip_emotion import __version__
from clip_emotion.web.labelling import Labelling

MEDIA = CONTENT_TYPE_PLAIN_0_0_4
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SIZES = (1, 2, 4, 8, 16, 32)
METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"})
UNKNOWN = "(none)"
"""The route of requests that no route takes, and the method of those that have a strange one."""
FAILURES = {429: "too_often", 503: "busy"}
"""Kinds of failed requests by their status; every other status from 500 on is an error."""


class Metrics:
    """What is counted in one process; a process has its own registry, so that two apps do not mix."""

    def __init__(self, labelling: Labelling) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_OfLabelling(labelling))
        self._requests = Counter(
            "clip_emotion_requests", "Requests.", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "clip_emotion_request_seconds", "Seconds until a request was answered.", ("route",),
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        self._failures = Counter("clip_emotion_failures", "Requests that failed.", ("kind",), registry=self.registry)
        for kind in (*FAILURES.values(), "error"):
            self._failures.labels(kind)

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._requests.labels(method if method in METHODS else UNKNOWN, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)
        if status in FAILURES or status >= 500:
            self._failures.labels(FAILURES.get(status, "error")).inc()

    def text(self) -> bytes:
        """Return everything in Prometheus's text format."""
        return generate_latest(self.registry)


class MetricsMiddleware:
    """Counts every request by the template of its route, so that the number of series does not grow with the keys."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count it when it is over."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, seen)
        finally:
            self.metrics.count(scope["method"], template_of(scope), status, time.perf_counter() - started)


def template_of(scope: Scope) -> str:
    """Return the template of the route that took a request, such as ``/pictures/{key}``.

    It is made of the path itself and the values that were found in it, from the last one on.
    """
    if "endpoint" not in scope:
        return UNKNOWN
    parts = scope["path"].split("/")
    for name, value in reversed(scope.get("path_params", {}).items()):
        for place in reversed(range(len(parts))):
            if parts[place] == str(value):
                parts[place] = f"{{{name}}}"
                break
    return "/".join(parts)


class _OfLabelling(Collector):
    """What the labelling counted, read when it is asked for."""

    def __init__(self, labelling: Labelling) -> None:
        self.labelling = labelling

    def describe(self) -> Iterable[Metric]:
        """Return the families without their numbers."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """Yield queue, batches, pictures and model as they are now."""
        one = self.labelling
        yield GaugeMetricFamily("clip_emotion_queue_pictures", "Pictures that wait or are worked on.", one.waiting)
        yield GaugeMetricFamily("clip_emotion_queue_limit", "Pictures that may wait.", one.settings.queue)
        pictures = CounterMetricFamily(
            "clip_emotion_pictures", "Pictures, by what became of them.", labels=("outcome",)
        )
        pictures.add_metric(("labelled",), one.labelled)
        pictures.add_metric(("unreadable",), one.unreadable)
        yield pictures
        sizes = dict(one.batch_sizes)
        batches = HistogramMetricFamily("clip_emotion_batch_regions", "Regions that went through the model together.")
        counted = [(str(float(edge)), sum(n for size, n in sizes.items() if size <= edge)) for edge in SIZES]
        buckets = [*counted, ("+Inf", sum(sizes.values()))]
        batches.add_metric((), buckets, sum_value=sum(size * n for size, n in sizes.items()))
        yield batches
        about = {"version": __version__, "model": one.encoder.name, "fingerprint": one.encoder.fingerprint}
        yield InfoMetricFamily("clip_emotion", "What runs.", value=about)
