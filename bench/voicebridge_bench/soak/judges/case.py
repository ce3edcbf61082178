"""What every judge looks at: a record, the profile it was made with, and what follows from both."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Any

from voicebridge.domain.units import FRAME_MS, FRAMES_PER_SECOND, SAMPLE_RATE
from voicebridge_bench.soak.journal import RESUMED, stretches
from voicebridge_bench.soak.judges.spans import Stretch, covers, seconds, within, without
from voicebridge_bench.soak.profiles import SECONDS_PER_HOUR, Profile
from voicebridge_bench.soak.record import Checkpoint, Happened, Record
from voicebridge_bench.soak.trouble import ENGINE_HANG, KILL, SOURCE_LOSS, STOP
from voicebridge_bench.soak.verdict import Outcome, Verdict

BEGINNING = ("started", "restarted")
LEAVING = ("crashed", "killed", "stopped")
"""What ends a life."""
DEFAULT_CHECKPOINT_SECONDS = 300.0
"""`health.interval_seconds` by default."""
ENDING_FAULTS = frozenset({KILL, ENGINE_HANG})
"""After these the process is gone, and that is right so: no other fault may end it."""
DEAFENING = frozenset({KILL, STOP, SOURCE_LOSS})
"""While these last nothing can be heard; with any other it is to hear on."""
SEEN_SECONDS = 1.0
"""That a process is gone is seen so much later at most."""
INTERRUPTED = "interrupted"
NOT_READ = "Cut off before the database was read."
MARGIN_SECONDS = 2.0
"""What a fault does may be seen so much before or after: the harness looks from outside, now and then."""


FRAME_SECONDS = FRAME_MS / 1000


@dataclass(frozen=True, slots=True)
class Life:
    """One life of the process: from its start until it left, or until the soak was over."""

    number: int
    began: float
    ended: float
    ready: float | None


@dataclass(frozen=True)
class Case:
    """A record and its profile."""

    record: Record
    profile: Profile

    @property
    def began(self) -> float:
        """When the soak began."""
        return self.record.header.began

    @cached_property
    def soaked(self) -> list[Stretch]:
        """When it was soaked; a soak that was resumed has several such stretches."""
        return stretches(self.record)

    @property
    def over(self) -> float:
        """When it was over, or cut off."""
        return self.soaked[-1][1]

    @property
    def fed_until(self) -> float:
        """When the load ended: a whole soak then waits for what is still to be decoded."""
        return self.over if self.record.end is None else min(self.record.end.at, self.over)

    @property
    def soaked_hours(self) -> float:
        """How long it was soaked, what came after the end of the load left out."""
        return seconds(within(self.soaked, self.began, self.fed_until)) / SECONDS_PER_HOUR

    @property
    def paced(self) -> bool:
        """True when the audio came at the pace of time."""
        return self.record.header.speed == 1

    @cached_property
    def not_harvested(self) -> str:
        """Why the record does not hold what the database held in the end; empty when it does.

        What the database holds is written down after the load, and the integrity check is the last of it.
        """
        record = self.record
        if record.end is not None and record.end.left_out:
            missing = plural(record.end.left_out, "entry", "entries")
            return f"The record is not whole: {missing} found no place in it."
        if record.header.attached:
            return ""
        read = max((each.at for each in record.happened if each.kind == "integrity"), default=-math.inf)
        later = [told.at for told in record.announced]
        later += [each.at for each in record.happened if each.kind == RESUMED]
        return "" if read > -math.inf and read >= max(later, default=read) else NOT_READ

    @cached_property
    def sessions(self) -> dict[Any, list[Checkpoint]]:
        """The checkpoints of each session, in the order in which they were read."""
        found: dict[Any, list[Checkpoint]] = {}
        for checkpoint in sorted(self.record.checkpoints, key=lambda checkpoint: checkpoint.at):
            found.setdefault(checkpoint.content.get("session_id"), []).append(checkpoint)
        return found

    @cached_property
    def pace(self) -> float:
        """Hours of audio in an hour: 1, or the factor that was really reached."""
        if self.paced:
            return 1.0
        if self.fed and self.soaked_hours > 0:
            return sum(self.fed.values()) / SAMPLE_RATE / SECONDS_PER_HOUR / self.soaked_hours
        newest = [own[-1].content for own in self.sessions.values()]
        uptime = sum(float(content.get("uptime_seconds") or 0) for content in newest)
        frames = sum(frames_received(content) for content in newest)
        return frames / FRAMES_PER_SECOND / uptime if uptime > 0 and frames else self.record.header.speed

    @cached_property
    def fed(self) -> dict[int, int]:
        """Samples that each life was fed, of those that have ended ("123456 samples")."""
        told = [(each.life, each.detail.split()) for each in self.record.happened if each.kind == "fed"]
        return {life: int(words[0]) for life, words in told if words and words[0].isdigit()}

    @cached_property
    def checkpoint_seconds(self) -> float:
        """How often a checkpoint is due; a running service has an interval of its own."""
        if not self.record.header.attached:
            return self.record.header.checkpoint_seconds
        told = [checkpoint.content for checkpoint in self.record.checkpoints]
        # The first of a session comes seconds after its start, and tells of those seconds.
        known = [float(each["interval_seconds"]) for each in told if _is_regular(each)]
        return median(known) if known else DEFAULT_CHECKPOINT_SECONDS

    @property
    def audio_hours(self) -> float:
        """Hours of audio that were soaked."""
        return self.soaked_hours * self.pace

    @cached_property
    def lives(self) -> list[Life]:
        """The lives of the process, in order; one for a running service that was looked at."""
        happened = sorted(self.record.happened, key=lambda moment: moment.at)
        starts = {moment.life: moment.at for moment in reversed(happened) if moment.kind in BEGINNING}
        ready = {moment.life: moment.at for moment in reversed(happened) if moment.kind == "ready"}
        if not starts:
            return [Life(1, self.began, self.over, ready.get(1, self.began))]
        left = {moment.life: moment.at for moment in reversed(happened) if moment.kind in LEAVING}
        # A life that a harness which crashed began has no end of its own: it ended with the stretch that it was in.
        return [
            Life(life, at, left.get(life, self._end_of_stretch(at)), ready.get(life))
            for life, at in sorted(starts.items(), key=lambda start: start[1])
        ]

    def _end_of_stretch(self, at: float) -> float:
        return next((end for begin, end in self.soaked if at <= end), self.over)

    @property
    def ended_early(self) -> bool:
        """True when it was asked to end, or was cut off, before its time."""
        return self.record.end is None or self.record.end.reason == INTERRUPTED

    def excused(
        self, kinds: Collection[str] | None = None, margin_seconds: float = MARGIN_SECONDS, life: int | None = None
    ) -> list[Stretch]:
        """Return when faults (of such kinds, in a life) explain what went wrong, allowances included."""
        return [
            (fault.began - margin_seconds, max(fault.began, fault.ended) + fault.allowance_seconds + margin_seconds)
            for fault in self.record.faults
            if (kinds is None or fault.kind in kinds) and life in (None, fault.life)
        ]

    def explains(self, begin: float, end: float) -> bool:
        """Return whether faults explain all of a stretch."""
        return seconds(without([(begin, end)], self.excused())) <= FRAME_SECONDS

    def may_be_deaf(self) -> list[Stretch]:
        """Return when faults explain that nothing is heard: while they take hearing away, and in their allowance."""
        return [
            (
                fault.began if fault.kind in DEAFENING else fault.ended - SEEN_SECONDS,
                fault.ended + fault.allowance_seconds,
            )
            for fault in self.record.faults
        ]

    def unexplained(
        self,
        kinds: Sequence[str],
        faults: Collection[str] | None = None,
        also: Callable[[Happened], bool] = lambda _: False,
    ) -> list[tuple[float, str]]:
        """Return what happened of such kinds, as moment and detail, that no fault (of such kinds) explains.

        ``also`` says what else is explained.
        """
        excused = self.excused(faults)
        return [
            (moment.at, moment.detail or moment.kind)
            for moment in self.record.happened
            if moment.kind in kinds and not covers(excused, moment.at) and not also(moment)
        ]


def _is_regular(content: Mapping[str, Any]) -> bool:
    interval, uptime = content.get("interval_seconds"), content.get("uptime_seconds")
    if not isinstance(interval, int | float) or not isinstance(uptime, int | float):
        return False
    return uptime > 1.5 * interval


def frames_received(content: Any) -> int:
    """Return how many frames a checkpoint reports since its session began."""
    return int((content.get("frames") or {}).get("received") or 0)


def inconclusive(code: str, title: str, unit: str, why: str) -> Verdict:
    """Return the verdict on what cannot be told from this record."""
    return Verdict(code, title, Outcome.INCONCLUSIVE, None, None, unit, why)


def not_judged(code: str, title: str, unit: str, why: str) -> Verdict:
    """Return the verdict on what is not judged."""
    return Verdict(code, title, Outcome.NOT_JUDGED, None, None, unit, why)


def outcome_of(passed: bool) -> Outcome:
    """Return pass or fail."""
    return Outcome.PASS if passed else Outcome.FAIL


def plural(count: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
