"""What is heard, committed: pending with its audio first, settled after its decode."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from voicebridge.domain.errors import UtteranceGoneError
from voicebridge.domain.text import letters
from voicebridge.domain.utterance import (
    EndedUtterance,
    Outcome,
    PendingUtterance,
    Status,
    UtteranceKey,
    UtteranceRecord,
    Word,
)
from voicebridge.store.database import told, transaction
from voicebridge.store.retention import KeptAudio
from voicebridge.store.rows import (
    RECORD_SQL,
    columns_of_ended,
    columns_of_outcome,
    columns_of_words,
    pending_of,
    record_of,
)
from voicebridge.store.spool import DirectorySpool

if TYPE_CHECKING:
    from sqlite_utils import Database


class SqliteStore:
    """The utterances in a database. One thread; every call is durable when it returns and bears repetition.

    Raises StoreError, and UtteranceGoneError for an id that is not there (any more).
    """

    def __init__(
        self,
        db: "Database",
        spool: DirectorySpool,
        kept: KeptAudio,
        monotonic_seconds: Callable[[], float] = time.monotonic,
        realtime_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._db = db
        self._spool = spool
        self._kept = kept
        self._monotonic_seconds = monotonic_seconds
        self._realtime_seconds = realtime_seconds

    def add_pending(self, ended: EndedUtterance) -> PendingUtterance:
        """Commit an utterance whose audio is sealed in the spool."""
        with transaction(self._db):
            insert(self._db, columns_of_ended(ended))
        row = self._rows("WHERE session_id = ? AND start_sample = ?", ended.key.session_id, ended.span.start)[0]
        return pending_of(row)

    def begin_attempt(self, utterance_id: int) -> None:
        """Count a decode that is about to begin; one that kills the process stays counted."""
        self._change_attempts(utterance_id, +1)

    def return_attempt(self, utterance_id: int) -> None:
        """Take back the count of a decode that an orderly stop cut short."""
        self._change_attempts(utterance_id, -1)

    def settle(self, outcome: Outcome) -> UtteranceRecord:
        """Commit how a decode ended, then let go of the audio, or keep it, as retention says.

        A settled utterance is left as it is. The audio of a failed one stays in the spool.
        """
        before = self._record(outcome.utterance_id)
        key = UtteranceKey(before.session_id, before.start_sample)
        if before.status is Status.PENDING:
            self._commit(outcome, key)
        settled = self._record(outcome.utterance_id)
        if settled.status is not Status.FAILED:
            # Also after a repetition: the first try may have died between its commit and this.
            self._spool.discard(key)
        return settled

    def add_words(self, utterance_id: int, words: Sequence[Word]) -> bool:
        """Commit the words of a settled utterance that has none, and the confidence that is their mean.

        Returns whether it has these words now. Nothing happens where they are not the words of its text: it was decoded
        anew meanwhile.
        """
        record = self._record(utterance_id)
        if not words or record.words or record.status is Status.PENDING:
            return bool(words) and record.words == tuple(words)  # a repetition, perhaps
        if letters("".join(word.text for word in words)) != letters(record.text or ""):
            return False
        with transaction(self._db):
            # The text once more, under the lock: `voicebridge retry` may come between.
            written = self._db.conn.execute(
                "UPDATE utterances SET words = :words, confidence = :confidence WHERE id = :id AND text = :text",
                {**columns_of_words(words), "id": utterance_id, "text": record.text},
            )
        return written.rowcount > 0

    def pending(self, after_id: int, limit: int) -> Sequence[PendingUtterance]:
        """Return pending utterances with a higher id, lowest first."""
        rows = self._rows("WHERE status = 'pending' AND id > ? ORDER BY id LIMIT ?", after_id, limit)
        return [pending_of(row) for row in rows]

    def _commit(self, outcome: Outcome, key: UtteranceKey) -> None:
        audio: tuple[str, int] | None = None
        if self._kept.retention.keeps and outcome.status is not Status.FAILED:
            samples = self._spool.read(key)
            audio = (self._kept.write(outcome.utterance_id, samples), len(samples))
        try:
            with transaction(self._db):
                self._write(outcome, audio)
        except UtteranceGoneError:
            # It was forgotten while its audio was being kept.
            if audio is not None:
                self._kept.delete(audio[0])
            raise

    def _write(self, outcome: Outcome, audio: tuple[str, int] | None) -> None:
        now = self._realtime_seconds()
        columns = columns_of_outcome(outcome) | {"settled_at": now}
        if outcome.speech_end_monotonic_seconds is not None:
            columns["delay_ms"] = (self._monotonic_seconds() - outcome.speech_end_monotonic_seconds) * 1000
        if not update(self._db, outcome.utterance_id, columns):
            raise gone(outcome.utterance_id)
        if audio is not None:
            self._db.conn.execute(
                "INSERT OR REPLACE INTO audio (utterance_id, path, samples, kept_until) VALUES (?, ?, ?, ?)",
                (outcome.utterance_id, *audio, self._kept.retention.kept_until(now)),
            )

    def _change_attempts(self, utterance_id: int, by: int) -> None:
        with transaction(self._db):
            changed = self._db.conn.execute(
                "UPDATE utterances SET attempts = max(attempts + ?, 0) WHERE id = ?", (by, utterance_id)
            )
            if changed.rowcount == 0:
                raise gone(utterance_id)

    def _record(self, utterance_id: int) -> UtteranceRecord:
        with told(self._db):
            rows = list(self._db.query(f"{RECORD_SQL} WHERE id = ?", [utterance_id]))
        if not rows:
            raise gone(utterance_id)
        return record_of(rows[0])

    def _rows(self, condition: str, *values: Any) -> list[dict[str, Any]]:
        with told(self._db):
            # The condition is one of the constants above.
            return list(self._db.query(f"SELECT * FROM utterances {condition}", values))  # noqa: S608


def gone(utterance_id: int) -> UtteranceGoneError:
    """Return the error for an utterance that is not in the database."""
    return UtteranceGoneError(f"There is no utterance {utterance_id} (any more).", "It may have been forgotten.")


def insert(db: "Database", columns: dict[str, Any]) -> None:
    """Insert an utterance inside a transaction, unless its session has one with that start already."""
    names = ", ".join(columns)
    places = ", ".join(f":{name}" for name in columns)
    db.conn.execute(
        f"INSERT INTO utterances ({names}) VALUES ({places}) ON CONFLICT (session_id, start_sample) DO NOTHING",  # noqa: S608 - names of our columns
        columns,
    )


def update(db: "Database", utterance_id: int, columns: dict[str, Any]) -> bool:
    """Set columns of an utterance inside a transaction; False when it is not there."""
    places = ", ".join(f"{name} = :{name}" for name in columns)
    sql = f"UPDATE utterances SET {places} WHERE id = :id"  # noqa: S608 - names of our columns
    return db.conn.execute(sql, columns | {"id": utterance_id}).rowcount > 0
