import dataclasses
import logging
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.daemon.hearing import (
    SETTINGS,
    Blocks,
    Session,
    blocks,
    rows,
    sentences,
    spoken,
    spooled,
    without_engine_required,
)
from tests.fakes.detector import quiet
from tests.fakes.engine import FakeEngine
from tests.fakes.source import MemorySource
from tests.fakes.states import state_in
from tests.fakes.utterances import NOON, noise
from voicebridge.daemon.session import Around, Orders, Outage, Started, hear
from voicebridge.domain.errors import AudioError, ExitCode, SpeechError, StoreBusyError
from voicebridge.domain.events import (
    CaptureChanged,
    DeviceMoved,
    EngineFailed,
    Event,
    MuteChanged,
    SettingsReloaded,
    SpeechStarted,
    StoreChanged,
    StoreNotice,
    StoreNoticeKind,
    UtteranceSettled,
    UtteranceStored,
)
from voicebridge.domain.ports import EventSink, Source
from voicebridge.domain.units import seconds_to_samples
from voicebridge.domain.utterance import Status, UtteranceKey
from voicebridge.health.status import read_status
from voicebridge.settings.paths import database_path, status_paths
from voicebridge.store.database import open_database
from voicebridge.store.forget import Selection, forget
from voicebridge.store.search import HistoryQuery, history


def test_a_source_is_heard_to_its_end_and_everything_is_settled(tmp_path: Path) -> None:
    session = Session(tmp_path, spoken(3), FakeEngine(["one", "two", "three"]))
    report = session.hear()
    assert (report.exit_code, report.error, report.ended) == (ExitCode.OK, None, True)
    assert report.heard_seconds == pytest.approx(8.0)
    assert report.database == database_path(tmp_path)
    assert rows(tmp_path, "SELECT text, status FROM utterances ORDER BY id") == [
        ("one", "done"),
        ("two", "done"),
        ("three", "done"),
    ]
    assert spooled(tmp_path) == []


def test_the_session_is_kept_with_its_source_engine_and_ending(tmp_path: Path) -> None:
    report = Session(tmp_path, spoken(1), FakeEngine()).hear()
    found = rows(tmp_path, "SELECT id, source, engine, model, ending FROM sessions")
    assert found == [(report.session_id, "memory", "fake", "script", "clean")]


def test_files_are_dated_when_they_were_heard_and_forgotten_by_that(tmp_path: Path) -> None:
    for texts in (["one", "two", "three"], ["four", "five", "six"]):
        Session(tmp_path, spoken(3), FakeEngine(texts)).hear()
    now = time.time()
    db = open_database(database_path(tmp_path))
    said = [record.text for record in history(db, HistoryQuery())]
    assert said == ["one", "two", "three", "four", "five", "six"]
    assert forget(db, tmp_path, Selection.heard_last(1, now + 3)).utterances == 0
    assert forget(db, tmp_path, Selection.heard_last(60, now)).utterances == 6
    db.close()


def test_no_event_holds_a_text(tmp_path: Path) -> None:
    Session(tmp_path, spoken(2), FakeEngine(["zanzibar", "quicksilver"])).hear()
    told = str(rows(tmp_path, "SELECT kind, detail FROM events"))
    assert "engine_ready" in told
    assert not any(word in told for word in ("zanzibar", "quicksilver"))


def test_an_utterance_is_announced_when_it_is_stored_and_when_it_is_settled(tmp_path: Path) -> None:
    session = Session(tmp_path, spoken(1), FakeEngine())
    committed: list[object] = []

    def look(event: Event) -> None:
        if isinstance(event, UtteranceStored | UtteranceSettled):
            committed.append(rows(tmp_path, "SELECT id FROM utterances"))

    session.on_event = look
    session.hear()
    assert [kind for kind in session.kinds() if kind != "EngineReady"] == [
        "SpeechStarted",
        "UtteranceStored",
        "UtteranceSettled",
    ]
    assert committed == [[(1,)], [(1,)]]


def test_a_stop_is_orderly_and_says_that_the_source_had_not_ended(tmp_path: Path) -> None:
    session = Session(tmp_path, spoken(1, paced=True, endless=True), FakeEngine())
    session.on_event = lambda event: session.stop() if isinstance(event, UtteranceSettled) else None
    report = session.hear()
    assert (report.exit_code, report.ended) == (ExitCode.OK, False)
    assert rows(tmp_path, "SELECT ending FROM sessions") == [("clean",)]


def reasons_of(session: Session) -> list[str]:
    """Hear, and return why it stopped, as often as that was told."""
    told: list[str] = []
    session.orders = dataclasses.replace(session.orders, around=Around(on_stopping=told.append))
    session.hear()
    return told


def test_a_stop_is_told_once_with_its_reason(tmp_path: Path) -> None:
    session = Session(tmp_path, spoken(1, paced=True, endless=True), FakeEngine())
    session.on_event = lambda event: session.stop() if isinstance(event, UtteranceSettled) else None
    assert reasons_of(session) == ["it was asked to"]
    assert reasons_of(Session(tmp_path, spoken(1), FakeEngine())) == ["its source has ended"]
    broken = Session(tmp_path, spoken(1), FakeEngine(load_error=SpeechError("There is no model.")))
    assert reasons_of(broken) == ["There is no model."]
    short = Session(tmp_path, spoken(0, paced=True, endless=True), FakeEngine())
    short.orders = dataclasses.replace(short.orders, seconds=0.05)
    assert reasons_of(short) == ["its time is up"]


def test_who_fails_in_following_it_is_the_reason_too(tmp_path: Path) -> None:
    session = Session(tmp_path, spoken(1), FakeEngine())
    told: list[str] = []
    session.orders = dataclasses.replace(session.orders, around=Around(on_stopping=told.append))

    def fail(_: Event) -> None:
        raise ZeroDivisionError

    session.on_event = fail
    with pytest.raises(ZeroDivisionError):
        session.hear()
    assert told == ["a fault of its own"]


def test_the_utterance_that_is_open_at_a_stop_is_stored(tmp_path: Path) -> None:
    audio = np.concatenate([quiet(0.5), noise(2.0) // 7])
    source = MemorySource(blocks(audio), paced=True, endless=True)
    session = Session(tmp_path, source, FakeEngine())
    session.on_event = lambda event: session.stop() if isinstance(event, SpeechStarted) else None
    session.hear()
    (end_reason, samples) = rows(tmp_path, "SELECT end_reason, end_sample - start_sample FROM utterances")[0]
    assert end_reason == "stopped"
    assert samples > 0


def test_it_ends_after_the_seconds_it_was_given(tmp_path: Path) -> None:
    source = MemorySource(blocks(quiet(1)), paced=True, endless=True)
    orders = Orders(SETTINGS, tmp_path, lambda _: source, 0.05, FakeEngine())
    report = hear(orders, lambda _: None, lambda _: None)
    assert (report.exit_code, report.ended) == (ExitCode.OK, False)


def test_an_engine_that_is_required_and_cannot_be_loaded_ends_the_session_with_its_error(tmp_path: Path) -> None:
    error = SpeechError("There is no model.", "Pull one.")
    report = Session(tmp_path, spoken(1, paced=True, endless=True), FakeEngine(load_error=error)).hear()
    assert (report.exit_code, report.error) == (ExitCode.UNAVAILABLE, error)
    assert rows(tmp_path, "SELECT ending FROM sessions") == [("error: There is no model. Pull one.",)]
    assert ("engine_failed", "fake: There is no model. Pull one.") in rows(tmp_path, "SELECT kind, detail FROM events")


def test_without_a_required_engine_a_source_is_heard_to_its_end_and_kept_pending(tmp_path: Path) -> None:
    engine = FakeEngine(load_error=SpeechError("There is no model."))
    session = Session(tmp_path, spoken(12), engine, without_engine_required())
    report = session.hear()
    assert (report.exit_code, report.ended) == (ExitCode.OK, True)
    assert EngineFailed("fake", "There is no model.") in session.events
    assert rows(tmp_path, "SELECT status, count(*) FROM utterances GROUP BY status") == [("pending", 12)]
    assert len(spooled(tmp_path)) == 12


def test_the_next_session_decodes_what_the_last_one_left_pending(tmp_path: Path) -> None:
    engine = FakeEngine(load_error=SpeechError("There is no model."))
    Session(tmp_path, spoken(2), engine, without_engine_required()).hear()
    Session(tmp_path, MemorySource(blocks(quiet(1))), FakeEngine(["one", "two"])).hear()
    found = rows(tmp_path, "SELECT text, status, recovered, delay_ms FROM utterances ORDER BY id")
    assert found == [("one", "done", 1, None), ("two", "done", 1, None)]
    assert spooled(tmp_path) == []


def test_a_source_that_ends_with_a_fault_makes_it_the_error_of_the_session(tmp_path: Path) -> None:
    fault = AudioError("The file is cut short.")
    report = Session(tmp_path, spoken(1, fault=fault), FakeEngine()).hear()
    assert (report.exit_code, report.error, report.ended) == (ExitCode.INPUT, fault, True)
    assert rows(tmp_path, "SELECT status FROM utterances") == [("done",)]
    assert rows(tmp_path, "SELECT ending FROM sessions") == [("error: The file is cut short.",)]


def test_a_fault_of_ours_in_a_source_is_an_internal_error(tmp_path: Path) -> None:
    report = Session(tmp_path, spoken(1, fault=ZeroDivisionError()), FakeEngine()).hear()
    assert (report.exit_code, report.error) == (ExitCode.INTERNAL, None)
    assert rows(tmp_path, "SELECT ending FROM sessions") == [("error: a part failed",)]


def test_a_thread_that_dies_ends_the_session_as_an_internal_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = FakeEngine([ZeroDivisionError()])
    report = Session(tmp_path, spoken(1, paced=True, endless=True), engine).hear()
    assert report.exit_code == ExitCode.INTERNAL
    assert "the thread transcriber died" in caplog.text
    assert rows(tmp_path, "SELECT status, attempts FROM utterances") == [("pending", 1)]


def test_a_second_session_on_the_same_state_is_refused_while_the_first_runs(tmp_path: Path) -> None:
    session = Session(tmp_path, spoken(1), FakeEngine())
    refused: list[str] = []

    def try_another(_: Started) -> None:
        source = spoken(1)
        with pytest.raises(StoreBusyError) as told:
            Session(tmp_path, source, FakeEngine()).hear()
        refused.append(str(told.value))

    session.on_start = try_another
    assert session.hear().exit_code == ExitCode.OK
    assert "is in use by process" in refused[0]
    assert Session(tmp_path, spoken(1), FakeEngine()).hear().exit_code == ExitCode.OK


def test_what_a_crashed_process_left_is_recovered_decoded_and_marked(tmp_path: Path) -> None:
    with state_in(tmp_path) as crashed:
        waiting = crashed.add(start=1.0, length=1.0)
        half_heard = UtteranceKey(crashed.session_id, seconds_to_samples(5.0))
        crashed.spool.append(half_heard, NOON + 5, noise(1.5))
    engine = FakeEngine(["waited", "interrupted"])
    report = Session(tmp_path, MemorySource(blocks(quiet(0.5))), engine).hear()
    assert report.exit_code == ExitCode.OK
    assert rows(tmp_path, "SELECT text, end_reason, recovered FROM utterances ORDER BY id") == [
        ("waited", "hangover", 1),
        ("interrupted", "interrupted", 1),
    ]
    assert rows(tmp_path, "SELECT ending FROM sessions ORDER BY id") == [("crashed",), ("clean",)]
    assert engine.decoded == [(16_000, 16_000), (80_000, 24_000)]
    assert (waiting, spooled(tmp_path)) == (1, [])


def test_an_utterance_that_ended_three_processes_is_failed_and_kept(tmp_path: Path) -> None:
    with state_in(tmp_path) as crashed:
        utterance_id = crashed.add()
        for _ in range(3):
            crashed.store.begin_attempt(utterance_id)
    engine = FakeEngine()
    Session(tmp_path, MemorySource(blocks(quiet(0.5))), engine).hear()
    assert rows(tmp_path, "SELECT status FROM utterances") == [("failed",)]
    assert engine.decoded == []
    assert len(spooled(tmp_path)) == 1


def test_more_than_the_queue_holds_is_recovered_beside_what_is_heard(tmp_path: Path) -> None:
    with state_in(tmp_path) as crashed:
        for number in range(300):
            crashed.add(start=float(number), length=0.02)
    Session(tmp_path, spoken(10), FakeEngine()).hear()
    assert rows(tmp_path, "SELECT status, count(*) FROM utterances GROUP BY status") == [("done", 310)]


def test_what_an_earlier_process_left_is_logged_and_kept_as_an_event(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with state_in(tmp_path) as crashed:
        crashed.add()
    with caplog.at_level(logging.WARNING):
        Session(tmp_path, spoken(1), FakeEngine()).hear()
    assert "left something behind: sessions without an end: 1" in caplog.text
    assert ("recovered", "sessions without an end: 1") in rows(tmp_path, "SELECT kind, detail FROM events")


def test_the_status_tells_how_the_session_is_and_goes_with_it(tmp_path: Path) -> None:
    session = Session(tmp_path, spoken(2, paced=True, endless=True), FakeEngine())
    seen: list[dict[str, object]] = []

    def look(event: Event) -> None:
        settled = [event for event in session.events if isinstance(event, UtteranceSettled)]
        if isinstance(event, UtteranceSettled) and len(settled) == 2:
            status = read_status(status_paths(tmp_path))
            assert status is not None  # written before anything was heard
            seen.append(status)
            session.stop()

    session.on_event = look
    session.hear()
    assert seen[0]["source"] == "memory"
    assert read_status(status_paths(tmp_path)) is None


def test_what_happened_to_hearing_is_kept_as_events(tmp_path: Path) -> None:
    def make(events: EventSink) -> Source:
        def lose() -> None:
            events.publish(CaptureChanged(hearing=True, source="memory", detail="it is heard", first=True))
            events.publish(CaptureChanged(hearing=False, source="memory", detail="it was pulled"))
            events.publish(CaptureChanged(hearing=True, source="memory", detail="it is back"))

        return MemorySource(Blocks(lose, quiet(0.5), quiet(0.5)))

    hear(Orders(SETTINGS, tmp_path, make, engine=FakeEngine()), lambda _: None, lambda _: None)
    found = dict(rows(tmp_path, "SELECT kind, detail FROM events"))
    assert (found["capture_lost"], found["capture_back"]) == ("it was pulled", "it is back")
    assert found["capture_began"] == "it is heard"
    assert found["engine_ready"].startswith("fake script after ")


def test_a_return_says_how_long_nothing_was_heard(tmp_path: Path) -> None:
    def make(events: EventSink) -> Source:
        def lose() -> None:
            events.publish(CaptureChanged(hearing=False, source="memory", detail="it was pulled"))
            events.publish(CaptureChanged(hearing=True, source="memory", detail="it is back"))

        return MemorySource(Blocks(lose, quiet(0.5), quiet(0.5)))

    told: list[Event] = []
    hear(Orders(SETTINGS, tmp_path, make, engine=FakeEngine()), told.append, lambda _: None)
    lost = [event.lost_seconds for event in told if isinstance(event, CaptureChanged)]
    assert lost[0] is None
    assert lost[1] is not None
    assert lost[1] >= 0


LOST = CaptureChanged(hearing=False, source="mic", detail="gone")
BACK = CaptureChanged(hearing=True, source="mic", detail="back")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_an_outage_lasts_from_the_last_block_to_the_return() -> None:
    clock = Clock()
    outage = Outage(clock)
    assert outage.measured(LOST, last_block=97.0) is LOST
    clock.now = 103.0
    outage.measured(LOST, last_block=97.0)  # told twice, it is still one
    clock.now = 110.0
    assert outage.measured(BACK, last_block=110.0) == dataclasses.replace(BACK, lost_seconds=13.0)
    assert outage.measured(BACK, last_block=111.0) is BACK


def test_an_outage_that_began_before_any_block_lasts_from_when_it_was_told() -> None:
    clock = Clock()
    outage = Outage(clock)
    outage.measured(LOST, last_block=None)
    clock.now = 104.0
    assert outage.measured(BACK, last_block=104.0) == dataclasses.replace(BACK, lost_seconds=4.0)


def test_a_source_that_measured_the_outage_itself_is_believed() -> None:
    outage = Outage(Clock())
    outage.measured(LOST, last_block=90.0)
    own = dataclasses.replace(BACK, lost_seconds=2.5)
    assert outage.measured(own, last_block=100.0) is own
    assert outage.measured(SpeechStarted(7), None) == SpeechStarted(7)


def test_what_people_and_the_store_did_is_kept_as_events(tmp_path: Path) -> None:
    happened = (
        DeviceMoved("decoy", "desk", "it was unplugged"),
        MuteChanged(True, "ann"),
        MuteChanged(False, "SIGUSR2"),
        SettingsReloaded(("vad.mode",), ("audio.device",)),
        SettingsReloaded((), (), "not TOML"),
        StoreNotice(StoreNoticeKind.CLOCK_AHEAD, "The clock is ahead."),
    )

    def make(events: EventSink) -> Source:
        def happen() -> None:
            for event in happened:
                events.publish(event)

        return MemorySource(Blocks(happen, quiet(0.5), quiet(0.5)))

    hear(Orders(SETTINGS, tmp_path, make, engine=FakeEngine()), lambda _: None, lambda _: None)
    found = rows(tmp_path, "SELECT kind, detail FROM events ORDER BY id")
    assert [row for row in found if row[0] != "engine_ready"] == [
        ("device_moved", "desk to decoy: it was unplugged"),
        ("muted", "ann"),
        ("unmuted", "SIGUSR2"),
        ("reloaded", "in force: vad.mode; after a restart: audio.device"),
        ("reload_refused", "not TOML"),
        ("clock_ahead", "The clock is ahead."),
    ]


def test_a_damaged_database_is_set_aside_with_its_name_in_the_alarm(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tmp_path.chmod(0o700)
    database_path(tmp_path).write_bytes(b"no database at all " * 1000)
    session = Session(tmp_path, spoken(1, paced=True, endless=True), FakeEngine())
    alarms: list[str] = []

    def look(event: Event) -> None:
        if isinstance(event, UtteranceSettled):
            status = read_status(status_paths(tmp_path))
            assert status is not None
            alarms.extend(reason["sentence"] for reason in status["reasons"] if reason["code"] == "database_set_aside")
            session.stop()

    session.on_event = look
    with caplog.at_level(logging.WARNING):
        assert session.hear().exit_code == ExitCode.OK
    assert ".corrupt-" in alarms[0]
    assert ".corrupt-" in caplog.text
    assert rows(tmp_path, "SELECT status FROM utterances") == [("done",)]


def test_gaps_are_kept(tmp_path: Path) -> None:
    source = MemorySource([*blocks(quiet(1)), 1600, *blocks(quiet(1))])
    Session(tmp_path, source, FakeEngine()).hear()
    assert rows(tmp_path, "SELECT start_sample, end_sample, reason FROM gaps") == [(16_000, 17_600, "overflow")]


def test_anchors_of_a_paced_source_are_kept(tmp_path: Path) -> None:
    Session(tmp_path, spoken(1, paced=True), FakeEngine()).hear()
    assert len(rows(tmp_path, "SELECT sample_index FROM anchors")) == 1
    assert rows(tmp_path, "SELECT delay_ms IS NOT NULL FROM utterances") == [(1,)]


def test_a_database_that_is_locked_for_a_while_costs_no_utterance(tmp_path: Path) -> None:
    go_on = threading.Event()
    source = MemorySource(Blocks(lambda: go_on.wait(30), sentences(1), sentences(2)), paced=True)
    session = Session(tmp_path, source, FakeEngine())
    with closing(sqlite3.connect(":memory:")) as nothing:
        other = [nothing]

        def interfere(event: Event) -> None:
            if isinstance(event, UtteranceSettled) and not go_on.is_set():
                other[0] = sqlite3.connect(database_path(tmp_path), isolation_level=None)
                other[0].execute("BEGIN EXCLUSIVE")
                go_on.set()
            speech = session.kinds().count("SpeechStarted")
            if speech == 3 and "StoreChanged" in session.kinds() and other[0].in_transaction:
                other[0].execute("ROLLBACK")
                other[0].close()
                other[0] = nothing

        session.on_event = interfere
        report = session.hear()
    assert (report.exit_code, report.ended) == (ExitCode.OK, True)
    assert [event.working for event in session.events if isinstance(event, StoreChanged)] == [False, True]
    assert rows(tmp_path, "SELECT status, count(*) FROM utterances GROUP BY status") == [("done", 3)]
    kinds = [kind for (kind,) in rows(tmp_path, "SELECT kind FROM events ORDER BY id")]
    assert kinds == ["engine_ready", "store_alarm", "store_recovered"]


def test_a_database_that_is_locked_to_the_end_is_told_and_the_next_start_recovers_the_audio(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    session = Session(tmp_path, spoken(1, paced=True, endless=True), FakeEngine())

    def lock(started: Started) -> None:
        other.execute("BEGIN EXCLUSIVE")

    def stop(event: Event) -> None:
        if isinstance(event, StoreChanged):
            session.stop()

    session.on_start = lock
    session.on_event = stop
    with state_in(tmp_path):
        pass
    other = sqlite3.connect(database_path(tmp_path), isolation_level=None)
    with closing(other), pytest.raises(StoreBusyError):
        session.hear()
    assert "The store did not take everything that was heard" in caplog.text
    assert len(spooled(tmp_path)) == 1
    Session(tmp_path, MemorySource(blocks(quiet(0.5))), FakeEngine(["late"])).hear()
    assert rows(tmp_path, "SELECT text, end_reason, status FROM utterances") == [("late", "interrupted", "done")]
    assert rows(tmp_path, "SELECT ending FROM sessions ORDER BY id")[-2:] == [("crashed",), ("clean",)]


def test_an_announcement_that_fails_ends_the_session_with_what_was_heard_stored(tmp_path: Path) -> None:
    session = Session(tmp_path, spoken(1), FakeEngine())

    def fail(_: Event) -> None:
        raise BrokenPipeError("nobody reads along")

    session.on_event = fail
    with pytest.raises(BrokenPipeError):
        session.hear()
    assert rows(tmp_path, "SELECT ending FROM sessions") == [("error: nobody reads along",)]
    assert read_status(status_paths(tmp_path)) is None
    Session(tmp_path, MemorySource(blocks(quiet(0.5))), FakeEngine()).hear()
    assert {status for (status,) in rows(tmp_path, "SELECT status FROM utterances")} <= {Status.DONE}


def test_an_interruption_before_it_runs_is_kept_as_its_ending(tmp_path: Path) -> None:
    session = Session(tmp_path, spoken(1), FakeEngine())

    def interrupt(_: Started) -> None:
        raise KeyboardInterrupt

    session.on_start = interrupt
    with pytest.raises(KeyboardInterrupt):
        session.hear()
    assert rows(tmp_path, "SELECT ending FROM sessions") == [("error: KeyboardInterrupt",)]


def test_kept_audio_whose_time_is_over_is_deleted_at_the_start(tmp_path: Path) -> None:
    retained = SETTINGS.model_copy(update={"store": SETTINGS.store.model_copy(update={"retain_audio": "1 day"})})
    Session(tmp_path, spoken(1), FakeEngine(), retained).hear()
    assert len(list((tmp_path / "audio").glob("*.wav"))) == 1
    with closing(sqlite3.connect(database_path(tmp_path))) as db, db:
        db.execute("UPDATE audio SET kept_until = 1")
    Session(tmp_path, MemorySource(blocks(quiet(0.5))), FakeEngine(), retained).hear()
    assert list((tmp_path / "audio").glob("*.wav")) == []


def test_the_engine_that_the_settings_name_is_used_when_none_is_given(tmp_path: Path) -> None:
    nowhere = SETTINGS.whisper.model_copy(update={"model": str(tmp_path / "nowhere")})
    engine = SETTINGS.engine.model_copy(update={"kind": "whisper", "required": False})
    settings = SETTINGS.model_copy(update={"whisper": nowhere, "engine": engine})
    session = Session(tmp_path, MemorySource(blocks(quiet(0.5))), FakeEngine(), settings)
    session.orders = dataclasses.replace(session.orders, engine=None)
    reasons: list[str] = []
    session.on_start = lambda started: reasons.append(started.engine_reason)
    assert session.hear().exit_code == ExitCode.OK
    assert str(tmp_path / "nowhere") in reasons[0]
    assert "EngineFailed" in session.kinds()
