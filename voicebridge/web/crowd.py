"""How much of what is bounded one address may have, where others than this machine can ask.

Without it one host, which needs no token for that, could keep everybody else out. It holds a host with the address that
it was given, not one that makes up many.
"""

from collections import Counter

LEAST_SHARE = 16


def share_of(most: int) -> int:
    """Return what one address may have of so many: a quarter, or up to 16 where that is no more than half."""
    return max(1, most // 4, min(most // 2, LEAST_SHARE))


class Crowd:
    """Who is connected; used by the loop's thread alone. Never longer than there are connections."""

    def __init__(self, most: int, *, shared: bool) -> None:
        self.share = share_of(most) if shared else most
        """Connections that one address may have. Unless it is shared nobody is told from anybody."""
        self._connected: Counter[str] = Counter()

    def enter(self, address: str) -> int:
        """Count one more connection of an address, and return how many it has with that."""
        self._connected[address] += 1
        return self._connected[address]

    def leave(self, address: str) -> None:
        """One of them has ended."""
        self._connected[address] -= 1
        if self._connected[address] <= 0:
            del self._connected[address]

    @property
    def addresses(self) -> int:
        """How many are connected."""
        return len(self._connected)
