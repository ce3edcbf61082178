import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from faster_whisper.vad import get_vad_model

from tests.fakes.recordings import commands, frames, librivox, with_pauses
from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import DetectorError, ExitCode
from voicebridge.domain.units import FRAME_SAMPLES
from voicebridge.settings import VadSettings
from voicebridge.vad.silero import SileroDetector
from voicebridge.vad.silero_model import CHUNK_SAMPLES, find_model


@pytest.fixture(scope="module")
def detector() -> SileroDetector:
    return SileroDetector(threshold=0.5, release=0.35)


def streamed(detector: SileroDetector, audio: Samples) -> tuple[list[float], list[bool]]:
    """Return the probability of each chunk and the answer for each frame."""
    detector.reset()
    probabilities, answers, chunks = [], [], 0
    for number, frame in enumerate(frames(audio), start=1):
        answers.append(detector.is_speech(frame))
        if number * 320 // CHUNK_SAMPLES > chunks:
            chunks += 1
            probabilities.append(detector.probability)
    return probabilities, answers


@pytest.mark.parametrize("number", range(5))
def test_streaming_equals_the_batch_of_faster_whisper(detector: SileroDetector, number: int) -> None:
    audio = librivox()[number]
    probabilities, _ = streamed(detector, audio)
    chunks = len(probabilities)
    # One chunk more than is compared: the batch blanks the end of its last chunk, which is the next one's context.
    padded = np.zeros((chunks + 1) * CHUNK_SAMPLES, np.float32)
    padded[: chunks * CHUNK_SAMPLES] = audio[: chunks * CHUNK_SAMPLES] / 32768
    batch = get_vad_model()(padded)[:chunks]
    assert chunks > 90
    np.testing.assert_allclose(probabilities, batch, atol=1e-5)


def test_a_frame_gets_the_decision_of_the_newest_complete_chunk(detector: SileroDetector) -> None:
    audio = with_pauses(commands()[:3])
    probabilities, answers = streamed(detector, audio)
    decisions, speaking = [False], False
    for probability in probabilities:
        speaking = probability >= (0.35 if speaking else 0.5)
        decisions.append(speaking)
    assert answers == [decisions[number * 320 // CHUNK_SAMPLES] for number in range(1, len(answers) + 1)]
    assert any(answers)
    assert not all(answers)


def test_release_keeps_speech_that_the_threshold_would_drop() -> None:
    audio = with_pauses(librivox())
    strict = streamed(SileroDetector(threshold=0.9, release=0.9), audio)[1]
    held = streamed(SileroDetector(threshold=0.9, release=0.1), audio)[1]
    assert all(h or not s for h, s in zip(held, strict, strict=True))
    assert sum(held) > sum(strict)


def test_there_is_no_probability_before_the_first_chunk(detector: SileroDetector) -> None:
    detector.reset()
    detector.is_speech(librivox()[0][:320])
    assert detector.probability == 0


def test_the_model_of_faster_whisper_is_found() -> None:
    assert find_model().name == "silero_vad_v6.onnx"


def test_the_newest_of_several_models_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assets = tmp_path / "several_models" / "assets"
    assets.mkdir(parents=True)
    (assets.parent / "__init__.py").write_text("raise RuntimeError('must not be imported')")
    for name in ("silero_vad.onnx", "silero_vad_v9.onnx", "silero_vad_v10.onnx", "silero_encoder_v11.onnx"):
        (assets / name).touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_model("several_models").name == "silero_vad_v10.onnx"


@pytest.mark.parametrize("package", ["json", "no_such_package_at_all", "wave"])
def test_a_missing_model_is_said_with_advice(package: str) -> None:
    with pytest.raises(DetectorError, match=package) as caught:
        find_model(package)
    assert "pip install" in caught.value.advice
    assert caught.value.code == ExitCode.UNAVAILABLE


@pytest.mark.parametrize("content", [b"", b"not a network" * 50])
def test_a_damaged_model_is_said_by_its_path(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "silero_vad_v6.onnx"
    path.write_bytes(content)
    with pytest.raises(DetectorError, match=r"silero_vad_v6\.onnx cannot be loaded"):
        SileroDetector(0.5, 0.35, path)


def test_a_truncated_model_is_said(tmp_path: Path) -> None:
    path = tmp_path / "silero_vad_v6.onnx"
    path.write_bytes(find_model().read_bytes()[:100_000])
    with pytest.raises(DetectorError, match="cannot be loaded"):
        SileroDetector(0.5, 0.35, path)


def test_a_network_of_another_kind_is_said() -> None:
    other = Path(onnxruntime.__file__).parent / "datasets" / "sigmoid.onnx"
    with pytest.raises(DetectorError, match="other inputs"):
        SileroDetector(0.5, 0.35, other)


def test_a_missing_onnxruntime_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(DetectorError, match="onnxruntime cannot be loaded"):
        SileroDetector(0.5, 0.35)


def test_onnxruntime_is_told_to_report_nothing_and_faster_whisper_is_not_imported() -> None:
    code = """
import os, sys
from voicebridge.settings import VadSettings
from voicebridge.vad.factory import build_detector
build_detector(VadSettings(mode="webrtc"))
assert "onnxruntime" not in sys.modules
build_detector(VadSettings())
assert "onnxruntime" in sys.modules
assert "faster_whisper" not in sys.modules
assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
"""
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_other_thresholds_hold_from_the_next_chunk_on_and_the_network_keeps_its_state() -> None:
    audio = with_pauses(commands()[:3])
    lax, changed = SileroDetector(threshold=0.5, release=0.35), SileroDetector(threshold=0.9, release=0.8)
    lax_probabilities, lax_answers = streamed(lax, audio)
    changed.reset()
    changed.apply(VadSettings())
    assert streamed(changed, audio) == (lax_probabilities, lax_answers)
    half = len(audio) // FRAME_SAMPLES // 2
    strict = SileroDetector(threshold=0.5, release=0.35)
    for number, frame in enumerate(frames(audio)):
        if number == half:
            strict.apply(VadSettings(silero_threshold=0.99, silero_release=0.98))
        strict.is_speech(frame)
    assert strict.probability == lax.probability
