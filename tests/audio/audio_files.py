"""Makes audio files for tests."""

import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from voicebridge.domain.audio import Samples


def tone(samples: int, rate: int = 16_000, hertz: float = 440.0, amplitude: float = 8000.0) -> Samples:
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(samples) / rate)).astype(np.int16)


def write_wav(path: Path, audio: Samples, rate: int = 16_000, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(audio.tobytes())
    return path


def encode(path: Path, codec: str, audio: npt.NDArray[Any], rate: int, layout: str = "mono") -> Path:
    """Write a file with PyAV; the audio, shape (n,) or (n, channels), is in the codec's own sample type."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        assert isinstance(stream, av.AudioStream)
        stream.layout = layout
        wide = audio.reshape(len(audio), -1)
        step = stream.frame_size or 1024
        for start in range(0, len(wide), step):
            piece = wide[start : start + step]
            planar = stream.format.is_planar
            data = np.ascontiguousarray(piece.T) if planar else np.ascontiguousarray(piece).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(data, format=stream.format.name, layout=layout)
            frame.rate = rate
            frame.pts = start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
