"""The measurement of `profile`: a daemon in silence, in speech and in decodes, each watched for so long."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import VoicebridgeError
from voicebridge_bench.components.host import Meanwhile, is_busy, is_disturbed, look
from voicebridge_bench.latency.script import quiet
from voicebridge_bench.profiling.flame import Node, tree
from voicebridge_bench.profiling.results import Phase, PhaseName, ProfileResult, Share
from voicebridge_bench.profiling.spy import Watched, watch
from voicebridge_bench.profiling.stacks import NATIVE, Stack, room_of, seconds_by
from voicebridge_bench.quick.delay import tokens_of
from voicebridge_bench.quick.sitting import BEGAN, SPARE_SECONDS, Spec, begin, finish
from voicebridge_bench.quick.talks import without_rest
from voicebridge_bench.quick.weights import Size, model_name, random_model
from voicebridge_bench.speech_corpus import commands

TITLES: dict[PhaseName, str] = {
    "silence": "nobody speaks",
    "speech": "somebody speaks without a rest; partials are read along",
    "decode": "somebody speaks, and the engine decodes without a pause",
}
PIECES = 12
SEED = 44_000_000
PAUSE_SECONDS = 0.9
"""Longer than the hangover."""
SETTLE_SECONDS = 4.0
"""Of each phase before it is watched: what an engine does only once is over."""
AROUND_SECONDS = 8.0
"""For the start of py-spy and of the watch."""
START_SECONDS = 120.0
LOOK_SECONDS = 0.1
FUNCTIONS = 15
TOKENS = tokens_of(3)
TOOL = "py-spy: stacks of Python threads, weighted by the kernel's count of each thread's processor time"
DRAWN_MS = 0.01
"""What took less in a second is no box of the flame graph."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What to watch, for how long each, with which weights; where to write, and who is told how far it is."""

    phases: Sequence[PhaseName]
    seconds: float
    size: Size
    cache: Path
    scratch: Path
    progress: Callable[[str, float], None]
    overrides: tuple[str, ...] = ()
    """Settings of the daemon, as KEY=VALUE, over the defaults and over those of a phase."""


def profile(wish: Wish) -> tuple[ProfileResult, dict[PhaseName, Node]]:
    """Return what was found, and a flame graph's tree for each phase. Raises VoicebridgeError.

    Ctrl-C ends it with the phases that were watched to their end.
    """
    began, machine, meanwhile = time.monotonic(), look(), Meanwhile()
    phases: list[Phase] = []
    trees: dict[PhaseName, Node] = {}
    interrupted = False
    try:
        for phase, root in _phases(wish):
            phases.append(phase)
            trees[phase.name] = root
    except KeyboardInterrupt:
        interrupted = True
    others = meanwhile.others_cores()
    result = ProfileResult(
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=time.monotonic() - began,
        host=machine,
        model=model_name(wish.size),
        tool=TOOL,
        others_cores=others,
        warnings=[line for line in (is_busy(machine), is_disturbed(others, machine.cores_usable)) if line],
        phases=phases,
        interrupted=interrupted,
        overrides=list(wish.overrides),
    )
    return result, trees


def _phases(wish: Wish) -> Iterator[tuple[Phase, Node]]:
    wish.progress(f"weights of size {wish.size}", 0.0)
    model = random_model(wish.cache, wish.size)
    for number, name in enumerate(wish.phases):
        wish.progress(f"{name}: {TITLES[name]}", number / len(wish.phases))
        watched = _watched(wish, name, model)
        shares = seconds_by(watched.stacks, watched.cpu_seconds, watched.python_threads)
        yield phase_of(name, watched, shares), tree(_frames(shares, watched), name)


def phase_of(name: PhaseName, watched: Watched, shares: Sequence[tuple[Stack, float]]) -> Phase:
    """Return where the time of a phase went."""
    rooms: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for stack, seconds in shares:
        rooms[room_of(stack)] += _ms(seconds, watched)  # type: ignore[assignment]  # a Counter adds what it is given
        if stack.own is not None and not stack.waits:
            functions[str(stack.own)] += _ms(seconds, watched)  # type: ignore[assignment]
    threads: Counter[str] = Counter()
    for thread, seconds in watched.cpu_seconds.items():
        threads[watched.python_threads.get(thread, NATIVE)] += _ms(seconds, watched)  # type: ignore[assignment]
    return Phase(
        name=name,
        title=TITLES[name],
        seconds=watched.seconds,
        samples=sum(stack.samples for stack in watched.stacks),
        total_ms=sum(rooms.values()),
        rooms=list(_largest(rooms)),
        threads=list(_largest(threads)),
        functions=list(_largest(functions))[:FUNCTIONS],
    )


def _largest(counted: "Counter[str]") -> Iterator[Share]:
    for name, ms in counted.most_common():
        if ms > 0:
            yield Share(name=name, ms=ms)


def _ms(seconds: float, watched: Watched) -> float:
    """Return milliseconds of processor time by second of watching."""
    return 1000 * seconds / watched.seconds


def _frames(shares: Iterable[tuple[Stack, float]], watched: Watched) -> Iterator[tuple[list[str], float]]:
    for stack, seconds in shares:
        if (ms := _ms(seconds, watched)) >= DRAWN_MS:
            thread = watched.python_threads.get(stack.thread, "")
            yield [*([thread] if thread else []), *map(str, stack.frames)], ms


def _watched(wish: Wish, name: PhaseName, model: Path) -> Watched:
    folder = wish.scratch / name
    script = _script(name, SETTLE_SECONDS + wish.seconds + AROUND_SECONDS)
    partials = "on" if name == "speech" else "off"
    # Each utterance holds the engine for as long as all of them take to be said: it never rests.
    held = len(script) / 16_000 if name == "decode" else 0.0
    overrides = (f'partials.mode="{partials}"', *wish.overrides)
    spec = Spec(str(folder), str(model), overrides, TOKENS, held, watched=True)
    child = begin(spec, script)
    try:
        _wait_for(child.poll, folder / BEGAN)
        time.sleep(SETTLE_SECONDS)
        found = watch(child.pid, wish.seconds, folder)
        finish(child, spec, len(script) / 16_000 + SPARE_SECONDS)
    finally:
        child.kill()
        child.wait()
    return found


def _script(name: PhaseName, seconds: float) -> Samples:
    if name == "silence":
        return quiet(seconds, np.random.default_rng(2))
    return without_rest([clip.samples for clip in commands(PIECES, SEED)], seconds, PAUSE_SECONDS)


def _wait_for(status: Callable[[], int | None], mark: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not mark.exists():
        if status() is not None or time.monotonic() > deadline:
            raise VoicebridgeError(
                "The daemon that was to be watched did not begin to hear.", "`voicebridge doctor` says what is missing."
            )
        time.sleep(LOOK_SECONDS)
