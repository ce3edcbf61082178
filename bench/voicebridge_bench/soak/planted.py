"""Faults planted in a daemon, so that the judge can be seen to find them. They stand nowhere in the product's code.

``soak --planted NAME`` starts the daemon with VB_SOAK_PLANTED, which nothing but ``inside/sitecustomize.py`` reads.
"""

import dataclasses
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from voicebridge.domain.errors import ExitCode, VoicebridgeError
from voicebridge_bench.soak.inside.patching import after_import

LEAK_BYTES_PER_SECOND = 5_000_000 / 60
LEAK_EVERY_SECONDS = 0.5
FILES_EVERY_SECONDS = 2.0
THREADS_EVERY_SECONDS = 3.0
EVERY = 3
"""Which settled utterance is lost, or doubled: each third one."""
CHECKPOINTS_KEPT = 5
LIE = 1.5
"""Frames reported for each that came."""
CREEP_SECONDS = 0.25
"""By so much each decode takes longer than the one before."""
CRASH_SECONDS = 6.0


@dataclass(frozen=True, slots=True)
class Planted:
    """A fault and what the judge must say of it: these codes fail, and no other."""

    sentence: str
    red: frozenset[str]
    plant: Callable[[], None]
    seconds: float
    """How long a soak must be to show it."""


def plant(name: str) -> None:
    """Put a fault into this process. Raises VoicebridgeError for a name that there is not."""
    planted_named(name).plant()


def planted_named(name: str) -> Planted:
    """Return a fault. Raises VoicebridgeError for a name that there is not."""
    if name not in PLANTED:
        advice = f"There are {', '.join(PLANTED)}."
        raise VoicebridgeError(f"There is no planted fault {name}.", advice, exit_code=ExitCode.USAGE)
    return PLANTED[name]


def _again_and_again(seconds: float, do: Callable[[], None]) -> None:
    def run() -> None:
        while True:
            time.sleep(seconds)
            do()

    threading.Thread(target=run, name="planted", daemon=True).start()


def _leak() -> None:
    kept: list[bytes] = []
    size = int(LEAK_BYTES_PER_SECOND * LEAK_EVERY_SECONDS)
    _again_and_again(LEAK_EVERY_SECONDS, lambda: kept.append(b"\1" * size))


def _leak_files() -> None:
    opened: list[int] = []
    _again_and_again(FILES_EVERY_SECONDS, lambda: opened.append(os.open(os.devnull, os.O_RDONLY)))


def _leak_threads() -> None:
    never = threading.Event()
    _again_and_again(THREADS_EVERY_SECONDS, lambda: threading.Thread(target=never.wait, daemon=True).start())


def _after_settling(change: Callable[[Any, int], None]) -> None:
    """Change the database after each third utterance that was settled."""

    def patch(module: ModuleType) -> None:
        real = module.SqliteStore.settle
        settled: list[int] = []

        def settle(store: Any, outcome: Any) -> Any:
            record = real(store, outcome)
            settled.append(record.utterance_id)
            if len(settled) % EVERY == 0:
                change(store._db, record.utterance_id)  # noqa: SLF001 - what is planted is no part of the product
            return record

        module.SqliteStore.settle = settle

    after_import("voicebridge.store.utterances", patch)


def _lose() -> None:
    _after_settling(lambda db, number: _commit(db, "DELETE FROM utterances WHERE id = ?", number))


def _double() -> None:
    def again(db: Any, number: int) -> None:
        row = next(iter(db.query("SELECT * FROM utterances WHERE id = ?", [number])))
        columns = [name for name in row if name not in {"id", "start_sample"}]
        names = ", ".join(columns)
        sql = f"INSERT INTO utterances (start_sample, {names}) SELECT start_sample + 1, {names} FROM utterances"  # noqa: S608 - names of our columns
        _commit(db, f"{sql} WHERE id = ?", number)

    _after_settling(again)


def _commit(db: Any, sql: str, number: int) -> None:
    from voicebridge.store.database import transaction

    with transaction(db):
        db.conn.execute(sql, [number])


def _stop_checkpoints() -> None:
    def patch(module: ModuleType) -> None:
        real = module.Checkpointing.take
        taken: list[None] = []

        def take(checkpointing: Any) -> None:
            taken.append(None)
            if len(taken) <= CHECKPOINTS_KEPT:
                real(checkpointing)

        module.Checkpointing.take = take

    after_import("voicebridge.daemon.checkpointing", patch)


def _lie() -> None:
    def patch(module: ModuleType) -> None:
        real = module.Reading.read

        def read(reading: Any, missed: int) -> Any:
            taken = real(reading, missed)
            frames = dataclasses.replace(taken.frames, received=int(taken.frames.received * LIE))
            return dataclasses.replace(taken, frames=frames)

        module.Reading.read = read

    after_import("voicebridge.daemon.checkpoint_reading", patch)


def _creep() -> None:
    def patch(module: ModuleType) -> None:
        real = module.WhisperEngine.decode
        decodes: list[None] = []

        def decode(*given: Any, **named: Any) -> Any:
            decodes.append(None)
            time.sleep(CREEP_SECONDS * len(decodes))
            return real(*given, **named)

        module.WhisperEngine.decode = decode

    after_import("voicebridge.speech.whisper", patch)


def _crash() -> None:
    timer = threading.Timer(CRASH_SECONDS, lambda: os._exit(ExitCode.INTERNAL))
    timer.daemon = True
    timer.start()


PLANTED: Mapping[str, Planted] = {
    "leak": Planted("5 MB a minute are never given back.", frozenset({"memory"}), _leak, 300),
    "files": Planted(
        "A file is opened every two seconds, and none closed.", frozenset({"open_files"}), _leak_files, 150
    ),
    "threads": Planted(
        "A thread is started every three seconds, and none ends.", frozenset({"threads"}), _leak_threads, 150
    ),
    "lose": Planted("Each third utterance is deleted once it was announced.", frozenset({"lost", "heard"}), _lose, 75),
    "double": Planted("Each third utterance is stored twice.", frozenset({"doubled"}), _double, 75),
    "no-checkpoints": Planted("After five no checkpoint is kept.", frozenset({"checkpoints"}), _stop_checkpoints, 60),
    "lie": Planted("Half as many frames again are reported as came.", frozenset({"frames"}), _lie, 60),
    "creep": Planted("Each decode takes a quarter of a second longer.", frozenset({"delay"}), _creep, 90),
    "crash-loop": Planted(
        "The process leaves after six seconds, each time.", frozenset({"crashes", "availability"}), _crash, 75
    ),
}
