"""Crashes, hangs, lines of error and a damaged database: what no fault explains counts."""

from collections.abc import Sequence

from voicebridge_bench.soak.judges.case import ENDING_FAULTS, Case, not_judged, outcome_of, plural
from voicebridge_bench.soak.record import JOURNAL, JOURNAL_READ, Happened
from voicebridge_bench.soak.trouble import ENGINE_HANG, STOP
from voicebridge_bench.soak.verdict import Verdict

SOUND = "ok"
FATAL = ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE", "SIGKILL")
"""Nobody who is asked to leave leaves by these."""
SHOWN = 5
"""So many are quoted; all are counted."""


def judge(case: Case) -> list[Verdict]:
    """Judge whether the process lived on, and left a sound database."""
    return [_crashes(case), _hangs(case), _errors(case), _integrity(case)]


def _crashes(case: Case) -> Verdict:
    # What ended as a fault was to end it was killed; no fault explains a crash.
    crashed = case.unexplained(["crashed"], (), lambda moment: _was_asked_to(case, moment))
    ends = sorted([*crashed, *case.unexplained(["killed"], ENDING_FAULTS)])
    lives = len(case.lives)
    sentence = (
        f"The process left {plural(len(ends), 'time')} by itself." if ends else "The process never left by itself."
    )
    if lives > 1:
        sentence += f" It was started {lives} times."
    return Verdict(
        "crashes", "No crash", outcome_of(not ends), len(ends), 0, "", sentence, {"lives": lives, **_quoted(case, ends)}
    )


def _was_asked_to(case: Case, moment: Happened) -> bool:
    """Return whether a daemon left because it was asked to while it started: whatever its exit status then is."""
    ended = case.record.end is not None and moment.at >= case.record.end.at
    begun = any(life.number == moment.life and life.ready is not None for life in case.lives)
    return ended and not begun and not any(signal in moment.detail for signal in FATAL)


def _hangs(case: Case) -> Verdict:
    hangs = case.unexplained(["hang"], {STOP, ENGINE_HANG})
    sentence = f"It stood still {plural(len(hangs), 'time')}." if hangs else "It never stood still."
    return Verdict("hangs", "No hang", outcome_of(not hangs), len(hangs), 0, "", sentence, _quoted(case, hangs))


def _errors(case: Case) -> Verdict:
    title = "No errors in the log"
    if case.record.header.attached and (why := _not_read(case)):
        return not_judged("errors", title, "", why)
    errors = case.unexplained(["error"])
    bound = case.profile.bounds.error_lines
    sentence = "The log has no line of error that no fault explains."
    if errors:
        sentence = f"{plural(len(errors), 'line')} of error that no fault explains. The first: {errors[0][1][:160]}"
    passed = len(errors) <= bound
    return Verdict("errors", title, outcome_of(passed), len(errors), bound, "", sentence, _quoted(case, errors))


def _integrity(case: Case) -> Verdict:
    """Judge what SQLite said of the database when all was over (PRAGMA integrity_check)."""
    title = "The database is sound"
    said = [moment.detail for moment in case.record.happened if moment.kind == "integrity"]
    if not said:
        return not_judged("integrity", title, "", "It was not looked at: the soak was cut off, or is not its owner.")
    sound = said[-1] == SOUND
    sentence = "SQLite's integrity check finds nothing." if sound else f"SQLite finds: {said[-1][:160]}"
    return Verdict("integrity", title, outcome_of(sound), int(not sound), 0, "", sentence)


def _quoted(case: Case, found: Sequence[tuple[float, str]]) -> dict[str, object]:
    return {"first": [f"after {at - case.began:.1f} s: {detail}" for at, detail in found[:SHOWN]]} if found else {}


def _not_read(case: Case) -> str:
    """Return why the journal of a service that is only looked at was not read; empty when it was."""
    told = [moment.detail for moment in case.record.happened if moment.kind == JOURNAL]
    if not told:
        return "The journal of the service was not read."
    return "" if told[-1] == JOURNAL_READ else f"The journal of the service was not read: {told[-1]}"
