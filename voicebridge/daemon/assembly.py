"""The composition root: the only place where the parts are named and joined."""

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from voicebridge.domain.capture import CaptureReport
from voicebridge.domain.errors import SpeechError
from voicebridge.domain.ports import Engine, EventSink, Source, TurnDetector
from voicebridge.domain.timeline import Anchor
from voicebridge.domain.units import MEGABYTE
from voicebridge.settings import Settings, paths

if TYPE_CHECKING:
    from voicebridge.audio.pcm import SampleFormat
    from voicebridge.audio.ring import Ring
    from voicebridge.daemon.lifecycle import Crew
    from voicebridge.daemon.mute import Mute
    from voicebridge.daemon.notebook import Notebook
    from voicebridge.pipeline.events import EventStream, Subscription
    from voicebridge.pipeline.listener import Listener
    from voicebridge.pipeline.recorder import Recorder
    from voicebridge.pipeline.session_clock import SessionClock
    from voicebridge.pipeline.store_writer import StoreWriter
    from voicebridge.pipeline.transcriber import Transcriber
    from voicebridge.pipeline.unsettled import Unsettled

UNPACED_BACKLOG = 8
"""Utterances that may wait for the engine before a source that can wait is held."""

SourceMaker: TypeAlias = Callable[[EventSink], Source]


def microphone(settings: Settings) -> SourceMaker:
    """Return the maker of the microphone that the settings name."""

    def make(events: EventSink) -> Source:
        from voicebridge.audio.microphone import Microphone
        from voicebridge.audio.sound_watch import SoundWatch
        from voicebridge.audio.supervisor import Outside

        return Microphone(settings.audio, settings.capture, events, Outside(watch=SoundWatch()))

    return make


def audio_file(path: Path, *, realtime: bool) -> SourceMaker:
    """Return the maker of a source that plays an audio file."""

    def make(_events: EventSink) -> Source:
        from voicebridge.audio.replay import FileSource

        return FileSource(path, realtime=realtime)

    return make


def standard_input(rate: int, channels: int, sample_format: "SampleFormat", *, realtime: bool) -> SourceMaker:
    """Return the maker of a source that reads standard input, as WAV or as raw PCM of this description.

    ``realtime`` says that it comes at the pace of time (from a recorder), so that delays and wall times mean something.
    """

    def make(_events: EventSink) -> Source:
        from voicebridge.audio.pcm import PcmFormat
        from voicebridge.audio.pcm_input import StdinSource

        stream = sys.stdin.buffer if sys.stdin is not None else None
        return StdinSource(stream, PcmFormat(rate, channels, sample_format), paced=realtime)

    return make


def choose_engine(settings: Settings) -> tuple[Engine, str]:
    """Choose the engine; return it with the one line that says why.

    Raises SpeechError when there is none, and `engine.required` says that this matters; else an engine that says so.
    """
    from voicebridge.speech.choose import choose_engine as choose
    from voicebridge.speech.unavailable import UnavailableEngine

    models = paths.models_dir(settings)
    try:
        choice = choose(settings, models)
    except SpeechError as error:
        if settings.engine.required:
            raise
        # Chosen anew at each attempt to load, so that a model that is brought later is found.
        missing = UnavailableEngine(
            settings.engine.kind, settings.whisper.model, error, lambda: choose(settings, models).engine
        )
        return missing, str(error)
    return choice.engine, choice.reason


def capture_stuck(report: CaptureReport, settings: Settings, now: float) -> str:
    """Return why only a new process can hear again, as a sentence, or nothing; ``now`` is on CLOCK_MONOTONIC."""
    from voicebridge.audio.supervision import stuck

    return stuck(report, settings.capture, now)


def _not_muted() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Ears:
    """What is there from the first moment: the source delivers into the ring before anything else is built."""

    source: Source
    ring: "Ring"
    events: "EventStream"
    announced: "Subscription"
    """Subscribed before the source was started: a microphone that is not there is told at once."""
    muted: Callable[[], bool] = _not_muted
    """Whether samples are zeroed now."""
    mute: "Mute | None" = None
    """What zeroes them."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a crew is built from."""

    settings: Settings
    ears: Ears
    notebook: "Notebook"
    engine: Engine
    over: threading.Event
    live: Callable[[], Settings] | None = None
    """The settings in force, where they can change while it runs."""
    turn_detector: TurnDetector | None = None
    """What says in a pause whether somebody has finished; the rules where None."""

    @property
    def in_force(self) -> Settings:
        """The settings in force now."""
        return self.settings if self.live is None else self.live()


def build_crew(plan: Plan) -> "Crew":
    """Join the parts, downstream first; nothing runs yet. Utterances left by earlier processes are queued."""
    from voicebridge.daemon.lifecycle import Crew
    from voicebridge.pipeline.session_clock import SessionClock
    from voicebridge.pipeline.store_writer import StoreWriter

    settings, ears = plan.settings, plan.ears
    clock = SessionClock(ears.ring, ears.source.info.paced, settings.health.anchor_seconds)
    writer = StoreWriter(ears.events, settings.store.backlog_mb * MEGABYTE, plan.over.set)
    transcriber, unsettled = _transcriber(plan, writer, clock)
    listener, recorder = _listener(plan, writer, clock, transcriber)
    transcriber.early.on_verdict = listener.set_hangover
    recorder.unsettled = unsettled
    for pending in plan.notebook.recovery.pending:
        transcriber.offer(pending)
    return Crew(ears.source, listener, recorder, transcriber, writer, clock, ears.events, ears.announced)


def _transcriber(plan: Plan, writer: "StoreWriter", clock: "SessionClock") -> "tuple[Transcriber, Unsettled]":
    from voicebridge.pipeline.early_work import EarlyWork
    from voicebridge.pipeline.partials import Partials
    from voicebridge.pipeline.transcriber import Desk, Rules, Transcriber

    notebook, settings, events = plan.notebook, plan.settings, plan.ears.events
    desk = Desk(notebook.session_id, plan.ears.ring, notebook.shelf, writer, clock)
    rules = Rules(settings.engine, settings.gate, settings.endpoint)
    # PocketSphinx takes a fifth of the spoken time and more for each decode, and revises much of what it said.
    suits = plan.engine.info.engine != "sphinx"
    partials = Partials(settings.partials, lambda: events.partials_wanted, suits=suits)
    early = EarlyWork(partials, detector=plan.turn_detector)
    return Transcriber(plan.engine, desk, rules, events, plan.over.set, early), desk.unsettled


def _listener(
    plan: Plan, writer: "StoreWriter", clock: "SessionClock", transcriber: "Transcriber"
) -> "tuple[Listener, Recorder]":
    from voicebridge.pipeline import listener as room
    from voicebridge.pipeline.recorder import Recorder
    from voicebridge.vad.factory import build_detector
    from voicebridge.vad.segmenter import Segmenter

    ears, notebook = plan.ears, plan.notebook
    recorder = Recorder(ears.ring, writer, notebook.shelf, ears.events, transcriber.offer)

    def note_anchor(anchor: Anchor) -> None:
        writer.offer(lambda: notebook.shelf.log.add_anchor(anchor))

    def may_go_on() -> bool:
        # Without an engine what is heard stays pending, and there is nothing to wait for.
        return transcriber.engine_error is not None or transcriber.waiting < UNPACED_BACKLOG

    early = transcriber.early
    hooks = room.ListenerHooks(
        on_anchor=note_anchor,
        on_failure=plan.over.set,
        may_go_on=may_go_on,
        on_may_end=early.may_end,
        on_resumed=early.resumed,
        on_ended=early.ended,
        on_speech=early.goes_on,
    )
    reader = ears.ring.reader(start=0)
    hearing = room.Ears(reader, build_detector(plan.settings.vad), Segmenter(plan.settings.endpoint))
    return room.Listener(notebook.session_id, hearing, recorder, clock, ears.events, hooks), recorder
