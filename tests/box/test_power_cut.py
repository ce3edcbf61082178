"""The power is cut while utterances are being stored: nothing that was acknowledged may be missing.

Runs on this machine, on a file system of the suite's own that forgets what was not synced. The control shows that it
does: with SQLite's synchronous=NORMAL acknowledged utterances are lost.
"""

import json
import random
import select
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.box.disk import ForgetfulDisk
from tests.box.figures import Figures
from tests.box.image import ROOT

LONGEST_SECONDS = 0.6
"""Of writing, before the power is cut at a moment that nobody chose."""


def test_no_acknowledged_utterance_is_lost_when_the_power_is_cut(tmp_path: Path, figures: Figures) -> None:
    rounds = figures.times(10, 50)
    acknowledged, lost = _rounds(tmp_path, rounds, "FULL")
    told = f"{len(lost)} of {acknowledged} acknowledged steps"
    figures.note("power cut: acknowledged utterances lost", rounds, told, "0", not lost)
    assert not lost
    assert acknowledged >= 10 * rounds


def test_the_control_with_synchronous_normal_loses_some(tmp_path: Path, figures: Figures) -> None:
    rounds = figures.times(5, 10)
    acknowledged, lost = _rounds(tmp_path, rounds, "NORMAL")
    told = f"{len(lost)} of {acknowledged} acknowledged steps"
    figures.note("power cut, control with synchronous=NORMAL: lost", rounds, told, "more than 0", bool(lost))
    assert lost, "the method cannot tell the two apart"


def _rounds(folder: Path, rounds: int, synchronous: str) -> tuple[int, list[str]]:
    """Return how many steps were acknowledged, and which of them were lost."""
    chance, acknowledged, lost = random.Random(11), 0, list[str]()
    held = folder / "held"
    held.mkdir()
    for number in range(rounds):
        # Each second time some of what was not synced survives, in any order, as on a real disk.
        steps = _cut_once(folder, held, synchronous, chance, survival=0.5 if number % 2 else 0.0)
        acknowledged += len(steps)
        found = _check(held, steps)
        lost += found["lost"]
        assert found["integrity"] == "ok"
    return acknowledged, lost


def _cut_once(folder: Path, held: Path, synchronous: str, chance: random.Random, survival: float) -> list[str]:
    """Write on a disk that holds what the last cut left, kill the writer, cut the power; return what it said."""
    mountpoint, left = folder / "disk", folder / "left"
    with ForgetfulDisk(mountpoint, held) as disk:
        steps = _write_until_killed(mountpoint / "state", synchronous, chance.uniform(0.05, LONGEST_SECONDS))
        left.mkdir()
        assert disk.tell(f"cut {left} {survival} {chance.randrange(1 << 30)}") == "done"
    shutil.rmtree(held, ignore_errors=True)
    left.rename(held)
    return steps


def _write_until_killed(state: Path, synchronous: str, seconds: float) -> list[str]:
    command = [sys.executable, "-m", "tests.box.tools.write_utterances", str(state), synchronous]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        first = writer.stdout.readline()
        assert first.startswith("pending"), "the writer did not come to its first utterance"
        select.select([], [], [], seconds)
        writer.kill()
        # The last line may be torn; one without its end was not acknowledged.
        return [line.strip() for line in [first, *writer.stdout] if line.endswith("\n")]


def _check(held: Path, steps: list[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.box.tools.check_utterances", str(held / "state")]
    done = subprocess.run(command, cwd=ROOT, input="\n".join(steps), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
