"""The microphone of a soak: a thread that writes the programme to the daemon's standard input, at the pace of time.

Each life of the daemon gets a feed of its own that begins at sample 0. What was played is told only once the daemon
must have kept it: a piece that a kill cut off was not played.
"""

import fcntl
import logging
import os
import select
import struct
import termios
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain

from voicebridge.domain.audio import Samples
from voicebridge.domain.units import SAMPLE_BYTES, samples_to_seconds, seconds_to_samples
from voicebridge_bench.soak.playing import Programme, Stretch
from voicebridge_bench.soak.record import Played

logger = logging.getLogger(__name__)

BLOCK_SECONDS = 0.04
"""At the pace of time: as a microphone's blocks come by default (`audio.block_ms`)."""
FAST_BLOCK_SECONDS = 0.5
"""Faster than that: fewer, larger writes."""
LEAD_SECONDS = 0.5
"""Quiet before anything else that a life hears."""
REST_SECONDS = 7.0
"""Quiet after the feed has stood: the daemon's clock is put right at its next anchor, and delays count again."""
KEPT_SECONDS = 1.5
"""Hangover, tail and commit: what ended so long before a kill must be stored (as in voicebridge_bench.survival)."""
FAST_KEPT_SECONDS = 65.0
"""Faster than time the daemon may be behind by what its ring holds (60 s), and these seconds more."""
PIPE_BYTES = 1 << 20
"""What the pipe holds, where the system lets it: 32 s of audio, so that a process that was stopped loses none."""
LOOK_SECONDS = 0.1
MOST_BEHIND_SECONDS = 1.0
"""Faster than time the feed makes up for no more than this: the factor reached falls instead."""


@dataclass(slots=True)
class Line:
    """The feed of one life. ``base`` is when its sample 0 was due; it moves when the feed stands."""

    descriptor: int
    life: int
    base: float
    fed: int = 0
    broken: bool = False
    unkept: deque[Played] = field(default_factory=deque)
    """Played, and not certainly stored yet: no more than fit the time that it takes."""


class Feed:
    """Feeds one life after the other. ``begin``, ``cut`` and the rest are called by the conductor's thread."""

    def __init__(
        self,
        programme: Programme,
        engine: str,
        speed: float,
        tell: Callable[[Played], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.fed_total = 0
        """Samples written to all lives together."""
        self.error: Exception | None = None
        """What ended the thread, a fault of ours: a soak without a feed is none."""
        self._programme = programme
        self._engine = engine
        self._speed = speed
        self._tell = tell
        self._clock = clock
        self._block = seconds_to_samples(BLOCK_SECONDS if speed <= 1 else FAST_BLOCK_SECONDS)
        self._kept = seconds_to_samples(KEPT_SECONDS if speed <= 1 else FAST_KEPT_SECONDS)
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._standing = False
        self._line: Line | None = None
        self._coming: Iterator[Stretch] = iter(programme)
        self._thread = threading.Thread(target=self._run, name="soak-feed", daemon=True)

    def start(self) -> None:
        """Start the thread; it waits for the first life."""
        self._thread.start()

    def begin(self, descriptor: int, life: int) -> None:
        """Feed a life that reads from a pipe, from its sample 0 on."""
        os.set_blocking(descriptor, False)
        with suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        with self._lock:
            self._coming = chain(self._programme.quiet(LEAD_SECONDS), self._programme)
            self._line = Line(descriptor, life, self._clock())
            self._wake.set()

    def cut(self) -> Line | None:
        """Feed this life no more; return its line. Nothing is written to its descriptor after this."""
        with self._lock:
            line, self._line = self._line, None
            return line

    def all_kept(self, line: Line) -> None:
        """Tell all that was played on a line that was cut: its life has come to a clean end."""
        self._tell_kept(line, line.fed)

    def stand(self) -> None:
        """Write nothing until ``go_on``. A piece that is under way is not finished: a microphone would have lost it."""
        self._standing = True

    def go_on(self) -> None:
        """Write again, some quiet first; what was due meanwhile never comes."""
        with self._lock:
            self._coming = chain(self._programme.quiet(REST_SECONDS), self._programme)
            if self._line is not None:
                self._line.base = self._clock() - self._length(self._line.fed)
            self._standing = False
            self._wake.set()

    def stop(self) -> None:
        """End the thread; within a second."""
        self._stopping = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(5)

    @property
    def fed(self) -> int:
        """Samples that the present life was fed."""
        line = self._line
        return 0 if line is None else line.fed

    def held_seconds(self) -> float:
        """Return how much audio waits in the pipe for the daemon to take it."""
        with self._lock:
            return 0.0 if self._line is None else samples_to_seconds(_unread(self._line))

    def _run(self) -> None:
        try:
            self._feed_on()
        except Exception as error:
            logger.exception("the feed has failed")
            self.error = error

    def _feed_on(self) -> None:
        while not self._stopping:
            line = self._line
            if line is None or line.broken or self._standing:
                self._wake.clear()
                self._wake.wait(LOOK_SECONDS)
                continue
            self._feed_stretch(line, next(self._coming))

    def _feed_stretch(self, line: Line, stretch: Stretch) -> None:
        start = line.fed
        base = line.base
        for first in range(0, len(stretch.samples), self._block):
            if not self._feed_block(line, stretch.samples[first : first + self._block]):
                return
        if stretch.text:
            played = Played(
                began=base + self._length(start),
                ended=line.base + self._length(line.fed),
                life=line.life,
                start_sample=start,
                end_sample=line.fed,
                text=stretch.text,
                engine=self._engine,
            )
            with self._lock:
                if self._line is line:
                    line.unkept.append(played)
        self._look_what_is_kept(line)

    def _feed_block(self, line: Line, block: Samples) -> bool:
        """Write a block when it is due; False when this life is over, or the feed stands."""
        due = line.base + self._length(line.fed + len(block))
        while (early := due - self._clock()) > 0 and self._goes_on(line):
            time.sleep(min(early, LOOK_SECONDS))
        if not self._goes_on(line):
            return False
        if self._speed > 1 and -early > MOST_BEHIND_SECONDS:
            line.base -= early + MOST_BEHIND_SECONDS
        rest = memoryview(block.astype("<i2").tobytes())
        # A block that was begun is ended also when the feed is to stand: half a sample would garble all that follow.
        while rest and self._lives(line):
            rest = rest[self._write(line, rest) :]
        if rest:
            return False
        line.fed += len(block)
        self.fed_total += len(block)
        return True

    def _goes_on(self, line: Line) -> bool:
        return self._lives(line) and not self._standing

    def _lives(self, line: Line) -> bool:
        return self._line is line and not (line.broken or self._stopping)

    def _write(self, line: Line, data: memoryview) -> int:
        """Write what the pipe takes now; 0 when it takes nothing for a moment."""
        poll = select.poll()
        poll.register(line.descriptor, select.POLLOUT)
        if not poll.poll(LOOK_SECONDS * 1000):
            return 0
        # Under the lock: once a life was cut its descriptor may be another file's.
        with self._lock:
            if self._line is not line:
                return 0
            try:
                return os.write(line.descriptor, data)
            except BlockingIOError:
                return 0
            except OSError:
                line.broken = True  # it reads no more; whoever looks after it sees why
                return 0

    def _look_what_is_kept(self, line: Line) -> None:
        with self._lock:
            if self._line is line and line.unkept:
                self._tell_kept(line, line.fed - _unread(line) - self._kept)

    def _tell_kept(self, line: Line, until_sample: int) -> None:
        while line.unkept and line.unkept[0].end_sample <= until_sample:
            self._tell(line.unkept.popleft())

    def _length(self, samples: int) -> float:
        return samples_to_seconds(samples) / self._speed


def _unread(line: Line) -> int:
    """Return the samples in the pipe that nobody has read."""
    try:
        answer = fcntl.ioctl(line.descriptor, termios.FIONREAD, b"\0" * 4)
    except OSError:
        return 0
    return int(struct.unpack("i", answer)[0]) // SAMPLE_BYTES
