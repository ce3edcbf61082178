"""What every source does: file, standard input, microphone, and the fake that stands in for them."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.audio.audio_files import tone, write_wav
from tests.fakes.sink import MemorySink
from tests.fakes.source import MemorySource
from tests.pulse import PulseServer
from voicebridge.audio.microphone import Microphone
from voicebridge.audio.pcm_input import StdinSource
from voicebridge.audio.replay import FileSource
from voicebridge.audio.ring import Ring
from voicebridge.domain.audio import Frame
from voicebridge.domain.errors import AudioError
from voicebridge.domain.ports import Source
from voicebridge.settings.schema import AudioSettings

SAMPLES = 40_000


@dataclass
class Case:
    """A source that has audio to give, and one of its kind that cannot begin."""

    good: Source
    ends: bool
    bad: Source | None


def file_case(folder: Path) -> Iterator[Case]:
    path = write_wav(folder / "a.wav", tone(SAMPLES))
    yield Case(FileSource(path), ends=True, bad=FileSource(folder / "none.wav"))


def stdin_case(folder: Path) -> Iterator[Case]:
    path = folder / "a.raw"
    path.write_bytes(tone(SAMPLES).tobytes())
    with path.open("rb") as stream:
        yield Case(StdinSource(stream), ends=True, bad=StdinSource(None))


def memory_case(_folder: Path) -> Iterator[Case]:
    blocks = [tone(SAMPLES)[start : start + 1600] for start in range(0, SAMPLES, 1600)]
    yield Case(MemorySource(blocks), ends=True, bad=None)


@pytest.fixture(params=["file", "stdin", "memory", pytest.param("microphone", marks=pytest.mark.pulse)])
def case(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    if request.param == "microphone":
        server: PulseServer = request.getfixturevalue("pulse")
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        wanted = AudioSettings(device="kitchen", rate=16_000)
        yield Case(Microphone(wanted), ends=False, bad=Microphone(AudioSettings(device="bathroom")))
        return
    makers: dict[str, Callable[[Path], Iterator[Case]]] = {
        "file": file_case,
        "stdin": stdin_case,
        "memory": memory_case,
    }
    yield from makers[request.param](tmp_path)


def test_audio_comes_and_the_sink_is_closed_at_the_end(case: Case) -> None:
    sink = MemorySink()
    case.good.start(sink)
    sink.wait_for_samples(3200)
    if not case.ends:
        case.good.stop()
    audio = sink.wait_for_end()
    assert case.good.error() is None
    if case.ends:
        assert np.array_equal(audio, tone(SAMPLES))


def test_the_ring_takes_it_as_frames_without_a_gap(case: Case) -> None:
    ring = Ring(16_000)
    reader = ring.reader()
    case.good.start(ring)
    position = 0
    while position < 12_800:
        item = reader.read(5.0)
        assert isinstance(item, Frame)
        assert item.start == position
        position = item.end
    case.good.stop()


def test_stop_is_quick_and_may_be_called_twice(case: Case) -> None:
    sink = MemorySink()
    case.good.start(sink)
    sink.wait_for_samples(320)
    began = time.monotonic()
    case.good.stop()
    case.good.stop()
    assert time.monotonic() - began < 2.0
    assert sink.closed
    samples = sink.samples
    os.sched_yield()
    assert sink.samples == samples


def test_a_source_that_was_never_started_can_be_stopped(case: Case) -> None:
    case.good.stop()
    assert case.good.error() is None


def test_a_source_says_what_it_is(case: Case) -> None:
    info = case.good.info
    assert info.kind in {"file", "stdin", "microphone"}
    assert info.name
    assert info.paced is (info.kind == "microphone")


def test_a_source_that_cannot_begin_says_so_at_the_start(case: Case) -> None:
    if case.bad is None:
        return
    with pytest.raises(AudioError) as caught:
        case.bad.start(MemorySink())
    assert caught.value.message
    case.bad.stop()
