"""Units: of audio time (samples, frames, milliseconds, seconds), of level, and of size.

Everything inside the pipeline counts samples at 16 kHz; other units exist only at its edges.
"""

import math

SAMPLE_RATE = 16_000
"""Samples per second inside the pipeline."""
SAMPLES_PER_MS = SAMPLE_RATE // 1000
FRAME_MS = 20
"""Length of a frame, the unit of voice activity detection, in milliseconds."""
FRAME_SAMPLES = SAMPLE_RATE * FRAME_MS // 1000
FRAMES_PER_SECOND = 1000 // FRAME_MS
SAMPLE_BYTES = 2
"""Bytes of one int16 sample."""
FULL_SCALE = 32768
"""The largest magnitude of an int16 sample: 0 dBFS."""
MEGABYTE = 1_000_000


def ms_to_samples(milliseconds: float) -> int:
    """Return the whole number of samples nearest to a duration in milliseconds."""
    return round(milliseconds * SAMPLES_PER_MS)


def seconds_to_samples(seconds: float) -> int:
    """Return the whole number of samples nearest to a duration in seconds."""
    return round(seconds * SAMPLE_RATE)


def samples_to_ms(samples: int) -> float:
    """Return a count of samples as milliseconds."""
    return samples / SAMPLES_PER_MS


def samples_to_seconds(samples: int) -> float:
    """Return a count of samples as seconds."""
    return samples / SAMPLE_RATE


def dbfs(amplitude: float) -> float:
    """Return an amplitude of int16 samples in dB below full scale; minus infinity for silence."""
    return 20 * math.log10(amplitude / FULL_SCALE) if amplitude > 0 else -math.inf
