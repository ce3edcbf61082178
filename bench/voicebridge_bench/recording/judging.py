"""Whether a take can be used: what it was like, what is wrong with it, and what to do about it. Pure."""

from dataclasses import dataclass

import numpy as np

from voicebridge.domain.audio import Samples
from voicebridge.domain.units import FRAMES_PER_SECOND, samples_to_seconds
from voicebridge_bench.corpora.levels import dbfs, frame_powers, speech_rms

CLIPPED_AT = 32_700
CLIPPED_SHARE = 0.0005
"""Of the samples: 8 in a second."""
QUIET_DBFS = -50.0
"""Speech below this is lost in the noise of most microphones."""
LOUD_ROOM_DBFS = -40.0
LEAST_SPEECH_SECONDS = 0.3
FLOOR_PERCENTILE = 10
"""The quietest frames of a take are the room."""
FEW_DB = 10.0
"""Speech this little above the room is hard to understand for anybody."""


@dataclass(frozen=True, slots=True)
class Take:
    """One reading, as it was recorded."""

    samples: Samples
    speech_seconds: float
    """What the detector called speech."""
    complete: bool
    """False when it was cut off at the longest that is recorded."""
    lost_samples: int = 0


@dataclass(frozen=True, slots=True)
class Looks:
    """What a take is like; levels in decibels of full scale."""

    seconds: float
    level_dbfs: float
    peak_dbfs: float
    room_dbfs: float
    clipped_share: float

    @property
    def snr_db(self) -> float:
        """How far speech is above the room."""
        return self.level_dbfs - self.room_dbfs


def looks_of(samples: Samples) -> Looks:
    """Return what samples are like."""
    magnitude = np.abs(samples.astype(np.int32))
    powers = frame_powers(samples) if len(samples) else np.zeros(1)
    return Looks(
        seconds=samples_to_seconds(len(samples)),
        level_dbfs=dbfs(speech_rms(samples)),
        peak_dbfs=dbfs(float(magnitude.max(initial=0))),
        room_dbfs=dbfs(float(np.sqrt(np.percentile(powers, FLOOR_PERCENTILE)))),
        clipped_share=float((magnitude >= CLIPPED_AT).mean()) if len(samples) else 0.0,
    )


def refusal(take: Take) -> str:
    """Return why a take cannot be used, with what to do about it; nothing when it can."""
    looks = looks_of(take.samples)
    faults = (
        (
            not take.samples.any(),
            "The microphone gives digital silence: is it muted, or the wrong one? `voicebridge devices` lists them.",
        ),
        (take.lost_samples > 0, "Audio was lost while you spoke: close what else keeps this machine busy; once more."),
        (
            looks.clipped_share > CLIPPED_SHARE,
            "Too loud, it was clipped: lower the microphone's level, or stand back, and read it again.",
        ),
        (
            take.speech_seconds < LEAST_SPEECH_SECONDS,
            "No speech was heard: speak up, or come nearer, and begin after the word `Speak`.",
        ),
        (
            looks.level_dbfs < QUIET_DBFS,
            f"Too quiet ({looks.level_dbfs:.0f} dBFS): raise the microphone's level, or come nearer.",
        ),
        (not take.complete, "It was cut off: read it in one go; it ends by itself when you are silent."),
    )
    return next((advice for wrong, advice in faults if wrong), "")


def warning(looks: Looks) -> str:
    """Return what is worth knowing of a take that can be used."""
    if looks.snr_db < FEW_DB:
        return f"Only {looks.snr_db:.0f} dB above the noise of the room: engines will hear it as badly as that."
    return ""


def room_warning(samples: Samples) -> str:
    """Return what is worth knowing of a room in which nobody speaks; ``samples`` is a second or more of it."""
    if not samples.any():
        return "The microphone gives digital silence: is it muted? Some microphones do so until somebody speaks."
    level = dbfs(float(np.sqrt(frame_powers(samples).mean())))
    if level > LOUD_ROOM_DBFS:
        return f"The room is loud ({level:.0f} dBFS). That is fine if it always is; results will speak of such a room."
    return ""


def speech_seconds(frames: int) -> float:
    """Return the length of so many frames."""
    return frames / FRAMES_PER_SECOND
