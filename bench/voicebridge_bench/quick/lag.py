"""Part `lag`: how long the listener takes over a block, with the engine at full load and with none.

The lag of a block runs from its arrival in the ring until the listener has taken its last whole frame, looked at every
half millisecond (voicebridge_bench.quick.script_room). Speech comes without a second of rest: after one without speech
the listener lets frames gather on purpose. Settings are the defaults, and somebody reads partials: the listener judges
pauses and orders early decodes in both ways. The load is real decodes, one after the other, with weights of a real
size; for comparison an engine answers at once, and computes nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from voicebridge.domain.audio import Samples
from voicebridge.domain.units import samples_to_seconds
from voicebridge_bench.components.results import Verdict
from voicebridge_bench.latency.results import Spread, spread_of
from voicebridge_bench.quick.contest import ratio
from voicebridge_bench.quick.delay import tokens_of
from voicebridge_bench.quick.results import Claimed, Goal, QuickFigure, judged
from voicebridge_bench.quick.sitting import Noted, Spec, sit
from voicebridge_bench.quick.talks import without_rest
from voicebridge_bench.quick.where import Where
from voicebridge_bench.speech_corpus import commands

SEED = 42_000_000
PIECES = 12
PAUSE_SECONDS = 0.75
"""Longer than the hangover, and shorter than the second after which the listener lets frames gather."""
ROUNDS = 3
DEADLINE_SECONDS = 3600
"""The one decode that holds the engine lasts as long as the script."""
LOADED, IDLE = "engine at full load", "engine idle"
GOAL = Goal(sense="at most", bound=20, reason="the plan's: p99 while the engine is at 100 %")


@dataclass(frozen=True, slots=True)
class Load:
    """What decodes, for how long in all, and where."""

    model: Path
    seconds: float
    scratch: Path
    progress: Callable[[str, float], None]
    where: Where = field(default_factory=Where)
    rounds: int = ROUNDS


def lag(load: Load) -> Iterator[QuickFigure]:
    """Yield the figures. Raises VoicebridgeError."""
    pieces = [clip.samples for clip in commands(PIECES, SEED)]
    script = without_rest(pieces, load.seconds / load.rounds, PAUSE_SECONDS)
    noted: dict[str, list[Noted]] = {IDLE: [], LOADED: []}
    for number in range(load.rounds):
        for name, sat in noted.items():
            load.progress(f"lag, {name}", number / load.rounds)
            sat.append(_sat(load, name, script, number))
    yield from figures_of(noted)


def figures_of(noted: dict[str, list[Noted]]) -> Iterator[QuickFigure]:
    """Yield the figures of sittings of both kinds."""
    spreads = {name: spread_of([lag for one in sat for lag in one.lags_ms]) for name, sat in noted.items()}
    loaded = noted[LOADED]
    facts = {
        "decoding_share": round(sum(one.decoding_share for one in loaded) / len(loaded), 3),
        "gaps": sum(one.gaps for one in loaded),
        "latest_block_ms": round(1000 * max(one.latest_seconds for one in loaded), 1),
    }
    yield _loaded(judged(_percentile(spreads, LOADED).model_copy(update={"parameters": facts}), GOAL), spreads[IDLE])
    yield judged(_percentile(spreads, IDLE))
    rounds = {name: [[lag / 1000 for lag in one.lags_ms] for one in sat] for name, sat in noted.items()}
    yield judged(ratio("lag.ratio", "median lag, full load over idle", rounds, LOADED, IDLE))


def _sat(load: Load, name: str, script: Samples, number: int) -> Noted:
    loaded = name == LOADED
    folder = load.scratch / f"lag-{number}-{'loaded' if loaded else 'idle'}"
    spec = Spec(
        folder=str(folder),
        model=str(load.model),
        overrides=(*load.where.overrides(), 'partials.mode="on"', f"engine.decode_deadline_seconds={DEADLINE_SECONDS}"),
        tokens=tokens_of(3),
        # What is ordered first is decoded, over and over, until the script is over.
        busy_seconds=samples_to_seconds(len(script)) if loaded else 0.0,
        answers_at_once=not loaded,
        lag=True,
    )
    return sit(spec, script)


def _loaded(figure: QuickFigure, idle: Spread) -> QuickFigure:
    """Return the figure, not judged where the listener lags as much with the engine idle: others hold it up then."""
    if figure.verdict is not Verdict.MISSED or idle.p99 is None or idle.p99 <= GOAL.bound:
        return figure
    because = f"with the engine idle it is {idle.p99:.0f} ms: other work holds the listener up"
    return figure.model_copy(update={"verdict": Verdict.NOT_JUDGED, "because": because})


def _percentile(spreads: dict[str, Spread], name: str) -> Claimed:
    spread = spreads[name]
    return Claimed(
        name="lag.loaded" if name == LOADED else "lag.idle",
        title=f"the listener's lag behind a block, {name}, p99",
        unit="ms",
        value=spread.p99,
        n=spread.n,
        sides={name: spread},
        withheld=spread.withheld.get("p99", ""),
    )
