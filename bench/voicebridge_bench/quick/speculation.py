"""Part `speculation`: the delay after the endpoint, with decodes that begin while the hangover runs and without.

The endpoint is the moment at which the hangover after the last speech is over, by samples; the delay runs from there to
the announcement of the text. It holds the rest of the block that the endpoint lies in (20 of its 40 ms at most), and
what the measurement itself was late with that block; from the block's arrival on it is told apart. A decode fitted when
it was over by then, whatever it had to wait for before it began. Both is told twice: while nobody reads partials, and
while somebody does, whose decodes may be in the way.
"""

from collections.abc import Iterator, Sequence

from voicebridge_bench.latency.results import Spread, spread_of
from voicebridge_bench.quick.contest import ratio
from voicebridge_bench.quick.pairs import Sitting, Talk, cpu_rounds, hold
from voicebridge_bench.quick.results import Claimed, Goal, QuickFigure, judged
from voicebridge_bench.quick.talks import Told

WITH, WITHOUT = "with speculation", "without"
WITH_BOTH = "with speculation and partials"
WAYS = {
    WITHOUT: ("endpoint.speculate_after_ms=0", 'partials.mode="off"'),
    WITH: ('partials.mode="off"',),
    WITH_BOTH: ('partials.mode="on"',),
}
NAMES = {WITH: "", WITH_BOTH: "with_partials."}
GOAL = Goal(sense="at most", bound=50, reason="the plan's: p95 where the decode fits in the hangover")


def speculation(talk: Talk) -> Iterator[QuickFigure]:
    """Yield the figures. Raises VoicebridgeError."""
    yield from figures_of(hold(talk, WAYS))


def figures_of(held: dict[str, list[Sitting]]) -> Iterator[QuickFigure]:
    """Yield the figures of sittings of all kinds."""
    for way, prefix in NAMES.items():
        told = [one for sitting in held[way] for one in sitting.told]
        fitted = [one for one in told if has_fitted(one)]
        share = 100 * len(fitted) / len(told) if told else None
        title = f"share of decodes that fitted in the hangover{_also(way)}"
        yield judged(_claimed(f"{prefix}fitted", title, "%", share, len(told)))
        yield from _percentiles(way, fitted)
    if all(sitting.told for sittings in held.values() for sitting in sittings):
        delays = {name: _delays(sittings) for name, sittings in held.items()}
        yield judged(ratio("speculation.gain", "delay after the endpoint, without over with", delays, WITHOUT, WITH))
    cpu = {name: cpu_rounds(sittings) for name, sittings in held.items()}
    yield judged(ratio("speculation.cpu", "processor time, with speculation over without", cpu, WITH, WITHOUT))


def has_fitted(told: Told) -> bool:
    """Say whether the decode was over when the hangover was."""
    return told.decode_kind == "speculative" and told.decoded_at <= told.endpoint_at


def _percentiles(way: str, fitted: Sequence[Told]) -> Iterator[QuickFigure]:
    if not fitted:
        claimed = _claimed(
            f"{NAMES[way]}after_endpoint.p95", f"delay after the endpoint, p95{_also(way)}", "ms", None, 0
        )
        yield judged(claimed.model_copy(update={"withheld": "no decode fitted in the hangover"}), GOAL)
        return
    endpoint = spread_of([one.after_endpoint_ms for one in fitted])
    block = spread_of([one.after_block_ms for one in fitted])
    yield judged(_percentile(way, "after_endpoint.p50", "delay after the endpoint where it fitted", endpoint))
    yield judged(_percentile(way, "after_endpoint.p95", "delay after the endpoint where it fitted", endpoint), GOAL)
    yield judged(_percentile(way, "after_block.p50", "of it, from the arrival of the endpoint's block", block))
    yield judged(_percentile(way, "after_block.p95", "of it, from the arrival of the endpoint's block", block))


def _also(way: str) -> str:
    return ", with partials" if way == WITH_BOTH else ""


def _percentile(way: str, name: str, title: str, spread: Spread) -> Claimed:
    statistic = name.rpartition(".")[2]
    return Claimed(
        name=f"speculation.{NAMES[way]}{name}",
        title=f"{title}, {statistic}{_also(way)}",
        unit="ms",
        value=spread.p50 if statistic == "p50" else spread.p95,
        n=spread.n,
        sides={way: spread},
        withheld=spread.withheld.get(statistic, ""),
    )


def _delays(sittings: Sequence[Sitting]) -> list[list[float]]:
    return [[one.after_endpoint_ms / 1000 for one in sitting.told] for sitting in sittings]


def _claimed(name: str, title: str, unit: str, value: float | None, n: int) -> Claimed:
    return Claimed.model_validate({"name": f"speculation.{name}", "title": title, "unit": unit, "value": value, "n": n})
