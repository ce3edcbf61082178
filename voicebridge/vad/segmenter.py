"""The segmenter: the pure state machine that turns (frame, is_speech) into utterances.

No thread, clock, input, output or log. Milliseconds become samples once; everything after counts samples, so the same
audio gives the same utterances however it is cut into frames and wherever the count begins.
"""

from collections.abc import Sequence

from voicebridge.domain.audio import Span
from voicebridge.domain.segments import Discarded, Ended, MayEnd, Paused, Resumed, SegmenterEvent, Started
from voicebridge.domain.units import ms_to_samples
from voicebridge.domain.utterance import EndReason
from voicebridge.settings import EndpointSettings
from voicebridge.vad.stretch import Piece, Stretch


class Segmenter:
    """Finds utterances in a stream of frames.

    Speech opens a candidate; once its speech amounts to ``min_speech_ms`` it is an utterance, else it is discarded.
    ``hangover_ms`` of silence end it. One that reaches ``max_utterance_ms`` is cut at the end of the quietest frame
    (the latest of them) in its last ``cut_search_ms``, and what follows the cut is the next utterance at once.

    Speech that goes on within a hangover of a cut belongs to what was cut and needs no minimum of its own.
    A pause that has lasted for ``speculate_after_ms``, and ``tail_ms``, may be the end: that is said once in each where
    the hangover is longer, and not in a gap, for what follows may still become part of the tail.
    Memory is bounded: the frames of one open utterance.
    """

    def __init__(self, settings: EndpointSettings) -> None:
        self._set_limits(settings)
        self._open: Stretch | None = None
        self._position: int | None = None
        self._heard_end = 0
        """End of the last audio that was no gap."""
        self._floor = 0
        """No utterance starts before it: the beginning, the end of what was ended or discarded, or of a long gap."""
        self._cut_holds_until = 0
        """Speech that begins before this sample goes on from a cut."""
        self._verdict = (-1, 0)
        """The end of a stretch of speech, and the samples of silence that end an utterance after it."""

    def apply(self, settings: EndpointSettings) -> bool:
        """Take other limits. False, and nothing is changed, while an utterance or a candidate is open."""
        if self._open is not None:
            return False
        self._set_limits(settings)
        return True

    def push(self, start: int, samples: int, is_speech: bool, level: float) -> Sequence[SegmenterEvent]:
        """Take the next frame. Raises ValueError when it does not begin where the last one ended.

        ``level`` grows with loudness; the cut at the maximum length is made where it is lowest.
        """
        self._go_to(start)
        self._heard_end = start + samples
        if self._open is None and not is_speech:  # nearly every frame of a quiet day
            self._position = self._heard_end
            return ()
        return self._take(start, Piece(self._heard_end, is_speech, level), EndReason.HANGOVER)

    def gap(self, span: Span) -> Sequence[SegmenterEvent]:
        """Take a gap as silence of its length. A hangover that runs out in it ends the utterance with EndReason.GAP."""
        self._go_to(span.start)
        events = self._take(span.start, Piece(span.end, is_speech=False, level=0.0), EndReason.GAP)
        if span.samples >= self._hangover_samples:
            self._floor = span.end
        return events

    def set_hangover(self, speech_end: int, hangover_ms: int) -> None:
        """Wait so long in the present pause (at least ``tail_ms``), if it still is the one after this speech.

        Else nothing happens. A hangover that is over by then ends the utterance at the next push.
        """
        if self._open is not None and self._open.confirmed and self._open.speech_end == speech_end:
            self._verdict = (speech_end, max(ms_to_samples(hangover_ms), self._tail_samples))

    def finish(self, reason: EndReason) -> Sequence[SegmenterEvent]:
        """End what is open: the stream is over, or we stop."""
        events: list[SegmenterEvent] = []
        if self._open is not None:
            self._end(self._open, reason, events)
        return events

    def _set_limits(self, settings: EndpointSettings) -> None:
        self._pre_roll_samples = ms_to_samples(settings.pre_roll_ms)
        self._min_speech_samples = ms_to_samples(settings.min_speech_ms)
        self._hangover_samples = ms_to_samples(settings.hangover_ms)
        self._tail_samples = ms_to_samples(settings.tail_ms)
        asks_after = max(ms_to_samples(settings.speculate_after_ms), self._tail_samples)
        asks = settings.speculate_after_ms > 0 and asks_after < self._hangover_samples
        self._may_end_samples = asks_after if asks else None
        self._max_samples = ms_to_samples(settings.max_utterance_ms)
        self._cut_search_samples = ms_to_samples(settings.cut_search_ms)

    def _go_to(self, start: int) -> None:
        if self._position is None:
            self._position = self._heard_end = self._floor = start
        elif start != self._position:
            raise ValueError(f"frames must follow each other: {self._position} expected, {start} given")

    def _take(self, position: int, piece: Piece, silence_ends_as: EndReason) -> list[SegmenterEvent]:
        """Walk through a piece, stopping at each sample where something is due."""
        events: list[SegmenterEvent] = []
        while position < piece.end:
            if self._open is None and not piece.is_speech:
                break
            stretch = self._open = self._open or self._candidate(position)
            if self._hangover_is_over(stretch):  # a verdict has shortened it
                self._end(stretch, EndReason.HANGOVER, events)
                continue
            part = piece._replace(end=min(piece.end, self._due(stretch, piece.is_speech)))
            self._extend(stretch, part, events)
            position = part.end
            if self._hangover_is_over(stretch):
                self._end(stretch, silence_ends_as, events)
            elif position >= stretch.start + self._max_samples:
                self._cut(stretch, events)
            elif silence_ends_as is EndReason.HANGOVER:  # not in a gap
                self._say_may_end(stretch, events)
        self._position = piece.end
        return events

    def _candidate(self, speech_start: int) -> Stretch:
        needed = 0 if speech_start < self._cut_holds_until else self._min_speech_samples
        return Stretch(max(speech_start - self._pre_roll_samples, self._floor), speech_start, needed)

    def _due(self, stretch: Stretch, is_speech: bool) -> int:
        """Return the sample at which the stretch must be looked at again."""
        limit = stretch.start + self._max_samples
        if is_speech:
            return limit
        due = min(limit, stretch.speech_end + self._hangover_of(stretch))
        may_end = stretch.speech_end + (self._may_end_samples or 0)
        return min(due, may_end) if may_end > stretch.end else due

    def _hangover_of(self, stretch: Stretch) -> int:
        """Return how many samples of silence end it: the settings' count, or that of a verdict on this very pause."""
        speech_end, samples = self._verdict
        return samples if speech_end == stretch.speech_end else self._hangover_samples

    def _hangover_is_over(self, stretch: Stretch) -> bool:
        return stretch.paused and stretch.end - stretch.speech_end >= self._hangover_of(stretch)

    def _say_may_end(self, stretch: Stretch, events: list[SegmenterEvent]) -> None:
        """Say, once in each pause, that it may be the end."""
        after, said = self._may_end_samples, stretch.may_end_said_at == stretch.speech_end
        if after is None or said or not stretch.confirmed or stretch.end - stretch.speech_end < after:
            return
        stretch.may_end_said_at = stretch.speech_end
        span = Span(stretch.start, stretch.speech_end + self._tail_samples)
        events.append(MayEnd(span, Span(stretch.speech_start, stretch.speech_end), stretch.fall_db))

    @staticmethod
    def _extend(stretch: Stretch, piece: Piece, events: list[SegmenterEvent]) -> None:
        was_confirmed, was_paused = stretch.confirmed, stretch.paused
        position = stretch.end
        stretch.add(piece)
        if stretch.confirmed and not was_confirmed:
            events.append(Started(stretch.start))
        elif stretch.confirmed and was_paused != stretch.paused:
            events.append(Paused(position) if stretch.paused else Resumed(position))

    def _end(self, stretch: Stretch, reason: EndReason, events: list[SegmenterEvent]) -> None:
        self._open = None
        self._close(stretch, min(stretch.speech_end + self._tail_samples, self._heard_end), reason, events)

    def _close(self, stretch: Stretch, end: int, reason: EndReason, events: list[SegmenterEvent]) -> None:
        if stretch.confirmed:
            span, speech = Span(stretch.start, end), Span(stretch.speech_start, stretch.speech_end)
            events.append(Ended(span, speech, stretch.speech_samples / span.samples, reason))
            self._floor = max(self._floor, end)  # a long gap lies behind the end where a verdict outlasted it
        else:
            events.append(Discarded(stretch.speech_start))
            self._floor = stretch.speech_end

    def _cut(self, stretch: Stretch, events: list[SegmenterEvent]) -> None:
        """Close the stretch at its quietest frame; what follows is open at once if it holds speech."""
        search_from = stretch.start + self._max_samples - self._cut_search_samples
        head, rest = stretch.divide(search_from, self._pre_roll_samples)
        self._close(head, head.end, EndReason.MAX_LENGTH, events)
        self._open = rest
        if head.confirmed:
            self._cut_holds_until = stretch.speech_end + self._hangover_of(stretch)
        if rest is not None and rest.confirmed:
            events.append(Started(rest.start))
            if rest.paused:
                events.append(Paused(rest.speech_end))
