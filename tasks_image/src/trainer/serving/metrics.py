"""The router's metrics in Prometheus' format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from trainer.serving.service import Service

BOUNDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds."""


class Metrics:
    """Requests, times and shares of the traffic, by version."""

    def __init__(self, model: str) -> None:
        """Count for a model."""
        self.model, self.registry = model, CollectorRegistry()
        labels = ("model", "version")
        self.requests = Counter(
            "router_requests", "Requests by outcome: answered, refused (400 to 499), failed",
            (*labels, "outcome"), registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "router_request_seconds", "Time until a version's answer", labels, buckets=BOUNDS, registry=self.registry
        )
        self.percent = Gauge("router_traffic_percent", "Share of the traffic", labels, registry=self.registry)
        self.running = Gauge("router_version_running", "1 while the process runs", labels, registry=self.registry)

    def note(self, version: str, outcome: str, seconds: float) -> None:
        """Count a request and its time in seconds."""
        self.requests.labels(self.model, version, outcome).inc()
        self.seconds.labels(self.model, version).observe(seconds)

    def text(self, service: Service) -> str:
        """Return all metrics, as a scrape gets them."""
        self.percent.clear()
        self.running.clear()
        for version, server in service.servers.items():
            self.percent.labels(self.model, version).set(service.state.split.percent_of(version))
            self.running.labels(self.model, version).set(server.is_running)
        return generate_latest(self.registry).decode()
