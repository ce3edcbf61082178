"""Times as people write them on the command line."""

import re
from datetime import date, datetime, time, timedelta

import click

UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
MAX_SECONDS = 100 * 365 * 86_400

_DURATION = re.compile(r"(\d{1,10}(?:\.\d{1,6})?)\s*([smhdw])")
_CLOCK = re.compile(r"\d{1,2}:\d{2}(?::\d{2})?")


def parse_duration(text: str) -> float:
    """Return `90s`, `10m`, `2h`, `3d` or `1w` as seconds. Raises ValueError."""
    found = _DURATION.fullmatch(text.strip().lower())
    seconds = float(found[1]) * UNIT_SECONDS[found[2]] if found else -1.0
    if not 0 <= seconds <= MAX_SECONDS:
        raise ValueError(f"{text!r} is not a duration such as 90s, 10m, 2h, 3d or 1w")
    return seconds


def parse_when(text: str, now: datetime) -> float:
    """Return a moment as seconds since the epoch; ``now`` is local time with its zone. Raises ValueError.

    A duration lies that far back; `HH:MM` is the last time that the clock showed it; `today` and `yesterday` begin at
    midnight; anything else is ISO 8601, local unless it names a zone.
    """
    wanted = text.strip().lower()
    if _DURATION.fullmatch(wanted):
        return now.timestamp() - parse_duration(wanted)
    if wanted == "now":
        return now.timestamp()
    if wanted in ("today", "yesterday"):
        return _local(now.date() - timedelta(days=wanted == "yesterday"), time())
    try:
        if _CLOCK.fullmatch(wanted):
            return _last_time_at(wanted, now)
        moment = datetime.fromisoformat(text.strip())
        # A moment without a zone is taken for local time here.
        return moment.astimezone().timestamp()
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is not a time such as 10m (ago), 14:30, yesterday, 2026-01-31 or 2026-01-31T14:30"
        ) from None


def _last_time_at(clock: str, now: datetime) -> float:
    at = time.fromisoformat(clock if clock.index(":") == 2 else f"0{clock}")
    today = _local(now.date(), at)
    return today if today <= now.timestamp() else _local(now.date() - timedelta(days=1), at)


def _local(day: date, at: time) -> float:
    # Through the system's zone, not the offset of now: another day may have another one (summer time).
    return datetime.combine(day, at).astimezone().timestamp()


def when(text: str) -> float:
    """Read an option that is a moment: seconds since the epoch."""
    try:
        return parse_when(text, datetime.now().astimezone())
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def duration(text: str) -> float:
    """Read an option that is a duration: seconds."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
