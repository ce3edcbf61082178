"""Every loop of the pipeline gives signs of life, whatever it waits for; the watchdog judges by them."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from tests.fakes.engine import FakeEngine
from tests.fakes.source import MemorySource
from tests.pipeline.rig import SECONDS, Rig, SignallingDetector, transcribing, writing
from voicebridge.domain.errors import SpeechError, StoreBusyError
from voicebridge.pipeline.listener import ListenerHooks
from voicebridge.pipeline.worker import SIGN_SECONDS, Worker
from voicebridge.settings import EngineSettings, HealthSettings

SHORT = 0.005
"""What these tests set ``sign_seconds`` to, so that nobody waits for two seconds."""


def assert_signs(worker: Worker, times: int = 3) -> None:
    """Wait for so many signs of life."""
    deadline, pause = time.monotonic() + SECONDS, threading.Event()
    seen: set[float | None] = {None}
    while len(seen) <= times:
        assert time.monotonic() < deadline, "it gives no sign of life"
        seen.add(worker.last_sign_monotonic)
        pause.wait(SHORT / 5)


@contextmanager
def started(worker: Worker) -> Iterator[None]:
    worker.sign_seconds = SHORT
    worker.start()
    try:
        yield
    finally:
        worker.stop()
        assert worker.join(SECONDS)


def test_the_longest_wait_fits_into_what_the_watchdog_allows() -> None:
    shortest = HealthSettings.model_fields["sign_of_life_seconds"].metadata[0].ge
    assert shortest >= 2 * SIGN_SECONDS


def test_a_worker_gives_no_sign_before_it_runs() -> None:
    assert Rig().writer.last_sign_monotonic is None


def test_a_writer_without_jobs_gives_signs() -> None:
    writer = Rig().writer
    with started(writer):
        assert_signs(writer)


def test_a_writer_that_waits_for_a_locked_database_gives_signs() -> None:
    rig = Rig()
    rig.store.refusal = StoreBusyError("The database is locked.")
    rig.writer.offer(lambda: rig.store.pending(0, 1))
    with started(rig.writer):
        assert_signs(rig.writer, times=8)
        assert rig.writer.queued_jobs == 1


@pytest.mark.parametrize("paced", [True, False])
def test_a_listener_that_hears_nothing_gives_signs(paced: bool) -> None:
    rig = Rig(paced=paced)
    with writing(rig):
        listener = rig.listener()
        with started(listener):
            assert_signs(listener, times=2)


def test_a_listener_that_is_held_for_the_engine_gives_signs() -> None:
    with writing(Rig()) as rig:
        listener = rig.listener(hooks=ListenerHooks(on_anchor=lambda _: None, may_go_on=lambda: False))
        with started(listener):
            assert_signs(listener)


def test_a_listener_that_is_held_by_a_full_store_gives_signs() -> None:
    detector = SignallingDetector(frames=25)  # half a second, which is to reach the spool
    loud = np.full(16_000 * 3, 3000, np.int16)
    with writing(Rig(backlog_bytes=16_000)) as rig:
        rig.hold_writer(16_000)
        listener = rig.listener(detector)
        source = MemorySource([loud])
        with started(listener):
            source.start(rig.ring)
            assert detector.reached.wait(SECONDS)
            assert_signs(listener)
            assert detector.frames == 25
        source.stop()


def test_a_transcriber_without_work_gives_signs() -> None:
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(FakeEngine())
        with started(transcriber):
            assert_signs(transcriber)


def test_a_transcriber_that_waits_for_another_load_gives_signs() -> None:
    with writing(Rig()) as rig:
        engine = FakeEngine(load_error=SpeechError("There is no model."))
        transcriber = rig.transcriber(engine, engine_settings=EngineSettings(required=False))
        with started(transcriber):
            assert_signs(transcriber)
        assert engine.loads == 1


def test_a_transcriber_that_waits_for_a_stuck_store_gives_signs() -> None:
    with writing(Rig()) as rig:
        rig.hold_writer()
        transcriber = rig.transcriber(FakeEngine())
        transcriber.look_again()
        with started(transcriber):
            assert_signs(transcriber)


def after(gate: threading.Event, age_seconds: Callable[[], float]) -> float:
    """Open a gate and wait until the call behind it is over; return when the gate was opened."""
    opened = time.monotonic()
    gate.set()
    while age_seconds() > 0:
        assert time.monotonic() < opened + SECONDS
    return opened


def test_the_end_of_a_decode_is_a_sign_of_life() -> None:
    gate = threading.Event()
    engine = FakeEngine(gate=gate)
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(engine)
        transcriber.offer(rig.add(1))
        with transcribing(transcriber):
            assert engine.entered.wait(SECONDS)
            opened = after(gate, lambda: transcriber.decode_age_seconds(1e9))
            # Whoever sees no decode must not see a sign from before it, and take the thread for stuck.
            assert transcriber.last_sign_monotonic is not None
            assert transcriber.last_sign_monotonic >= opened


def test_the_end_of_a_try_of_the_store_is_a_sign_of_life() -> None:
    begun, gate = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        gate.wait(SECONDS)

    rig = Rig()
    with started(rig.writer):
        rig.writer.offer(slow)
        assert begun.wait(SECONDS)
        opened = after(gate, lambda: rig.writer.try_age_seconds(1e9))
        assert rig.writer.last_sign_monotonic is not None
        assert rig.writer.last_sign_monotonic >= opened


def test_a_thread_that_is_stuck_in_a_decode_gives_no_sign_and_tells_the_age_of_it() -> None:
    gate = threading.Event()
    engine = FakeEngine(gate=gate)
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(engine)
        transcriber.sign_seconds = SHORT
        transcriber.offer(rig.add(1))
        with transcribing(transcriber):
            assert engine.entered.wait(SECONDS)
            before = transcriber.last_sign_monotonic
            threading.Event().wait(10 * SHORT)
            assert transcriber.last_sign_monotonic == before
            assert transcriber.decode_age_seconds(time.monotonic()) > 0
            gate.set()
