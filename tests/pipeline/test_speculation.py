import numpy as np

from voicebridge.domain.audio import Span
from voicebridge.domain.segments import MayEnd
from voicebridge.domain.utterance import Transcript, UtteranceKey
from voicebridge.pipeline.speculation import MAX_RESULTS, Order, Result, Speculation

KEY = UtteranceKey(7, 1000)
SPAN = Span(1000, 20_000)


def pause(span: Span = SPAN) -> MayEnd:
    return MayEnd(span, Span(span.start, span.end - 1000), 0.0)


def result_of(order: Order, text: str = "turn on the light") -> Result:
    return Result(order, Transcript(text, "fake", "script", 1.0), np.zeros(10, np.int16), 0.5)


def begun(speculation: Speculation, key: UtteranceKey = KEY, span: Span = SPAN) -> Order:
    speculation.may_end(key, pause(span), 0.0)
    order = speculation.take()
    assert order is not None
    assert speculation.start(order)
    return order


def done(speculation: Speculation, key: UtteranceKey = KEY, span: Span = SPAN) -> Result:
    result = result_of(begun(speculation, key, span))
    assert speculation.finish(result)
    return result


def test_a_result_is_given_out_once_for_its_very_span() -> None:
    speculation = Speculation()
    result = done(speculation)
    assert speculation.claim(KEY, SPAN) is result
    assert speculation.claim(KEY, SPAN) is None
    assert speculation.counters.delivered == 1


def test_a_result_of_another_span_is_not_given_out_and_counted() -> None:
    speculation = Speculation()
    done(speculation)
    assert speculation.claim(KEY, Span(1000, 20_001)) is None
    assert speculation.claim(KEY, SPAN) is None
    assert (speculation.counters.void, speculation.counters.wasted_seconds) == (1, 0.5)


def test_a_result_of_another_session_is_not_given_out() -> None:
    speculation = Speculation()
    done(speculation)
    assert speculation.claim(UtteranceKey(6, 1000), SPAN) is None
    assert speculation.claim(KEY, SPAN) is not None


def test_speech_that_goes_on_makes_order_decode_and_result_void() -> None:
    speculation = Speculation()
    speculation.may_end(KEY, pause(), 0.0)
    speculation.resumed(KEY)
    assert not speculation.waits
    order = begun(speculation)
    speculation.resumed(KEY)
    assert not speculation.finish(result_of(order))
    done(speculation)
    speculation.resumed(KEY)
    assert speculation.claim(KEY, SPAN) is None
    counters = speculation.counters
    assert (counters.ordered, counters.started, counters.dropped, counters.void) == (3, 2, 1, 2)


def test_the_pause_after_a_void_one_is_a_new_one() -> None:
    speculation = Speculation()
    old = begun(speculation)
    speculation.resumed(KEY)
    later = Span(1000, 40_000)
    speculation.may_end(KEY, pause(later), 0.0)
    assert not speculation.finish(result_of(old))
    order = speculation.take()
    assert order is not None
    assert order.span == later
    assert speculation.start(order)
    assert speculation.finish(result_of(order))
    assert speculation.claim(KEY, later) is not None


def test_speech_of_another_utterance_voids_nothing() -> None:
    speculation = Speculation()
    done(speculation)
    speculation.resumed(UtteranceKey(7, 50_000))
    assert speculation.claim(KEY, SPAN) is not None


def test_an_end_elsewhere_makes_void_and_an_end_there_does_not() -> None:
    speculation = Speculation()
    order = begun(speculation)
    speculation.ended(KEY, SPAN)
    assert speculation.finish(result_of(order))
    speculation.ended(KEY, Span(1000, 15_000))
    assert speculation.claim(KEY, SPAN) is None


def test_a_newer_order_takes_the_place_of_one_that_waits() -> None:
    speculation = Speculation()
    speculation.may_end(KEY, pause(), 0.0)
    old = speculation.take()
    assert old is not None
    speculation.may_end(UtteranceKey(7, 90_000), pause(Span(90_000, 99_000)), 0.0)
    assert not speculation.start(old)
    speculation.refuse(old, not_worthwhile=True)
    assert speculation.waits
    assert (speculation.counters.dropped, speculation.counters.not_worthwhile) == (1, 0)


def test_an_order_that_waits_is_dropped_when_the_turn_of_its_final_comes() -> None:
    speculation = Speculation()
    speculation.may_end(KEY, pause(), 0.0)
    assert speculation.claim(KEY, SPAN) is None
    assert not speculation.waits
    assert speculation.counters.dropped == 1


def test_the_order_of_another_utterance_waits_on() -> None:
    speculation = Speculation()
    speculation.may_end(KEY, pause(), 0.0)
    assert speculation.claim(UtteranceKey(7, 0), Span(0, 900)) is None
    assert speculation.waits


def test_results_are_held_up_to_a_bound_and_the_oldest_goes() -> None:
    speculation = Speculation()
    keys = [UtteranceKey(7, 50_000 * number) for number in range(MAX_RESULTS + 1)]
    spans = [Span(key.start_sample, key.start_sample + 1000) for key in keys]
    for key, span in zip(keys, spans, strict=True):
        done(speculation, key, span)
    claimed = [speculation.claim(key, span) is not None for key, span in zip(keys, spans, strict=True)]
    assert claimed == [False] + [True] * MAX_RESULTS
    assert speculation.counters.void == 1


def test_what_is_made_void_is_not_given_out_and_counted() -> None:
    speculation = Speculation()
    done(speculation)
    assert speculation.holds(KEY)
    speculation.void_results()
    assert not speculation.holds(KEY)
    assert speculation.claim(KEY, SPAN) is None
    assert (speculation.counters.void, speculation.counters.wasted_seconds) == (1, 0.5)


def test_what_failed_is_counted_and_leaves_nothing() -> None:
    speculation = Speculation()
    begun(speculation)
    speculation.fail(0.25)
    assert speculation.claim(KEY, SPAN) is None
    assert (speculation.counters.failed, speculation.counters.wasted_seconds) == (1, 0.25)
