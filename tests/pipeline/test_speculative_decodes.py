"""Speculative decodes from the frame to the settled utterance, in virtual time."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.detector import quiet
from tests.pipeline.rig import Rig, writing
from tests.pipeline.world import SlowEngine, World, as_text
from voicebridge.domain.ports import TurnEvidence, TurnVerdict
from voicebridge.domain.utterance import DecodeKind, Status
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
        world.transcriber._pace.note(1.0, 3.3)
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
    assert kinds(world).count(DecodeKind.SPECULATIVE) == 4
    assert world.early.speculation.counters.void == 5


def test_a_failing_speculative_decode_counts_for_nothing() -> None:
    with writing(Rig(paced=True)) as rig:
        world = World(rig, SlowEngine([0.1]))
        world.engine.fails = lambda: len(world.engine.decoded) == 1
        world.say(1.0, 2.0)
        world.run()
    ((_, record),) = world.settled
    assert (record.kind, record.attempts, record.text) == (DecodeKind.FINAL, 1, as_text(record))
    assert (world.transcriber.counters.errors, world.early.speculation.counters.failed) == (0, 1)


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


@settings(max_examples=60, deadline=None)
@given(
    lengths=lengths,
    durations=durations,
    fails=st.one_of(st.just([False]), fails),
    store_seconds=st.sampled_from([0.0, 0.05, 0.4, 2.0]),
    partials=st.sampled_from([PartialsSettings(mode="off"), PartialsSettings(mode="on", every_ms=200, load_share=1)]),
    hangovers_ms=st.one_of(st.none(), st.lists(st.integers(300, 1600), min_size=1, max_size=4)),
)
def test_nothing_is_delivered_twice_or_stale_whatever_is_said_and_however_long_things_take(
    lengths: list[float],
    durations: list[float],
    fails: list[bool],
    store_seconds: float,
    partials: PartialsSettings,
    hangovers_ms: list[int] | None,
) -> None:
    engine = SlowEngine(durations)
    with writing(Rig(paced=True)) as rig:
        endpoint = EndpointSettings() if hangovers_ms is None else ADAPTIVE
        world = World(rig, engine, endpoint, partials, Script(hangovers_ms) if hangovers_ms else None)
        world.store_seconds = store_seconds

        def begins() -> None:
            if world.transcriber.current is None:
                assert world.transcriber.waiting == 0, "an early decode begins while a final waits"

        engine.begins = begins
        # Finals succeed, so that each has one attempt.
        engine.fails = lambda: world.transcriber.current is None and fails[len(engine.decoded) % len(fails)]
        world.say(*lengths, *([] if len(lengths) % 2 == 0 else [0.1]), 0.2, 6.0)
        world.run()
        records = list(rig.store.records.values())
    assert [record.status for record in records] == [Status.DONE] * len(records)
    assert sorted(record.utterance_id for _, record in world.settled) == sorted(rig.store.records)
    for record in records:
        assert record.text == as_text(record)
        assert record.attempts == (record.kind is DecodeKind.FINAL)
        whole = engine.decoded.count((record.start_sample, record.end_sample - record.start_sample))
        assert whole >= 1
        if record.kind is DecodeKind.SPECULATIVE and partials.mode == "off":
            assert whole == 1, "what was decoded in the pause is not decoded again"
    counters = world.early.speculation.counters
    delivered = sum(record.kind is DecodeKind.SPECULATIVE for record in records)
    assert counters.delivered == delivered
    assert counters.started == counters.delivered + counters.void + counters.failed
    assert counters.ordered == counters.started + counters.dropped + counters.not_worthwhile
    for earlier, later in pairwise(world.partials):
        assert (later.key.start_sample, later.end_sample) > (earlier.key.start_sample, earlier.end_sample)
