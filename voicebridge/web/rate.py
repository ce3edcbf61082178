"""How many requests are answered in a second."""

import time
from collections import OrderedDict
from collections.abc import Callable

from voicebridge.web.crowd import share_of

MAX_ADDRESSES = 256
"""Addresses whose rate is remembered; of more the one that asked longest ago is forgotten."""


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


class Rates:
    """The rate of everybody together and, where it is shared, of each address; used by one thread."""

    def __init__(self, per_second: int, *, shared: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._all = Bucket(per_second, clock)
        self._share = share_of(per_second) if shared else 0
        self._clock = clock
        self._each: OrderedDict[str, Bucket] = OrderedDict()

    def take_share(self, address: str) -> bool:
        """Say whether this address may ask once more now; to be asked of every request, whatever it is."""
        if not self._share:
            return True
        bucket = self._each.pop(address, None) or Bucket(self._share, self._clock)
        self._each[address] = bucket
        if len(self._each) > MAX_ADDRESSES:
            self._each.popitem(last=False)
        return bucket.take()

    def take(self) -> bool:
        """Say whether one more may be answered now; to be asked of those that may have an answer."""
        return self._all.take()
