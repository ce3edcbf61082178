"""How fast samples come, against how fast they should."""

from collections import deque

_STEP_SECONDS = 0.25
"""Least time between two marks: 40 of them make the default window."""


class RateMeter:
    """Measures the rate of one stream over a sliding window. The callback feeds it, any thread asks.

    A gap that was told begins a new window: what is missing there is known.
    """

    def __init__(self, window_seconds: float) -> None:
        self._window_seconds = window_seconds
        self._marks: deque[tuple[float, float]] = deque()
        self._audio_seconds = 0.0
        self.ratio: float | None = None
        """Samples that came over samples that should have; None until a window is full."""

    def restart(self) -> None:
        """Begin a new window."""
        self._marks.clear()
        self.ratio = None

    def arrived(self, now_seconds: float, audio_seconds: float) -> None:
        """Count a block of this length that has just arrived."""
        self._audio_seconds += audio_seconds
        marks = self._marks
        if marks and now_seconds - marks[-1][0] < _STEP_SECONDS:
            return
        # A block ends now: what came before the window's first mark is not in it.
        marks.append((now_seconds, self._audio_seconds))
        while len(marks) > 2 and now_seconds - marks[1][0] >= self._window_seconds:
            marks.popleft()
        at, audio = marks[0]
        elapsed = now_seconds - at
        if elapsed >= self._window_seconds:
            self.ratio = (self._audio_seconds - audio) / elapsed
