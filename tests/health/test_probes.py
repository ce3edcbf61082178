from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicebridge.domain.capture import CaptureReport, CaptureState, SoundServer
from voicebridge.health.looks import told_from
from voicebridge.health.probes import RULES, Limits, Observation, Pipeline, Sign, State, frames_arrive, judge

LIMITS = Limits(
    stall=3,
    first_block=6,
    rate_tolerance=0.1,
    rate_window=10,
    zero=600,
    sign_of_life=10,
    listener_lag=5,
    decode=120,
    load=600,
    commit=180,
)
NOW = 1000.0
WELL = CaptureReport(CaptureState.HEARING, since=NOW - 100, sign=NOW - 0.2, last_block=NOW - 0.04, source="Desk")


def seen(capture: dict[str, Any] | None = None, pipeline: dict[str, Any] | None = None, **others: Any) -> Observation:
    return Observation(
        now=NOW,
        uptime_seconds=others.pop("uptime_seconds", 100.0),
        capture=replace(WELL, **(capture or {})),
        limits=LIMITS,
        pipeline=Pipeline(**(pipeline or {})),
        **others,
    )


def codes(observation: Observation) -> list[str]:
    return [reason.code for reason in judge(observation).reasons]


def test_a_daemon_that_is_well_hears_and_may_ping() -> None:
    verdict = judge(seen())
    assert (verdict.ping, verdict.why_not, verdict.state, verdict.reasons) == (True, (), State.HEARING, ())
    assert verdict.trouble == ""


def away(state: CaptureState, **others: Any) -> dict[str, Any]:
    return {"state": state, "since": NOW - 40, **others}


@pytest.mark.parametrize(
    ("observation", "reasons", "state"),
    [
        # The supervisor is at it: it is deaf, and no restart would help.
        (seen(away(CaptureState.LOST, attempts=3), silent_seconds=40), ["device_lost"], State.DEAF),
        (seen(away(CaptureState.RECOVERING), silent_seconds=40), ["device_lost"], State.DEAF),
        (seen(away(CaptureState.STALLED), silent_seconds=4), ["no_frames"], State.DEAF),
        (seen(away(CaptureState.LOST, moved=True)), ["device_moved", "device_lost"], State.DEAF),
        # A sound server that hangs holds the opening for as long as it does.
        (
            seen(
                away(
                    CaptureState.RECOVERING, call="open", call_began=NOW - 40, sign=NOW - 40, server=SoundServer.SILENT
                ),
                silent_seconds=40,
            ),
            ["device_lost"],
            State.DEAF,
        ),
        # It hears, and something is to be known.
        (seen({"moved": True}), ["device_moved"], State.DEGRADED),
        (seen({"zero_seconds": 600.5}), ["digital_silence"], State.DEGRADED),
        (seen({"rate_ratio": 0.8, "since": NOW - 11}), ["rate_off"], State.DEGRADED),
        (seen(pipeline={"store_trouble": "The disk is full."}), ["store_trouble"], State.DEGRADED),
        (seen(pipeline={"engine_error": "There is no model."}), ["engine_failed"], State.DEGRADED),
        (seen(pipeline={"options_refused": "There is no such language."}), ["options_refused"], State.DEGRADED),
        (seen(alarms={"reserve_given_up": "The disk is full."}), ["reserve_given_up"], State.DEGRADED),
        (seen(signs=(Sign("http", 60, vital=False),)), ["thread_silent"], State.DEGRADED),
        (seen(muted=True), ["muted"], State.HEARING),
        # At the limit is not beyond it.
        (seen({"zero_seconds": 600, "rate_ratio": 1.1 - 1e-9}), [], State.HEARING),
        (
            seen(pipeline={"lag_seconds": 5, "decode_seconds": 110, "load_seconds": 590, "commit_seconds": 170}),
            [],
            State.HEARING,
        ),
        (seen(signs=(Sign("listener", 10),)), [], State.HEARING),
        # A call with a deadline of its own is judged by that.
        (seen(signs=(Sign("transcriber", 100, excused=True),)), [], State.HEARING),
        # Young: nothing is missed yet.
        (seen({"state": CaptureState.STARTING}, heard=False, uptime_seconds=4, silent_seconds=4), [], State.STARTING),
        (
            seen({"state": CaptureState.STARTING}, heard=False, uptime_seconds=7, silent_seconds=7),
            ["no_frames"],
            State.DEAF,
        ),
        (seen(away(CaptureState.LOST), heard=False, uptime_seconds=1), ["device_lost"], State.DEAF),
        # A file or a pipe waits for us, however long it takes.
        (seen(paced=False, silent_seconds=99, pipeline={"lag_seconds": 50}), [], State.HEARING),
        (seen(paced=False, pipeline={"store_trouble": "full"}), ["store_trouble"], State.DEGRADED),
        (seen({"state": CaptureState.ENDED, "sign": 0.0}, silent_seconds=99), [], State.STOPPING),
        # What the process leaves for is told before, while it can still be asked.
        (
            seen(pipeline={"decode_seconds": 120, "commit_seconds": 180}),
            ["decode_late", "commit_late"],
            State.DEGRADED,
        ),
        (seen(pipeline={"load_seconds": 591}), ["decode_late"], State.DEGRADED),
        (seen(away(CaptureState.STALLED), capture_slow="It is late."), ["capture_stuck", "no_frames"], State.DEAF),
        # What asks the sound server hangs with it; that is to blame only while frames arrive.
        (seen(away(CaptureState.LOST, watch_sign=NOW - 30)), ["device_lost"], State.DEAF),
    ],
)
def test_what_no_restart_would_mend_does_not_withhold_the_ping(
    observation: Observation, reasons: list[str], state: State
) -> None:
    verdict = judge(observation)
    assert ([reason.code for reason in verdict.reasons], verdict.state) == (reasons, state)
    assert (verdict.ping, verdict.why_not) == (True, ())


@pytest.mark.parametrize(
    ("observation", "code", "why"),
    [
        (seen(silent_seconds=5.1), "no_frames", "No audio has arrived for 5 s."),
        (
            seen({"rate_ratio": 1.2, "since": NOW - 23}),
            "rate_off",
            "Audio comes at 120% of its rate.",
        ),
        (seen({"sign": NOW - 11}), "thread_silent", "No sign of life from: capture (11 s)."),
        (seen(away(CaptureState.LOST, sign=NOW - 11)), "thread_silent", "No sign of life from: capture (11 s)."),
        (seen({"watch_sign": NOW - 12}), "thread_silent", "No sign of life from: sound-watch (12 s)."),
        (seen(signs=(Sign("listener", 10.6),)), "thread_silent", "No sign of life from: listener (11 s)."),
        (
            seen(signs=(Sign("http", 99, vital=False), Sign("main", 20), Sign("store-writer", 1))),
            "thread_silent",
            "No sign of life from: http (99 s), main (20 s).",
        ),
        (
            seen(capture_stuck="It hangs.", capture=away(CaptureState.FAILED, call="teardown")),
            "capture_stuck",
            "It hangs.",
        ),
        (seen(away(CaptureState.FAILED)), "capture_stuck", "The sound library is stuck or died."),
        (seen(pipeline={"lag_seconds": 5.1}), "listener_late", "The listener is 5.1 s behind the microphone."),
        (seen(pipeline={"decode_seconds": 121}), "decode_late", "A decode has run for 121 s."),
        (seen(pipeline={"load_seconds": 601}), "decode_late", "The engine has been loading for 601 s."),
        (seen(pipeline={"commit_seconds": 181}), "commit_late", "The disk has not answered the store for 181 s."),
    ],
)
def test_what_a_restart_may_mend_withholds_the_ping(observation: Observation, code: str, why: str) -> None:
    verdict = judge(observation)
    assert not verdict.ping
    assert verdict.why_not == (why,)
    assert verdict.has(code)
    assert verdict.state in {State.DEGRADED, State.DEAF}


@pytest.mark.parametrize(("deadline_seconds", "told_seconds"), [(120, 110), (20, 10), (5, 2.5)])
def test_what_the_process_leaves_for_is_told_in_time(deadline_seconds: float, told_seconds: float) -> None:
    assert told_from(deadline_seconds) == told_seconds


def test_a_stream_that_has_just_gone_quiet_is_left_to_its_supervisor() -> None:
    verdict = judge(seen(silent_seconds=4))
    assert (verdict.state, verdict.ping, codes(seen(silent_seconds=4))) == (State.DEAF, True, ["no_frames"])


def test_while_it_stops_nothing_is_pinged_and_nothing_withheld() -> None:
    verdict = judge(seen(stopping=True, signs=(Sign("main", 30),)))
    assert (verdict.ping, verdict.why_not, verdict.state) == (False, (), State.STOPPING)


def test_the_gravest_reason_is_the_trouble_and_what_is_only_told_is_none() -> None:
    verdict = judge(seen({"moved": True, "source": "decoy"}, muted=True, pipeline={"store_trouble": "full"}))
    assert verdict.trouble == "The sound server has led us to another source: decoy."
    assert [reason.degrades for reason in verdict.reasons] == [True, True, False]
    assert judge(seen(muted=True)).trouble == ""


def test_every_reason_has_a_code_of_its_own_and_an_advice() -> None:
    assert len({rule.code for rule in RULES}) == len(RULES)
    assert all(rule.advice.endswith(".") for rule in RULES)


def test_frames_arrive_while_the_ring_is_fed() -> None:
    assert frames_arrive(seen())
    assert not frames_arrive(seen(silent_seconds=3))
    assert not frames_arrive(seen(away(CaptureState.STALLED)))
    assert not frames_arrive(seen(heard=False))


AGES = st.floats(0, 2000)


@settings(max_examples=200)
@given(
    state=st.sampled_from(CaptureState),
    ages=st.tuples(AGES, AGES, AGES, AGES),
    late=st.tuples(AGES, AGES, AGES, AGES),
    heard=st.booleans(),
    call=st.sampled_from(["", "open", "teardown"]),
)
def test_a_ping_and_a_reason_to_withhold_it_exclude_each_other(
    state: CaptureState, ages: tuple[float, ...], late: tuple[float, ...], heard: bool, call: str
) -> None:
    capture = {"state": state, "since": NOW - ages[0], "sign": NOW - ages[1], "call": call}
    work = dict(zip(("lag_seconds", "decode_seconds", "load_seconds", "commit_seconds"), late, strict=True))
    signs = (Sign("listener", ages[2]),)
    verdict = judge(seen(capture, work, signs=signs, silent_seconds=ages[3], heard=heard))
    assert verdict.ping is (verdict.why_not == ())
    assert set(verdict.why_not) <= {reason.sentence for reason in verdict.reasons if reason.degrades}
    if any(age > limit for age, limit in zip(late, (5, 120, 600, 180), strict=True)) or ages[2] > 10:
        assert not verdict.ping
