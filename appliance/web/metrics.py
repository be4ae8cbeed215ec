"""Figures for Prometheus, in a registry of our own (the library's global one holds other things)."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

API_BUCKETS_S = (0.005, 0.025, 0.1, 0.5, 2.5, 10)  # a line each, per route: few
INFERENCE_BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1)
ACK_BUCKETS_S = (5, 15, 30, 60, 120, 300, 900, 3600, 14_400, 86_400)
MOST_EVENTS_KNOWN = 2_000

disable_created_metrics()  # type: ignore[no-untyped-call]  # a line per label set that nobody asks for


class Beat(Protocol):
    """``vision.state.VisionBeat``."""

    @property
    def inference_ms(self) -> tuple[float, ...]: ...

    @property
    def detections(self) -> dict[str, int]: ...


class Metrics:
    """What is counted as it happens; gauges are read when somebody asks (``scrape``)."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._api = Histogram(
            "api_request_duration_seconds",
            "Time to answer an HTTP request",
            ("method", "route", "status"),
            buckets=API_BUCKETS_S,
            registry=self.registry,
        )
        self._ack = Histogram(
            "alert_ack_duration_seconds",
            "Time from an alert to its acknowledgement",
            buckets=ACK_BUCKETS_S,
            registry=self.registry,
        )
        self._inference = Histogram(
            "ai_inference_duration_seconds",
            "Time of one detector call",
            buckets=INFERENCE_BUCKETS_S,
            registry=self.registry,
        )
        self._detections = Counter(
            "ai_detection_total", "Boxes above a camera's confidence", ("class_name",), registry=self.registry
        )
        self._events = Counter(
            "events_total", "Events since the start", ("type", "severity"), registry=self.registry
        )
        self._known: OrderedDict[str, None] = OrderedDict()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        self._api.labels(method, route, str(status)).observe(seconds)

    def acknowledged(self, seconds: float) -> None:
        self._ack.observe(max(0.0, seconds))

    def beat(self, beat: Beat) -> None:
        """For ``VisionHost.on_metrics``."""
        for inference_ms in beat.inference_ms:
            self._inference.observe(inference_ms / 1000)
        for class_name, count in beat.detections.items():
            self._detections.labels(class_name).inc(count)

    def event(self, id_: str, type_: str, severity: str) -> None:
        """The journal repeats an event when it changes: each is counted once."""
        if id_ in self._known:
            return
        self._known[id_] = None
        if len(self._known) > MOST_EVENTS_KNOWN:
            self._known.popitem(last=False)
        self._events.labels(type_, severity).inc()

    def text(self, gauges: Iterable[Metric]) -> bytes:
        """The text format, version 0.0.4. Some milliseconds of Python: call it in a thread."""
        read = CollectorRegistry()
        read.register(_Read(list(gauges)))
        return generate_latest(self.registry) + generate_latest(read)


class _Read:
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def gauge(name: str, about: str, labels: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> Metric:
    """``rows``: the label values, and the value last."""
    family = GaugeMetricFamily(name, about, labels=labels)
    for *names, value in rows:
        family.add_metric([str(name) for name in names], float(str(value)))
    return family


def counter(name: str, about: str, labels: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> Metric:
    family = CounterMetricFamily(name, about, labels=labels)
    for *names, value in rows:
        family.add_metric([str(name) for name in names], float(str(value)))
    return family
