"""A stretch of frames from the first speech on: what the segmenter knows of the utterance (or candidate) it is in."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple


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
