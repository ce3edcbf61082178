"""How loud speech is while it is spoken, and where it ends.

The level of speech is the RMS of its active frames: those of 20 ms that are at most 20 dB below the loudest one. It is
what signal-to-noise ratios are told against, so that pauses in a recording do not count as quiet speech (the idea of
ITU-T P.56, whose margin is 15.9 dB).
"""

import numpy as np
import numpy.typing as npt

from voicebridge.domain.audio import Samples
from voicebridge.domain.units import FRAME_SAMPLES

ACTIVE_DB = 20.0
"""A frame is speech when it is no more than this below the loudest one."""
END_DB = 30.0
"""Speech ends with the last sample that is no more than this below the piece's peak. A piece whose own noise is above
that ends, by this rule, with its last sample."""
FULL_SCALE = 32_768.0
LEVEL_DEFINITION = (
    f"level of speech: RMS of the 20 ms frames that are at most {ACTIVE_DB:g} dB below the loudest; "
    "level of noise: RMS of all of it"
)
END_DEFINITION = f"the last sample that is at most {END_DB:g} dB below the peak of its piece"

Wave = npt.NDArray[np.float64]


def speech_rms(samples: Samples | Wave) -> float:
    """Return the RMS of the active frames; 0 for digital silence."""
    power = frame_powers(samples)
    loudest = float(power.max(initial=0.0))
    if loudest <= 0:
        return 0.0
    return float(np.sqrt(power[power >= loudest * 10 ** (-ACTIVE_DB / 10)].mean()))


def frame_powers(samples: Samples | Wave) -> Wave:
    """Return the mean square of each frame of 20 ms; the last one may be shorter."""
    wide = np.asarray(samples, np.float64) ** 2
    whole = len(wide) - len(wide) % FRAME_SAMPLES
    powers = wide[:whole].reshape(-1, FRAME_SAMPLES).mean(axis=1)
    return np.append(powers, wide[whole:].mean()) if whole < len(wide) else powers


def end_of_speech(samples: Samples) -> int:
    """Return the index after the last sample of speech (END_DEFINITION); 0 for digital silence."""
    magnitude = np.abs(samples.astype(np.int32))
    peak = int(magnitude.max(initial=0))
    if peak == 0:
        return 0
    return int(np.flatnonzero(magnitude >= peak * 10 ** (-END_DB / 20))[-1]) + 1


def dbfs(rms: float) -> float:
    """Return an RMS in decibels of full scale, no less than -100."""
    return max(20 * float(np.log10(max(rms, 1e-9) / FULL_SCALE)), -100.0)


def amplitude(level_dbfs: float) -> float:
    """Return the RMS of a level in decibels of full scale."""
    return float(FULL_SCALE * 10 ** (level_dbfs / 20))


def as_samples(wave: Wave) -> Samples:
    """Return int16; what is beyond full scale is cut."""
    return np.clip(np.round(wave), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
