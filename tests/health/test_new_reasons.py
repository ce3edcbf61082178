"""The reasons that only time or the machine can tell."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from tests.health.test_probes import LIMITS, NOW, seen
from voicebridge.domain.capture import CaptureState
from voicebridge.health.machine import Machine
from voicebridge.health.observation import Observation
from voicebridge.health.probes import State, hysteresis_of_rules, judge
from voicebridge.health.trends import Trend

LOW = Trend(low_frames=int(LIMITS.low_level) * 50)
DEEP = {"backlog_seconds": 90.0, "oldest_seconds": 70.0}
STUCK = Trend(backlog_shrinks=False)


def codes(observation: Observation) -> list[str]:
    return [reason.code for reason in judge(observation).reasons]


@pytest.mark.parametrize(
    ("ill", "code", "sentence"),
    [
        ({"trend": LOW}, "low_level", "Nothing louder than -75 dBFS was heard for 600 s."),
        ({"trend": Trend(clipped_share=0.05)}, "clipping", "The input is clipped: 5.0% of it."),
        (
            {"trend": STUCK, "pipeline": DEEP},
            "backlog",
            "90 s of speech wait for their decode, for up to 70 s, and it is not shrinking.",
        ),
        (
            {"pipeline": {"decodes_failed": 2, "decode_error": "No memory."}},
            "decode_failures",
            "The last 2 decodes have failed: No memory.",
        ),
        (
            {"machine": Machine(disk_free=100_000_000)},
            "disk_nearly_full",
            "The disk of the state directory has 100 MB left.",
        ),
        (
            {"alarms": {"database_set_aside": "It was damaged."}, "uptime_seconds": 3599.0},
            "database_set_aside",
            "It was damaged.",
        ),
        ({"checkpoint_seconds": 306.0}, "checkpoint_late", "No checkpoint has been kept for 306 s."),
        (
            {"machine": Machine(throttled=True, detail="the voltage is too low")},
            "thermal",
            "The machine is slowed down or too hot: the voltage is too low.",
        ),
        (
            {"trend": Trend(throttled=True), "machine": Machine(celsius=86.0)},
            "thermal",
            "The machine is slowed down or too hot: the processor has throttled itself, 86 °C, the limit is 85.",
        ),
        (
            {"machine": Machine(celsius=70.0, limit_celsius=65.0)},
            "thermal",
            "The machine is slowed down or too hot: 70 °C, the limit is 65.",
        ),
    ],
)
def test_it_is_degraded_and_says_why(ill: dict[str, Any], code: str, sentence: str) -> None:
    verdict = judge(seen(**ill))
    assert [(reason.code, reason.sentence) for reason in verdict.reasons] == [(code, sentence)]
    assert (verdict.state, verdict.ping) == (State.DEGRADED, True)


@pytest.mark.parametrize(
    "well",
    [
        {"trend": Trend(low_frames=LOW.low_frames - 1)},
        {"trend": LOW, "paced": False},
        {"trend": Trend(clipped_share=0.009)},
        {"trend": STUCK, "pipeline": DEEP | {"backlog_seconds": 59.0}},
        {"trend": STUCK, "pipeline": DEEP | {"oldest_seconds": 59.0}},
        {"trend": Trend(backlog_shrinks=True), "pipeline": DEEP},
        {"trend": STUCK, "pipeline": DEEP, "paced": False},
        {"pipeline": {"decodes_failed": 1}},
        {"pipeline": {"decodes_failed": 9}, "trend": Trend(decode_error_seconds=600.0)},
        {"machine": Machine(disk_free=256_000_000)},
        {"checkpoint_seconds": 305.0},
        {"machine": Machine(celsius=84.0, throttled=False)},
        {"machine": Machine(celsius=90.0, limit_celsius=95.0)},
    ],
)
def test_what_is_within_its_limit_is_well(well: dict[str, Any]) -> None:
    assert codes(seen(**well)) == []


def changes(*observations: Observation) -> int:
    """Return how often what is told changes."""
    hysteresis = hysteresis_of_rules()
    told = [tuple(reason.code for reason in judge(one, hysteresis).reasons) for one in observations]
    return sum(before != after for before, after in pairwise(told))


def looked(at: int, machine: Machine) -> Observation:
    """Return what is seen at a look; between two of them is more time than any reason lingers."""
    now = NOW + 10 * at
    observation = seen({"sign": now, "watch_sign": now}, machine=machine)
    return replace(observation, now=now)


@pytest.mark.parametrize(
    ("beyond", "near", "well"),
    [
        (Machine(celsius=85.0), Machine(celsius=82.5), Machine(celsius=81.5)),
        (Machine(disk_free=255_000_000), Machine(disk_free=280_000_000), Machine(disk_free=282_000_000)),
    ],
)
def test_a_value_that_swings_about_its_limit_is_told_once(beyond: Machine, near: Machine, well: Machine) -> None:
    swinging = [looked(at, beyond if at % 2 else near) for at in range(20)]
    assert changes(*swinging) == 1
    assert changes(*swinging, looked(20, well), looked(21, well)) == 2


def test_a_database_that_was_set_aside_is_told_for_ever_and_degrades_for_an_hour() -> None:
    verdict = judge(seen(uptime_seconds=3600.0, alarms={"database_set_aside": "It was damaged."}))
    assert [reason.code for reason in verdict.reasons] == ["database_set_aside"]
    assert (verdict.state, verdict.trouble) == (State.HEARING, "")


def test_a_sentence_with_a_name_that_is_no_unicode_can_be_written_everywhere() -> None:
    verdict = judge(seen(pipeline={"engine_error": "There is no model m\udcff."}))
    assert verdict.trouble == "There is no model m?."


def test_a_large_disk_is_told_of_in_gigabytes() -> None:
    limits = replace(LIMITS, disk_free_bytes=100_000_000_000)
    verdict = judge(replace(seen(machine=Machine(disk_free=63_067_000_000)), limits=limits))
    assert verdict.trouble == "The disk of the state directory has 63.1 GB left."


def test_mute_is_told_instead_of_the_low_level_that_it_makes() -> None:
    assert codes(seen(trend=LOW, muted=True)) == ["muted"]


def test_digital_silence_is_told_instead_of_a_low_level() -> None:
    assert codes(seen({"zero_seconds": 601.0}, trend=LOW)) == ["digital_silence"]


def test_clipping_is_told_after_a_second_and_withheld_pings_at_once() -> None:
    hysteresis = hysteresis_of_rules()
    assert judge(seen(trend=Trend(clipped_share=0.5)), hysteresis).reasons == ()
    late = judge(seen(pipeline={"lag_seconds": 6.0}), hysteresis)
    assert (late.ping, late.state) == (False, State.DEGRADED)
    recovered = judge(seen(), hysteresis)
    assert (recovered.ping, [reason.code for reason in recovered.reasons]) == (True, ["listener_late"])


def test_a_lingering_reason_does_not_hide_that_it_is_deaf() -> None:
    hysteresis = hysteresis_of_rules()
    judge(seen(pipeline={"lag_seconds": 6.0}), hysteresis)
    gone = seen({"state": CaptureState.LOST, "since": NOW - 40}, silent_seconds=40)
    assert judge(gone, hysteresis).state is State.DEAF
