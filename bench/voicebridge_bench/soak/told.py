"""What is said of a soak in every report: headline, facts, counts. Plain data."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from voicebridge_bench.soak.figures import length_of_time
from voicebridge_bench.soak.judges.case import Case, plural
from voicebridge_bench.soak.verdict import Judgement, Outcome

UNTOLD = frozenset({"boot_id"})
"""Of no use to a reader; report.json has it."""


def result(judgement: Judgement) -> str:
    """Return passed, failed, or incomplete: nothing failed, and it did not come to its end."""
    if judgement.failed:
        return "failed"
    return "passed" if judgement.complete else "incomplete"


def headline(judgement: Judgement) -> str:
    """Return the result as a sentence."""
    counts = outcomes(judgement)
    untold = counts[Outcome.INCONCLUSIVE.value]
    if judgement.failed:
        return f"{len(judgement.failed)} of {len(judgement.verdicts)} checks failed."
    sentence = f"{counts[Outcome.PASS.value]} of {len(judgement.verdicts)} checks passed, none failed."
    if untold:
        sentence += f" {plural(untold, 'check')} could not be told from this run."
    return sentence if judgement.complete else f"{sentence} It did not come to its end."


def outcomes(judgement: Judgement) -> dict[str, int]:
    """Return how many checks there were of each outcome."""
    counted = Counter(verdict.outcome.value for verdict in judgement.verdicts)
    return {outcome.value: counted[outcome.value] for outcome in Outcome}


def totals(case: Case) -> dict[str, int]:
    """Return how much is in the record."""
    record = case.record
    return {
        "samples": len(record.samples),
        "checkpoints": len(record.checkpoints),
        "played": len(record.played),
        "announced": len(record.announced),
        "heard": len(record.heard),
        "gaps": len(record.lost),
        "faults": len(record.faults),
        "lives": len(case.lives),
    }


def facts(case: Case) -> Mapping[str, str]:
    """Return what a reader wants to know first, in words."""
    header, record = case.record.header, case.record
    began = datetime.fromtimestamp(header.began_wall, UTC)
    soaked = length_of_time(case.soaked_hours * 3600)
    found = {
        "Profile": f"{header.profile}: {case.profile.sentence}",
        "Soaked": f"{soaked} of {length_of_time(header.asked_seconds)}",
        "Began": f"{began:%Y-%m-%d %H:%M} UTC",
        "Version": header.version,
        "Speech": f"{plural(len(record.played), 'piece')} played, {plural(len(record.heard), 'utterance')} stored",
        "Faults": plural(len(record.faults), "fault") + " injected" if record.faults else "none injected",
        "Seed": str(header.seed),
    }
    left_out = [moment.detail for moment in record.happened if moment.kind == "left_out"]
    if left_out:
        found["Left out"] = left_out[-1]
    if not case.paced:
        audio = length_of_time(case.audio_hours * 3600)
        found["Soaked"] = f"{audio} of audio in {soaked}"
        found["Speed"] = f"{case.pace:.1f} times as fast as time (asked for {header.speed:g} times)"
    if header.attached:
        found["Attached"] = "a running service was looked at; nothing was played or broken"
        del found["Speech"], found["Faults"], found["Seed"]
    if record.end is None:
        found["Ended"] = "cut off: the record has no end"
    elif record.end.reason != "complete" or record.end.detail:
        found["Ended"] = ", ".join(part for part in (record.end.reason, record.end.detail) if part)
    return found


def flat(values: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Return nested facts of the host, or settings, as names and texts."""
    found: dict[str, str] = {}
    for name, value in values.items():
        if name in UNTOLD:
            continue
        if isinstance(value, Mapping):
            found |= flat(value, f"{before}{name} ")
        elif name.endswith("_bytes") and isinstance(value, int | float):
            found[f"{before}{name.removesuffix('_bytes')}"] = f"{value / 2**30:.1f} GiB"
        elif isinstance(value, list | tuple):
            found[f"{before}{name}"] = ", ".join(str(each) for each in value)
        else:
            found[f"{before}{name}"] = str(value)
    return found
