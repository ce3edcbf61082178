import logging
from typing import Any

import pytest

from voicebridge.daemon.watchdog import PINGS_PER_PERIOD, Watchdog
from voicebridge.health.probes import State, Verdict

WELL = Verdict(True, (), State.HEARING)
ILL = Verdict(False, ("The listener is 6.0 s behind the microphone.",), State.DEGRADED)
STOPPING = Verdict(False, (), State.STOPPING)


class Manager:
    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []

    def __call__(self, *states: str, **_: Any) -> bool:
        self.told.append(states)
        return True


def test_a_ping_is_sent_four_times_in_a_period_and_no_more() -> None:
    manager = Manager()
    watchdog = Watchdog(20.0, manager)
    for second in range(21):
        watchdog.heed(WELL, float(second))
    assert manager.told == [("WATCHDOG=1",)] * (PINGS_PER_PERIOD + 1)
    assert (watchdog.pings.sent, watchdog.pings.withheld) == (5, 0)


def test_a_ping_that_is_withheld_is_told_once_with_its_reason_and_sent_as_soon_as_it_may_be(
    caplog: pytest.LogCaptureFixture,
) -> None:
    manager = Manager()
    watchdog = Watchdog(20.0, manager)
    with caplog.at_level(logging.INFO):
        for second in range(4):
            watchdog.heed(ILL, float(second))
        watchdog.heed(WELL, 4.0)
    assert (manager.told, watchdog.pings.sent, watchdog.pings.withheld) == ([("WATCHDOG=1",)], 1, 4)
    begin, end = (record.getMessage() for record in caplog.records)
    assert begin.startswith("The watchdog is not fed, and systemd starts this process again in 20 s at most: ")
    assert begin.endswith(ILL.why_not[0])
    assert end == "The watchdog is fed again after 4 s"


def test_a_bad_moment_between_two_pings_is_none(caplog: pytest.LogCaptureFixture) -> None:
    watchdog = Watchdog(20.0, Manager())
    watchdog.heed(WELL, 0.0)
    watchdog.heed(ILL, 1.0)
    watchdog.heed(WELL, 5.0)
    assert (watchdog.pings.sent, watchdog.pings.withheld, caplog.text) == (2, 0, "")


def test_where_nobody_watches_nothing_is_sent_or_said(caplog: pytest.LogCaptureFixture) -> None:
    manager = Manager()
    watchdog = Watchdog(None, manager)
    watchdog.heed(WELL, 0.0)
    watchdog.heed(ILL, 1.0)
    assert (manager.told, caplog.text, watchdog.pings.withheld) == ([], "", 0)


def test_while_stopping_nothing_is_sent_or_said(caplog: pytest.LogCaptureFixture) -> None:
    manager = Manager()
    Watchdog(20.0, manager).heed(STOPPING, 0.0)
    assert (manager.told, caplog.text) == ([], "")
