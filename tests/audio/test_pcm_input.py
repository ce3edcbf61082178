"""Standard input is heard as it comes, raw or as WAV."""

import io
import os
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import pytest

from tests.audio.audio_files import tone
from tests.fakes.sink import MemorySink
from voicebridge.audio.pcm import PcmFormat
from voicebridge.audio.pcm_input import StdinSource
from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import AudioError, ExitCode


@dataclass
class Pipe:
    """The two ends of a pipe."""

    reading: BinaryIO
    writing: BinaryIO

    def send(self, data: bytes) -> None:
        self.writing.write(data)

    def send_all(self, data: bytes) -> None:
        self.send(data)
        self.end()

    def end(self) -> None:
        self.writing.close()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "wb", buffering=0) as writer:
        yield Pipe(reader, writer)


def heard(pipe: Pipe, data: bytes, pcm: PcmFormat | None = None) -> tuple[Samples, Exception | None]:
    source, sink = StdinSource(pipe.reading, pcm), MemorySink()
    source.start(sink)
    threading.Thread(target=pipe.send_all, args=(data,)).start()
    audio = sink.wait_for_end()
    source.stop()
    return audio, source.error()


def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    return name + (len(body) if size is None else size).to_bytes(4, "little") + body


def wav(data: bytes, bits: int = 16, tag: int = 1, data_size: int | None = None, before: bytes = b"") -> bytes:
    form = struct.pack("<HHIIHH", tag, 1, 16_000, 16_000 * bits // 8, bits // 8, bits)
    return b"RIFF\xff\xff\xff\xffWAVE" + chunk(b"fmt ", form) + before + chunk(b"data", data, data_size)


def test_raw_16_bit_at_16_khz_is_the_default(pipe: Pipe) -> None:
    audio = tone(5000)
    assert np.array_equal(heard(pipe, audio.tobytes())[0], audio)


def test_a_live_pipe_is_delivered_at_once(pipe: Pipe) -> None:
    source, sink = StdinSource(pipe.reading, paced=True), MemorySink()
    source.start(sink)
    pipe.send(tone(160).tobytes())
    sink.wait_for_samples(160)
    pipe.send(tone(10).tobytes())
    sink.wait_for_samples(170)
    assert source.info.paced
    source.stop()
    assert sink.closed
    assert source.position_seconds == 170 / 16_000


def test_samples_cut_between_two_reads_are_put_together(pipe: Pipe) -> None:
    source, sink = StdinSource(pipe.reading), MemorySink()
    source.start(sink)
    data = tone(100).tobytes()
    pipe.send(data[:7])
    sink.wait_for_samples(3)
    pipe.send(data[7:])
    pipe.end()
    assert np.array_equal(sink.wait_for_end(), tone(100))
    assert source.report().source == source.info.name == "standard input"


def test_odd_bytes_at_the_end_are_no_sample(pipe: Pipe) -> None:
    audio, error = heard(pipe, tone(100).tobytes() + b"\x07")
    assert np.array_equal(audio, tone(100))
    assert error is None


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x01\x00\x02"])
def test_almost_nothing_is_almost_nothing(pipe: Pipe, data: bytes) -> None:
    audio, error = heard(pipe, data)
    assert len(audio) == len(data) // 2
    assert error is None


@pytest.mark.parametrize("rate_and_channels", [(16_000, 2), (48_000, 2), (8000, 1)])
def test_any_rate_and_channels_can_be_given(pipe: Pipe, rate_and_channels: tuple[int, int]) -> None:
    rate, channels = rate_and_channels
    data = np.repeat(tone(rate, rate)[:, None], channels, 1).tobytes()
    audio, _ = heard(pipe, data, PcmFormat(rate, channels))
    assert len(audio) == 16_000
    assert np.abs(audio[2000:-2000].astype(int) - tone(16_000)[2000:-2000]).max() < 8


VALUES = [-32768, -256, 0, 256, 16384]
ENCODED = {
    "u8": bytes([0, 127, 128, 129, 192]),
    "s16le": np.array(VALUES, "<i2").tobytes(),
    "s24le": b"".join((value << 8).to_bytes(3, "little", signed=True) for value in VALUES),
    "s32le": (np.array(VALUES, "<i4") << 16).tobytes(),
    "f32le": (np.array(VALUES, "<f4") / 32768).astype("<f4").tobytes(),
    "f64le": (np.array(VALUES, "<f8") / 32768).tobytes(),
}


@pytest.mark.parametrize(
    ("sample_format", "tag", "bits"),
    [("u8", 1, 8), ("s16le", 1, 16), ("s24le", 1, 24), ("s32le", 1, 32), ("f32le", 3, 32), ("f64le", 3, 64)],
)
@pytest.mark.parametrize("as_wav", [False, True])
def test_every_sample_format_is_understood(pipe: Pipe, sample_format: str, tag: int, bits: int, as_wav: bool) -> None:
    data = ENCODED[sample_format]
    pcm = PcmFormat(16_000, 1, sample_format)  # type: ignore[arg-type] # the names of SampleFormat
    audio, _ = heard(pipe, wav(data, bits, tag) if as_wav else data, None if as_wav else pcm)
    assert audio.tolist() == VALUES


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF - 36, 0x80000000])
def test_a_wav_of_unknown_length_lasts_until_it_ends(pipe: Pipe, size: int) -> None:
    audio, error = heard(pipe, wav(tone(3000).tobytes(), data_size=size))
    assert np.array_equal(audio, tone(3000))
    assert error is None


def test_what_follows_the_audio_of_a_wav_is_not_heard(pipe: Pipe) -> None:
    data = wav(tone(300).tobytes(), before=chunk(b"LIST", b"abc\0")) + chunk(b"LIST", b"INFO" * 100)
    audio, error = heard(pipe, data)
    assert np.array_equal(audio, tone(300))
    assert error is None


def test_a_wav_with_an_extensible_format_is_understood(pipe: Pipe) -> None:
    form = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 16_000, 32_000, 2, 16, 22, 16, 4) + b"\x01\x00" + bytes(14)
    data = b"RIFF\0\0\0\0WAVE" + chunk(b"fmt ", form) + chunk(b"data", tone(300).tobytes())
    assert np.array_equal(heard(pipe, data)[0], tone(300))


def test_a_wav_that_was_cut_is_heard_and_told(pipe: Pipe) -> None:
    audio, error = heard(pipe, wav(tone(16_000).tobytes(), data_size=64_000))
    assert np.array_equal(audio, tone(16_000))
    assert str(error) == "Standard input ended early: 1.0 of 2.0 s could be read."


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"RIFF\0\0\0\0AVI ", "holds no WAVE"),
        (b"RIFF\0\0\0\0WAVE", "ends before its audio begins"),
        (b"RIFF\0\0\0\0WAVE" + chunk(b"data", b"12"), "comes before its format"),
        (b"RIFF\0\0\0\0WAVE" + chunk(b"fmt ", b"12"), "cut short"),
        (b"RIFF\0\0\0\0WAVE" + chunk(b"JUNK", b"", 1 << 30), "claims 1073741824 bytes"),
        (wav(b"", bits=4, tag=2), "format 2 with 4 bits"),
    ],
)
def test_a_broken_wav_gets_one_clear_message(pipe: Pipe, data: bytes, words: str) -> None:
    audio, error = heard(pipe, data)
    assert len(audio) == 0
    assert isinstance(error, AudioError)
    assert words in str(error)


@pytest.mark.parametrize("closed", [True, False])
def test_a_closed_input_is_told_at_the_start(closed: bool) -> None:
    stream: BinaryIO | None = io.BytesIO() if closed else None
    if stream is not None:
        stream.close()
    with pytest.raises(AudioError, match="Standard input is closed") as caught:
        StdinSource(stream).start(MemorySink())
    assert caught.value.code == ExitCode.NO_INPUT


def test_a_terminal_is_no_audio() -> None:
    leader, follower = os.openpty()
    with os.fdopen(leader, "rb"), os.fdopen(follower, "rb") as terminal, pytest.raises(AudioError, match="a terminal"):
        StdinSource(terminal).start(MemorySink())


def test_what_cannot_be_read_is_told(tmp_path: os.PathLike[str]) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    sink = MemorySink()
    with os.fdopen(os.open(os.devnull, os.O_RDONLY), "rb") as stream:
        os.dup2(folder, stream.fileno())
        source = StdinSource(stream)
        source.start(sink)
        sink.wait_for_end()
    os.close(folder)
    assert "Standard input cannot be read" in str(source.error())


def test_stop_ends_a_wait_for_more(pipe: Pipe) -> None:
    source, sink = StdinSource(pipe.reading), MemorySink()
    source.start(sink)
    source.stop()
    source.stop()
    assert sink.closed
    assert source.error() is None
