"""What a person or program reads while it hears."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click import unstyle
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.daemon.hearing import SETTINGS, blocks
from tests.fakes.detector import quiet
from tests.fakes.engine import FakeEngine
from tests.fakes.source import MemorySource
from tests.fakes.utterances import ended
from voicebridge.cli.live import JsonPrinter, LivePrinter, Tally, delay_figures, json_line, notice
from voicebridge.cli.running_text import columns_of, running_line
from voicebridge.daemon.session import Orders, Report, hear
from voicebridge.domain.audio import Gap, GapReason, Span
from voicebridge.domain.errors import ExitCode
from voicebridge.domain.events import (
    CaptureChanged,
    DeviceMoved,
    EngineFailed,
    EngineReady,
    Event,
    GapNoted,
    MuteChanged,
    PartialHeard,
    SettingsReloaded,
    SpeechDiscarded,
    SpeechStarted,
    StoreChanged,
    StoreNotice,
    StoreNoticeKind,
    UtteranceSettled,
    UtteranceStored,
    WordsFound,
)
from voicebridge.domain.utterance import (
    DecodeKind,
    EndReason,
    PendingUtterance,
    Status,
    UtteranceKey,
    UtteranceRecord,
    Word,
)

GAP = GapNoted(Gap(Span(0, 8000), GapReason.DEVICE_LOST))


def settled(
    text: str | None = "turn on the light",
    status: Status = Status.DONE,
    delay_ms: float | None = 420.0,
    session_id: int = 1,
) -> Event:
    return UtteranceSettled(
        UtteranceRecord(
            utterance_id=7,
            session_id=session_id,
            status=status,
            start_sample=16_000,
            end_sample=48_000,
            started_at=1_700_000_000.0,
            ended_at=1_700_000_002.0,
            speech_ratio=0.8,
            end_reason=EndReason.HANGOVER,
            attempts=0,
            text=text,
            language="en",
            words=(Word("turn", 16_000, 20_000, 0.9),),
            confidence=0.9,
            avg_logprob=-0.2,
            no_speech_prob=0.01,
            compression_ratio=1.0,
            engine="whisper" if text else None,
            model="small" if text else None,
            decode_ms=100.0,
            delay_ms=delay_ms,
            reasons=() if status is Status.DONE else ("too quiet",),
            audio_path=None,
        )
    )


class Screen:
    """Takes what is printed, as click.echo does."""

    def __init__(self) -> None:
        self.shown = ""

    def __call__(self, text: str, nl: bool = True) -> None:
        self.shown += text + ("\n" if nl else "")


def partial(stable: str, tentative: str = "", start_sample: int = 16_000) -> PartialHeard:
    return PartialHeard(UtteranceKey(1, start_sample), stable, tentative, start_sample + 16_000)


def shown(*events: Event, terminal: bool = False) -> str:
    screen = Screen()
    printer = LivePrinter(terminal, screen, columns=lambda: 40)
    for event in events:
        printer.show(event)
    return screen.shown


def test_an_utterance_is_a_line_with_its_delay_and_engine() -> None:
    line = shown(settled())
    assert "turn on the light" in line
    assert "0.42 s" in line
    assert "[whisper]" in line


def test_what_was_heard_cannot_steer_the_terminal() -> None:
    assert "\x1b[2J" not in shown(settled("red \x1b[2J alert"))


def test_a_rejected_utterance_shows_why_and_not_its_text() -> None:
    line = shown(settled("thanks for watching", Status.REJECTED))
    assert "(rejected: too quiet)" in line
    assert "thanks" not in line


def test_a_failed_utterance_shows_why() -> None:
    assert "(failed: too quiet)" in shown(settled(None, Status.FAILED, None))


def test_the_hint_on_a_terminal_is_overwritten() -> None:
    text = shown(SpeechStarted(0), settled(), terminal=True)
    assert "hearing speech" in text
    assert text.count("\r\x1b[2K") == 2
    assert text.endswith("\n")


def test_speech_that_came_to_nothing_takes_its_hint_away() -> None:
    text = shown(SpeechStarted(0), SpeechDiscarded(0), settled(), terminal=True)
    assert text.count("\r\x1b[2K") == 2


def test_there_are_no_hints_in_a_file() -> None:
    assert shown(SpeechStarted(0), SpeechDiscarded(0)) == ""


def last_line(text: str) -> str:
    """Return what stands in the last line of a terminal, with its styles."""
    return text.rpartition("\n")[2].rpartition("\r\x1b[2K")[2]


def test_what_is_being_said_stands_in_the_last_line_and_what_may_change_is_dim() -> None:
    text = shown(SpeechStarted(0), partial("turn on", " the light"), terminal=True)
    assert last_line(text) == "… turn on\x1b[2m the light …\x1b[0m"
    assert "\n" not in text


def test_the_text_takes_the_place_of_what_was_being_said() -> None:
    text = shown(partial("turn on"), settled(), terminal=True)
    assert text.endswith("\n")
    assert "turn on" not in text.rpartition("\r\x1b[2K")[2].replace("turn on the light", "")


def test_what_is_being_said_still_stands_there_after_the_text_of_what_was_said_before_it() -> None:
    text = shown(partial("and off", start_sample=90_000), settled(), terminal=True)
    assert last_line(text).startswith("… and off")


def test_what_is_being_said_is_not_shown_where_it_cannot_be_taken_away() -> None:
    assert shown(partial("turn on"), partial("turn on", " the")) == ""


def test_what_is_being_said_cannot_steer_the_terminal() -> None:
    assert "\x1b[2J" not in shown(partial("red \x1b[2J", " \x1b[2J alert"), terminal=True)


def test_the_summary_takes_the_place_of_what_was_being_said() -> None:
    screen = Screen()
    printer = LivePrinter(True, screen, columns=lambda: 40)
    printer.show(partial("turn on"))
    printer.finish(Report(ExitCode.OK, None, 1, 9.0, Path("x"), stopped=True, ended=False))
    assert screen.shown.rpartition("\r\x1b[2K")[2].startswith("     heard  9.0 s\n")


@given(st.text(max_size=80), st.text(max_size=80), st.integers(1, 60))
@settings(max_examples=100)
def test_what_is_being_said_never_takes_two_lines(stable: str, tentative: str, columns: int) -> None:
    line = unstyle(running_line(partial(stable, tentative), columns))
    assert columns_of(line) < max(columns, 5)
    assert line.splitlines() == [line]


@pytest.mark.parametrize(
    ("said", "columns", "line"),
    [
        (partial("once upon a time there was", " a king"), 25, "… ime there was a king …"),
        (partial("once upon a time", " there was a king"), 12, "…  a king …"),
        (partial("打开厨房的灯"), 14, "… 厨房的灯 …"),
        (partial("打开厨房的灯"), 15, "… 开厨房的灯 …"),
    ],
)
def test_of_long_speech_the_newest_end_is_shown(said: PartialHeard, columns: int, line: str) -> None:
    assert unstyle(running_line(said, columns)) == line


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (GAP, "0.50 s of audio were lost (device_lost)"),
        (CaptureChanged(False, "Desk", "The microphone \x1b is gone."), "The microphone   is gone."),
        (StoreChanged(False, "The disk is full."), "The disk is full."),
        (StoreNotice(StoreNoticeKind.RESERVE_BACK, "There is room again."), "There is room again."),
        (DeviceMoved("Monitor", "Desk", "Moved."), "Moved."),
        (MuteChanged(True, "ada"), "muted, by ada"),
        (MuteChanged(False, "SIGUSR2"), "not muted any more, by SIGUSR2"),
        (SettingsReloaded((), ()), "settings read again, in force: nothing new"),
        (
            SettingsReloaded(("log.level",), ("vad.mode",)),
            "settings read again, in force: log.level; only after a restart: vad.mode",
        ),
        (SettingsReloaded((), (), "No \x1b TOML."), "the settings were not taken: No   TOML."),
        (EngineReady("whisper", "small", 1500.0), "whisper (small) is ready after 1.5 s"),
        (EngineFailed("whisper", "no model"), "whisper cannot be used: no model"),
    ],
)
def test_what_happens_to_hearing_is_a_line(event: Event, words: str) -> None:
    assert notice(event) == f"-- {words}"
    assert words in shown(event)


def test_programs_get_utterances_and_gaps() -> None:
    screen = Screen()
    printer = JsonPrinter(screen)
    for event in (SpeechStarted(0), GAP, settled("schön \x9b")):
        printer.show(event)
    gap, utterance = (json.loads(line) for line in screen.shown.splitlines())
    assert gap == {"gap": "device_lost", "start": 0, "end": 8000}
    assert (utterance["text"], utterance["started_at"]) == ("schön \x9b", "2023-11-14T22:13:20.000Z")
    assert utterance["words"] == [{"text": "turn", "start_sample": 16_000, "end_sample": 20_000, "probability": 0.9}]
    assert "\x9b" not in screen.shown
    assert printer.tally.done == 1


def test_programs_are_told_how_a_text_came_about() -> None:
    event = settled()
    assert isinstance(event, UtteranceSettled)
    made = replace(event.record, window_seconds=10.0, fallback="no_end", kind=DecodeKind.SPECULATIVE)
    (told,) = told_to_programs(UtteranceSettled(made))
    assert (told["decode_kind"], told["window_seconds"], told["fallback"]) == ("speculative", 10.0, "no_end")


def told_to_programs(event: Event, *, transcripts: bool = True) -> list[dict[str, object]]:
    screen = Screen()
    JsonPrinter(screen, transcripts=transcripts).show(event)
    return [json.loads(line) for line in screen.shown.splitlines()]


def test_programs_get_what_is_being_said_in_its_two_parts() -> None:
    (told,) = told_to_programs(partial("turn on", " the"))
    bounds = {"start_sample": 16_000, "end_sample": 32_000}
    assert told == {"event": "partial", "stable": "turn on", "tentative": " the", **bounds}


def test_programs_get_the_times_of_words_when_they_are_found() -> None:
    (told,) = told_to_programs(WordsFound(7, (Word("turn", 16_000, 20_000, 0.9),), 0.9))
    word = {"text": "turn", "start_sample": 16_000, "end_sample": 20_000, "probability": 0.9}
    assert told == {"event": "words", "utterance": 7, "confidence": 0.9, "words": [word]}


@pytest.mark.parametrize("event", [partial("turn on"), WordsFound(7, (Word("turn", 0, 1, 0.9),), 0.9)])
def test_where_texts_are_left_out_no_event_has_them(event: Event) -> None:
    assert told_to_programs(event, transcripts=False) == []


def test_json_keeps_letters_and_escapes_what_steers() -> None:
    assert json_line({"text": "schön\u202e"}) == '{"text": "schön\\u202e"}'


def test_the_summary_tells_what_came_of_everything() -> None:
    tally = Tally()
    stored = UtteranceStored(PendingUtterance(99, ended()))
    events = (settled(), settled("x", Status.REJECTED, None), settled(None, Status.FAILED, None), GAP, stored)
    for event in events:
        tally.take(event)
    assert tally.summary(3725.0, Path("/data/voicebridge.db")).splitlines() == [
        "     heard  1 h 2 min",
        "      text  1 utterance, 1 rejected (voicebridge history --rejected), 1 failed (voicebridge history --failed)",
        "   waiting  1 utterance, decoded at the next start",
        "      gaps  1, 0.5 s lost",
        "     delay  median 0.42 s, p95 0.42 s, max 0.42 s (end of speech to text)",
        "  database  /data/voicebridge.db",
    ]


def test_the_summary_tells_earlier_runs_utterances_apart() -> None:
    tally = Tally()
    tally.begin(2, left=(6, 7, 8))
    tally.take(settled(delay_ms=None))
    tally.take(settled(session_id=2))
    assert tally.summary(9.0, Path("x")).splitlines()[1:4] == [
        "      text  1 utterance",
        " recovered  1 utterance from an earlier run",
        "   waiting  2 utterances, decoded at the next start",
    ]


@pytest.mark.parametrize(
    ("seconds", "words"), [(59.4, "59.4 s"), (59.6, "1 min 0 s"), (61.0, "1 min 1 s"), (3600.0, "1 h 0 min")]
)
def test_lengths_are_told_in_fitting_units(seconds: float, words: str) -> None:
    assert Tally().summary(seconds, Path("x")).splitlines()[0] == f"     heard  {words}"


def test_delays_are_told_by_their_order() -> None:
    delays = [float(delay) for delay in range(1, 101)]
    assert delay_figures([d * 10 for d in delays]) == "median 0.51 s, p95 0.96 s, max 1.00 s"


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (CaptureChanged(True, "desk", "Hearing.", first=True), "capture_began"),
        (CaptureChanged(False, "desk", "Gone."), "capture_lost"),
        (CaptureChanged(True, "desk", "Back."), "capture_back"),
        (StoreNotice(StoreNoticeKind.RESERVE_BACK, "Free."), "reserve_back"),
        (DeviceMoved("Monitor", "Desk", "Moved."), "device_moved"),
        (MuteChanged(True, "ada"), "muted"),
        (MuteChanged(False, "ada"), "unmuted"),
        (SettingsReloaded(("log.level",), ()), "reloaded"),
        (SettingsReloaded((), (), "No TOML."), "reload_refused"),
        (StoreChanged(False, "Full."), "store_alarm"),
        (StoreChanged(True, "Free."), "store_recovered"),
        (EngineReady("whisper", "base.en", 900.0), "engine_ready"),
        (EngineFailed("whisper", "No model."), "engine_failed"),
    ],
)
def test_programs_are_told_of_trouble_too(event: Event, told: str) -> None:
    screen = Screen()
    JsonPrinter(screen).show(event)
    assert json.loads(screen.shown)["event"] == told


def test_what_must_not_be_told_is_left_out_and_the_rest_is_not() -> None:
    screen = Screen()
    JsonPrinter(screen, transcripts=False).show(settled())
    told = json.loads(screen.shown)
    assert (told["id"], told["delay_ms"]) == (7, 420.0)
    assert not {"text", "words"} & told.keys()
    assert "light" not in screen.shown


@pytest.mark.parametrize("paced", [True, False])
def test_programs_are_told_when_audio_was_lost_where_that_is_known(tmp_path: Path, paced: bool) -> None:
    screen = Screen()
    printer = JsonPrinter(screen)
    source = MemorySource([*blocks(quiet(0.5)), 1600, *blocks(quiet(0.5))], paced=paced)
    hear(Orders(SETTINGS, tmp_path, lambda _: source, engine=FakeEngine()), printer.show, printer.greet)
    told = [json.loads(line) for line in screen.shown.splitlines()]
    assert (told[0]["event"], told[0]["source"]) == ("started", "memory")
    (gap,) = [one for one in told if "gap" in one]
    assert (gap["start"], gap["end"]) == (8000, 9600)
    assert ("started_at" in gap) is paced
    assert gap.get("started_at", "") <= gap.get("ended_at", "")
