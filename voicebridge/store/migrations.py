"""The tables, as named migrations. Each is one transaction together with the record that it was made."""

import sqlite3
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from voicebridge.domain.errors import StoreError
from voicebridge.store.database import told, transaction

if TYPE_CHECKING:
    from sqlite_utils import Database, Migrations

FIRST_TABLES = (
    # AUTOINCREMENT: spool and audio files are named by these ids, so an id must not come back after it was forgotten.
    """CREATE TABLE sessions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        started_at REAL NOT NULL, ended_at REAL,
        ending TEXT, -- 'clean', 'crashed', 'error: ...'; NULL while it runs
        version TEXT NOT NULL, host TEXT NOT NULL, boot_id TEXT NOT NULL, source TEXT NOT NULL,
        engine TEXT, model TEXT, settings_digest TEXT NOT NULL, pid INTEGER NOT NULL
    ) STRICT""",
    """CREATE TABLE anchors (
        id INTEGER PRIMARY KEY,
        session_id INTEGER NOT NULL REFERENCES sessions(id) ON DELETE CASCADE,
        sample_index INTEGER NOT NULL, monotonic_seconds REAL NOT NULL, realtime_seconds REAL NOT NULL
    ) STRICT""",
    """CREATE TABLE utterances (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        session_id INTEGER NOT NULL REFERENCES sessions(id) ON DELETE CASCADE,
        status TEXT NOT NULL CHECK (status IN ('pending', 'done', 'rejected', 'failed')),
        start_sample INTEGER NOT NULL, end_sample INTEGER NOT NULL,
        speech_start INTEGER NOT NULL, speech_end INTEGER NOT NULL, speech_ratio REAL NOT NULL,
        end_reason TEXT NOT NULL, started_at REAL NOT NULL, ended_at REAL NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0, recovered INTEGER NOT NULL DEFAULT 0,
        text TEXT, language TEXT, language_probability REAL, words TEXT, confidence REAL,
        avg_logprob REAL, no_speech_prob REAL, compression_ratio REAL, temperature REAL, encoder_passes INTEGER,
        engine TEXT, model TEXT, decode_ms REAL, delay_ms REAL, reasons TEXT, settled_at REAL,
        UNIQUE (session_id, start_sample)
    ) STRICT""",
    "CREATE INDEX utterances_by_time ON utterances (started_at, id)",
    "CREATE INDEX utterances_by_status ON utterances (status, id)",
    """CREATE TABLE gaps (
        id INTEGER PRIMARY KEY,
        session_id INTEGER NOT NULL REFERENCES sessions(id) ON DELETE CASCADE,
        start_sample INTEGER NOT NULL, end_sample INTEGER NOT NULL, reason TEXT NOT NULL, noted_at REAL NOT NULL
    ) STRICT""",
    """CREATE TABLE events (
        id INTEGER PRIMARY KEY,
        session_id INTEGER NOT NULL REFERENCES sessions(id) ON DELETE CASCADE,
        noted_at REAL NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX anchors_by_session ON anchors (session_id)",
    "CREATE INDEX gaps_by_session ON gaps (session_id)",
    "CREATE INDEX events_by_session ON events (session_id)",
    """CREATE TABLE audio (
        utterance_id INTEGER PRIMARY KEY REFERENCES utterances(id) ON DELETE CASCADE,
        path TEXT NOT NULL, -- relative to the state directory
        samples INTEGER NOT NULL,
        kept_until REAL -- NULL: for ever
    ) STRICT""",
    "CREATE INDEX audio_by_expiry ON audio (kept_until) WHERE kept_until IS NOT NULL",
    # Porter's stemmer: who looks for "light" means "lights" too. It leaves most words of other languages alone,
    # and it is applied to what is stored and to what is looked for alike.
    # External content: the index holds no copy of the text. Its tokens go with 'delete' and then 'optimize' (forget).
    """CREATE VIRTUAL TABLE utterances_fts USING fts5 (
        text, content='utterances', content_rowid='id', tokenize='porter unicode61 remove_diacritics 2'
    )""",
    """CREATE TRIGGER utterances_fts_insert AFTER INSERT ON utterances WHEN new.text IS NOT NULL BEGIN
        INSERT INTO utterances_fts (rowid, text) VALUES (new.id, new.text);
    END""",
    """CREATE TRIGGER utterances_fts_delete AFTER DELETE ON utterances WHEN old.text IS NOT NULL BEGIN
        INSERT INTO utterances_fts (utterances_fts, rowid, text) VALUES ('delete', old.id, old.text);
    END""",
    # Two triggers, because only the text decides, and either side of the change may have none.
    """CREATE TRIGGER utterances_fts_before_text BEFORE UPDATE OF text ON utterances WHEN old.text IS NOT NULL BEGIN
        INSERT INTO utterances_fts (utterances_fts, rowid, text) VALUES ('delete', old.id, old.text);
    END""",
    """CREATE TRIGGER utterances_fts_after_text AFTER UPDATE OF text ON utterances WHEN new.text IS NOT NULL BEGIN
        INSERT INTO utterances_fts (rowid, text) VALUES (new.id, new.text);
    END""",
)

CHECKPOINTS = (
    """CREATE TABLE checkpoints (
        id INTEGER PRIMARY KEY,
        session_id INTEGER NOT NULL REFERENCES sessions(id) ON DELETE CASCADE,
        at REAL NOT NULL, state TEXT NOT NULL, uptime_seconds REAL NOT NULL,
        backlog_seconds REAL NOT NULL, delay_p95_ms REAL, cpu_share REAL, rss_bytes INTEGER,
        record TEXT NOT NULL -- all of it, as JSON (voicebridge.health.checkpoint)
    ) STRICT""",
    "CREATE INDEX checkpoints_by_time ON checkpoints (at)",
    "CREATE INDEX checkpoints_by_session ON checkpoints (session_id)",
)
SETTLED = (
    # In which order utterances were settled: wall times may step back, ids are given at the endpoint. Who follows what
    # is heard and was away asks for what comes after the last number that he saw; a number never comes back.
    """CREATE TABLE settled (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        utterance_id INTEGER NOT NULL UNIQUE REFERENCES utterances(id) ON DELETE CASCADE
    ) STRICT""",
    """INSERT INTO settled (utterance_id)
        SELECT id FROM utterances WHERE status != 'pending' ORDER BY coalesce(settled_at, ended_at), id""",
    # One that is decoded again (retry) is settled again, with a new number.
    """CREATE TRIGGER settled_again AFTER UPDATE OF status ON utterances WHEN new.status != 'pending' BEGIN
        DELETE FROM settled WHERE utterance_id = new.id;
        INSERT INTO settled (utterance_id) VALUES (new.id);
    END""",
)
QUICK = (
    # How a text came about: the encoder's window, why a short one was not believed, and when it was decoded. What is
    # older was decoded at its end, with whatever window its engine had.
    "ALTER TABLE utterances ADD COLUMN window_seconds REAL",
    "ALTER TABLE utterances ADD COLUMN fallback TEXT",
    "ALTER TABLE utterances ADD COLUMN decode_kind TEXT",
)


@cache
def schema() -> "Migrations":
    """Return our migrations, in order."""
    from sqlite_utils import Migrations

    migrations = Migrations("voicebridge")

    @migrations()
    def m001_first_tables(db: "Database") -> None:
        for statement in FIRST_TABLES:
            db.execute(statement)

    @migrations()
    def m002_checkpoints(db: "Database") -> None:
        for statement in CHECKPOINTS:
            db.execute(statement)

    @migrations()
    def m003_settled(db: "Database") -> None:
        for statement in SETTLED:
            db.execute(statement)

    @migrations()
    def m004_how_it_was_decoded(db: "Database") -> None:
        for statement in QUICK:
            db.execute(statement)

    return migrations


def migrate(db: "Database", path: Path, migrations: "Migrations | None" = None) -> None:
    """Make what is missing, in order. Raises StoreError for a database from a newer version."""
    ours = schema() if migrations is None else migrations
    _refuse_newer(db, path, ours)
    while ours.pending(db):
        with transaction(db):
            # Asked again under the lock: another process may have been quicker.
            ours.apply(db, stop_before=[migration.name for migration in ours.pending(db)[1:]])


def check_current(db: "Database", path: Path) -> None:
    """Raise StoreError when the tables are not those that this version reads."""
    _refuse_newer(db, path, schema())
    if schema().pending(db):
        raise StoreError(
            f"The database {path} was made by an older version, or was never finished.",
            "Start `voicebridge run` once: it is brought up to date then.",
        )


def check_ours(connection: sqlite3.Connection, path: Path) -> None:
    """Raise StoreError when a database that need not be up to date is not ours, or from a newer version."""
    from sqlite_utils import Database

    with told(path):
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master").fetchall()}
        if not tables >= {"_sqlite_migrations", "sessions", "utterances"}:
            raise StoreError(f"{path} is no database of Voicebridge.", "Use a file that `voicebridge backup` has made.")
        _refuse_newer(Database(connection, execute_plugins=False), path, schema())


def _refuse_newer(db: "Database", path: Path, ours: "Migrations") -> None:
    unknown = {migration.name for migration in ours.applied(db)} - _names(ours)
    if unknown:
        raise StoreError(
            f"The database {path} was made by a newer version (it has {', '.join(sorted(unknown))}).",
            "Install that version or a later one, or name another place with --state-dir.",
        )


def _names(ours: "Migrations") -> set[str]:
    # The library tells names only as applied to or pending for a database; for an empty one all are pending.
    from sqlite_utils import Database

    with Database(memory=True, execute_plugins=False) as empty:
        return {migration.name for migration in ours.pending(empty)}
