"""Crashes, hangs and lines of error: what no fault explains counts."""

from collections.abc import Sequence

from voicebridge_bench.soak.judges.case import ENDING_FAULTS, Case, outcome_of, plural
from voicebridge_bench.soak.trouble import ENGINE_HANG, STOP
from voicebridge_bench.soak.verdict import Verdict

SHOWN = 5
"""So many are quoted; all are counted."""


def judge(case: Case) -> list[Verdict]:
    """Judge whether the process lived on."""
    return [_crashes(case), _hangs(case), _errors(case)]


def _crashes(case: Case) -> Verdict:
    ends = case.unexplained(["crashed", "killed"], ENDING_FAULTS)
    lives = len(case.lives)
    sentence = (
        f"The process left {plural(len(ends), 'time')} by itself." if ends else "The process never left by itself."
    )
    if lives > 1:
        sentence += f" It was started {lives} times."
    return Verdict(
        "crashes", "No crash", outcome_of(not ends), len(ends), 0, "", sentence, {"lives": lives, **_quoted(case, ends)}
    )


def _hangs(case: Case) -> Verdict:
    hangs = case.unexplained(["hang"], {STOP, ENGINE_HANG})
    sentence = f"It stood still {plural(len(hangs), 'time')}." if hangs else "It never stood still."
    return Verdict("hangs", "No hang", outcome_of(not hangs), len(hangs), 0, "", sentence, _quoted(case, hangs))


def _errors(case: Case) -> Verdict:
    errors = case.unexplained(["error"])
    bound = case.profile.bounds.error_lines
    sentence = "The log has no line of error that no fault explains."
    if errors:
        sentence = f"{plural(len(errors), 'line')} of error that no fault explains. The first: {errors[0][1][:160]}"
    passed = len(errors) <= bound
    return Verdict(
        "errors", "No errors in the log", outcome_of(passed), len(errors), bound, "", sentence, _quoted(case, errors)
    )


def _quoted(case: Case, found: Sequence[tuple[float, str]]) -> dict[str, object]:
    return {"first": [f"after {at - case.began:.1f} s: {detail}" for at, detail in found[:SHOWN]]} if found else {}
