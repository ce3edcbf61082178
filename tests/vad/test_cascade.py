from collections.abc import Callable

import numpy as np
import pytest

from tests.fakes.detector import LoudnessDetector, loud, quiet
from tests.fakes.recordings import commands, frames, in_pink_noise, librivox, with_pauses
from voicebridge.domain.audio import Samples
from voicebridge.settings import VadSettings
from voicebridge.vad.cascade import HISTORY_FRAMES, HOLD_FRAMES, CascadeDetector
from voicebridge.vad.factory import build_detector


class Judge:
    """Keeps the first sample of each frame since its reset, and always gives the same answer."""

    def __init__(self, answer: bool = True) -> None:
        self.answer = answer
        self.heard: list[int] = []

    def is_speech(self, frame: Samples) -> bool:
        self.heard.append(int(frame[0]))
        return self.answer

    def reset(self) -> None:
        self.heard.clear()


def numbered(count: int, first: int) -> list[Samples]:
    """Return quiet frames that carry their number in the first sample."""
    result = [np.zeros(320, np.int16) for _ in range(count)]
    for number, frame in enumerate(result, start=first):
        frame[0] = number
    return result


def hear(cascade: CascadeDetector, audio: Samples) -> list[bool]:
    return [cascade.is_speech(frame) for frame in frames(audio)]


def test_the_judge_hears_nothing_of_silence() -> None:
    judge = Judge()
    assert not any(hear(CascadeDetector(LoudnessDetector(), judge), quiet(5)))
    assert judge.heard == []


def test_the_judge_wakes_with_the_newest_history_and_the_frame_that_woke_it() -> None:
    judge = Judge()
    cascade = CascadeDetector(LoudnessDetector(), judge)
    for frame in numbered(40, first=1):
        cascade.is_speech(frame)
    assert cascade.is_speech(loud(0.02))
    assert judge.heard == [*range(42 - HISTORY_FRAMES, 41), -3000]


def test_at_the_beginning_the_history_is_what_there_is() -> None:
    judge = Judge()
    cascade = CascadeDetector(LoudnessDetector(), judge)
    for frame in numbered(3, first=1):
        cascade.is_speech(frame)
    cascade.is_speech(loud(0.02))
    assert judge.heard == [1, 2, 3, -3000]


def test_the_judge_hears_every_frame_while_it_is_awake() -> None:
    judge = Judge()
    cascade = CascadeDetector(LoudnessDetector(), judge)
    hear(cascade, np.concatenate([loud(0.1), quiet(0.1), loud(0.1)]))
    assert len(judge.heard) == 15
    assert cascade.awake


def test_the_judge_sleeps_after_the_hold() -> None:
    judge = Judge()
    cascade = CascadeDetector(LoudnessDetector(), judge)
    answers = hear(cascade, np.concatenate([loud(0.02), quiet(1)]))
    assert answers == [True] * (1 + HOLD_FRAMES) + [False] * (50 - HOLD_FRAMES)
    assert not cascade.awake


def test_what_the_judge_denies_is_not_speech() -> None:
    assert not any(hear(CascadeDetector(LoudnessDetector(), Judge(answer=False)), loud(1)))


def test_a_second_waking_does_not_depend_on_what_the_judge_heard_at_the_first() -> None:
    judge = Judge()
    cascade = CascadeDetector(LoudnessDetector(), judge)
    hear(cascade, np.concatenate([loud(1), quiet(1)]))
    for frame in numbered(HISTORY_FRAMES, first=1):
        cascade.is_speech(frame)
    cascade.is_speech(loud(0.02))
    assert judge.heard == [*range(2, HISTORY_FRAMES + 1), -3000]


def test_reset_empties_the_history_and_resets_both() -> None:
    sentry, judge = LoudnessDetector(), Judge()
    cascade = CascadeDetector(sentry, judge)
    hear(cascade, loud(0.5))
    cascade.reset()
    assert (sentry.resets, judge.heard, cascade.awake) == (1, [], False)
    cascade.is_speech(loud(0.02))
    assert judge.heard == [-3000]


# Measured: 0.8 % of the frames of the readings, 1.8 % of the commands, 1.0 % of the readings in noise at 10 dB.
@pytest.mark.parametrize(
    ("recordings", "noise_level", "bound"), [(librivox, 0, 0.015), (commands, 0, 0.035), (librivox, 600, 0.03)]
)
def test_the_cascade_seldom_disagrees_with_silero_on_human_speech(
    recordings: Callable[[], list[Samples]], noise_level: float, bound: float
) -> None:
    audio = with_pauses(recordings())
    if noise_level:
        audio = in_pink_noise(audio, noise_level)
    silero = build_detector(VadSettings(mode="silero"))
    cascade = build_detector(VadSettings(mode="cascade"))
    different = [silero.is_speech(frame) != cascade.is_speech(frame) for frame in frames(audio)]
    assert np.mean(different) < bound


def test_noise_that_fools_webrtc_is_not_speech_to_the_cascade() -> None:
    noise = in_pink_noise(np.zeros(16_000 * 10, np.int16), level=3000)
    webrtc = build_detector(VadSettings(mode="webrtc"))
    cascade = build_detector(VadSettings(mode="cascade"))
    assert np.mean([webrtc.is_speech(frame) for frame in frames(noise)]) > 0.9
    assert not any(cascade.is_speech(frame) for frame in frames(noise))


class TunableJudge(Judge):
    """Keeps the threshold that it was given."""

    threshold = 0.0

    def apply(self, settings: VadSettings) -> bool:
        self.threshold = settings.silero_threshold
        return True


def test_other_thresholds_reach_what_can_take_them_and_nothing_heard_is_forgotten() -> None:
    judge = TunableJudge()
    cascade = CascadeDetector(LoudnessDetector(), judge)
    hear(cascade, loud(0.1))
    heard = list(judge.heard)
    assert cascade.apply(VadSettings(silero_threshold=0.75))
    assert judge.threshold == 0.75
    assert cascade.awake
    assert judge.heard == heard
