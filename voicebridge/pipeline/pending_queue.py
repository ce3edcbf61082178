"""Utterances that wait for their decode, oldest first: a bounded number in memory, the rest in the store alone."""

from collections import deque
from collections.abc import Callable, Sequence
from threading import Condition

from voicebridge.domain.utterance import PendingUtterance

QUEUE_BOUND = 256
"""Pending utterances held in memory. More wait in the store only and are fetched when these are done."""


class PendingQueue:
    """Any thread offers, one thread takes. What finds no place is fetched from the store in its turn, by id."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._queue: deque[PendingUtterance] = deque()
        self._current: PendingUtterance | None = None
        self._newest_id = 0
        self._left_in_store = 0
        self._fetched_up_to = 0
        self._closed = False
        self._over = False

    @property
    def current(self) -> PendingUtterance | None:
        """What was taken and is not done."""
        return self._current

    @property
    def waiting(self) -> int:
        """How many wait here or are being worked on."""
        return len(self._queue) + (self._current is not None)

    @property
    def backlog_seconds(self) -> float:
        """Audio of those that wait here."""
        with self._changed:
            return sum(pending.ended.span.seconds for pending in self._queue)

    @property
    def nothing_left(self) -> bool:
        """True when nothing waits, here or in the store, and nothing is being worked on."""
        with self._changed:
            return self._nothing_left()

    def offer(self, pending: PendingUtterance) -> None:
        """Queue an utterance. At the bound it stays in the store only, and is fetched from there in its turn."""
        with self._changed:
            if self._more_in_store or len(self._queue) >= QUEUE_BOUND:
                self._left_in_store += 1
            else:
                self._queue.append(pending)
                self._newest_id = max(self._newest_id, pending.utterance_id)
            self._changed.notify_all()

    def put_back(self, pending: PendingUtterance) -> None:
        """Queue again what was taken."""
        with self._changed:
            self._queue.append(pending)

    def look_again(self) -> None:
        """Have the whole store looked through when nothing waits here."""
        with self._changed:
            if not self._queue and self._current is None:
                self._newest_id = 0
                self._left_in_store += 1
                self._changed.notify_all()

    def take(self, timeout_seconds: float, unless: Callable[[], bool] = lambda: False) -> PendingUtterance | None:
        """Return the oldest, or None when there is none in time, something is to be fetched or the queue is closed.

        With none there it does not wait when ``unless`` says that there is something else to do; ``wake`` follows when
        that comes later.
        """
        with self._changed:
            # All is asked under the lock: a `close` or `wake` between a question and the wait would wake nobody.
            if not (self._queue or self._more_in_store or self._closed or unless()):
                self._changed.wait(timeout_seconds)
            if self._queue and not self._closed:
                self._current = self._queue.popleft()
                return self._current
            return None

    def done(self) -> None:
        """Say that the work on what was taken is over."""
        with self._changed:
            self._current = None
            self._changed.notify_all()

    def to_fetch(self) -> tuple[int, int] | None:
        """Return the id after which to fetch and a mark to give to ``fetched``, or None when nothing is to be fetched.

        The mark tells which of those left in the store the query surely saw.
        """
        with self._changed:
            wanted = self._more_in_store and not self._queue and not self._closed
            return (self._newest_id, self._left_in_store) if wanted else None

    def fetched(self, found: Sequence[PendingUtterance], mark: int) -> None:
        """Take what the store had, oldest first, at most QUEUE_BOUND."""
        with self._changed:
            self._queue.extend(found)
            if found:
                self._newest_id = found[-1].utterance_id
            if len(found) < QUEUE_BOUND:
                self._fetched_up_to = mark
            self._changed.notify_all()

    def wake(self) -> None:
        """End the present wait of ``take``."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Give out nothing more; what waits stays in the store."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def end(self) -> None:
        """Say that nobody will take anything any more."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def wait_until_empty(self, timeout_seconds: float) -> bool:
        """Wait until nothing is left; False when time ran out or the end came before."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or self._nothing_left(), timeout_seconds)
            return self._nothing_left()

    @property
    def _more_in_store(self) -> bool:
        return self._left_in_store != self._fetched_up_to

    def _nothing_left(self) -> bool:
        return not self._queue and self._current is None and not self._more_in_store
