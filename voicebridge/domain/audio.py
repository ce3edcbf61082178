"""Audio as the pipeline speaks of it: samples, spans of sample indices, gaps."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from voicebridge.domain.units import samples_to_seconds

Samples: TypeAlias = npt.NDArray[np.int16]
"""Mono audio at 16 kHz, shape (n,)."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open stretch of sample indices: ``start`` is in it, ``end`` is not."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ValueError(f"not a span of sample indices: {self.start} to {self.end}")

    @property
    def samples(self) -> int:
        """Length in samples."""
        return self.end - self.start

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return samples_to_seconds(self.samples)


class GapReason(StrEnum):
    """Why audio was lost."""

    OVERFLOW = "overflow"
    """The sound system dropped blocks before we saw them."""
    OVERRUN = "overrun"
    """The listener fell behind by more than the ring holds."""
    DEVICE_LOST = "device_lost"
    STALLED = "stalled"
    """The stream stood, delivered at a wrong rate or the same block over and over, and was opened again."""
    DEVICE_MOVED = "device_moved"
    """The sound server had led the stream to another source; the right one was opened again."""
    SUSPEND = "suspend"
    """The machine slept."""
    BACKLOG = "backlog"
    """The store could not take more: its backlog in memory is at its bound."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of sample indices for which audio was lost."""

    span: Span
    reason: GapReason


@dataclass(frozen=True, slots=True)
class Frame:
    """20 ms of audio: ``samples`` has shape (320,) and starts at sample index ``start``.

    ``valid`` is lower than 320 only in the last frame of a file, whose rest is zeros.
    """

    start: int
    samples: Samples
    valid: int

    @property
    def end(self) -> int:
        """Sample index after the last valid sample."""
        return self.start + self.valid
