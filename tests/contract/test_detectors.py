"""What every detector, and the fake that stands for them, must do."""

import numpy as np
import pytest

from tests.fakes.detector import LoudnessDetector
from tests.fakes.recordings import commands, frames, librivox, with_pauses
from voicebridge.domain.audio import Samples
from voicebridge.domain.ports import Detector, Tunable
from voicebridge.settings import VadSettings
from voicebridge.vad.factory import build_detector


@pytest.fixture(params=["webrtc", "silero", "cascade", "fake"])
def detector(request: pytest.FixtureRequest) -> Detector:
    if request.param == "fake":
        return LoudnessDetector(hold_frames=10)
    return build_detector(VadSettings(mode=request.param))


def answers(detector: Detector, audio: Samples) -> list[bool]:
    return [detector.is_speech(frame) for frame in frames(audio)]


def test_digital_silence_is_not_speech(detector: Detector) -> None:
    assert not any(answers(detector, np.zeros(16_000 * 5, np.int16)))


def test_the_noise_of_a_quiet_room_is_not_speech(detector: Detector) -> None:
    noise = np.random.default_rng(1).normal(0, 10, 16_000 * 5).astype(np.int16)
    assert not any(answers(detector, noise))


def test_a_reading_is_mostly_speech(detector: Detector) -> None:
    for recording in librivox():
        assert np.mean(answers(detector, recording)) > 0.7


def test_speech_is_over_in_the_silence_after_it(detector: Detector) -> None:
    heard = answers(detector, with_pauses(librivox()[:1], pause_seconds=2.0))
    assert not any(heard[-50:])


def test_each_answer_is_a_plain_truth_value(detector: Detector) -> None:
    assert {type(answer) for answer in answers(detector, commands()[0])} == {bool}


def test_the_same_audio_gets_the_same_answers(detector: Detector) -> None:
    audio = with_pauses(commands()[:2])
    first = answers(detector, audio)
    detector.reset()
    assert answers(detector, audio) == first


def test_reset_forgets_even_in_the_middle_of_a_word(detector: Detector) -> None:
    audio = with_pauses(commands()[:1])
    fresh = answers(detector, audio)
    detector.reset()
    answers(detector, librivox()[0][: 16_000 * 2 + 1000])
    detector.reset()
    assert answers(detector, audio) == fresh


def test_a_frame_is_only_read(detector: Detector) -> None:
    audio = librivox()[0].copy()
    audio.flags.writeable = False
    before = audio.copy()
    answers(detector, audio)
    assert np.array_equal(audio, before)


def test_a_frames_memory_may_be_used_again(detector: Detector) -> None:
    audio = with_pauses(commands()[:1])
    expected = answers(detector, audio)
    detector.reset()
    shared = np.empty(320, np.int16)
    heard = []
    for frame in frames(audio):
        shared[:] = frame
        heard.append(detector.is_speech(shared))
        shared[:] = 12_345
    assert heard == expected


def test_the_same_settings_again_change_nothing_even_in_the_middle_of_a_word(detector: Detector) -> None:
    audio = with_pauses(commands()[:2])
    expected = answers(detector, audio)
    detector.reset()
    heard = []
    for number, frame in enumerate(frames(audio)):
        if number % 7 == 0 and isinstance(detector, Tunable):
            assert detector.apply(VadSettings())
        heard.append(detector.is_speech(frame))
    assert heard == expected


def test_settings_survive_a_reset(detector: Detector) -> None:
    if not isinstance(detector, Tunable):
        return
    strict = VadSettings(webrtc_aggressiveness=3, silero_threshold=0.99, silero_release=0.9)
    audio = with_pauses(librivox()[:2])
    before = sum(answers(detector, audio))
    detector.apply(strict)
    detector.reset()
    assert sum(answers(detector, audio)) < before
