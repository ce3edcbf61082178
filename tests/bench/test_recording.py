"""Recording the owner's voice: what is refused, what is kept, and how a session goes on."""

import io
import json
import subprocess
import sys
import wave
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from rich.console import Console

from tests.pulse import PulseServer
from voicebridge.domain.audio import GapReason, Samples
from voicebridge.domain.errors import DeviceError, VoicebridgeError
from voicebridge_bench.corpora.folder import read_corpus
from voicebridge_bench.corpora.levels import as_samples
from voicebridge_bench.recording import tape
from voicebridge_bench.recording.judging import Take, looks_of, refusal, room_warning, warning
from voicebridge_bench.recording.manifest import Folder
from voicebridge_bench.recording.sentences import SENTENCES, read_sentences
from voicebridge_bench.recording.session import MAX_REFUSED, Answer, Session
from voicebridge_bench.recording.tape import Tape
from voicebridge_bench.recording.terminal import Terminal
from voicebridge_bench.speech_corpus import say
from voicebridge_bench.words import normalised


def _speech(amplitude: float = 8000, noise: float = 20, seconds: float = 2.0) -> Samples:
    generator = np.random.default_rng(1)
    count = int(seconds * 16_000)
    tone = amplitude * np.sin(np.arange(count) * 0.2) * (np.arange(count) > count // 2)
    return as_samples(tone + noise * generator.standard_normal(count))


GOOD = Take(_speech(), 1.0, complete=True)


def test_a_good_take_is_not_refused() -> None:
    assert refusal(GOOD) == ""
    assert warning(looks_of(GOOD.samples)) == ""


@pytest.mark.parametrize(
    ("take", "said"),
    [
        (Take(np.zeros(16_000, np.int16), 0.0, complete=False), "digital silence"),
        (Take(_speech(60_000), 1.0, complete=True), "clipped"),
        (Take(_speech(0), 0.1, complete=False), "No speech was heard"),
        (Take(_speech(60, noise=1), 1.0, complete=True), "Too quiet"),
        (Take(_speech(), 1.0, complete=False), "cut off"),
        (Take(_speech(), 1.0, complete=True, lost_samples=640), "Audio was lost"),
    ],
)
def test_what_cannot_be_used_is_refused_with_advice(take: Take, said: str) -> None:
    assert said in refusal(take)


def test_speech_in_a_loud_room_is_kept_with_a_warning() -> None:
    take = Take(_speech(3000, noise=1500), 1.0, complete=True)
    assert refusal(take) == ""
    assert "above the noise of the room" in warning(looks_of(take.samples))


def test_a_room_is_told_to_be_loud_or_dead() -> None:
    assert room_warning(_speech(0, noise=20)) == ""
    assert "loud" in room_warning(_speech(0, noise=2000))
    assert "muted" in room_warning(np.zeros(16_000, np.int16))


def test_every_sentence_of_ours_can_be_read_and_compared() -> None:
    assert len(set(SENTENCES)) == len(SENTENCES) == 40
    assert all(3 <= len(normalised(sentence).split()) <= 20 for sentence in SENTENCES)


def test_sentences_come_from_a_file_each_once(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("Eins zwei.\n\n  Drei  vier. \nEins zwei.\n")
    assert read_sentences(tmp_path / "own.txt") == ["Eins zwei.", "Drei vier."]


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"\n\n", "no sentence"), (b"\xff\xfe", "UTF-8"), (b"a " * 200, "number 1"), (b"...", "number 1")],
)
def test_sentences_that_cannot_be_read_aloud_are_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "own.txt").write_bytes(content)
    with pytest.raises(VoicebridgeError, match=said):
        read_sentences(tmp_path / "own.txt")


def test_a_file_of_sentences_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(VoicebridgeError, match="cannot be read"):
        read_sentences(tmp_path / "none.txt")


class Scripted:
    """Implements Reader: answers in order, then quits."""

    def __init__(self, ready: Iterable[Literal["speak", "skip", "quit"]], decisions: Iterable[Answer] = ()) -> None:
        self._ready, self._decisions = iter(ready), iter(decisions)
        self.told: list[str] = []
        self.prompted: list[tuple[str, int, int]] = []

    def prompt(self, text: str, number: int, total: int) -> Literal["speak", "skip", "quit"]:
        self.prompted.append((text, number, total))
        return next(self._ready, "quit")

    def speak(self) -> None:
        pass

    def decide(self, told: str) -> Answer:
        self.told.append(told)
        return next(self._decisions, "keep")

    def tell(self, told: str) -> None:
        self.told.append(told)


class Played:
    """Implements the microphone of a session: takes in order, the last one again and again."""

    name = "a played microphone"

    def __init__(self, *takes: Take) -> None:
        self._takes = list(takes)

    def take(self) -> Take:
        return self._takes.pop(0) if len(self._takes) > 1 else self._takes[0]

    def room(self, seconds: float) -> Samples:
        return _speech(0, seconds=seconds)


def test_takes_that_are_kept_are_a_corpus(tmp_path: Path) -> None:
    tally = Session(Folder(tmp_path, "kitchen"), Played(GOOD), Scripted(["speak", "speak"])).run(["One two.", "Three."])
    assert (tally.kept, tally.left) == (2, 0)
    spoken = read_corpus(tmp_path).spoken
    assert [item.text for item in spoken] == ["One two.", "Three."]
    assert np.array_equal(spoken[0].samples, GOOD.samples)
    manifest = json.loads((tmp_path / "recordings.json").read_text())
    assert manifest["room"] == "kitchen"
    assert manifest["takes"][0]["device"] == "a played microphone"


def test_a_session_goes_on_where_it_was_left(tmp_path: Path) -> None:
    sentences = ["One.", "Two.", "Three."]
    Session(Folder(tmp_path, "kitchen"), Played(GOOD), Scripted(["speak", "quit"])).run(sentences)
    reader = Scripted(["speak", "speak"])
    tally = Session(Folder(tmp_path, ""), Played(GOOD), reader).run(sentences)
    assert reader.prompted == [("Two.", 2, 3), ("Three.", 3, 3)]
    assert (tally.kept, tally.left, tally.quit) == (2, 0, False)


def test_a_take_whose_audio_was_deleted_is_recorded_again(tmp_path: Path) -> None:
    Session(Folder(tmp_path, "kitchen"), Played(GOOD), Scripted(["speak"])).run(["One."])
    next(tmp_path.glob("*.wav")).unlink()
    assert Session(Folder(tmp_path, ""), Played(GOOD), Scripted(["speak"])).run(["One."]).kept == 1
    assert len(Folder(tmp_path, "").manifest.takes) == 1


def test_a_refused_take_is_told_and_read_again(tmp_path: Path) -> None:
    reader = Scripted(["speak", "speak"])
    clipped = Take(_speech(60_000), 1.0, complete=True)
    tally = Session(Folder(tmp_path, "kitchen"), Played(clipped, GOOD), reader).run(["One."])
    assert (tally.refused, tally.kept) == (1, 1)
    assert any("clipped" in told for told in reader.told)


def test_redo_skip_and_quit_are_done(tmp_path: Path) -> None:
    reader = Scripted(["speak", "speak", "speak", "skip", "speak"], ["redo", "keep", "skip", "quit"])
    tally = Session(Folder(tmp_path, "kitchen"), Played(GOOD), reader).run(["One.", "Two.", "Three.", "Four.", "Five."])
    assert (tally.kept, tally.skipped, tally.quit, tally.left) == (1, 2, True, 4)


def test_a_sentence_that_never_works_is_left_out(tmp_path: Path) -> None:
    silent = Take(np.zeros(1600, np.int16), 0.0, complete=False)
    tally = Session(Folder(tmp_path, "kitchen"), Played(silent), Scripted(["speak"] * 99)).run(["One."])
    assert (tally.refused, tally.skipped, tally.kept) == (MAX_REFUSED, 1, 0)


def test_a_room_has_a_folder_of_its_own(tmp_path: Path) -> None:
    Session(Folder(tmp_path, "kitchen"), Played(GOOD), Scripted(["speak"])).run(["One."])
    with pytest.raises(VoicebridgeError, match="recordings of the room 'kitchen', not 'hall'"):
        Folder(tmp_path, "hall")


def test_a_damaged_list_is_told(tmp_path: Path) -> None:
    (tmp_path / "recordings.json").write_text("{}")
    with pytest.raises(VoicebridgeError, match="no list of recordings"):
        Folder(tmp_path, "")


class LoudDetector:
    """Implements Detector by loudness alone."""

    def is_speech(self, frame: Samples) -> bool:
        return int(np.abs(frame).max()) > 1000

    def reset(self) -> None:
        pass


def _taped(*parts: Samples) -> Tape:
    """Return a tape that is fed while it is listened to: what came before a take does not belong to it."""

    class Fed(Tape):
        def _forget(self) -> None:
            super()._forget()
            for part in parts:
                for first in range(0, len(part), 640):
                    self.write(part[first : first + 640])

    return Fed(LoudDetector())


LOUD, QUIET = np.full(16_000, 5000, np.int16), np.full(48_000, 3, np.int16)


def test_a_take_ends_when_whoever_speaks_is_silent() -> None:
    take = _taped(QUIET[:8000], LOUD, QUIET, LOUD).take()
    assert take.complete
    assert take.speech_seconds == 1.0
    assert len(take.samples) == pytest.approx(8000 + 16_000 + 1.2 * 16_000, abs=320)


def test_who_does_not_begin_is_not_waited_for() -> None:
    take = _taped(np.tile(QUIET, 10)).take()
    assert not take.complete
    assert take.speech_seconds == 0
    assert len(take.samples) == 8 * 16_000


def test_who_does_not_end_is_cut_off() -> None:
    take = _taped(np.tile(LOUD, 30)).take()
    assert not take.complete
    assert len(take.samples) == 25 * 16_000


def test_what_finds_no_room_and_what_is_lost_is_counted() -> None:
    recorder = _taped(LOUD, QUIET)
    take = recorder.take()
    assert take.lost_samples == 0
    for _ in range(tape.BLOCKS_HELD + 5):
        recorder.write(LOUD[:640])
    recorder.write_gap(100, GapReason.OVERFLOW)
    assert recorder._lost_samples > 5 * 640


def test_a_microphone_that_gives_nothing_is_told() -> None:
    with pytest.raises(DeviceError, match="gives nothing any more"):
        _taped(LOUD).take()


def _terminal(monkey_input: str) -> tuple[Terminal, io.StringIO]:
    out = io.StringIO()

    class Typed(Console):
        lines = iter(monkey_input.splitlines())

        def input(self, *_args: object, **_options: object) -> str:
            try:
                return next(self.lines)
            except StopIteration:
                raise EOFError from None

    return Terminal(Typed(file=out)), out


def test_wrong_answers_are_asked_again_and_the_end_of_input_quits() -> None:
    terminal, out = _terminal("x\ns\n\nr")
    assert terminal.prompt("Turn on [the] lights.", 1, 2) == "skip"
    assert terminal.prompt("Two.", 2, 2) == "speak"
    assert terminal.decide("fine") == "redo"
    assert terminal.decide("fine") == "quit"
    terminal.speak()
    assert "Turn on [the] lights." in out.getvalue()


@pytest.mark.slow
@pytest.mark.pulse
def test_a_sentence_is_recorded_from_a_real_microphone(pulse: PulseServer, tmp_path: Path) -> None:
    spoken = tmp_path / "spoken.wav"
    with wave.open(str(spoken), "wb") as out:
        out.setparams((1, 2, 16_000, 0, "NONE", "none"))
        out.writeframes(say("Turn on the kitchen lights.").tobytes())
    folder = tmp_path / "room"
    bench = str(Path(sys.executable).parent / "voicebridge-bench")
    call = [bench, "record", str(folder), "--room", "test", "--count", "1"]
    with subprocess.Popen(
        call,
        env={**pulse.environment, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n\n")
        process.stdin.flush()
        while "Speak." not in (line := process.stdout.readline()):
            assert line, "it ended before it began to record"
        pulse.play(spoken)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0, rest
    assert "1 kept" in rest
    (item,) = read_corpus(folder).spoken
    assert item.text == SENTENCES[0]
    assert 1.5 < len(item.samples) / 16_000 < 10
