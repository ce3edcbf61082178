"""What the listener would have decoded before an utterance has ended, and what comes back of it.

It stands between two threads: the listener orders and is never made to wait, the transcriber takes, when no final does.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from voicebridge.domain.audio import Span
from voicebridge.domain.ports import TurnDetector, TurnVerdict
from voicebridge.domain.segments import MayEnd
from voicebridge.domain.utterance import EndedUtterance, UtteranceKey
from voicebridge.pipeline.partials import Partials, PartialsCounters
from voicebridge.pipeline.speculation import Speculation

MAX_REASONS = 32
"""Bound on the reasons of verdicts that are counted by name; the rules know a dozen. Others count as ``other``."""


@dataclass(frozen=True, slots=True)
class PartialOrder:
    """An open utterance, as far as it has been said."""

    key: UtteranceKey
    span: Span


class EarlyWork:
    """Holds one speculative order at most and one partial order at most; a newer one takes the place of an older one.

    ``wake`` is called when there is something to take, ``on_verdict`` with the end of the speech before a pause and the
    milliseconds it is to be waited for. Both are set when the parts are joined. ``detector`` judges pauses instead of
    the rules.
    """

    def __init__(
        self,
        partials: Partials | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        detector: TurnDetector | None = None,
    ) -> None:
        self.speculation = Speculation()
        self.partials = partials
        self.detector = detector
        self.wake: Callable[[], None] = lambda: None
        self.on_verdict: Callable[[int, int], None] = lambda _end, _ms: None
        self.verdicts: dict[str, int] = {}
        """How often each reason was given."""
        self._monotonic = monotonic
        self._partial: deque[PartialOrder] = deque(maxlen=1)

    @property
    def waits(self) -> bool:
        """True while there is something to take."""
        return self.speculation.waits or bool(self._partial)

    @property
    def counts(self) -> dict[str, int]:
        """Return what became of all of it so far, for the status: names that say it, with counts."""
        done = self.speculation.counters
        partials = self.partials.counters if self.partials is not None else PartialsCounters()
        return {
            "partials_decoded": partials.decoded,
            "partials_failed": partials.failed,
            "partials_dropped": partials.dropped,
            "partials_late": partials.late,
            "partials_cut": partials.cut,
            "partials_words_committed": partials.words_committed,
            "partials_stable_revisions": partials.stable_revisions,
            "speculative_started": done.started,
            "speculative_delivered": done.delivered,
            "speculative_void": done.void,
            "speculative_failed": done.failed,
            "speculative_dropped": done.dropped,
            "speculative_not_worthwhile": done.not_worthwhile,
            "speculation_wasted_ms": round(done.wasted_seconds * 1000),
            **{f"turn_{reason.replace(' ', '_')}": count for reason, count in self.verdicts.items()},
        }

    def may_end(self, key: UtteranceKey, pause: MayEnd) -> None:
        """Have the utterance decoded as it would end here; a partial of it that still waits would hold that up."""
        if self.partials is not None and self.take_partial() is not None:
            self.partials.dropped()
        self.speculation.may_end(key, pause, self._monotonic())
        self.wake()

    def resumed(self, key: UtteranceKey) -> None:
        """Make void what was decoded in the pause: speech goes on."""
        self.speculation.resumed(key)

    def ended(self, ended: EndedUtterance) -> None:
        """Want nothing more of an utterance that has ended, but what was decoded of this very span."""
        self.speculation.ended(ended.key, ended.span)
        if self.partials is not None:
            self.partials.forget(ended.key)

    def goes_on(self, key: UtteranceKey, end_sample: int) -> None:
        """Speech of an open utterance has come up to here: have it decoded so far, if that is due."""
        partials = self.partials
        if partials is None:
            return
        span = Span(key.start_sample, end_sample)
        if partials.due(self._monotonic(), key, span):
            if self._partial:
                partials.dropped()
            self._partial.append(PartialOrder(key, span))
            self.wake()

    def take_partial(self) -> PartialOrder | None:
        """Return the partial order that waits, and forget it."""
        try:
            return self._partial.pop()
        except IndexError:
            return None

    def judged(self, speech_end: int, verdict: TurnVerdict) -> None:
        """Hand a verdict on a pause to the listener, and count it."""
        reason = verdict.reason
        if reason not in self.verdicts and len(self.verdicts) >= MAX_REASONS:
            reason = "other"
        # A new dict, so that whoever reads it never sees it grow.
        self.verdicts = {**self.verdicts, reason: self.verdicts.get(reason, 0) + 1}
        self.on_verdict(speech_end, verdict.hangover_ms)
