"""Ways of hearing a corpus, and what is heard where nobody speaks."""

import json
import wave
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner

from tests.fakes.engine import FakeEngine
from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import SpeechError, VoicebridgeError
from voicebridge.settings import Settings
from voicebridge_bench.accuracy import Spoken
from voicebridge_bench.commands.accuracy import command
from voicebridge_bench.corpora.noise import Noise
from voicebridge_bench.rates import results, show
from voicebridge_bench.rates.engines import wishes
from voicebridge_bench.rates.false_alarms import count_alarms, poisson_interval, sounds
from voicebridge_bench.rates.hearing import Mode, check_length, detector_of, hear, way_of
from voicebridge_bench.rates.measuring import Conditions, noisy
from voicebridge_bench.speech_corpus import human_recordings

WHITE = Noise("white", np.zeros(0, np.int16))


class LoudDetector:
    """Implements Detector by loudness alone."""

    def is_speech(self, frame: Samples) -> bool:
        return int(np.abs(frame).max()) > 1000

    def reset(self) -> None:
        pass


def _engine(*script: str) -> FakeEngine:
    engine = FakeEngine(script)
    engine.load()
    return engine


def _two_bursts() -> Samples:
    loud, quiet = np.full(16_000, 5000, np.int16), np.zeros(24_000, np.int16)
    return np.concatenate((loud, quiet, loud, quiet))


def test_the_texts_of_all_utterances_of_a_file_count_together() -> None:
    engine = _engine("turn on", "the lights")
    found = hear(engine, _two_bursts(), LoudDetector(), Settings())
    assert (found.text, found.utterances, found.rejected) == ("turn on the lights", 2, 0)


def test_what_the_gate_rejects_says_nothing() -> None:
    engine = _engine("stop " * 30, "the lights")
    found = hear(engine, _two_bursts(), LoudDetector(), Settings())
    assert (found.text, found.rejected) == ("the lights", 1)


def test_without_a_detector_all_of_a_file_is_decoded() -> None:
    engine = _engine("all of it")
    assert way_of("none", Settings())(engine, _two_bursts()).text == "all of it"
    assert engine.decoded == [(0, 80_000)]


def test_without_a_detector_no_file_may_be_longer_than_an_engine_hears() -> None:
    check_length(30.0, "a.wav", "none")
    check_length(300.0, "a.wav", "cascade")
    with pytest.raises(VoicebridgeError, match=r"a\.wav is 31 s long"):
        check_length(31.0, "a.wav", "none")


def test_clean_is_what_was_recorded() -> None:
    item = Spoken("set", "a", "one", _two_bursts())
    conditions = Conditions(["none"], [None], WHITE, 1, 0)
    assert noisy(item, None, conditions) is item
    assert not np.array_equal(noisy(item, 10, conditions).samples, item.samples)


def test_every_utterance_is_counted_and_some_are_decoded() -> None:
    burst = np.concatenate((np.full(8000, 5000, np.int16), np.zeros(16_000, np.int16)))
    engine = FakeEngine()
    engine.load()
    found = count_alarms(("bursts", "bursts"), np.tile(burst, 100), LoudDetector(), engine, Settings())
    assert (found.utterances, found.decoded, found.texts) == (100, 34, 34)
    assert found.seconds == 150


def test_pink_noise_fools_webrtc_and_not_the_cascade() -> None:
    samples = sounds(90.0, 1, WHITE)["pink"][1]()
    modes: tuple[Mode, ...] = ("webrtc", "cascade")
    found = {
        mode: count_alarms(("pink", ""), samples, detector_of(mode, Settings()), _engine(), Settings()).utterances
        for mode in modes
    }
    assert found["webrtc"] > 0
    assert found["cascade"] == 0


def test_silence_is_heard_as_nothing() -> None:
    made = sounds(2.0, 1, WHITE)
    description, make = made["silence"]
    found = count_alarms(("silence", description), make(), LoudDetector(), _engine(), Settings())
    assert (found.utterances, found.texts) == (0, 0)


def test_a_noise_file_joins_the_sounds_and_music_says_that_it_is_synthetic() -> None:
    assert list(sounds(1, 1, Noise("fan.wav", np.ones(100, np.int16)))) == [
        "silence",
        "white",
        "pink",
        "fan.wav",
        "music",
    ]
    assert "synthetic" in sounds(1, 1, WHITE)["music"][0]


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [(0, 0.0, 3.689), (1, 0.0253, 5.572), (10, 4.795, 18.39), (100, 81.36, 121.63)],
)
def test_the_interval_of_a_count_is_that_of_the_tables(count: int, low: float, high: float) -> None:
    # Garwood's, as in Ulm, American Journal of Epidemiology 131 (1990), 373.
    assert poisson_interval(count) == pytest.approx((low, high), rel=0.001)


def test_engines_are_those_that_are_asked_for(tmp_path: Path) -> None:
    settings = Settings.model_validate({"store": {"state_dir": str(tmp_path)}})
    assert len(wishes([], [], settings)) == 1
    named = wishes(["whisper", "sphinx"], ["a", "b"], settings)
    assert [(wish.settings.engine.kind, wish.settings.whisper.model) for wish in named] == [
        ("whisper", "a"),
        ("whisper", "b"),
        ("sphinx", "base.en"),
    ]
    assert wishes([], ["whisper-commands"], settings)[0].open().info.model == "whisper-commands"
    with pytest.raises(SpeechError, match="not on disk"):
        named[0].open()


def test_the_schema_is_that_of_the_results() -> None:
    assert json.loads(results.SCHEMA_FILE.read_text()) == results.schema()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--snr", "loud"], "loud"),
        (["--snr", "99"], "99"),
        (["--json", "nowhere/x.json"], "cannot be written"),
        (["--false-alarms", "10"], "needs a detector"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_measured(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 2
    assert said in result.output


def test_a_folder_that_is_no_corpus_is_one_clear_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, [str(tmp_path)])
    assert isinstance(result.exception, VoicebridgeError)
    assert "holds no recordings" in str(result.exception)


@pytest.mark.slow
def test_a_folder_is_measured_clean_and_under_noise(tmp_path: Path) -> None:
    for recording in human_recordings():
        if recording.collection == "cards":
            path = tmp_path / recording.name
            with wave.open(str(path), "wb") as out:
                out.setparams((1, 2, 16_000, 0, "NONE", "none"))
                out.writeframes(recording.samples.tobytes())
            path.with_suffix(".txt").write_text(recording.text or "")
    arguments = ["--engine", "sphinx", "--vad", "cascade", "--snr", "clean", "--snr", "0", "--noise", "white"]
    json_file = tmp_path / "result.json"
    result = CliRunner().invoke(
        command, [str(tmp_path), *arguments, "--false-alarms", "0.2", "--json", str(json_file)], catch_exceptions=False
    )
    assert result.exit_code == 0
    data = json.loads(json_file.read_text())
    jsonschema.validate(data, results.schema())
    clean, noise = data["ways"]
    assert clean["rates"]["all"]["rate"] < 0.3 < noise["rates"]["all"]["rate"]
    assert clean["rates"]["all"]["files"] == 5
    assert [alarm["sound"] for alarm in data["false_alarms"]] == ["silence", "white", "pink", "music"]
    assert "white noise at 0 dB" in result.output
    assert "\n".join(show.lines(results.AccuracyResult.model_validate(data), with_files=True)) in result.output
