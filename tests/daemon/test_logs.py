"""Logging on a terminal, in a pipe and in the journal."""

import fcntl
import logging
import os
import pty
import re
import socket
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from voicebridge.daemon.logs import Logging, configure_logging, leads_to_journal
from voicebridge.daemon.messages import (
    CATALOGUE,
    ENGINE_READY,
    GAP,
    STARTED,
    STORE_ALARM,
    UTTERANCE_DONE,
    log_announced,
    log_event,
)
from voicebridge.domain.audio import Gap, GapReason, Span
from voicebridge.domain.events import (
    CaptureChanged,
    DeviceMoved,
    EngineFailed,
    EngineReady,
    Event,
    GapNoted,
    HealthChanged,
    MuteChanged,
    SettingsReloaded,
    SpeechStarted,
    StoreChanged,
    UtteranceSettled,
    UtteranceStored,
)
from voicebridge.domain.utterance import (
    EndedUtterance,
    EndReason,
    PendingUtterance,
    Status,
    UtteranceKey,
    UtteranceRecord,
)
from voicebridge.settings.schema import LogSettings

logger = logging.getLogger("voicebridge.test")


class Place:
    """A pipe for standard error and a socket that stands for journald's."""

    def __init__(self, folder: Path) -> None:
        self.out, self.err = os.pipe()
        self.journal = folder / "journal"
        self._journald = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._journald.bind(str(self.journal))
        self._journald.setblocking(False)
        self.logs: list[Logging] = []

    def log(self, session: int | None = None, environ: dict[str, str] | None = None, **settings: Any) -> Logging:
        made = configure_logging(
            LogSettings(**settings), session, descriptor=self.err, environ=environ or {}, journal=self.journal
        )
        self.logs.append(made)
        return made

    def lines(self) -> list[str]:
        os.set_blocking(self.out, False)
        try:
            return os.read(self.out, 1 << 20).decode().splitlines()
        except BlockingIOError:
            return []

    def entry(self) -> dict[str, str]:
        raw = self._journald.recv(1 << 20)
        found = dict(line.split("=", 1) for line in raw.decode("utf-8", "ignore").split("\n") if "=" in line)
        if raw.startswith(b"MESSAGE\n"):
            size = int.from_bytes(raw[8:16], "little")
            found["MESSAGE"] = raw[16 : 16 + size].decode()
        return found

    def close(self) -> None:
        for log in self.logs:
            log.close()
        self._journald.close()
        os.close(self.out)
        os.close(self.err)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.close()


def journal_stream(descriptor: int) -> dict[str, str]:
    status = os.fstat(descriptor)
    return {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}


def record(status: Status = Status.DONE, text: str | None = "turn on the light") -> UtteranceRecord:
    return UtteranceRecord(
        utterance_id=7,
        session_id=3,
        status=status,
        start_sample=0,
        end_sample=24_000,
        started_at=0.0,
        ended_at=1.5,
        speech_ratio=0.9,
        end_reason=EndReason.HANGOVER,
        attempts=1,
        text=text,
        language="en",
        words=(),
        confidence=0.9,
        avg_logprob=None,
        no_speech_prob=None,
        compression_ratio=None,
        engine="whisper",
        model="base.en",
        decode_ms=120.0,
        delay_ms=843.26,
        reasons=("it repeats itself",) if status is not Status.DONE else (),
        audio_path=None,
    )


def test_a_journal_entry_has_the_fields_that_queries_need(place: Place) -> None:
    place.log(3, format="journald")
    log_event(logger, UTTERANCE_DONE, utterance=7, seconds=1.5, delay_ms=843.26, language=None)
    entry = place.entry()
    assert entry["MESSAGE"] == "Utterance 7 transcribed, 1.5 s long"
    assert entry["MESSAGE_ID"] == UTTERANCE_DONE.message_id
    assert (entry["PRIORITY"], entry["SYSLOG_IDENTIFIER"]) == ("6", "voicebridge")
    assert (entry["VB_EVENT"], entry["VB_UTTERANCE"], entry["VB_SESSION"]) == ("utterance", "7", "3")
    assert entry["VB_DELAY_MS"] == "843.26"
    assert "VB_LANGUAGE" not in entry
    assert entry["CODE_FILE"] == __file__
    assert entry["CODE_FUNC"] == "test_a_journal_entry_has_the_fields_that_queries_need"
    assert int(entry["CODE_LINE"]) > 0
    assert entry["VB_LOGGER"] == "voicebridge.test"


def test_the_session_can_be_known_later(place: Place) -> None:
    log = place.log(format="journald")
    logger.info("early")
    log.session = 12
    logger.info("late")
    assert "VB_SESSION" not in place.entry()
    assert place.entry()["VB_SESSION"] == "12"
    assert log.session == 12


@pytest.mark.parametrize(
    ("level", "priority"), [("debug", "7"), ("info", "6"), ("warning", "4"), ("error", "3"), ("critical", "2")]
)
def test_a_level_is_a_syslog_priority(place: Place, level: str, priority: str) -> None:
    place.log(format="journald", level="debug")
    getattr(logger, level)("x")
    assert place.entry()["PRIORITY"] == priority


@pytest.mark.parametrize("form", ["journald", "plain", "terminal"])
def test_what_was_heard_is_logged_only_when_asked(place: Place, form: str) -> None:
    read: Callable[[], object] = place.entry if form == "journald" else place.lines
    quiet = place.log(format=form)
    log_announced(logger, UtteranceSettled(record()))
    assert "light" not in str(read())
    quiet.close()
    place.log(format=form, transcripts=True)
    log_announced(logger, UtteranceSettled(record()))
    assert "Utterance 7 transcribed, 1.5 s long: turn on the light" in str(read())


@pytest.mark.parametrize("form", ["journald", "plain"])
def test_text_from_outside_is_harmless(place: Place, form: str) -> None:
    place.log(format=form, transcripts=True)
    evil = "Mic\x1b[2J\nPRIORITY=0\u202egnp\x00"
    log_event(logger, ENGINE_READY, engine=evil, model=evil, load_ms=1, text=evil)
    shown = place.entry() if form == "journald" else {"line": place.lines()[0]}
    assert shown.get("PRIORITY", "6") == "6"
    for value in shown.values():
        assert not re.search("[\x00-\x1f\u202e]", value)


def test_an_exception_brings_its_traceback_in_one_entry(place: Place) -> None:
    place.log(format="journald")
    try:
        int("no\x1b way")
    except ValueError:
        logger.exception("the thread died")
    lines = place.entry()["MESSAGE"].split("\n")
    assert lines[:2] == ["the thread died", "Traceback (most recent call last):"]
    assert lines[-1] == "ValueError: invalid literal for int() with base 10: 'no\\x1b way'"


def test_an_event_can_bring_its_error(place: Place) -> None:
    place.log(format="plain")
    log_event(logger, STORE_ALARM, OSError("disk full"), detail="no room")
    lines = place.lines()
    assert lines[0].endswith("error voicebridge.test: The store does not take what it is given: no room")
    assert lines[-1] == "OSError: disk full"


def test_lost_entries_are_counted_and_told_when_it_works_again(place: Place) -> None:
    log = place.log(format="journald", burst=10_000)
    sent = 0
    while not log.dropped:
        logger.info("x" * 1000)
        sent += 1
    logger.info("lost, too")
    for _ in range(sent - 1):
        place.entry()
    logger.info("heard again")
    first, second = place.entry(), place.entry()
    assert first["MESSAGE"] == "2 log entries were lost: they could not be written without waiting"
    assert first["PRIORITY"] == "4"
    assert second["MESSAGE"] == "heard again"
    assert log.dropped == 2


def test_lost_entries_are_told_although_nothing_more_is_logged(place: Place) -> None:
    log = place.log(format="plain", burst=10_000)
    while not log.dropped:
        logger.info("x" * 1000)
    log.flush()
    place.lines()
    log.flush()
    assert [line.split(": ", 1)[1] for line in place.lines()] == [
        "1 log entries were lost: they could not be written without waiting"
    ]
    log.flush()
    assert place.lines() == []
    assert log.counters() == {"log_dropped": 1, "log_suppressed": 0}


def test_a_line_waits_for_a_reader_that_is_late(place: Place) -> None:
    log = place.log(format="plain", burst=10_000)
    fcntl.fcntl(place.err, fcntl.F_SETPIPE_SZ, 4096)
    os.write(place.err, b"x" * 4096)
    reader = threading.Timer(0.05, place.lines)
    reader.start()
    logger.info("heard")
    reader.join()
    assert place.lines()[0].endswith("heard")
    assert log.dropped == 0


def test_a_stopped_terminal_does_not_stop_a_thread(place: Place) -> None:
    log = place.log(format="plain", burst=10_000)
    began = time.monotonic()
    for _ in range(500):
        logger.info("x" * 1000)
    assert time.monotonic() - began < 5
    assert log.dropped > 0
    place.lines()
    logger.info("heard again")
    told, last = place.lines()
    assert f"{log.dropped} log entries were lost" in told
    assert last.endswith("heard again")


def test_a_reader_that_is_gone_raises_nothing(tmp_path: Path) -> None:
    out, err = os.pipe()
    log = configure_logging(LogSettings(format="plain"), descriptor=err, environ={})
    os.close(out)
    logger.info("into nothing")
    assert log.dropped == 1
    log.close()
    os.close(err)


def test_a_closed_standard_error_raises_nothing() -> None:
    out, err = os.pipe()
    os.close(out)
    os.close(err)
    log = configure_logging(LogSettings(), descriptor=err, environ={})
    logger.info("into nothing")
    assert (log.form, log.dropped) == ("plain", 1)
    log.close()


def test_a_very_long_line_is_written_in_pieces(place: Place) -> None:
    place.log(format="plain")
    logger.info("%s", "x" * 20_000)
    assert place.lines()[0].endswith("x" * 20_000)


def test_a_pipe_gets_time_level_and_logger(place: Place) -> None:
    log = place.log()
    log_event(logger, GAP, seconds=0.5, reason="overflow")
    assert log.form == "plain"
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} warning voicebridge\.test: Gap of 0\.500 s: overflow",
        place.lines()[0],
    )


def test_a_stream_of_journald_means_the_native_protocol(place: Place) -> None:
    log = place.log(environ=journal_stream(place.err))
    assert log.form == "journald"


def test_the_stream_of_another_process_means_nothing(place: Place) -> None:
    assert place.log(environ={"JOURNAL_STREAM": "1:2"}).form == "plain"


def test_without_its_socket_journald_gets_lines_with_a_priority(place: Place) -> None:
    place.journal.unlink()
    log = place.log(environ=journal_stream(place.err))
    logger.error("broken")
    assert log.form == "plain"
    missing, broken = place.lines()
    assert missing.startswith("<4>journald's socket")
    assert broken == "<3>broken"


def test_every_line_of_a_traceback_has_the_priority(place: Place) -> None:
    place.log(environ=journal_stream(place.err), format="plain")
    logger.error("broken", exc_info=ValueError("x"))
    assert all(line.startswith("<3>") for line in place.lines())


@pytest.mark.parametrize("environ", [{}, {"NO_COLOR": "1"}])
def test_a_terminal_gets_short_lines_with_colours_unless_it_wants_none(environ: dict[str, str]) -> None:
    ours, theirs = pty.openpty()
    log = configure_logging(LogSettings(level="debug"), descriptor=theirs, environ=environ)
    logger.warning("careful")
    logger.debug("details")
    log.close()
    shown = b""
    while shown.count(b"\n") < 2:
        shown += os.read(ours, 4096)
    warning, debug = shown.decode().splitlines()
    os.close(ours)
    os.close(theirs)
    assert log.form == "terminal"
    if environ:
        assert re.fullmatch(r"\d\d:\d\d:\d\d warning careful", warning)
    else:
        assert "\x1b[33mwarning\x1b[0m careful" in warning
        assert "\x1b[2mdebug  \x1b[0m details" in debug


def test_libraries_are_heard_from_warnings_up(place: Place) -> None:
    place.log(format="plain", level="debug")
    logging.getLogger("faster_whisper").info("what was heard")
    logging.getLogger("faster_whisper").warning("trouble")
    assert [line.partition(": ")[2] for line in place.lines()] == ["trouble"]


def test_messages_below_the_level_are_not_logged(place: Place) -> None:
    place.log(format="plain", level="warning")
    log_event(logger, STARTED, version="1", session=1, source="a microphone")
    assert place.lines() == []


def test_level_and_transcripts_can_change_while_it_logs(place: Place) -> None:
    log = place.log(format="plain", level="warning", burst=1)
    logger.info("before")
    log.apply(LogSettings(level="info", transcripts=True, burst=2))
    for number in range(3):
        logger.info("after %d", number)
    log_announced(logger, UtteranceSettled(record()))
    lines = place.lines()
    assert [line.partition(": ")[2] for line in lines[:2]] == ["after 0", "after 1"]
    assert "turn on the light" in lines[2]


def test_python_warnings_are_logged(place: Place) -> None:
    place.log(format="plain")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old ways", UserWarning, stacklevel=1)
    assert "UserWarning: old ways" in place.lines()[0]


def test_repeats_are_limited_and_told_at_the_end(place: Place) -> None:
    log = place.log(format="plain", burst=2)
    for number in range(5):
        logger.info("again %d", number)
    assert len(place.lines()) == 2
    assert log.suppressed == 3
    log.flush()
    assert place.lines() == []
    log.close()
    assert place.lines()[0].endswith("3 more in 30 s, not logged, like: again 0")


def test_after_closing_nothing_of_it_is_left(place: Place) -> None:
    before = (logging.getLogger().level, list(logging.getLogger().handlers))
    log = place.log(format="plain")
    log.close()
    log.close()
    assert (logging.getLogger().level, list(logging.getLogger().handlers)) == before
    assert logging.getLogger("voicebridge").level == logging.NOTSET


def test_a_field_that_nobody_gave_reads_unknown(place: Place) -> None:
    place.log(format="plain")
    log_event(logger, GAP)
    assert place.lines()[0].endswith("Gap of unknown s: unknown")


def test_message_ids_are_fixed_and_different() -> None:
    ids = [message.message_id for message in CATALOGUE]
    assert len(set(ids)) == len(CATALOGUE)
    assert all(uuid.UUID(hex=message_id).hex == message_id for message_id in ids)


KEY = UtteranceKey(3, 0)
ENDED = EndedUtterance(KEY, Span(0, 16_000), Span(0, 16_000), 1.0, EndReason.HANGOVER, 0.0, 1.0)


@pytest.mark.parametrize(
    ("event", "name", "message"),
    [
        (UtteranceStored(PendingUtterance(7, ENDED)), "utterance_stored", "Utterance 7 stored, 1.0 s long"),
        (UtteranceSettled(record()), "utterance", "Utterance 7 transcribed, 1.5 s long"),
        (UtteranceSettled(record(Status.REJECTED)), "utterance", "Utterance 7 rejected: it repeats itself"),
        (
            UtteranceSettled(record(Status.FAILED, None)),
            "utterance",
            "Utterance 7 failed and is kept with its audio: it repeats itself",
        ),
        (GapNoted(Gap(Span(0, 8000), GapReason.OVERRUN)), "gap", "Gap of 0.500 s: overrun"),
        (CaptureChanged(False, "mic", "mic is gone"), "capture_lost", "Deaf: mic is gone"),
        (CaptureChanged(True, "mic", "Hearing mic", first=True), "capture_began", "Hearing mic"),
        (
            CaptureChanged(True, "mic", "mic is back", lost_seconds=4.25),
            "capture_back",
            "Hearing again after 4.2 s: mic is back",
        ),
        (
            DeviceMoved("decoy", "desk", "it was unplugged"),
            "device_moved",
            "The sound server moved the stream from desk to decoy: it was unplugged",
        ),
        (
            MuteChanged(True, "ann"),
            "muted",
            "Muted by ann: silence is stored in place of what the microphone hears",
        ),
        (MuteChanged(False, "ann"), "unmuted", "Unmuted by ann: what the microphone hears is stored again"),
        (
            SettingsReloaded(("vad.mode", "log.level"), ()),
            "reloaded",
            "Settings read again; in force: vad.mode, log.level; only after a restart: none",
        ),
        (
            SettingsReloaded((), (), "not TOML"),
            "reload_refused",
            "The settings were not taken, the old ones stay in force: not TOML",
        ),
        (EngineReady("sphinx", "en-us", 12.4), "engine_ready", "Engine sphinx is ready with model en-us after 12 ms"),
        (
            EngineFailed("whisper", "no model"),
            "engine_failed",
            "Engine whisper could not be loaded, utterances are kept as pending: no model",
        ),
        (StoreChanged(False, "full"), "store_alarm", "The store does not take what it is given: full"),
        (
            HealthChanged("deaf", "hearing", (("device_lost", "It is gone."),), ()),
            "health_worse",
            "Now deaf (was hearing): It is gone.",
        ),
        (
            HealthChanged("deaf", "deaf", (("disk_nearly_full", "The disk is full."),), ("low_level",)),
            "health_worse",
            "Still deaf: The disk is full.",
        ),
        (HealthChanged("degraded", "degraded", (), ("thermal",)), "health_better", "Still degraded; over: thermal"),
        (StoreChanged(True, "room"), "store_recovered", "The store takes again what it is given: room"),
    ],
)
def test_each_announcement_is_logged_as_its_event(place: Place, event: Event, name: str, message: str) -> None:
    place.log(format="journald", level="debug")
    log_announced(logger, event)
    entry = place.entry()
    assert (entry["VB_EVENT"], entry["MESSAGE"]) == (name, message)


def test_the_start_of_speech_is_not_logged(place: Place) -> None:
    place.log(format="plain", level="debug")
    log_announced(logger, SpeechStarted(0))
    assert place.lines() == []


def test_a_socket_that_leads_to_journald_is_known_without_its_word(tmp_path: Path) -> None:
    place = tmp_path / "stdout"
    with socket.socket(socket.AF_UNIX) as journald, socket.socket(socket.AF_UNIX) as stream:
        journald.bind(str(place))
        journald.listen()
        stream.connect(str(place))
        assert leads_to_journal(stream.fileno(), str(place))
        assert leads_to_journal(stream.fileno(), str(tmp_path / "std*"))
        assert not leads_to_journal(stream.fileno())
    with (tmp_path / "file").open("w") as file:
        assert not leads_to_journal(file.fileno(), str(place))
