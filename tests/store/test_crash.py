"""kill -9 at any moment: everything that was acknowledged is there afterwards."""

import random
import select
import subprocess
import sys
from pathlib import Path

from tests.fakes.states import state_in

KILLS = 10

CHILD = """
import sys
from pathlib import Path
from tests.fakes.states import state_in
with state_in(Path(sys.argv[1])) as state:
    state.recover()
    print("begun", flush=True)
    number = 0
    while True:
        number += 1
        utterance_id = state.add(start=3.0 * number, length=0.2)
        print("pending", utterance_id, flush=True)
        from tests.fakes.utterances import done
        state.store.settle(done(utterance_id, f"words of {utterance_id}"))
        print("done", utterance_id, flush=True)
"""


def acknowledged_until_killed(path: Path, seconds: float) -> list[str]:
    """Run the child until it was killed at a moment that nobody chose; return what it printed."""
    with subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        select.select([], [], [], seconds)
        process.kill()
        # The last line may be torn; one without its end was not acknowledged.
        return [line.strip() for line in process.stdout if line.endswith("\n")]


def test_what_was_acknowledged_survives_every_kill(tmp_path: Path) -> None:
    chance = random.Random(20)
    acknowledged: set[str] = set()
    for _ in range(KILLS):
        acknowledged.update(acknowledged_until_killed(tmp_path / "state", chance.uniform(0, 0.06)))
    with state_in(tmp_path / "state") as state:
        waiting = {pending.utterance_id for pending in state.recover().pending}
        texts = dict(state.db.conn.execute("SELECT id, text FROM utterances WHERE status = 'done'").fetchall())
        assert state.db.conn.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert len(acknowledged) > KILLS
        for line in acknowledged:
            kind, utterance_id = line.split()
            if kind == "done":
                assert texts[int(utterance_id)] == f"words of {utterance_id}"
            else:
                assert int(utterance_id) in texts or int(utterance_id) in waiting
        assert len(state.files()) == len(waiting)
