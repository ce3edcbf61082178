"""Raw PCM: what bytes mean, and the WAV header that says so."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from voicebridge.audio.resample import Block
from voicebridge.domain.errors import AudioError

SampleFormat: TypeAlias = Literal["u8", "s16le", "s24le", "s32le", "f32le", "f64le"]

_DTYPES: dict[SampleFormat, str] = {
    "u8": "u1",
    "s16le": "<i2",
    "s24le": "<i4",
    "s32le": "<i4",
    "f32le": "<f4",
    "f64le": "<f8",
}
_BYTES: dict[SampleFormat, int] = {"u8": 1, "s16le": 2, "s24le": 3, "s32le": 4, "f32le": 4, "f64le": 8}
_WAV_FORMATS: dict[tuple[int, int], SampleFormat] = {
    (1, 8): "u8",
    (1, 16): "s16le",
    (1, 24): "s24le",
    (1, 32): "s32le",
    (3, 32): "f32le",
    (3, 64): "f64le",
}
"""(format tag, bits) of the ``fmt`` chunk; tag 1 is integer PCM, 3 IEEE float."""
_EXTENSIBLE = 0xFFFE
"""Format tag that says: the real one is in the first two bytes of the sub-format at offset 24."""
UNKNOWN_SIZE_FROM = 0x7FFF0000
"""Data sizes from here on, and 0, are what programs write into a pipe (0xFFFFFFFF ffmpeg, 0x7FFFFFFF less a header
sox, 0x80000000 arecord): the stream lasts until it ends."""
_MAX_CHUNK_BYTES = 1 << 20
"""Longest chunk before the audio that is read over."""


@dataclass(frozen=True, slots=True)
class PcmFormat:
    """How samples stand in a stream of bytes, channels interleaved."""

    rate: int = 16_000
    channels: int = 1
    sample_format: SampleFormat = "s16le"

    @property
    def dtype(self) -> str:
        """Numpy's name of the decoded samples; 24 bits are widened to 32."""
        return _DTYPES[self.sample_format]

    @property
    def step_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return _BYTES[self.sample_format] * self.channels

    def decode(self, data: bytes) -> Block:
        """Return the samples, shape (n, channels); the bytes must be whole steps."""
        if self.sample_format == "s24le":
            wide = np.zeros((len(data) // 3, 4), dtype=np.uint8)
            wide[:, 1:] = np.frombuffer(data, dtype=np.uint8).reshape(-1, 3)
            return wide.view("<i4").reshape(-1, self.channels)
        return np.frombuffer(data, dtype=self.dtype).reshape(-1, self.channels)


@dataclass(frozen=True, slots=True)
class WavHeader:
    """What stands before a WAV's audio; ``data_bytes`` is None when the writer did not know it."""

    pcm: PcmFormat
    data_bytes: int | None


def read_wav_header(read_exactly: Callable[[int], bytes]) -> WavHeader:
    """Read a WAV up to its first sample, after the magic four bytes; raises AudioError when it is none.

    ``read_exactly`` returns as many bytes as asked for, fewer only at the end.
    """
    if read_exactly(8)[4:] != b"WAVE":
        raise _broken("it begins like a RIFF file but holds no WAVE")
    pcm: PcmFormat | None = None
    while len(head := read_exactly(8)) == 8:
        name, size = head[:4], int.from_bytes(head[4:], "little")
        if name == b"data":
            if pcm is None:
                raise _broken("its audio comes before its format")
            return WavHeader(pcm, None if size == 0 or size >= UNKNOWN_SIZE_FROM else size)
        if size > _MAX_CHUNK_BYTES:
            raise _broken(f"a part of its header claims {size} bytes")
        body = read_exactly(size + size % 2)[:size]
        if name == b"fmt ":
            pcm = _format_of(body)
    raise _broken("it ends before its audio begins")


def _format_of(body: bytes) -> PcmFormat:
    if len(body) < 16:
        raise _broken("its format description is cut short")
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if tag == _EXTENSIBLE and len(body) >= 26:
        tag = struct.unpack_from("<H", body, 24)[0]
    sample_format = _WAV_FORMATS.get((tag, bits))
    if sample_format is None or not channels or not rate:
        raise _broken(f"format {tag} with {bits} bits, {channels} channels at {rate} Hz is not supported")
    return PcmFormat(rate, channels, sample_format)


def _broken(why: str) -> AudioError:
    return AudioError(f"The WAV cannot be read: {why}.", "Send 16-bit PCM, or convert it with ffmpeg first.")
