"""The measurement of `quick`: its parts one after the other; what breaks in one leaves the others alone."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias

from voicebridge.domain.errors import ExitCode, VoicebridgeError
from voicebridge_bench.components.host import Meanwhile, is_busy, is_disturbed, look
from voicebridge_bench.components.measure import Stopwatch
from voicebridge_bench.components.results import Host, Value
from voicebridge_bench.quick import delay, lag, pairs, partials, speculation, turns, weights, words
from voicebridge_bench.quick.results import Decoded, QuickFigure, QuickPart, QuickResult, outcome_of
from voicebridge_bench.quick.where import Where

PARTS: dict[str, str] = {
    "delay": "end of speech to text against plain faster-whisper, before speculation",
    "overhead": "our path over bare CTranslate2",
    "speculation": "decodes that begin while the hangover runs",
    "partials": "text while speech goes on",
    "words": "word error rates of the full and the adaptive window",
    "turns": "cut-offs and waits of fixed and adaptive hangovers",
    "lag": "the listener while the engine is at full load",
}
RANDOM = "the model's weights are random and its text means nothing: for times only"
Progress: TypeAlias = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """What to measure, and how much of it."""

    parts: Sequence[str]
    size: weights.Size
    """Of the model with random weights."""
    rounds: int
    lengths_seconds: Sequence[int]
    pieces: int
    """Said to a daemon, in each of its parts and ways."""
    commands: int
    """Of the part `words`."""
    sentences: int
    """Of the part `turns`."""
    lag_seconds: float
    where: Where = field(default_factory=Where)
    """What decodes, in every part and on every side."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where models are kept, where the run may write, and who is told how far it is."""

    cache: Callable[[], Path]
    """Asked by the parts that need weights only: it may have to read the settings."""
    scratch: Path
    progress: Progress


def measure(wish: Wish, place: Place) -> QuickResult:
    """Measure; Ctrl-C ends it with what was measured until then."""
    began, machine, meanwhile = time.monotonic(), look(), Meanwhile()
    parts: list[QuickPart] = []
    interrupted = False
    for number, name in enumerate(wish.parts):
        part, interrupted = _part(name, wish, _one_of(place, number, len(wish.parts)), machine)
        parts.append(part)
        if interrupted:
            break
    others = meanwhile.others_cores()
    outcome, because = outcome_of(parts)
    return QuickResult(
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=time.monotonic() - began,
        host=machine,
        decoded=Decoded(device=wish.where.used(machine), compute_type=wish.where.compute_type),
        others_cores=others,
        warnings=[line for line in (is_busy(machine), is_disturbed(others, machine.cores_usable)) if line],
        parts=parts,
        outcome=outcome,
        because=because,
        interrupted=interrupted,
    )


def _one_of(place: Place, number: int, parts: int) -> Place:
    """Return the place of one of so many parts: what it has done is a share of the whole."""
    return replace(place, progress=lambda what, share: place.progress(what, (number + share) / parts))


def _part(name: str, wish: Wish, place: Place, machine: Host) -> tuple[QuickPart, bool]:
    """Return a part with what could be measured of it, and whether somebody ended it early."""
    began = time.monotonic()
    figures: list[QuickFigure] = []
    state: Literal["ran", "skipped", "broken"] = "ran"
    reason, interrupted = "", False
    facts: dict[str, Value] = {}
    try:
        wish.where.require(machine)
        opened, facts = _opened(name, wish, place)
        for figure in opened:
            figures.append(figure)  # noqa: PERF402 - a part that breaks, or is ended, keeps what it has
    except VoicebridgeError as error:
        # What is not installed here leaves the part out; anything else breaks it.
        missing = error.code in (ExitCode.NO_INPUT, ExitCode.UNAVAILABLE) and not figures
        state, reason = ("skipped" if missing else "broken"), str(error)
    except KeyboardInterrupt:
        interrupted, state, reason = True, "skipped", "it was ended early"
    part = QuickPart(
        name=name,
        title=PARTS[name],
        state=state,
        reason=reason,
        seconds=time.monotonic() - began,
        facts=facts,
        warnings=[],
        figures=figures,
    )
    return part, interrupted


def _opened(name: str, wish: Wish, place: Place) -> tuple[Iterable[QuickFigure], dict[str, Value]]:
    scratch = place.scratch / name
    if name in ("delay", "overhead", "lag"):
        place.progress(f"weights of size {wish.size}", 0.0)
        model = weights.random_model(place.cache(), wish.size)
        facts: dict[str, Value] = {"model": model.name, "weights": RANDOM}
        return _with_random(name, wish, place, model), facts
    if name in ("speculation", "partials"):
        talk = pairs.Talk(wish.pieces, scratch, place.progress, wish.where)
        heard = speculation.speculation if name == "speculation" else partials.partials
        return heard(talk), {"model": talk.model.name, "hangover_ms": pairs.HANGOVER_MS, "pieces": wish.pieces}
    if name == "words":
        from voicebridge_bench.accuracy import synthesised

        return words.rates(synthesised(wish.commands), place.progress, wish.where), {"commands": wish.commands}
    return turns.turns(wish.sentences, place.progress, wish.where), {"sentences": wish.sentences}


def _with_random(name: str, wish: Wish, place: Place, model: Path) -> Iterator[QuickFigure]:
    if name == "lag":
        yield from lag.lag(lag.Load(model, wish.lag_seconds, place.scratch / name, place.progress, wish.where))
        return
    contest = delay.Contest(Stopwatch(), model, wish.rounds, place.progress, wish.where, wish.lengths_seconds)
    yield from delay.delays(contest) if name == "delay" else delay.overhead(contest)
