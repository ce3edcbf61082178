"""Partials: what an open utterance says so far: when it is decoded, and what of the result will not change any more."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from voicebridge.domain.audio import Span
from voicebridge.domain.events import PartialHeard
from voicebridge.domain.units import seconds_to_samples
from voicebridge.domain.utterance import UtteranceKey
from voicebridge.pipeline.agreement import Agreement
from voicebridge.settings import PartialsSettings

LEAST_SAMPLES = seconds_to_samples(0.6)
"""No shorter audio is decoded, pre-roll included: of less than a word, Whisper makes words up."""

_Order: TypeAlias = tuple[int, int]
"""What an utterance comes by: session and first sample."""


@dataclass(slots=True)
class PartialsCounters:
    """What was done since the session began."""

    decoded: int = 0
    """Decodes that came back, told or not."""
    failed: int = 0
    dropped: int = 0
    """Ordered and not decoded: something more urgent came, or a newer one took its place."""
    late: int = 0
    """Decoded when the utterance had ended; not told."""
    decode_seconds: float = 0.0
    """Time of the engine that went into them, failed ones too."""
    words_committed: int = 0
    """Words that became stable."""
    stable_revisions: int = 0
    """How often a stable text was not the beginning of the next one. Always 0."""
    cut: int = 0
    """Texts longer than is looked at."""


class Partials:
    """Their pace and their state; it has no clock and no thread of its own.

    One thread asks ``due`` (the listener, as audio comes), another one decodes: ``begins``, ``ends``, ``heard``. Any
    thread may call ``dropped``, ``forget`` and ``apply``. No lock is held and nobody waits: each writes fields of its
    own. All ``now_seconds`` come from one monotonic clock. One utterance is open at a time, so there is one state.
    """

    def __init__(
        self,
        settings: PartialsSettings,
        readers: Callable[[], bool],
        *,
        suits: bool = True,
        agreement: Callable[[], Agreement] = Agreement,
    ) -> None:
        """``readers`` tells whether somebody reads partials; ``suits`` whether ``auto`` makes them with this engine."""
        self.counters = PartialsCounters()
        self._settings = settings
        self._readers = readers
        self._suits = suits
        self._agreement = agreement
        self._pace = _Pace()
        self._over = (0, -1)
        """The newest utterance that has ended."""
        self._open: tuple[_Order, Agreement] | None = None
        self._stable = ""

    def apply(self, settings: PartialsSettings) -> None:
        """Go by other settings from now on."""
        self._settings = settings

    @property
    def wanted(self) -> bool:
        """True when partials are to be made now."""
        mode = self._settings.mode
        return mode == "on" or (mode == "auto" and self._suits and self._readers())

    def due(self, now_seconds: float, key: UtteranceKey, span: Span) -> bool:
        """Say whether to order a decode of this much of an open utterance; the next is due ``every_ms`` later.

        It may take the place of an order that still waits. Never due: while one is decoded, in the pause after it, for
        audio that holds nothing new or less than LEAST_SAMPLES, after the utterance has ended.
        """
        pace, end = self._pace, (*_order(key), span.end)
        if now_seconds < max(pace.ordered_until, pace.rests_until) or pace.began is not None:
            return False
        if span.samples < LEAST_SAMPLES or end <= pace.ordered_end or _order(key) <= self._over or not self.wanted:
            return False
        pace.ordered_end = end
        pace.ordered_until = now_seconds + self._settings.every_ms / 1000
        return True

    def begins(self, now_seconds: float, key: UtteranceKey) -> bool:
        """Take note that an order's decode begins; False, and counted, when it is to be dropped.

        It is when its utterance has ended, nobody wants partials any more, or the pause is not over.
        """
        if now_seconds < self._pace.rests_until or _order(key) <= self._over or not self.wanted:
            self.dropped()
            return False
        self._pace.began = now_seconds
        return True

    def ends(self, now_seconds: float, *, failed: bool = False) -> None:
        """Take note that the decode is over.

        After d seconds of it at least d * (1 / load_share - 1) pass before the next one, and between the starts of two
        at least ``every_ms``.
        """
        settings, began = self._settings, self._pace.began
        if began is None:
            return
        took = max(0.0, now_seconds - began)
        self.counters.decoded += not failed
        self.counters.failed += failed
        self.counters.decode_seconds += took
        rested = now_seconds + took * (1 / settings.load_share - 1)
        self._pace.rests_until = max(rested, began + settings.every_ms / 1000)
        self._pace.began = None

    def dropped(self) -> None:
        """Take note that an order was not decoded."""
        self.counters.dropped += 1

    def heard(self, key: UtteranceKey, text: str, end_sample: int) -> PartialHeard | None:
        """Return what is to be published of a decode of the utterance up to a sample; None when it has ended by now."""
        order, opened = _order(key), self._open
        if order <= self._over or (opened is not None and order < opened[0]):
            self.counters.late += 1
            return None
        if opened is None or order != opened[0]:
            self._open = opened = (order, self._agreement())
            self._stable = ""
        agreed = opened[1].take(text)
        self.counters.words_committed += agreed.committed
        self.counters.cut += agreed.cut
        self.counters.stable_revisions += not agreed.stable.startswith(self._stable)
        self._stable = agreed.stable
        return PartialHeard(key, agreed.stable, agreed.tentative, end_sample)

    def forget(self, key: UtteranceKey) -> None:
        """Take note that an utterance has ended, and with it all before it: nothing more is told of them."""
        self._over = max(self._over, _order(key))
        opened = self._open
        if opened is not None and opened[0] <= self._over:
            self._open = None


@dataclass(slots=True)
class _Pace:
    ordered_until: float = float("-inf")
    """No order before; with ``ordered_end`` written by the thread that asks."""
    ordered_end: tuple[int, int, int] = (0, 0, 0)
    rests_until: float = float("-inf")
    """No decode before; with ``began`` written by the thread that decodes."""
    began: float | None = None
    """When the decode began that is under way."""


def _order(key: UtteranceKey) -> _Order:
    return key.session_id, key.start_sample
