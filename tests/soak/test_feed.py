"""The feed of a soak, through a real pipe: what is told as played was written, and at those samples."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from voicebridge.domain.audio import Samples
from voicebridge.domain.units import SAMPLE_BYTES, SAMPLE_RATE
from voicebridge_bench.playlist import Piece
from voicebridge_bench.soak.feed import BLOCK_SECONDS, Feed
from voicebridge_bench.soak.playing import Programme
from voicebridge_bench.soak.profiles import Load
from voicebridge_bench.soak.record import Played

WAIT_SECONDS = 30.0
LOAD = Load(pieces=(2, 3), pause_seconds=(1.2, 1.5), quiet_seconds=(1.0, 2.0), noise_dbfs=-100.0)
PIECES = [Piece(str(level), np.full(SAMPLE_RATE, level, np.int16)) for level in (5000, 9000, 13_000)]
FAST = 100.0


class Reader:
    """The other end: reads all there is, as fast as it comes."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        self.data = bytearray()
        self._going = threading.Event()
        self._going.set()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def samples(self) -> Samples:
        whole = len(self.data) - len(self.data) % SAMPLE_BYTES
        return np.frombuffer(bytes(self.data[:whole]), "<i2")

    def pause(self) -> None:
        self._going.clear()

    def end(self) -> Samples:
        os.close(self.write_end)
        self._going.set()
        self._thread.join(WAIT_SECONDS)
        return self.samples

    def _run(self) -> None:
        while self._going.wait() and (data := os.read(self.read_end, 1 << 16)):
            self.data += data
        os.close(self.read_end)


class Stage:
    """A feed and what it has told."""

    def __init__(self, speed: float = FAST, pieces: Sequence[Piece] = PIECES) -> None:
        self.played: list[Played] = []
        self.feed = Feed(Programme(LOAD, pieces, 1), "whisper", speed, self.played.append)
        self.feed.start()

    def wait(self, good: Callable[[], bool]) -> None:
        deadline, pause = time.monotonic() + WAIT_SECONDS, threading.Event()
        while not good():
            assert time.monotonic() < deadline
            pause.wait(0.01)


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.feed.stop()


def test_what_was_played_stands_at_its_samples(stage: Stage) -> None:
    reader = Reader()
    stage.feed.begin(reader.write_end, 4)
    stage.wait(lambda: len(stage.played) >= 5)
    stage.feed.cut()
    samples = reader.end().astype(int)
    for piece in stage.played:
        assert piece.life == 4
        assert abs(samples[piece.start_sample : piece.end_sample] - int(piece.text)).max() <= 2
        assert abs(samples[piece.start_sample - 100 : piece.start_sample]).max() <= 2


def test_moments_follow_from_the_samples_and_the_pace(stage: Stage) -> None:
    reader = Reader()
    stage.feed.begin(reader.write_end, 1)
    stage.wait(lambda: len(stage.played) >= 2)
    stage.feed.cut()
    reader.end()
    for piece in stage.played:
        assert piece.ended - piece.began >= 1 / FAST - 1e-6


def test_a_life_begins_at_sample_0_and_the_programme_goes_on(stage: Stage) -> None:
    fed = []
    for life in (1, 2):
        reader = Reader()
        stage.feed.begin(reader.write_end, life)
        stage.wait(lambda life=life: any(piece.life == life for piece in stage.played))  # type: ignore[misc]
        line = stage.feed.cut()
        assert line is not None
        assert len(reader.end()) >= line.fed
        fed.append(line.fed)
    firsts = [next(piece for piece in stage.played if piece.life == life) for life in (1, 2)]
    assert all(0 < piece.start_sample < fed[piece.life - 1] for piece in firsts)


def test_a_kill_takes_back_what_it_cut_off(stage: Stage) -> None:
    reader = Reader()
    stage.feed.begin(reader.write_end, 1)
    stage.wait(lambda: len(stage.played) >= 1)
    reader.pause()
    told = len(stage.played)
    line = stage.feed.cut()
    assert line is not None
    reader.end()
    assert len(stage.played) <= told + 1
    assert all(piece.end_sample <= line.fed for piece in stage.played)
    assert stage.feed.cut() is None


def test_after_a_clean_end_all_of_it_counts(stage: Stage) -> None:
    reader = Reader()
    stage.feed.begin(reader.write_end, 1)
    stage.wait(lambda: stage.feed.fed > 40 * SAMPLE_RATE)
    line = stage.feed.cut()
    assert line is not None
    waiting = len(line.unkept)
    assert waiting
    told = len(stage.played)
    stage.feed.all_kept(line)
    reader.end()
    assert len(stage.played) == told + waiting


def test_a_feed_that_stands_writes_nothing_and_goes_on_with_whole_samples_and_quiet(stage: Stage) -> None:
    reader = Reader()
    stage.feed.begin(reader.write_end, 1)
    stage.wait(lambda: stage.feed.fed > 8 * SAMPLE_RATE)
    stage.feed.stand()
    stood = threading.Event()
    stood.wait(0.4)
    before = len(reader.samples)
    stood.wait(0.3)
    assert len(reader.samples) == before
    stage.feed.go_on()
    stage.wait(lambda: len(reader.samples) > before + 8 * SAMPLE_RATE)
    stage.feed.cut()
    rest = reader.end()[before : before + 7 * SAMPLE_RATE]
    assert abs(rest.astype(int)).max() <= 2


def test_a_piece_that_is_under_way_when_the_feed_stands_is_not_finished() -> None:
    stage = Stage(1.0, [Piece("5000", np.full(6 * SAMPLE_RATE, 5000, np.int16))])
    reader = Reader()
    stage.feed.begin(reader.write_end, 1)
    stage.wait(lambda: len(reader.samples) > 0 and reader.samples[-1] > 4000)
    stage.feed.stand()
    before = stage.feed.fed
    threading.Event().wait(0.5)
    block = round(BLOCK_SECONDS * SAMPLE_RATE)
    assert stage.feed.fed - before <= block
    assert len(reader.samples) <= before + block
    stage.feed.go_on()
    stage.wait(lambda: stage.feed.fed > before + SAMPLE_RATE)
    stage.feed.cut()
    stage.feed.stop()
    rest = reader.end()[before + block :]
    assert abs(rest.astype(int)).max() <= 2
    assert stage.played == []


def test_what_the_daemon_does_not_take_is_seen(stage: Stage) -> None:
    reader = Reader()
    stage.feed.begin(reader.write_end, 1)
    reader.pause()
    stage.wait(lambda: stage.feed.held_seconds() > 1)
    stage.feed.cut()
    reader.end()
    assert stage.feed.held_seconds() == 0


def test_a_daemon_that_is_gone_ends_nothing_but_its_own_line(stage: Stage) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    stage.feed.begin(write_end, 1)
    line = stage.feed._line
    assert line is not None
    stage.wait(lambda: line.broken)
    stage.feed.cut()
    os.close(write_end)
    reader = Reader()
    stage.feed.begin(reader.write_end, 2)
    stage.wait(lambda: any(piece.life == 2 for piece in stage.played))
    stage.feed.cut()
    reader.end()
