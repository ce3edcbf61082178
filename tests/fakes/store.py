"""A store in memory: the three ports, without a disk. Passes tests/contract/test_stores.py like the real one.

Set ``refusal`` to an error and every call raises it, as a full disk or a locked database would, until it is None again.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from voicebridge.domain.audio import Gap, Samples
from voicebridge.domain.errors import StoreError, UtteranceGoneError
from voicebridge.domain.text import letters
from voicebridge.domain.timeline import Anchor
from voicebridge.domain.utterance import (
    EndedUtterance,
    Outcome,
    PendingUtterance,
    Status,
    UtteranceKey,
    UtteranceRecord,
    Word,
    confidence_of,
)


class Refusing:
    """Something that refuses its calls while ``refusal`` is set."""

    def __init__(self) -> None:
        self.refusal: StoreError | None = None

    def _check(self) -> None:
        if self.refusal is not None:
            raise self.refusal


class MemorySpool(Refusing):
    """A spool in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.audio: dict[UtteranceKey, Samples] = {}

    def append(self, key: UtteranceKey, started_at: float, samples: Samples) -> None:
        self._check()
        before = self.audio.get(key, np.zeros(0, np.int16))
        self.audio[key] = np.concatenate([before, samples])

    def seal(self, key: UtteranceKey, samples: int) -> None:
        held = self.read(key)
        if len(held) < samples:
            raise ValueError(f"{key} holds {len(held)} samples, not {samples}")
        self.audio[key] = held[:samples]

    def discard(self, key: UtteranceKey) -> None:
        self._check()
        self.audio.pop(key, None)

    def read(self, key: UtteranceKey) -> Samples:
        self._check()
        if key not in self.audio:
            raise StoreError(f"The audio of {key} is not in the spool.")
        return self.audio[key].copy()


class MemoryStore(Refusing):
    """Utterances in memory; their audio is let go when they are done or rejected."""

    def __init__(self, spool: MemorySpool, monotonic_seconds: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.records: dict[int, UtteranceRecord] = {}
        self._ended: dict[int, EndedUtterance] = {}
        self._spool = spool
        self._monotonic_seconds = monotonic_seconds
        self._next_id = 1

    def add_pending(self, ended: EndedUtterance) -> PendingUtterance:
        self._check()
        for utterance_id, known in self._ended.items():
            if known.key == ended.key:
                return self._pending(utterance_id)
        utterance_id, self._next_id = self._next_id, self._next_id + 1
        self._ended[utterance_id] = ended
        self.records[utterance_id] = _record(utterance_id, ended)
        return self._pending(utterance_id)

    def begin_attempt(self, utterance_id: int) -> None:
        record = self._record(utterance_id)
        self.records[utterance_id] = replace(record, attempts=record.attempts + 1)

    def return_attempt(self, utterance_id: int) -> None:
        record = self._record(utterance_id)
        self.records[utterance_id] = replace(record, attempts=max(record.attempts - 1, 0))

    def settle(self, outcome: Outcome) -> UtteranceRecord:
        record = self._record(outcome.utterance_id)
        if record.status is Status.PENDING:
            record = self._settled(record, outcome)
            self.records[outcome.utterance_id] = record
        if record.status is not Status.FAILED:
            self._spool.discard(self._ended[outcome.utterance_id].key)
        return record

    def add_words(self, utterance_id: int, words: Sequence[Word]) -> bool:
        record = self._record(utterance_id)
        same = letters("".join(word.text for word in words)) == letters(record.text or "")
        if words and not record.words and record.status is not Status.PENDING and same:
            self.records[utterance_id] = record = replace(record, words=tuple(words), confidence=confidence_of(words))
        return bool(words) and record.words == tuple(words)

    def pending(self, after_id: int, limit: int) -> Sequence[PendingUtterance]:
        self._check()
        ids = [i for i, record in self.records.items() if i > after_id and record.status is Status.PENDING]
        return [self._pending(utterance_id) for utterance_id in sorted(ids)[:limit]]

    def forget(self, utterance_id: int) -> None:
        """Delete an utterance, as `voicebridge forget` does beside a running daemon."""
        del self.records[utterance_id]
        self._spool.audio.pop(self._ended.pop(utterance_id).key, None)

    def _record(self, utterance_id: int) -> UtteranceRecord:
        self._check()
        if utterance_id not in self.records:
            raise UtteranceGoneError(f"There is no utterance {utterance_id}.")
        return self.records[utterance_id]

    def _pending(self, utterance_id: int) -> PendingUtterance:
        return PendingUtterance(utterance_id, self._ended[utterance_id], self.records[utterance_id].attempts)

    def _settled(self, record: UtteranceRecord, outcome: Outcome) -> UtteranceRecord:
        spoken = outcome.speech_end_monotonic_seconds
        settled = replace(
            record,
            status=outcome.status,
            reasons=outcome.reasons,
            delay_ms=None if spoken is None else (self._monotonic_seconds() - spoken) * 1000,
        )
        transcript = outcome.transcript
        if transcript is None:
            return settled
        return replace(
            settled,
            text=transcript.text,
            language=transcript.language,
            words=transcript.words,
            confidence=transcript.confidence,
            avg_logprob=transcript.avg_logprob,
            no_speech_prob=transcript.no_speech_prob,
            compression_ratio=transcript.compression_ratio,
            engine=transcript.engine,
            model=transcript.model,
            decode_ms=transcript.decode_ms,
            window_seconds=transcript.window_seconds,
            fallback=transcript.fallback,
            kind=transcript.kind,
        )


class MemorySessionLog(Refusing):
    """The log of a session in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.gaps: list[Gap] = []
        self.events: list[tuple[str, str]] = []
        self.anchors: list[Anchor] = []

    def add_gap(self, gap: Gap) -> None:
        self._check()
        self.gaps.append(gap)

    def add_event(self, kind: str, detail: str) -> None:
        self._check()
        self.events.append((kind, detail))

    def add_anchor(self, anchor: Anchor) -> None:
        self._check()
        self.anchors.append(anchor)


def _record(utterance_id: int, ended: EndedUtterance) -> UtteranceRecord:
    return UtteranceRecord(
        utterance_id=utterance_id,
        session_id=ended.key.session_id,
        status=Status.PENDING,
        start_sample=ended.span.start,
        end_sample=ended.span.end,
        started_at=ended.started_at,
        ended_at=ended.ended_at,
        speech_ratio=ended.speech_ratio,
        end_reason=ended.reason,
        attempts=0,
        text=None,
        language=None,
        words=(),
        confidence=None,
        avg_logprob=None,
        no_speech_prob=None,
        compression_ratio=None,
        engine=None,
        model=None,
        decode_ms=None,
        delay_ms=None,
        reasons=(),
        audio_path=None,
    )
