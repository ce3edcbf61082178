"""Where known audio stands in a recording of it: the peak of the normalised cross-correlation."""

from collections.abc import Sequence

import numpy as np

from voicebridge.domain.audio import Samples
from voicebridge.domain.units import SAMPLE_RATE, seconds_to_samples
from voicebridge_bench.latency.script import Part, Script

LEAST_LIKENESS = 0.5
"""Of 1: what is less like the piece is not taken for it."""
NEIGHBOURHOOD_SECONDS = 0.5
"""Once the first piece is found, the others are looked for within this of where they should be."""


def place_of(piece: Samples, recording: Samples) -> tuple[int, float]:
    """Return at which sample of a recording a piece begins, and how like it is what stands there (0 to 1)."""
    if len(recording) < len(piece) or not piece.any():
        return 0, 0.0
    wanted, there = piece.astype(np.float64), recording.astype(np.float64)
    size = 1 << (len(there) + len(wanted) - 1).bit_length()
    spectrum = np.fft.rfft(there, size) * np.conj(np.fft.rfft(wanted, size))
    products = np.fft.irfft(spectrum, size)[: len(there) - len(wanted) + 1]
    sums = np.concatenate(([0.0], np.cumsum(there**2)))
    energy = sums[len(wanted) :] - sums[: -len(wanted)]
    floor = 1e-6 * float(energy.max(initial=0.0)) + 1e-9
    likeness = products / np.sqrt(np.maximum(energy, floor) * float(np.sum(wanted**2)))
    place = int(np.argmax(likeness))
    return place, float(likeness[place])


def places(script: Script, recording: Samples) -> list[int | None]:
    """Return where in a recording each piece of a script begins; None for what is not found."""
    shift: int | None = None
    found: list[int | None] = []
    for part in script.parts:
        place = _near(script, part, recording, shift)
        found.append(place)
        if place is not None:
            shift = place - part.span.start
    return found


def _near(script: Script, part: Part, recording: Samples, shift: int | None) -> int | None:
    piece = script.samples[part.span.start : part.span.end]
    margin = seconds_to_samples(NEIGHBOURHOOD_SECONDS)
    first = 0 if shift is None else max(part.span.start + shift - margin, 0)
    last = len(recording) if shift is None else part.span.end + shift + margin
    place, likeness = place_of(piece, recording[first:last])
    return first + place if likeness >= LEAST_LIKENESS else None


def zero_moment(arrivals: Sequence[tuple[int, float]]) -> float:
    """Return when sample 0 of a recording came, from (samples so far, moment of the read): the least late decides."""
    return min(moment - samples / SAMPLE_RATE for samples, moment in arrivals)
