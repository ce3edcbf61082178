"""The daemon that a soak starts, feeds and troubles by itself."""

import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from voicebridge.domain.errors import StoreError
from voicebridge.domain.units import samples_to_seconds
from voicebridge_bench.soak.faults import Injector, bodies
from voicebridge_bench.soak.feed import Feed
from voicebridge_bench.soak.harvest import Checkpoints, Ending
from voicebridge_bench.soak.home import Home, Way, environment_of, make_home, orders_path, settings_of
from voicebridge_bench.soak.inside.orders import Orders
from voicebridge_bench.soak.journal import soaked_seconds
from voicebridge_bench.soak.lives import Lives
from voicebridge_bench.soak.playing import Programme, pool_for
from voicebridge_bench.soak.profiles import Profile
from voicebridge_bench.soak.record import Announced, Checkpoint, Entry, Happened, Record
from voicebridge_bench.soak.trouble import schedule

HOME_NAME = "daemon"
LEFTOVER_SECONDS = 10.0
UNREAD = "unread"
"""Has happened when a soak was broken off and the database does not tell all of it."""
SETTLED = ("done", "rejected", "failed")


@dataclass(frozen=True, slots=True)
class Load:
    """What the daemon is to go through."""

    profile: Profile
    seed: int
    speed: float
    audio_seconds: float
    """How much is to be played in all."""
    checkpoint_seconds: float
    planted: str = ""
    """A fault that stands in the daemon itself, by its name in voicebridge_bench.soak.planted."""


@dataclass(slots=True)
class Past:
    """What an earlier part of the same soak has left: nothing, for a new one."""

    lives: int = 0
    sessions: dict[int, int] = field(default_factory=dict)
    announced: dict[int, float] = field(default_factory=dict)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    soaked_seconds: float = 0.0
    audio_seconds: float = 0.0
    parts: int = 0

    @classmethod
    def of(cls, record: Record) -> "Past":
        """Return what a record tells of it."""
        lives = [happened.life for happened in record.happened]
        return cls(
            lives=max(lives, default=0),
            sessions={heard.session: heard.life for heard in record.heard} | _told_sessions(record),
            announced={announced.utterance: announced.at for announced in record.announced},
            checkpoints=list(record.checkpoints),
            soaked_seconds=soaked_seconds(record),
            audio_seconds=samples_to_seconds(sum(_fed_samples(record).values())),
            parts=1 + sum(happened.kind == "resumed" for happened in record.happened),
        )


class OwnDaemon:
    """Implements Subject: the daemon with its feed, its faults, and what it wrote."""

    def __init__(self, folder: Path, load: Load, past: Past, tell: Callable[[Entry], None]) -> None:
        profile = load.profile
        pieces = pool_for(profile.load, load.seed, load.audio_seconds)
        self.home = make_home(folder.absolute() / HOME_NAME)
        end_leftover(self.home)
        self.settings = settings_of(profile, self.home, load.checkpoint_seconds)
        environment, no_shim = environment_of(self.home, bool(profile.faults), load.planted)
        self._tell, self._past = tell, past
        self._announced = dict(past.announced)
        # Another part of a soak that was cut off plays something else.
        programme = Programme(profile.load, pieces, load.seed + 1_000_003 * past.parts)
        self.feed = Feed(programme, profile.load.engine, load.speed, tell)
        way = Way(self.home, self.settings, load.speed == 1, environment)
        self.lives = Lives(way, self.feed, self._heed, past.lives + 1)
        self.lives.sessions.update(past.sessions)
        orders = Orders(orders_path(self.home)) if profile.faults else None
        can = bodies(self.lives, self.feed, orders, not no_shim)
        planned = schedule(profile.faults, load.seed, load.audio_seconds / load.speed)
        planned = [fault for fault in planned if fault.at >= past.soaked_seconds]
        self._injector = Injector(planned, can, self.lives, tell)
        self._checkpoints = Checkpoints(self.home.database)
        self._checkpoints.skip(past.checkpoints)
        left_out = sorted({fault.kind for fault in profile.faults} - set(can))
        self._left_out = f"{', '.join(left_out)}: {no_shim}" if left_out else ""

    @property
    def state(self) -> Path:
        """Its state directory."""
        return self.home.state

    @property
    def pid(self) -> int | None:
        """Its process, while there is one."""
        return None if self.lives.child is None else self.lives.child.pid

    @property
    def heap_bytes(self) -> int | None:
        """Python's heap at the newest checkpoint; None until the present life has written one."""
        child = self.lives.child
        return None if child is None or child.session is None else self._checkpoints.heap_of(child.session)

    @property
    def log_bytes(self) -> int:
        """What all lives have logged."""
        child = self.lives.child
        return self.lives.log_bytes + (0 if child is None else child.log_bytes)

    @property
    def status(self) -> Mapping[str, Any]:
        """What it last answered."""
        return self.lives.status

    @property
    def announced(self) -> int:
        """Utterances that it has told of."""
        return len(self._announced)

    @property
    def faults(self) -> int:
        """Faults that were made."""
        return self._injector.made

    @property
    def audio_seconds(self) -> float:
        """Audio that it was fed, in this part of the soak."""
        return samples_to_seconds(self.feed.fed_total)

    def start(self) -> None:
        """Begin to feed; the daemon starts at the first look."""
        if self._left_out:
            self._tell(Happened(time.monotonic(), "left_out", self._past.lives, self._left_out))
        self.feed.start()

    def look(self, elapsed: float) -> None:
        """Do what is due. Raises what has ended the feed."""
        if self.feed.error is not None:
            raise self.feed.error
        self.lives.look(time.monotonic())
        self._injector.look(elapsed)

    def new_checkpoints(self) -> list[Checkpoint]:
        """Return checkpoints that were written since the last time."""
        return self._checkpoints.new()

    def finish(self) -> None:
        """End the daemon in order, and write down what its database holds."""
        self._injector.stop()
        self.lives.finish()
        self.feed.stop()
        self._take_checkpoints()
        self._harvest("error")

    def salvage(self) -> None:
        """Write down what its database holds although it was not ended in order."""
        self._take_checkpoints()
        # A daemon that was killed in its start has no database yet, or none that is whole: nobody's fault.
        self._harvest(UNREAD)

    def _take_checkpoints(self) -> None:
        while new := self.new_checkpoints():
            for checkpoint in new:
                self._tell(checkpoint)

    def leave(self) -> None:
        """Let go of everything, whatever has happened."""
        self.feed.stop()
        child = self.lives.child
        if child is not None:
            child.send(signal.SIGKILL)
            child.wait(LEFTOVER_SECONDS)
            end_leftover(self.home)  # and what it had started
            child.bury()
        self.home.leave()

    def _heed(self, entry: Entry) -> None:
        if isinstance(entry, Announced):
            self._announced.setdefault(entry.utterance, entry.at)
        self._tell(entry)

    def _harvest(self, kind: str) -> None:
        """Write down what is in the database; ``kind`` is what it is called when it cannot be read."""
        wall_of_zero = time.time() - time.monotonic()
        life = self.lives.life
        if not self.home.database.exists() and not self._announced:
            return  # it was ended before it had stored anything
        try:
            ending = Ending(self.home.database, self.lives.sessions, wall_of_zero)
        except StoreError as error:
            self._tell(Happened(time.monotonic(), kind, life, f"the database cannot be read: {error}"))
            return
        unsettled = 0
        for heard in ending.heard(self._announced):
            unsettled += heard.status not in SETTLED
            self._tell(heard)
        for lost in ending.lost():
            self._tell(lost)
        if unsettled and kind == UNREAD:
            # What a daemon that was killed had still to decode says nothing of it: no judge may take this for the end.
            self._tell(Happened(time.monotonic(), kind, life, f"ended at once, with {unsettled} still to be decoded"))
            return
        self._tell(Happened(time.monotonic(), "integrity", life, ending.integrity))


def end_leftover(home: Home) -> None:
    """End a daemon that a harness which died has left on this state directory: by its command line, which names it."""
    state = str(home.state)
    left = [process for process in psutil.process_iter(["cmdline"]) if _runs_on(process.info["cmdline"], state)]
    for process in left:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(left, LEFTOVER_SECONDS)


def _runs_on(words: list[str] | None, state: str) -> bool:
    return bool(words) and "voicebridge" in words and "--stdin" in words and state in words  # type: ignore[operator]


def _fed_samples(record: Record) -> dict[int, int]:
    """Return how much each life was fed: as it was told at its end, else up to its last piece of speech."""
    fed: dict[int, int] = {}
    for piece in record.played:
        fed[piece.life] = max(fed.get(piece.life, 0), piece.end_sample)
    told = {happened.life: happened.detail.split()[0] for happened in record.happened if happened.kind == "fed"}
    return fed | {life: int(samples) for life, samples in told.items()}


def _told_sessions(record: Record) -> dict[int, int]:
    """Return of which life each session is, as far as it was told."""
    told = [happened for happened in record.happened if happened.kind == "session" and happened.detail.isdigit()]
    return {int(happened.detail): happened.life for happened in told}
