"""The control socket: what it answers, whom, and what it does not stand."""

import grp
import json
import logging
import os
import pwd
import resource
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.daemon.control_room import SECONDS, Room, room_in
from tests.fakes.states import state_in
from tests.fakes.utterances import done
from voicebridge.daemon.control import MAX_CONNECTIONS, MAX_ORDERS, Control, Door
from voicebridge.daemon.control_client import Client
from voicebridge.daemon.control_peer import Peer, check, group_id
from voicebridge.daemon.control_protocol import PAGE_RECORDS, REQUEST_BYTES, VERSION, record_from_json, record_to_json
from voicebridge.daemon.control_socket import connect, listen
from voicebridge.domain.errors import ControlError, ExitCode
from voicebridge.domain.events import MuteChanged, SettingsReloaded
from voicebridge.domain.utterance import Status

ME = pwd.getpwuid(os.getuid()).pw_name
AS_NOBODY = """
import os, sys
from pathlib import Path
from voicebridge.daemon.control_client import Client
from voicebridge.domain.errors import ControlError
os.setgroups([])
os.setgid(int(sys.argv[2]))
os.setuid(65534)
try:
    with Client(Path(sys.argv[1])) as client:
        print(client.ask("mute")["muted"])
except ControlError as error:
    print(int(error.code), error)
"""
"""Asks as the user nobody, in a group of its own choice."""


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    with room_in(tmp_path) as room:
        yield room


@pytest.fixture
def client(room: Room) -> Iterator[Client]:
    with room.client() as client:
        yield client


def settled(good: Callable[[], bool]) -> bool:
    """Wait until the thread has seen it."""
    pause = threading.Event()
    return any(good() or pause.wait(0.01) for _ in range(int(SECONDS * 100)))


def raw(room: Room) -> socket.socket:
    """Connect without any manners; the greeting is taken."""
    stream = connect(room.path, SECONDS)
    assert json.loads(stream.recv(65_536))["v"] == VERSION
    return stream


def hung_up(stream: socket.socket) -> bool:
    """Wait until the other end has closed; the kernel calls it a reset when it had not read all that was sent."""
    try:
        return stream.recv(1) == b""
    except ConnectionResetError:
        return True


# ---- verbs


def test_it_says_who_it_is(client: Client, tmp_path: Path) -> None:
    assert (client.greeting.pid, client.greeting.state_dir) == (os.getpid(), tmp_path / "state")


def test_status_is_what_was_written_last_with_mute_as_it_is_now(client: Client, room: Room) -> None:
    assert client.ask("status")["status"] == {"state": "hearing", "muted": False}
    client.ask("mute")
    assert client.ask("status")["status"]["muted"] is True


def test_a_daemon_that_has_not_said_how_it_is_has_no_status(client: Client, room: Room) -> None:
    room.status = None
    assert client.ask("status") == {"v": VERSION, "ok": True, "status": None, "muted": False}


def test_mute_is_announced_with_the_name_of_who_asked(client: Client, room: Room) -> None:
    assert client.ask("mute", keep=True)["muted"] is True
    assert room.mute.kept
    assert client.ask("unmute")["muted"] is False
    assert room.events == [MuteChanged(True, ME), MuteChanged(False, ME)]


def test_reload_names_what_was_applied_and_what_was_not(client: Client) -> None:
    answer = client.ask("reload")
    assert (answer["applied"], answer["needs_restart"]) == (["gate.avg_logprob"], ["vad.mode"])


def test_a_reload_that_was_refused_says_why(client: Client, room: Room) -> None:
    room.outcome = SettingsReloaded((), (), refused="It is not TOML.")
    with pytest.raises(ControlError, match=r"It is not TOML\. The old settings stay in force\.") as caught:
        client.ask("reload")
    assert caught.value.code == ExitCode.SETTINGS


def test_history_comes_in_pages(client: Client, tmp_path: Path) -> None:
    with state_in(tmp_path / "state") as state:
        for number in range(PAGE_RECORDS + 3):
            state.hear(f"number {number}", 1.0 + 10 * number)
        first, second = client.ask("history"), client.ask("more")
    texts = [record_from_json(record).text for record in first["records"] + second["records"]]
    assert texts == [f"number {number}" for number in range(PAGE_RECORDS + 3)]
    assert (len(first["records"]), first["more"], second["more"]) == (PAGE_RECORDS, True, False)


def test_history_takes_the_filters_of_the_command(client: Client, tmp_path: Path) -> None:
    with state_in(tmp_path / "state") as state:
        for number in range(3):
            state.hear(f"number {number}", 1.0 + 10 * number)
        state.hear(start=50.0, status=Status.FAILED)
        newest = client.ask("history", newest_first=True, limit=2, statuses=["done"])
        assert [record["text"] for record in newest["records"]] == ["number 2", "number 1"]
        assert newest["more"] is False
        assert client.ask("history", session=7)["records"] == []


def test_an_utterance_comes_through_as_it_was(tmp_path: Path) -> None:
    with state_in(tmp_path / "state") as state:
        record = state.hear("schön 日本")
    assert record_from_json(json.loads(json.dumps(record_to_json(record)))) == record


def test_following_gives_what_is_settled_and_was_not_shown(client: Client, tmp_path: Path) -> None:
    with state_in(tmp_path / "state") as state:
        state.hear("before", 1.0)
        client.ask("follow")
        state.hear("meanwhile", 10.0)
        assert [record["text"] for record in client.ask("history")["records"]] == ["before", "meanwhile"]
        assert client.ask("poll")["records"] == []
        state.hear("later", 20.0)
        assert [record["text"] for record in client.ask("poll")["records"]] == ["later"]


def test_who_follows_may_ask_for_words_with_each_text(client: Client, tmp_path: Path) -> None:
    with state_in(tmp_path / "state") as state:
        client.ask("follow", words=True)
        outcome = done(state.add(1.0), "light")
        assert outcome.transcript is not None
        new = state.store.settle(replace(outcome, transcript=replace(outcome.transcript, words=())))
        assert client.ask("poll")["records"] == []
        state.store.add_words(new.utterance_id, outcome.transcript.words)
        (told,) = client.ask("poll")["records"]
    assert [word["text"] for word in told["words"]] == ["light"]


def test_a_database_that_is_not_there_is_told(client: Client) -> None:
    with pytest.raises(ControlError, match="There is no database at") as caught:
        client.ask("history")
    assert caught.value.code == ExitCode.NO_INPUT


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]", b'{"verb":"sing"}', b'{"verb":"mute","loud":1}', b'{"verb":"poll","v":2}']
)
def test_what_is_no_request_is_refused_and_ends_the_connection(room: Room, line: bytes) -> None:
    with closing(raw(room)) as stream:
        stream.sendall(line + b"\n")
        answer = json.loads(stream.makefile("rb").readline())
        assert (answer["ok"], answer["code"]) == (False, ExitCode.USAGE)
        assert "This is no request" in answer["message"]
        assert stream.recv(1) == b""
    assert room.control.counters.bad_requests == 1


def test_a_poll_before_a_follow_is_refused(client: Client) -> None:
    with pytest.raises(ControlError, match="comes after `follow`"):
        client.ask("poll")
    assert client.ask("status")["ok"] is True


# ---- bounds


def test_a_request_that_is_too_long_is_refused(room: Room) -> None:
    with closing(raw(room)) as stream:
        stream.sendall(b"x" * (REQUEST_BYTES + 1))
        assert "at most" in json.loads(stream.makefile("rb").readline())["message"]
    assert room.control.counters.bad_requests == 1


def test_too_many_at_once_are_turned_away_and_may_come_later(room: Room) -> None:
    with ExitStack() as held:
        for _ in range(MAX_CONNECTIONS):
            held.enter_context(room.client())
        with pytest.raises(ControlError, match="others are asking already") as caught:
            room.client()
        assert caught.value.code == ExitCode.BUSY
        assert room.control.counters.turned_away == 1
    assert settled(lambda: not room.control._connections)
    with room.client() as client:
        assert client.ask("status")["ok"] is True


def test_who_takes_too_long_to_ask_is_hung_up_on(room: Room) -> None:
    with closing(raw(room)) as stream:
        stream.sendall(b'{"verb":')
        room.now += 1000
        room.control.post(lambda: None)
        assert hung_up(stream)
    assert settled(lambda: room.control.counters.timed_out == 1)


def test_who_takes_no_answers_is_not_waited_for(room: Room) -> None:
    room.status = {"state": "x" * 1_000_000, "muted": False}
    with closing(raw(room)) as stream, room.client() as other:
        stream.sendall(b'{"verb":"status"}\n' * 50)
        assert other.ask("mute")["muted"] is True
        room.now += 1000
        room.control.post(lambda: None)
        assert settled(lambda: room.control.counters.timed_out >= 1)


def test_several_requests_at_once_are_answered_in_order(room: Room) -> None:
    room.status = {"state": "x" * 1_000_000, "muted": False}
    with closing(raw(room)) as stream:
        stream.sendall(b'{"verb":"status"}\n{"verb":"mute"}\n{"verb":"unmute"}\n')
        lines = stream.makefile("rb")
        answers = [json.loads(lines.readline()) for _ in range(3)]
    assert ["status" in answers[0], answers[1]["muted"], answers[2]["muted"]] == [True, True, False]


def test_who_goes_in_the_middle_does_no_harm(room: Room) -> None:
    for _ in range(3 * MAX_CONNECTIONS):
        stream = connect(room.path, SECONDS)
        stream.sendall(b'{"verb":')
        stream.close()
    assert settled(lambda: not room.control._connections)
    with room.client() as client:
        assert client.ask("status")["ok"] is True


def test_a_fault_of_ours_is_logged_and_it_serves_on(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    room.fault = ZeroDivisionError("ours")
    with room.client() as client, pytest.raises(ControlError, match="has hung up"):
        client.ask("status")
    room.fault = None
    with room.client() as client:
        assert client.ask("status")["ok"] is True
    assert room.control.counters.failures == 1
    assert room.control.failure is None
    assert "the control socket failed" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_a_connection_that_cannot_be_taken_is_told_and_it_serves_on(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    stream = socket.socket(socket.AF_UNIX)
    free = os.dup(stream.fileno())
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        stream.connect(str(room.path))
        assert settled(lambda: "could not be taken" in caplog.text)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with closing(stream), room.client() as client:
        assert client.ask("status")["ok"] is True


# ---- signals


def test_what_signals_ask_for_is_done_by_its_thread(room: Room) -> None:
    seen: list[str] = []
    room.control.post(lambda: seen.append(threading.current_thread().name))
    assert settled(lambda: seen == ["control"])


def test_an_order_that_fails_is_logged(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ControlError("It cannot be done.")

    with caplog.at_level(logging.WARNING):
        room.control.post(fail)
        assert settled(lambda: "It cannot be done." in caplog.text)


def test_of_too_many_orders_the_newest_are_done(tmp_path: Path, room: Room) -> None:
    seen: list[int] = []
    idle = Control(room.control._desk, Door(None, ""))
    for number in range(3 * MAX_ORDERS):
        idle.post(lambda number=number: seen.append(number))  # type: ignore[misc]  # the default is what binds it
    assert idle.counters.told()["control_orders_dropped"] == 2 * MAX_ORDERS
    idle.start()
    assert settled(lambda: len(seen) == MAX_ORDERS)
    idle.stop()
    assert idle.join(SECONDS)
    assert seen[-1] == 3 * MAX_ORDERS - 1


def test_it_gives_signs_of_life(room: Room) -> None:
    room.control.last_sign_monotonic = None
    room.control.post(lambda: None)
    assert settled(lambda: room.control.last_sign_monotonic is not None)


# ---- the file


def test_the_socket_goes_with_the_daemon(tmp_path: Path) -> None:
    with room_in(tmp_path) as room:
        assert room.path.is_socket()
        assert room.path.stat().st_mode & 0o777 == 0o600
    assert not room.path.exists()


def test_one_that_a_kill_left_behind_is_replaced(tmp_path: Path) -> None:
    listen(tmp_path / "control", "").close()
    with room_in(tmp_path) as room, room.client() as client:
        assert client.ask("status")["ok"] is True


def test_one_that_is_answered_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with room_in(tmp_path) as room:
        second = Room(room.path, tmp_path / "state")
        second.control.open()
        assert "another process listens" in caplog.text
        second.control.close()
        with room.client() as client:
            assert client.ask("status")["ok"] is True


def test_a_place_that_cannot_be_had_costs_only_the_socket(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    room = Room(tmp_path / "nowhere" / "control", tmp_path)
    room.control.open()
    assert "there is no control socket" in caplog.text
    seen: list[int] = []
    room.control.start()
    room.control.post(lambda: seen.append(1))
    assert settled(lambda: seen == [1])
    room.control.stop()
    assert room.control.join(SECONDS)
    room.control.close()


def test_a_path_longer_than_the_kernel_takes_will_do(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    with room_in(deep) as room, room.client() as client:
        assert client.ask("status")["ok"] is True


# ---- who is served


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as somebody else")


def as_nobody(path: Path, group: int) -> str:
    call = [sys.executable, "-c", AS_NOBODY, str(path), str(group)]
    return subprocess.run(call, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@needs_root
def test_members_of_the_group_are_served(open_folder: Path) -> None:
    with room_in(open_folder, "audio") as room:
        assert room.path.stat().st_mode & 0o777 == 0o660
        assert room.path.stat().st_gid == group_id("audio")
        assert as_nobody(room.path, grp.getgrnam("audio").gr_gid) == "True\n"
        assert room.events == [MuteChanged(True, "nobody")]


LISTENS = """
import sys
from pathlib import Path
from voicebridge.daemon.control_socket import listen
path = Path(sys.argv[1])
listen(path, sys.argv[2]).close()
print(oct(path.stat().st_mode & 0o777))
"""


def mode_without_chown(path: Path, group: str) -> str:
    """Return the mode of a socket made where every chown is refused, as a service's sandbox does."""
    refused = ["strace", "-qq", "-f", "-o", "/dev/null", "-e", "inject=chown,lchown,fchown,fchownat:error=EPERM"]
    call = [*refused, sys.executable, "-c", LISTENS, str(path), group]
    return subprocess.run(call, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def test_a_group_that_the_file_has_already_needs_no_chown(tmp_path: Path) -> None:
    mine = grp.getgrgid(os.getegid()).gr_name
    assert mode_without_chown(tmp_path / "control", mine) == "0o660"


@needs_root
def test_a_group_that_it_cannot_be_given_to_leaves_it_to_its_own_user(tmp_path: Path) -> None:
    assert mode_without_chown(tmp_path / "control", "audio") == "0o600"


@needs_root
def test_others_are_told_which_group_to_join(open_folder: Path) -> None:
    with room_in(open_folder, "audio") as room:
        said = as_nobody(room.path, 65534)
    assert said.startswith("77 This daemon answers only root and members of the group audio. ")
    assert "sudo usermod -aG audio $USER" in said


@needs_root
def test_a_file_that_lets_others_in_does_not_let_them_ask(open_folder: Path) -> None:
    with room_in(open_folder, "audio") as room:
        room.path.chmod(0o666)
        assert "members of the group audio" in as_nobody(room.path, 65534)
        assert room.control.counters.denied == 1
        assert room.events == []


@needs_root
def test_without_a_group_it_is_for_its_own_user_and_root(open_folder: Path) -> None:
    with room_in(open_folder) as room:
        room.path.chmod(0o666)
        assert "only its own user and root" in as_nobody(room.path, 65534)


def test_a_group_that_is_not_there_leaves_it_to_its_own_user(tmp_path: Path) -> None:
    with room_in(tmp_path, "no-such-group") as room:
        assert room.path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ControlError, match="members of the group no-such-group"):
        check(Peer(1, 65534, 65534), "no-such-group")


def test_a_user_without_a_name_is_called_by_its_number() -> None:
    stranger = Peer(1, 3_999_999, 3_999_999)
    assert stranger.user == "user 3999999"
    with pytest.raises(ControlError):
        check(stranger, "audio")


# ---- the client


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        (b"", "has hung up"),
        (b"SSH-2.0-OpenSSH\n", "is no Voicebridge"),
        (b"[1]\n", "is no Voicebridge"),
        (b'{"v": 1}\n', "is no Voicebridge"),
        (b'{"v": 2, "pid": 1, "state_dir": "/", "version": "9.0", "more": 1}\n', r"version 9\.0. speaks another"),
        (b'{"v": 1, "ok": false, "message": "No.", "code": 999}\n', r"No\."),
    ],
)
def test_what_is_no_daemon_of_ours_is_told(tmp_path: Path, said: bytes, complaint: str) -> None:
    path = tmp_path / "control"
    with closing(listen(path, "")) as listener:
        listener.setblocking(True)

        def greet() -> None:
            with closing(listener.accept()[0]) as stream:
                stream.sendall(said)

        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(ControlError, match=complaint):
            Client(path, SECONDS)
        thread.join()


def test_a_daemon_that_is_frozen_is_told(tmp_path: Path) -> None:
    with closing(listen(tmp_path / "control", "")):
        with pytest.raises(ControlError, match="does not answer") as caught:
            Client(tmp_path / "control", 0.05)
        assert caught.value.code == ExitCode.UNAVAILABLE


def test_no_daemon_is_told(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="No daemon listens") as caught:
        Client(tmp_path / "control")
    assert caught.value.code == ExitCode.NOT_RUNNING


def test_a_daemon_that_goes_meanwhile_is_told(tmp_path: Path) -> None:
    with room_in(tmp_path) as room:
        client = room.client()
    with client, pytest.raises(ControlError, match=r"has hung up|cannot be asked"):
        client.ask("status")
