"""The network of Silero VAD: found in the faster-whisper package, run by an ONNX session of our own."""

import os
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voicebridge.domain.errors import DetectorError

CHUNK_SAMPLES = 512
"""What the network decides on at a time: 32 ms."""
CONTEXT_SAMPLES = 64
"""What it also sees of the chunk before."""
_STATE_SHAPE = (1, 1, 128)
_INPUTS = {"input", "h", "c"}
_REINSTALL = "Install faster-whisper again (pip install --force-reinstall faster-whisper), or set vad.mode to webrtc."

FloatArray = npt.NDArray[np.float32]


def find_model(package: str = "faster_whisper") -> Path:
    """Return the newest silero_vad*.onnx among the assets of a package, without importing it.

    Raises DetectorError when there is none.
    """
    spec = find_spec(package)
    folders = (spec.submodule_search_locations or ()) if spec else ()
    files = [file for folder in folders for file in Path(folder, "assets").glob("silero_vad*.onnx")]
    if not files:
        raise DetectorError(f"The Silero voice activity model was not found in the package {package}.", _REINSTALL)
    return max(files, key=_version)


def _version(file: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", file.stem))


class SileroModel:
    """One stream through the network: its LSTM state (h and c) is carried from call to call.

    The layout of the inputs is that of faster_whisper.vad.SileroVADModel, which feeds the same file in batches.
    """

    def __init__(self, path: Path) -> None:
        """Load the network. Raises DetectorError when that fails."""
        self._session = _open_session(path)
        names = {entry.name for entry in self._session.get_inputs()}
        if names != _INPUTS:
            raise DetectorError(f"The voice activity model {path} has other inputs than we know: {names}.", _REINSTALL)
        self.reset()

    def reset(self) -> None:
        """Forget what came before."""
        self._h: FloatArray = np.zeros(_STATE_SHAPE, np.float32)
        self._c: FloatArray = np.zeros(_STATE_SHAPE, np.float32)

    def probability(self, context_and_chunk: FloatArray) -> float:
        """Return the probability (0 to 1) of speech in a chunk, shape (1, 576), samples from -1 to 1."""
        feed = {"input": context_and_chunk, "h": self._h, "c": self._c}
        output, self._h, self._c = self._session.run(None, feed)
        return float(output[0])


def _open_session(path: Path) -> Any:
    # Before the first import in the process: onnxruntime otherwise looks up a host of its maker and writes an id
    # under the home directory.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as state
    except ImportError as error:
        raise DetectorError(f"onnxruntime cannot be loaded: {error}.", "Install it again.") from error
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = 1
    options.intra_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    failures = (state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf, state.NoSuchFile)
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except failures as error:
        raise DetectorError(f"The voice activity model {path} cannot be loaded: {error}.", _REINSTALL) from error
