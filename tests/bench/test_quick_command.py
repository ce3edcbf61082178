"""`voicebridge-bench quick` as a person runs it, with little to do."""

import json
from pathlib import Path

import click
import jsonschema
import pytest
from click.testing import CliRunner

from tests.bench.runs import MACHINE
from voicebridge.cli import guarded
from voicebridge.domain.errors import ExitCode, VoicebridgeError
from voicebridge_bench.cli import COMMANDS, Group, group
from voicebridge_bench.commands import quick as command_module
from voicebridge_bench.components.host import look
from voicebridge_bench.components.results import Outcome
from voicebridge_bench.models import WHISPER_COMMANDS
from voicebridge_bench.quick import measuring, pairs, show
from voicebridge_bench.quick.results import SCHEMA_FILE, QuickResult, schema
from voicebridge_bench.quick.sitting import Spec, sit
from voicebridge_bench.quick.talks import without_rest
from voicebridge_bench.quick.where import Where
from voicebridge_bench.speech_corpus import say


def _measured(folder: Path, *arguments: str) -> QuickResult:
    file = folder / "quick.json"
    guarded(group, ["quick", *arguments, "--scratch", str(folder / "cache"), "--json", str(file)])
    written = json.loads(file.read_text(encoding="utf-8"))
    jsonschema.validate(written, json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    return QuickResult.model_validate(written)


def test_the_schema_that_ships_is_that_of_the_result() -> None:
    assert json.loads(SCHEMA_FILE.read_text(encoding="utf-8")) == json.loads(json.dumps(schema()))


def test_the_command_offers_the_parts_that_can_be_measured() -> None:
    assert set(command_module.PARTS) == set(measuring.PARTS)
    assert {"quick", "profile"} <= set(COMMANDS)


def test_words_and_turns_are_measured_with_the_small_whisper(tmp_path: Path) -> None:
    result = _measured(tmp_path, "--part", "words", "--part", "turns", "--commands", "2", "--sentences", "2")
    assert [(part.name, part.state) for part in result.parts] == [("words", "ran"), ("turns", "ran")]
    assert [figure.name for figure in result.parts[0].figures] == ["words.clean", "words.10_dB", "words.5_dB"]
    assert any("cut off, adaptive" in line for line in show.lines(result))
    assert result.decoded.device in ("cpu", "cuda")
    assert any(line.startswith(f"decoded on {result.decoded.device} (default); ") for line in show.lines(result))


def _status(folder: Path, *arguments: str) -> int:
    return guarded(group, ["quick", *arguments, "--json", str(folder / "quick.json")])


def test_a_part_without_a_goal_is_measured_and_that_is_all_that_was_asked(tmp_path: Path) -> None:
    assert _status(tmp_path, "--part", "turns", "--sentences", "2") == ExitCode.OK
    result = QuickResult.model_validate_json((tmp_path / "quick.json").read_text(encoding="utf-8"))
    assert result.outcome is Outcome.PASSED
    assert result.because == "everything was measured; none of it has a goal."


def test_a_part_that_keeps_no_weights_does_not_ask_where_they_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOICEBRIDGE_ENDPOINT__HANGOVER_MS", "never")
    assert _status(tmp_path, "--part", "turns", "--part", "delay", "--sentences", "2") == ExitCode.FAILURE
    result = QuickResult.model_validate_json((tmp_path / "quick.json").read_text(encoding="utf-8"))
    assert [part.state for part in result.parts] == ["ran", "broken"]
    assert "endpoint.hangover_ms" in result.parts[1].reason


@pytest.mark.parametrize("part", ["turns", "words", "speculation", "partials"])
def test_a_part_that_lacks_speech_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _status(tmp_path, "--part", part, "--commands", "2", "--sentences", "2") == ExitCode.UNAVAILABLE
    result = QuickResult.model_validate_json((tmp_path / "quick.json").read_text(encoding="utf-8"))
    assert result.parts[0].state == "skipped"
    assert "apt install espeak-ng" in result.parts[0].reason


def test_what_a_daemon_lacks_leaves_its_part_out(tmp_path: Path) -> None:
    talk = pairs.Talk(1, tmp_path, lambda _what, _share: None, model=tmp_path / "none", rounds=1)
    with pytest.raises(VoicebridgeError, match="ended with status 69") as error:
        pairs.hold(talk, {"once": ()})
    assert error.value.code is ExitCode.UNAVAILABLE
    assert "not on disk" in error.value.advice or "model" in error.value.advice


def test_without_a_cuda_device_nothing_is_measured_on_one_and_that_is_said(tmp_path: Path) -> None:
    if look().gpus:
        pytest.skip("this machine has one")
    result = _measured(tmp_path, "--part", "words", "--part", "delay", "--device", "cuda")
    assert [part.state for part in result.parts] == ["skipped", "skipped"]
    assert "no CUDA device" in result.parts[0].reason
    assert result.outcome is Outcome.INCOMPLETE
    assert any("no CUDA device to be seen" in line for line in show.lines(result))


def test_device_and_type_go_to_engines_and_daemons_alike() -> None:
    where = Where("cuda", "float16")
    assert (where.settings(window="full").device, where.settings().compute_type) == ("cuda", "float16")
    assert where.overrides() == ('whisper.device="cuda"', 'whisper.compute_type="float16"')
    assert [Where().used(MACHINE.model_copy(update={"gpus": gpus})) for gpus in (0, 1)] == ["cpu", "cuda"]
    where.require(MACHINE.model_copy(update={"gpus": 1}))


def test_a_daemon_tells_each_piece_and_what_became_of_it(tmp_path: Path) -> None:
    talk = pairs.Talk(1, tmp_path, lambda _what, _share: None, rounds=1)
    (held,) = pairs.hold(talk, {"once": ('partials.mode="on"',)})["once"]
    (told,) = held.told
    assert told.decode_kind == "speculative"
    assert held.noted.gaps == 0
    assert held.noted.cpu_seconds > 0
    assert told.partial_decodes_ms
    assert told.began_at < told.endpoint_at < told.settled_at


def test_an_engine_that_answers_at_once_is_given_every_order_and_computes_nothing(tmp_path: Path) -> None:
    script = without_rest([say("Turn on the kitchen light.")], 2.0, 0.75)
    noted = sit(
        Spec(str(tmp_path), str(WHISPER_COMMANDS), ('partials.mode="on"',), answers_at_once=True, lag=True), script
    )
    assert noted.of_kind("partial")
    assert {event["decode_kind"] for event in noted.of_kind("settled")} == {"speculative"}
    assert len(noted.lags_ms) > len(script) // 640 // 2


def test_a_daemon_that_cannot_begin_is_one_clear_error(tmp_path: Path) -> None:
    import numpy as np

    spec = Spec(str(tmp_path / "sitting"), str(WHISPER_COMMANDS), ("endpoint.hangover_ms=1",))
    with pytest.raises(VoicebridgeError, match="ended with status 78"):
        sit(spec, np.zeros(1600, np.int16))


def test_a_part_that_breaks_leaves_the_others_alone(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no directory")
    wish = measuring.Wish(("delay", "turns"), "tiny", 1, (1,), 3, 1, 1, 6.0)
    result = measuring.measure(wish, measuring.Place(lambda: tmp_path / "cache", tmp_path, lambda _what, _share: None))
    assert [part.state for part in result.parts] == ["broken", "ran"]
    assert result.outcome is Outcome.FAILED
    assert any("BROKEN" in line for line in show.lines(result))


def test_an_interruption_keeps_what_was_measured(tmp_path: Path) -> None:
    def progress(what: str, _share: float) -> None:
        if what == "words, 5 dB":
            raise KeyboardInterrupt

    wish = measuring.Wish(("words", "turns"), "tiny", 1, (1,), 3, 1, 1, 6.0)
    result = measuring.measure(wish, measuring.Place(lambda: tmp_path, tmp_path, progress))
    (part,) = result.parts
    assert (part.name, part.state) == ("words", "skipped")
    assert [figure.name for figure in part.figures] == ["words.clean", "words.10_dB"]
    assert result.interrupted
    assert any("Ended early" in line for line in show.lines(result))


def test_how_far_it_is_grows_over_all_parts(tmp_path: Path) -> None:
    shares: list[float] = []
    wish = measuring.Wish(("turns", "turns"), "tiny", 1, (1,), 3, 1, 2, 6.0)
    measuring.measure(wish, measuring.Place(lambda: tmp_path, tmp_path, lambda _what, share: shares.append(share)))
    assert shares == [0.0, 0.25, 0.5, 0.75]


def test_a_command_that_is_ended_before_it_has_a_result_says_so_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    @click.command("wait")
    def wait() -> None:
        raise KeyboardInterrupt

    class Waiting(Group):
        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
            return wait

    assert guarded(Waiting(table={"wait": ""}, package=""), ["wait"]) == ExitCode.INTERRUPTED
    assert capsys.readouterr().err.split("\n")[0] == "Ended early."


def test_it_says_for_every_option_what_it_is_for() -> None:
    told = CliRunner().invoke(group, ["quick", "--help"], standalone_mode=False).output
    assert "random" in told
    assert "Exit status" in told
