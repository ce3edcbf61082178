"""Utterances that have ended and are not settled yet, wherever they wait: so that delays can count who still waits."""

MAX_UNSETTLED = 2048
"""Bound on what is remembered; of more the newest are only counted, for the oldest tell how late it is."""


class Unsettled:
    """Speech ends by sample index. The listener adds, the transcriber takes, the store writer removes, any thread asks.

    No call waits.
    """

    def __init__(self) -> None:
        self.beyond = 0
        """Utterances that found no place; they count as delayed only once they are settled."""
        # Single operations on a dict of integers are atomic, and keep their order.
        self._speech_ends: dict[int, int] = {}
        self._taken: set[int] = set()

    def ended(self, start_sample: int, speech_end_sample: int) -> None:
        """Note an utterance at its endpoint."""
        if len(self._speech_ends) < MAX_UNSETTLED:
            self._speech_ends[start_sample] = speech_end_sample
        else:
            self.beyond += 1

    def taken(self, start_sample: int) -> None:
        """Note that an utterance's turn with the engine has come: from now on it waits for the store at most."""
        if start_sample in self._speech_ends:
            self._taken.add(start_sample)

    def settled(self, start_sample: int) -> None:
        """Forget an utterance that is settled, or was forgotten by its owner."""
        self._speech_ends.pop(start_sample, None)
        self._taken.discard(start_sample)

    def drop_before(self, sample: int) -> None:
        """Forget those whose speech ended before a sample index: nothing waits any more (they were forgotten, say)."""
        for start_sample, speech_end in list(self._speech_ends.items()):
            if speech_end < sample:
                self.settled(start_sample)

    def to_come(self) -> list[int]:
        """Return the first samples of those whose turn with the engine has yet to come, committed or not."""
        return [start_sample for start_sample in list(self._speech_ends) if start_sample not in self._taken]

    def speech_ends(self) -> list[int]:
        """Return where their speech ended, oldest first."""
        return list(self._speech_ends.values())
