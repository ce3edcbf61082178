import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import SpeechError
from voicebridge.settings.schema import SphinxSettings
from voicebridge.speech.sphinx import SphinxEngine
from voicebridge.speech.sphinx_process import LENGTH, ModelFolderError, Recognizer, model_files, serve
from voicebridge_bench.speech_corpus import human_recordings

RECORDINGS = {recording.name: recording.samples for recording in human_recordings()}
GO_FORWARD = RECORDINGS["goforward.raw"]
NUMBERS = RECORDINGS["numbers.raw"]


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer(None)


@pytest.fixture(scope="module")
def engine() -> Iterator[SphinxEngine]:
    engine = SphinxEngine(SphinxSettings())
    engine.load()
    yield engine
    engine.close()


def _packaged_model() -> Path:
    import pocketsphinx

    return Path(pocketsphinx.get_model_path()) / "en-us"


def _frame(audio: Samples) -> bytes:
    return LENGTH.pack(audio.nbytes) + audio.tobytes()


def _answers(source: bytes, model_dir: Path | None = None) -> list[dict[str, object]]:
    sink = io.BytesIO()
    serve(io.BytesIO(source), sink, model_dir)
    return [json.loads(line) for line in sink.getvalue().splitlines()]


def test_a_person_is_understood(engine: SphinxEngine) -> None:
    assert engine.decode(GO_FORWARD, 0).text == "go forward ten meters"


def test_words_stand_where_they_are_spoken(engine: SphinxEngine) -> None:
    words = engine.decode(GO_FORWARD, 500).words
    assert [word.text for word in words] == ["go", "forward", "ten", "meters"]
    loud = np.flatnonzero(np.abs(GO_FORWARD) > 1500)
    assert words[0].start_sample - 500 <= loud[0] + 1600
    assert abs(words[-1].end_sample - 500 - loud[-1]) < 4800


def test_it_decodes_in_another_process(engine: SphinxEngine) -> None:
    assert engine.process_id not in (None, os.getpid())


def test_numbered_pronunciations_and_fillers_are_left_out(recognizer: Recognizer) -> None:
    words = recognizer.words(NUMBERS.tobytes())
    assert len(words) == 7
    assert all(word["text"].isalpha() for word in words)


def test_probabilities_are_at_most_one(recognizer: Recognizer) -> None:
    assert all(0 < word["probability"] <= 1 for word in recognizer.words(NUMBERS.tobytes()))


def test_an_utterance_does_not_change_the_next(recognizer: Recognizer) -> None:
    order = ("numbers.raw", "goforward.raw", "something.raw")
    forwards = {name: recognizer.words(RECORDINGS[name].tobytes()) for name in order}
    backwards = {name: recognizer.words(RECORDINGS[name].tobytes()) for name in reversed(order)}
    assert forwards == backwards


def test_no_audio_has_no_words(recognizer: Recognizer) -> None:
    assert recognizer.words(b"") == []


def test_a_process_that_dies_costs_one_decode() -> None:
    engine = SphinxEngine(SphinxSettings())
    engine.load()
    assert engine.process_id is not None
    os.kill(engine.process_id, signal.SIGKILL)
    with pytest.raises(SpeechError, match="ended with status -9"):
        engine.decode(GO_FORWARD, 0)
    assert engine.process_id is None
    assert engine.decode(GO_FORWARD, 0).text == "go forward ten meters"
    assert engine.restarts == 1
    engine.close()


def test_closing_ends_the_process() -> None:
    engine = SphinxEngine(SphinxSettings())
    engine.load()
    assert engine.process_id is not None
    process = psutil.Process(engine.process_id)
    engine.close()
    assert not process.is_running()


def test_a_process_that_does_not_end_is_killed() -> None:
    engine = SphinxEngine(SphinxSettings())
    engine.load()
    assert engine.process_id is not None
    process = psutil.Process(engine.process_id)
    process.suspend()
    engine.close()
    assert not process.is_running()


def test_loading_twice_keeps_the_process(engine: SphinxEngine) -> None:
    before = engine.process_id
    engine.load()
    assert engine.process_id == before


def test_a_model_folder_of_ones_own_is_used() -> None:
    engine = SphinxEngine(SphinxSettings(model_dir=_packaged_model()))
    engine.load()
    assert engine.info.model == "en-us"
    assert engine.decode(GO_FORWARD, 0).text == "go forward ten meters"
    engine.close()


def test_a_model_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    engine = SphinxEngine(SphinxSettings(model_dir=tmp_path / "nowhere"))
    with pytest.raises(SpeechError, match=r"no PocketSphinx model folder .*nowhere.*sphinx\.model_dir"):
        engine.load()


def test_a_model_folder_that_lacks_files_is_refused(tmp_path: Path) -> None:
    engine = SphinxEngine(SphinxSettings(model_dir=tmp_path))
    with pytest.raises(SpeechError, match=r"missing an acoustic model \(mdef\), a language model"):
        engine.load()
    assert engine.process_id is None


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    for name in ("mdef", "x.lm.bin", "x.dict"):
        (tmp_path / name).write_bytes(b"nothing")
    with pytest.raises(SpeechError, match="cannot load its model"):
        SphinxEngine(SphinxSettings(model_dir=tmp_path)).load()


def test_the_packaged_model_is_recognised_as_a_folder() -> None:
    files = model_files(_packaged_model())
    assert [Path(files[part]).name for part in ("hmm", "lm", "dict")] == ["en-us", "en-us.lm.bin", "cmudict-en-us.dict"]


def test_a_folder_without_a_dictionary_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "hmm").mkdir()
    (tmp_path / "hmm" / "mdef").touch()
    (tmp_path / "a.lm.bin").touch()
    with pytest.raises(ModelFolderError, match=r"missing a dictionary \(\*\.dict\)$"):
        model_files(tmp_path)


def test_the_process_answers_each_utterance_in_order() -> None:
    ready, first, second = _answers(_frame(GO_FORWARD) + _frame(np.zeros(0, np.int16)))
    assert ready == {"ready": True}
    assert isinstance(first["words"], list)
    assert [word["text"] for word in first["words"]] == ["go", "forward", "ten", "meters"]
    assert second == {"words": []}


@pytest.mark.parametrize("cut", [2, 1000])
def test_the_process_ends_with_its_input_even_in_mid_utterance(cut: int) -> None:
    assert _answers(_frame(GO_FORWARD)[:cut]) == [{"ready": True}]


def test_the_process_says_why_it_cannot_load(tmp_path: Path) -> None:
    (answer,) = _answers(b"", tmp_path)
    assert "missing" in str(answer["error"])


def test_no_alarm_runs_while_it_waits_for_an_utterance() -> None:
    class Waiting(io.BytesIO):
        alarm_seconds = -1.0

        def read(self, size: int | None = -1) -> bytes:
            self.alarm_seconds = signal.getitimer(signal.ITIMER_REAL)[0]
            return super().read(size)

    source = Waiting()
    serve(source, io.BytesIO(), None)
    assert source.alarm_seconds == 0


PARENT = """
import os, signal, sys
from voicebridge.settings.schema import SphinxSettings
from voicebridge.speech.sphinx import SphinxEngine
engine = SphinxEngine(SphinxSettings())
engine.load()
if os.fork() == 0:
    # Holds the pipes open, so that the end of its input is not what ends the engine's process.
    sys.stdin.read()
    os._exit(0)
print(engine.process_id, flush=True)
signal.pause()
"""


def has_ended(process: psutil.Process) -> bool:
    # Where nobody collects the processes of dead parents, the entry stays.
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_process_dies_with_its_parent_at_once(how: signal.Signals) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=pipe, stdout=pipe, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        assert not has_ended(child)
        parent.send_signal(how)
        parent.wait(30)
        deadline, pause = time.monotonic() + 10, threading.Event()
        while not has_ended(child):
            assert time.monotonic() < deadline, "it lives on without its parent"
            pause.wait(0.01)


def test_a_process_whose_parent_died_before_it_could_ask_does_not_stay() -> None:
    call = [sys.executable, "-P", "-m", "voicebridge.speech.sphinx_process", "1"]  # the parent is another
    done = subprocess.run(call, input=b"", capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (1, b"")


def test_the_parent_is_known() -> None:
    code = (
        "import os; from voicebridge.speech.sphinx_process import die_with; print(die_with(os.getppid()), die_with(1))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_a_process_that_cannot_be_started_again_is_nobodys_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = SphinxEngine(SphinxSettings())
    engine.load()
    assert engine.process_id is not None
    os.kill(engine.process_id, signal.SIGKILL)
    with pytest.raises(SpeechError):
        engine.decode(GO_FORWARD, 0)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(SpeechError) as caught:
        engine.decode(GO_FORWARD, 0)
    assert caught.value.transient
    engine.close()


def test_a_process_that_cannot_be_started_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    engine = SphinxEngine(SphinxSettings())
    with pytest.raises(SpeechError, match="cannot be started: No such file"):
        engine.load()
    assert engine.process_id is None
