"""What many ask for at once is made once."""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Remembers a value for so many seconds; used by one thread."""

    def __init__(self, make: Callable[[], T], seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._make = make
        self._seconds = seconds
        self._clock = clock
        self._made: tuple[float, T] | None = None

    def get(self) -> T:
        """Return the value, made anew if it is too old."""
        now = self._clock()
        if self._made is None or now - self._made[0] > self._seconds:
            self._made = (now, self._make())
        return self._made[1]
