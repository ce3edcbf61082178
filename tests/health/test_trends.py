from voicebridge.health.trends import BACKLOG_SECONDS, CLIPPING_SECONDS, THROTTLE_SECONDS, Sample, Trends


def test_a_signal_is_low_since_the_last_loud_frame() -> None:
    trends = Trends()
    trends.take(Sample(frames=0), 0.0)
    assert trends.take(Sample(frames=50), 1.0).low_frames == 50
    assert trends.take(Sample(frames=100, loud_frames=1), 2.0).low_frames == 0
    assert trends.take(Sample(frames=150, loud_frames=1), 3.0).low_frames == 50


def test_a_deaf_time_counts_no_frames_and_mute_none_either() -> None:
    trends = Trends()
    trends.take(Sample(frames=100), 0.0)
    assert trends.take(Sample(frames=100), 500.0).low_frames == 0
    assert trends.take(Sample(frames=900, muted=True), 516.0).low_frames == 0
    assert trends.take(Sample(frames=950), 517.0).low_frames == 50


def test_clipping_is_seen_at_once_and_gone_when_its_window_is_over() -> None:
    trends = Trends()
    trends.take(Sample(), 0.0)
    assert trends.take(Sample(samples=16_000, clipped=800), 1.0).clipped_share == 0.05
    gone_at = 1.0 + CLIPPING_SECONDS
    for second in range(2, int(gone_at) + 1):
        trend = trends.take(Sample(samples=16_000 * second, clipped=800), second)
    assert trend.clipped_share == 0.0


def test_nothing_heard_is_not_clipped() -> None:
    assert Trends().take(Sample(), 0.0).clipped_share == 0.0


def shrinks(*backlog: float) -> bool:
    trends = Trends()
    for second, seconds in enumerate(backlog):
        trend = trends.take(Sample(backlog_seconds=seconds), float(second))
    return trend.backlog_shrinks


def test_a_backlog_that_grows_stays_or_comes_back_does_not_shrink() -> None:
    seconds = int(2 * BACKLOG_SECONDS)
    assert not shrinks(*range(seconds))
    assert not shrinks(*[100.0] * seconds)
    assert not shrinks(*[100.0, 95.0, 97.0, 99.0] * 5)


def test_a_backlog_that_is_worked_off_shrinks_also_in_steps() -> None:
    assert shrinks(*range(100, 60, -2))
    assert shrinks(*[100.0] * 6, *[90.0] * 6, *[80.0] * 6)


def test_a_deep_backlog_is_not_given_the_benefit_of_the_doubt() -> None:
    assert not shrinks(100.0)


def test_it_is_known_how_long_ago_a_decode_failed() -> None:
    trends = Trends()
    assert trends.take(Sample(), 0.0).decode_error_seconds == 0.0
    assert trends.take(Sample(decode_errors=1), 5.0).decode_error_seconds == 0.0
    assert trends.take(Sample(decode_errors=1), 105.0).decode_error_seconds == 100.0
    assert trends.take(Sample(decode_errors=2), 106.0).decode_error_seconds == 0.0


def test_a_processor_that_counts_throttlings_is_throttled_for_a_while() -> None:
    trends = Trends()
    assert not trends.take(Sample(throttlings=7), 0.0).throttled
    assert trends.take(Sample(throttlings=8), 1.0).throttled
    assert trends.take(Sample(throttlings=8), THROTTLE_SECONDS).throttled
    assert not trends.take(Sample(throttlings=8), 1.0 + THROTTLE_SECONDS + 0.1).throttled
