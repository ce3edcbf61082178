"""Stores utterances in a state directory with the daemon's own store until it is killed; says what was committed.

    python -m tests.box.tools.write_utterances STATE FULL|NORMAL

Prints ``pending ID SEED`` after an utterance was committed with its audio (noise of that seed), and ``done ID`` after
its text was. The control, NORMAL, takes SQLite's faster setting behind the store's back.
"""

import itertools
import sys
from pathlib import Path

from tests.fakes.utterances import done, ended, noise
from voicebridge.daemon.notebook import open_notebook
from voicebridge.settings import Settings
from voicebridge.settings.schema import StoreSettings

LENGTH_SECONDS = 0.3
PIECES = 3


def main() -> None:
    state = Path(sys.argv[1])
    settings = Settings(store=StoreSettings(state_dir=state, reserve_mb=0))
    notebook = open_notebook(settings, state, "power cut")
    notebook.db.execute(f"PRAGMA synchronous={sys.argv[2]}")
    for number in itertools.count(1):
        audio = noise(LENGTH_SECONDS, number)
        utterance = ended(start=float(number), end=number + LENGTH_SECONDS, session_id=notebook.session_id)
        for piece in range(PIECES):
            part = audio[piece * len(audio) // PIECES : (piece + 1) * len(audio) // PIECES]
            notebook.shelf.spool.append(utterance.key, utterance.started_at, part)
        notebook.shelf.spool.seal(utterance.key, len(audio))
        pending = notebook.shelf.utterances.add_pending(utterance)
        print("pending", pending.utterance_id, number, flush=True)
        if number % 3:
            notebook.shelf.utterances.settle(done(pending.utterance_id, f"words of {pending.utterance_id}"))
            print("done", pending.utterance_id, flush=True)


if __name__ == "__main__":
    main()
