"""One session of the whole daemon in a process of its own: a script is said to it, and what it announces is noted.

    python -m voicebridge_bench.quick.sitting SPEC.json

SPEC.json holds the fields of ``Spec``; what was noted (``Noted``) is written as JSON into the file that it names.
"""

import ctypes
import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import ExitCode, VoicebridgeError
from voicebridge.domain.events import EngineReady, Event, PartialHeard, UtteranceSettled, UtteranceStored, WordsFound
from voicebridge.domain.units import ms_to_samples
from voicebridge_bench.latency.child import bound_to_us

BLOCK_MS = 40
"""Of the blocks in which the script comes, as audio.block_ms."""

BEGAN = "began"
SAMPLE_EVERY_SECONDS = 0.05
SPARE_SECONDS = 300.0
"""After the end of its script a sitting may work off what waits for so long."""
LAST_CHARACTERS = 2000
PR_SET_PTRACER = 0x59616D61
"""prctl(2)."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What is wanted of a sitting."""

    folder: str
    """Where it keeps its state, its script and what it noted."""
    model: str
    overrides: tuple[str, ...] = ()
    """Settings, as KEY=VALUE, over the defaults."""
    tokens: int = 0
    """What each decode writes of a model with random weights (voicebridge_bench.quick.even); 0 leaves a model alone."""
    busy_seconds: float = 0.0
    """Each utterance is decoded, over and over, for so long; 0 decodes it once."""
    answers_at_once: bool = False
    """Whether the engine decodes nothing, and gives a fixed text at once: orders come and go, and nobody is busy."""
    lag: bool = False
    """Whether the listener's lag is measured."""
    watched: bool = False
    """Whether a profiler of the same user may look into the process."""


@dataclass(slots=True)
class Noted:
    """What was seen. Moments are on CLOCK_MONOTONIC; sample n was said at ``began_at`` + n / 16000."""

    began_at: float = 0.0
    script_start: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)
    latest_seconds: float = 0.0
    """How late a block came at worst."""
    arrivals: list[float] = field(default_factory=list)
    """When each block of 40 ms came, from the session's first sample on."""
    lags_ms: list[float] = field(default_factory=list)
    decoding_share: float = 0.0
    """Of the script's time from the first decode on, in which one was running."""
    script_seconds: float = 0.0
    cpu_seconds: float = 0.0
    """Of the whole process while the script was said."""
    gaps: int = 0
    decodes: list[list[float]] = field(default_factory=list)
    """Of each decode of a whole utterance its first sample, when it began, and how many seconds it took."""
    partial_decodes: list[list[float]] = field(default_factory=list)
    """When each decode of an open utterance began, and how many seconds it took; of a daemon with its own engine."""

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of one kind, in order."""
        return [event for event in self.events if event["kind"] == kind]

    def arrived_at(self, sample: int) -> float:
        """Return when the block came that ends with this sample of the session, or holds it."""
        return self.arrivals[min(-(-sample // ms_to_samples(BLOCK_MS)), len(self.arrivals)) - 1]

    def said_at(self, sample: float) -> float:
        """Return when a sample of the session was said."""
        return self.began_at + sample / 16_000


def sit(spec: Spec, script: Samples) -> Noted:
    """Hold a sitting in a process of its own. Raises VoicebridgeError when it fails."""
    child = begin(spec, script)
    return finish(child, spec, len(script) / 16_000 + SPARE_SECONDS)


def begin(spec: Spec, script: Samples) -> "subprocess.Popen[str]":
    """Start a sitting; ``BEGAN`` lies in its folder once its script begins."""
    folder = Path(spec.folder)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "script.npy", script)
    file = folder / "spec.json"
    file.write_text(json.dumps(asdict(spec)), encoding="utf-8")
    call = bound_to_us([sys.executable, "-m", "voicebridge_bench.quick.sitting", str(file)])
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            call, stdin=subprocess.DEVNULL, stdout=log, stderr=log, text=True, start_new_session=True
        )


def finish(child: "subprocess.Popen[str]", spec: Spec, seconds: float) -> Noted:
    """Wait until a sitting is over, for so long, and return what it noted. Raises VoicebridgeError."""
    folder = Path(spec.folder)
    try:
        status = child.wait(seconds)
    except subprocess.TimeoutExpired:
        raise VoicebridgeError(f"The daemon had not ended {SPARE_SECONDS:g} s after its script.") from None
    finally:
        child.kill()
        child.wait()
    if status:
        log = (folder / "log").read_text(encoding="utf-8", errors="replace")
        # What is missing there is missing here.
        code = ExitCode(status) if status in set(ExitCode) else None
        raise VoicebridgeError(
            f"The daemon ended with status {status}.", log[-LAST_CHARACTERS:].strip(), exit_code=code
        )
    return Noted(**json.loads((folder / "noted.json").read_text(encoding="utf-8")))


def told(event: Event) -> dict[str, Any] | None:
    """Return an event as it is noted; None for those that are not."""
    match event:
        case UtteranceStored(pending):
            ended = pending.ended
            return {
                "kind": "stored",
                "id": pending.utterance_id,
                "start": ended.span.start,
                "end": ended.span.end,
                "speech_start": ended.speech.start,
                "speech_end": ended.speech.end,
                "reason": ended.reason.value,
            }
        case UtteranceSettled(record):
            return {
                "kind": "settled",
                "id": record.utterance_id,
                "status": record.status.value,
                "text": record.text or "",
                "decode_kind": record.kind.value,
                "decode_ms": record.decode_ms,
                "fallback": record.fallback,
                "window_seconds": record.window_seconds,
            }
        case PartialHeard(key, stable, tentative, end_sample):
            start = key.start_sample
            return {"kind": "partial", "start": start, "stable": stable, "tentative": tentative, "end": end_sample}
        case WordsFound(utterance_id, words):
            return {"kind": "words", "id": utterance_id, "count": len(words)}
        case EngineReady(load_ms=load_ms):
            return {"kind": "ready", "load_ms": load_ms}
        case _:
            return None


class _Sitting:
    """Runs in the process of its own."""

    def __init__(self, spec: Spec, script: Samples) -> None:
        from voicebridge_bench.quick.script_room import ScriptRoom

        self.noted = Noted()
        self._spec = spec
        self._lag: Any = None
        self._busy: Any = None
        self._transcriber: Any = None
        self._counters: Any = None
        self._over = threading.Event()
        self._decoding: list[bool] = []
        self._cpu_before = self._script_began = 0.0
        self._room = ScriptRoom(script, lambda: self._lag() if self._lag is not None and spec.lag else None)
        self._room.on_script = self._on_script

    def run(self) -> Noted:
        """Hear the script, and return what was noted."""
        from voicebridge.daemon.session import Orders, hear
        from voicebridge.settings.layers import load
        from voicebridge_bench.quick.even import even

        folder = Path(self._spec.folder)
        (folder / "empty.toml").touch()
        overrides = (f"whisper.model={json.dumps(self._spec.model)}", "engine.kind=whisper", *self._spec.overrides)
        settings = load(folder / "empty.toml", overrides, {}).settings
        with even(self._spec.tokens) if self._spec.tokens else nullcontext():
            orders = Orders(settings, folder / "state", lambda _: self._room, engine=self._engine(settings))
            report = hear(orders, self._on_event, self._on_start)
        if report.error is not None:
            raise report.error
        noted, room = self.noted, self._room
        noted.began_at, noted.script_start = room.began_at, room.script_start or 0
        noted.arrivals = room.arrivals
        noted.latest_seconds, noted.lags_ms = room.latest_seconds, room.watch.lags_ms
        noted.decoding_share = sum(self._decoding) / max(len(self._decoding), 1)
        noted.gaps = self._counters.gaps
        return noted

    def _engine(self, settings: Any) -> Any:
        from voicebridge_bench.endurance import BusyEngine
        from voicebridge_bench.quick.engines import InstantEngine, NotingEngine

        noted = self.noted
        engine = NotingEngine(settings.whisper, Path(self._spec.model), noted.decodes, noted.partial_decodes)
        if self._spec.answers_at_once:
            return InstantEngine(engine)
        if not self._spec.busy_seconds:
            return engine
        self._busy = BusyEngine(engine, self._spec.busy_seconds)
        return self._busy

    def _on_start(self, started: Any) -> None:
        crew = started.daemon.crew
        self._transcriber, self._counters = crew.transcriber, crew.listener.counters
        self._lag = lambda: crew.listener.lag_samples
        crew.announced.partials = True

    def _on_event(self, event: Event) -> None:
        now = time.monotonic()
        if (line := told(event)) is None:
            return
        self.noted.events.append({"at": now, **line})
        if line["kind"] == "ready":
            self._room.begin()

    def _on_script(self, begins: bool) -> None:
        """Take note that the script begins, or is over; the room's thread calls."""
        times = psutil.Process().cpu_times()
        cpu = times.user + times.system
        if begins:
            self._cpu_before, self._script_began = cpu, time.monotonic()
            self._room.watch.watching = self._busy is None
            (Path(self._spec.folder) / BEGAN).touch()
            threading.Thread(target=self._sample, name="sampler", daemon=True).start()
            return
        self._over.set()
        self.noted.cpu_seconds = cpu - self._cpu_before
        self.noted.script_seconds = time.monotonic() - self._script_began
        if self._busy is not None:
            self._busy.busy_seconds = 0.0

    def _sample(self) -> None:
        while not self._over.wait(SAMPLE_EVERY_SECONDS):
            decoding = self._transcriber.decode_age_seconds(time.monotonic()) > 0
            if decoding and not self._decoding:
                self._room.watch.watching = True  # from here on the engine is held
            if decoding or self._decoding:
                self._decoding.append(decoding)


def _allow_tracing() -> None:
    """Let any process of this user trace this one, where Yama would not; elsewhere it changes nothing."""
    ctypes.CDLL(None).prctl(PR_SET_PTRACER, ctypes.c_ulong(-1))


def main(arguments: Sequence[str]) -> None:
    """Hold the sitting that a file describes."""
    from voicebridge.cli.leaving import leave

    (file,) = arguments
    spec = Spec(**json.loads(Path(file).read_text(encoding="utf-8")))
    folder = Path(spec.folder)
    if spec.watched:
        _allow_tracing()
    try:
        noted = _Sitting(spec, np.load(folder / "script.npy")).run()
    except VoicebridgeError as error:
        print(error, file=sys.stderr)
        leave(error.code)
    (folder / "noted.json").write_text(json.dumps(asdict(noted)), encoding="utf-8")
    leave(ExitCode.OK)


if __name__ == "__main__":
    main(sys.argv[1:])
