"""A daemon that a test starts and stops by hand."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.daemon.hearing import SECONDS, SETTINGS
from voicebridge.audio.ring import Ring
from voicebridge.daemon.assembly import Ears, Plan, build_crew
from voicebridge.daemon.lifecycle import Daemon, Patience
from voicebridge.daemon.notebook import open_notebook
from voicebridge.domain.events import Event
from voicebridge.domain.ports import Engine, Source
from voicebridge.domain.units import seconds_to_samples
from voicebridge.health.keeper import Duty, Keeper
from voicebridge.pipeline.events import EventStream


class Life:
    """A daemon on a state directory whose source runs, with what it announced. Nothing else runs yet."""

    def __init__(self, plan: Plan, patience: Patience | None) -> None:
        self.plan = plan
        self.daemon = Daemon(build_crew(plan), plan.over, engine_required=True, patience=patience)
        self.keeper = Keeper([Duty(60.0, lambda: None)], lambda: 0.0)
        self.events: list[Event] = []

    def start(self) -> None:
        """Start the threads."""
        self.daemon.start(self.keeper)

    def follow_until(self, kind: type[Event], count: int = 1) -> None:
        """Follow what is announced until there were so many of this kind since the start."""

        def enough() -> bool:
            return sum(isinstance(event, kind) for event in self.events) >= count

        def note(event: Event) -> None:
            self.events.append(event)
            if enough():
                self.daemon.request_stop()

        if not enough():
            self.daemon.follow(note, SECONDS)
        assert enough()

    def stop(self) -> None:
        """Take it down."""
        self.daemon.stop(self.events.append)


@contextmanager
def life(state: Path, source: Source, engine: Engine, patience: Patience | None = None) -> Iterator[Life]:
    events = EventStream()
    ears = Ears(source, Ring(seconds_to_samples(60)), events, events.subscribe(4096))
    source.start(ears.ring)
    notebook = open_notebook(SETTINGS, state, "memory")
    try:
        yield Life(Plan(SETTINGS, ears, notebook, engine, threading.Event()), patience)
    finally:
        source.stop()
        notebook.close("clean")
