"""Opens a state directory as the daemon does at its start, and tells as JSON which acknowledged utterances are lost.

python -m tests.box.tools.check_utterances STATE        the lines of write_utterances on standard input
"""

import json
import sys
from pathlib import Path

import numpy as np

from tests.box.tools.write_utterances import LENGTH_SECONDS
from tests.fakes.utterances import noise
from voicebridge.daemon.notebook import Notebook, open_notebook
from voicebridge.settings import Settings
from voicebridge.settings.schema import StoreSettings


def lost(notebook: Notebook, lines: list[str]) -> list[str]:
    waiting = {pending.utterance_id: pending for pending in notebook.recovery.pending}
    texts = {row["id"]: row["text"] for row in notebook.db.query("SELECT id, text FROM utterances")}
    missing: list[str] = []
    for line in lines:
        kind, number, *seed = line.split()
        utterance_id, text = int(number), texts.get(int(number))
        if text == f"words of {utterance_id}":
            continue
        if kind == "done" or utterance_id not in waiting:
            missing.append(line)
        else:
            audio = notebook.shelf.spool.read(waiting[utterance_id].ended.key)
            if not np.array_equal(audio, noise(LENGTH_SECONDS, int(seed[0]))):
                missing.append(f"{line}: other audio")
    return missing


def main() -> None:
    state, lines = Path(sys.argv[1]), sys.stdin.read().splitlines()
    notebook = open_notebook(Settings(store=StoreSettings(state_dir=state, reserve_mb=0)), state, "check")
    integrity = next(iter(notebook.db.query("PRAGMA integrity_check")))["integrity_check"]
    print(json.dumps({"lost": lost(notebook, lines), "integrity": integrity}))
    notebook.close("clean")


if __name__ == "__main__":
    main()
