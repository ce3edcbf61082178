"""Checkpoints as a series: those of a time, thinned, whole or some fields of each; read one at a time."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from voicebridge.store.checkpoints import MAX_RECORDS
from voicebridge.store.database import told

if TYPE_CHECKING:
    from sqlite_utils import Database

TIME = "at"
_BETWEEN = "FROM checkpoints WHERE at >= :since AND at < :until"


@dataclass(frozen=True, slots=True)
class Series:
    """Which checkpoints: times in seconds since the epoch, at most so many, and what of each."""

    since: float
    until: float
    limit: int
    fields: tuple[str, ...] = ()
    """Names, with dots into objects (``memory.rss_bytes``); empty for whole records."""


def count(db: "Database", series: Series) -> int:
    """Return how many there are in this time, whatever the limit. Raises StoreError."""
    with told(db):
        total: int = db.conn.execute(
            f"SELECT count(*) {_BETWEEN}", {"since": series.since, "until": series.until}
        ).fetchone()[0]
        return total


def records(db: "Database", series: Series) -> Iterator[dict[str, Any]]:
    """Yield the records, oldest first; of more than the limit evenly spread ones, the newest among them.

    With fields a record has those alone, null where it has none, and its time. Raises StoreError, also later.
    """
    limit = max(1, min(series.limit, MAX_RECORDS))
    step = max(1, -(-count(db, series) // limit))
    names = (*series.fields, TIME) if series.fields else ()
    # SQLite takes a record apart without the interpreter, which the listener needs. Several paths give one array, in
    # which true and null are what they were.
    wanted = f"json_extract(record, {', '.join(f':path{n}' for n in range(len(names)))})" if names else "record"
    values = {"since": series.since, "until": series.until, "step": step}
    sql = f"""SELECT {wanted} FROM checkpoints WHERE id IN (
            SELECT id FROM (SELECT id, row_number() OVER (ORDER BY at DESC, id DESC) - 1 AS back {_BETWEEN})
            WHERE back % :step = 0
        ) ORDER BY at, id"""  # noqa: S608 - our own names; what was asked for is a value
    with told(db):
        for (text,) in db.conn.execute(sql, values | {f"path{n}": _path(name) for n, name in enumerate(names)}):
            found = json.loads(text)
            yield _shaped(names, found) if names else found


def _path(name: str) -> str:
    return "$" + "".join(f'."{part}"' for part in name.split("."))


def _shaped(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    """Return a record of these values, each in its place."""
    record: dict[str, Any] = {}
    # The outer ones first: what is asked for inside of one is there already.
    for name, value in sorted(zip(names, values, strict=True), key=lambda pair: pair[0].count(".")):
        *outer, last = name.split(".")
        place: Any = record
        for part in outer:
            place = place.setdefault(part, {}) if isinstance(place, dict) else None
        if isinstance(place, dict):
            place[last] = value
    return record
