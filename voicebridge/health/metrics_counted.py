"""The metrics that are counted as things are announced (voicebridge.health.metrics_tallies). Pure."""

from collections.abc import Callable, Mapping

from voicebridge.domain.audio import GapReason
from voicebridge.health.metrics_family import Family, Kind, Readings, Snapshot, listed
from voicebridge.health.metrics_tallies import EVENT_TYPES, REJECTION_CODES, Distribution, Tally

_REASONS = {"reason": listed(reason.value for reason in GapReason)}


def _distribution(pick: Callable[[Tally], Distribution]) -> Callable[[Snapshot], Readings]:
    return lambda seen: (((), pick(seen.tally)),)


def _by_label(pick: Callable[[Tally], Mapping[str, float]]) -> Callable[[Snapshot], Readings]:
    return lambda seen: [((label,), float(value)) for label, value in pick(seen.tally).items()]


FAMILIES = (
    Family(
        "voicebridge_delay_seconds",
        Kind.HISTOGRAM,
        "From the end of speech to the commit of its text, for each utterance that was settled.",
        _distribution(lambda tally: tally.delay),
    ),
    Family(
        "voicebridge_decode_seconds",
        Kind.HISTOGRAM,
        "Time of the decode that gave each settled text, after the end or in the pause before it, and again in full "
        "where that was done; none of it for partials, early decodes that were thrown away, and words.",
        _distribution(lambda tally: tally.decode),
    ),
    Family(
        "voicebridge_real_time_factor",
        Kind.HISTOGRAM,
        "That time over the length of the utterance: above 1 it cannot keep up, even without what is decoded early.",
        _distribution(lambda tally: tally.real_time_factor),
    ),
    Family(
        "voicebridge_utterance_seconds",
        Kind.HISTOGRAM,
        "Length of each utterance that was settled, pre-roll and tail included.",
        _distribution(lambda tally: tally.length),
    ),
    Family(
        "voicebridge_gaps_total",
        Kind.COUNTER,
        "Gaps that were announced, by what the audio was lost for.",
        _by_label(lambda tally: tally.gaps),
        _REASONS,
    ),
    Family(
        "voicebridge_gap_seconds_total",
        Kind.COUNTER,
        "Length of the gaps that were announced, by what the audio was lost for.",
        _by_label(lambda tally: tally.gap_seconds),
        _REASONS,
    ),
    Family(
        "voicebridge_rejections_total",
        Kind.COUNTER,
        "Reasons for which the quality gate rejected transcripts; one transcript may have several.",
        _by_label(lambda tally: tally.rejections),
        {"code": listed(REJECTION_CODES)},
    ),
    Family(
        "voicebridge_events_total",
        Kind.COUNTER,
        "Events that were announced, by type (voicebridge.domain.events).",
        _by_label(lambda tally: tally.events),
        {"type": listed(EVENT_TYPES.values())},
    ),
)
"""Every metric that is counted."""
