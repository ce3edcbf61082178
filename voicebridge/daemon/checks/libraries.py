"""Whether the libraries can be loaded: each in a process of its own, so that one that crashes is a line and no more."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

from voicebridge.daemon.checks.finding import Finding, error, ok, warning
from voicebridge.settings import Settings

IMPORT_SECONDS = 60.0
"""A slow card needs 20 s for the first import of ctranslate2; PortAudio hangs while a stuck sound server does."""
_SHOWN_CHARACTERS = 200


def _always(_: Settings) -> bool:
    return True


def _never(_: Settings) -> bool:
    return False


def _with_silero(settings: Settings) -> bool:
    return settings.vad.mode != "webrtc"


def _with_webrtc(settings: Settings) -> bool:
    return settings.vad.mode != "silero"


def _with_whisper(settings: Settings) -> bool:
    return settings.engine.kind == "whisper"


def _with_sphinx(settings: Settings) -> bool:
    return settings.engine.kind == "sphinx"


@dataclass(frozen=True, slots=True)
class Library:
    """A library: ``version`` is Python that is true after the import and gives its version."""

    name: str
    module: str
    needed: Callable[[Settings], bool]
    """Whether nothing is heard without it; otherwise it is only a warning when it is missing."""
    advice: str = "Install Voicebridge again (`./install.sh`); a CPU that is too old for it says `Illegal instruction`."
    version: str = ""


LIBRARIES = (
    Library("numpy", "numpy", _always),
    Library(
        "portaudio",
        "sounddevice",
        _always,
        "Install it (`apt install libportaudio2`); if it is there, see whether the sound server answers.",
        "sounddevice.get_portaudio_version()[1].split(',')[0].removeprefix('PortAudio ')",
    ),
    Library("soxr", "soxr", _always),
    Library("av", "av", _never),
    Library("webrtcvad", "webrtcvad", _with_webrtc),
    Library("onnxruntime", "onnxruntime", _with_silero),
    Library("ctranslate2", "ctranslate2", _with_whisper),
    Library("faster-whisper", "faster_whisper", _with_whisper),
    Library("pocketsphinx", "pocketsphinx", _with_sphinx),
    Library("sqlite", "sqlite_utils", _always, version="__import__('sqlite3').sqlite_version"),
)
_CHILD = """
import importlib, sys
from importlib.metadata import PackageNotFoundError, version
module, expression = sys.argv[1:]
loaded = importlib.import_module(module)
if expression:
    found = eval(expression, {module: loaded})
else:
    try:
        found = version(module)
    except PackageNotFoundError:
        found = getattr(loaded, "__version__", "")
print("version:", found)
"""


def importable(library: Library, *, needed: bool, timeout_seconds: float = IMPORT_SECONDS) -> Finding:
    """Say whether a library can be loaded, and its version."""
    environ = os.environ | {"ORT_DISABLE_TELEMETRY": "1"}
    # -P: the working directory must not lend modules.
    call = [sys.executable, "-P", "-c", _CHILD, library.module, library.version]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and our own words
            call, env=environ, capture_output=True, text=True, errors="replace", timeout=timeout_seconds, check=False
        )
    except subprocess.TimeoutExpired:
        problem = f"could not be loaded within {timeout_seconds:g} s"
    else:
        if done.returncode == 0:
            return ok(library.name, _last_line(done.stdout).removeprefix("version:").strip() or "can be loaded")
        problem = f"cannot be loaded: {_reason(done)}"
    return (error if needed else warning)(library.name, problem, library.advice)


def _reason(done: "subprocess.CompletedProcess[str]") -> str:
    if done.returncode < 0:
        return f"it ends the process ({signal.strsignal(-done.returncode)})"
    return _last_line(done.stderr)[:_SHOWN_CHARACTERS] or f"exit status {done.returncode}"


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]
