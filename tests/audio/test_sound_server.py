"""Where the sound server is, what knocking at it says, and what can be seen of the sound system."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from voicebridge.audio.sound_server import Known, NoWatch, reach, socket_path
from voicebridge.audio.surroundings import Surroundings
from voicebridge.domain.capture import SoundServer


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[tuple[socket.socket, Path]]:
    """A socket on which a server listens that takes one caller at a time."""
    path = tmp_path / "native"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen(0)
        yield server, path


@pytest.mark.parametrize(
    ("server", "path"),
    [
        ("unix:/tmp/a/native", Path("/tmp/a/native")),
        ("/tmp/a/native", Path("/tmp/a/native")),
        ("{0123abcd}unix:/tmp/a/native", Path("/tmp/a/native")),
        ("tcp:localhost:4713", None),
        ("unix:/tmp/a unix:/tmp/b", None),
    ],
)
def test_a_named_server_is_looked_for_where_the_name_says(server: str, path: Path | None) -> None:
    assert socket_path({"PULSE_SERVER": server}) == path


def test_without_a_name_the_usual_sockets_are_looked_for(listening: tuple[socket.socket, Path], tmp_path: Path) -> None:
    _, path = listening
    (tmp_path / "pulse").mkdir()
    (tmp_path / "pulse" / "native").touch()  # no socket
    assert socket_path({"PULSE_RUNTIME_PATH": str(tmp_path)}) == path
    assert socket_path({"XDG_RUNTIME_DIR": str(tmp_path)}) in {None, Path("/run/pulse/native")}
    path.rename(path.with_name("gone"))
    (tmp_path / "pulse" / "native").unlink()
    (tmp_path / "gone").rename(tmp_path / "pulse" / "native")
    assert socket_path({"XDG_RUNTIME_DIR": str(tmp_path)}) == tmp_path / "pulse" / "native"


def test_nobody_at_the_door_is_absent(tmp_path: Path) -> None:
    assert reach(tmp_path / "none") is SoundServer.ABSENT
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(tmp_path / "stale"))
    assert reach(tmp_path / "stale") is SoundServer.ABSENT


def test_a_server_that_takes_callers_may_answer_and_one_with_a_queue_is_silent(
    listening: tuple[socket.socket, Path],
) -> None:
    _, path = listening
    assert reach(path) is SoundServer.UNKNOWN
    answers = [reach(path) for _ in range(5)]
    assert answers[-1] is SoundServer.SILENT


def test_what_is_no_local_socket_cannot_be_knocked_at() -> None:
    assert reach(None) is SoundServer.UNKNOWN


def test_where_there_is_nobody_to_ask_nothing_is_known() -> None:
    watch = NoWatch()
    watch.start(lambda: None)
    watch.prompt()
    assert (watch.known(), watch.sign()) == (Known(), None)
    watch.stop()


def test_a_card_a_node_a_socket_and_a_source_are_seen_when_they_come(tmp_path: Path) -> None:
    (tmp_path / "proc/asound").mkdir(parents=True)
    (tmp_path / "dev/snd").mkdir(parents=True)
    path = tmp_path / "native"
    surroundings = Surroundings(tmp_path, {"PULSE_SERVER": f"unix:{path}"})
    glances = [surroundings.glance(Known())]
    assert surroundings.glance(Known()) == glances[0]
    (tmp_path / "proc/asound/cards").write_text(" 1 [Mic]: USB-Audio\n")
    glances.append(surroundings.glance(Known()))
    (tmp_path / "dev/snd/pcmC1D0c").touch()
    glances.append(surroundings.glance(Known()))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        glances.append(surroundings.glance(Known()))
        os.utime(path)  # a new one in its place has a new time even where its inode is the same
        glances.append(surroundings.glance(Known()))
    glances.append(surroundings.glance(Known(SoundServer.ANSWERS)))
    glances.append(surroundings.glance(Known(SoundServer.ANSWERS, sources=frozenset({"desk"}))))
    assert len(set(glances)) == len(glances)


def test_a_machine_without_sound_shows_nothing(tmp_path: Path) -> None:
    glance = Surroundings(tmp_path, {"PULSE_SERVER": "tcp:localhost"}).glance(Known())
    assert (glance.cards, glance.nodes, glance.socket) == ("", (), None)
