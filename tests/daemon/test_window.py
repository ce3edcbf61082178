"""The window onto a daemon of real threads, on a real store."""

import threading
import time
import wave
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.hearing import SECONDS, blocks, sentences
from tests.daemon.life import Life, life
from tests.fakes.engine import FakeEngine
from tests.fakes.source import MemorySource
from tests.fakes.states import state_in
from voicebridge.audio.mute import MuteSwitch
from voicebridge.audio.ring import Ring
from voicebridge.cli.live import as_json
from voicebridge.daemon.duties import StatusReporter
from voicebridge.daemon.feed import READER_ENTRIES, FeedReader, FeedThread, entry_of, utterance_json
from voicebridge.daemon.mute import Mute
from voicebridge.daemon.watch import Watch
from voicebridge.daemon.watchdog import Watchdog
from voicebridge.daemon.window import IDLE_CONNECTIONS, Handles, OpenWindow, open_window
from voicebridge.domain.audio import Gap, GapReason, Span
from voicebridge.domain.errors import ControlError, StoreError
from voicebridge.domain.events import (
    CaptureChanged,
    DeviceMoved,
    EngineFailed,
    EngineReady,
    Event,
    GapNoted,
    HealthChanged,
    MuteChanged,
    PartialHeard,
    SettingsReloaded,
    SpeechDiscarded,
    SpeechStarted,
    StoreChanged,
    StoreNotice,
    StoreNoticeKind,
    UtteranceSettled,
    WordsFound,
)
from voicebridge.domain.utterance import DecodeKind, UtteranceKey, Word
from voicebridge.domain.window import UtteranceQuery
from voicebridge.pipeline.events import PARTIALS_HELD, EventStream
from voicebridge.store.checkpoints import CheckpointLog, Row
from voicebridge.store.retention import Retention
from voicebridge.web.schemas import SCHEMAS


class Open:
    """A window onto a daemon that hears two utterances, with what a reader of its feed was given."""

    def __init__(self, running: Life, opened: OpenWindow) -> None:
        self.life = running
        self.opened = opened
        self.window = opened.window
        self.entries: list[Any] = []

    def take_until(self, reader: FeedReader, kind: str, count: int) -> list[Any]:
        """Take from a reader until there were so many entries of a kind."""
        deadline = time.monotonic() + SECONDS
        while sum(entry["type"] == kind for entry in self.entries) < count:
            assert time.monotonic() < deadline
            self.life.daemon.follow(lambda _: None, 0.02)
            self.entries += reader.take()
        return [entry for entry in self.entries if entry["type"] == kind]


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[Open]:
    source = MemorySource(blocks(sentences(2)), paced=True, endless=True)
    with life(tmp_path, source, FakeEngine()) as running:
        reporter = StatusReporter(Watch(running.daemon, running.plan, Watchdog(None)), tmp_path)
        opened = open_window(running.daemon, running.plan, reporter, tmp_path, lambda: b"metrics")
        yield Open(running, opened)
        if running.daemon.crew.writer.alive:
            running.stop()
        opened.close()


def test_a_reader_is_given_what_is_settled_with_its_number(seen: Open) -> None:
    reader = seen.opened.feed.subscribe(lambda: None)
    seen.life.start()
    first, second = seen.take_until(reader, "utterance", 2)
    assert (first["text"], second["sequence"] - first["sequence"]) == ("turn on the lights", 1)
    assert not {"audio_path", "words"} & set(first)
    assert [entry["type"] for entry in seen.entries if entry["type"] in {"speech", "engine"}][:1] == ["engine"]
    resumed = seen.window.feed.since(first["sequence"], 10)
    assert [(number, record["utterance_id"]) for number, record in resumed] == [
        (second["sequence"], second["utterance_id"])
    ]
    assert [[word["text"] for word in record["words"]] for _, record in resumed] == [["turn", "on", "the", "lights"]]
    assert seen.window.feed.newest() == second["sequence"]
    reader.close()
    assert seen.opened.counters() == {"feed_dropped": 0, "partials_passed_over": 0, "feed_readers": 0}


def test_status_level_and_metrics_come_from_memory(seen: Open) -> None:
    assert seen.window.status.status()["state"] == "starting"
    assert seen.window.status.level() == (0.0, False)
    assert seen.window.status.metrics() == b"metrics"


def test_pages_go_from_the_newest_back(seen: Open) -> None:
    seen.life.start()
    seen.life.follow_until(UtteranceSettled, 2)
    store = seen.window.store
    (newest,) = store.utterances(UtteranceQuery(limit=1))
    (before,) = store.utterances(UtteranceQuery(limit=5, before_id=newest["utterance_id"]))
    assert before["utterance_id"] < newest["utterance_id"]
    assert store.utterances(UtteranceQuery(statuses=("rejected",))) == []
    assert len(store.utterances(UtteranceQuery(words="lights"))) == 2
    assert store.utterances(UtteranceQuery(words="darkness")) == []
    assert store.utterances(UtteranceQuery(words="?!")) == []
    assert store.utterances(UtteranceQuery(since=newest["started_at"] + 1, until=newest["started_at"] + 2)) == []


def test_one_utterance_comes_with_its_words_and_without_audio_that_is_not_kept(seen: Open) -> None:
    seen.life.start()
    seen.life.follow_until(UtteranceSettled)
    store = seen.window.store
    whole = store.utterance(1)
    assert whole is not None
    assert [word["text"] for word in whole["words"]] == ["turn", "on", "the", "lights"]
    assert (whole["audio_kept"], store.audio(1)) == (False, None)
    assert (store.utterance(99), store.audio(99)) == (None, None)


def test_a_timeline_holds_the_session_and_its_gaps(tmp_path: Path) -> None:
    audio = blocks(sentences(1))
    source = MemorySource([*audio, 16_000, *audio], paced=True, endless=True)
    with life(tmp_path, source, FakeEngine()) as running:
        reporter = StatusReporter(Watch(running.daemon, running.plan, Watchdog(None)), tmp_path)
        opened = open_window(running.daemon, running.plan, reporter, tmp_path)
        running.start()
        running.follow_until(GapNoted)
        now = time.time()
        told = opened.window.store.timeline(now - 60, now + 60)
        earlier = opened.window.store.timeline(now - 600, now - 300)
        running.stop()
        opened.close()
    assert [(gap["reason"], gap["seconds"]) for gap in told["gaps"]] == [("overflow", 1.0)]
    assert now - 60 < told["gaps"][0]["started_at"] < now + 60
    assert [session["source"] for session in told["sessions"]] == ["memory"]
    assert told["totals"]["gap_seconds"] == pytest.approx(1.0, abs=1e-3)
    assert (earlier["gaps"], earlier["sessions"], earlier["events"]) == ([], [], [])


def test_a_window_that_was_closed_reads_nothing_more(seen: Open) -> None:
    assert seen.window.store.utterances(UtteranceQuery()) == []
    seen.opened.close()
    with pytest.raises(StoreError, match="session is over"):
        seen.window.store.utterances(UtteranceQuery())


def test_a_connection_that_failed_is_not_used_again(seen: Open) -> None:
    with pytest.raises(ValueError, match="sleeping"):
        seen.window.store.utterances(UtteranceQuery(statuses=("sleeping",)))
    assert seen.window.store.utterances(UtteranceQuery()) == []


def test_mute_pulls_the_switch_where_there_is_one(tmp_path: Path) -> None:
    mute = Mute(MuteSwitch(Ring(16_000)), tmp_path / "muted", EventStream())
    Handles(mute).mute(muted=True, by="the page")
    assert mute.muted
    Handles(mute).mute(muted=False, by="the page")
    assert not mute.muted
    with pytest.raises(ControlError):
        Handles(None).mute(muted=True, by="the page")


def test_a_reader_that_takes_nothing_loses_its_own_oldest_and_is_woken_once() -> None:
    woken: list[int] = []
    reader = FeedReader(lambda: woken.append(1), lambda _: None)
    for number in range(READER_ENTRIES + 3):
        reader.offer({"type": "gap", "number": number})
    assert (reader.dropped, len(woken)) == (3, 1)
    assert reader.take()[0]["number"] == 3
    reader.offer({"type": "gap"})
    assert len(woken) == 2


def partial_entry(start: int, stable: str = "turn") -> dict[str, Any]:
    return {"type": "partial", "session_id": 1, "start_sample": start, "stable": stable}


def partials_reader() -> FeedReader:
    reader = FeedReader(lambda: None, lambda _: None)
    reader.want_partials(True)
    return reader


def test_a_reader_gets_no_partials_before_it_asks_for_them() -> None:
    reader = FeedReader(lambda: None, lambda _: None)
    reader.offer(partial_entry(1))
    assert reader.take() == []


def test_a_reader_is_given_the_newest_partial_of_each_utterance_after_all_else() -> None:
    reader = partials_reader()
    for entry in (partial_entry(1), partial_entry(2), {"type": "gap"}, partial_entry(1, "turn on")):
        reader.offer(entry)
    assert reader.take() == [{"type": "gap"}, partial_entry(2), partial_entry(1, "turn on")]
    assert (reader.dropped, reader.partials_passed_over) == (0, 1)


@pytest.mark.parametrize("kind", ["pending", "utterance"])
def test_a_reader_is_given_no_partial_after_the_end_of_its_utterance(kind: str) -> None:
    reader = partials_reader()
    ending = {"type": kind, "session_id": 1, "start_sample": 1}
    for entry in (partial_entry(1), partial_entry(2), ending):
        reader.offer(entry)
    assert reader.take() == [ending, partial_entry(2)]


@pytest.mark.parametrize("kind", ["pending", "utterance"])
def test_a_partial_that_comes_after_the_end_of_its_utterance_is_passed_over(kind: str) -> None:
    reader = partials_reader()
    reader.offer({"type": kind, "session_id": 1, "start_sample": 2})
    reader.take()
    for start in (2, 1, 3):
        reader.offer(partial_entry(start))
    reader.offer({"type": "utterance", "session_id": 0, "start_sample": 9})  # one of a session before
    reader.offer(partial_entry(2))
    assert [entry for entry in reader.take() if entry["type"] == "partial"] == [partial_entry(3)]
    assert reader.partials_passed_over == 3


def test_however_many_partials_come_a_reader_loses_nothing_else() -> None:
    reader = partials_reader()
    for number in range(READER_ENTRIES):
        reader.offer({"type": "gap", "number": number})
        reader.offer(partial_entry(number))
    taken = reader.take()
    assert (reader.dropped, len(taken)) == (0, READER_ENTRIES + PARTIALS_HELD)
    assert reader.partials_passed_over == READER_ENTRIES - PARTIALS_HELD


def test_partials_are_made_while_a_reader_of_the_feed_wants_them() -> None:
    events = EventStream()
    feed = FeedThread(events, dict)
    first, second = feed.subscribe(lambda: None), feed.subscribe(lambda: None)
    assert not events.partials_wanted
    first.want_partials(True)
    second.want_partials(True)
    first.close()
    assert events.partials_wanted
    second.want_partials(False)
    assert not events.partials_wanted
    feed.stop()
    assert feed.join(SECONDS)


def test_a_reader_that_cannot_be_woken_is_left_out_and_no_other_misses_anything() -> None:
    def broken() -> None:
        raise RuntimeError("the loop is closed")

    events = EventStream()
    feed = FeedThread(events, lambda: {"state": "deaf"})
    feed.subscribe(broken)
    reader = feed.subscribe(lambda: None)
    events.publish(HealthChanged("deaf", "hearing", (("device_lost", "Gone."),), ()))
    deadline = time.monotonic() + SECONDS
    entries: list[Any] = []
    while not entries and time.monotonic() < deadline:
        entries += reader.take()
    feed.stop()
    assert feed.join(SECONDS)
    assert [(entry["type"], entry["state"], entry["before"]) for entry in entries] == [("state", "deaf", "hearing")]
    assert feed.readers == 1


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (SpeechStarted(5), {"type": "speech", "speech": True, "sample": 5}),
        (SpeechDiscarded(5), {"type": "speech", "speech": False, "sample": 5}),
        (GapNoted(Gap(Span(0, 16_000), GapReason.SUSPEND)), {"type": "gap", "seconds": 1.0, "reason": "suspend"}),
        (
            CaptureChanged(hearing=True, source="Desk", detail="Back.", lost_seconds=2.0),
            {"type": "capture", "hearing": True, "source": "Desk", "detail": "Back.", "lost_seconds": 2.0},
        ),
        (
            DeviceMoved("Monitor", "Desk", "It moved."),
            {"type": "capture", "hearing": True, "source": "Monitor", "detail": "It moved."},
        ),
        (MuteChanged(muted=True, by="ann"), {"type": "mute", "muted": True, "by": "ann"}),
        (
            PartialHeard(UtteranceKey(1, 5), "turn", " on", 9),
            {
                "type": "partial",
                "session_id": 1,
                "start_sample": 5,
                "end_sample": 9,
                "stable": "turn",
                "tentative": " on",
            },
        ),
        (
            WordsFound(3, (Word("turn", 5, 9, 0.5),), 0.5),
            {
                "type": "words",
                "utterance_id": 3,
                "confidence": 0.5,
                "words": [{"text": "turn", "start_sample": 5, "end_sample": 9, "probability": 0.5}],
            },
        ),
        (EngineReady("fake", "a", 3.0), {"type": "engine", "ready": True, "engine": "fake", "model": "a"}),
        (EngineFailed("fake", "No."), {"type": "engine", "ready": False, "engine": "fake", "detail": "No."}),
        (StoreChanged(working=False, detail="Full."), {"type": "store", "working": False, "detail": "Full."}),
        (
            StoreNotice(StoreNoticeKind.CLOCK_AHEAD, "Ahead."),
            {"type": "store", "kind": "clock_ahead", "detail": "Ahead."},
        ),
    ],
)
def test_each_event_is_told_in_plain_data(event: Event, expected: dict[str, Any]) -> None:
    entry = entry_of(event)
    assert entry is not None
    assert abs(entry["at"] - time.time()) < SECONDS
    assert {name: value for name, value in entry.items() if name != "at"} == expected


def test_an_utterance_is_told_by_the_names_that_are_described_and_that_the_commands_use(tmp_path: Path) -> None:
    with state_in(tmp_path / "state") as state:
        record = state.hear()
    told = utterance_json(replace(record, kind=DecodeKind.SPECULATIVE), words=True)
    assert set(told) == set(SCHEMAS["Utterance"]["properties"])
    how = {"decode_kind", "window_seconds", "fallback"}
    assert how <= set(told) & set(as_json(record))
    assert told["decode_kind"] == "speculative"


def test_what_is_of_no_use_to_others_is_left_out() -> None:
    assert entry_of(SettingsReloaded((), ())) is None


def test_kept_audio_is_given_as_wav_until_it_is_deleted(seen: Open, tmp_path: Path) -> None:
    seen.life.plan.notebook.kept.retention = Retention(keeps=True)
    seen.life.start()
    seen.life.follow_until(UtteranceSettled)
    store = seen.window.store
    told, heard = store.utterance(1), store.audio(1)
    assert told is not None
    assert told["audio_kept"]
    assert heard is not None
    with wave.open(BytesIO(heard)) as audio:
        assert (audio.getframerate(), audio.getnchannels(), audio.getsampwidth()) == (16_000, 1, 2)
        assert audio.getnframes() == told["end_sample"] - told["start_sample"]
    for path in (tmp_path / "audio").iterdir():
        path.unlink()
    assert store.audio(1) is None


def test_checkpoints_of_a_time_come_from_the_store(seen: Open, tmp_path: Path) -> None:
    notebook = seen.life.plan.notebook
    log = CheckpointLog(notebook.db, tmp_path, 1000)
    for at in (1.0, 2.0, 3.0):
        log.add(Row(notebook.session_id, at, "hearing", 1.0, 0.0, None, None, None, {"at": at}))
    found = seen.window.store.checkpoints(2.0, 9.0, 10)
    assert (found.total, list(found.records)) == (2, [{"at": 2.0}, {"at": 3.0}])
    some = seen.window.store.checkpoints(2.0, 9.0, 1, ("memory.rss_bytes",))
    assert (some.total, list(some.records)) == (2, [{"at": 3.0, "memory": {"rss_bytes": None}}])


def test_no_more_connections_are_kept_than_a_few(seen: Open) -> None:
    ready, done = threading.Barrier(8, timeout=SECONDS), list[int]()

    def ask() -> None:
        ready.wait()
        done.append(len(seen.window.store.utterances(UtteranceQuery())))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [0] * 8
    assert len(seen.opened.archive._idle) <= IDLE_CONNECTIONS
