"""What an earlier process left behind, put in order at the start by the holder of the state directory."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from voicebridge.domain.audio import Span
from voicebridge.domain.units import ms_to_samples, samples_to_seconds
from voicebridge.domain.utterance import EndedUtterance, EndReason, PendingUtterance, Status, UtteranceKey
from voicebridge.store.database import told, transaction
from voicebridge.store.retention import KeptAudio
from voicebridge.store.rows import columns_of_ended, pending_of
from voicebridge.store.sessions import CRASHED, close_crashed
from voicebridge.store.spool import DirectorySpool, SpoolEntry
from voicebridge.store.utterances import insert, update

if TYPE_CHECKING:
    from sqlite_utils import Database

SHORTEST_SAMPLES = ms_to_samples(100)
"""Less than this of an interrupted utterance is no word: `endpoint.min_speech_ms` is as much by default."""

MAX_WORDLESS = 64
"""Newest utterances of a session among which those without words are looked for. Words follow their text within a
decode's time, and the store writer takes both in order: so many are never lost. Where not one has any, nobody wanted
any."""
MAX_NAMED = 10
"""Ids that are named in the sentence about a recovery."""


@dataclass(slots=True)
class Recovery:
    """What was found and what became of it."""

    pending: list[PendingUtterance] = field(default_factory=list)
    """Everything that waits for its decode, lowest id first."""
    crashed_sessions: int = 0
    interrupted: int = 0
    """Utterances that were open, or sealed but not committed, when the process died; now pending."""
    too_short: int = 0
    failed: list[int] = field(default_factory=list)
    """Ids of utterances that are set aside now: too many attempts, or their audio is gone."""
    settled_leftovers: int = 0
    """Audio that should have been deleted when its utterance was settled."""
    without_words: int = 0
    """Utterances of a session without an end whose text was committed and whose words, which follow it, were not: the
    newest of it, after the last one with words. Their audio is gone with the text, so that nobody can find them any
    more. Those that an earlier session had heard are not counted."""
    unreadable: int = 0
    """Files in the spool that are not ours; renamed to `*.unreadable` and left there."""
    unreachable: int = 0
    """Files in the spool that the disk or its permissions refuse; they are left and looked at again every hour."""
    set_aside: str = ""
    """Where a damaged database was set aside, and why; the spool was recovered into a new one."""
    unchecked: str = ""
    """What could not be checked after an unclean end."""

    def __str__(self) -> str:
        """Say what a person should know of it; nothing when all was in order."""
        named = ", ".join(str(number) for number in self.failed[:MAX_NAMED])
        found = {
            "sessions without an end": (self.crashed_sessions, ""),
            "utterances that were interrupted, pending as far as they were heard": (self.interrupted, ""),
            "utterances whose words were not stored yet": (self.without_words, ""),
            "utterances set aside as failed": (len(self.failed), f" (ids {named})"),
            "unreadable files in the spool, renamed to *.unreadable": (self.unreadable, ""),
            "files in the spool that cannot be read for now": (self.unreachable, ""),
        }
        counted = (f"{what}: {count}{more}" for what, (count, more) in found.items() if count)
        return "; ".join(filter(None, (self.set_aside, self.unchecked, *counted)))


def recover(db: "Database", spool: DirectorySpool, kept: KeptAudio, max_attempts: int, now: float) -> Recovery:
    """Close crashed sessions and make everything in the spool pending, settled or failed. Raises StoreError.

    To be called by the holder of the lock, before it begins its own session. An utterance whose end nobody saw ends
    where its audio ends; all of it counts as speech (ratio 1.0), since the detector's word on it is lost and the
    quality gate must not reject it for that. A repetition finds nothing left to do.
    """
    found = Recovery()
    unwanted: list[UtteranceKey] = []
    # Moved away first: a name that a new utterance may want must not be in its way.
    entries = [entry for entry in spool.entries() if _is_readable(spool, entry, found)]
    found.unreachable = sum(not entry.reachable for entry in entries)
    _keep_names_free(db, kept)
    found.without_words = _without_words(db)
    with transaction(db):
        found.crashed_sessions = close_crashed(db)
        for entry in entries:
            if entry.reachable:
                _place(db, entry, now, found, unwanted)
        # What cannot be reached may be long enough.
        sizes = {entry.key: entry.samples if entry.reachable else SHORTEST_SAMPLES for entry in entries}
        _set_aside(db, sizes, max_attempts, now, found)
        db.conn.execute("UPDATE utterances SET recovered = 1 WHERE status = 'pending' AND recovered = 0")
    for key in unwanted:
        spool.discard(key)
    _delete_unrecorded(db, kept, found)
    found.pending = [pending_of(row) for row in _pending_rows(db)]
    return found


def _without_words(db: "Database") -> int:
    """Count what a kill between a text and its words has cost the sessions that nobody closed."""
    with told(db):
        sessions = db.conn.execute("SELECT id FROM sessions WHERE ending IS NULL").fetchall()
        return sum(_wordless(db, session_id) for (session_id,) in sessions)


def _wordless(db: "Database", session_id: int) -> int:
    newest = db.conn.execute(
        "SELECT words FROM utterances WHERE session_id = ? AND engine = 'whisper' AND text <> '' "
        "ORDER BY start_sample DESC LIMIT ?",
        (session_id, MAX_WORDLESS),
    ).fetchall()
    empty = [words in (None, "[]") for (words,) in newest]
    return 0 if all(empty) else empty.index(False)


def _is_readable(spool: DirectorySpool, entry: SpoolEntry, found: Recovery) -> bool:
    if not entry.readable:
        found.unreadable += 1
        spool.set_aside(entry.key)
    return entry.readable


def _place(db: "Database", entry: SpoolEntry, now: float, found: Recovery, unwanted: list[UtteranceKey]) -> None:
    """Decide what becomes of one file in the spool."""
    row = db.conn.execute(
        "SELECT status FROM utterances WHERE session_id = ? AND start_sample = ?",
        (entry.key.session_id, entry.key.start_sample),
    ).fetchone()
    if row is None and entry.samples < SHORTEST_SAMPLES:
        found.too_short += 1
        unwanted.append(entry.key)
    elif row is None:
        found.interrupted += 1
        ensure_session(db, entry)
        insert(db, columns_of_ended(ended_where_its_audio_ends(entry, now)))
    elif row[0] in (Status.DONE, Status.REJECTED):
        found.settled_leftovers += 1
        unwanted.append(entry.key)


def ended_where_its_audio_ends(entry: SpoolEntry, now: float) -> EndedUtterance:
    """Return the utterance of a file whose end nobody saw: all of it is speech (see ``recover``)."""
    span = Span(entry.key.start_sample, entry.key.start_sample + entry.samples)
    return EndedUtterance(
        key=entry.key,
        span=span,
        speech=span,
        speech_ratio=1.0,
        reason=EndReason.INTERRUPTED,
        started_at=entry.started_at,
        # A file may have been heard faster than it was spoken: its end does not lie in the future for that.
        ended_at=min(entry.started_at + samples_to_seconds(entry.samples), max(entry.started_at, now)),
    )


def ensure_session(db: "Database", entry: SpoolEntry) -> None:
    """Give audio a session whose database was lost or moved away; its id is not used again after that."""
    db.conn.execute(
        """INSERT INTO sessions (id, started_at, ended_at, ending, version, host, boot_id, source, settings_digest, pid)
        VALUES (?, ?, ?, ?, 'unknown', 'unknown', '', 'unknown', '', 0) ON CONFLICT DO NOTHING""",
        (entry.key.session_id, entry.started_at, entry.started_at, CRASHED),
    )


def _set_aside(db: "Database", sizes: dict[UtteranceKey, int], max_attempts: int, now: float, found: Recovery) -> None:
    """Fail the pending utterances that cannot be decoded, or whose decode ended the process too often."""
    for row in list(_pending_rows(db)):
        reason = None
        if not sizes.get(UtteranceKey(row["session_id"], row["start_sample"])):
            reason = "its audio is missing from the spool"
        elif row["attempts"] >= max_attempts:
            reason = f"{row['attempts']} decodes of it did not come back"
        if reason:
            columns = {"status": Status.FAILED.value, "reasons": json.dumps([reason]), "settled_at": now}
            update(db, row["id"], columns)
            found.failed.append(row["id"])


def _delete_unrecorded(db: "Database", kept: KeptAudio, found: Recovery) -> None:
    """Delete kept audio that was written for a commit which then did not happen."""
    with told(db):
        unsettled = db.conn.execute(
            "SELECT id FROM utterances WHERE status IN (?, ?) AND id NOT IN (SELECT utterance_id FROM audio)",
            (Status.PENDING.value, Status.FAILED.value),
        ).fetchall()
    for (utterance_id,) in unsettled:
        found.settled_leftovers += kept.delete(kept.name_of(utterance_id))


def _keep_names_free(db: "Database", kept: KeptAudio) -> None:
    """Give no new utterance an id under which there is audio already.

    That happens when the database was lost or moved away. The audio may be all that is left of it, so it stays.
    """
    newest = max((utterance_id for utterance_id, _ in kept.files()), default=0)
    with transaction(db):
        db.conn.execute(
            "INSERT INTO sqlite_sequence (name, seq) SELECT 'utterances', 0 "
            "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'utterances')"
        )
        db.conn.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'utterances'", (newest,))


def _pending_rows(db: "Database") -> Iterator[dict[str, Any]]:
    with told(db):
        yield from db.query("SELECT * FROM utterances WHERE status = 'pending' ORDER BY id")
