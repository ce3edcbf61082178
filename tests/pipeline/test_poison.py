"""An utterance whose decode kills the process: real processes that die in it, on a real store."""

import subprocess
import sys
from pathlib import Path

from tests.fakes.states import state_in
from voicebridge.domain.utterance import Status

DEATHS = 3

CHILD = """
import os, signal, sys
from pathlib import Path
from tests.fakes.engine import FakeEngine
from tests.fakes.states import state_in
from tests.fakes.store import MemorySessionLog
from voicebridge.audio.ring import Ring
from voicebridge.pipeline.events import EventStream
from voicebridge.pipeline.recorder import Shelf
from voicebridge.pipeline.session_clock import SessionClock
from voicebridge.pipeline.store_writer import StoreWriter
from voicebridge.pipeline.transcriber import Desk, Rules, Transcriber
from voicebridge.settings import EngineSettings, GateSettings

class Deadly(FakeEngine):
    def decode(self, audio, start_sample):
        if start_sample == 16_000:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().decode(audio, start_sample)

with state_in(Path(sys.argv[1])) as state:
    ring, events = Ring(64_000), EventStream()
    writer = StoreWriter(events, 1_000_000)
    shelf = Shelf(state.spool, state.store, MemorySessionLog())
    desk = Desk(state.session_id, ring, shelf, writer, SessionClock(ring, True, 60.0))
    transcriber = Transcriber(Deadly(), desk, Rules(EngineSettings(), GateSettings()), events)
    for pending in state.recover().pending:
        transcriber.offer(pending)
    writer.start()
    transcriber.start()
    assert transcriber.wait_until_idle(30)
    transcriber.stop()
    assert transcriber.join(30)
    writer.stop()
    assert writer.join(30)
"""


def lived(path: Path) -> bool:
    """Run the child to its end; say whether it came there."""
    done = subprocess.run([sys.executable, "-c", CHILD, str(path)], capture_output=True, timeout=60, check=False)
    assert done.returncode in (0, -9), done.stderr.decode()
    return done.returncode == 0


def test_an_utterance_that_killed_three_processes_is_set_aside_with_its_audio_and_the_next_is_decoded(
    tmp_path: Path,
) -> None:
    with state_in(tmp_path) as state:
        poison, good = state.add(start=1.0), state.add(start=5.0)
    assert [lived(tmp_path) for _ in range(DEATHS + 1)] == [False] * DEATHS + [True]
    with state_in(tmp_path) as state:
        rows = state.db.conn.execute("SELECT id, status, attempts, text FROM utterances ORDER BY id").fetchall()
        assert rows == [
            (poison, Status.FAILED, DEATHS, None),
            (good, Status.DONE, 1, "turn on the lights"),
        ]
        assert len(state.files()) == 1
