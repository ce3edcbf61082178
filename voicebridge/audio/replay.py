"""An audio file as a source: any format, rate and channels that PyAV reads, in constant memory."""

import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from voicebridge.audio.delivery import Delivery
from voicebridge.audio.pcm import UNKNOWN_SIZE_FROM
from voicebridge.audio.resample import Block, Resampler
from voicebridge.domain.audio import Samples
from voicebridge.domain.capture import CaptureReport
from voicebridge.domain.errors import AudioError, ExitCode
from voicebridge.domain.ports import BlockSink, SourceInfo
from voicebridge.domain.units import FRAME_SAMPLES, samples_to_seconds

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

_EXACT_FORMATS = frozenset({"wav", "w64", "aiff", "au", "caf", "flac", "mov"})
"""Formats whose header states the length exactly (others estimate it), by the first of ffmpeg's names."""
_SHORTFALL_SECONDS = 0.2
"""A file this much shorter than its header says was cut; less is codec padding."""


class FileSource:
    """Implements Source over a file: paced like a microphone, or as fast as the readers take it."""

    def __init__(
        self,
        path: Path,
        realtime: bool = False,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        self._path = path
        self._realtime = realtime
        self._clock = clock
        self._delivery = Delivery("replay")
        self._wait = wait or self._delivery.stopping.wait
        self._damaged_parts = 0
        self.duration_seconds: float | None = None
        """Length that the file states or lets estimate, after ``start``; None when it cannot be told."""

    @property
    def info(self) -> SourceInfo:
        """What it is."""
        return SourceInfo("file", self._path.name, self._realtime, self.duration_seconds)

    @property
    def position_seconds(self) -> float:
        """How much of it was delivered."""
        return samples_to_seconds(self._delivery.delivered_samples)

    def start(self, sink: BlockSink) -> None:
        """Begin to deliver. Raises AudioError when the file gives no audio."""
        _check_readable(self._path)
        container, stream = _open(self._path)
        self.duration_seconds = _duration_of(container, stream)
        blocks = self._blocks(container, stream)
        self._delivery.start(self._paced(blocks) if self._realtime else blocks, sink)

    def stop(self) -> None:
        """Stop delivering."""
        self._delivery.stop()

    def error(self) -> Exception | None:
        """Return what ended the delivery, if it was a fault; what could be read was delivered before."""
        return self._delivery.error()

    def report(self) -> CaptureReport:
        """Return how the delivery is."""
        return replace(self._delivery.report(), source=self._path.name)

    def _blocks(self, container: "InputContainer", stream: "AudioStream") -> Iterator[Samples]:
        promised = _promised_seconds(self._path, container, stream)
        read_seconds = 0.0
        with container:
            resampler: Resampler | None = None
            shape: tuple[int, int, str] | None = None
            for frame in self._frames(container, stream):
                read_seconds += frame.samples / frame.sample_rate
                block = _array_of(frame)
                if resampler is None or shape != (frame.sample_rate, block.shape[1], block.dtype.str):
                    if resampler is not None:
                        yield resampler.flush()
                    shape = (frame.sample_rate, block.shape[1], block.dtype.str)
                    resampler = Resampler(*shape)
                yield resampler.process(block)
            if resampler is not None:
                yield resampler.flush()
        self._complain(read_seconds, promised)

    def _frames(self, container: "InputContainer", stream: "AudioStream") -> Iterator["AudioFrame"]:
        """Yield decoded frames; a damaged part is counted and passed over."""
        import av

        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
                yield from packet.decode()
            except StopIteration:
                return
            except av.error.FFmpegError:
                self._damaged_parts += 1

    def _complain(self, read_seconds: float, promised: float | None) -> None:
        if not read_seconds:
            raise _unusable(self._path, "holds no audio that can be decoded")
        if promised is not None and read_seconds < promised - _SHORTFALL_SECONDS:
            raise _unusable(self._path, f"is cut short: {read_seconds:.1f} of {promised:.1f} s could be read")
        if self._damaged_parts:
            raise _unusable(self._path, f"is damaged: {self._damaged_parts} parts could not be read")

    def _paced(self, blocks: Iterator[Samples]) -> Iterator[Samples]:
        """Yield 20 ms blocks, each when a microphone would have it complete."""
        began = self._clock()
        samples = 0
        for block in _cut(blocks):
            samples += len(block)
            due = began + samples_to_seconds(samples)
            while (early := due - self._clock()) > 0 and not self._delivery.stopping.is_set():
                self._wait(early)
            yield block


def _cut(blocks: Iterator[Samples]) -> Iterator[Samples]:
    """Yield the same samples in blocks of one frame; only the last may be shorter."""
    import numpy as np

    rest: Samples = np.zeros(0, dtype=np.int16)
    for block in blocks:
        joined = np.concatenate((rest, block))
        whole = len(joined) - len(joined) % FRAME_SAMPLES
        yield from (joined[start : start + FRAME_SAMPLES] for start in range(0, whole, FRAME_SAMPLES))
        rest = joined[whole:]
    if rest.size:
        yield rest


def _unusable(path: Path, why: str, advice: str = "", code: ExitCode = ExitCode.INPUT) -> AudioError:
    return AudioError(f"{path} {why}.", advice, exit_code=code)


def _check_readable(path: Path) -> None:
    """Raise AudioError where a plain look at the file shows that it holds no audio."""
    try:
        state = path.stat()
        if stat.S_ISREG(state.st_mode):
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except FileNotFoundError:
        if str(path) == "-":  # elsewhere the name of standard input
            raise _no_file(path) from None
        raise _unusable(path, "does not exist", code=ExitCode.NO_INPUT) from None
    except PermissionError:
        raise _unusable(path, "may not be read", "Check its permissions (ls -l).", ExitCode.NO_INPUT) from None
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror}") from None
    if stat.S_ISDIR(state.st_mode):
        raise _unusable(path, "is a directory", "Name the audio files in it.")
    if not stat.S_ISREG(state.st_mode):
        raise _no_file(path)
    if not state.st_size:
        raise _unusable(path, "is empty")


def _no_file(path: Path) -> AudioError:
    """Return what to say of a pipe or a device: reading it can wait for ever, and its end cannot be known."""
    return _unusable(path, "is not a regular file", "Pipe the audio into `voicebridge run --stdin` instead.")


def _open(path: Path) -> tuple["InputContainer", "AudioStream"]:
    import av

    try:
        container = av.open(str(path.absolute()))
    except (av.error.FFmpegError, OSError) as error:
        advice = "Is it an audio file, and complete?"
        raise _unusable(path, f"is no audio that can be read ({error.strerror})", advice) from error
    if not container.streams.audio:
        container.close()
        raise _unusable(path, "holds no audio")
    return container, container.streams.audio[0]


def _duration_of(container: "InputContainer", stream: "AudioStream") -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / 1_000_000 if container.duration else None  # in AV_TIME_BASE, microseconds


def _promised_seconds(path: Path, container: "InputContainer", stream: "AudioStream") -> float | None:
    """Return the length that the file's header states, or None where it only lets it be estimated."""
    kind = container.format.name.split(",")[0]
    stated = _duration_of(container, stream) if kind in _EXACT_FORMATS else None
    missing_bytes = _bytes_missing_of_riff(path) if kind == "wav" else 0
    if stated is None or not missing_bytes or not stream.bit_rate:
        return stated
    # ffmpeg takes the length of a cut WAV from the file's size instead of its header, for some sample formats.
    return max(stated, (path.stat().st_size + missing_bytes) * 8 / stream.bit_rate)


def _bytes_missing_of_riff(path: Path) -> int:
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8)[4:], "little")
    return max(size + 8 - path.stat().st_size, 0) if 0 < size < UNKNOWN_SIZE_FROM else 0


def _array_of(frame: "AudioFrame") -> Block:
    """Return the samples of a decoded frame, shape (n, channels)."""
    samples: Block = frame.to_ndarray()
    if frame.format.is_planar:
        return samples.T
    return samples.reshape(-1, frame.layout.nb_channels)
