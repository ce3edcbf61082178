"""Sittings of two kinds, one after the other and in turns, with the same script: with something, and without it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from voicebridge_bench.latency.script import Script, arrange
from voicebridge_bench.models import WHISPER_COMMANDS
from voicebridge_bench.playlist import Piece
from voicebridge_bench.quick.sitting import Noted, Spec, sit
from voicebridge_bench.quick.talks import Told, told_of
from voicebridge_bench.quick.where import Where
from voicebridge_bench.speech_corpus import commands

HANGOVER_MS = 700
SEED = 41_000_000
"""Of the commands: far from those that accuracy is measured on."""
ROUNDS = 3
"""Of sittings of each kind: the fewest from which an interval can be told."""


@dataclass(frozen=True, slots=True)
class Talk:
    """How much is said, where the sittings may keep things, and who is told how far they are."""

    pieces: int
    scratch: Path
    progress: Callable[[str, float], None]
    where: Where = field(default_factory=Where)
    model: Path = WHISPER_COMMANDS
    rounds: int = ROUNDS


@dataclass(frozen=True, slots=True)
class Sitting:
    """A sitting that was held."""

    noted: Noted
    told: list[Told]


def hold(talk: Talk, ways: Mapping[str, Sequence[str]]) -> dict[str, list[Sitting]]:
    """Hold sittings with these settings each, by the name of the way and round; the first one changes.

    Raises VoicebridgeError.
    """
    found: dict[str, list[Sitting]] = {name: [] for name in ways}
    order = list(ways)
    for number in range(talk.rounds):
        script = _script(talk, number)
        for name in order:
            held = sum(map(len, found.values()))
            talk.progress(f"a daemon hears, {name}", held / (talk.rounds * len(ways)))
            found[name].append(_held(talk, ways[name], script, f"{name}-{number}"))
        order = [*order[1:], order[0]]
    return found


def _held(talk: Talk, overrides: Sequence[str], script: Script, name: str) -> Sitting:
    settings = (f"endpoint.hangover_ms={HANGOVER_MS}", *talk.where.overrides(), *overrides)
    noted = sit(Spec(str(talk.scratch / name.replace(" ", "-")), str(talk.model), settings), script.samples)
    return Sitting(noted, told_of(script, noted, HANGOVER_MS))


def _script(talk: Talk, number: int) -> Script:
    """Return the script of a round: pieces of its own, so that all rounds together hold so many."""
    count = -(-talk.pieces // talk.rounds)
    pieces = [Piece(clip.text, clip.samples) for clip in commands(count, SEED + number * count)]
    return arrange(pieces, count, HANGOVER_MS, seed=number + 1)


def cpu_rounds(sittings: Sequence[Sitting]) -> list[list[float]]:
    """Return processor seconds by second of script, of each round."""
    return [[held.noted.cpu_seconds / held.noted.script_seconds] for held in sittings]
