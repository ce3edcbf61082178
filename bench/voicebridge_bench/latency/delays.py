"""Delays and their parts, from what was played, what was stored and what was read. Pure.

A delay runs from the true end of speech to the moment at which the text was read from the daemon. Its parts:

    hearing   true end of speech to the end that the detector saw: the microphone's buffers and the detector's lateness;
              less than nothing where the detector lets the speech end before its last faint samples
    hangover  the silence that must follow (`endpoint.hangover_ms`)
    queue     from the endpoint to the commit, without the decode: wake-ups, both commits, waiting for the engine
    decode    one run of the engine
    delivery  from the commit to the text read by whoever reads along

Hangover, queue and decode together are the delay that the database has; hearing and delivery it cannot see. The
moments inside the daemon are those of its anchors, which a block of audio ties to the clock: hearing may have up to a
block too much or too little, and the queue the same the other way round. The total is not touched by that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PARTS = ("hearing", "hangover", "queue", "decode", "delivery")


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


@dataclass(frozen=True, slots=True)
class Spoken:
    """A piece that was played; ``end_sample`` is its true end in the daemon's session, where that is known."""

    text: str
    began_at: float
    ended_at: float
    end_sample: int | None = None


@dataclass(frozen=True, slots=True)
class Delay:
    """The delay of one piece, in milliseconds."""

    text: str
    heard: str
    total_ms: float
    hearing_ms: float
    hangover_ms: float
    queue_ms: float
    decode_ms: float
    delivery_ms: float
    detector_ms: float | None
    """The detector's part of hearing: its end of speech after the true one, by samples."""


@dataclass(frozen=True, slots=True)
class Matched:
    """What became of the pieces."""

    delays: list[Delay]
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
    spoken: Sequence[Spoken], stored: Sequence[Stored], read_at: Mapping[int, float], hangover_ms: float
) -> Matched:
    """Find for each piece the utterance that holds its end: the last one that it overlaps in time."""
    delays: list[Delay] = []
    left_out: dict[str, list[str]] = {}
    in_order = sorted(stored, key=lambda one: one.began_at)
    for number, piece in enumerate(spoken):
        over = [one for one in in_order if one.began_at < piece.ended_at and one.ended_at > piece.began_at]
        following = spoken[number + 1] if number + 1 < len(spoken) else None
        reason = _why_not(piece, over[-1] if over else None, following, read_at)
        if reason:
            left_out.setdefault(reason, []).append(piece.text)
        else:
            delays.append(_delay(piece, over[-1], read_at[over[-1].utterance_id], hangover_ms))
    return Matched(delays, left_out)


def _why_not(piece: Spoken, utterance: Stored | None, following: Spoken | None, read_at: Mapping[int, float]) -> str:
    if utterance is None:
        return NO_UTTERANCE
    if following is not None and utterance.ended_at > following.began_at:
        return TWO_IN_ONE
    if utterance.speech_ended_at < piece.ended_at - EARLY_SECONDS:
        return END_NOT_HEARD
    if utterance.status != "done":
        return REJECTED
    if utterance.end_reason != "hangover":
        return NOT_BY_SILENCE
    measured = utterance.delay_ms is not None and utterance.decode_ms is not None
    return "" if measured and utterance.utterance_id in read_at else NOT_DELIVERED


def _delay(piece: Spoken, utterance: Stored, read_at: float, hangover_ms: float) -> Delay:
    assert utterance.delay_ms is not None
    assert utterance.decode_ms is not None
    committed_at = utterance.speech_ended_at + utterance.delay_ms / 1000
    after = None if piece.end_sample is None else (utterance.speech_end_sample - piece.end_sample) / 16
    return Delay(
        text=piece.text,
        heard=utterance.text,
        total_ms=1000 * (read_at - piece.ended_at),
        hearing_ms=1000 * (utterance.speech_ended_at - piece.ended_at),
        hangover_ms=hangover_ms,
        queue_ms=utterance.delay_ms - hangover_ms - utterance.decode_ms,
        decode_ms=utterance.decode_ms,
        delivery_ms=1000 * (read_at - committed_at),
        detector_ms=after,
    )
