"""Whether the microphone hears: opened for a moment, in a process that can be ended when the sound system hangs."""

import json
import math
import signal
import subprocess
import sys
from dataclasses import dataclass

from voicebridge.daemon.checks.finding import Finding, Level, error, ok, warning
from voicebridge.domain.text import printable
from voicebridge.health.status import read_status
from voicebridge.settings import Settings, paths
from voicebridge.store.lock import holder

ANSWER_SECONDS = 30.0
"""How much longer than the listening itself it may take: the import, the opening, the first audio of an idle device."""
DIGITAL_SILENCE_DBFS = -90.0
"""Under the lowest bit of int16: no microphone that is on is so quiet."""
FAINT_DBFS = -60.0
"""Loudest moment of a room in which nobody speaks, with a gain that is right: -55 to -35 dBFS."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What came from the microphone. Levels in dBFS."""

    name: str
    samples: int
    mean_dbfs: float
    loudest_dbfs: float
    clipped_blocks: int
    lost_samples: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Why nothing could be heard; ``devices`` counts the microphones that there are."""

    devices: int
    message: str
    advice: str


def level(settings: Settings, seconds: float | None, answer_seconds: float = ANSWER_SECONDS) -> Finding:
    """Listen for so many seconds, unless the daemon does already or None says not to."""
    state = paths.state_dir(settings)
    if seconds is None:
        return ok("microphone", "not checked, as you asked")
    if running := holder(state):
        status = read_status(paths.status_paths(state))
        if status is None or status["pid"] != running.pid:
            return judge_status(str(running), "", "")
        return judge_status(str(running), status["source"], status["trouble"])
    answer = _listen(settings, seconds, answer_seconds)
    return judge(answer) if isinstance(answer, Heard) else judge_refusal(answer)


def judge(heard: Heard) -> Finding:
    """Say whether what was heard is what a microphone should give."""
    name, device = "microphone", printable(heard.name)
    found = f"{device!r} hears {heard.mean_dbfs:.0f} dBFS, at its loudest {heard.loudest_dbfs:.0f}"
    if not heard.samples:
        return error(name, f"nothing came from {device!r}", "Is it held by another program? See `held by` above.")
    if heard.loudest_dbfs <= DIGITAL_SILENCE_DBFS:
        return warning(name, f"{device!r} gives digital silence", "Is it muted or unplugged? Try `alsamixer`.")
    if heard.clipped_blocks:
        return warning(
            name, f"{found}: too loud, it was cut off", "Lower its gain (`alsamixer`), or speak farther away."
        )
    if heard.loudest_dbfs < FAINT_DBFS:
        return warning(name, f"{found}: very low", "Raise its gain (`alsamixer`), or choose another (audio.device).")
    if heard.lost_samples:
        return warning(name, f"{found}; {heard.lost_samples} samples were lost", "Is the machine overloaded?")
    return ok(name, found)


def judge_refusal(refused: Refused) -> Finding:
    """Say why nothing was heard; no microphone at all is only a warning: files and pipes need none."""
    how = Level.ERROR if refused.devices else Level.WARNING
    return Finding("microphone", how, refused.message, refused.advice)


def judge_status(holder_text: str, source: str, trouble: str) -> Finding:
    """Say how a running daemon hears; the microphone is its own, and not opened a second time."""
    found = f"not opened: {holder_text} hears" + (f" {printable(source)}" if source else "")
    if trouble:
        return warning("microphone", f"{found}: {printable(trouble)}", "See `voicebridge status`.")
    return ok("microphone", found)


def _listen(settings: Settings, seconds: float, answer_seconds: float) -> Heard | Refused:
    call = [
        sys.executable,
        "-P",
        "-m",
        "voicebridge.daemon.checks.listen",
        settings.audio.model_dump_json(),
        f"{seconds}",
    ]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and our own words
            call, capture_output=True, text=True, errors="replace", timeout=seconds + answer_seconds, check=False
        )
    except subprocess.TimeoutExpired:
        advice = "Is the sound server stuck? Restart it, or the machine."
        return Refused(1, f"the sound system did not answer within {seconds + answer_seconds:.0f} s", advice)
    if done.returncode < 0:
        found = f"the sound library ended the process ({signal.strsignal(-done.returncode)})"
        return Refused(1, found, "Look at ALSA's configuration: ~/.asoundrc, /etc/asound.conf.")
    if done.returncode != 0:
        detail = printable(done.stderr.strip().rpartition("\n")[2])
        return Refused(1, f"listening ended with status {done.returncode} ({detail})", "Please report this.")
    answer = json.loads(done.stdout.splitlines()[-1])
    return Heard(**answer["heard"]) if "heard" in answer else Refused(**answer["refused"])


def mean_dbfs(blocks_dbfs: list[float]) -> float:
    """Return the mean power of blocks of equal length, all in dBFS; -100 for none."""
    if not blocks_dbfs:
        return -100.0
    return 10 * math.log10(sum(10 ** (block / 10) for block in blocks_dbfs) / len(blocks_dbfs))
