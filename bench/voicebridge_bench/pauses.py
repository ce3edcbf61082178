"""Decodes in pauses, by the settings in force: when one begins, and what of it is left at the endpoint. Pure."""

from voicebridge.pipeline.decode_pace import is_worthwhile
from voicebridge.settings import EndpointSettings


def begins_after_ms(endpoint: EndpointSettings) -> float | None:
    """Return after how much silence an utterance is decoded early, as the segmenter has it; None where never."""
    silence_ms = max(endpoint.speculate_after_ms, endpoint.tail_ms)
    return float(silence_ms) if endpoint.speculate_after_ms > 0 and silence_ms < endpoint.hangover_ms else None


def left_ms(decode_ms: float, endpoint: EndpointSettings) -> float:
    """Return what of a decode lies after an endpoint at ``endpoint.hangover_ms``.

    Nothing of one that fits into the pause, and all of one that the transcriber would not begin there, as it has no
    decodes in pauses or this one takes too long.
    """
    begins_ms = begins_after_ms(endpoint)
    if begins_ms is None:
        return decode_ms
    pause_ms = endpoint.hangover_ms - begins_ms
    if not is_worthwhile(decode_ms / 1000, pause_ms / 1000, pause_ms / 1000):
        return decode_ms
    return max(decode_ms - pause_ms, 0.0)


def longest_hangover_ms(endpoint: EndpointSettings) -> int:
    """Return the longest silence that an utterance can wait for."""
    return endpoint.hangover_max_ms if endpoint.mode == "adaptive" else endpoint.hangover_ms
