"""Part `speculation`: the delay after the endpoint, with decodes that begin while the hangover runs and without.

The endpoint is the moment at which the hangover after the last speech is over, by samples; the delay runs from there to
the announcement of the text. It holds the rest of the block that the endpoint lies in: 40 ms at most.
A decode fitted when the silence before it and the decode itself together are no longer than the hangover.
"""

from collections.abc import Iterator, Sequence

from voicebridge.settings import EndpointSettings
from voicebridge_bench.latency.results import spread_of
from voicebridge_bench.quick.contest import ratio
from voicebridge_bench.quick.pairs import HANGOVER_MS, Sitting, Talk, cpu_rounds, hold
from voicebridge_bench.quick.results import Claimed, Goal, QuickFigure, judged
from voicebridge_bench.quick.talks import Told

WITH, WITHOUT = "with speculation", "without"
WAYS = {
    WITHOUT: ("endpoint.speculate_after_ms=0", 'partials.mode="off"'),
    WITH: ('partials.mode="off"',),
}
GOAL = Goal(sense="at most", bound=50, reason="the plan's: p95 where the decode fits in the hangover")


def speculation(talk: Talk) -> Iterator[QuickFigure]:
    """Yield the figures. Raises VoicebridgeError."""
    yield from figures_of(hold(talk, WAYS))


def figures_of(held: dict[str, list[Sitting]]) -> Iterator[QuickFigure]:
    """Yield the figures of sittings of both kinds."""
    told = [one for sitting in held[WITH] for one in sitting.told]
    fitted = [one for one in told if has_fitted(one)]
    share = 100 * len(fitted) / len(told) if told else None
    yield judged(_claimed("fitted", "share of decodes that fitted in the hangover", "%", share, len(told)))
    yield from _percentiles(fitted)
    if all(sitting.told for sittings in held.values() for sitting in sittings):
        delays = {name: _delays(sittings) for name, sittings in held.items()}
        yield judged(ratio("speculation.gain", "delay after the endpoint, without over with", delays, WITHOUT, WITH))
    cpu = {name: cpu_rounds(sittings) for name, sittings in held.items()}
    yield judged(ratio("speculation.cpu", "processor time, with speculation over without", cpu, WITH, WITHOUT))


def has_fitted(told: Told, endpoint: EndpointSettings | None = None) -> bool:
    """Say whether the text was there when the hangover was over."""
    settings = endpoint or EndpointSettings()
    silence_ms = max(settings.speculate_after_ms, settings.tail_ms)
    return told.decode_kind == "speculative" and silence_ms + told.decode_ms <= HANGOVER_MS


def _percentiles(fitted: Sequence[Told]) -> Iterator[QuickFigure]:
    if not fitted:
        claimed = _claimed("after_endpoint.p95", "delay after the endpoint, p95", "ms", None, 0)
        yield judged(claimed.model_copy(update={"withheld": "no decode fitted in the hangover"}), GOAL)
        return
    spread = spread_of([one.after_endpoint_ms for one in fitted])
    for name, value, goal in (("p50", spread.p50, None), ("p95", spread.p95, GOAL)):
        claimed = Claimed(
            name=f"speculation.after_endpoint.{name}",
            title=f"delay after the endpoint where it fitted, {name}",
            unit="ms",
            value=value,
            n=len(fitted),
            sides={WITH: spread},
            withheld=spread.withheld.get(name, ""),
        )
        yield judged(claimed, goal)


def _delays(sittings: Sequence[Sitting]) -> list[list[float]]:
    return [[one.after_endpoint_ms / 1000 for one in sitting.told] for sitting in sittings]


def _claimed(name: str, title: str, unit: str, value: float | None, n: int) -> Claimed:
    return Claimed.model_validate({"name": f"speculation.{name}", "title": title, "unit": unit, "value": value, "n": n})
