from hypothesis import given
from hypothesis import strategies as st

from voicebridge.domain.audio import Gap, GapReason, Span
from voicebridge.domain.events import Event, GapNoted, PartialHeard, SpeechDiscarded, SpeechStarted
from voicebridge.domain.utterance import UtteranceKey
from voicebridge.pipeline.events import PARTIALS_HELD, EventStream, Subscription


def gap(start: int) -> GapNoted:
    return GapNoted(Gap(Span(start, start + 1), GapReason.OVERFLOW))


def partial(start: int, text: str = "turn") -> PartialHeard:
    return PartialHeard(UtteranceKey(1, start), text, "", start + 16_000)


def drained(subscription: Subscription) -> list[Event]:
    events: list[Event] = []
    while (event := subscription.get(0)) is not None:
        events.append(event)
    return events


def test_every_subscriber_gets_every_event_in_order() -> None:
    stream = EventStream()
    first, second = stream.subscribe(), stream.subscribe()
    stream.publish(SpeechStarted(1))
    stream.publish(gap(2))
    assert drained(first) == drained(second) == [SpeechStarted(1), gap(2)]


def test_a_full_subscriber_loses_its_oldest_expendable_event_first() -> None:
    subscription = Subscription(3)
    for event in (gap(1), SpeechStarted(2), SpeechDiscarded(3), gap(4)):
        subscription.offer(event)
    assert drained(subscription) == [gap(1), SpeechDiscarded(3), gap(4)]
    assert subscription.dropped == 1


def test_a_full_subscriber_without_expendable_events_loses_its_oldest() -> None:
    subscription = Subscription(2)
    for start in range(5):
        subscription.offer(gap(start))
    assert drained(subscription) == [gap(3), gap(4)]
    assert subscription.dropped == 3


def test_a_slow_subscriber_costs_nobody_else_anything() -> None:
    stream = EventStream()
    slow, quick = stream.subscribe(capacity=1), stream.subscribe(capacity=100)
    for start in range(50):
        stream.publish(gap(start))
    assert len(drained(quick)) == 50
    assert quick.dropped == 0
    assert slow.dropped == 49


def test_a_subscriber_that_left_gets_nothing_more() -> None:
    stream = EventStream()
    subscription = stream.subscribe()
    stream.unsubscribe(subscription)
    stream.publish(gap(1))
    assert drained(subscription) == []
    assert subscription.finished


def test_what_was_queued_before_the_end_can_still_be_had() -> None:
    stream = EventStream()
    subscription = stream.subscribe()
    stream.publish(gap(1))
    stream.close()
    assert not subscription.finished
    assert drained(subscription) == [gap(1)]
    assert subscription.finished


def test_getting_from_a_closed_subscription_does_not_wait() -> None:
    subscription = Subscription(1)
    subscription.close()
    assert subscription.get(3600) is None


def test_partials_go_only_to_those_who_ask_for_them() -> None:
    stream = EventStream()
    asks, does_not = stream.subscribe(partials=True), stream.subscribe()
    stream.publish(partial(1))
    assert (drained(asks), drained(does_not)) == ([partial(1)], [])


def test_that_somebody_reads_partials_is_known_while_they_do() -> None:
    stream = EventStream()
    stream.subscribe()
    assert not stream.partials_wanted
    reader, another = stream.subscribe(partials=True), stream.subscribe(partials=True)
    stream.unsubscribe(another)
    assert stream.partials_wanted
    reader.partials = False
    assert not stream.partials_wanted


def test_a_newer_partial_of_an_utterance_takes_the_place_of_the_older_one() -> None:
    subscription = Subscription(10, partials=True)
    for event in (partial(1, "turn"), gap(2), partial(1, "turn on")):
        subscription.offer(event)
    assert drained(subscription) == [gap(2), partial(1, "turn on")]
    assert (subscription.dropped, subscription.partials_passed_over) == (0, 1)


def test_a_few_partials_of_different_utterances_wait_and_no_more() -> None:
    subscription = Subscription(100, partials=True)
    for start in range(PARTIALS_HELD + 2):
        subscription.offer(partial(start))
    assert drained(subscription) == [partial(start) for start in range(2, PARTIALS_HELD + 2)]
    assert (subscription.dropped, subscription.partials_passed_over) == (0, 2)


def test_a_full_subscriber_loses_a_partial_before_anything_else() -> None:
    subscription = Subscription(3, partials=True)
    for event in (SpeechStarted(1), partial(1), gap(2), gap(3)):
        subscription.offer(event)
    assert drained(subscription) == [SpeechStarted(1), gap(2), gap(3)]
    assert (subscription.dropped, subscription.partials_passed_over) == (0, 1)


def test_a_partial_finds_no_place_among_what_matters_and_takes_that_of_another_partial() -> None:
    subscription = Subscription(2, partials=True)
    for event in (gap(1), SpeechStarted(2), partial(2)):
        subscription.offer(event)
    assert drained(subscription) == [gap(1), SpeechStarted(2)]
    for event in (gap(1), partial(2), partial(3)):
        subscription.offer(event)
    assert drained(subscription) == [gap(1), partial(3)]
    assert (subscription.dropped, subscription.partials_passed_over) == (0, 2)


EVENTS = st.one_of(
    st.integers(0, 5).map(gap), st.integers(0, 5).map(SpeechStarted), st.builds(partial, st.integers(0, 6))
)


@given(st.lists(st.one_of(EVENTS, st.none()), max_size=60), st.integers(1, 6))
def test_partials_cost_a_subscriber_nothing_else_and_all_of_them_are_accounted_for(
    course: list[Event | None], capacity: int
) -> None:
    with_partials, without = Subscription(capacity, partials=True), Subscription(capacity)
    published, read = 0, list[Event]()
    for event in course:
        if event is None:
            read += drained(with_partials)
            drained(without)
            continue
        published += isinstance(event, PartialHeard)
        for subscription in (with_partials, without):
            subscription.offer(event)
        assert with_partials.waiting <= capacity
    read += drained(with_partials)
    assert with_partials.dropped == without.dropped
    assert published == sum(isinstance(event, PartialHeard) for event in read) + with_partials.partials_passed_over
