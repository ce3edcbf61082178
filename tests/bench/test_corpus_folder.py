"""Folders of recordings in the forms that they come in, and those that cannot be used."""

import wave
from pathlib import Path

import numpy as np
import pytest

from voicebridge.domain.errors import AudioError, ExitCode, VoicebridgeError
from voicebridge_bench.corpora.audio_file import read_audio
from voicebridge_bench.corpora.folder import look_through, read_corpus


def _wav(path: Path, seconds: float = 0.5, rate: int = 16_000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = (3000 * np.sin(np.arange(int(seconds * rate)) / 5)).astype("<i2")
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(samples.tobytes())
    return path


def _texts(folder: Path) -> dict[str, str]:
    return {item.path.name: item.text for item in look_through(folder)[0]}


def test_a_recording_has_its_text_beside_it(tmp_path: Path) -> None:
    _wav(tmp_path / "a.wav").with_suffix(".txt").write_text("Turn on\nthe lights.\n")
    assert _texts(tmp_path) == {"a.wav": "Turn on the lights."}


def test_a_table_names_file_and_text_and_may_have_a_header(tmp_path: Path) -> None:
    _wav(tmp_path / "b.wav")
    _wav(tmp_path / "deep" / "c.wav")
    (tmp_path / "transcripts.tsv").write_text("file\ttext\nb.wav\tone two\n\ndeep/c.wav\tthree\n")
    assert _texts(tmp_path) == {"b.wav": "one two", "c.wav": "three"}


def test_librispeech_names_recordings_without_their_ending(tmp_path: Path) -> None:
    _wav(tmp_path / "19" / "198" / "19-198-0001.wav")
    (tmp_path / "19" / "198" / "19-198.trans.txt").write_text("19-198-0001 NORTHANGER ABBEY\n")
    assert _texts(tmp_path) == {"19-198-0001.wav": "NORTHANGER ABBEY"}


def test_the_same_text_twice_is_one_recording(tmp_path: Path) -> None:
    _wav(tmp_path / "a.wav").with_suffix(".txt").write_text("One two.")
    (tmp_path / "transcripts.tsv").write_text("a.wav\tone two\n")
    assert len(_texts(tmp_path)) == 1


def test_a_recording_without_a_text_is_told(tmp_path: Path) -> None:
    _wav(tmp_path / "a.wav").with_suffix(".txt").write_text("one")
    _wav(tmp_path / "b.wav")
    assert look_through(tmp_path)[1] == ["1 recordings have no transcript, such as b.wav."]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "holds no recordings"),
        ({"a.wav": ""}, "1 recordings without a transcript"),
        ({"a.wav": "", "a.txt": " ,. "}, "has no words"),
        ({"a.wav": "", "a.txt": "one", "transcripts.tsv": "a.wav\ttwo"}, "has two transcripts"),
        ({"a.wav": "", "transcripts.tsv": "a.wav one"}, "line 1: there is no tab"),
        ({"transcripts.tsv": "gone.wav\tone"}, "there is no file 'gone.wav'"),
        ({"x.trans.txt": "1-2-3 ONE"}, "there is no recording 1-2-3"),
    ],
)
def test_what_cannot_be_used_is_one_clear_error(tmp_path: Path, files: dict[str, str], said: str) -> None:
    for name, text in files.items():
        if name.endswith(".wav"):
            _wav(tmp_path / name)
        else:
            (tmp_path / name).write_text(text)
    with pytest.raises(VoicebridgeError, match=said) as error:
        read_corpus(tmp_path)
    assert error.value.code in (ExitCode.INPUT, ExitCode.NO_INPUT)
    assert error.value.advice


def test_a_table_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    _wav(tmp_path / "outside.wav")
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "transcripts.tsv").write_text("../outside.wav\tone\n")
    with pytest.raises(VoicebridgeError, match="not inside the folder"):
        look_through(tmp_path / "corpus")


def test_a_text_that_is_no_utf8_is_told(tmp_path: Path) -> None:
    _wav(tmp_path / "a.wav").with_suffix(".txt").write_bytes(b"gr\xfc\xdfe")
    with pytest.raises(VoicebridgeError, match="not text in UTF-8"):
        look_through(tmp_path)


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(VoicebridgeError, match="There is no folder"):
        look_through(tmp_path / "none")


def test_recordings_come_as_16_khz_with_their_length(tmp_path: Path) -> None:
    _wav(tmp_path / "a.wav", seconds=0.5, rate=48_000).with_suffix(".txt").write_text("one")
    corpus = read_corpus(tmp_path)
    assert corpus.spoken[0].collection == tmp_path.name
    assert corpus.seconds == pytest.approx(0.5, abs=0.01)


def test_a_damaged_recording_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF nonsense")
    with pytest.raises(AudioError, match=r"a\.wav"):
        read_audio(tmp_path / "a.wav")
