"""py-spy beside a process: its stacks, and the processor time of each of its threads by the kernel's count.

py-spy is a program of its own that reads another process from outside; it is no dependency of Voicebridge (it comes
with the extra `test`), and is looked for beside the interpreter and in the path. It does not see threads in which no
Python runs, such as CTranslate2's; the kernel counts those, too.
"""

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from voicebridge.domain.errors import ExitCode, VoicebridgeError
from voicebridge_bench.profiling.stacks import Stack, read

RATE = 500
"""Samples a second."""
SPARE_SECONDS = 60.0
LAST_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Watched:
    """What was seen of a process in so many seconds."""

    seconds: float
    stacks: list[Stack]
    cpu_seconds: dict[int, float]
    """By thread id, of all threads that there were at the end."""
    python_threads: dict[int, str]
    """Names of the threads in which Python runs."""


def find_spy() -> Path:
    """Return where py-spy is. Raises VoicebridgeError where there is none."""
    beside = Path(sys.executable).with_name("py-spy")
    found = beside if beside.is_file() else Path(shutil.which("py-spy") or "")
    if not found.is_file():
        raise VoicebridgeError(
            "There is no py-spy, which looks into the running daemon.",
            f"Install it: {sys.executable} -m pip install 'py-spy>=0.4,<1'",
            exit_code=ExitCode.UNAVAILABLE,
        )
    return found


def watch(pid: int, seconds: float, scratch: Path) -> Watched:
    """Watch a process for so long. Raises VoicebridgeError when it ends meanwhile, or must not be looked into."""
    spy = find_spy()
    names = _names(spy, pid)
    before, began = _cpu(pid), time.monotonic()
    out = scratch / "stacks.txt"
    call = [str(spy), "record", "--pid", str(pid), "--threads", "--function", "--nonblocking", "--format", "raw"]
    _run([*call, "--rate", str(RATE), "--duration", str(round(seconds)), "--output", str(out)], seconds)
    after, passed = _cpu(pid), time.monotonic() - began
    cpu = {thread: used - before.get(thread, 0.0) for thread, used in after.items()}
    return Watched(passed, list(read(out.read_text(encoding="utf-8").splitlines())), cpu, names)


def _names(spy: Path, pid: int) -> dict[int, str]:
    told = json.loads(_run([str(spy), "dump", "--pid", str(pid), "--json"], 0))
    return {thread["os_thread_id"]: thread["thread_name"] or "" for thread in told if thread["os_thread_id"]}


def _cpu(pid: int) -> dict[int, float]:
    try:
        return {thread.id: thread.user_time + thread.system_time for thread in psutil.Process(pid).threads()}
    except psutil.Error as error:
        raise VoicebridgeError("The daemon ended while it was watched.") from error


def _run(call: list[str], seconds: float) -> str:
    done = subprocess.run(call, capture_output=True, text=True, timeout=seconds + SPARE_SECONDS, check=False)
    if done.returncode:
        raise VoicebridgeError(
            f"py-spy cannot look into the daemon: {done.stderr[-LAST_CHARACTERS:].strip()}",
            "As another user than root, the kernel must allow it (kernel.yama.ptrace_scope); `sudo` always may.",
            exit_code=ExitCode.UNAVAILABLE,
        )
    return done.stdout
