"""Prometheus metrics of one process: requests, their latency, and the database connections.

https://prometheus.io/docs/practices/naming/
"""

from collections.abc import Iterator
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from fhir_lab.services import Services

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The metrics of one app; nothing is shared with another app of the same process."""

    def __init__(self, services: Services) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "fhir_lab_http_requests", "Requests answered.", ("interaction", "type", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "fhir_lab_http_request_seconds",
            "Time to answer a request.",
            ("interaction",),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.registry.register(Connections(services))
        self._counters = cache(lambda interaction, name, status: self._requests.labels(interaction, name, str(status)))
        self._timers = cache(self._seconds.labels)

    def count(self, interaction: str, resource_type: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._counters(interaction, resource_type, status).inc()
        self._timers(interaction).observe(seconds)

    def show(self, _: Request) -> Response:
        """GET /metrics in the text format of Prometheus."""
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE)


class Connections(Collector):
    """The database connections of this process, read from the pool when Prometheus asks."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One gauge with the states `busy` and `idle`."""
        gauge = GaugeMetricFamily("fhir_lab_database_connections", "Connections to the database.", labels=("state",))
        for state, count in self._services.database.connections().items():
            gauge.add_metric([state], count)
        yield gauge
