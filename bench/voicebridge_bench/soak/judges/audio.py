"""Whether it heard: gaps, availability, recovery, and frames that cannot have come."""

import math
from collections.abc import Sequence
from itertools import pairwise

from voicebridge.domain.units import FRAMES_PER_SECOND, SAMPLE_RATE, samples_to_seconds
from voicebridge_bench.soak.judges.case import (
    Case,
    Life,
    frames_received,
    inconclusive,
    not_judged,
    outcome_of,
    plural,
)
from voicebridge_bench.soak.judges.spans import Stretch, merged, seconds, within, without
from voicebridge_bench.soak.profiles import Bounds
from voicebridge_bench.soak.record import Checkpoint, Fault, Lost
from voicebridge_bench.soak.trouble import KILL, SOURCE_LOSS
from voicebridge_bench.soak.verdict import Outcome, Verdict

UNEVEN_SECONDS = 0.5
"""Frames of so long may come just before or just after a checkpoint; forgiven once in a session."""
LATE_SECONDS = 5.0
"""Audio that waits so long in the pipe, while the machine does other things, is heard late and not missing; of more the
feed says that it is not taken (voicebridge_bench.soak.lives)."""
USUAL_SECONDS = Bounds().recovery_seconds
"""Allowance of a fault that names none of its own: the bound of the profile counts for it."""
START_SECONDS = 60.0
"""A start may take so long before it is a hang (voicebridge_bench.soak.lives): a shorter run has seen no start."""
SLACK_SECONDS = 2.0
"""So much more than the clock allows is no lie: the start of a life is seen from outside, the pipe holds some."""
CLOCK_SHARE = 0.001
"""Clocks of sound hardware are off by up to 0.01 %; a feed's pace is that of the clock."""
SHOWN = 5


def judge(case: Case) -> list[Verdict]:
    """Judge the hearing."""
    return [_gaps(case), _availability(case), _recovery(case), _frames(case)]


def _gaps(case: Case) -> Verdict:
    lost = [gap for gap in case.record.lost if not _explained(case, gap)]
    bound = case.profile.bounds.gaps
    sentence = f"{plural(len(case.record.lost), 'gap')}, {len(lost) or 'none'} of which no fault explains."
    sentence = sentence if case.record.lost else "There was no gap."
    facts = {"first": [f"{gap.reason}, {_length(gap):.2f} s" for gap in lost[:SHOWN]]} if lost else {}
    title = "Gaps only where injected"
    if case.not_harvested and len(lost) <= bound:
        return inconclusive("gaps", title, "", case.not_harvested)
    return Verdict("gaps", title, outcome_of(len(lost) <= bound), len(lost), bound, "", sentence, facts)


def _explained(case: Case, gap: Lost) -> bool:
    """Return whether faults explain all of a gap. One without a moment needs faults that are as long in its life."""
    if gap.at is None:
        return _length(gap) <= seconds(case.excused(life=gap.life))
    return case.explains(gap.at - _length(gap), gap.at)


def _length(gap: Lost) -> float:
    return samples_to_seconds(gap.end_sample - gap.start_sample)


def _availability(case: Case) -> Verdict:
    title, bound = "Available", case.profile.bounds.availability
    first = next((life.ready for life in case.lives if life.ready is not None), None)
    ran = [] if first is None else within(case.soaked, first, case.fed_until)
    run_seconds = seconds(ran)
    if first is None or run_seconds <= 0:
        if not case.record.happened and not case.record.checkpoints:
            return not_judged("availability", title, "%", "Nothing is known of it.")
        if seconds(within(case.soaked, case.began, case.fed_until)) < START_SECONDS and case.ended_early:
            return inconclusive("availability", title, "%", "It was ended before it came to hear.")
        return Verdict("availability", title, Outcome.FAIL, 0.0, 100 * bound, "%", "It never came to hear.")
    excused = case.may_be_deaf()
    deaf = [part for begin, end in ran for part in within([*_down(case), *_gap_stretches(case)], begin, end)]
    counted = seconds(without(deaf, excused)) + (_short_of_frames(case, [*deaf, *excused]) if case.paced else 0.0)
    share = max(0.0, 1 - counted / run_seconds)
    sentence = f"Deaf for {counted:.1f} s of {run_seconds / 3600:.2f} h"
    sentence += f", beyond what {plural(len(case.record.faults), 'fault')} explain." if case.record.faults else "."
    facts = {"deaf_seconds": counted, "deaf_with_faults_seconds": seconds(deaf), "run_seconds": run_seconds}
    return Verdict("availability", title, outcome_of(share >= bound), 100 * share, 100 * bound, "%", sentence, facts)


def _down(case: Case) -> list[Stretch]:
    """Return when there was no process that heard: from the end of a life to the next one that is ready."""
    found: list[Stretch] = []
    orderly = {moment.life for moment in case.record.happened if moment.kind == "stopped"}
    for index, life in enumerate(case.lives):
        later = [other.ready for other in case.lives[index + 1 :] if other.ready is not None]
        if later:
            found.append((life.ended, later[0]))
        elif life.number not in orderly and life.ended < case.over:
            found.append((life.ended, case.over))
    return merged(found)


def _gap_stretches(case: Case) -> list[Stretch]:
    return [(gap.at - _length(gap), gap.at) for gap in case.record.lost if gap.at is not None]


def _short_of_frames(case: Case, known: Sequence[Stretch]) -> float:
    """Return the seconds for which frames are missing in all sessions, beside what is known to be deaf."""
    return sum(_missing_in(_heard_by(case, own, _life_at(case, own[0].at)), known) for own in case.sessions.values())


def _heard_by(case: Case, checkpoints: Sequence[Checkpoint], life: Life | None) -> list[tuple[float, float]]:
    """Return how much a session had heard, as (moment, seconds of frames): from its first frame to the end of the feed.

    Where the process was killed nobody knows what it had heard since its last checkpoint.
    """
    hearing = [checkpoint for checkpoint in checkpoints if checkpoint.content.get("state") != "stopping"]
    found = [(checkpoint.at, frames_received(checkpoint.content) / FRAMES_PER_SECOND) for checkpoint in hearing]
    if life is None:
        return found
    if life.ready is not None and (not found or life.ready < found[0][0]):
        found.insert(0, (life.ready, 0.0))
    last = checkpoints[-1]
    # Its source has ended when it is stopping; what it has heard by then is all that it ever will.
    if last not in hearing and case.record.end is not None and life.ended >= case.fed_until:
        until = min(last.at, case.fed_until)
        if not found or until > found[-1][0]:
            found.append((until, frames_received(last.content) / FRAMES_PER_SECOND))
    return found


def _missing_in(heard: Sequence[tuple[float, float]], known: Sequence[Stretch]) -> float:
    """Return what is missing: what comes late, within some seconds, is not, and a little is forgiven once."""
    missing = owing = 0.0
    for (begin, before), (end, after) in pairwise(heard):
        due, came = end - begin, after - before
        # While it may be deaf frames may come, or not: neither is held against it, or for it.
        owing += due - came if came > due else max(0.0, due - seconds(within(known, begin, end)) - came)
        missing += max(0.0, owing - LATE_SECONDS)
        owing = min(max(owing, 0.0), LATE_SECONDS)
    return missing + max(0.0, owing - UNEVEN_SECONDS)


def _recovery(case: Case) -> Verdict:
    title = "Recovery after faults"
    faults = [fault for fault in case.record.faults if fault.recovered is not None or _had_time(case, fault)]
    if not faults:
        return not_judged("recovery", title, "s", "No fault was made.")
    never = [fault for fault in faults if fault.recovered is None]
    slow = [fault for fault in faults if fault.recovered is not None and _took(fault) > _allowed(case, fault)]
    worst = max((_took(fault) for fault in faults if fault.recovered is not None), default=None)
    sentence = f"{plural(len(faults), 'fault')}; "
    sentence += f"it heard again after {worst:.1f} s at most" if worst is not None else "it never heard again"
    sentence += f", {len(never)} times not at all." if never and worst is not None else "."
    failed = [*never, *slow]
    facts = (
        {"late": [f"{fault.kind} after {fault.began - case.began:.0f} s" for fault in failed[:SHOWN]]} if failed else {}
    )
    most = max(_allowed(case, fault) for fault in faults)
    return Verdict("recovery", title, outcome_of(not failed), worst, most, "s", sentence, facts)


def _allowed(case: Case, fault: Fault) -> float:
    own = fault.allowance_seconds
    return case.profile.bounds.recovery_seconds if own == USUAL_SECONDS else own


def _took(fault: Fault) -> float:
    # A kill is over when it is made, whenever that was seen.
    over = fault.began if fault.kind == KILL else fault.ended
    return max(0.0, (over if fault.recovered is None else fault.recovered) - over)


def _had_time(case: Case, fault: Fault) -> bool:
    return fault.ended + _allowed(case, fault) <= case.fed_until


def _frames(case: Case) -> Verdict:
    """Judge whether more frames are reported than the clock outside and the feed allow."""
    title = "Frames as the clock and the feed allow"
    if not case.record.checkpoints:
        return Verdict("frames", title, Outcome.INCONCLUSIVE, None, None, "s", "There are no checkpoints to look at.")
    excess = [_excess_seconds(case, own, _life_at(case, own[0].at)) for own in case.sessions.values()]
    worst = max(excess)
    bound = SLACK_SECONDS * max(1.0, case.record.header.speed)
    sentence = (
        f"{worst:.1f} s more audio reported than can have come."
        if worst > UNEVEN_SECONDS
        else "No more audio reported than can have come."
    )
    return Verdict("frames", title, outcome_of(worst <= bound), round(max(0.0, worst), 1), bound, "s", sentence)


def _life_at(case: Case, at: float) -> Life | None:
    if case.record.header.attached:
        return None
    return next((life for life in reversed(case.lives) if life.began <= at), None)


def _excess_seconds(case: Case, checkpoints: Sequence[Checkpoint], life: Life | None) -> float:
    """Return by how much the audio that a session reports is more than there can have been, at its worst."""
    speed = case.record.header.speed
    stood = [(fault.began, fault.ended) for fault in case.record.faults if fault.kind == SOURCE_LOSS]
    begin, first = (checkpoints[0].at, frames_received(checkpoints[0].content)) if life is None else (life.began, 0)
    worst = 0.0
    for checkpoint in checkpoints:
        # A checkpoint says itself when it was taken: not after all was over.
        at = min(checkpoint.at, case.over)
        came = (frames_received(checkpoint.content) - first) / FRAMES_PER_SECOND
        by_clock = speed * ((at - begin) * (1 + CLOCK_SHARE) - seconds(within(stood, begin, at)))
        by_feed = math.inf if life is None else _fed_at_most(case, life, at)
        worst = max(worst, came - min(by_clock, by_feed))
    return worst


def _fed_at_most(case: Case, life: Life, at: float) -> float:
    """Return the seconds of audio that a life had been fed at a moment, at most: a piece yet to come was not."""
    coming = [piece.start_sample for piece in case.record.played if piece.life == life.number and piece.began >= at]
    whole = [case.fed[life.number]] if life.number in case.fed else []
    return min([*coming, *whole], default=math.inf) / SAMPLE_RATE
