"""The metrics of the daemon in Prometheus' formats, rendered from one snapshot when they are asked for.

The registry is its own, nothing is global: two sessions in one process do not meet. A scrape happens in the thread that
asks, and reads memory and /proc; nothing is done for it anywhere else, and the hot loop does not know of it.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from voicebridge import __version__
from voicebridge.health import metrics_checkpoint, metrics_counted, metrics_status
from voicebridge.health.metrics_family import Family, Kind, Snapshot, Value
from voicebridge.health.metrics_tallies import Distribution, Tallies

OPENMETRICS = "application/openmetrics-text"
FAMILIES = (*metrics_status.FAMILIES, *metrics_counted.FAMILIES, *metrics_checkpoint.FAMILIES)
"""Every metric of ours but those of the scrape itself; docs/metrics.md is made from it."""
SCRAPE = (
    Family(
        "voicebridge_build_info",
        Kind.GAUGE,
        "Always 1; its label is the version of Voicebridge.",
        lambda _: (((__version__,), 1.0),),
        {"version": "such as `1.2.0`"},
    ),
    Family("voicebridge_scrape_seconds", Kind.GAUGE, "How long it took to collect this scrape.", lambda _: ()),
)
"""What a scrape says of itself."""


class MetricsSource(Protocol):
    """Where the figures come from. Both are called by the thread that scrapes, and read memory only."""

    def status(self) -> Mapping[str, Any]:
        """Return voicebridge.health.status.Status as a mapping."""
        ...

    def checkpoint(self) -> Mapping[str, Any]:
        """Return the newest checkpoint as a mapping; empty before the first."""
        ...


class Metrics:
    """Renders the metrics of one session; any thread may ask."""

    def __init__(self, source: MetricsSource, tallies: Tallies, clock: Callable[[], float] = time.perf_counter) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(DaemonCollector(source, tallies, clock))
        # Under the names that every Prometheus client has, so that ready-made dashboards know them.
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Return the metrics and their content type: OpenMetrics if the Accept header asks for it, else plain text."""
        # Not the header itself: the library raises on a version that is no number, and repeats it in its answer.
        encode, content_type = choose_encoder(OPENMETRICS if wants_openmetrics(accept) else "")
        return encode(self._registry), content_type

    def metrics(self) -> bytes:
        """Return the metrics in the text format that every Prometheus reads."""
        return self.render()[0]


class DaemonCollector(Collector):
    """Collects the families from one snapshot."""

    def __init__(self, source: MetricsSource, tallies: Tallies, clock: Callable[[], float]) -> None:
        self._source = source
        self._tallies = tallies
        self._clock = clock

    def describe(self) -> list[Metric]:
        """Return nothing: a registry asks it for names at registration, before there is anything to read."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        began = self._clock()
        seen = Snapshot(self._source.status(), self._source.checkpoint(), self._tallies.now())
        build, scrape = SCRAPE
        metrics = [metric_of(family, seen) for family in (build, *FAMILIES)]
        yield from metrics
        yield GaugeMetricFamily(scrape.name, scrape.help, value=self._clock() - began)


def metric_of(family: Family, seen: Snapshot) -> Metric:
    """Return a family as the library renders it."""
    labels = tuple(family.labels)
    match family.kind:
        case Kind.COUNTER:
            metric: Metric = CounterMetricFamily(family.name, family.help, labels=labels)
        case Kind.GAUGE:
            metric = GaugeMetricFamily(family.name, family.help, labels=labels)
        case Kind.HISTOGRAM:
            metric = HistogramMetricFamily(family.name, family.help, labels=labels)
    for values, value in family.read(seen):
        _add(metric, values, value)
    return metric


def _add(metric: Metric, values: tuple[str, ...], value: Value) -> None:
    if isinstance(value, Distribution):
        assert isinstance(metric, HistogramMetricFamily)
        bounds = (*(str(float(bound)) for bound in value.bounds), "+Inf")
        buckets = [(bound, float(count)) for bound, count in zip(bounds, value.cumulative, strict=True)]
        metric.add_metric(values, buckets, value.total)
    else:
        assert isinstance(metric, CounterMetricFamily | GaugeMetricFamily)
        metric.add_metric(values, value)


def wants_openmetrics(accept: str) -> bool:
    """Say whether an Accept header takes OpenMetrics 1.0 and does not like plain text better (RFC 9110, 12.5.1)."""
    preferences = dict(_preference(offer) for offer in reversed(accept.split(",")))
    wanted = preferences.get(OPENMETRICS, 0.0)
    return wanted > 0 and wanted >= preferences.get("text/plain", 0.0)


def _preference(offer: str) -> tuple[str, float]:
    media_type, *parameters = (part.strip() for part in offer.split(";"))
    quality = next((p.partition("=")[2] for p in parameters if p.partition("=")[0].strip() == "q"), "1")
    try:
        return media_type.lower(), float(quality)
    except ValueError:
        return media_type.lower(), 0.0
