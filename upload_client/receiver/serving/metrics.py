"""The figures of a server, for Prometheus."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, generate_latest


class Metrics:
    """The figures at ``/metrics``.

    Attributes:
        deliveries: deliveries that were seen.
        validators: at work now.
        waiting: deliveries whose validator waits until fewer are at work.
        look_seconds: that the last look for clients took.
        looks_failed: looks at which the store did not answer.
    """

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        name = "upload_client_"
        self.deliveries = Gauge(f"{name}deliveries", "Deliveries that were seen.", registry=registry)
        self.validators = Gauge(f"{name}validators", "Validators at work now.", registry=registry)
        self.waiting = Gauge(
            f"{name}deliveries_waiting",
            "Deliveries whose validator waits until fewer are at work.",
            registry=registry,
        )
        self.look_seconds = Gauge(
            f"{name}look_seconds", "Seconds that the last look for clients took.", registry=registry
        )
        self.looks_failed = Counter(
            f"{name}looks_failed", "Looks at which the store could not be asked.", registry=registry
        )
        self._left = Counter(
            f"{name}validators_left", "Validators that have left.", ["outcome"], registry=registry
        )
        self._runs = Counter(
            f"{name}runs", "Runs of deliveries that have ended.", ["complete"], registry=registry
        )
        self._files = Counter(
            f"{name}files", "Files of runs that have ended.", ["verdict"], registry=registry
        )
        self._bytes = Counter(f"{name}valid_bytes", "Bytes of valid files.", registry=registry)
        self._sent = Counter(
            f"{name}outcomes_told", "Outcomes that were sent.", ["way", "result"], registry=registry
        )

    def text(self) -> bytes:
        """All of them, in the text format that Prometheus reads."""
        return generate_latest(self._registry)

    def left(self, outcome: str) -> None:
        """Count a validator that has left."""
        self._left.labels(outcome).inc()

    def sent(self, way: str, result: str) -> None:
        """Count an outcome that was sent, or not accepted."""
        self._sent.labels(way, result).inc()

    def ended(self, outcome: Mapping[str, object]) -> None:
        """Count a run of a delivery, by its outcome message."""
        self._runs.labels("yes" if outcome["complete"] else "no").inc()
        for verdict in ("valid", "invalid", "not_judged", "not_delivered"):
            n = outcome[verdict]
            assert isinstance(n, int)
            self._files.labels(verdict).inc(n)
        n_bytes = outcome["n_bytes_valid"]
        assert isinstance(n_bytes, int)
        self._bytes.inc(n_bytes)
