"""The judge of a soak: looks at a record, and says what to think of it. Pure: no clock, no file."""

from voicebridge_bench.soak.judges import audio, checkpoints, delays, growing, lives, words
from voicebridge_bench.soak.judges.case import Case
from voicebridge_bench.soak.profiles import Profile
from voicebridge_bench.soak.record import Record
from voicebridge_bench.soak.verdict import Judgement

COMPLETE = "complete"
"""How a soak ends that was soaked for as long as was asked for."""


def judge(record: Record, profile: Profile) -> Judgement:
    """Judge a record by the bounds of a profile. What cannot be told from it is inconclusive or not judged."""
    case = Case(record, profile)
    groups = (lives, words, audio, checkpoints, delays, growing)
    verdicts = [verdict for group in groups for verdict in group.judge(case)]
    return Judgement(verdicts, record.end is not None and record.end.reason == COMPLETE)
