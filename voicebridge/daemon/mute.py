"""Mute: samples are zeroed before the ring, until somebody says otherwise."""

import json
import os
import time
from pathlib import Path
from typing import Protocol

from voicebridge.domain.errors import StoreError
from voicebridge.domain.events import MuteChanged
from voicebridge.domain.ports import EventSink

FILE_MODE = 0o600
KEPT = "its state directory (mute --keep)"
"""Who muted it when the file of an earlier `mute --keep` did."""


class Switch(Protocol):
    """What really mutes (voicebridge.audio.mute)."""

    muted: bool


class Mute:
    """Switches, keeps the switch over a restart if asked, and announces. One thread at a time may call it."""

    def __init__(self, switch: Switch, path: Path, events: EventSink) -> None:
        self._switch = switch
        self._path = path
        self._events = events

    @property
    def muted(self) -> bool:
        """True while samples are zeroed; may be asked from any thread."""
        return self._switch.muted

    @property
    def kept(self) -> bool:
        """True when a daemon that is started here is muted from its first sample on."""
        return self._path.exists()

    def restore(self) -> None:
        """Mute if a file says so; to be called before the first sample."""
        # That it is there decides: a file that cannot be read must not open a microphone.
        if os.path.lexists(self._path):
            self._set(muted=True, by=KEPT)

    def mute(self, by: str, *, keep: bool = False) -> None:
        """Zero samples from now on. Raises StoreError when that cannot be kept for the next start; muted it is."""
        self._set(muted=True, by=by)
        if not keep:
            return
        try:
            _write_durably(self._path, json.dumps({"by": by, "at": time.time()}))
        except OSError as error:
            raise StoreError(
                f"Muted, but not after a restart: {self._path} cannot be written ({error.strerror}).",
                "Put the disk right, then try again.",
            ) from error

    def unmute(self, by: str) -> None:
        """Let samples through again. Raises StoreError when the next start would be muted all the same."""
        self._set(muted=False, by=by)
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(
                f"Not muted now, but again after a restart: {self._path} cannot be deleted ({error.strerror}).",
                "Put the disk right, then try again.",
            ) from error

    def _set(self, *, muted: bool, by: str) -> None:
        changed = self._switch.muted != muted
        self._switch.muted = muted
        if changed:
            self._events.publish(MuteChanged(muted, by))


def _write_durably(path: Path, text: str) -> None:
    """Replace a file in one step that a power cut cannot undo."""
    partial = path.with_suffix(".tmp")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
