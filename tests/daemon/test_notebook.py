import os
import platform
from pathlib import Path

import pytest

from tests.daemon.hearing import SETTINGS, rows
from tests.fakes.states import state_in
from voicebridge import __version__
from voicebridge.daemon.notebook import open_notebook
from voicebridge.domain.errors import StoreError
from voicebridge.domain.timeline import Anchor
from voicebridge.settings.layers import digest
from voicebridge.settings.paths import database_path
from voicebridge.store.lock import boot_id


def test_opening_begins_a_session_that_says_what_runs_where(tmp_path: Path) -> None:
    notebook = open_notebook(SETTINGS, tmp_path, "a microphone")
    try:
        found = rows(tmp_path, "SELECT id, version, host, boot_id, source, settings_digest, pid, ending FROM sessions")
    finally:
        notebook.close("clean")
    expected = (__version__, platform.node(), boot_id(), "a microphone", digest(SETTINGS), os.getpid(), None)
    assert found == [(notebook.session_id, *expected)]


def test_closing_commits_the_ending(tmp_path: Path) -> None:
    notebook = open_notebook(SETTINGS, tmp_path, "a microphone")
    notebook.note_engine("whisper", "base.en")
    notebook.close("error: it was pulled")
    found = rows(tmp_path, "SELECT engine, model, ending, ended_at >= started_at FROM sessions")
    assert found == [("whisper", "base.en", "error: it was pulled", 1)]


def test_opening_tells_what_was_left_behind(tmp_path: Path) -> None:
    with state_in(tmp_path) as crashed:
        utterance_id = crashed.add()
    notebook = open_notebook(SETTINGS, tmp_path, "a microphone")
    notebook.close("clean")
    assert [pending.utterance_id for pending in notebook.recovery.pending] == [utterance_id]
    assert notebook.recovery.crashed_sessions == 1


def test_a_store_that_cannot_be_used_is_closed_again(tmp_path: Path) -> None:
    with state_in(tmp_path):
        pass
    (tmp_path / "spool").rmdir()
    (tmp_path / "spool").write_text("no directory")
    with pytest.raises(StoreError):
        open_notebook(SETTINGS, tmp_path, "a microphone")
    database_path(tmp_path).rename(tmp_path / "moved.db")  # an open one would complain at the end of the test
    assert not database_path(tmp_path).exists()


def test_purging_deletes_nothing_that_is_to_be_kept(tmp_path: Path) -> None:
    notebook = open_notebook(SETTINGS, tmp_path, "a microphone")
    assert notebook.purge() == 0
    notebook.close("clean")


def test_purging_thins_out_what_gathers(tmp_path: Path) -> None:
    notebook = open_notebook(SETTINGS, tmp_path, "a microphone")
    for second in range(3):
        notebook.shelf.log.add_anchor(Anchor(16_000 * second, second, 1_000_000.0 + second))
    notebook.purge()
    notebook.close("clean")
    assert rows(tmp_path, "SELECT sample_index FROM anchors") == [(0,)]
