"""What is tried: engines, models, threads, arithmetic, beams and detectors that this machine can run."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from voicebridge_bench.components.results import Record

BEAMS = (1, 2, 5)
VAD_MODES = ("cascade", "silero", "webrtc")
CPU_TYPES = ("int8", "float32")
"""CTranslate2's other types for processors are one of these under another name, or slower than int8."""
GPU_TYPES = ("float16", "int8_float16")
FLOAT32_SHARE = 2.0
"""Models come as float16; in float32 they take twice the memory."""
WORK_BYTES = 400_000_000
"""Beside a model: Python, its libraries, and what a decode needs."""
MEMORY_SHARE = 0.7
"""Of what is free now, so that the daemon's other parts and the system keep theirs."""
MAX_THREADS = 8


class Load(Record):
    """What is loaded at once: an engine with its model, in one arithmetic on so many threads."""

    engine: str
    model: str
    """Name or folder; empty for sphinx."""
    device: str = "cpu"
    compute_type: str = ""
    threads: int = 0


class Candidate(Record):
    """Settings that are tried."""

    load: Load
    beam_size: int = 0
    """0 where an engine has no such thing."""
    vad_mode: str

    @property
    def title(self) -> str:
        """What people call it."""
        load = self.load
        name = Path(load.model).name if load.model else "en-us"
        if load.engine == "sphinx":
            return f"sphinx {name}, vad {self.vad_mode}"
        threads = f"{load.threads} thread{'s' if load.threads > 1 else ''}"
        return f"{name} {load.device} {load.compute_type}, {threads}, beam {self.beam_size}, vad {self.vad_mode}"


@dataclass(frozen=True, slots=True)
class Model:
    """A model on disk."""

    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Machine:
    """What limits the candidates."""

    cores: int
    free_bytes: int
    compute_types: dict[str, frozenset[str]]
    """By device: what CTranslate2 can do here."""


def candidates(
    models: Sequence[Model], machine: Machine, vad_modes: Sequence[str], *, sphinx: bool
) -> tuple[list[Candidate], list[str]]:
    """Return what is to be tried, those that load alike together, and what is left out, in sentences."""
    left_out: list[str] = []
    loads = [load for model in models for load in _loads(model, machine, left_out.append)]
    found = [
        Candidate(load=load, beam_size=beam, vad_mode=mode) for load in loads for mode in vad_modes for beam in BEAMS
    ]
    if sphinx:
        found += [Candidate(load=Load(engine="sphinx", model=""), vad_mode=mode) for mode in vad_modes]
    return found, left_out


def thread_counts(cores: int) -> list[int]:
    """Return how many threads are tried: one, what leaves the listener a core, and all."""
    return sorted({1, max(1, min(cores - 1, MAX_THREADS)), min(cores, MAX_THREADS)})


def _loads(model: Model, machine: Machine, leave_out: Callable[[str], None]) -> Iterable[Load]:
    for device, offered in machine.compute_types.items():
        for compute_type in GPU_TYPES if device == "cuda" else CPU_TYPES:
            if compute_type not in offered:
                leave_out(f"{compute_type} on {device}: not offered by this machine.")
                continue
            needed = needed_bytes(model, compute_type)
            if device == "cpu" and needed > MEMORY_SHARE * machine.free_bytes:
                leave_out(
                    f"{Path(model.name).name} in {compute_type}: it needs about {needed / 1e9:.1f} GB of memory, and "
                    f"{machine.free_bytes / 1e9:.1f} GB are free."
                )
                continue
            for threads in [1] if device == "cuda" else thread_counts(machine.cores):
                yield Load(
                    engine="whisper", model=model.name, device=device, compute_type=compute_type, threads=threads
                )


def needed_bytes(model: Model, compute_type: str) -> float:
    """Return about how much memory a model takes; its load in another arithmetic holds both for a moment."""
    return model.size_bytes * (1 + FLOAT32_SHARE * (compute_type == "float32")) + WORK_BYTES
