"""The state machine of capture, in plain seconds."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicebridge.audio.supervision import REASONS, Fault, Look, Supervision, sentence, stuck
from voicebridge.domain.audio import GapReason
from voicebridge.domain.capture import CaptureReport, CaptureState, SoundServer
from voicebridge.settings.schema import AudioSettings, CaptureSettings

AUDIO = AudioSettings(retry_max_seconds=30.0)
CAPTURE = CaptureSettings()


def machine(audio: AudioSettings = AUDIO) -> Supervision:
    return Supervision(audio, CAPTURE, 0.0)


def hearing(at: float = 1.0) -> Supervision:
    """A machine that hears since then."""
    supervision = machine()
    supervision.opening(0.0)
    supervision.opened(0.5)
    assert supervision.look(Look(at, blocks=1)) is None
    return supervision


def test_the_first_attempt_is_due_at_once_and_the_state_is_starting_until_it_hears() -> None:
    supervision = machine()
    assert supervision.due(0.0)
    supervision.opening(0.0)
    assert not supervision.due(99.0)
    supervision.opened(0.5)
    assert supervision.look(Look(1.0)) is None
    assert supervision.standing.state is CaptureState.STARTING
    supervision.look(Look(1.2, blocks=1))
    standing = supervision.standing
    assert (standing.state, standing.since, standing.attempts) == (CaptureState.HEARING, 1.2, 0)
    assert not supervision.heard_before_now


def test_other_numbers_hold_from_the_next_look_on() -> None:
    supervision = hearing(at=1.0)
    assert supervision.look(Look(2.5, blocks=1, silent_seconds=1.5)) is None
    supervision.apply(CaptureSettings(stall_seconds=1.0))
    assert supervision.look(Look(2.5, blocks=1, silent_seconds=1.5)) is Fault.SILENT


def test_refused_attempts_are_repeated_with_pauses_that_double_up_to_the_longest() -> None:
    supervision, now, pauses = machine(AudioSettings(retry_max_seconds=3.0)), 0.0, []
    for _ in range(7):
        supervision.opening(now)
        supervision.refused(now)
        assert supervision.standing.state is CaptureState.LOST
        assert supervision.standing.next_attempt is not None
        pauses.append(supervision.standing.next_attempt - now)
        now = supervision.standing.next_attempt
    assert pauses == [0.25, 0.5, 1.0, 2.0, 3.0, 3.0, 3.0]
    assert supervision.standing.attempts == 7


def test_a_longest_pause_below_the_first_one_holds_for_the_first_one_too() -> None:
    supervision = machine(AudioSettings(retry_max_seconds=0.1))
    supervision.opening(0.0)
    supervision.refused(0.0)
    assert supervision.standing.next_attempt == 0.1


@pytest.mark.parametrize(
    ("seen", "fault", "state"),
    [
        (Look(9.0, 1, active=False), Fault.ENDED, CaptureState.LOST),
        (Look(9.0, 1, silent_seconds=3.01), Fault.SILENT, CaptureState.STALLED),
        (Look(9.0, 1, frozen_seconds=5.0), Fault.FROZEN, CaptureState.STALLED),
        (Look(9.0, 1, moved=True), Fault.MOVED, CaptureState.LOST),
        (Look(9.0, 1, returned=True), Fault.RETURNED, CaptureState.LOST),
    ],
)
def test_each_fault_has_its_state_and_the_gap_its_reason(seen: Look, fault: Fault, state: CaptureState) -> None:
    supervision = hearing()
    assert supervision.look(seen) is fault
    assert supervision.standing.state is state
    assert supervision.reason is REASONS[fault]
    assert "'desk'" in sentence(fault, "desk", seen, "decoy")
    supervision.torn_down(9.5)
    waiting = supervision.standing
    assert (waiting.state, waiting.next_attempt) == (CaptureState.LOST, 9.75)
    supervision.opening(9.75)
    trying = supervision.standing
    assert (trying.state, trying.since) == (CaptureState.RECOVERING, waiting.since)
    supervision.opened(10.0)
    supervision.look(Look(10.1, 1))
    assert (supervision.standing.state, supervision.standing.recoveries) == (CaptureState.HEARING, 1)
    assert supervision.heard_before_now


@pytest.mark.parametrize("ratio", [0.85, 1.15])
def test_a_rate_that_stays_off_is_a_fault_and_one_that_comes_right_is_not(ratio: float) -> None:
    supervision = hearing()
    assert supervision.look(Look(20.0, 9, rate_ratio=ratio)) is None
    assert supervision.look(Look(20.9, 9, rate_ratio=1.0)) is None
    assert supervision.look(Look(21.5, 9, rate_ratio=ratio)) is None
    fault = supervision.look(Look(22.5, 9, rate_ratio=ratio))
    assert fault is Fault.RATE
    assert supervision.standing.state is CaptureState.STALLED
    assert f"delivers {100 * ratio:.0f} %" in sentence(Fault.RATE, "desk", Look(0.0, rate_ratio=ratio))


@pytest.mark.parametrize("ratio", [None, 0.91, 1.0, 1.09])
def test_a_rate_within_its_tolerance_is_no_fault(ratio: float | None) -> None:
    supervision = hearing()
    for second in range(30):
        assert supervision.look(Look(20.0 + second, 9, rate_ratio=ratio)) is None


def test_the_first_block_may_take_longer_than_the_ones_after_it() -> None:
    supervision = machine()
    supervision.opening(0.0)
    supervision.opened(0.0)
    assert supervision.look(Look(5.9, silent_seconds=5.9)) is None
    assert supervision.look(Look(6.1, silent_seconds=6.1)) is Fault.SILENT


def test_an_outage_keeps_its_first_reason_until_it_is_heard_again() -> None:
    supervision = hearing()
    assert supervision.look(Look(9.0, 1, moved=True)) is Fault.MOVED
    supervision.torn_down(9.0)
    supervision.opening(9.25)
    supervision.opened(9.3)
    assert supervision.look(Look(9.4, active=False)) is Fault.ENDED
    assert supervision.reason is GapReason.DEVICE_MOVED


def fail_after(supervision: Supervision, now: float, heard_seconds: float, *, frozen_seconds: float = 0.0) -> float:
    """Hear for so long, then lose it; return the pause before the next attempt, which is made."""
    supervision.opening(now)
    supervision.opened(now)
    supervision.look(Look(now, 1))
    supervision.look(Look(now + heard_seconds, 9, frozen_seconds=min(frozen_seconds, 4.9)))
    supervision.look(Look(now + heard_seconds, 9, active=False))
    supervision.torn_down(now + heard_seconds)
    assert supervision.standing.next_attempt is not None
    return supervision.standing.next_attempt - now - heard_seconds


def test_pauses_begin_anew_only_after_healthy_hearing() -> None:
    supervision = machine()
    assert fail_after(supervision, 0.0, 4.9) == pytest.approx(0.25)
    assert fail_after(supervision, 10.0, 4.9) == pytest.approx(0.5)
    assert fail_after(supervision, 20.0, 5.1) == pytest.approx(0.25)


def test_hearing_the_same_thing_all_the_time_is_not_healthy() -> None:
    supervision = machine()
    assert fail_after(supervision, 0.0, 5.5, frozen_seconds=5.5) == pytest.approx(0.25)
    assert fail_after(supervision, 10.0, 5.5, frozen_seconds=5.5) == pytest.approx(0.5)


def test_a_rate_that_is_off_is_not_healthy() -> None:
    supervision = machine()
    for pause in (0.25, 0.5):
        supervision.opening(0.0)
        supervision.opened(0.0)
        supervision.look(Look(0.0, 1))
        supervision.look(Look(10.0, 9, rate_ratio=0.5))
        assert supervision.look(Look(11.0, 9, rate_ratio=0.5)) is Fault.RATE
        supervision.torn_down(11.0)
        assert supervision.standing.next_attempt == pytest.approx(11.0 + pause)


def test_a_change_makes_a_waiting_attempt_due_at_once_with_short_pauses_after_it() -> None:
    supervision, now = machine(), 0.0
    for _ in range(8):
        supervision.opening(now)
        supervision.refused(now)
        now = supervision.standing.next_attempt or 0.0
    supervision.changed(now - 20.0)
    assert supervision.due(now - 20.0)
    supervision.opening(now - 20.0)
    supervision.refused(now - 20.0)
    assert supervision.standing.next_attempt == pytest.approx(now - 19.75)


def test_a_change_says_nothing_to_a_stream_that_is_open() -> None:
    supervision = hearing()
    supervision.changed(2.0)
    assert supervision.standing.next_attempt is None
    assert supervision.standing.state is CaptureState.HEARING


looks = st.builds(
    Look,
    now=st.just(0.0),
    blocks=st.integers(0, 3),
    silent_seconds=st.floats(0, 10),
    active=st.booleans(),
    rate_ratio=st.one_of(st.none(), st.floats(0, 3)),
    frozen_seconds=st.floats(0, 10),
    moved=st.booleans(),
    returned=st.booleans(),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.floats(0.01, 40.0), st.booleans(), st.booleans(), looks), max_size=60))
def test_whatever_is_seen_it_is_heard_with_an_open_stream_alone_and_an_attempt_is_never_far(
    steps: list[tuple[float, bool, bool, Look]],
) -> None:
    supervision, now, is_open, attempts = machine(), 0.0, False, 0
    for seconds, refused, changed, seen in steps:
        now += seconds
        if is_open:
            fault = supervision.look(replace(seen, now=now))
            if fault is not None:
                supervision.torn_down(now)
                is_open = False
        elif supervision.due(now):
            supervision.opening(now)
            attempts += 1
            (supervision.refused if refused else supervision.opened)(now)
            is_open = not refused
        elif changed:
            supervision.changed(now)
        standing = supervision.standing
        assert standing.since <= now
        assert (standing.next_attempt is None) is is_open
        assert standing.next_attempt is None or standing.next_attempt <= now + AUDIO.retry_max_seconds
        assert standing.state is not CaptureState.HEARING or is_open
        assert standing.attempts <= attempts


def report(**values: object) -> CaptureReport:
    return replace(CaptureReport(CaptureState.RECOVERING, 0.0, 100.0), **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "now", "words"),
    [
        (report(), 999.0, ""),
        (report(call="teardown", call_began=100.0), 101.9, ""),
        (report(call="teardown", call_began=100.0), 102.5, "has not closed the microphone for 2.5 s"),
        (report(call="teardown", call_began=100.0, server=SoundServer.SILENT), 102.5, "has not closed"),
        (report(call="teardown", call_began=100.0, state=CaptureState.ENDED), 150.0, ""),
        (report(call="open", call_began=100.0, server=SoundServer.ANSWERS), 109.9, ""),
        (report(call="open", call_began=100.0, server=SoundServer.ANSWERS), 110.5, "although the sound server answers"),
        (report(call="open", call_began=100.0, server=SoundServer.ABSENT), 110.5, "although the sound server is gone"),
        (report(call="open", call_began=100.0, server=SoundServer.SILENT), 999.0, ""),
        (report(call="open", call_began=100.0, server=SoundServer.UNKNOWN), 999.0, ""),
        (report(call="open", call_began=100.0, server=SoundServer.ANSWERS, server_since=160.0), 169.0, ""),
        (report(call="open", call_began=100.0, server=SoundServer.ANSWERS, server_since=160.0), 171.0, "11.0 s"),
    ],
)
def test_only_a_call_past_its_deadline_is_stuck(said: CaptureReport, now: float, words: str) -> None:
    told = stuck(said, CAPTURE, now)
    assert words in told
    assert bool(told) is bool(words)
