import http.client
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.daemon.hearing import SECONDS, SETTINGS, Session, spoken
from tests.fakes.engine import FakeEngine
from tests.fakes.window import FakeDaemon
from voicebridge.daemon.http import LONGEST_PAUSE_SECONDS, HttpThread, serving
from voicebridge.daemon.session import Orders, hear
from voicebridge.domain.errors import ExitCode, SettingsError
from voicebridge.domain.ports import EventSink, Source
from voicebridge.settings import Settings
from voicebridge.settings.schema import HttpSettings
from voicebridge.web.access import access_of


def settings(bind: str, token: str = "", *, enabled: bool = True) -> Settings:
    wanted = HttpSettings(enabled=enabled, bind=bind, token=SecretStr(token))
    return SETTINGS.model_copy(update={"http": wanted})


def thread(bind: str) -> HttpThread:
    wanted = settings(bind)
    return HttpThread(FakeDaemon().window, access_of(wanted.http), wanted)


@contextmanager
def running(one: HttpThread) -> Iterator[HttpThread]:
    with serving(one, lambda: None):
        yield one
    assert not one.alive


def wait_until(good: Callable[[], object]) -> None:
    pause = threading.Event()
    for _ in range(int(SECONDS / 0.01)):
        if good():
            return
        pause.wait(0.01)
    raise AssertionError("it did not come so far")


def healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    finally:
        connection.close()


def test_it_serves_gives_signs_of_life_and_closes_what_it_looked_through() -> None:
    one, closed = thread("127.0.0.1:0"), threading.Event()
    with serving(one, closed.set):
        wait_until(lambda: one.port)
        assert one.port is not None
        assert healthy(one.port)
        before = one.last_sign_monotonic
        wait_until(lambda: one.last_sign_monotonic != before)
        assert not closed.is_set()
    assert not one.alive
    assert closed.is_set()


def test_a_port_that_is_taken_is_told_once_and_had_when_it_is_free(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with running(thread(f"127.0.0.1:{port}")) as one:
            wait_until(lambda: one.counters.failures >= 2)
            warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
            assert len(warnings) == 1
            assert f"127.0.0.1:{port} cannot be had (Address already in use)" in warnings[0].getMessage()
            taken.close()
            wait_until(lambda: one.port)
            assert healthy(port)


def test_a_stop_does_not_wait_for_the_next_try() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        one = thread(f"127.0.0.1:{taken.getsockname()[1]}")
        one._pause_seconds = LONGEST_PAUSE_SECONDS
        with running(one):
            wait_until(lambda: one.counters.failures)


def test_a_stop_right_after_the_start_is_heeded() -> None:
    with running(thread("127.0.0.1:0")) as one:
        pass
    assert one.failure is None


def test_a_socket_that_a_kill_left_is_replaced_and_ours_removed(tmp_path: Path) -> None:
    path = tmp_path / "http"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with running(thread(f"unix:{path}")), socket.socket(socket.AF_UNIX) as client:
        wait_until(lambda: _answered(path))
        assert path.stat().st_mode & 0o777 == 0o600
        client.settimeout(SECONDS)
        client.connect(str(path))
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
    assert not path.exists()


def _answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
        return True


def test_a_socket_that_another_process_listens_on_is_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "http"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with running(thread(f"unix:{path}")) as one:
            wait_until(lambda: one.counters.failures)
        assert path.exists()


def test_a_folder_that_does_not_exist_is_waited_for(tmp_path: Path) -> None:
    with running(thread(f"unix:{tmp_path / 'run' / 'http'}")) as one:
        wait_until(lambda: one.counters.failures)
        (tmp_path / "run").mkdir()
        wait_until((tmp_path / "run" / "http").exists)


def test_a_mistake_in_the_settings_is_told_before_anything_is_heard(tmp_path: Path) -> None:
    def make(_: EventSink) -> Source:
        raise AssertionError("the source was made")

    exposed = settings("0.0.0.0:8090")
    with pytest.raises(SettingsError, match=r"no http\.token") as caught:
        hear(Orders(exposed, tmp_path, make, reread=lambda: exposed), lambda _: None, lambda _: None)
    assert caught.value.code is ExitCode.SETTINGS


def heard(tmp_path: Path, wanted: Settings) -> tuple[Session, set[tuple[str, bool]]]:
    """Hear one utterance to its end; return the session, and who was watched with whether it is vital."""
    session = Session(tmp_path, spoken(1), FakeEngine(), wanted)
    session.orders = replace(session.orders, reread=lambda: wanted)
    assert session.hear().exit_code is ExitCode.OK
    assert session.started is not None
    return session, {(one.thread, one.vital) for one in session.started.daemon.onlookers}


def test_its_silence_only_degrades_and_a_taken_port_harms_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        session, onlookers = heard(tmp_path, settings(f"127.0.0.1:{taken.getsockname()[1]}"))
    assert ("http", False) in onlookers
    assert session.kinds().count("UtteranceSettled") == 1


def test_where_it_is_turned_off_nothing_is_served(tmp_path: Path) -> None:
    _, onlookers = heard(tmp_path, settings("0.0.0.0:8090", enabled=False))
    assert "main" in (names := {name for name, _ in onlookers})
    assert "http" not in names


def test_its_libraries_are_not_imported_with_it() -> None:
    script = "import sys, voicebridge.daemon.http; print({'uvicorn', 'starlette', 'anyio', 'h11'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"
