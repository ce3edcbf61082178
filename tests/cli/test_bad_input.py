"""What bad input gets: one clear message, a fitting exit status, no traceback, and nothing already heard is lost."""

import json
import os
import pty
import shutil
import sqlite3
import struct
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import av
import numpy as np
import pytest

from tests.fakes.children import FIRST, SECOND, SPHINX, WHISPER, Home, complaint, no_sound, silence, speech, write_wav
from tests.fakes.commands import Transcribe
from tests.fakes.states import state_in
from tests.pulse import PulseServer
from voicebridge.cli import COMMANDS
from voicebridge.domain.errors import ExitCode
from voicebridge.settings.paths import database_path
from voicebridge_bench.models import WHISPER_COMMANDS

README = Path(__file__).parents[2] / "README.md"
NO_RIGHTS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
"""Takes from root what lets it read and write everything."""


def wav_of(data: bytes, tag: int = 1, bits: int = 16, channels: int = 1, data_bytes: int | None = None) -> bytes:
    """Return a WAV at 16 kHz, by hand: 1 is integer, 3 is float; ``data_bytes`` is what its header says."""
    size, step = len(data) if data_bytes is None else data_bytes, bits // 8 * channels
    form = struct.pack("<HHIIHH", tag, channels, 16_000, 16_000 * step, step, bits)
    head = b"RIFF" + struct.pack("<I", 36 + size) + b"WAVE" + b"fmt " + struct.pack("<I", 16) + form
    return head + b"data" + struct.pack("<I", size) + data


def encoded(path: Path) -> Path:
    """Write the speech in the format that the name's ending says."""
    subprocess.run(["sox", "-V1", write_wav(path.with_suffix(".wav")), path], check=True)
    return path


def as_mp3(path: Path) -> Path:
    """Write the speech as MP3, which Debian's sox cannot."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libmp3lame", rate=16_000)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(speech()[None, :], format="s16", layout="mono")
        frame.sample_rate = 16_000
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


# ---- files that hold nothing to hear

BAD_FILES = {
    "empty": (b"", "is empty", ExitCode.INPUT),
    "text": (b"Dear diary,\n" * 100, "is no audio that can be read", ExitCode.INPUT),
    "picture": (b"\x89PNG\r\n\x1a\n" + b"\0" * 500, "holds no audio", ExitCode.INPUT),
    "header only": (wav_of(b"")[:30], "is no audio that can be read", ExitCode.INPUT),
    "zero length": (wav_of(b""), "holds no audio", ExitCode.INPUT),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_file_without_audio_is_told(transcribe: Transcribe, tmp_path: Path, kind: str) -> None:
    content, words, code = BAD_FILES[kind]
    file = tmp_path / "bad.wav"
    file.write_bytes(content)
    said = transcribe(file)
    assert (said.code, said.out) == (code, "")
    assert str(file) in complaint(said.err)
    assert words in complaint(said.err)


def test_a_missing_file_is_told(transcribe: Transcribe, tmp_path: Path) -> None:
    said = transcribe(tmp_path / "nope.wav")
    assert said.code == ExitCode.NO_INPUT
    assert complaint(said.err) == f"voicebridge: {tmp_path / 'nope.wav'} does not exist."


def test_a_directory_is_told(transcribe: Transcribe, tmp_path: Path) -> None:
    said = transcribe(tmp_path)
    assert said.code == ExitCode.INPUT
    assert complaint(said.err) == f"voicebridge: {tmp_path} is a directory. Name the audio files in it."


def test_a_file_that_may_not_be_read_is_told(home: Home, two: Path) -> None:
    mine = home.path / "mine.wav"
    shutil.copy(two, mine)
    mine.chmod(0)
    done = home.run(*SPHINX, "transcribe", mine, prefix=NO_RIGHTS)
    assert done.returncode == ExitCode.NO_INPUT
    assert complaint(done.stderr) == f"voicebridge: {mine} may not be read. Check its permissions (ls -l)."


def test_run_tells_the_same_and_stores_nothing(home: Home) -> None:
    done = home.run(*SPHINX, "run", "--file", "nope.wav")
    assert done.returncode == ExitCode.NO_INPUT
    assert complaint(done.stderr) == "voicebridge: nope.wav does not exist."
    assert not database_path(home.state).exists()


# ---- files that are cut


def cut(path: Path, share: float = 0.6) -> Path:
    """Cut a file; the first command is whole in what is left."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def test_a_cut_wav_gives_what_is_left_and_says_so(transcribe: Transcribe, tmp_path: Path) -> None:
    said = transcribe(cut(write_wav(tmp_path / "cut.wav")))
    assert said.code == ExitCode.INPUT
    assert said.out.startswith(f"{FIRST}\n")
    assert "cut.wav is cut short: 5." in complaint(said.err)


def test_a_cut_flac_gives_what_is_left_and_says_so(transcribe: Transcribe, tmp_path: Path) -> None:
    said = transcribe(cut(encoded(tmp_path / "cut.flac")))
    assert said.code == ExitCode.INPUT
    assert said.out.startswith(f"{FIRST}\n")
    assert "is cut short" in complaint(said.err)


@pytest.mark.parametrize("make", [as_mp3, encoded])
def test_a_cut_file_that_does_not_tell_its_length_gives_what_is_left(
    transcribe: Transcribe, tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    said = transcribe(cut(make(tmp_path / ("cut.mp3" if make is as_mp3 else "cut.ogg"))))
    assert said.out.startswith(f"{FIRST}\n")
    assert said.code in (ExitCode.OK, ExitCode.INPUT)
    if said.code:
        assert "damaged" in complaint(said.err)


def test_what_was_heard_before_a_cut_is_stored(home: Home) -> None:
    done = home.run(*WHISPER, "run", "--file", cut(write_wav(home.path / "cut.wav")))
    assert done.returncode == ExitCode.INPUT
    assert "is cut short" in complaint(done.stderr)
    assert FIRST in home.run("history").stdout


def test_a_wav_that_is_cut_in_its_pipe_gives_what_came(home: Home, two: Path) -> None:
    content = two.read_bytes()
    done = home.run(*WHISPER, "run", "--stdin", stdin=content[: len(content) * 6 // 10])
    assert done.returncode == ExitCode.INPUT
    assert "Standard input ended early: 5." in complaint(done.stderr)
    assert FIRST in home.run("history").stdout


# ---- unusual audio that must simply work


def heard(transcribe: Transcribe, path: Path) -> list[str]:
    said = transcribe(path)
    assert (said.code, said.err) == (ExitCode.OK, "")
    return said.out.splitlines()


SHAPES = {
    "8 bits": ["-b", "8", "-e", "unsigned"],
    "24 bits": ["-b", "24"],
    "float": ["-b", "32", "-e", "floating-point"],
    "96 kHz": ["-r", "96000"],
    "7 channels": [],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_unusual_shapes_are_heard_the_same(transcribe: Transcribe, two: Path, tmp_path: Path, shape: str) -> None:
    file = tmp_path / "odd.wav"
    effect = ["remix", *"1111111"] if shape == "7 channels" else []
    subprocess.run(["sox", "-V1", two, *SHAPES[shape], file, *effect], check=True)
    assert heard(transcribe, file) == [FIRST, SECOND]


def test_telephone_audio_is_heard(transcribe: Transcribe, two: Path, tmp_path: Path) -> None:
    file = tmp_path / "telephone.wav"
    subprocess.run(["sox", "-V1", two, "-r", "8000", file], check=True)
    # Half the spectrum is missing; the words are the engine's business.
    assert len(heard(transcribe, file)) == 2


def test_samples_that_are_no_numbers_are_silence(transcribe: Transcribe, tmp_path: Path) -> None:
    samples = (speech() / 32768).astype("<f4")
    samples[:4000] = np.nan
    samples[4000:8000:2] = np.inf
    samples[4001:8000:2] = -np.inf
    file = tmp_path / "nan.wav"
    file.write_bytes(wav_of(samples.tobytes(), tag=3, bits=32))
    assert heard(transcribe, file)[-2:] == [FIRST, SECOND]


def test_nothing_but_no_numbers_is_nothing(transcribe: Transcribe, tmp_path: Path) -> None:
    file = tmp_path / "nan.wav"
    file.write_bytes(wav_of(np.full(32_000, np.nan, "<f4").tobytes(), tag=3, bits=32))
    assert heard(transcribe, file) == []


@pytest.mark.slow
def test_ten_hours_are_heard_to_the_end_in_constant_memory(home: Home) -> None:
    samples = 10 * 3600 * 16_000
    words = speech().tobytes()
    huge = home.path / "huge.wav"
    with huge.open("wb") as file:
        # What lies between takes no room on the disk.
        file.write(wav_of(words, data_bytes=2 * samples))
        file.seek(44 + 2 * samples - len(words))
        file.write(words)
    # Coverage would make it ten times slower.
    home.environment = {name: value for name, value in home.environment.items() if not name.startswith("COVERAGE")}
    with home.start(*WHISPER, "transcribe", "--srt", huge) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        shown, told = process.stdout.read(), process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert (process.returncode, told) == (ExitCode.OK, "")
    blocks = [block.splitlines() for block in shown.strip().split("\n\n")]
    assert [block[2] for block in blocks] == [FIRST, SECOND, FIRST, SECOND]
    assert blocks[-1][1].startswith("09:59:5")
    assert used.ru_maxrss < 500_000  # kB; ten hours are 1150 MB
    assert used.ru_utime < 600


# ---- standard input


def test_a_closed_standard_input_is_told(home: Home) -> None:
    done = home.run(*SPHINX, "run", "--stdin", prefix=["sh", "-c", 'exec "$@" <&-', "sh"])
    assert done.returncode == ExitCode.NO_INPUT
    assert complaint(done.stderr) == "voicebridge: Standard input is closed. Pipe audio into it, or name a file."


@pytest.mark.parametrize("nothing", [b"", wav_of(b"")])
def test_an_empty_standard_input_is_told(home: Home, nothing: bytes) -> None:
    done = home.run(*SPHINX, "run", "--stdin", stdin=nothing)
    assert done.returncode == ExitCode.INPUT
    assert "Standard input held no audio." in complaint(done.stderr)


def test_a_terminal_as_standard_input_is_told(home: Home) -> None:
    ours, theirs = pty.openpty()
    done = home.run(*SPHINX, "run", "--stdin", stdin=theirs)
    os.close(ours)
    os.close(theirs)
    assert done.returncode == ExitCode.NO_INPUT
    assert "Standard input is a terminal" in complaint(done.stderr)


def test_a_wav_of_an_unknown_kind_in_a_pipe_is_told(home: Home) -> None:
    done = home.run(*SPHINX, "run", "--stdin", stdin=wav_of(b"\0" * 100, tag=85))
    assert done.returncode == ExitCode.INPUT
    assert "The WAV cannot be read: format 85" in complaint(done.stderr)


# ---- microphones


def test_without_any_microphone_it_says_what_to_do(home: Home) -> None:
    done = home.run(*SPHINX, "run", environment={"ALSA_CONFIG_PATH": str(no_sound(home.path))})
    assert done.returncode == ExitCode.UNAVAILABLE
    assert complaint(done.stderr).startswith("voicebridge: There is no microphone. Connect one, ")


@pytest.mark.pulse
def test_a_microphone_that_does_not_exist_is_told(home: Home, pulse: PulseServer) -> None:
    home.environment |= pulse.environment
    done = home.run(*SPHINX, "run", "--device", "cellar")
    assert done.returncode == ExitCode.NO_INPUT
    assert "There is no microphone 'cellar'. Choose one of:" in complaint(done.stderr)


@pytest.mark.pulse
def test_a_sound_server_that_is_gone_is_told(home: Home, pulse: PulseServer) -> None:
    pulse.kill()
    home.environment |= pulse.environment
    done = home.run(*SPHINX, "run", "--device", "kitchen")
    assert done.returncode in (ExitCode.UNAVAILABLE, ExitCode.NO_INPUT)
    assert "microphone" in complaint(done.stderr).lower()


# ---- models


def model_in(path: Path) -> Path:
    shutil.copytree(WHISPER_COMMANDS, path)
    return path


def spoil(folder: Path, how: str) -> None:
    binary = folder / "model.bin"
    content = binary.read_bytes()
    if how == "cut":
        binary.write_bytes(content[: len(content) // 2])
    elif how == "other kind":
        binary.write_bytes(content.replace(b"WhisperSpec\0", b"SpeckerSpec\0", 1))
    elif how == "unknown format":
        binary.write_bytes(b"PK\x03\x04" + content)
    elif how == "hub folder":
        binary.rename(folder / "model.safetensors")
    elif how == "no tokenizer":
        (folder / "tokenizer.json").unlink()
    elif how == "broken config":
        (folder / "config.json").write_text("{")


SPOILT = {
    "cut": "model.bin that is cut off",
    "other kind": "holds a model of another kind (SpeckerSpec), not Whisper",
    "unknown format": "is no CTranslate2 model",
    "hub folder": "is missing model.bin",
    "no tokenizer": "is missing tokenizer.json",
    "broken config": "config.json that is damaged",
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_model_that_cannot_be_used_is_told(transcribe: Transcribe, two: Path, tmp_path: Path, how: str) -> None:
    folder = model_in(tmp_path / "model")
    spoil(folder, how)
    said = transcribe(two, two, before=("-s", f"whisper.model={folder}", "-s", "engine.kind=whisper"))
    assert (said.code, said.out) == (ExitCode.UNAVAILABLE, "")
    assert str(folder) in complaint(said.err)
    assert SPOILT[how] in complaint(said.err)
    assert "copy it again" in complaint(said.err)


def test_a_model_that_is_not_there_is_told_with_a_way_to_get_it(transcribe: Transcribe, two: Path) -> None:
    said = transcribe(two, before=("-s", "engine.kind=whisper"))
    assert said.code == ExitCode.UNAVAILABLE
    assert "`voicebridge models pull base.en` gets it" in complaint(said.err)


def test_a_sphinx_model_that_is_none_is_told(transcribe: Transcribe, two: Path, tmp_path: Path) -> None:
    said = transcribe(two, two, before=(*SPHINX, "-s", f"sphinx.model_dir={tmp_path}"))
    assert (said.code, said.out) == (ExitCode.UNAVAILABLE, "")
    assert str(tmp_path) in complaint(said.err)


def test_without_an_engine_what_is_heard_can_be_kept_for_later(home: Home, two: Path) -> None:
    keep = ("-s", "engine.kind=whisper", "-s", "engine.required=false", "-s", "whisper.model=/nonexistent")
    process = home.start(*keep, "run", "--file", two, "--seconds", "5", "--quiet")
    process.communicate()
    assert process.returncode == ExitCode.OK
    later = home.run(*WHISPER, "run", "--file", write_wav(home.path / "quiet.wav", silence(0.5)), "--json")
    told = [json.loads(line) for line in later.stdout.splitlines()]
    assert [one["text"] for one in told if "id" in one] == [FIRST, SECOND]


# ---- databases


@pytest.fixture
def quiet(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "quiet.wav", silence(0.5))


def with_database(home: Home) -> Path:
    """Make a state directory in which one utterance was heard."""
    with state_in(home.state) as state:
        state.hear("turn on the light")
    return database_path(home.state)


COMMANDS_ON_IT = [("history",), ("run", "--file", "quiet.wav")]


@pytest.mark.parametrize("command", COMMANDS_ON_IT)
def test_a_locked_database_is_told(home: Home, quiet: Path, command: tuple[str, ...]) -> None:
    path = with_database(home)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        done = home.run(*SPHINX, "-s", "store.busy_timeout_ms=50", *command, cwd=home.path)
    assert done.returncode == ExitCode.BUSY
    assert f"Another process holds the database {path}." in complaint(done.stderr)
    assert "turn on the light" in home.run("history").stdout


def damaged(home: Home, damage: str) -> tuple[Path, bytes]:
    """Damage the database; return where it is and what is left of it."""
    path = with_database(home)
    content = path.read_bytes()
    left = b"garbage " * 4096 if damage == "garbage" else content[: len(content) // 3]
    path.write_bytes(left)
    return path, left


@pytest.mark.parametrize("damage", ["garbage", "cut"])
def test_a_corrupt_database_is_told_and_left_alone(home: Home, damage: str) -> None:
    path, left = damaged(home, damage)
    done = home.run("history")
    assert done.returncode == ExitCode.STORE
    assert str(path) in complaint(done.stderr)
    assert "is not a database" in complaint(done.stderr) or "is damaged" in complaint(done.stderr)
    assert path.read_bytes() == left


@pytest.mark.parametrize("damage", ["garbage", "cut"])
def test_who_hears_sets_a_corrupt_database_aside_and_says_where(home: Home, quiet: Path, damage: str) -> None:
    path, left = damaged(home, damage)
    done = home.run(*SPHINX, "run", "--file", quiet.name, cwd=home.path)
    assert done.returncode == ExitCode.OK
    (aside,) = path.parent.glob("voicebridge.db.corrupt-*Z")
    assert aside.read_bytes() == left
    assert str(aside) in done.stderr
    assert home.run("history").returncode == ExitCode.OK


@pytest.mark.parametrize("command", COMMANDS_ON_IT)
def test_a_database_from_a_newer_version_is_told_and_left_alone(
    home: Home, quiet: Path, command: tuple[str, ...]
) -> None:
    path = with_database(home)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('voicebridge', 'm999_later', '')"
        )
    done = home.run(*SPHINX, *command, cwd=home.path)
    assert done.returncode == ExitCode.STORE
    assert "was made by a newer version (it has m999_later). Install that version" in complaint(done.stderr)


def test_reading_a_database_in_a_read_only_directory_is_told(home: Home) -> None:
    path = with_database(home)
    home.state.chmod(0o500)
    done = home.run("history", prefix=NO_RIGHTS)
    home.state.chmod(0o700)
    assert done.returncode == ExitCode.STORE
    assert f"The database {path} cannot be opened. Its directory must be readable and" in complaint(done.stderr)


def test_a_read_only_state_directory_is_told(home: Home, quiet: Path) -> None:
    path = with_database(home)
    home.state.chmod(0o500)
    path.chmod(0o400)
    done = home.run(*SPHINX, "run", "--file", quiet, prefix=NO_RIGHTS)
    home.state.chmod(0o700)
    assert done.returncode == ExitCode.STORE
    assert "cannot be opened or written. Check who owns it" in complaint(done.stderr)


def test_a_state_directory_that_cannot_be_made_is_told(home: Home, quiet: Path) -> None:
    (home.path / "file").touch()
    home.state = home.path / "file" / "state"
    done = home.run(*SPHINX, "run", "--file", quiet)
    assert done.returncode == ExitCode.STORE
    assert "Move what stands there away." in complaint(done.stderr)


# ---- settings

BAD_SETTINGS = {
    "wrong type": ("[audio]\nrate = 'fast'\n", "audio.rate = 'fast' ({file}:2): must be a whole number"),
    "out of bounds": ("[vad]\nwebrtc_aggressiveness = 9\n", "vad.webrtc_aggressiveness = 9 ({file}:2): must be"),
    "unknown key": ("[vad]\nmodus = 'silero'\n", "did you mean vad.mode?"),
    "unknown section": ("[ears]\nlarge = true\n", "'ears.large' ({file}:2): there is no such setting"),
    "bad TOML": ("[audio\n", "{file}:1:"),
    "not text": ("\udcff\udcfe", "{file}:1: is not UTF-8 text"),
}


@pytest.mark.parametrize("kind", BAD_SETTINGS)
def test_a_configuration_that_is_wrong_is_told_with_its_place(home: Home, quiet: Path, kind: str) -> None:
    content, words = BAD_SETTINGS[kind]
    file = home.path / "bad.toml"
    file.write_bytes(content.encode(errors="surrogateescape"))
    done = home.run("-c", file, "run", "--file", quiet)
    assert done.returncode == ExitCode.SETTINGS
    assert words.format(file=file) in complaint(done.stderr)


def test_a_configuration_that_is_not_there_is_told(home: Home) -> None:
    done = home.run("-c", home.path / "nope.toml", "run")
    assert done.returncode == ExitCode.SETTINGS
    assert f"{home.path / 'nope.toml'} does not exist." in complaint(done.stderr)


def test_a_configuration_that_may_not_be_read_is_told(home: Home) -> None:
    file = home.path / "mine.toml"
    file.touch(0o000)
    done = home.run("-c", file, "run", prefix=NO_RIGHTS)
    assert done.returncode == ExitCode.SETTINGS
    assert f"{file} cannot be read: Permission denied." in complaint(done.stderr)


def test_a_directory_as_configuration_is_told(home: Home) -> None:
    done = home.run("-c", home.path, "run")
    assert done.returncode == ExitCode.SETTINGS
    assert f"{home.path} is a directory, not a file." in complaint(done.stderr)


# ---- help


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name: str) -> None:
    assert f"`{name}`" in README.read_text(encoding="utf-8") or f"`voicebridge {name}" in README.read_text("utf-8")


@pytest.mark.parametrize("name", ["run", "transcribe", "status", "doctor"])
def test_help_tells_the_exit_statuses(home: Home, name: str) -> None:
    done = home.run(name, "--help")
    assert done.returncode == ExitCode.OK
    assert "Exit status:" in " ".join(done.stdout.split())
