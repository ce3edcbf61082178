"""Partial decodes and verdicts between listener and transcriber, in virtual time where time matters."""

import pytest

from tests.fakes.utterances import ended, transcript
from tests.pipeline.rig import Rig, writing
from tests.pipeline.world import SlowEngine, World
from voicebridge.domain.audio import Samples, Span
from voicebridge.domain.errors import SpeechError
from voicebridge.domain.ports import TurnEvidence, TurnVerdict
from voicebridge.domain.segments import MayEnd
from voicebridge.domain.utterance import DecodeKind, Transcript, UtteranceKey
from voicebridge.pipeline.agreement import MOST_WORDS
from voicebridge.pipeline.early_work import MAX_REASONS, EarlyWork, PartialOrder
from voicebridge.pipeline.partials import Partials
from voicebridge.pipeline.pauses import Pauses
from voicebridge.pipeline.session_clock import SessionClock
from voicebridge.settings import EndpointSettings, GateSettings, PartialsSettings

KEY = UtteranceKey(7, 0)
OFTEN = PartialsSettings(mode="on", every_ms=500, load_share=1)


def spoken(engine: SlowEngine, *parts: float, settings: PartialsSettings = OFTEN) -> World:
    with writing(Rig(paced=True)) as rig:
        world = World(rig, engine, partials=settings)
        world.say(*parts)
        world.run()
    return world


def test_what_is_being_said_is_decoded_and_told_as_it_grows() -> None:
    world = spoken(SlowEngine([0.1]), 3.0, 2.0)
    ends = [heard.end_sample / 16_000 for heard in world.partials]
    assert ends == pytest.approx([0.6, 1.1, 1.6, 2.1, 2.6], abs=0.11)
    assert world.settled[0][1].kind is DecodeKind.SPECULATIVE
    assert world.early.partials is not None
    assert world.early.partials.counters.decoded == 5


def test_in_a_pause_nothing_new_is_decoded_but_what_may_be_the_end() -> None:
    world = spoken(SlowEngine([0.05]), 1.0, 0.65, 1.0, 2.0)
    # Partials of 0.6 s and, speech going on at 1.64, of 1.66 and 2.16; between and after them the two pauses.
    assert [end / 16_000 for _, end in world.engine.decoded] == pytest.approx([0.6, 1.14, 1.66, 2.16, 2.79], abs=0.021)
    assert [heard.end_sample / 16_000 for heard in world.partials] == pytest.approx([0.6, 1.66, 2.16], abs=0.021)


def test_nobody_wants_partials_and_none_is_decoded() -> None:
    world = spoken(SlowEngine([0.1]), 3.0, 2.0, settings=PartialsSettings(mode="off"))
    assert world.partials == []
    assert len(world.engine.decoded) == 1


def test_what_is_decoded_when_the_utterance_has_ended_is_not_told() -> None:
    # One decode only: it takes until after the endpoint.
    world = spoken(SlowEngine([3.0]), 1.0, 5.0)
    assert world.partials == []
    assert world.early.partials is not None
    assert world.early.partials.counters.late == 1


def test_a_partial_that_fails_is_left_out() -> None:
    engine = SlowEngine([0.1])
    engine.fails = lambda: len(engine.decoded) == 1
    world = spoken(engine, 2.0, 2.0)
    assert len(world.partials) == 2
    assert world.transcriber.counters.errors == 0


def test_a_partial_that_is_not_believed_is_not_told() -> None:
    class Stuttering(SlowEngine):
        def decode(self, audio: Samples, start_sample: int) -> Transcript:
            super().decode(audio, start_sample)
            return transcript("go " * 30)

    assert spoken(Stuttering([0.1]), 2.0, 2.0).partials == []


def test_an_engine_that_is_quicker_about_partials_is_asked_for_them() -> None:
    class Quick(SlowEngine):
        quick = 0

        def decode_partial(self, audio: Samples, start_sample: int) -> Transcript:
            self.quick += 1
            if self.quick == 1:
                raise SpeechError("Not yet.")
            return transcript("turn on")

    engine = Quick([0.1])
    world = spoken(engine, 2.0, 2.0)
    assert engine.quick > 1
    assert len(engine.decoded) == 1
    assert world.partials[-1].stable == "turn on"


def test_a_newer_partial_order_takes_the_place_of_one_that_waits() -> None:
    now = [0.0]
    partials = Partials(OFTEN, lambda: True)
    early = EarlyWork(partials, lambda: now[0])
    woken = []
    early.wake = lambda: woken.append(now[0])
    for second in (1, 2):
        now[0] = float(second)
        early.goes_on(KEY, 16_000 * second)
    order = early.take_partial()
    assert order is not None
    assert order.span == Span(0, 32_000)
    assert early.take_partial() is None
    assert partials.counters.dropped == 1
    assert woken == [1.0, 2.0]


def test_a_partial_order_is_dropped_when_its_utterance_may_end() -> None:
    partials = Partials(OFTEN, lambda: True)
    early = EarlyWork(partials, lambda: 1.0)
    early.goes_on(KEY, 16_000)
    early.may_end(KEY, PAUSE)
    assert early.take_partial() is None
    assert partials.counters.dropped == 1
    early.may_end(KEY, PAUSE)
    assert partials.counters.dropped == 1


def test_a_partial_whose_audio_is_gone_was_dropped() -> None:
    with writing(Rig(paced=True)) as rig:
        world = World(rig, SlowEngine([0.1]), partials=OFTEN)
        order = PartialOrder(KEY, Span(0, 16_000))  # of which the ring holds nothing
        world.transcriber.early_decodes.decode_partial(order, GateSettings(), world.transcriber._timed)
    assert world.early.partials is not None
    assert world.early.partials.counters.dropped == 1
    assert world.engine.decoded == []


def test_an_order_says_when_it_was_given() -> None:
    early = EarlyWork(monotonic=lambda: 12.5)
    early.may_end(KEY, PAUSE)
    order = early.speculation.take()
    assert order is not None
    assert order.given_seconds == 12.5


def test_without_partials_speech_and_ends_are_taken_note_of_all_the_same() -> None:
    early = EarlyWork()
    early.goes_on(KEY, 160_000)
    early.may_end(KEY, MayEnd(Span(0, 16_000), Span(0, 14_000), 0.0))
    early.ended(ended(0.0, 2.0, session_id=7))
    assert not early.waits


def test_verdicts_are_counted_by_a_bounded_number_of_reasons() -> None:
    early = EarlyWork()
    given: list[tuple[int, int]] = []
    early.on_verdict = lambda end, ms: given.append((end, ms))
    for number in range(MAX_REASONS + 5):
        early.judged(number, TurnVerdict(500, f"reason {number}"))
    assert early.verdicts["other"] == 5
    assert len(early.verdicts) == MAX_REASONS + 1
    assert given[0] == (0, 500)


class OnTheHour:
    """A ring that was written to at second 100."""

    def mark(self) -> tuple[int, float]:
        return 0, 100.0


PAUSE = MayEnd(Span(0, 18_240), Span(0, 16_000), 6.0)


def pauses(endpoint: EndpointSettings, paced: bool = True) -> Pauses:
    clock = SessionClock(OnTheHour(), paced, 60.0, lambda: 100.0, lambda: 100.0)
    return Pauses(clock, endpoint)


def test_what_is_left_of_a_pause_is_known_of_a_paced_source() -> None:
    assert pauses(EndpointSettings()).seconds_left(PAUSE, 101.15) == pytest.approx(0.55)
    assert pauses(EndpointSettings(), paced=False).seconds_left(PAUSE, 101.15) == 0.0


def test_a_text_that_the_gate_does_not_believe_has_no_verdict() -> None:
    adaptive = pauses(EndpointSettings(mode="adaptive"))
    assert adaptive.verdict(PAUSE, transcript("go " * 30), GateSettings()) is None
    verdict = adaptive.verdict(PAUSE, transcript("Turn on the"), GateSettings())
    assert verdict == TurnVerdict(1500, "article")


def test_other_settings_of_the_endpoint_reach_the_rules() -> None:
    changing = pauses(EndpointSettings())
    assert changing.verdict(PAUSE, transcript("Turn on the"), GateSettings()) is None
    changing.apply(EndpointSettings(mode="adaptive", hangover_max_ms=2500))
    assert changing.verdict(PAUSE, transcript("Turn on the"), GateSettings()) == TurnVerdict(2500, "article")


class Curt:
    """A turn detector that takes no settings."""

    def judge(self, evidence: TurnEvidence) -> TurnVerdict:
        return TurnVerdict(1, evidence.text)


def test_a_detector_without_settings_goes_on() -> None:
    clock = SessionClock(OnTheHour(), True, 60.0, lambda: 100.0, lambda: 100.0)
    curt = Pauses(clock, EndpointSettings(), Curt())
    curt.apply(EndpointSettings(mode="adaptive"))
    assert curt.verdict(PAUSE, transcript("Stop"), GateSettings()) == TurnVerdict(400, "Stop")


def test_what_became_of_it_all_is_told_by_name() -> None:
    early = EarlyWork()
    early.may_end(KEY, PAUSE)
    early.ended(ended(0.0, 2.0, session_id=7))
    early.judged(16_000, TurnVerdict(400, "sentence done"))
    counts = early.counts
    assert (counts["speculative_dropped"], counts["turn_sentence_done"], counts["partials_decoded"]) == (1, 1, 0)
    assert all(isinstance(count, int) for count in counts.values())


def test_what_partials_agreed_on_is_told_by_name() -> None:
    partials = Partials(PartialsSettings(mode="on"), lambda: True)
    for text in ("turn on", "turn on the " + "very " * MOST_WORDS + "light"):
        partials.heard(KEY, text, 16_000)
    counts = EarlyWork(partials).counts
    told = {name: counts[f"partials_{name}"] for name in ("words_committed", "stable_revisions", "cut")}
    assert told == {"words_committed": 2, "stable_revisions": 0, "cut": 1}
