"""Suite audio: what happens to each block between the device and the listener."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from voicebridge.audio.level import level_of
from voicebridge.audio.resample import QUALITY, Resampler
from voicebridge.audio.ring import Ring
from voicebridge.domain.audio import Span
from voicebridge.domain.units import FRAME_SAMPLES, SAMPLE_RATE, ms_to_samples, seconds_to_samples
from voicebridge.settings import AudioSettings
from voicebridge_bench.components.figure import Context, Figure, Parameters, Ready, Suite, timed
from voicebridge_bench.components.sounds import noise

DEVICE_RATE = 48_000
COPY_SECONDS = 5.0
SHARE = 10.0


@contextmanager
def _opened(context: Context) -> Iterator[Ready]:
    settings = AudioSettings()
    block = noise(settings.block_ms / 1000)
    parameters = {"block_ms": settings.block_ms, "ring_seconds": settings.ring_seconds}
    yield Ready([*_ring_figures(context, settings, parameters), _resampling(context, settings), _level(context, block)])


def _ring_figures(context: Context, settings: AudioSettings, parameters: Parameters) -> Iterator[Figure]:
    capacity = seconds_to_samples(settings.ring_seconds)
    block = noise(settings.block_ms / 1000)
    frame = noise(FRAME_SAMPLES / SAMPLE_RATE)
    # Three rings: a reader that lags behind would change what the others cost.
    written, read, copied = Ring(capacity), Ring(capacity), Ring(capacity)
    reader = read.reader(start=0)
    copied.write(noise(settings.ring_seconds))
    span = Span(capacity - ms_to_samples(1000 * COPY_SECONDS), capacity)
    watch = context.watch
    yield Figure(
        "audio.ring_write",
        "Write a block into the ring",
        "µs",
        timed(watch, lambda: written.write(block)),
        SHARE,
        warm_up=20,
        parameters=parameters,
    )
    yield Figure(
        "audio.ring_read",
        "Read a frame from the ring",
        "µs",
        timed(watch, lambda: reader.read(0.0), lambda: read.write(frame)),
        SHARE,
        warm_up=20,
        parameters=parameters,
    )
    yield Figure(
        "audio.ring_copy",
        f"Copy {COPY_SECONDS:g} s by sample index, for a decode",
        "µs",
        timed(watch, lambda: copied.copy(span)),
        SHARE,
        warm_up=5,
        parameters=parameters,
    )


def _resampling(context: Context, settings: AudioSettings) -> Figure:
    resampler = Resampler(DEVICE_RATE, 2, np.int16)
    mono = noise(settings.block_ms / 1000 * DEVICE_RATE / SAMPLE_RATE)
    stereo = np.column_stack([mono, mono[::-1]])
    return Figure(
        "audio.resample",
        "Mix and resample a block from 48 kHz stereo",
        "µs",
        timed(context.watch, lambda: resampler.process(stereo)),
        SHARE,
        warm_up=50,
        parameters={"block_ms": settings.block_ms, "quality": QUALITY, "frames": len(stereo)},
    )


def _level(context: Context, block: np.ndarray[tuple[int], np.dtype[np.int16]]) -> Figure:
    return Figure(
        "audio.level",
        "Level of a block",
        "µs",
        timed(context.watch, lambda: level_of(block)),
        SHARE,
        warm_up=20,
        parameters={"samples": len(block)},
    )


SUITE = Suite(
    "audio",
    "Ring, resampling, level",
    ("audio.ring_write", "audio.ring_read", "audio.ring_copy", "audio.resample", "audio.level"),
    _opened,
)
