"""A decode that hangs when the soak wants it: once for each order."""

import threading
from pathlib import Path
from types import ModuleType

from voicebridge_bench.soak.inside.orders import Orders
from voicebridge_bench.soak.inside.patching import after_import

ENGINES = {"voicebridge.speech.whisper": "WhisperEngine", "voicebridge.speech.sphinx": "SphinxEngine"}


def watch_for_hangs(path: str) -> None:
    """Put a look at the orders before each decode of both engines."""
    orders = Orders(Path(path))
    for module, engine in ENGINES.items():
        after_import(module, lambda found, engine=engine: _wrap(found, engine, orders))  # type: ignore[misc]


def _wrap(module: ModuleType, engine: str, orders: Orders) -> None:
    kind = getattr(module, engine)
    real = kind.decode

    def decode(*given: object, **named: object) -> object:
        if orders.hang:
            orders.hang = 0  # the next life is not to hang again
            threading.Event().wait()
        return real(*given, **named)

    kind.decode = decode
