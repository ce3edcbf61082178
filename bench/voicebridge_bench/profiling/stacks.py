"""Stacks that py-spy sampled, and to which room of the house each belongs. Pure.

A sample belongs to the innermost frame that is Voicebridge's own or faster-whisper's: what numpy or SQLite do is done
for whoever called them. A thread that was seen running and stood in a wait when its stack was read is waking up or
going to sleep, which costs time, too; so much is told apart.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

BENCH = "bench (not the daemon)"
OTHER = "Python and libraries"
WAKING = "waking up and going to sleep"
DECODING = "ctranslate2, as it is called"
NATIVE = "threads of libraries (CTranslate2, BLAS)"
_THREAD = re.compile(r"^thread \((?:0x)?(?P<id>[0-9A-Fa-f]+)\)")
_WAITS = frozenset(
    {
        ("wait", "threading.py"),
        ("wait_for", "threading.py"),
        ("sleep", "voicebridge/audio/wakeup.py"),
        ("select", "selectors.py"),
    }
)
_SEAM = "voicebridge_bench/quick/even.py"
"""Where the bench hands on what the engine asks CTranslate2 for."""
_FRAME = re.compile(r"^(?P<function>.*) \((?P<file>[^():]+)(?::(?P<line>\d+))?\)$")


@dataclass(frozen=True, slots=True)
class Frame:
    """A function of a file."""

    function: str
    file: str

    @property
    def room(self) -> str:
        """The room of the house that the file is in; empty for other files."""
        parts = self.file.split("/")
        if "voicebridge_bench" in parts:
            return BENCH
        if "faster_whisper" in parts:
            return "faster_whisper"
        if "voicebridge" in parts:
            inside = parts[len(parts) - 1 - parts[::-1].index("voicebridge") + 1 :]
            return f"voicebridge.{inside[0]}" if len(inside) > 1 else "voicebridge"
        return ""

    def __str__(self) -> str:
        return f"{self.function} ({self.file})" if self.file else self.function


@dataclass(frozen=True, slots=True)
class Stack:
    """Samples of one thread in the same place, outermost frame first."""

    thread: int
    frames: tuple[Frame, ...]
    samples: int

    @property
    def waits(self) -> bool:
        """True when it stands in a wait."""
        last = self.frames[-1] if self.frames else Frame("", "")
        return (last.function.rpartition(".")[2], last.file) in _WAITS

    @property
    def own(self) -> Frame | None:
        """The innermost frame that is in a room."""
        return next((frame for frame in reversed(self.frames) if frame.room), None)

    @property
    def room(self) -> str:
        """The room that it belongs to."""
        own = self.own
        if own is not None and own.room == BENCH:
            return DECODING if own.file == _SEAM else BENCH
        if self.waits:
            return WAKING
        return own.room if own is not None else OTHER


def read(lines: Iterable[str]) -> Iterator[Stack]:
    """Yield the stacks of py-spy's raw format, with thread ids (`record --threads --format raw`)."""
    for line in lines:
        text, _, count = line.rstrip().rpartition(" ")
        first, *frames = text.split(";")
        found = _THREAD.match(first)
        if found is not None and count.isdigit():
            yield Stack(int(found["id"]), tuple(_frame(frame) for frame in frames), int(count))


def _frame(text: str) -> Frame:
    found = _FRAME.match(text)
    return Frame(found["function"], found["file"]) if found is not None else Frame(text, "")


def seconds_by(
    stacks: Sequence[Stack], cpu_seconds: Mapping[int, float], python_threads: Iterable[int]
) -> list[tuple[Stack, float]]:
    """Return each stack with its share of its thread's processor time, which the kernel has counted.

    Time of threads in which Python was never seen is returned as stacks without frames, of libraries; time of Python
    threads that were never sampled while they ran, likewise, of no room.
    """
    sampled: Counter[int] = Counter()
    for stack in stacks:
        sampled[stack.thread] += stack.samples
    found = [
        (stack, cpu_seconds.get(stack.thread, 0.0) * stack.samples / sampled[stack.thread])
        for stack in stacks
        if sampled[stack.thread]
    ]
    ours = {*python_threads, *sampled}
    native = sum(seconds for thread, seconds in cpu_seconds.items() if thread not in ours)
    unseen = sum(seconds for thread, seconds in cpu_seconds.items() if thread in ours and not sampled[thread])
    found.append((Stack(0, (Frame(NATIVE, ""),), 0), native))
    found.append((Stack(0, (Frame("not sampled", ""),), 0), unseen))
    return found


def room_of(stack: Stack) -> str:
    """Return the room of a stack, or what stands for the threads of libraries."""
    return NATIVE if stack.frames and stack.frames[0].function == NATIVE else stack.room
