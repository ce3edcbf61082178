"""Whether the checkpoints are all there, in time, and count onwards."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from voicebridge_bench.soak.judges.case import Case, Life, outcome_of, plural
from voicebridge_bench.soak.judges.spans import Stretch, seconds, within
from voicebridge_bench.soak.record import Checkpoint
from voicebridge_bench.soak.verdict import Outcome, Verdict

RISING = (
    ("uptime_seconds",),
    ("monotonic_seconds",),
    ("frames", "received"),
    ("utterances", "heard"),
    ("utterances", "done"),
    ("decodes", "final"),
    ("decodes", "speculative"),
    ("decodes", "partial"),
    ("decodes", "seconds"),
    ("counters", "speculative_delivered"),
    ("cpu", "user_seconds"),
)
"""What never falls within a session."""
SHORTEST_LATE_SECONDS = 3.0
"""The keeper looks once a second, and measuring and the commit take their time on a machine that is busy."""
SHOWN = 5


def judge(case: Case) -> list[Verdict]:
    """Judge the checkpoints."""
    return [_complete(case), _in_order(case)]


def _complete(case: Case) -> Verdict:
    title, every = "Checkpoints complete and in time", case.checkpoint_seconds
    late = max(SHORTEST_LATE_SECONDS, min(case.profile.bounds.checkpoint_late_seconds, every / 2))
    pauses = [pause for life in case.lives for pause in _pauses(case, life)]
    excused = case.excused(margin_seconds=0)
    missing, worst = 0, 0.0
    for begin, end in pauses:
        behind = end - begin - seconds(within(excused, begin, end)) - every
        worst = max(worst, behind)
        missing += 1 + int((behind - late) / every) if behind > late else 0
    due = sum(int((life.ended - life.began) / every) for life in case.lives)
    if not due and not missing:
        return Verdict(
            "checkpoints", title, Outcome.INCONCLUSIVE, 0, 0, "", "No checkpoint was due in so short a time."
        )
    sentence = f"{plural(len(case.record.checkpoints), 'checkpoint')}, one each {every:g} s; "
    sentence += f"{missing} missing or late, {worst:.1f} s at worst." if missing else "none missing, none late."
    facts = {"worst_late_seconds": max(0.0, worst), "allowed_late_seconds": late}
    return Verdict("checkpoints", title, outcome_of(not missing), missing, 0, "", sentence, facts)


def _pauses(case: Case, life: Life) -> list[Stretch]:
    """Return the times from one checkpoint of a life to the next, its beginning and its end included."""
    begin = life.ready if life.ready is not None else life.began
    at = sorted(checkpoint.at for checkpoint in case.record.checkpoints if life.began <= checkpoint.at <= life.ended)
    moments = [min([begin, *at[:1]]), *at, life.ended]
    return list(pairwise(moments))


def _in_order(case: Case) -> Verdict:
    back = [
        (after, names)
        for own in case.sessions.values()
        for before, after in pairwise(own)
        for names in RISING
        if _falls(before, after, names)
    ]
    title = "Checkpoints count onwards"
    sentence = "Nothing that counts onwards ever fell."
    if back:
        first, names = back[0]
        after_seconds = first.at - case.began
        sentence = f"Counts fell {plural(len(back), 'time')}; first {'.'.join(names)} after {after_seconds:.0f} s."
    facts = {"first": [".".join(names) for _, names in back[:SHOWN]]} if back else {}
    return Verdict("checkpoint_order", title, outcome_of(not back), len(back), 0, "", sentence, facts)


def _falls(before: Checkpoint, after: Checkpoint, names: tuple[str, ...]) -> bool:
    first, second = _value(before.content, names), _value(after.content, names)
    return first is not None and second is not None and second < first


def _value(content: Mapping[str, Any], names: tuple[str, ...]) -> float | None:
    found: Any = content
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return float(found) if isinstance(found, int | float) else None
