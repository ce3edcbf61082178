"""How many requests are answered in a second."""

import time
from collections.abc import Callable


class Bucket:
    """Lets ``per_second`` through in each second, and as many at once; used by one thread.

    A token bucket: it fills at its rate up to its size, and each request takes one out.
    """

    def __init__(self, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._clock = clock
        self._left = float(per_second)
        self._at = clock()

    def take(self) -> bool:
        """Say whether one more may pass now."""
        now = self._clock()
        self._left = min(self._per_second, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
