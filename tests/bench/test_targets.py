"""Targets: shipped, covered by a file, and mistakes in one."""

from pathlib import Path

import pytest

from voicebridge.domain.errors import VoicebridgeError
from voicebridge_bench.components import targets
from voicebridge_bench.components.figure import SUITE_NAMES, suite
from voicebridge_bench.components.host import CLASSES
from voicebridge_bench.components.measure import Summary, summarise
from voicebridge_bench.components.results import Verdict

GOOD = """
["audio.level"]
statistic = "p50"
unit = "µs"
x86-2core = { most = 5.0, reason = "a test" }
"""


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def _summary(value: float, count: int = 8) -> Summary:
    return summarise([[value]] * count)


def test_every_figure_has_a_shipped_target_on_every_class_with_a_reason() -> None:
    shipped = targets.load()
    for name in (figure for suite_name in SUITE_NAMES for figure in suite(suite_name).names):
        # Nobody knows yet what an owner's own models cost; the one that ships is known.
        figure = name.replace("whisper.*", "whisper.commands")
        for hardware_class in CLASSES:
            unit = next(u for u in ("µs", "ms", "s", "ratio") if _unit_fits(shipped, figure, u))
            target, _, _ = shipped.judge(figure, unit, _summary(1.0), hardware_class)
            assert target is not None, (figure, hardware_class)
            assert len(target.reason) > 10


def _unit_fits(shipped: targets.Targets, figure: str, unit: str) -> bool:
    try:
        shipped.judge(figure, unit, _summary(1.0), "pi5")
    except VoicebridgeError:
        return False
    return True


def test_classes_that_were_never_measured_say_guess() -> None:
    shipped = targets.load()
    for hardware_class in ("pi5", "gpu"):
        target, _, _ = shipped.judge("audio.level", "µs", _summary(1.0), hardware_class)
        assert target is not None
        assert target.reason.startswith("guess")


def test_a_figure_above_its_target_misses_it(tmp_path: Path) -> None:
    ours = targets.load(_file(tmp_path, GOOD))
    assert ours.judge("audio.level", "µs", _summary(4.9), "x86-2core")[1] is Verdict.MET
    target, verdict, why = ours.judge("audio.level", "µs", _summary(5.1), "x86-2core")
    assert verdict is Verdict.MISSED
    assert target is not None
    assert target.source.endswith("mine.toml")
    assert "5.1" in why


def test_a_target_on_a_percentile_that_is_not_given_is_not_judged(tmp_path: Path) -> None:
    ours = targets.load(_file(tmp_path, GOOD.replace("p50", "p99")))
    _, verdict, why = ours.judge("audio.level", "µs", _summary(99.0), "x86-2core")
    assert verdict is Verdict.NOT_JUDGED
    assert "100" in why


def test_figures_that_a_file_leaves_out_keep_their_shipped_target(tmp_path: Path) -> None:
    ours = targets.load(_file(tmp_path, GOOD))
    target, _, _ = ours.judge("audio.ring_write", "µs", _summary(1.0), "x86-2core")
    assert target is not None
    assert target.source == "shipped"


def test_a_figure_without_a_target_on_this_class_says_so(tmp_path: Path) -> None:
    ours = targets.load(_file(tmp_path, GOOD))
    for hardware_class in ("pi5", ""):
        target, verdict, why = ours.judge("audio.level", "µs", _summary(1.0), hardware_class)
        assert (target, verdict) == (None, Verdict.NO_TARGET)
        assert "no target" in why


def test_a_pattern_gives_targets_to_every_model(tmp_path: Path) -> None:
    text = '["speech.whisper.*.5s"]\nstatistic = "p50"\nunit = "ms"\npi5 = { most = 10, reason = "a test" }\n'
    ours = targets.load(_file(tmp_path, text))
    assert ours.judge("speech.whisper.base.en.5s", "ms", _summary(20.0), "pi5")[1] is Verdict.MISSED


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace("audio.level", "audio.lewel"), 'perhaps "audio.level"'),
        (GOOD.replace("audio.level", "zzz"), 'there is no figure "zzz"'),
        (GOOD.replace("x86-2core", "x86"), "classes are pi5, x86-2core, gpu"),
        (GOOD.replace(', reason = "a test"', ""), "reason"),
        (GOOD.replace("p50", "p90"), "statistic"),
        (GOOD.replace("5.0", "-5.0"), "greater than 0"),
        (GOOD.replace("5.0", "nan"), "most"),
        (GOOD.replace("5.0", '"x"'), "most"),
        ('"audio.level" = 5', "audio.level"),
        ("[[", "no TOML"),
        ("#" * (1024**2 + 1), "too long"),
    ],
)
def test_a_mistake_in_a_targets_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(VoicebridgeError, match=r"mine\.toml") as refused:
        targets.load(_file(tmp_path, text))
    assert said in str(refused.value)
    assert refused.value.code == 2


def test_bytes_that_are_no_text_are_no_targets(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(VoicebridgeError, match="no TOML"):
        targets.load(path)


def test_a_targets_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(VoicebridgeError, match="No such file") as refused:
        targets.load(tmp_path / "none.toml")
    assert refused.value.code == 66


def test_a_target_in_another_unit_is_refused(tmp_path: Path) -> None:
    ours = targets.load(_file(tmp_path, GOOD))
    with pytest.raises(VoicebridgeError, match="it is measured in ms"):
        ours.judge("audio.level", "ms", _summary(1.0), "x86-2core")
