"""The table of all metrics for docs/metrics.md: `python -m voicebridge.health.metrics_page docs/metrics.md`."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from voicebridge.health import metrics_checkpoint, metrics_counted, metrics_status
from voicebridge.health.metrics import SCRAPE
from voicebridge.health.metrics_family import Family

BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"
SECTIONS: Sequence[tuple[str, Sequence[Family]]] = (
    ("State", metrics_status.STATE),
    ("Hearing", metrics_status.HEARING),
    ("Utterances", (*metrics_status.UTTERANCES, *metrics_counted.FAMILIES)),
    ("Capture", metrics_status.CAPTURE),
    ("Bounds and the watchdog", metrics_status.BOUNDS),
    ("The newest checkpoint", metrics_checkpoint.FAMILIES),
    ("The scrape", SCRAPE),
)


def tables() -> str:
    """Return every metric as Markdown tables, by section."""
    parts = []
    for title, families in SECTIONS:
        parts.append(f"## {title}\n\n| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n")
        parts.extend(_row(family.name, family.kind.value, _labels(family), family.help) for family in families)
        parts.append("\n")
    parts.append("## The process\n\n| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n")
    parts.extend(_row(*row) for row in _of_the_library())
    return "".join(parts)


def with_tables(page: str) -> str:
    """Return a page with the tables of today between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n{END}{after}"


def _of_the_library() -> Iterable[tuple[str, str, str, str]]:
    """Yield name, type, labels and meaning of what the client library tells of every process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    for metric in registry.collect():
        name = metric.name + ("_total" if metric.type == "counter" else "")
        labels = ", ".join(f"`{label}`" for label in sorted({label for s in metric.samples for label in s.labels}))
        yield name, metric.type, labels, metric.documentation.rstrip(".") + "."


def _labels(family: Family) -> str:
    return "; ".join(f"`{label}`: {values}" for label, values in family.labels.items())


def _row(name: str, kind: str, labels: str, meaning: str) -> str:
    return f"| `{name}` | {kind} | {labels} | {meaning} |\n"


def main(arguments: Sequence[str]) -> None:
    """Write the tables of today into a page."""
    (path,) = map(Path, arguments)
    path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
