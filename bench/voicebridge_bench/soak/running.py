"""A soak from its first line to its last: what is soaked is looked after, sampled and written down until it is over."""

import os
import platform
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import psutil

from voicebridge import __version__
from voicebridge.daemon.control_client import Client
from voicebridge.domain.errors import ExitCode, VoicebridgeError
from voicebridge_bench.soak.attached import Service
from voicebridge_bench.soak.journal import RESUMED, Recorder, read_record, soaked_seconds
from voicebridge_bench.soak.own import Load, OwnDaemon, Past
from voicebridge_bench.soak.profiles import Profile, profile_of, with_engine
from voicebridge_bench.soak.record import SCHEMA, Checkpoint, End, Entry, Happened, Header
from voicebridge_bench.soak.sampling import Sampler, sampling_seconds

TICK_SECONDS = 0.1
TELL_SECONDS = 1.0
CHECKPOINTS = 60
"""In a short soak there are so many; a long one has one each five minutes."""
CHECKPOINT_SECONDS = 300.0
FEWEST_CHECKPOINT_SECONDS = 1.0
"""`health.interval_seconds` can be no shorter."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
COMPLETE, INTERRUPTED, FAILED = "complete", "interrupted", "failed"


class Subject(Protocol):
    """What is soaked: a daemon of the soak's own, or a service that runs."""

    @property
    def state(self) -> Path:
        """Its state directory."""
        ...

    @property
    def pid(self) -> int | None:
        """Its process, while there is one."""
        ...

    @property
    def heap_bytes(self) -> int | None:
        """Python's heap at the newest checkpoint."""
        ...

    @property
    def log_bytes(self) -> int:
        """What it has logged."""
        ...

    @property
    def status(self) -> Mapping[str, Any]:
        """What it last answered; empty while it does not."""
        ...

    @property
    def announced(self) -> int:
        """Utterances that it has told of."""
        ...

    @property
    def faults(self) -> int:
        """Faults that were made."""
        ...

    @property
    def audio_seconds(self) -> float:
        """Audio that it was given, in this part of the soak."""
        ...

    def start(self) -> None:
        """Begin."""
        ...

    def look(self, elapsed: float) -> None:
        """Do what is due, so many seconds after the soak began."""
        ...

    def new_checkpoints(self) -> list[Checkpoint]:
        """Return checkpoints that were written since the last time."""
        ...

    def finish(self) -> None:
        """Write down what it holds in the end."""
        ...

    def leave(self) -> None:
        """Let go of everything, whatever has happened."""
        ...

    def salvage(self) -> None:
        """Write down what it holds although it was not finished; after ``leave``."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What a soak is to be."""

    profile: Profile
    duration_seconds: float
    """Of audio, when it is played faster than time."""
    seed: int = 1
    speed: float = 1.0
    planted: str = ""

    @property
    def wall_seconds(self) -> float:
        """How long it takes."""
        return self.duration_seconds / self.speed

    @property
    def checkpoint_seconds(self) -> float:
        """Between checkpoints: five minutes, less in a short soak."""
        return min(max(round(self.wall_seconds / CHECKPOINTS), FEWEST_CHECKPOINT_SECONDS), CHECKPOINT_SECONDS)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is, for people."""

    done: float
    """Share, 0 to 1."""
    left_seconds: float
    state: str
    utterances: int
    rss_bytes: int
    faults: int
    life: int
    factor: float
    """Audio over time."""


Show = Callable[[Progress], None]


def begin(asked: Asked, folder: Path, stopping: threading.Event, show: Show) -> None:
    """Soak a daemon of its own, and write the record into a folder. Raises VoicebridgeError before it has begun."""
    recorder = _new_recorder(folder)
    try:
        # It may have nothing to play; then there is no record either.
        subject = OwnDaemon(folder, _load(asked), Past(), recorder.write)
        recorder.write(_header(asked, attached=False))
        _soak(Conductor(recorder, asked, stopping, show), subject)
    finally:
        recorder.close()


def attach(connect: Callable[[], Client], asked: Asked, folder: Path, stopping: threading.Event, show: Show) -> None:
    """Look at a service that runs. Raises VoicebridgeError before it has begun."""
    with connect() as client:  # nothing is written where there is nothing to look at
        engine = (client.ask("status").get("status") or {}).get("engine")
    # How long its delay may be depends on what it decodes with.
    asked = replace(asked, profile=with_engine(asked.profile, engine))
    recorder = _new_recorder(folder)
    try:
        recorder.write(_header(asked, attached=True))
        _soak(Conductor(recorder, asked, stopping, show), Service(connect, recorder.write))
    finally:
        recorder.close()


def resume(folder: Path, stopping: threading.Event, show: Show) -> None:
    """Go on with a soak that was cut off, for the rest of its time. Raises VoicebridgeError when that cannot be."""
    record = read_record(folder)
    header = record.header
    if header.attached:
        raise VoicebridgeError("A service that was looked at has gone on by itself.", "Begin anew with --attach.")
    if header.host.get("boot_id") != _boot_id():
        raise VoicebridgeError(
            "The machine was started anew since then, and its clock with it.", "Begin anew, into another folder."
        )
    if record.end is not None and record.end.reason == COMPLETE:
        raise VoicebridgeError(f"The soak in {folder} is complete.", exit_code=ExitCode.USAGE)
    planted = str(header.settings.get("planted", ""))
    asked = Asked(profile_of(header), header.asked_seconds, header.seed, header.speed, planted)
    past = Past.of(record)
    recorder = Recorder(folder)
    recorder.left_out = record.end.left_out if record.end is not None else 0
    try:
        subject = OwnDaemon(folder, _load(asked), past, recorder.write)
        recorder.write(Happened(time.monotonic(), RESUMED, past.lives, f"after {soaked_seconds(record):.0f} s"))
        _soak(Conductor(recorder, asked, stopping, show, past), subject)
    finally:
        recorder.close()


def _new_recorder(folder: Path) -> Recorder:
    recorder = Recorder(folder)
    if recorder.size:
        recorder.close()
        raise VoicebridgeError(f"{folder} holds a soak already.", "Name another folder, or go on with --resume.")
    return recorder


class Conductor:
    """The loop."""

    def __init__(
        self,
        recorder: Recorder,
        asked: Asked,
        stopping: threading.Event,
        show: Show,
        past: Past | None = None,
    ) -> None:
        self.tell: Callable[[Entry], None] = recorder.write
        self._recorder = recorder
        self._asked = asked
        self._stopping = stopping
        self._show = show
        self._past = past or Past()
        self._began = time.monotonic()

    def conduct(self, subject: Subject) -> End:
        """Soak until the time is over, or it is asked to stop; return how that was."""
        sampler = Sampler(subject.state)
        sample_every = sampling_seconds(self._asked.wall_seconds)
        due = dict.fromkeys(("sample", "checkpoints", "tell"), 0.0)
        subject.start()
        while not (over := self._over(subject)):
            subject.look(self._elapsed)
            now = time.monotonic()
            if now >= due["sample"]:
                due["sample"] = now + sample_every
                rss = self._sample(sampler, subject)
            if now >= due["checkpoints"]:
                due["checkpoints"] = now + self._asked.checkpoint_seconds
                self._take_checkpoints(subject)
            if now >= due["tell"]:
                due["tell"] = now + TELL_SECONDS
                self._show(self._progress(subject, rss))
            self._stopping.wait(TICK_SECONDS)
        return self._ended(over, subject)

    @property
    def _elapsed(self) -> float:
        return self._past.soaked_seconds + time.monotonic() - self._began

    def _done_seconds(self, subject: Subject) -> float:
        if self._asked.speed == 1:
            return self._elapsed
        return self._past.audio_seconds + subject.audio_seconds

    def _over(self, subject: Subject) -> str:
        if self._done_seconds(subject) >= self._asked.duration_seconds:
            return COMPLETE
        if self._stopping.is_set():
            return INTERRUPTED
        # Faster than time was asked for, and it is slower: a daemon that does not live takes nothing.
        return FAILED if self._elapsed > self._asked.duration_seconds else ""

    def _ended(self, reason: str, subject: Subject) -> End:
        factor = self._factor(subject)
        detail = {
            INTERRUPTED: f"asked to end after {self._elapsed:.0f} s",
            FAILED: f"{subject.audio_seconds:.0f} s of audio took {self._elapsed:.0f} s",
        }.get(reason, "")
        if self._asked.speed != 1:
            detail = f"{detail} {factor:.1f} times as fast as time".strip()
        return End(time.monotonic(), reason, detail)

    def _factor(self, subject: Subject) -> float:
        return subject.audio_seconds / max(time.monotonic() - self._began, 1e-3)

    def _sample(self, sampler: Sampler, subject: Subject) -> int:
        pid = subject.pid
        found = None if pid is None else sampler.sample(pid, subject.heap_bytes, subject.log_bytes)
        if found is None:
            return 0
        self.tell(found)
        return found.rss_bytes

    def _take_checkpoints(self, subject: Subject) -> None:
        for checkpoint in subject.new_checkpoints():
            self.tell(checkpoint)

    def _progress(self, subject: Subject, rss_bytes: int) -> Progress:
        done = self._done_seconds(subject)
        left = max(self._asked.duration_seconds - done, 0.0) / self._asked.speed
        return Progress(
            done=min(done / self._asked.duration_seconds, 1.0),
            left_seconds=left,
            state=str(subject.status.get("state", "not there")),
            utterances=subject.announced,
            rss_bytes=rss_bytes,
            faults=subject.faults,
            life=int(subject.status.get("session_id", 0)),
            factor=self._factor(subject),
        )


def _soak(conductor: Conductor, subject: Subject) -> None:
    end, finished = None, False
    try:
        end = conductor.conduct(subject)
        subject.finish()
        finished = True
    except BaseException as error:
        # Asked twice to end, it is over at once; anything else is a fault of the harness.
        asked = isinstance(error, KeyboardInterrupt)
        detail = "asked to end at once" if asked else f"{type(error).__name__}: {error}"
        end = End(time.monotonic(), INTERRUPTED if asked else FAILED, detail)
        raise
    finally:
        try:
            subject.leave()
            if not finished:
                subject.salvage()
        finally:
            if end is not None:
                conductor.tell(end)


def _load(asked: Asked) -> Load:
    return Load(
        profile=asked.profile,
        seed=asked.seed,
        speed=asked.speed,
        audio_seconds=asked.duration_seconds,
        checkpoint_seconds=asked.checkpoint_seconds,
        planted=asked.planted,
    )


def _header(asked: Asked, *, attached: bool) -> Header:
    settings: dict[str, str] = {"engine.kind": asked.profile.load.engine}
    # Of a service's own settings no more than that is known.
    settings |= {} if attached else asked.profile.settings
    if asked.planted:
        settings["planted"] = asked.planted
    return Header(
        schema=SCHEMA,
        version=__version__,
        profile=asked.profile.name,
        seed=asked.seed,
        asked_seconds=asked.duration_seconds,
        speed=asked.speed,
        checkpoint_seconds=asked.checkpoint_seconds,
        attached=attached,
        began_wall=time.time(),
        began=time.monotonic(),
        host=_host(),
        settings=settings,
    )


def _host() -> dict[str, Any]:
    """Return on what it ran; no name of the machine, for the record is to be shown to others."""
    return {
        "boot_id": _boot_id(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "kernel": platform.release(),
        "machine": platform.machine(),
        "python": platform.python_version(),
    }


def _boot_id() -> str:
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model"))), "")
