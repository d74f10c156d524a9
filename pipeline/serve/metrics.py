"""What the server counts, for Prometheus."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from pipeline.serve.calls import Call, Calls
from pipeline.serve.live import Live

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
IMAGES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The metrics of one server; paths and names that clients choose are not among the labels."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "iadb_serve_requests",
            "Requests by protocol and status.",
            ["protocol", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "iadb_serve_request_seconds",
            "Seconds from a request to its answer.",
            ["protocol"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self._images = Histogram(
            "iadb_serve_call_images",
            "Images in one call of the model.",
            buckets=IMAGES,
            registry=self._registry,
        )
        self._call_seconds = Histogram(
            "iadb_serve_call_seconds",
            "Seconds of one call of the model.",
            ["signature"],
            buckets=SECONDS,
            registry=self._registry,
        )

    def watch(self, live: Live, calls: Calls) -> None:
        """Adds the live version and the queue."""
        self._registry.register(_Collector(live, calls))

    def request(self, protocol: str, status: int, seconds: float) -> None:
        """Counts a request."""
        self._requests.labels(protocol, status).inc()
        self._seconds.labels(protocol).observe(seconds)

    def call(self, call: Call, seconds: float) -> None:
        """Counts a call of the model."""
        self._images.observe(call.rows)
        self._call_seconds.labels(call.signature.name).observe(seconds)

    def text(self) -> bytes:
        """The metrics in Prometheus's text format."""
        return generate_latest(self._registry)


class _Collector:
    def __init__(self, live: Live, calls: Calls) -> None:
        self._live = live
        self._calls = calls

    def collect(self) -> Iterator[Metric]:
        version = self._live.current
        live = GaugeMetricFamily("iadb_serve_version", "Number of the live version.")
        if version:
            live.add_metric([], version.number)
        yield live
        failed = GaugeMetricFamily(
            "iadb_serve_version_failed", "Number of the newest version, if it does not load."
        )
        if self._live.failed:
            failed.add_metric([], self._live.failed[0])
        yield failed
        loaded = CounterMetricFamily("iadb_serve_versions_loaded", "Versions that went live.")
        loaded.add_metric([], self._live.swaps)
        yield loaded
        waiting = GaugeMetricFamily("iadb_serve_waiting", "Requests that wait for a call.")
        waiting.add_metric([], self._calls.waiting)
        yield waiting
