"""Speculative decodes from the frame to the settled utterance, in virtual time."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.detector import quiet
from tests.pipeline.rig import SECONDS, Rig, writing
from tests.pipeline.world import SlowEngine, World, as_text
from voicebridge.domain.errors import StoreBusyError
from voicebridge.domain.ports import TurnEvidence, TurnVerdict
from voicebridge.domain.utterance import DecodeKind, EndReason, Status, UtteranceRecord
from voicebridge.settings import EndpointSettings, PartialsSettings

ADAPTIVE = EndpointSettings(mode="adaptive")


def heard(durations: Sequence[float], *parts: float, store_seconds: float = 0.0) -> World:
    """Hear speech and pauses by turns, with decodes that take so long each."""
    with writing(Rig(paced=True)) as rig:
        world = World(rig, SlowEngine(durations))
        world.store_seconds = store_seconds
        world.say(*parts)
        world.run()
    return world


def kinds(world: World) -> list[DecodeKind]:
    return [record.kind for _, record in world.settled]


def test_an_utterance_is_settled_at_its_endpoint_with_what_was_decoded_in_its_hangover() -> None:
    world = heard([0.3], 1.0, 2.0)
    ((settled_at, record),) = world.settled
    assert settled_at == pytest.approx(1001.7, abs=0.021)  # speech ends at 1001.0, and the hangover is 0.7 s
    assert (record.text, record.kind, record.attempts) == (as_text(record), DecodeKind.SPECULATIVE, 0)
    assert record.status is Status.DONE
    assert len(world.engine.decoded) == 1
    assert world.engine.began == pytest.approx([1001.16], abs=0.021)


def test_a_decode_that_outlasts_the_hangover_is_waited_for_and_not_begun_again() -> None:
    world = heard([1.2], 1.0, 3.0)
    ((settled_at, record),) = world.settled
    assert settled_at == pytest.approx(1002.36, abs=0.021)
    assert record.kind is DecodeKind.SPECULATIVE
    assert len(world.engine.decoded) == 1


def test_what_was_decoded_in_a_pause_after_which_speech_went_on_is_never_delivered() -> None:
    world = heard([0.2], 1.0, 0.5, 1.0, 2.0)
    ((_, record),) = world.settled
    assert record.text == as_text(record)
    assert len(world.engine.decoded) == 2
    counters = world.early.speculation.counters
    assert (counters.ordered, counters.started, counters.void, counters.delivered) == (2, 2, 1, 1)
    assert counters.wasted_seconds == pytest.approx(0.2)


def test_a_decode_that_runs_when_speech_goes_on_is_dropped_when_it_comes_back() -> None:
    world = heard([0.6, 0.6], 1.0, 0.3, 1.0, 2.0)
    ((_, record),) = world.settled
    assert record.text == as_text(record)
    assert world.early.speculation.counters.void == 1


def test_decodes_that_would_take_too_long_are_not_begun() -> None:
    world = heard([2.0], 1.0, 4.0, 1.0, 4.0, 1.0, 4.0)
    counters = world.early.speculation.counters
    assert kinds(world) == [DecodeKind.SPECULATIVE, DecodeKind.FINAL, DecodeKind.FINAL]  # the first one was tried
    assert (counters.not_worthwhile, counters.started) == (2, 1)


def test_none_begins_while_a_final_waits() -> None:
    # The first utterance's final is due at 1001.7 and decoded until 1005; the second one pauses at 1003.
    with writing(Rig(paced=True)) as rig:
        world = World(rig, SlowEngine([3.3]))
        world.transcriber.early_decodes.pace.note(1.0, 3.3)
        world.say(1.0, 1.0, 1.0, 3.0)
        world.run()
    assert kinds(world) == [DecodeKind.FINAL, DecodeKind.FINAL]
    assert world.early.speculation.counters.started == 0


def test_a_slow_store_costs_no_decode() -> None:
    world = heard([0.1], 0.5, 0.8, 0.5, 0.8, 0.5, 0.8, 0.5, 4.0, store_seconds=3.0)
    assert kinds(world) == [DecodeKind.SPECULATIVE] * 4
    assert len(world.engine.decoded) == 4


def test_more_results_than_are_held_are_decoded_again() -> None:
    world = heard([0.1], *[0.2, 0.8] * 8, 0.2, 20.0, store_seconds=10.0)
    assert len(world.settled) == 9
    assert all(record.text == as_text(record) for _, record in world.settled)
    # The fifth took the place of the first; from then on one has ended that the engine is needed for.
    assert kinds(world) == [DecodeKind.FINAL, *[DecodeKind.SPECULATIVE] * 4, *[DecodeKind.FINAL] * 4]
    counters = world.early.speculation.counters
    assert (counters.void, counters.dropped) == (1, 4)


def test_none_begins_while_what_has_ended_is_still_to_be_decoded_though_not_committed() -> None:
    with writing(Rig(paced=True)) as rig:
        world = World(rig, SlowEngine([0.1]))
        world.engine.fails = lambda: len(world.engine.decoded) == 1  # so that the first one needs its final
        world.store_seconds = 2.0
        world.say(1.0, 1.0, 1.0, 4.0)
        world.run()
    assert kinds(world) == [DecodeKind.FINAL, DecodeKind.FINAL]
    assert (world.early.speculation.counters.started, world.early.speculation.counters.dropped) == (1, 1)
    assert world.unsettled.to_come() == []


def test_an_order_that_waits_behind_a_partial_is_begun_after_it_and_not_at_the_endpoint() -> None:
    often = PartialsSettings(mode="on", every_ms=500, load_share=1)
    with writing(Rig(paced=True)) as rig:
        world = World(rig, SlowEngine([1.0, 0.9]), partials=often)
        world.transcriber.early_decodes.pace.note(1.14, 1.0)
        world.say(1.0, 4.0)  # the partial lasts from 0.6 to 1.5, the hangover until 1.7
        world.run()
    assert world.engine.began == pytest.approx([1000.6, 1001.5], abs=0.041)
    assert kinds(world) == [DecodeKind.SPECULATIVE]
    assert world.settled[0][0] == pytest.approx(1002.5, abs=0.041)
    assert world.early.speculation.counters.not_worthwhile == 0


def test_a_partial_that_was_ordered_before_a_pause_is_not_decoded_in_it() -> None:
    often = PartialsSettings(mode="on", every_ms=500, load_share=1)
    with writing(Rig(paced=True)) as rig:
        world = World(rig, SlowEngine([1.0, 0.1, 1.0]), partials=often)
        # A partial at 0.6; the first pause is decoded from 1.16 to 2.16, while speech goes on from 1.5 to 1.8; the
        # second one would take too long, so that the engine has nothing to do until the endpoint at 2.5.
        world.say(1.0, 0.5, 0.3, 4.0)
        world.run()
    assert world.engine.began == pytest.approx([1000.6, 1001.16, 1002.5], abs=0.041)
    assert world.settled[0][0] == pytest.approx(1003.5, abs=0.041)
    assert world.early.partials is not None
    assert world.early.partials.counters.dropped == 1
    assert world.early.speculation.counters.not_worthwhile == 1


def test_what_was_decoded_with_other_options_is_not_delivered_and_the_pace_is_learnt_anew() -> None:
    with writing(Rig(paced=True)) as rig:
        world = World(rig, SlowEngine([0.1]))
        world.at(1.4, lambda: world.reload("de"))
        world.say(1.0, 2.0)
        world.run()
    ((settled_at, record),) = world.settled
    assert (record.kind, record.language, record.text) == (DecodeKind.FINAL, "de", as_text(record))
    assert settled_at == pytest.approx(1001.8, abs=0.041)
    assert world.early.speculation.counters.void == 1
    assert world.transcriber.early_decodes.pace.expected_seconds(1.14) == pytest.approx(0.1)


def test_other_rules_with_the_same_options_void_nothing() -> None:
    with writing(Rig(paced=True)) as rig:
        world = World(rig, SlowEngine([0.1]))
        world.reload("en")
        world.at(1.4, lambda: world.reload("en"))
        world.say(1.0, 2.0)
        world.run()
    assert kinds(world) == [DecodeKind.SPECULATIVE]


def test_a_stop_in_a_pause_delivers_what_was_decoded_in_it() -> None:
    with writing(Rig(paced=True)) as rig:
        world = World(rig, SlowEngine([0.1]))
        world.at(1.4, world.stop_hearing)
        world.say(1.0, 2.0)
        world.run()
    ((settled_at, record),) = world.settled
    assert (record.kind, record.end_reason) == (DecodeKind.SPECULATIVE, EndReason.STOPPED)
    assert settled_at == pytest.approx(1001.4, abs=0.021)


def test_a_stop_in_mid_speech_delivers_all_of_it_and_nothing_older() -> None:
    with writing(Rig(paced=True)) as rig:
        world = World(rig, SlowEngine([0.1]))
        world.at(1.9, world.stop_hearing)
        world.say(1.0, 0.5, 1.0)
        world.run()
    ((_, record),) = world.settled
    assert (record.kind, record.text) == (DecodeKind.FINAL, as_text(record))


def test_what_was_decoded_before_a_gap_is_delivered_at_the_end_that_the_gap_makes() -> None:
    with writing(Rig(paced=True)) as rig:
        world = World(rig, SlowEngine([0.1]))
        world.say(1.0, 0.4, (1.0,), 1.0, 1.0, 1.0)
        world.run()
    assert [record.end_reason for _, record in world.settled] == [EndReason.GAP, EndReason.HANGOVER]
    assert all(record.text == as_text(record) for _, record in world.settled)
    assert kinds(world)[0] is DecodeKind.SPECULATIVE


def test_what_was_decoded_before_a_cut_at_the_longest_is_not_delivered() -> None:
    with writing(Rig(paced=True)) as rig:
        world = World(rig, SlowEngine([0.1]), EndpointSettings(max_utterance_ms=3000, cut_search_ms=1000))
        world.say(2.5, 3.0)
        world.run()
    ((_, record),) = world.settled
    assert (record.end_reason, record.kind) == (EndReason.MAX_LENGTH, DecodeKind.FINAL)
    assert record.text == as_text(record)
    assert world.early.speculation.counters.void == 1


def test_a_store_that_refuses_delays_what_was_decoded_and_costs_no_second_decode() -> None:
    with writing(Rig(paced=True)) as rig:
        world = World(rig, SlowEngine([0.1]))

        def refuse() -> None:
            rig.store.refusal = StoreBusyError("The database is locked.")

        def take_again() -> None:
            rig.store.refusal = None
            assert rig.writer.drain(SECONDS)

        world.at(1.2, refuse)
        world.at(4.5, take_again)
        world.say(1.0, 1.0, 1.0, 3.0)
        world.run()
    assert [at for at, _ in world.settled] == pytest.approx([1004.5, 1004.5], abs=0.041)
    assert kinds(world) == [DecodeKind.SPECULATIVE] * 2
    assert len(world.engine.decoded) == 2


def test_what_is_forgotten_before_it_is_committed_as_decoded_is_not_told() -> None:
    with writing(Rig(paced=True)) as rig:
        world = World(rig, SlowEngine([0.1]))
        world.store_seconds = 0.5
        world.at(1.9, world.forget)
        world.say(1.0, 2.0)
        world.run()
        assert (world.forgotten, world.settled, rig.store.records) == ([1], [], {})
    assert world.unsettled.to_come() == []


def test_a_failing_speculative_decode_counts_for_nothing() -> None:
    with writing(Rig(paced=True)) as rig:
        world = World(rig, SlowEngine([0.1]))
        world.engine.fails = lambda: len(world.engine.decoded) == 1
        world.say(1.0, 2.0)
        world.run()
    ((_, record),) = world.settled
    assert (record.kind, record.attempts, record.text) == (DecodeKind.FINAL, 1, as_text(record))
    assert (world.transcriber.counters.errors, world.early.speculation.counters.failed) == (0, 1)
    assert world.early.speculation.counters.decoded == 0


def test_audio_that_the_ring_has_lost_is_not_decoded_and_no_order_waits_for_it() -> None:
    with writing(Rig(paced=True)) as rig:
        world = World(rig, SlowEngine([0.1]))
        world.engine.load()
        world.say(1.0, 0.5)
        while not world.early.waits:
            world.advance(0.02)
        world.ring.write(quiet(70))
        world.transcriber._turn()
    assert (world.early.waits, world.engine.decoded) == (False, [])
    assert world.early.speculation.counters.dropped == 1


class Script:
    """A turn detector that gives one hangover after the other, and keeps what it was asked."""

    def __init__(self, hangovers_ms: Sequence[int]) -> None:
        self.asked: list[TurnEvidence] = []
        self._hangovers_ms = hangovers_ms

    def judge(self, evidence: TurnEvidence) -> TurnVerdict:
        self.asked.append(evidence)
        return TurnVerdict(self._hangovers_ms[len(self.asked) % len(self._hangovers_ms)], "script")


def judged(hangover_ms: int, *parts: float, endpoint: EndpointSettings = ADAPTIVE) -> tuple[World, Script]:
    with writing(Rig(paced=True)) as rig:
        script = Script([hangover_ms])
        world = World(rig, SlowEngine([0.1]), endpoint, detector=script)
        world.say(*parts)
        world.run()
    return world, script


def test_a_verdict_ends_the_utterance_earlier() -> None:
    world, script = judged(400, 1.0, 2.0)
    assert world.settled[0][0] == pytest.approx(1001.4, abs=0.041)
    assert kinds(world) == [DecodeKind.SPECULATIVE]
    assert script.asked[0].language == "en"
    assert script.asked[0].speech_seconds == pytest.approx(1.0)
    assert world.early.verdicts == {"script": 1}


def test_a_verdict_lets_speech_go_on_after_a_longer_pause() -> None:
    world, _ = judged(1500, 1.0, 1.2, 1.0, 2.0)
    ((_, record),) = world.settled
    assert record.end_sample - record.start_sample == 16_000 * 3.34
    assert world.early.verdicts == {"script": 2}


def test_a_verdict_beyond_the_bounds_is_brought_within_them() -> None:
    world, _ = judged(0, 1.0, 2.0)
    assert world.settled[0][0] == pytest.approx(1001.4, abs=0.041)


def test_where_the_mode_is_fixed_nothing_is_judged() -> None:
    world, script = judged(400, 1.0, 2.0, endpoint=EndpointSettings())
    assert (script.asked, world.early.verdicts) == ([], {})
    assert world.settled[0][0] == pytest.approx(1001.7, abs=0.021)


lengths = st.lists(st.integers(5, 120).map(lambda frames: frames / 50), min_size=1, max_size=9)
durations = st.lists(st.sampled_from([0.0, 0.03, 0.2, 0.5, 0.9, 1.6, 2.5]), min_size=1, max_size=6)
fails = st.lists(st.booleans(), min_size=1, max_size=5)
moments = st.integers(10, 300).map(lambda frames: frames / 50)
FRAME_AND_A_BIT = 0.0201


@dataclass(frozen=True, slots=True)
class Happening:
    """What happens besides what is said; in seconds since the beginning, None for never."""

    gap: tuple[int, float] | None
    """Before which part, and how long."""
    reload: float | None
    forget: float | None
    stop: float | None
    store_seconds: float
    longest: dict[str, int]
    """Settings of the endpoint that say when it is cut."""

    def parts(self, lengths: list[float]) -> list[float | tuple[float]]:
        parts: list[float | tuple[float]] = [*lengths, *([] if len(lengths) % 2 == 0 else [0.1])]
        if self.gap is not None:
            place = min(self.gap[0], len(lengths)) // 2 * 2
            parts[place:place] = [(self.gap[1],), 0.1]  # two of them, so that speech stays speech
        return [*parts, 0.2, 6.0]

    def plan(self, world: World) -> None:
        world.store_seconds = self.store_seconds
        acts = ((self.reload, lambda: world.reload("de")), (self.forget, world.forget), (self.stop, world.stop_hearing))
        for moment, act in acts:
            if moment is not None:
                world.at(moment, act)


happenings = st.builds(
    Happening,
    gap=st.none() | st.tuples(st.integers(0, 8), st.sampled_from([0.05, 0.3, 1.0, 2.0])),
    reload=st.none() | moments,
    forget=st.none() | moments,
    stop=st.none() | moments,
    store_seconds=st.sampled_from([0.0, 0.05, 0.4, 2.0]),
    longest=st.sampled_from([{}, {"max_utterance_ms": 3000, "cut_search_ms": 1000}]),
)


@settings(max_examples=80, deadline=None)
@given(
    lengths=lengths,
    durations=durations,
    fails=st.one_of(st.just([False]), fails),
    happening=happenings,
    partials=st.sampled_from([PartialsSettings(mode="off"), PartialsSettings(mode="on", every_ms=200, load_share=1)]),
    hangovers_ms=st.one_of(st.none(), st.lists(st.integers(300, 1600), min_size=1, max_size=4)),
)
def test_nothing_is_delivered_twice_or_stale_or_late_whatever_is_said_and_however_long_things_take(
    lengths: list[float],
    durations: list[float],
    fails: list[bool],
    happening: Happening,
    partials: PartialsSettings,
    hangovers_ms: list[int] | None,
) -> None:
    engine = SlowEngine(durations)
    with writing(Rig(paced=True)) as rig:
        mode = "fixed" if hangovers_ms is None else "adaptive"
        rules = EndpointSettings.model_validate({"mode": mode, **happening.longest})
        world = World(rig, engine, rules, partials, Script(hangovers_ms) if hangovers_ms else None)

        def begins() -> None:
            if world.transcriber.current is None:
                assert world.transcriber.waiting == 0, "an early decode begins while a final waits"

        engine.begins = begins
        # Finals succeed, so that each has one attempt.
        engine.fails = lambda: world.transcriber.current is None and fails[len(engine.decoded) % len(fails)]
        happening.plan(world)
        world.say(*happening.parts(lengths))
        world.run()
        records = list(rig.store.records.values())
    assert [record.status for record in records] == [Status.DONE] * len(records)
    assert sorted(record.utterance_id for _, record in world.settled) == sorted(rig.store.records)
    assert world.unsettled.speech_ends() == []
    for record in records:
        assert record.text == as_text(record)
        assert record.attempts == (record.kind is DecodeKind.FINAL)
        whole = engine.decoded.count((record.start_sample, record.end_sample - record.start_sample))
        assert whole >= 1
        if record.kind is DecodeKind.SPECULATIVE and partials.mode == "off":
            assert whole == 1, "what was decoded in the pause is not decoded again"
    counters = world.early.speculation.counters
    delivered = sum(record.kind is DecodeKind.SPECULATIVE for record in records)
    assert delivered <= counters.delivered <= delivered + len(world.forgotten)
    assert counters.started == counters.decoded + counters.failed
    assert counters.decoded == counters.delivered + counters.void
    finals = len(records) - delivered
    assert finals <= world.transcriber.counters.decodes <= finals + len(world.forgotten)
    assert counters.ordered == counters.started + counters.dropped + counters.not_worthwhile
    for earlier, later in pairwise(world.partials):
        assert (later.key.start_sample, later.end_sample) > (earlier.key.start_sample, earlier.end_sample)
    if not world.forgotten:  # those may have had a decode that nobody is told of
        check_times(world)
    if happening.reload is not None:
        assert all(is_new(record, at - 1000 - happening.reload) for at, record in world.settled)


def is_new(record: UtteranceRecord, seconds_since_reload: float) -> bool:
    """Say that a text of a pause is not one of the options before."""
    return record.kind is DecodeKind.FINAL or record.language == "de" or seconds_since_reload < FRAME_AND_A_BIT


def check_times(world: World) -> None:
    """Assert that a text waits for what the engine does when its turn comes, its own final decode, and nothing more."""
    engine, free_again = world.engine, 0.0
    busy = list(zip(engine.began, engine.ended, strict=True))
    for at, record in world.settled:
        turn = max(world.offered[record.utterance_id], free_again)
        begins = max([ended for began, ended in busy if began < turn - 1e-6 and ended > turn], default=turn)
        if record.kind is DecodeKind.FINAL:
            heard = (record.start_sample, record.end_sample - record.start_sample)
            own = [interval for decoded, interval in zip(engine.decoded, busy, strict=True) if decoded == heard][-1]
            assert own[0] <= begins + FRAME_AND_A_BIT, "the engine rests while a final waits"
            begins = own[1]
        assert turn <= at + 1e-6
        assert at <= begins + FRAME_AND_A_BIT
        free_again = at
