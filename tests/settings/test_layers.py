"""The layers of settings: which value counts, where it came from, what is said when it is wrong."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pytest
from pydantic import ValidationError

from voicebridge.domain.errors import ExitCode, SettingsError
from voicebridge.settings import EndpointSettings, Settings
from voicebridge.settings.describe import described
from voicebridge.settings.layers import SERVICE_DEFAULTS, Loaded, digest, load

NOWHERE = Path("/nonexistent/voicebridge.toml")


class Write(Protocol):
    def __call__(self, text: str | bytes, name: str = ...) -> Path: ...


def loaded(
    *overrides: str, config: Path | None = None, environ: Mapping[str, str] | None = None, system: Path = NOWHERE
) -> Loaded:
    return load(config, overrides, environ or {"HOME": "/nonexistent"}, system_config=system)


def complaint_of(*overrides: str, config: Path | None = None, environ: Mapping[str, str] | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        loaded(*overrides, config=config, environ=environ)
    assert caught.value.code is ExitCode.SETTINGS
    return str(caught.value)


@pytest.fixture
def written(tmp_path: Path) -> Write:
    def write(text: str | bytes, name: str = "voicebridge.toml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def test_without_any_layer_everything_is_at_its_default() -> None:
    result = loaded()
    assert result.settings == Settings()
    assert set(result.origins) == set(described())
    assert set(result.origins.values()) == {"default"}
    assert result.notices == ()


def test_each_layer_covers_the_one_below_it(written: Write, tmp_path: Path) -> None:
    system = written("[vad]\nmode = 'webrtc'\n[audio]\nrate = 8000\nchannels = 2\nblock_ms = 10", "etc.toml")
    user = written("[audio]\nrate = 16000\nchannels = 3\nblock_ms = 11", "voicebridge/voicebridge.toml")
    environ = {
        "XDG_CONFIG_HOME": str(tmp_path),
        "VOICEBRIDGE_AUDIO__CHANNELS": "4",
        "VOICEBRIDGE_AUDIO__BLOCK_MS": "12",
    }
    result = loaded("audio.block_ms=13", environ=environ, system=system)
    audio = result.settings.audio
    assert (result.settings.vad.mode, audio.rate, audio.channels, audio.block_ms) == ("webrtc", 16000, 4, 13)
    assert result.origins["vad.mode"] == f"{system}:2"
    assert result.origins["audio.rate"] == f"{user}:2"
    assert result.origins["audio.channels"] == "environment VOICEBRIDGE_AUDIO__CHANNELS"
    assert result.origins["audio.block_ms"] == "command line"
    assert result.origins["audio.latency_ms"] == "default"


def test_a_given_file_replaces_the_other_files(written: Write, tmp_path: Path) -> None:
    system = written("[audio]\nrate = 8000", "etc.toml")
    written("[audio]\nchannels = 2", "voicebridge/voicebridge.toml")
    given = written("[audio]\nblock_ms = 10", "given.toml")
    result = loaded(config=given, environ={"XDG_CONFIG_HOME": str(tmp_path)}, system=system)
    changed = {key for key, origin in result.origins.items() if origin != "default"}
    assert changed == {"audio.block_ms"}


def test_the_last_override_of_a_key_counts() -> None:
    assert loaded("audio.rate=8000", "audio.rate=48000").settings.audio.rate == 48000


@pytest.mark.parametrize(
    ("override", "section", "name", "value"),
    [
        ("audio.device=1", "audio", "device", "1"),
        ("audio.device='1 and 2'", "audio", "device", "1 and 2"),
        ("audio.device=USB Mic = good", "audio", "device", "USB Mic = good"),
        ("audio.device=", "audio", "device", ""),
        ("audio.rate=0", "audio", "rate", 0),
        ("log.transcripts=true", "log", "transcripts", True),
        ("vad.silero_threshold=0.75", "vad", "silero_threshold", 0.75),
        ("whisper.models_dir=/a b", "whisper", "models_dir", Path("/a b")),
        ("whisper.models_dir=", "whisper", "models_dir", None),
        (" vad.mode =silero", "vad", "mode", "silero"),
    ],
)
def test_an_override_is_read_as_its_setting_type(override: str, section: str, name: str, value: object) -> None:
    assert getattr(getattr(loaded(override).settings, section), name) == value


def test_an_empty_path_in_a_higher_layer_takes_back_one_from_a_file(written: Write) -> None:
    file = written("[store]\nstate_dir = '/data'")
    result = load(file, (), {"VOICEBRIDGE_STORE__STATE_DIR": ""})
    assert result.settings.store.state_dir is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[vad]\nmod = 'silero'", "'vad.mod' ({file}:2): there is no such setting; did you mean vad.mode?"),
        ("[audo]\nrate = 1", "'audo.rate' ({file}:2): there is no such setting; did you mean audio.rate?"),
        (
            "silero_release = 0.2",
            "'silero_release' ({file}:1): there is no such setting; did you mean vad.silero_release?",
        ),
        ("[x.y]\nz = 1", "'x.y' ({file}): there is no such setting."),
        ("[audio.rate]\nz = 1", "audio.rate = {{'z': 1}} ({file}): must be a whole number from 0 to 384000."),
        ("[audio]\nrate = true", "audio.rate = True ({file}:2): must be a whole number from 0 to 384000."),
        ("[audio]\nrate = '8000'", "audio.rate = '8000' ({file}:2): must be a whole number"),
        ("[audio]\nrate = 8000.5", "audio.rate = 8000.5 ({file}:2): must be a whole number"),
        ("[audio]\ndevice = 1", "audio.device = 1 ({file}:2): must be text."),
        ("[log]\ntranscripts = 1", "log.transcripts = 1 ({file}:2): must be true or false."),
        ("audio.block_ms = 3", "audio.block_ms = 3 ({file}:1): must be a whole number from 5 to 100."),
        ("[vad]\n\nmode = 'silro'", 'vad.mode = \'silro\' ({file}:3): must be one of "webrtc", "silero", "cascade".'),
        ("[gate]\navg_logprob = nan", "gate.avg_logprob = nan ({file}:2): must be a number from -10 to 0."),
        ("[store]\nretain_audio = 'soon'", "store.retain_audio = 'soon' ({file}:2): must be `until_transcribed`"),
        ("[audio]\nrate = 1979-05-27", "must be a whole number"),
        ("[audio]\nrate\n", "{file}:2:5: is not TOML"),
        ("[audio", "{file}: is not TOML"),
        (b"[audio]\ndevice = '\xff'", "{file}:2: is not UTF-8 text."),
        ("x = " + "[" * 100_000, "holds a number too long or tables too deep."),
        ("x = " + "1" * 5_000, "holds a number too long or tables too deep."),
        ("#" * 1_100_000, "{file} is no configuration: it is larger than 1024 KiB."),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_place(written: Write, text: str | bytes, expected: str) -> None:
    file = written(text)
    assert expected.format(file=file) in complaint_of(config=file)


def test_all_problems_of_all_layers_are_in_one_message(written: Write) -> None:
    file = written("[audio]\nrate = -1\nx = 2")
    lines = complaint_of("vad.mode=no", config=file, environ={"VOICEBRIDGE_LOG__LEVEL": "loud"}).splitlines()
    assert lines[0] == "The settings are wrong in 4 places:"
    assert len([line for line in lines if line.startswith("  ")]) == 4
    assert lines[-1] == "`voicebridge config template` shows every setting."


def test_settings_that_do_not_fit_together_are_told_with_their_origins() -> None:
    message = complaint_of("vad.silero_release=0.9")
    assert "[vad]: silero_release must not be above silero_threshold" in message
    assert "vad.silero_threshold = 0.5 (default)" in message
    assert "vad.silero_release = '0.9' (command line)" in message


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        ("endpoint.tail_ms=800", "tail_ms must not be above hangover_ms"),
        ("endpoint.max_utterance_ms=5000", "must stay below max_utterance_ms"),
    ],
)
def test_an_endpoint_that_cannot_work_is_refused(overrides: str, problem: str) -> None:
    assert problem in complaint_of(overrides)


@pytest.mark.parametrize(
    ("endpoint", "problem"),
    [
        ({"speculate_after_ms": 0}, "needs speculate_after_ms:"),
        ({"speculate_after_ms": 700}, "below hangover_ms"),
        ({"tail_ms": 400, "hangover_ms": 400}, "below hangover_ms"),
        ({"hangover_min_ms": 800}, "must not fall"),
    ],
)
def test_an_adaptive_endpoint_that_could_never_adapt_is_refused(endpoint: dict[str, int], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        EndpointSettings.model_validate({"mode": "adaptive", **endpoint})
    if "hangover_min_ms" not in endpoint:
        EndpointSettings.model_validate(endpoint)  # where it is fixed, all of these are a way to hear


def test_an_adaptive_endpoint_needs_some_hangover_after_the_pause_is_asked_about() -> None:
    assert EndpointSettings(mode="adaptive", speculate_after_ms=699).speculate_after_ms == 699


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("vad.mode", "'vad.mode' (command line): must be KEY=VALUE, such as vad.mode=silero."),
        ("vad.modus=silero", "did you mean vad.mode?"),
        ("nonsense=1", "'nonsense' (command line): there is no such setting."),
        ("vad=1", "'vad' (command line): there is no such setting"),
        ('whisper.models_dir="\\u0000"', "a path cannot hold a zero byte"),
        ("audio.device=[1]", "audio.device = [1] (command line): must be text."),
        ("audio.rate=" + "9" * 200, "..."),
    ],
)
def test_a_wrong_override_is_told(override: str, expected: str) -> None:
    assert expected in complaint_of(override)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("VOICEBRIDGE_VAD__MOD", "did you mean VOICEBRIDGE_VAD__MODE?"),
        ("VOICEBRIDGE_VAD__MODE__X", "there is no such setting"),
        ("VOICEBRIDGE_VAD_MODE", "two underscores are needed: VOICEBRIDGE_VAD__MODE."),
        ("VOICEBRIDGE_VAD", "a section cannot be set, only each of its settings."),
        ("VOICEBRIDGE_VAD__MODE", "vad.mode = 'x' (environment VOICEBRIDGE_VAD__MODE): must be one of"),
    ],
)
def test_a_wrong_environment_variable_is_told(name: str, expected: str) -> None:
    assert expected in complaint_of(environ={name: "x", "HOME": "/nonexistent"})


def test_a_variable_that_only_looks_like_ours_gets_a_notice() -> None:
    environ = {"VOICEBRIDGE_HOME": "x", "voicebridge_vad__mode": "silero", "HOME": "/nonexistent"}
    result = loaded(environ=environ)
    assert result.notices == ("The environment variable VOICEBRIDGE_HOME is no setting and is ignored.",)
    assert result.settings == Settings()


@pytest.mark.parametrize(("name", "expected"), [("", "is a directory"), ("absent", "does not exist")])
def test_a_given_file_must_be_a_file(tmp_path: Path, name: str, expected: str) -> None:
    assert f"{tmp_path / name} {expected}" in complaint_of(config=tmp_path / name)


def test_a_device_is_no_configuration_file() -> None:
    assert "/dev/zero is not a regular file." in complaint_of(config=Path("/dev/zero"))


def test_a_file_that_cannot_be_read_is_told() -> None:
    # Readable by its mode, but every read fails, for root too.
    assert "/proc/self/mem cannot be read: Input/output error." in complaint_of(config=Path("/proc/self/mem"))


def test_a_given_file_that_cannot_be_reached_is_told() -> None:
    assert "cannot be reached: File name too long." in complaint_of(config=Path("/" + "x" * 300))


def test_an_optional_file_out_of_reach_is_as_good_as_absent() -> None:
    assert loaded(system=Path("/" + "x" * 300)).settings == Settings()


def test_an_optional_place_that_holds_no_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is a directory"):
        loaded(system=tmp_path)


def test_equal_settings_have_equal_digests_and_others_not() -> None:
    silero = loaded("vad.mode=silero").settings
    assert digest(Settings()) == digest(loaded().settings)
    assert digest(silero) == digest(loaded("vad.mode=silero").settings)
    assert digest(silero) != digest(Settings())
    assert len(digest(silero)) == 16
    assert int(digest(silero), 16) >= 0


# ---- a service


def test_a_service_has_defaults_of_its_own() -> None:
    result = load(None, (), {"HOME": "/nonexistent"}, system_config=NOWHERE, service=True)
    assert (result.settings.audio.retry, result.settings.engine.required) == (True, False)
    assert (result.origins["audio.retry"], result.origins["engine.required"]) == ("service", "service")
    assert {origin for key, origin in result.origins.items() if key not in SERVICE_DEFAULTS} == {"default"}


def test_what_the_owner_says_covers_the_defaults_of_a_service(written: Write) -> None:
    system = written("[audio]\nretry = false\n")
    result = load(None, ("engine.required=true",), {"HOME": "/nonexistent"}, system_config=system, service=True)
    assert (result.settings.audio.retry, result.settings.engine.required) == (False, True)
    assert (result.origins["audio.retry"], result.origins["engine.required"]) == (f"{system}:2", "command line")
