"""Decodes of an utterance that has not ended yet: in a pause that may be its end, and while it goes on.

Of the transcriber's thread, which asks for them when no final waits.
"""

import logging
from collections.abc import Callable
from typing import TypeAlias

from voicebridge.domain.errors import SpeechError
from voicebridge.domain.ports import Engine, EventSink, PartialDecoder
from voicebridge.domain.utterance import Transcript, UtteranceKey
from voicebridge.pipeline.decode_pace import DecodePace, is_worthwhile
from voicebridge.pipeline.early_work import EarlyWork, PartialOrder
from voicebridge.pipeline.gate import judge
from voicebridge.pipeline.pauses import Pauses
from voicebridge.pipeline.settling import Desk
from voicebridge.pipeline.speculation import Order, Result
from voicebridge.settings import EndpointSettings, GateSettings

logger = logging.getLogger(__name__)

Timed: TypeAlias = Callable[[Callable[[], Transcript]], tuple[Transcript, float]]
"""Calls the engine under its deadline; returns what it said, and after how many seconds."""


class EarlyDecodes:
    """Does what ``early`` orders; hands back to it what a pause said, and publishes what is being said."""

    def __init__(
        self, engine: Engine, desk: Desk, early: EarlyWork, events: EventSink, endpoint: EndpointSettings
    ) -> None:
        self.pace = DecodePace()
        self.pauses = Pauses(desk.clock, endpoint, early.detector)
        self._engine = engine
        self._desk = desk
        self._early = early
        self._events = events

    def begin_anew(self) -> None:
        """Let go of what the engine said in pauses, and of how long it took: it has other options now."""
        self._early.speculation.void_results()
        self.pace = DecodePace()

    def speculate(self, order: Order, gate: GateSettings, timed: Timed) -> None:
        """Decode an utterance that may be over; what it says tells how long to wait for more.

        Not where that is not worthwhile, nor while one has ended that the engine will be needed for.
        """
        speculation, span, monotonic = self._early.speculation, order.span, self._desk.monotonic
        worthwhile = self._is_worthwhile(order)
        audio = self._desk.audio.copy(span) if worthwhile and not self._finals_to_come() else None
        if audio is None:
            speculation.refuse(order, not_worthwhile=not worthwhile)
            return
        if not speculation.start(order):
            return
        began = monotonic()
        try:
            transcript, seconds = timed(lambda: self._engine.decode(audio, span.start))
        except SpeechError as error:
            # It counts for nothing: the utterance has its attempts when it is pending.
            logger.info("a speculative decode failed: %s", error)
            speculation.fail(monotonic() - began)
            return
        self.pace.note(span.seconds, seconds)
        valid = speculation.finish(Result(order, transcript, audio, seconds))
        if valid and (verdict := self.pauses.verdict(order.pause, transcript, gate)):
            logger.debug("a pause is waited for %d ms: %s", verdict.hangover_ms, verdict.reason)
            self._early.judged(order.pause.speech.end, verdict)

    def decode_partial(self, order: PartialOrder, gate: GateSettings, timed: Timed) -> None:
        """Decode what is being said so far, and publish what of it is believed."""
        partials, span, monotonic = self._early.partials, order.span, self._desk.monotonic
        if partials is None:
            return
        audio = self._desk.audio.copy(span)
        if audio is None:
            partials.dropped()
            return
        if not partials.begins(monotonic(), order.key):
            return
        decode = self._engine.decode_partial if isinstance(self._engine, PartialDecoder) else self._engine.decode
        try:
            transcript, _ = timed(lambda: decode(audio, span.start))
        except SpeechError as error:
            logger.debug("a partial decode failed: %s", error)
            partials.ends(monotonic(), failed=True)
            return
        partials.ends(monotonic())
        believed = not judge(transcript, 1.0, gate)
        if believed and (heard := partials.heard(order.key, transcript.text, span.end)):
            self._events.publish(heard)

    def _is_worthwhile(self, order: Order) -> bool:
        left_when_ordered = self.pauses.seconds_left(order.pause, order.given_seconds)
        left = self.pauses.seconds_left(order.pause, self._desk.monotonic())
        return is_worthwhile(self.pace.expected_seconds(order.span.seconds), left_when_ordered, left)

    def _finals_to_come(self) -> bool:
        """Say whether an utterance has ended that the engine will be needed for, committed or not."""
        session_id, holds = self._desk.session_id, self._early.speculation.holds
        return not all(holds(UtteranceKey(session_id, start)) for start in self._desk.unsettled.to_come())
