"""Print how a database stands to the release whose Python runs this: ``current``, ``older`` or ``newer``.

The installer asks this before it switches: an older database is changed by the first start, and that has no way back.
"""

import sqlite3
import sys
from urllib.parse import quote

from sqlite_utils import Database

from voicebridge.store.migrations import schema


def standing(path: str) -> str:
    """Return the word for the database at a path, which is only read."""
    connection = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True)
    present, empty = Database(connection, execute_plugins=False), Database(memory=True, execute_plugins=False)
    ours = {migration.name for migration in schema().pending(empty)}
    applied = {migration.name for migration in schema().applied(present)}
    if applied - ours:
        return "newer"
    return "older" if ours - applied else "current"


if __name__ == "__main__":
    print(standing(sys.argv[1]))
