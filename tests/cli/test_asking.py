"""The commands that ask or tell a daemon over its control socket: status, history, mute, unmute, reload."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path

import pytest

from tests.cli.test_status import WELL
from tests.daemon.control_room import SECONDS, Room, room_in, room_on
from tests.fakes.commands import Said
from tests.fakes.states import State, state_in
from voicebridge.cli import guarded
from voicebridge.cli.heard import AskedFollower
from voicebridge.cli.history import follow_along
from voicebridge.cli.invocation import Invocation
from voicebridge.daemon.control_peer import denied
from voicebridge.daemon.control_protocol import encode, refusal
from voicebridge.daemon.control_socket import listen
from voicebridge.domain.errors import ExitCode
from voicebridge.domain.events import SettingsReloaded
from voicebridge.domain.utterance import UtteranceRecord
from voicebridge.health.probes import Reason
from voicebridge.health.status import CaptureStatus
from voicebridge.store.lock import StateLock

Run = Callable[..., Said]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Room]:
    """The system's service, as far as its control socket goes."""
    folder = tmp_path / "service"
    folder.mkdir()
    with room_in(folder) as room:
        room.status = asdict(WELL)
        yield room


@pytest.fixture
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This user's own state directory, which nobody has named."""
    for name in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR", "VOICEBRIDGE_STORE__STATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "own"))
    return tmp_path / "own" / "voicebridge"


@pytest.fixture
def run(tmp_path: Path, own_state: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command, on a machine whose service would listen at one place."""
    config = tmp_path / "voicebridge.toml"
    config.touch()

    def call(name: str, *arguments: str, state: Path | None = None) -> Said:
        overrides = () if state is None else (f"store.state_dir={state}",)
        invocation = Invocation(config, overrides, tmp_path / "service" / "control")
        command = import_module(f"voicebridge.cli.{name}").command
        code = guarded(command, list(arguments), obj=invocation)
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return call


@pytest.fixture
def heard(service: Room, tmp_path: Path) -> Iterator[State]:
    """What the service has heard."""
    with state_in(tmp_path / "service" / "state") as state:
        state.hear("turn on the light", 1.0)
        state.hear("turn it off", 10.0)
        yield state


@contextmanager
def denying(folder: Path) -> Iterator[None]:
    """A service that serves nobody: it says so to the one who connects, in the words of the real one."""
    (folder / "service").mkdir()
    with denying_at(folder / "service" / "control"):
        yield


@contextmanager
def denying_at(path: Path) -> Iterator[None]:
    """A daemon that serves nobody, at this place."""
    with closing(listen(path, "")) as listener:
        listener.settimeout(SECONDS)

        def deny() -> None:
            with closing(listener.accept()[0]) as stream:
                stream.sendall(encode(refusal(denied("voicebridge"))))

        thread = threading.Thread(target=deny)
        thread.start()
        yield
        thread.join()


# ---- status


def test_without_a_daemon_of_ones_own_the_service_is_shown(run: Run, service: Room, tmp_path: Path) -> None:
    said = run("status")
    assert said.code == ExitCode.OK
    assert f"process  process {os.getpid()}, the system's service" in said.out
    assert str(tmp_path / "service" / "state" / "voicebridge.db") in said.out


def test_a_program_is_told_which_daemon_it_sees(run: Run, service: Room, tmp_path: Path) -> None:
    found = json.loads(run("status", "--json").out)
    assert (found["running"], found["service"]) == (True, True)
    assert found["state_dir"] == str(tmp_path / "service" / "state")


def test_a_daemon_of_ones_own_comes_first(run: Run, service: Room, own_state: Path) -> None:
    with StateLock(own_state):
        assert run("status").out.startswith(f"starting: process {os.getpid()}")


def test_a_state_directory_that_was_named_is_not_the_services(run: Run, service: Room, tmp_path: Path) -> None:
    said = run("status", state=tmp_path / "another")
    assert (said.code, said.out) == (ExitCode.NOT_RUNNING, f"not running (state directory {tmp_path / 'another'})\n")


def test_without_any_daemon_it_does_not_run(run: Run) -> None:
    assert run("status").code == ExitCode.NOT_RUNNING


def test_reasons_come_with_what_to_do(run: Run, service: Room) -> None:
    silent = Reason("digital_silence", "Nothing but zeros came for 700 s.", "Is it muted or unplugged?")
    late = Reason("listener_late", "The listener is late.", "Is the machine overloaded?")
    ill = replace(WELL, state="degraded", trouble=silent.sentence, reasons=(silent, late))
    service.status = asdict(ill)
    said = run("status")
    assert said.code == ExitCode.DEGRADED
    assert said.lines[:3] == [
        "     state  degraded: Nothing but zeros came for 700 s.",
        "            Is it muted or unplugged?",
        "            The listener is late. Is the machine overloaded?",
    ]


def test_mute_and_a_moved_source_are_shown(run: Run, service: Room) -> None:
    service.status = asdict(replace(WELL, source="Desk", capture=CaptureStatus(source="Monitor\x1b", moved=True)))
    assert run("mute").code == ExitCode.OK
    lines = run("status").lines
    assert lines[0] == "     state  hearing, muted"
    assert "    source  Monitor  (moved there by the sound server; wanted: Desk), level -40 dBFS" in lines


def test_a_service_that_has_not_spoken_yet_is_starting(run: Run, service: Room) -> None:
    service.status = None
    said = run("status")
    assert (said.code, said.out.split()[0]) == (ExitCode.STARTING, "starting:")


def test_a_service_of_another_version_is_told(run: Run, service: Room) -> None:
    service.status = {**asdict(WELL), "schema": 99}
    said = run("status")
    assert said.code == ExitCode.FAILURE
    assert "in other words than this command knows" in said.err


# ---- history


def test_history_is_had_from_the_service(run: Run, heard: State) -> None:
    said = run("history")
    assert [line.split("  ", 1)[1] for line in said.lines] == ["#1  turn on the light", "#2  turn it off"]
    assert said.err == f"As heard by the system's service ({heard.path}):\n"


def test_its_filters_go_with_it(run: Run, heard: State) -> None:
    heard.hear("and on again", 20.0)
    texts = [json.loads(line)["text"] for line in run("history", "--json", "--limit", "2", "--done").lines]
    assert texts == ["turn it off", "and on again"]
    said = run("history", "--session", "9")
    assert said.err.endswith("\nNothing like that was heard.\n")


def test_all_of_it_comes_in_order(run: Run, heard: State) -> None:
    for number in range(120):
        heard.hear(f"number {number}", 20.0 + 5 * number)
    lines = run("history", "--session", "1").lines
    assert len(lines) == 122
    assert lines == sorted(lines)


def test_a_history_without_a_word_says_so(run: Run, service: Room, tmp_path: Path) -> None:
    with state_in(tmp_path / "service" / "state"):
        said = run("history")
    assert (said.code, said.out) == (ExitCode.OK, "")
    assert said.err.endswith("Nothing was heard yet.\n")


def test_what_it_settles_can_be_followed(heard: State, service: Room) -> None:
    shown: list[UtteranceRecord] = []
    moments = iter(["hear", "end"])

    def pause(_: float) -> None:
        if next(moments) == "end":
            raise KeyboardInterrupt
        heard.hear("more light", 20.0)

    with service.client() as client:
        follow_along(AskedFollower(client, ()), shown.append, pause)
    assert [record.text for record in shown] == ["more light"]


def test_ones_own_history_can_be_read_without_the_services_leave(run: Run, own_state: Path, tmp_path: Path) -> None:
    with state_in(own_state) as state, denying(tmp_path):
        state.hear("at home", 1.0)
        assert run("history").lines[0].endswith("#1  at home")


# ---- mute, unmute, reload


def test_the_service_can_be_muted_and_unmuted(run: Run, service: Room, tmp_path: Path) -> None:
    state = tmp_path / "service" / "state"
    assert run("mute").out == f"Muted (state directory {state}).\n"
    assert service.mute.muted
    assert run("mute", "--keep").out == f"Muted (state directory {state}), also after a restart.\n"
    assert service.mute.kept
    assert run("unmute").out == f"Not muted (state directory {state}).\n"
    assert not service.mute.muted


def test_the_service_is_found_by_its_state_directory_too(run: Run, service: Room, tmp_path: Path) -> None:
    with StateLock(tmp_path / "service" / "state"):
        assert run("mute", state=tmp_path / "service" / "state").code == ExitCode.OK
    assert service.mute.muted


def test_a_daemon_of_ones_own_is_told_before_the_service(run: Run, service: Room, own_state: Path) -> None:
    with room_on(own_state / "control", own_state) as own, StateLock(own_state):
        assert run("mute").code == ExitCode.OK
        assert own.mute.muted
    assert not service.mute.muted


def test_a_reload_says_what_is_in_force(run: Run, service: Room) -> None:
    assert run("reload").lines == [
        "In force from now on: gate.avg_logprob.",
        "Changed, but not in force before a restart: vad.mode.",
    ]
    service.outcome = SettingsReloaded((), ())
    assert run("reload").out == "Nothing has changed.\n"


def test_a_reload_that_is_refused_has_the_status_of_wrong_settings(run: Run, service: Room) -> None:
    service.outcome = SettingsReloaded((), (), refused="x.toml:3: is not TOML.")
    said = run("reload")
    assert said.code == ExitCode.SETTINGS
    assert said.err == "reload: x.toml:3: is not TOML. The old settings stay in force.\n"


@pytest.mark.parametrize("name", ["mute", "unmute", "reload"])
def test_without_a_daemon_there_is_nobody_to_tell(run: Run, name: str) -> None:
    said = run(name)
    assert said.code == ExitCode.NOT_RUNNING
    assert "No daemon runs" in said.err


def test_a_daemon_without_a_control_socket_is_told(run: Run, own_state: Path, service: Room) -> None:
    with StateLock(own_state):
        said = run("mute")
    assert said.code == ExitCode.FAILURE
    assert "has no control socket. Set control.enabled = true" in said.err
    assert not service.mute.muted


@pytest.mark.parametrize("name", ["status", "history", "mute", "reload"])
def test_who_may_not_ask_is_told_how_to(run: Run, tmp_path: Path, name: str) -> None:
    with denying(tmp_path):
        said = run(name)
    assert said.code == ExitCode.NO_PERMISSION
    assert "members of the group voicebridge. Join it: `sudo usermod -aG voicebridge $USER`" in said.err


def test_the_service_is_left_alone_when_another_state_directory_was_named(
    run: Run, service: Room, tmp_path: Path
) -> None:
    assert run("mute", state=tmp_path / "another").code == ExitCode.NOT_RUNNING
    assert not service.mute.muted


def test_a_daemon_of_ones_own_that_refuses_is_believed(run: Run, own_state: Path) -> None:
    own_state.mkdir(parents=True)
    with denying_at(own_state / "control"), StateLock(own_state):
        assert run("mute").code == ExitCode.NO_PERMISSION


def test_a_socket_of_another_state_directory_is_passed_over(run: Run, own_state: Path, tmp_path: Path) -> None:
    own_state.mkdir(parents=True)
    with room_on(own_state / "control", tmp_path / "elsewhere") as elsewhere:
        assert run("mute").code == ExitCode.NOT_RUNNING
    assert not elsewhere.mute.muted


# ---- settings with a mistake


@pytest.fixture
def mistake(tmp_path: Path) -> Path:
    """A settings file that has been broken since the daemon was started; to be asked for after ``run``."""
    config = tmp_path / "voicebridge.toml"
    config.write_text("[endpoint\n")
    return config


def test_a_mistake_in_the_settings_keeps_nobody_from_steering_a_service(run: Run, service: Room, mistake: Path) -> None:
    assert run("mute").code == ExitCode.OK
    assert service.mute.muted
    assert run("status").lines[0] == "     state  hearing, muted"
    assert run("unmute").code == ExitCode.OK


def test_a_reload_with_a_mistake_is_refused_by_the_daemon(run: Run, service: Room, mistake: Path) -> None:
    service.outcome = SettingsReloaded((), (), refused=f"{mistake}:1: is not TOML.")
    said = run("reload")
    assert said.code == ExitCode.SETTINGS
    assert said.err == f"reload: {mistake}:1: is not TOML. The old settings stay in force.\n"


def test_a_daemon_of_ones_own_is_told_in_spite_of_a_mistake(
    run: Run, service: Room, own_state: Path, mistake: Path
) -> None:
    with room_on(own_state / "control", own_state) as own, StateLock(own_state):
        assert run("mute").code == ExitCode.OK
        assert own.mute.muted
    assert not service.mute.muted


def test_the_state_directory_is_known_by_what_is_right_beside_the_mistake(
    run: Run, service: Room, mistake: Path, tmp_path: Path
) -> None:
    state = tmp_path / "named"
    mistake.write_text(f"[store]\nstate_dir = '{state}'\n[vad]\nmode = 'telepathy'\n")
    with room_on(state / "control", state) as named, StateLock(state):
        assert run("mute").code == ExitCode.OK
        assert named.mute.muted
    assert run("mute").code == ExitCode.SETTINGS  # the service is another daemon
    assert not service.mute.muted


def test_systemds_reload_reaches_the_daemon_whatever_the_settings_say(
    run: Run, own_state: Path, mistake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "service" / "state"))
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "service"))
    (tmp_path / "service").mkdir()
    with room_on(tmp_path / "service" / "control", tmp_path / "elsewhere") as service:
        assert run("mute").code == ExitCode.OK
        assert service.mute.muted


@pytest.mark.parametrize("name", ["status", "mute", "unmute", "reload"])
def test_a_mistake_is_told_where_no_daemon_is_found(run: Run, mistake: Path, name: str) -> None:
    said = run(name)
    assert said.code == ExitCode.SETTINGS
    assert f"{mistake}:1:" in said.err


# ---- a state directory that may not be looked at


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """The service's own state directory, whose lock this user cannot open."""
    state = tmp_path / "service" / "state"
    state.mkdir(parents=True)
    (state / "lock").symlink_to("lock")
    return state


def test_the_daemon_of_a_closed_state_directory_is_asked(run: Run, closed: Path, tmp_path: Path) -> None:
    with room_on(tmp_path / "service" / "control", closed) as service:
        service.status = asdict(WELL)
        assert run("status", state=closed).code == ExitCode.OK
        assert run("mute", state=closed).code == ExitCode.OK
        assert service.mute.muted


def test_without_its_daemon_it_is_told_that_it_cannot_be_looked_at(run: Run, closed: Path) -> None:
    said = run("status", state=closed)
    assert said.code == ExitCode.STORE
    assert str(closed / "lock") in said.err
