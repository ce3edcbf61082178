"""Suite store: durable commits, search over a long history, checkpoints, backup; on a real disk."""

import itertools
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np
import psutil

from voicebridge.domain.units import seconds_to_samples
from voicebridge.health.checkpoint import Checkpoint
from voicebridge.settings import paths
from voicebridge.store.backup import Wish, backup
from voicebridge.store.checkpoints import CheckpointLog, Row
from voicebridge.store.database import open_database, transaction
from voicebridge.store.rows import columns_of_ended, columns_of_outcome
from voicebridge.store.search import SearchQuery, search
from voicebridge.store.utterances import insert, update
from voicebridge_bench.components.figure import Context, Figure, Parameters, Ready, Suite, timed
from voicebridge_bench.components.scratch_state import NOON, ScratchState, scratch_state
from voicebridge_bench.components.texts import SPEECH_SECONDS, Texts, ended, outcome, transcript

IN_MEMORY = frozenset({"tmpfs", "ramfs"})
"""File systems that forget: a commit costs nothing there, and proves nothing."""
RARE_WORD = "grandmother"
RARE_EVERY = 10_000
"""One utterance in so many holds the rare word."""
SEARCHES = {
    "rare": ("a rare word", RARE_WORD),
    "two": ("two words", "kitchen lights"),
    "prefix": ("the beginning of a word", "temp*"),
    "common": ("a word of half of all utterances", "the"),
}
PIECE_SECONDS = 0.5
CHECKPOINT_FILE_BYTES = 16_000_000
BACKUP_SHARE = 0.05
COMMON_SHARE = 0.1
REASONS = 3


@contextmanager
def _opened(context: Context) -> Iterator[Ready]:
    disk = filesystem_of(context.scratch)
    # The scratch itself is deleted when somebody reads this.
    place = context.place or context.scratch.parent
    facts: Parameters = {
        "scratch": str(place),
        "filesystem": disk,
        "utterances": context.utterances,
        "synchronous": "FULL",
    }
    warnings, unjudged = [], ""
    if disk in IN_MEMORY:
        unjudged = f"{place} is in memory ({disk}), which is no disk"
        warnings.append(f"{unjudged}: name a directory on a disk with --scratch.")
    with scratch_state(context.scratch / "commits") as state:
        history = context.scratch / "history"
        build_history(history, context.utterances)
        with closing(open_database(paths.database_path(history), read_only=True)) as db:
            figures = [
                *_commits(context, state),
                _checkpoints(context, state),
                *(_search(context, name, lambda words: search(db, words, SearchQuery())) for name in SEARCHES),
                _backup(context, history),
            ]
            yield Ready(figures, facts=facts, warnings=warnings, unjudged=unjudged)


def filesystem_of(path: Path) -> str:
    """Return the type of the file system that a path is on, such as ``ext4``; empty when it cannot be told."""
    mounts = psutil.disk_partitions(all=True)
    resolved = path.resolve()
    found = [mount for mount in mounts if resolved.is_relative_to(mount.mountpoint)]
    # The longest mount point; of several mounts there, the last one covers the others.
    return str(max(enumerate(found), key=lambda pair: (len(pair[1].mountpoint), pair[0]))[1].fstype) if found else ""


def build_history(path: Path, count: int) -> None:
    """Make a state directory with so many settled utterances: the store's own rows, in one transaction."""
    source = Texts()
    with scratch_state(path) as state, transaction(state.db):
        for number in range(count):
            utterance = ended(state.session_id, number)
            text = f"My {RARE_WORD} calls." if number % RARE_EVERY == RARE_EVERY // 2 else source.next()
            insert(state.db, columns_of_ended(utterance))
            settled = columns_of_outcome(outcome(0, transcript(text, utterance.span.start)))
            # Ids count up from one in a new database; triggers fill the search index and the order of settling.
            update(state.db, number + 1, settled | {"settled_at": utterance.ended_at, "delay_ms": 900.0})


def _commits(context: Context, state: ScratchState) -> Iterator[Figure]:
    work = _Work(state)
    parameters: dict[str, str | int | float | bool] = {"synchronous": "FULL", "seconds": SPEECH_SECONDS}
    watch = context.watch
    yield Figure(
        "store.spool_append",
        f"Append {PIECE_SECONDS:g} s of audio to the spool, durably",
        "ms",
        timed(watch, work.append),
        parameters=parameters | {"piece_seconds": PIECE_SECONDS},
    )
    yield Figure(
        "store.commit_pending",
        "Commit an utterance as pending",
        "ms",
        timed(watch, work.add, work.spool),
        parameters=parameters,
    )
    yield Figure(
        "store.commit_final",
        "Commit its transcript, and delete its audio",
        "ms",
        timed(watch, work.settle, work.begin),
        parameters=parameters,
    )


class _Work:
    """Utterances on their way through the store; each step is what the store writer does."""

    def __init__(self, state: ScratchState) -> None:
        self._state = state
        self._numbers = itertools.count(1)
        self._texts = Texts()
        self._utterance = ended(state.session_id, 0)
        self._utterance_id = 0
        self._open = ended(state.session_id, 0)
        self._open_pieces = 0
        self._audio = np.zeros(seconds_to_samples(SPEECH_SECONDS), np.int16)
        self._piece = np.zeros(seconds_to_samples(PIECE_SECONDS), np.int16)

    def append(self) -> None:
        """Append half a second to an open utterance; its file is as long as the longest utterance's at most."""
        self._state.spool.append(self._open.key, self._open.started_at, self._piece)
        self._open_pieces += 1
        if self._open_pieces * PIECE_SECONDS >= 28:
            self._state.spool.seal(self._open.key, 0)
            self._open_pieces = 0

    def spool(self) -> None:
        """Spool the audio of the next utterance."""
        self._utterance = ended(self._state.session_id, next(self._numbers))
        key = self._utterance.key
        self._state.spool.append(key, self._utterance.started_at, self._audio)
        self._state.spool.seal(key, len(self._audio))

    def add(self) -> None:
        """Commit it as pending."""
        self._utterance_id = self._state.store.add_pending(self._utterance).utterance_id

    def begin(self) -> None:
        """Bring another one to its decode."""
        self.spool()
        self.add()
        self._state.store.begin_attempt(self._utterance_id)
        self._text = self._texts.next()

    def settle(self) -> None:
        """Commit what was decoded."""
        self._state.store.settle(outcome(self._utterance_id, transcript(self._text, self._utterance.span.start)))


def _checkpoints(context: Context, state: ScratchState) -> Figure:
    log = CheckpointLog(state.db, state.path, CHECKPOINT_FILE_BYTES)
    times = itertools.count(1)
    record = {**example(Checkpoint), "counters": {f"counter_{number}": number for number in range(60)}}

    def add() -> None:
        at = NOON + 300.0 * next(times)
        log.add(Row(state.session_id, at, "hearing", 1.0, 0.0, None, 0.01, 130_000_000, record | {"at": at}))

    return Figure("store.checkpoint", "Write a checkpoint", "ms", timed(context.watch, add))


def example(kind: Any) -> Any:
    """Return a value of a type as JSON holds it; a dataclass becomes a mapping of its fields."""
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return {one.name: example(hints[one.name]) for one in fields(kind)}
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return example(inner[0])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {}
    if origin is not None:
        return [example(inner[0]) for _ in range(REASONS)]
    return {str: "a sentence of a usual length for a reason", float: 12345.678, int: 12_345, bool: False}[kind]


def _search(context: Context, name: str, find: Callable[[str], object]) -> Figure:
    title, words = SEARCHES[name]
    return Figure(
        f"store.search.{name}",
        f"Search {context.utterances:,} utterances for {title}",
        "ms",
        timed(context.watch, partial(find, words)),
        COMMON_SHARE if name == "common" else 1.0,
        parameters={"utterances": context.utterances, "words": words},
    )


def _backup(context: Context, history: Path) -> Figure:
    target = context.scratch / "backup.db"
    wish = Wish(history, target, force=True)
    return Figure(
        "store.backup",
        f"Back up a database of {context.utterances:,} utterances",
        "s",
        timed(context.watch, lambda: backup(wish)),
        BACKUP_SHARE,
        warm_up=0,
        parameters={"utterances": context.utterances},
    )


SUITE = Suite(
    "store",
    "Commits, search, checkpoints, backup",
    (
        *("store.spool_append", "store.commit_pending", "store.commit_final", "store.checkpoint"),
        *(f"store.search.{name}" for name in SEARCHES),
        "store.backup",
    ),
    _opened,
)
