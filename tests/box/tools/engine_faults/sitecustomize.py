"""Makes the speech library fail on demand: first in PYTHONPATH of the service, never in a test's own process.

What the file /run/engine-fault (or the one that ENGINE_FAULT names) says happens at each decode: ``hang``, ``wait``
(until the file is gone), ``raise`` or ``die``; nothing without the file.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

ORDERS = Path(os.environ.get("ENGINE_FAULT", "/run/engine-fault"))
TARGET = "faster_whisper.transcribe"


def misbehave() -> None:
    order = ORDERS.read_text().strip() if ORDERS.exists() else ""
    if order == "hang":
        threading.Event().wait()
    elif order == "wait":
        pause = threading.Event()
        while ORDERS.exists():
            pause.wait(0.1)
    elif order == "raise":
        raise RuntimeError("the speech library failed, as the test wants it")
    elif order == "die":
        os.kill(os.getpid(), signal.SIGKILL)


class Patch(importlib.abc.Loader):
    """Loads the module as always, and then puts the fault before its encoder."""

    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        real = module.WhisperModel.encode

        def encode(*given: object, **named: object) -> object:
            misbehave()
            return real(*given, **named)

        module.WhisperModel.encode = encode


class Finder(importlib.abc.MetaPathFinder):
    """Finds the one module, once."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != TARGET:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = Patch(spec.loader)
        return spec


sys.meta_path.insert(0, Finder())
