"""Times as people write them."""

from datetime import datetime, timedelta

import pytest

from voicebridge.cli.when import parse_duration, parse_when

NOW = datetime(2026, 3, 10, 14, 30, 5).astimezone()


def local(*parts: int) -> float:
    return datetime(*parts).astimezone().timestamp()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("2h", 7200), ("1.5 h", 5400), ("3d", 259_200), ("1w", 604_800)]
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds
    assert parse_when(text, NOW) == pytest.approx(NOW.timestamp() - seconds)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", local(2026, 3, 10, 14, 30, 5)),
        ("today", local(2026, 3, 10)),
        ("Yesterday", local(2026, 3, 9)),
        ("14:30", local(2026, 3, 10, 14, 30)),
        ("9:05", local(2026, 3, 10, 9, 5)),
        ("14:30:06", local(2026, 3, 9, 14, 30, 6)),
        ("2026-01-31", local(2026, 1, 31)),
        ("2026-01-31 08:15", local(2026, 1, 31, 8, 15)),
        ("2026-01-31T08:15:30", local(2026, 1, 31, 8, 15, 30)),
    ],
)
def test_a_moment_is_local(text: str, moment: float) -> None:
    assert parse_when(text, NOW) == moment


def test_a_moment_with_a_zone_is_not() -> None:
    utc = parse_when("2026-01-31T08:00:00Z", NOW)
    assert parse_when("2026-01-31T08:00:00+02:00", NOW) == utc - timedelta(hours=2).total_seconds()


@pytest.mark.parametrize("text", ["", "24:61", "tomorrow-ish", "0001-01-01T00:00:00+23:00", "2026-02-30", "12"])
def test_what_is_no_time_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time such as"):
        parse_when(text, NOW)
