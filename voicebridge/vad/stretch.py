"""A stretch of frames from the first speech on: what the segmenter knows of the utterance (or candidate) it is in."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from voicebridge.domain.units import dbfs, ms_to_samples

CLOSE_SAMPLES = ms_to_samples(200)
"""The close of a sentence: the last stretch of its speech."""
BODY_SAMPLES = ms_to_samples(600)
"""What the close is compared with: the speech before it."""


class Piece(NamedTuple):
    """Audio of one kind, up to a sample index; it begins where the piece before it ended."""

    end: int
    is_speech: bool
    level: float


@dataclass(slots=True)
class Stretch:
    """Pieces from the first speech sample on, and their sums.

    It is a candidate until its speech amounts to ``needed_samples`` (and is more than none).
    """

    start: int
    """First sample, pre-roll included."""
    speech_start: int
    needed_samples: int
    pieces: list[Piece] = field(default_factory=list)
    end: int = field(init=False)
    speech_end: int = field(init=False)
    speech_samples: int = 0
    may_end_said_at: int | None = None
    """The end of the speech after which it was said that it may end, if it was."""

    def __post_init__(self) -> None:
        self.end = self.speech_end = self.speech_start

    @property
    def confirmed(self) -> bool:
        """True once there was enough speech; it stays so."""
        return 0 < self.speech_samples >= self.needed_samples

    @property
    def paused(self) -> bool:
        """True while silence follows the speech."""
        return self.end > self.speech_end

    def add(self, piece: Piece) -> None:
        """Take what follows."""
        self.pieces.append(piece)
        if piece.is_speech:
            self.speech_samples += piece.end - self.end
            self.speech_end = piece.end
        self.end = piece.end

    def extend(self, pieces: Iterable[Piece]) -> None:
        """Take all that follows."""
        for piece in pieces:
            self.add(piece)

    @property
    def fall_db(self) -> float:
        """How much quieter the last 200 ms of speech are than the 600 ms of speech before, in decibels.

        Pauses count for nothing. 0 where there is less speech.
        """
        close: Counter[float] = Counter()
        body: Counter[float] = Counter()
        for level, samples in self._speech_backwards():
            in_close = min(samples, CLOSE_SAMPLES - close.total())
            close[level] += in_close
            body[level] += min(samples - in_close, BODY_SAMPLES - body.total())
            if body.total() == BODY_SAMPLES:
                return _rms_dbfs(body) - _rms_dbfs(close)
        return 0.0

    def _speech_backwards(self) -> Iterator[tuple[float, int]]:
        """Return (level, samples) of each piece of speech, the newest first."""
        starts = [self.speech_start, *(piece.end for piece in self.pieces[:-1])]
        for start, piece in zip(reversed(starts), reversed(self.pieces), strict=True):
            if piece.is_speech:
                yield piece.level, piece.end - start

    def divide(self, search_from: int, pre_roll_samples: int) -> "tuple[Stretch, Stretch | None]":
        """Divide at the end of the quietest piece that ends after ``search_from``; of equal ones, the latest.

        Returns what stands before the cut and, if there is speech after it, what follows. Neither loses what the whole
        has: both are confirmed if it is.
        """
        candidates = (index for index, piece in enumerate(self.pieces) if piece.end > search_from)
        last = min(candidates, key=lambda index: (self.pieces[index].level, -index))
        needed = 0 if self.confirmed else self.needed_samples
        head = Stretch(self.start, self.speech_start, needed)
        head.extend(self.pieces[: last + 1])
        rest_pieces = self.pieces[last + 1 :]
        speech_start = head.end
        while rest_pieces and not rest_pieces[0].is_speech:
            speech_start = rest_pieces.pop(0).end
        if not rest_pieces:
            return head, None
        rest = Stretch(max(speech_start - pre_roll_samples, head.end), speech_start, needed)
        rest.extend(rest_pieces)
        return head, rest


def _rms_dbfs(levels: Counter[float]) -> float:
    """Return the level, in dBFS, of audio with so many samples of each level."""
    # In the order of the levels: the sum does not depend on how the audio was cut into pieces.
    squares = sum(samples * level * level for level, samples in sorted(levels.items()))
    return dbfs(max(math.sqrt(squares / levels.total()), 1.0))
