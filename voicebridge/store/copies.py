"""Copies of what was heard that lie in the state directory itself: backups, and what was set aside."""

import shutil
from pathlib import Path

from voicebridge.settings.paths import audio_dir, backups_dir, database_path, spool_dir
from voicebridge.store.backup import backups_in
from voicebridge.store.database import told
from voicebridge.store.restore import WORD as REPLACED
from voicebridge.store.set_aside import WORD as CORRUPT
from voicebridge.store.set_aside import delete_with_log, moved_away


def copies(state_dir: Path) -> list[Path]:
    """List files and directories that may hold what was forgotten since they were made. Raises StoreError."""
    database = database_path(state_dir)
    return [
        *backups_in(backups_dir(state_dir)),
        *moved_away(database, CORRUPT),
        *(
            path
            for name in (database, spool_dir(state_dir), audio_dir(state_dir))
            for path in moved_away(name, REPLACED)
        ),
    ]


def delete_copies(paths: list[Path]) -> None:
    """Delete copies whole. Raises StoreError."""
    for path in paths:
        with told(path):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                delete_with_log(path)
