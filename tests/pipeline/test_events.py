from voicebridge.domain.audio import Gap, GapReason, Span
from voicebridge.domain.events import Event, GapNoted, SpeechDiscarded, SpeechStarted
from voicebridge.pipeline.events import EventStream, Subscription


def gap(start: int) -> GapNoted:
    return GapNoted(Gap(Span(start, start + 1), GapReason.OVERFLOW))


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
