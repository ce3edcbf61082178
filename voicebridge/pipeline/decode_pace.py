"""How long a decode will take, from how long the newest ones took. Pure.

With a fixed window a decode takes about the same time whatever is said; with one that follows the utterance, or with
PocketSphinx, it grows with the audio. So both are learnt: a line through (audio, decode) of the real decodes, least
squares, in which each decode counts less than the one after it.
"""

from dataclasses import dataclass

REMEMBERED = 0.9
"""What a decode's weight is multiplied with at each one after it: the newest ten or so count."""
LEAST_VARIANCE = 0.1
"""Seconds squared: below it all were of one length, and no slope can be told."""
MOST_HANGOVERS = 3.0
"""A speculative decode that takes longer than so many times what is left of the hangover saves less than a third of the
wait, and holds the engine for as long where speech goes on."""


@dataclass(slots=True)
class DecodePace:
    """Weighted sums over decodes; x is seconds of audio, y seconds of decode."""

    _weight: float = 0.0
    _x: float = 0.0
    _y: float = 0.0
    _xx: float = 0.0
    _xy: float = 0.0

    def note(self, audio_seconds: float, decode_seconds: float) -> None:
        """Learn from a decode that came back."""
        self._weight = self._weight * REMEMBERED + 1
        self._x = self._x * REMEMBERED + audio_seconds
        self._y = self._y * REMEMBERED + decode_seconds
        self._xx = self._xx * REMEMBERED + audio_seconds * audio_seconds
        self._xy = self._xy * REMEMBERED + audio_seconds * decode_seconds

    def expected_seconds(self, audio_seconds: float) -> float | None:
        """Return how long a decode of so much audio will take; None before the first one.

        Never less for more audio, and never more than in proportion to it. While all were of one length, longer audio
        is taken to need time in proportion, shorter audio as much as theirs.
        """
        if not self._weight:
            return None
        mean_x, mean_y = self._x / self._weight, self._y / self._weight
        proportion = mean_y / mean_x if mean_x > 0 else 0.0
        variance = self._xx / self._weight - mean_x * mean_x
        if variance < LEAST_VARIANCE:
            slope = proportion if audio_seconds > mean_x else 0.0
        else:
            slope = (self._xy / self._weight - mean_x * mean_y) / variance
        return max(0.0, mean_y + min(max(slope, 0.0), proportion) * (audio_seconds - mean_x))


def is_worthwhile(expected_seconds: float | None, left_when_ordered_seconds: float, left_seconds: float) -> bool:
    """Say whether a speculative decode should begin now.

    Not when the hangover is over, for the final decode is then due; not when it takes longer than MOST_HANGOVERS times
    what was left of the hangover when it was ordered. One whose time is unknown is tried.

    What is left now does not decide: an order that had to wait behind a partial decode would be refused for that, and
    the engine do nothing until the endpoint, which then comes later than with the decode begun at once.
    """
    if left_seconds <= 0:
        return False
    return expected_seconds is None or expected_seconds <= MOST_HANGOVERS * left_when_ordered_seconds
