"""However a soak ends, what was stored is written down, and how it ended comes last."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from voicebridge_bench.soak.journal import Recorder, read_record
from voicebridge_bench.soak.profiles import profile_named
from voicebridge_bench.soak.record import Checkpoint, Happened, Record
from voicebridge_bench.soak.running import Asked, Conductor, _header, _soak

ASKED = Asked(profile_named("office"), 0.3)


@dataclass
class Daemon:
    """Implements Subject: it does nothing, or breaks where it is told to."""

    recorder: Recorder
    state: Path
    breaks: str = ""
    fault: BaseException = field(default_factory=KeyboardInterrupt)
    calls: list[str] = field(default_factory=list)
    pid: int | None = None
    heap_bytes: int | None = None
    log_bytes: int = 0
    status: Mapping[str, Any] = field(default_factory=dict)
    announced: int = 0
    faults: int = 0
    audio_seconds: float = 0.0

    def start(self) -> None:
        self._do("start")

    def look(self, elapsed: float) -> None:
        del elapsed
        if "look" not in self.calls:
            self._do("look")

    def new_checkpoints(self) -> list[Checkpoint]:
        return []

    def finish(self) -> None:
        self._do("finish")

    def leave(self) -> None:
        self._do("leave")

    def salvage(self) -> None:
        self._do("salvage")

    def _do(self, what: str) -> None:
        self.calls.append(what)
        self.recorder.write(Happened(0.0, what, 1))
        if what == self.breaks:
            raise self.fault


def soaked(folder: Path, breaks: str) -> tuple[Daemon, Record]:
    recorder = Recorder(folder)
    recorder.write(_header(ASKED, attached=False))
    daemon = Daemon(recorder, folder, breaks)
    conductor = Conductor(recorder, ASKED, threading.Event(), lambda _progress: None)
    try:
        _soak(conductor, daemon)
    except KeyboardInterrupt:
        assert breaks
    else:
        assert not breaks
    recorder.close()
    return daemon, read_record(folder)


def test_one_that_comes_to_its_end_is_finished_and_nothing_has_to_be_salvaged(tmp_path: Path) -> None:
    daemon, record = soaked(tmp_path, "")
    assert daemon.calls == ["start", "look", "finish", "leave"]
    assert record.end is not None
    assert record.end.reason == "complete"


@pytest.mark.parametrize("breaks", ["start", "look", "finish"])
def test_whatever_breaks_it_what_was_stored_is_written_down(tmp_path: Path, breaks: str) -> None:
    daemon, record = soaked(tmp_path, breaks)
    assert daemon.calls[-3:] == [breaks, "leave", "salvage"]
    assert record.end is not None
    assert (record.end.reason, record.end.detail) == ("interrupted", "asked to end at once")


def test_a_fault_of_the_harness_is_told_as_one(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.write(_header(ASKED, attached=False))
    daemon = Daemon(recorder, tmp_path, "look", RuntimeError("a bug"))
    conductor = Conductor(recorder, ASKED, threading.Event(), lambda _progress: None)
    with pytest.raises(RuntimeError):
        _soak(conductor, daemon)
    recorder.close()
    assert daemon.calls[-1] == "salvage"
    end = read_record(tmp_path).end
    assert end is not None
    assert (end.reason, end.detail) == ("failed", "RuntimeError: a bug")


def test_how_it_ended_is_written_also_when_nothing_can_be_salvaged(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.write(_header(ASKED, attached=False))
    daemon = Daemon(recorder, tmp_path, "leave")
    conductor = Conductor(recorder, ASKED, threading.Event(), lambda _progress: None)
    with pytest.raises(KeyboardInterrupt):
        _soak(conductor, daemon)
    recorder.close()
    assert read_record(tmp_path).end is not None
