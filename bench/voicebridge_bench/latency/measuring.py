"""The measurement of `latency`: a daemon that hears a script in a room, once."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import IO, Literal, Protocol

from voicebridge.domain.errors import DeviceError, VoicebridgeError
from voicebridge.domain.units import SAMPLE_RATE, samples_to_seconds
from voicebridge.settings import EndpointSettings, Settings
from voicebridge.settings.layers import load
from voicebridge_bench.components.host import is_busy, look
from voicebridge_bench.corpora.levels import END_DEFINITION
from voicebridge_bench.latency.busy import busy
from voicebridge_bench.latency.child import Child
from voicebridge_bench.latency.delays import BESIDE, PARTS, Matched, Spoken, match
from voicebridge_bench.latency.microphone import VirtualMicrophone
from voicebridge_bench.latency.paced import Paced
from voicebridge_bench.latency.results import LatencyResult, SourceTold, Spread, spread_of
from voicebridge_bench.latency.script import Script, arrange
from voicebridge_bench.latency.stored import pending, read_stored
from voicebridge_bench.pauses import longest_hangover_ms
from voicebridge_bench.playlist import Piece
from voicebridge_bench.words import words_right

SETTLE_SECONDS = 300.0
"""How long the daemon may take over what waits when everything was played."""
LOOK_SECONDS = 0.5
CUT_SECONDS = 0.5
LATE_SECONDS = 0.1
DELAY_DEFINITION = "from the true end of speech to the moment at which the text was read from the daemon's output"
TOLD = (
    "endpoint.hangover_ms",
    "endpoint.mode",
    "endpoint.hangover_min_ms",
    "endpoint.hangover_max_ms",
    "endpoint.speculate_after_ms",
    "endpoint.tail_ms",
    "vad.mode",
    "audio.block_ms",
    "audio.latency_ms",
    "whisper.beam_size",
    "whisper.threads",
    "whisper.window",
)


class Room(Protocol):
    """Where the daemon hears, and who tells when something was said there."""

    description: str
    accuracy_ms: float
    arguments: Sequence[str]
    latest_seconds: float

    @property
    def name(self) -> Literal["microphone", "paced"]:
        """What it is called."""
        ...

    def environment(self) -> dict[str, str]:
        """Return what the daemon needs in its environment to hear here."""
        ...

    def open(self, stdin: IO[bytes]) -> None:
        """Begin to be heard: a quiet room."""
        ...

    def play(self, script: Script) -> None:
        """Play all of it; returns when it was played."""
        ...

    def moments(self) -> list[float | None]:
        """Return when each piece's speech truly ended."""
        ...

    def session_samples(self) -> list[int] | None:
        """Return where in the daemon's session that is, where it is known."""
        ...

    def close(self) -> None:
        """Take it away."""
        ...


@dataclass(frozen=True, slots=True)
class Order:
    """What to measure."""

    pieces: Sequence[Piece]
    corpus: str
    count: int
    seed: int
    processes: int
    source: Literal["auto", "microphone", "paced"]
    options: Sequence[str] = ()
    """Of the daemon's command line, before `run`."""


def find_room(source: str) -> tuple[Room, str]:
    """Return where to hear, and why there. Raises DeviceError when a microphone is asked for and there can be none."""
    if source == "paced":
        return Paced(), "as --source says"
    try:
        return VirtualMicrophone(), "as --source says" if source == "microphone" else "a virtual microphone can be had"
    except DeviceError as error:
        if source == "microphone":
            raise
        return Paced(), f"no virtual microphone: {error.message}"


@dataclass(frozen=True, slots=True)
class _Heard:
    """What became of a script in a room."""

    matched: Matched
    engine: str
    model: str
    interrupted: bool


def measure(order: Order, settings: Settings, scratch: Path, progress: Callable[[str, float], None]) -> LatencyResult:
    """Measure once; Ctrl-C ends it with what was measured until then. Raises VoicebridgeError."""
    began, machine = time.monotonic(), look()
    script = arrange(order.pieces, order.count, longest_hangover_ms(settings.endpoint), order.seed)
    progress("starting the daemon", 0.0)
    room, reason = find_room(order.source)
    try:
        found = _hear(order, script, room, (settings.endpoint, scratch), progress)
    finally:
        room.close()
    right = [words_right(delay.text, delay.heard) for delay in found.matched.delays]
    return LatencyResult(
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=time.monotonic() - began,
        host=machine,
        source=_source(room, reason),
        load_processes=order.processes,
        engine=found.engine,
        model=found.model,
        settings=_told(settings),
        corpus=order.corpus,
        seed=order.seed,
        end_of_speech=END_DEFINITION,
        delay=DELAY_DEFINITION,
        pieces=order.count,
        interrupted=found.interrupted,
        words=sum(words for _, words in right),
        words_right=sum(hits for hits, _ in right),
        figures=figures_of(found.matched),
        ready_share=share_of([delay.ready for delay in found.matched.delays]),
        early_share=share_of([delay.early for delay in found.matched.delays]),
        delays=found.matched.delays,
        left_out=found.matched.left_out,
        warnings=[warning for warning in (is_busy(machine), _loaded(order), _late(room.latest_seconds)) if warning],
    )


def _hear(
    order: Order, script: Script, room: Room, way: tuple[EndpointSettings, Path], progress: Callable[[str, float], None]
) -> _Heard:
    """Have a daemon hear a script; ``way`` is when it ends an utterance, and where it may keep things."""
    endpoint, scratch = way
    state = scratch / "state"
    environment = {**os.environ, **room.environment()}
    with Child([*order.options, "--state-dir", str(state)], room.arguments, environment, scratch / "log") as child:
        room.open(child.stdin)
        child.wait_until_ready()
        with busy(order.processes):
            minutes = samples_to_seconds(len(script.samples)) / 60
            progress(f"playing {minutes:.1f} minutes in real time ({room.name})", 0.1)
            interrupted = _interrupted(lambda: room.play(script))
            # What ended just before an interruption may have no endpoint yet.
            until = time.monotonic() - longest_hangover_ms(endpoint) / 1000 - CUT_SECONDS
            interrupted = _interrupted(lambda: _settle(child, state)) or interrupted
        child.leave()
    read_at = {said.told["id"]: said.read_at for said in child.said if "id" in said.told}
    ready = next((said.told for said in child.said if said.told.get("event") == "engine_ready"), {})
    matched = match(_spoken(script, room, until), read_stored(state), read_at, endpoint)
    return _Heard(matched, str(ready.get("engine", "")), str(ready.get("model", "")), interrupted)


def _source(room: Room, reason: str) -> SourceTold:
    return SourceTold(
        name=room.name,
        description=room.description,
        reason=reason,
        accuracy_ms=room.accuracy_ms,
        latest_ms=1000 * room.latest_seconds,
    )


def _loaded(order: Order) -> str:
    return f"The speech was played while {order.processes} processes computed." if order.processes else ""


def figures_of(matched: Matched) -> dict[str, Spread]:
    """Return the spread of the delays and of their parts; nothing where there is none."""
    rows = [delay.model_dump() for delay in matched.delays]
    if not rows:
        return {}
    values = {part: [row[f"{part}_ms"] for row in rows] for part in ("total", *PARTS, *BESIDE)}
    detector = [row["detector_ms"] for row in rows if row["detector_ms"] is not None]
    if detector:
        values["detector"] = detector
    return {name: spread_of(samples) for name, samples in values.items()}


def share_of(said: Sequence[bool]) -> float | None:
    """Return how many of them are true, 0 to 1; None of none."""
    return sum(said) / len(said) if said else None


def settings_for(options: Sequence[str]) -> Settings:
    """Return the settings that a daemon with these options has. Raises SettingsError."""
    config = next((Path(value) for name, value in pairwise(options) if name == "--config"), None)
    overrides = [value for name, value in pairwise(options) if name == "--set"]
    return load(config, overrides).settings


def _spoken(script: Script, room: Room, until: float) -> list[Spoken]:
    """Return what was played to its end until then and whose moment is known."""
    ends = room.session_samples()
    found = []
    for number, (part, ended_at) in enumerate(zip(script.parts, room.moments(), strict=False)):
        if ended_at is not None and ended_at < until:
            began_at = ended_at - (part.speech_end - part.span.start) / SAMPLE_RATE
            found.append(Spoken(part.text, began_at, ended_at, ends[number] if ends else None))
    return found


def _late(seconds: float) -> str:
    late = (
        f"A block was written {1000 * seconds:.0f} ms late at worst: delays hold what the measurement itself was late."
    )
    return late if seconds > LATE_SECONDS else ""


def _interrupted(call: Callable[[], None]) -> bool:
    try:
        call()
    except KeyboardInterrupt:
        return True
    return False


def _settle(child: Child, state: Path) -> None:
    deadline = time.monotonic() + SETTLE_SECONDS
    while pending(state):
        child.check_alive()
        if time.monotonic() > deadline:
            raise VoicebridgeError(
                f"The daemon had not worked off everything {SETTLE_SECONDS:g} s after the last piece.",
                "The engine is too slow for this machine: take a smaller model.",
            )
        time.sleep(LOOK_SECONDS)


def _told(settings: Settings) -> dict[str, str | int | float | bool]:
    values = settings.model_dump(mode="json")
    found: dict[str, str | int | float | bool] = {}
    for name in TOLD:
        section, _, key = name.partition(".")
        found[name] = values[section][key]
    return found
