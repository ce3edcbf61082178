"""`voicebridge doctor`."""

import json
import os
import shutil
import subprocess
import sys
import wave
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.children import no_sound
from tests.fakes.commands import Said, on_state
from tests.fakes.states import FOR_EVER, state_in
from tests.pulse import PulseServer
from voicebridge.daemon.checks import (
    Check,
    Level,
    checks_of,
    examine,
    holders,
    machine,
    microphone,
    service,
    sound_server,
)
from voicebridge.daemon.checks import engine as engine_checks
from voicebridge.daemon.checks import state as state_checks
from voicebridge.daemon.checks.finding import Finding, ok
from voicebridge.daemon.checks.libraries import LIBRARIES, Library, importable
from voicebridge.daemon.checks.microphone import Heard, Refused, judge, judge_refusal, judge_status, mean_dbfs
from voicebridge.daemon.control_socket import listen
from voicebridge.domain.errors import ExitCode
from voicebridge.settings import AudioSettings, EngineSettings, Settings, StoreSettings, VadSettings, WhisperSettings
from voicebridge.settings.paths import database_path
from voicebridge.speech.models import write_checksums
from voicebridge.store.lock import StateLock
from voicebridge_bench.models import WHISPER_COMMANDS

Run = Callable[..., Said]
LEVELS = {"ok", "warning", "error"}


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    return on_state(tmp_path / "state", capsys)


def settings_in(path: Path, **sections: object) -> Settings:
    return Settings.model_validate({"store": StoreSettings(state_dir=path), **sections})


def findings(said: Said) -> dict[str, Finding]:
    return {check["name"]: Finding(**check) for check in json.loads(said.out)["checks"]}


def test_every_check_is_one_line_with_its_level_first(run: Run) -> None:
    said = run("doctor", "--no-microphone")
    assert said.code == ExitCode.OK
    assert {line.split()[0] for line in said.lines} <= LEVELS
    names = [line[9:24].strip() for line in said.lines]
    assert names == ["settings", *(check.name for check in checks_of(Settings(), None))]
    assert said.err == ""


def test_programs_can_read_it(run: Run) -> None:
    said = run("-s", f"whisper.model={WHISPER_COMMANDS}", "doctor", "--no-microphone", "--json")
    found = findings(said)
    assert json.loads(said.out)["ok"] is True
    assert found["engine"].level == "ok"
    assert str(WHISPER_COMMANDS) in found["model"].found
    assert found["numpy"].found == np.__version__
    assert all(finding.advice for finding in found.values() if finding.level != "ok")


def test_nothing_is_made_where_nothing_was(run: Run, tmp_path: Path) -> None:
    found = findings(run("doctor", "--no-microphone", "--json"))
    assert "made at the first start" in found["state directory"].found
    assert "made at the first start" in found["database"].found
    assert not (tmp_path / "state").exists()


def test_nothing_is_changed_where_something_is(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "state"
    with state_in(path, FOR_EVER) as state:
        state.hear()
        state.add(10.0)
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    run("doctor", "--no-microphone")
    # SQLite's two helper files, empty of data, come with every reader.
    after = {f: f.read_bytes() for f in path.rglob("*") if f.is_file() and not f.name.endswith(("-shm", "-wal"))}
    assert after == before


def test_an_error_decides_the_exit_status(run: Run, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    database_path(tmp_path / "state").write_bytes(b"not a database, but long enough to look like one" * 100)
    said = run("doctor", "--no-microphone", "--json")
    assert said.code == ExitCode.FAILURE
    assert json.loads(said.out)["ok"] is False
    assert findings(said)["database"].level == "error"
    assert "is not a database" in findings(said)["database"].found


def test_wrong_settings_are_told_and_the_rest_is_still_looked_at(run: Run) -> None:
    said = run("-s", "vad.mod=silero", "doctor", "--json")
    found = findings(said)
    assert said.code == ExitCode.FAILURE
    assert found["settings"].level == "error"
    assert "did you mean vad.mode?" in found["settings"].found
    assert {"portaudio", "clock", "permissions"} < set(found)
    assert "database" not in found


def test_an_ignored_variable_is_a_warning(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEBRIDGE_HOUSE", "x")
    found = findings(run("doctor", "--no-microphone", "--json"))["settings"]
    assert found.level == "warning"
    assert "VOICEBRIDGE_HOUSE" in found.found


def test_what_is_shown_cannot_steer_the_terminal(run: Run) -> None:
    said = run("-s", "whisper.model=a\x1b[2Jb", "doctor", "--no-microphone")
    assert "[2Jb" in said.out
    assert "\x1b" not in said.out


def test_a_check_that_breaks_does_not_end_the_others() -> None:
    def broken() -> Finding:
        raise ZeroDivisionError("ours")

    found = examine(Check("wheel", broken))
    assert (found.name, found.level) == ("wheel", Level.ERROR)
    assert "could not be checked (ZeroDivisionError: ours)" in found.found


# ---- state directory


def test_a_state_directory_that_others_may_enter_is_a_warning(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    found = state_checks.directory(settings_in(tmp_path))
    assert found.level == "warning"
    assert found.advice == f"Close it: chmod 700 {tmp_path}"


def test_a_closed_state_directory_of_ours_is_fine(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert state_checks.directory(settings_in(tmp_path)).level == "ok"


def test_a_model_that_came_before_all_else_leaves_it_closed(run: Run, tmp_path: Path) -> None:
    assert run("models", "add", str(WHISPER_COMMANDS)).code == ExitCode.OK
    assert state_checks.directory(settings_in(tmp_path / "state")).level == "ok"


def test_a_file_in_the_place_of_the_state_directory_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "state"
    file.touch()
    assert state_checks.directory(settings_in(file)).level == "error"


GB = 250_000
"""In blocks of 4000 bytes."""


def disk_with(free_blocks: int, free_files: int = 10_000, flags: int = 0) -> os.statvfs_result:
    blocks, files = (10 * GB, free_blocks, free_blocks), (10_000, free_files, free_files)
    return os.statvfs_result((4000, 4000, *blocks, *files, flags, 255))


@pytest.mark.parametrize(
    ("about", "level", "words"),
    [
        (disk_with(2 * GB), "ok", "2.0 GB free"),
        (disk_with(GB // 2), "warning", "500.0 MB free"),
        (disk_with(GB // 20), "error", "50.0 MB free"),
        (disk_with(2 * GB, free_files=3), "warning", "only 3 more files fit"),
        (disk_with(2 * GB, flags=os.ST_RDONLY), "error", "mounted read-only"),
    ],
)
def test_a_disk_is_judged_by_its_room(about: os.statvfs_result, level: str, words: str) -> None:
    found = state_checks.judge_disk(Path("/data"), about)
    assert found.level == level
    assert words in found.found


def test_a_database_that_another_process_holds_is_a_warning(tmp_path: Path) -> None:
    with state_in(tmp_path / "state") as state:
        state.db.conn.execute("PRAGMA locking_mode=EXCLUSIVE").fetchall()
        state.db.conn.execute("BEGIN EXCLUSIVE")
        busy = Settings(store=StoreSettings(state_dir=tmp_path / "state", busy_timeout_ms=0))
        found = examine(Check("database", lambda: state_checks.database(busy)))
        state.db.conn.execute("ROLLBACK")
    assert found.level == "warning"
    assert "Another process holds the database" in found.found


def test_a_damaged_database_is_an_error(tmp_path: Path) -> None:
    with state_in(tmp_path / "state", FOR_EVER) as state:
        for number in range(50):
            state.hear("turn on the light " * 20, 1.0 + 3 * number)
    file = database_path(tmp_path / "state")
    content = bytearray(file.read_bytes())
    content[-8192:-4096] = b"\xff" * 4096
    file.write_bytes(content)
    found = examine(Check("database", lambda: state_checks.database(settings_in(tmp_path / "state"))))
    assert found.level == "error"
    assert "is damaged" in found.found
    assert ".recover" in found.advice


def test_an_empty_database_file_is_a_warning(tmp_path: Path) -> None:
    database_path(tmp_path).touch()
    assert state_checks.database(settings_in(tmp_path)).level == "warning"


def test_a_whole_database_tells_what_it_holds(tmp_path: Path) -> None:
    with state_in(tmp_path / "state") as state:
        state.hear()
    found = state_checks.database(settings_in(tmp_path / "state"))
    assert found.level == "ok"
    assert "1 utterances, integrity_check found nothing wrong" in found.found


def test_waiting_utterances_are_a_warning_while_no_daemon_runs(tmp_path: Path) -> None:
    with state_in(tmp_path / "state") as state:
        state.add(length=2.0)
        settings = settings_in(tmp_path / "state")
        assert state_checks.spool(settings).found == "1 utterances (2 s) wait for their text"
        with StateLock(tmp_path / "state"):
            assert state_checks.spool(settings).level == "ok"


def test_a_damaged_spool_file_is_a_warning(tmp_path: Path) -> None:
    with state_in(tmp_path / "state") as state:
        (state.spool.path / "00000001-000000000000.pcm").write_bytes(b"x" * 100)
    found = state_checks.spool(settings_in(tmp_path / "state"))
    assert found.level == "warning"
    assert "1 files in" in found.found


def test_the_holder_of_the_lock_is_named(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    assert state_checks.daemon(settings).found == "does not run on this state directory"
    with StateLock(tmp_path):
        assert f"process {os.getpid()}" in state_checks.daemon(settings).found


# ---- libraries


def test_a_missing_library_is_an_error_only_where_it_is_needed() -> None:
    library = Library("ears", "no_such_module", lambda _: True)
    assert importable(library, needed=True).level == "error"
    found = importable(library, needed=False)
    assert found.level == "warning"
    assert found.found == "cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'"


def test_a_library_that_ends_the_process_is_a_line() -> None:
    library = Library("ears", "json", lambda _: True, version="__import__('os').abort()")
    assert importable(library, needed=True).found == "cannot be loaded: it ends the process (Aborted)"


def test_a_library_that_hangs_is_not_waited_for() -> None:
    library = Library("ears", "json", lambda _: True, version="__import__('time').sleep(60)")
    assert importable(library, needed=True, timeout_seconds=0.3).found == "could not be loaded within 0.3 s"


def test_what_is_needed_follows_the_settings() -> None:
    def needed(settings: Settings) -> set[str]:
        return {library.name for library in LIBRARIES if library.needed(settings)}

    always = {"numpy", "portaudio", "soxr", "sqlite"}
    assert needed(Settings()) == always | {"webrtcvad", "onnxruntime"}
    lean = Settings(vad=VadSettings(mode="webrtc"), engine=EngineSettings(kind="sphinx"))
    assert needed(lean) == always | {"webrtcvad", "pocketsphinx"}
    rich = Settings(vad=VadSettings(mode="silero"), engine=EngineSettings(kind="whisper"))
    assert needed(rich) == always | {"onnxruntime", "ctranslate2", "faster-whisper"}


# ---- engine, model, memory


def with_model(state: Path, model: Path, kind: str = "auto") -> Settings:
    return settings_in(state, whisper=WhisperSettings(model=str(model)), engine={"kind": kind})


def test_falling_back_to_sphinx_is_a_warning(tmp_path: Path) -> None:
    found = engine_checks.chosen(settings_in(tmp_path))
    assert found.level == "warning"
    assert "voicebridge models pull base.en" in found.found


def test_an_engine_that_was_asked_for_and_cannot_be_had_is_an_error(tmp_path: Path) -> None:
    found = engine_checks.chosen(settings_in(tmp_path, engine={"kind": "whisper"}))
    assert found.level == "error"
    assert "voicebridge models pull base.en" in found.advice


def test_sphinx_asked_for_is_fine(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, engine={"kind": "sphinx"})
    assert engine_checks.chosen(settings).level == "ok"
    assert engine_checks.model(settings).level == "ok"


def test_a_model_that_has_changed_since_it_came_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(WHISPER_COMMANDS, folder)
    settings = with_model(tmp_path, folder)
    assert "no checksums were noted" in engine_checks.model(settings).found
    write_checksums(folder)
    assert engine_checks.model(settings).found == f"{folder} is whole, every checksum is right"
    config = folder / "config.json"
    config.write_text(config.read_text() + "\n")
    found = engine_checks.model(settings)
    assert found.level == "error"
    assert "config.json differs from what was installed" in found.found


def test_a_detector_without_a_model_needs_none(tmp_path: Path) -> None:
    assert "needs no model" in engine_checks.detector(settings_in(tmp_path, vad={"mode": "webrtc"})).found
    assert "silero_vad" in engine_checks.detector(settings_in(tmp_path)).found


@pytest.mark.parametrize(
    ("available", "running", "level"), [(99, False, "warning"), (99, True, "ok"), (100, False, "ok")]
)
def test_memory_must_suffice_unless_the_daemon_has_it_already(available: int, running: bool, level: str) -> None:
    assert engine_checks.compare_memory(available, 100, running=running).level == level


def test_the_memory_of_a_model_counts(tmp_path: Path) -> None:
    small, large = settings_in(tmp_path), with_model(tmp_path, WHISPER_COMMANDS)
    assert "about 250 MB needed" in engine_checks.memory(small).found
    assert "about 250 MB needed" not in engine_checks.memory(large).found


# ---- machine

NOON_2026 = 1_782_216_000.0


@pytest.mark.parametrize(
    ("now", "in_step", "level"),
    [(0.0, True, "error"), (NOON_2026, True, "ok"), (NOON_2026, False, "warning"), (NOON_2026, None, "ok")],
)
def test_the_clock_is_judged_by_its_year_and_its_synchronisation(now: float, in_step: bool | None, level: str) -> None:
    assert machine.judge_clock(now, in_step).level == level


def test_a_clock_that_nobody_can_judge_says_so() -> None:
    assert "nobody here can tell" in machine.judge_clock(NOON_2026, None).found


@pytest.mark.parametrize(("answer", "in_step"), [("yes", True), ("no", False), ("", None)])
def test_timedatectl_is_asked(answer: str, in_step: bool | None, tmp_path: Path) -> None:
    program = tmp_path / "timedatectl"
    program.write_text(f"#!/bin/sh\necho {answer}\n")
    program.chmod(0o755)
    assert machine.synchronised(str(program)) is in_step


def test_without_timedatectl_it_is_not_known() -> None:
    assert machine.synchronised("no-such-program") is None


def test_microphones_of_the_kernel_that_may_not_be_opened_are_a_warning(tmp_path: Path) -> None:
    device = tmp_path / "pcmC0D0c"
    device.touch()
    (tmp_path / "pcmC0D0p").touch()
    assert machine.permissions(tmp_path).level == "ok"
    refused = machine.judge_devices([device], [])
    assert refused.level == "warning"
    assert "usermod -aG audio" in refused.advice
    assert "offers no microphone" in machine.judge_devices([], []).found


# ---- microphone

HEARD = Heard("Desk", 32_000, mean_dbfs=-45.0, loudest_dbfs=-20.0, clipped_blocks=0, lost_samples=0)


@pytest.mark.parametrize(
    ("heard", "level", "words"),
    [
        (HEARD, "ok", "hears -45 dBFS, at its loudest -20"),
        (replace(HEARD, samples=0), "error", "nothing came from 'Desk'"),
        (replace(HEARD, loudest_dbfs=-100.0), "warning", "digital silence"),
        (replace(HEARD, loudest_dbfs=-65.0), "warning", "very low"),
        (replace(HEARD, loudest_dbfs=0.0, clipped_blocks=3), "warning", "too loud"),
        (replace(HEARD, lost_samples=320), "warning", "320 samples were lost"),
    ],
)
def test_a_microphone_is_judged_by_what_comes_from_it(heard: Heard, level: str, words: str) -> None:
    found = judge(heard)
    assert found.level == level
    assert words in found.found


def test_no_microphone_at_all_is_a_warning_and_a_wrong_one_an_error() -> None:
    assert judge_refusal(Refused(0, "There is no microphone.", "Connect one.")).level == "warning"
    assert judge_refusal(Refused(2, "There is no microphone 'x'.", "Choose one of ...")).level == "error"


def test_the_mean_of_levels_is_that_of_their_power() -> None:
    assert mean_dbfs([]) == -100.0
    assert mean_dbfs([-20.0, -20.0]) == pytest.approx(-20.0)
    assert mean_dbfs([-10.0, -100.0]) == pytest.approx(-13.01, abs=0.01)


def test_a_microphone_that_the_daemon_has_is_not_opened(tmp_path: Path) -> None:
    with StateLock(tmp_path):
        found = microphone.level(settings_in(tmp_path), 0.1)
    assert found.level == "ok"
    assert f"not opened: process {os.getpid()}" in found.found


def test_a_daemon_that_is_deaf_is_a_warning() -> None:
    found = judge_status("process 7", "Desk\x1b[2J", "No audio arrives.")
    assert found == replace(found, level=Level.WARNING, found="not opened: process 7 hears Desk [2J: No audio arrives.")
    assert judge_status("process 7", "", "") == ok("microphone", "not opened: process 7 hears")


def test_a_sound_system_that_does_not_answer_is_not_waited_for(tmp_path: Path) -> None:
    found = microphone.level(settings_in(tmp_path), 0.01, answer_seconds=0.01)
    assert found.level == "error"
    assert "did not answer" in found.found


def in_room(pulse: PulseServer, state: Path, device: str) -> Finding:
    """Return what doctor says of a microphone of the private sound server; asked in a process of its own."""
    call = [sys.executable, "-m", "voicebridge", "--state-dir", str(state), "-s", f"audio.device={device}"]
    done = subprocess.run(
        [*call, "doctor", "--seconds", "0.5", "--json"],
        env=pulse.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return findings(Said(done.returncode, done.stdout, ""))["microphone"]


@pytest.mark.pulse
def test_a_muted_microphone_is_noticed(pulse: PulseServer, tmp_path: Path) -> None:
    found = in_room(pulse, tmp_path / "state", "kitchen_window")
    assert found.level == "warning"
    assert found.found == "'kitchen_window' gives digital silence"


@pytest.mark.pulse
def test_a_microphone_that_is_too_loud_is_noticed(pulse: PulseServer, tmp_path: Path) -> None:
    loud = tmp_path / "loud.wav"
    square = np.where(np.arange(16_000 * 10) // 20 % 2, 32767, -32768).astype(np.int16)
    with wave.open(str(loud), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(square.tobytes())
    with subprocess.Popen(["paplay", "--device=room", str(loud)], env=pulse.environment) as playing:
        found = in_room(pulse, tmp_path / "state", "kitchen_window")
        playing.kill()
    assert found.level == "warning"
    assert "too loud" in found.found


@pytest.mark.pulse
def test_a_microphone_that_does_not_exist_is_an_error(pulse: PulseServer, tmp_path: Path) -> None:
    found = in_room(pulse, tmp_path / "state", "cellar")
    assert found.level == "error"
    assert found.found == "There is no microphone 'cellar'."
    assert "kitchen_window" in found.advice


def test_without_any_microphone_it_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(no_sound(tmp_path)))
    found = microphone.level(settings_in(tmp_path, audio=AudioSettings(device="cellar")), 0.1)
    assert (found.level, found.found) == ("warning", "There is no microphone.")


def test_a_sound_library_that_ends_the_process_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "asound.conf"
    empty.touch()
    # PortAudio aborts on this one.
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(empty))
    found = microphone.level(settings_in(tmp_path), 0.1)
    assert (found.level, found.found) == ("error", "the sound library ended the process (Aborted)")


# ---- who holds the microphone


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """A folder of the kernel's sound devices: one to hear with, one to play on."""
    folder = tmp_path / "snd"
    folder.mkdir()
    for name in ("pcmC1D0c", "pcmC1D0p", "controlC1"):
        (folder / name).touch()
    return folder


def process(processes: Path, pid: int, program: str, *links: Path) -> Path:
    """Make what the kernel shows of a process that has these files open."""
    place = processes / str(pid)
    (place / "fd").mkdir(parents=True)
    (place / "comm").write_text(f"{program}\n")
    for number, link in enumerate(links):
        (place / "fd" / str(number)).symlink_to(link)
    return place


def test_a_program_that_keeps_the_microphone_from_others_is_named(tmp_path: Path, sound: Path) -> None:
    processes = tmp_path / "proc"
    process(processes, 7, "sh", Path("/dev/null"), sound / "pcmC1D0p")
    process(processes, 42, "arecord", Path("/dev/null"), sound / "pcmC1D0c")
    found = holders.held(sound, processes)
    assert (found.level, found.found) == ("warning", "arecord (process 42) holds pcmC1D0c")
    assert "end arecord, or use a sound server" in found.advice


@pytest.mark.parametrize("program", ["pipewire", "pulseaudio", "voicebridge"])
def test_a_sound_server_and_the_daemon_may_hold_it(tmp_path: Path, sound: Path, program: str) -> None:
    process(tmp_path / "proc", 42, program, sound / "pcmC1D0c")
    found = holders.held(sound, tmp_path / "proc")
    assert (found.level, found.found) == ("ok", f"{program} (process 42) holds pcmC1D0c")


def test_nobody_holds_it(tmp_path: Path, sound: Path) -> None:
    process(tmp_path / "proc", 7, "sh", Path("/dev/null"))
    assert holders.held(sound, tmp_path / "proc").found == "nobody holds any of the 1 microphones of the kernel"
    (sound / "pcmC1D0c").unlink()
    assert "the kernel offers no microphone" in holders.held(sound, tmp_path / "proc").found


def test_who_may_not_look_is_told_so() -> None:
    seen = holders.Search((), hidden=12)
    assert "12 processes are hidden; sudo tells more" in holders.judge_holders(["pcmC1D0c"], seen).found


def test_the_driver_names_the_owner_that_is_hidden(tmp_path: Path, sound: Path) -> None:
    processes = tmp_path / "proc"
    process(processes, 42, "arecord")
    status = processes / "asound/card1/pcm0c/sub0/status"
    status.parent.mkdir(parents=True)
    status.write_text("state: RUNNING\nowner_pid   : 42\ntrigger_time: 1.0\n")
    assert holders.held(sound, processes).found == "arecord (process 42) holds pcmC1D0c"
    status.write_text("closed\n")
    assert holders.held(sound, processes).found.startswith("nobody")


def test_a_process_that_has_just_ended_is_no_trouble(tmp_path: Path, sound: Path) -> None:
    (tmp_path / "proc/9").mkdir(parents=True)
    assert holders.search([sound / "pcmC1D0c"], tmp_path / "proc") == holders.Search((), 0)


def test_this_very_process_is_found(tmp_path: Path) -> None:
    device = tmp_path / "pcmC0D0c"
    with device.open("wb"):
        (holder,) = holders.search([device]).holders
    assert (holder.device, holder.pid) == ("pcmC0D0c", os.getpid())


# ---- the sound server and the service


def a_server(run: Path, user: str = "1000") -> Path:
    path = run / "user" / user / "pulse" / "native"
    path.parent.mkdir(parents=True)
    return path


def test_without_a_server_alsa_is_used(tmp_path: Path) -> None:
    assert "none is seen; ALSA" in sound_server.server(tmp_path, tmp_path, {}).found


def test_a_users_server_that_answers_is_found(tmp_path: Path) -> None:
    path = a_server(tmp_path)
    with closing(listen(path, "")):
        servers, hidden = sound_server.find_servers(tmp_path, tmp_path / "linger")
    assert [(one.path, one.answers, one.lingers) for one in servers] == [(path, True, False)]
    assert hidden == []


def test_a_users_server_that_does_not_answer_is_a_warning(tmp_path: Path) -> None:
    listen(a_server(tmp_path), "").close()
    found = sound_server.server(tmp_path, tmp_path, {})
    assert found.level == "warning"
    assert "does not answer" in found.found


@pytest.mark.parametrize("lingers", [True, False])
def test_the_service_is_told_how_to_reach_a_users_server(lingers: bool) -> None:
    one = sound_server.Server(Path("/run/user/1000/pulse/native"), "ada", answers=True, lingers=lingers)
    assert sound_server.judge_servers([one], [], service_installed=False).level == "ok"
    found = sound_server.judge_servers([one], [], service_installed=True)
    assert found.level == "warning"
    assert ("loginctl enable-linger ada" in found.advice) is not lingers
    assert "--sound pulse:/run/user/1000/pulse/native" in found.advice


def test_a_server_for_the_whole_system_needs_nothing(tmp_path: Path) -> None:
    (tmp_path / "pulse").mkdir()
    with closing(listen(tmp_path / "pulse" / "native", "")):
        servers, _ = sound_server.find_servers(tmp_path, tmp_path)
    found = sound_server.judge_servers(servers, [], service_installed=True)
    assert (found.level, found.found) == ("ok", f"{tmp_path}/pulse/native of the whole system")


def test_users_whose_servers_cannot_be_seen_are_named() -> None:
    assert "(one of ada would be hidden" in sound_server.judge_servers([], ["ada"], service_installed=True).found


def test_the_server_that_the_environment_names_is_asked(tmp_path: Path) -> None:
    environ = {"PULSE_SERVER": f"unix:{tmp_path}/native"}
    assert sound_server.server(environ=environ).level == "warning"
    with closing(listen(tmp_path / "native", "")):
        assert "answers, as PULSE_SERVER says" in sound_server.server(environ=environ).found
    assert "not asked" in sound_server.server(environ={"PULSE_SERVER": "tcp:host"}).found


WELL = {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "UnitFileState": "enabled"}


@pytest.mark.parametrize(
    ("said", "level", "told"),
    [
        (None, "ok", "systemd cannot be asked here"),
        ({"LoadState": "not-found"}, "ok", "not installed"),
        (WELL | {"StatusText": "Hearing Desk"}, "ok", "active (running), enabled: Hearing Desk"),
        (WELL | {"NRestarts": "3"}, "ok", "active (running), enabled, started again 3 times"),
        (WELL | {"ActiveState": "failed", "SubState": "failed"}, "warning", "failed (failed), enabled"),
        (WELL | {"ActiveState": "inactive", "SubState": "dead"}, "warning", "inactive (dead), enabled"),
        (WELL | {"UnitFileState": "disabled"}, "warning", "active (running), disabled"),
    ],
)
def test_the_service_is_judged_by_what_systemd_says(said: dict[str, str] | None, level: str, told: str) -> None:
    found = service.judge_service(said)
    assert (found.level, found.found.startswith(told)) == (level, True)


def test_what_systemctl_prints_is_read(tmp_path: Path) -> None:
    program = tmp_path / "systemctl"
    program.write_text("#!/bin/sh\necho LoadState=loaded; echo StatusText=a=b; echo nonsense\n")
    program.chmod(0o755)
    assert service.properties(str(program)) == {"LoadState": "loaded", "StatusText": "a=b"}
    program.write_text("#!/bin/sh\nexit 1\n")
    assert service.properties(str(program)) is None
    assert service.properties("no-such-program") is None
