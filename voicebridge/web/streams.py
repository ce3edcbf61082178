"""What happens, handed to everybody who reads along: one subscription for all, each event encoded once.

Nobody upstream waits: the feed calls ``wake`` and goes on. Each stream has a bounded queue; one whose reader is too
slow is ended, and that reader comes back with the last id that it saw (Last-Event-ID) and is given the rest from the
store.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, TypeAlias

from voicebridge.domain.window import Json, Reader, Window
from voicebridge.web.counters import Counters
from voicebridge.web.problems import ProblemError, encoded
from voicebridge.web.readiness import summary
from voicebridge.web.reads import Reads

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.2
"""How often the level is told, if it has changed, and the feed looked at."""
STATE_TICKS = 5
"""The state is compared every so many ticks: once a second."""
BEAT_TICKS = 25
"""Every 5 s a comment is sent, so that proxies and clients see that the connection lives."""
QUEUE_FRAMES = 256
"""Events that may wait for one reader."""
PARTIALS_HELD = 4
"""Partials that may wait for one reader besides, each of another utterance; they have no place among the rest."""
PAGE = 100
RESUME_EVENTS = 1000
"""Events from the store in one connection; whoever lacks more is given them in the next one."""
RETRY_MS = 2000
"""After how long a client comes back."""
BEAT = b": beat\n\n"
Key: TypeAlias = tuple[int, int]
"""What an utterance is told by before it has an id: session and first sample."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An event that waits for its reader."""

    kind: str
    frame: bytes
    sequence: int | None
    utterance_id: int | None


class Stream:
    """One reader's queue; used by the loop's thread alone."""

    def __init__(self, kinds: frozenset[str], counters: Counters) -> None:
        self.kinds = kinds
        """Which types are sent; empty for all."""
        self.changed = asyncio.Event()
        self.ended = False
        self.sent_sequence = 0
        """Utterances up to this one came from the store; in the queue they are passed over."""
        self._counters = counters
        self._frames: deque[_Waiting] = deque()
        self._words_sent: dict[int, int] = {}
        """Utterances whose words came from the store, with their numbers there: in the queue these are passed over.

        At most those of one connection: RESUME_EVENTS.
        """
        self._partials: dict[Key, bytes] = {}
        self._level = b""

    def reads(self, kind: str) -> bool:
        """Say whether events of a type are sent."""
        return not self.kinds or kind in self.kinds

    def offer(
        self,
        kind: str,
        frame: bytes,
        sequence: int | None = None,
        key: Key | None = None,
        utterance_id: int | None = None,
    ) -> bool:
        """Add an event (a comment has no kind); False when that was one too many, and the stream has ended.

        ``key`` and ``utterance_id`` are those of the utterance it is about, as far as it says them.
        """
        if sequence is not None and sequence > self._words_sent.get(utterance_id or 0, sequence):
            del self._words_sent[utterance_id or 0]  # it was decoded anew, and will have other words
        if key is not None:
            self._pass_over(key)  # this is a newer one, or what it became
        if self.ended or (kind and not self.reads(kind)):
            return True
        if kind == "level":
            self._level = frame  # only the newest counts
        elif kind == "partial" and key is not None:
            self._hold_partial(key, frame)
        else:
            self._frames.append(_Waiting(kind, frame, sequence, utterance_id))
        if len(self._frames) > QUEUE_FRAMES:
            self.end()
            return False
        self.changed.set()
        return True

    def end(self) -> None:
        """Send nothing more."""
        self.ended = True
        self._frames.clear()
        self._partials.clear()
        self.changed.set()

    def take(self) -> bytes:
        """Return everything that waits."""
        self.changed.clear()
        frames = [waiting.frame for waiting in self._frames if not self._has_come(waiting)]
        self._frames.clear()
        frames += self._partials.values()
        self._partials.clear()
        level, self._level = self._level, b""
        return b"".join(frames) + level

    def sent_words(self, utterance_id: int, sequence: int) -> None:
        """Note that the words of an utterance with this number came from the store."""
        self._words_sent[utterance_id] = sequence

    def begin_anew(self) -> None:
        """Forget what came from the store: there is another one, whose numbers begin at 1."""
        self.sent_sequence = 0
        self._words_sent.clear()

    def _has_come(self, waiting: "_Waiting") -> bool:
        """Say whether the store has given this already."""
        if waiting.kind == "words":
            return waiting.utterance_id in self._words_sent
        return waiting.sequence is not None and waiting.sequence <= self.sent_sequence

    def _hold_partial(self, key: Key, frame: bytes) -> None:
        if len(self._partials) >= PARTIALS_HELD:
            self._pass_over(next(iter(self._partials)))
        self._partials[key] = frame

    def _pass_over(self, key: Key) -> None:
        self._counters.partials_passed_over += self._partials.pop(key, None) is not None


class Streams:
    """All streams of one server; used by the loop's thread alone, but for ``_wake``."""

    def __init__(self, window: Window, reads: Reads, counters: Counters, most: int) -> None:
        self._window = window
        self._reads = reads
        self._counters = counters
        self._most = most
        self._streams: set[Stream] = set()
        self._reader: Reader | None = None
        self._lost = 0
        self._latest: int | None = None
        """The utterance that was settled last, once that is known."""
        self._handed: int | None = None
        """The number that the feed gave last."""
        self._locating = asyncio.Lock()
        self._told_state: dict[str, Any] = {}
        self._told_level: tuple[int, bool] = (-1, False)
        self._ticking: asyncio.Task[None] | None = None
        self._closed = False
        self._blind = False

    @property
    def count(self) -> int:
        """How many read along."""
        return len(self._streams)

    def open(self, kinds: frozenset[str]) -> Stream:
        """Begin a stream. Raises ProblemError when there are too many."""
        if self._closed or len(self._streams) >= self._most:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE, "Too many others are reading along.", {"Retry-After": "5"}
            )
        stream = Stream(kinds, self._counters)
        self._streams.add(stream)
        self._counters.streams += 1
        self._begin()
        self._want()
        return stream

    def close(self, stream: Stream) -> None:
        """End a stream; with the last one nothing is asked of the daemon any more."""
        stream.end()
        self._streams.discard(stream)
        if not self._streams:
            self._end()
        self._want()

    def close_all(self) -> None:
        """End every stream: the server stops."""
        self._closed = True
        for stream in self._streams:
            stream.end()

    async def told(self, stream: Stream, last_sequence: int | None) -> AsyncIterator[bytes]:
        """Yield what is sent in one connection: the state, what was missed, then what happens."""
        yield f"retry: {RETRY_MS}\n\n".encode("ascii")
        # With an id, so that who comes back has something to resume after, even when nothing was said meanwhile.
        position = await self._position() if last_sequence is None else None
        if last_sequence is not None:
            last_sequence = await self._resumable(last_sequence)
        # Without descriptors it cannot be had: the tick says so, and tells it later.
        with suppress(OSError):
            state = frame_of(summary(self._window.status.status()), position)
            if last_sequence is None:
                stream.offer("state", state)
            elif stream.reads("state"):
                yield state  # what waits stays: until the store was read nobody knows what of it comes from there
        if last_sequence is not None:
            async for frames in self._missed(stream, last_sequence):
                yield frames
        if frames := stream.take():
            yield frames
        while not stream.ended:
            await stream.changed.wait()
            if frames := stream.take():
                yield frames

    async def _position(self) -> int | None:
        """Return the number of the utterance that was settled last; None where it cannot be told."""
        async with self._locating:
            if self._latest is None:
                try:
                    self._latest = await self._reads.run(self._window.feed.newest)
                except ProblemError:
                    return None
            return self._latest

    async def _resumable(self, last_sequence: int) -> int:
        """Return where to go on after this number: from the beginning, if it was never given.

        After a lost database numbers begin at 1 again: what is above all of them was given by the one before.
        """
        position = await self._position()
        if position is None or last_sequence <= position:
            return last_sequence
        try:
            # Asked for anew: what the store has given may be newer than what the feed has told.
            newest = await self._reads.run(self._window.feed.newest)
        except ProblemError:
            return last_sequence
        return last_sequence if last_sequence <= newest else 0

    async def _missed(self, stream: Stream, last_sequence: int) -> AsyncIterator[bytes]:
        """Yield what was settled after this number, and words: also its own, which come later than its text."""
        told, seen, after = 0, last_sequence, max(last_sequence - 1, 0)
        while not stream.ended:
            try:
                page = await self._reads.run(partial(self._window.feed.since, after, PAGE))
            except ProblemError:
                stream.end()  # it comes back, and asks again
                return
            if frames := b"".join(_from_store(stream, page, seen)):
                yield frames
            after = page[-1][0] if page else after
            told += len(page)
            if len(page) < PAGE:
                return
            if told >= RESUME_EVENTS:
                stream.end()

    def _begin(self) -> None:
        """Begin what does not run: also after a fault, while streams that it has ended are still held by somebody."""
        loop = asyncio.get_running_loop()
        if self._reader is None:
            self._lost = 0
            self._reader = self._window.feed.subscribe(_waker(loop, self._hand_on))
        if self._ticking is None or self._ticking.done():
            self._told_state, self._told_level = {}, (-1, False)
            self._ticking = loop.create_task(self._tick_on())
            self._ticking.add_done_callback(self._look_at_end)

    def _end(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None
        self._told_state, self._told_level = {}, (-1, False)
        self._latest = self._handed = None

    def _want(self) -> None:
        """Have partials made while somebody reads them: they cost decodes."""
        if self._reader is not None:
            self._reader.want_partials(any(stream.reads("partial") for stream in self._streams))

    def _look_at_end(self, ticking: "asyncio.Task[None]") -> None:
        """Begin anew, with clients that come back, after a fault of ours."""
        if not ticking.cancelled() and (error := ticking.exception()) is not None:
            logger.error("the event streams failed; they begin anew", exc_info=error)
            self._counters.failures += 1
            for stream in self._streams:
                stream.end()

    async def _tick_on(self) -> None:
        tick = 0
        while True:
            self._tell_what_is(with_state=tick % STATE_TICKS == 0)
            if tick % BEAT_TICKS == BEAT_TICKS - 1:
                self._send({"type": ""}, BEAT)
            self._hand_on()
            tick += 1
            await asyncio.sleep(TICK_SECONDS)

    def _tell_what_is(self, *, with_state: bool) -> None:
        """Tell the level, and the state; without descriptors (EMFILE) neither may be had, and the rest goes on."""
        try:
            self._tell_level()
            if with_state:
                self._tell_state()
        except OSError as error:
            if not self._blind:
                logger.warning("the event streams cannot tell level and state: %s; they go on without", error)
                self._counters.failures += 1
            self._blind = True
        else:
            self._blind = False

    def _tell_level(self) -> None:
        level, speech = self._window.status.level()
        if (told := (round(level), speech)) != self._told_level:
            self._told_level = told
            level_entry = {"type": "level", "level": told[0], "speech": speech}
            self._send(level_entry, frame_of(level_entry))

    def _tell_state(self) -> None:
        told = summary(self._window.status.status())
        key = {**told, "reasons": [reason["code"] for reason in told["reasons"]]}
        if self._told_state not in ({}, key):
            self._send(told, frame_of(told))
        self._told_state = key

    def _hand_on(self) -> None:
        """Send what the feed holds."""
        if self._reader is None:
            return
        for entry in self._reader.take():
            if entry["type"] == "state":
                self._tell_what_is(with_state=True)  # as it is by now, and as it is told otherwise
                continue
            sequence = entry.get("sequence")
            if sequence is not None:
                self._note(sequence)
            self._send(entry, frame_of(entry, sequence))
        if self._reader.dropped != self._lost:
            # Something is missing for everybody: they come back, and are given it from the store.
            self._lost = self._reader.dropped
            for stream in self._streams:
                stream.end()

    def _note(self, sequence: int) -> None:
        """Note the newest number; one that is not above the one before it is the first of a new database."""
        if self._handed is not None and sequence <= self._handed:
            for stream in self._streams:
                stream.begin_anew()
        self._handed = sequence
        if self._latest is not None:
            self._latest = sequence

    def _send(self, entry: Json, frame: bytes) -> None:
        about = entry.get("sequence"), _key_of(entry), entry.get("utterance_id")
        for stream in self._streams:
            if not stream.offer(str(entry["type"]), frame, *about):
                self._counters.streams_dropped += 1


def _from_store(stream: Stream, page: Sequence[tuple[int, Json]], seen: int) -> Iterator[bytes]:
    """Yield utterances after the number that was seen, and the words of all: they may have come after that was seen."""
    for number, entry in page:
        stream.sent_sequence = max(number, seen)
        if number > seen and stream.reads("utterance"):
            told = {name: value for name, value in entry.items() if name != "words"}
            yield frame_of({**told, "type": "utterance"}, number)
        if entry.get("words") and stream.reads("words"):
            stream.sent_words(entry["utterance_id"], number)
            yield frame_of(_words_entry(entry))


def _words_entry(entry: Json) -> Json:
    """Return the words of an utterance of the store as they are told when they are found."""
    told = {name: entry[name] for name in ("utterance_id", "words", "confidence")}
    return {"type": "words", "at": time.time(), **told}


def frame_of(entry: Json, sequence: int | None = None) -> bytes:
    """Return one server-sent event; one with a sequence can be resumed after."""
    head = "" if sequence is None else f"id: {sequence}\n"
    return f"{head}event: {entry['type']}\ndata: ".encode("ascii") + encoded(entry) + b"\n\n"


def _key_of(entry: Json) -> Key | None:
    """Return what the utterance is told by that an entry is about, or None."""
    session, start = entry.get("session_id"), entry.get("start_sample")
    return None if session is None or start is None else (session, start)


def _waker(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> Callable[[], None]:
    """Return what calls it soon, in the loop's thread; from any thread, and once for many calls that come together."""
    waiting = False

    def run() -> None:
        nonlocal waiting
        waiting = False
        call()

    def wake() -> None:
        nonlocal waiting
        if waiting:
            return
        waiting = True
        try:
            loop.call_soon_threadsafe(run)
        except RuntimeError:
            logger.debug("the loop has ended; there is nobody to tell")

    return wake
