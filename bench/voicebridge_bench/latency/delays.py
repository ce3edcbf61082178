"""Delays and their parts, from what was played, what was stored and what was read. Pure.

A delay runs from the true end of speech to the moment at which the text was read from the daemon. Its parts follow
each other, so that they add up to it, and none is less than nothing:

    endpoint  true end of speech to the endpoint: hearing and hangover
    queue     endpoint to commit, without the decode: wake-ups, both commits, waiting for the engine
    decode    what of the engine's run lies after the endpoint
    delivery  from the commit, whose writing to the disk is in it, to the text read by whoever reads along

A decode that began in the pause (``early``) lies within the endpoint's part as far as it fits. The record does not say
when it began: it is taken to have begun when it was ordered, after ``endpoint.speculate_after_ms`` of silence (or
``tail_ms``); what it really waited for then counts as queue. Its text was ready at the endpoint when that silence and
the decode are no longer than the hangover.

Of the endpoint's part two figures are told beside it:

    hearing   true end of speech to the end that the detector saw: the microphone's buffers and the detector's lateness;
              less than nothing where the detector lets the speech end before its last faint samples
    hangover  the silence that must follow. With ``endpoint.mode = "adaptive"`` the record does not tell how long that
              was for a text from the pause: it is the longest of the settings' three for which there was time

The moments inside the daemon are those of its anchors, which a block of audio ties to the clock: the endpoint's part
may have up to a block too much or too little, and the queue the same the other way round, but never less than nothing.
The total is not touched by that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from voicebridge.settings import EndpointSettings
from voicebridge_bench.latency.results import PieceDelay
from voicebridge_bench.pauses import begins_after_ms

PARTS = ("endpoint", "queue", "decode", "delivery")
BESIDE = ("hearing", "hangover", "stored", "decoded")
"""Told beside the parts: the delay that the database has, and all of the engine's run."""
BLOCK_MS = 40
"""By so much the anchors may be off."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A settled utterance: moments on CLOCK_MONOTONIC, by the session's anchors."""

    utterance_id: int
    status: str
    began_at: float
    ended_at: float
    speech_ended_at: float
    speech_end_sample: int
    end_reason: str
    decode_ms: float | None
    delay_ms: float | None
    text: str
    early: bool = False
    """Whether its text is that of a decode in the pause before its endpoint."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A piece that was played; ``end_sample`` is its true end in the daemon's session, where that is known."""

    text: str
    began_at: float
    ended_at: float
    end_sample: int | None = None


@dataclass(frozen=True, slots=True)
class Matched:
    """What became of the pieces."""

    delays: list[PieceDelay]
    left_out: dict[str, list[str]]
    """Pieces without a delay, by reason."""


EARLY_SECONDS = 0.5
"""Where the detector lets speech end so long before it does, the last words are missing: that is no short delay."""
NO_UTTERANCE = "not heard"
REJECTED = "its text was not believed"
NOT_BY_SILENCE = "not ended by silence"
END_NOT_HEARD = "its end was not heard"
TWO_IN_ONE = "ended in the utterance of the next piece"
NOT_DELIVERED = "not delivered"


def match(
    spoken: Sequence[Spoken], stored: Sequence[Stored], read_at: Mapping[int, float], endpoint: EndpointSettings
) -> Matched:
    """Find for each piece the utterance that holds its end: the last one that it overlaps in time."""
    delays: list[PieceDelay] = []
    left_out: dict[str, list[str]] = {}
    in_order = sorted(stored, key=lambda one: one.began_at)
    for number, piece in enumerate(spoken):
        over = [one for one in in_order if one.began_at < piece.ended_at and one.ended_at > piece.began_at]
        following = spoken[number + 1] if number + 1 < len(spoken) else None
        reason = _why_not(piece, over[-1] if over else None, following, read_at)
        if reason:
            left_out.setdefault(reason, []).append(piece.text)
        else:
            delays.append(_delay(piece, over[-1], read_at[over[-1].utterance_id], endpoint))
    return Matched(delays, left_out)


def _why_not(piece: Spoken, utterance: Stored | None, following: Spoken | None, read_at: Mapping[int, float]) -> str:
    if utterance is None:
        return NO_UTTERANCE
    if following is not None and utterance.ended_at > following.began_at:
        return TWO_IN_ONE
    too_early = utterance.speech_ended_at < piece.ended_at - EARLY_SECONDS
    if too_early or read_at.get(utterance.utterance_id, piece.ended_at) < piece.ended_at:
        return END_NOT_HEARD
    if utterance.status != "done":
        return REJECTED
    if utterance.end_reason != "hangover":
        return NOT_BY_SILENCE
    measured = utterance.delay_ms is not None and utterance.decode_ms is not None
    return "" if measured and utterance.utterance_id in read_at else NOT_DELIVERED


def _delay(piece: Spoken, utterance: Stored, read_at: float, endpoint: EndpointSettings) -> PieceDelay:
    assert utterance.delay_ms is not None
    assert utterance.decode_ms is not None
    hangover_ms = _hangover_ms(utterance.delay_ms, utterance.decode_ms, endpoint, early=utterance.early)
    ready_ms = _ready_ms(utterance.decode_ms, endpoint) if utterance.early else None
    ended_ms, total_ms = 1000 * (utterance.speech_ended_at - piece.ended_at), 1000 * (read_at - piece.ended_at)
    # One moment is never before the one that leads to it, whatever the anchors say.
    endpoint_ms = min(max(ended_ms + hangover_ms, 0.0), total_ms)
    committed_ms = min(max(ended_ms + utterance.delay_ms, endpoint_ms), total_ms)
    left_ms = utterance.decode_ms if ready_ms is None else min(max(ready_ms - hangover_ms, 0.0), utterance.decode_ms)
    decode_ms = min(left_ms, committed_ms - endpoint_ms)
    return PieceDelay(
        text=piece.text,
        heard=utterance.text,
        total_ms=total_ms,
        endpoint_ms=endpoint_ms,
        queue_ms=committed_ms - endpoint_ms - decode_ms,
        decode_ms=decode_ms,
        delivery_ms=total_ms - committed_ms,
        hearing_ms=ended_ms,
        hangover_ms=hangover_ms,
        stored_ms=utterance.delay_ms,
        decoded_ms=utterance.decode_ms,
        early=utterance.early,
        ready=ready_ms is not None and ready_ms <= hangover_ms,
        detector_ms=None if piece.end_sample is None else (utterance.speech_end_sample - piece.end_sample) / 16,
    )


def _ready_ms(decode_ms: float, endpoint: EndpointSettings) -> float:
    """Return after how much silence the text of a decode in the pause is there."""
    return (begins_after_ms(endpoint) or 0.0) + decode_ms


def _hangover_ms(delay_ms: float, decode_ms: float, endpoint: EndpointSettings, *, early: bool) -> float:
    """Return how long was waited; see above."""
    usual_ms = float(endpoint.hangover_ms)
    if endpoint.mode == "fixed" or not early:
        return usual_ms  # without a text from the pause nothing could say otherwise
    # The verdict is there with the text, and comes too late when the usual hangover is over.
    shortest_ms = min(max(float(endpoint.hangover_min_ms), _ready_ms(decode_ms, endpoint)), usual_ms)
    possible = [ms for ms in (usual_ms, float(endpoint.hangover_max_ms)) if ms <= delay_ms + BLOCK_MS]
    return max([shortest_ms, *possible])
