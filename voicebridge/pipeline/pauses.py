"""Pauses: how much of one is left, and how long it is to be waited for, as text and voice say. Of the transcriber."""

from voicebridge.domain.ports import Tunable, TurnDetector, TurnEvidence, TurnVerdict
from voicebridge.domain.segments import MayEnd
from voicebridge.domain.utterance import Transcript
from voicebridge.pipeline.gate import judge
from voicebridge.pipeline.session_clock import SessionClock
from voicebridge.pipeline.turn import TurnRules
from voicebridge.settings import EndpointSettings, GateSettings


class Pauses:
    """Goes by ``endpoint``; asks a turn detector, the rules unless another one is given."""

    def __init__(self, clock: SessionClock, endpoint: EndpointSettings, detector: TurnDetector | None = None) -> None:
        self._clock = clock
        self._endpoint = endpoint
        self._detector = detector or TurnRules(endpoint)

    def apply(self, endpoint: EndpointSettings) -> None:
        """Go by other settings from now on."""
        self._endpoint = endpoint
        if isinstance(self._detector, Tunable):
            self._detector.apply(endpoint)

    def seconds_left(self, pause: MayEnd, now_monotonic: float) -> float:
        """Return how much is left of the usual hangover; 0 or less when it is over, or time does not apply."""
        began = self._clock.monotonic_of(pause.speech.end)
        return 0.0 if began is None else began + self._endpoint.hangover_ms / 1000 - now_monotonic

    def verdict(self, pause: MayEnd, transcript: Transcript, limits: GateSettings) -> TurnVerdict | None:
        """Say how long to wait, within the settings' bounds, from what was said before the pause.

        None where the mode is ``fixed``, and for a text that the gate would not believe: it says nothing.
        """
        endpoint = self._endpoint
        if endpoint.mode != "adaptive" or judge(transcript, 1.0, limits):
            return None
        evidence = TurnEvidence(transcript.text, pause.speech.seconds, pause.fall_db, transcript.language)
        verdict = self._detector.judge(evidence)
        hangover_ms = min(max(verdict.hangover_ms, endpoint.hangover_min_ms), endpoint.hangover_max_ms)
        return TurnVerdict(hangover_ms, verdict.reason)
