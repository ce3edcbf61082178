"""Standard input as a source: raw PCM, or a WAV, recognised by its first four bytes."""

import os
import select
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from voicebridge.audio.delivery import Delivery
from voicebridge.audio.pcm import PcmFormat, read_wav_header
from voicebridge.audio.resample import Resampler
from voicebridge.domain.audio import Samples
from voicebridge.domain.capture import CaptureReport
from voicebridge.domain.errors import AudioError, ExitCode
from voicebridge.domain.ports import BlockSink, SourceInfo
from voicebridge.domain.units import samples_to_seconds

__all__ = ["PcmFormat", "StdinSource"]

NAME = "standard input"
_READ_BYTES = 1 << 16
"""Most that one read takes: what a Linux pipe holds. A live pipe gives what it has, at once."""
_LOOK_MS = 250
"""How often a waiting read looks whether it should stop."""
_WAV_MAGIC = (b"RIFF", b"RF64")


class StdinSource:
    """Implements Source over a pipe, socket or file that is open for reading.

    ``paced`` says that something live stands behind the pipe, so that its samples arrive at the pace of time.
    """

    def __init__(self, stream: BinaryIO | None, pcm: PcmFormat | None = None, paced: bool = False) -> None:
        self._stream = stream
        self._pcm = pcm or PcmFormat()
        self._paced = paced
        self._delivery = Delivery("stdin")
        self._fd = -1
        self._early = b""

    @property
    def info(self) -> SourceInfo:
        """What it is."""
        return SourceInfo("stdin", NAME, self._paced)

    @property
    def position_seconds(self) -> float:
        """How much audio was delivered."""
        return samples_to_seconds(self._delivery.delivered_samples)

    def start(self, sink: BlockSink) -> None:
        """Begin to deliver. Raises AudioError when there is nothing to read from."""
        self._fd = self._usable_fd()
        self._delivery.start(self._blocks(), sink)

    def stop(self) -> None:
        """Stop delivering; what was not read stays in the pipe."""
        self._delivery.stop()

    def error(self) -> Exception | None:
        """Return what ended the delivery, if it was a fault."""
        return self._delivery.error()

    def report(self) -> CaptureReport:
        """Return how the delivery is."""
        return replace(self._delivery.report(), source=NAME)

    def _usable_fd(self) -> int:
        try:
            fd = -1 if self._stream is None else self._stream.fileno()
            os.fstat(fd)
        except (ValueError, OSError) as error:
            advice = "Pipe audio into it, or name a file."
            raise AudioError("Standard input is closed.", advice, exit_code=ExitCode.NO_INPUT) from error
        if os.isatty(fd):
            advice = "Pipe audio into it: arecord -f S16_LE -r 16000 | voicebridge ..."
            raise AudioError("Standard input is a terminal, not audio.", advice, exit_code=ExitCode.NO_INPUT)
        return fd

    def _blocks(self) -> Iterator[Samples]:
        magic = self._read_exactly(4)
        pcm, remaining = self._pcm, None
        if magic in _WAV_MAGIC:
            header = read_wav_header(self._read_exactly)
            pcm, remaining = header.pcm, header.data_bytes
        else:
            self._early = magic
        resampler = Resampler(pcm.rate, pcm.channels, pcm.dtype)
        total = 0
        for data in self._whole_steps(pcm.step_bytes, remaining):
            total += len(data)
            yield resampler.process(pcm.decode(data))
        yield resampler.flush()
        if remaining is not None and total < remaining and not self._delivery.stopping.is_set():
            promised, got = remaining / pcm.step_bytes / pcm.rate, total / pcm.step_bytes / pcm.rate
            raise AudioError(f"Standard input ended early: {got:.1f} of {promised:.1f} s could be read.")

    def _whole_steps(self, step_bytes: int, remaining: int | None) -> Iterator[bytes]:
        """Yield what comes, cut at whole steps; odd bytes at the end are no sample and are left out."""
        rest = b""
        while remaining is None or remaining > 0:
            data = self._read(_READ_BYTES if remaining is None else min(_READ_BYTES, remaining))
            if not data:
                return
            if remaining is not None:
                remaining -= len(data)
            rest += data
            whole = len(rest) - len(rest) % step_bytes
            if whole:
                yield rest[:whole]
            rest = rest[whole:]

    def _read_exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size and (more := self._read(size - len(data))):
            data += more
        return data

    def _read(self, size: int) -> bytes:
        """Return what is there, up to a size; nothing at the end or when told to stop."""
        if self._early:
            data, self._early = self._early[:size], self._early[size:]
            return data
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        while not self._delivery.stopping.is_set():
            if poll.poll(_LOOK_MS):
                try:
                    return os.read(self._fd, size)
                except OSError as error:
                    raise AudioError(f"Standard input cannot be read: {error.strerror}.") from error
        return b""
