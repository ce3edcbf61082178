"""Files of any kind are heard, and what cannot be heard is told in one clear message."""

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import pytest

from tests.audio.audio_files import encode, tone, write_wav
from tests.fakes.sink import MemorySink
from voicebridge.audio.level import LevelMeter
from voicebridge.audio.replay import FileSource
from voicebridge.audio.ring import Ring
from voicebridge.domain.audio import Frame, Samples
from voicebridge.domain.errors import AudioError, ExitCode


def heard(source: FileSource) -> Samples:
    sink = MemorySink()
    source.start(sink)
    return sink.wait_for_end()


def as_float(audio: Samples) -> npt.NDArray[np.float32]:
    return (audio / 32768).astype(np.float32)


def refusal(path: Path) -> AudioError:
    with pytest.raises(AudioError) as caught:
        FileSource(path).start(MemorySink())
    return caught.value


def test_a_wav_at_16_khz_is_heard_bit_for_bit(tmp_path: Path) -> None:
    audio = tone(50_000)
    source = FileSource(write_wav(tmp_path / "a.wav", audio))
    assert np.array_equal(heard(source), audio)
    assert source.error() is None
    assert source.report().source == source.info.name == "a.wav"
    assert source.duration_seconds == source.position_seconds == source.info.duration_seconds == 3.125


@pytest.mark.parametrize(
    ("name", "codec", "convert", "rate", "layout"),
    [
        ("a.wav", "pcm_u8", lambda t: ((t >> 8) + 128).astype(np.uint8), 8000, "mono"),
        ("a.wav", "pcm_s24le", lambda t: t.astype(np.int32) << 16, 16_000, "mono"),
        ("a.wav", "pcm_f32le", as_float, 44_100, "mono"),
        ("a.wav", "pcm_f32le", lambda t: np.repeat(as_float(t)[:, None], 7, 1), 96_000, "6.1"),
        ("a.flac", "flac", lambda t: np.repeat(t[:, None], 2, 1), 48_000, "stereo"),
        ("a.m4a", "aac", as_float, 44_100, "mono"),
        ("a.ogg", "libopus", lambda t: t, 48_000, "mono"),
        ("a.mka", "pcm_s16le", lambda t: t, 22_050, "mono"),
    ],
)
def test_any_format_rate_and_channel_count_is_heard(
    tmp_path: Path, name: str, codec: str, convert: Callable[[Samples], npt.NDArray[Any]], rate: int, layout: str
) -> None:
    path = encode(tmp_path / name, codec, convert(tone(rate, rate)), rate, layout)
    source = FileSource(path)
    audio = heard(source)
    assert source.error() is None
    assert len(audio) == pytest.approx(16_000, abs=1600)
    middle = audio[4000:12_000].astype(float)
    spectrum = np.abs(np.fft.rfft(middle))
    assert int(np.argmax(spectrum)) * 2 == 440
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(8000 / np.sqrt(2), rel=0.05)


def test_samples_that_are_no_number_are_silent(tmp_path: Path) -> None:
    audio = as_float(tone(16_000))
    audio[4000:5000] = np.nan
    path = encode(tmp_path / "a.wav", "pcm_f32le", audio, 16_000)
    result = heard(FileSource(path))
    assert not result[4000:5000].any()
    assert np.abs(result[6000:].astype(int) - tone(16_000)[6000:]).max() <= 1


def test_a_paced_file_gives_the_same_samples_in_blocks_of_20_ms_on_time(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", tone(30_000, 44_100), 44_100)
    now = [100.0]
    arrivals: list[float] = []

    def wait(seconds: float) -> None:
        now[0] += seconds

    class StampingSink(MemorySink):
        def write(self, block: Samples) -> None:
            arrivals.append(now[0])
            super().write(block)

    sink = StampingSink()
    FileSource(path, realtime=True, clock=lambda: now[0], wait=wait).start(sink)
    paced = sink.wait_for_end()
    assert np.array_equal(paced, heard(FileSource(path)))
    assert set(sink.block_samples[:-1]) == {320}
    assert arrivals[:-1] == pytest.approx([100.0 + 0.02 * (n + 1) for n in range(len(arrivals) - 1)])


def test_an_unpaced_file_waits_for_the_reader_and_loses_nothing(tmp_path: Path) -> None:
    audio = tone(200_000)
    source = FileSource(write_wav(tmp_path / "a.wav", audio))
    ring = Ring(20_000)
    source.start(ring)
    reader = ring.reader(start=0)
    frames: list[Frame] = []
    while not reader.ended:
        if (item := reader.read(1.0)) is not None:
            assert isinstance(item, Frame)
            frames.append(item)
    assert np.array_equal(np.concatenate([frame.samples[: frame.valid] for frame in frames]), audio)


def test_a_stopped_file_stops_although_nobody_reads(tmp_path: Path) -> None:
    source = FileSource(write_wav(tmp_path / "a.wav", tone(200_000)))
    ring = Ring(20_000)
    source.start(ring)
    source.stop()
    assert ring.closed
    assert ring.written < 200_000
    assert source.error() is None


@pytest.mark.parametrize("sample_format", ["pcm_s16le", "pcm_u8", "pcm_s24le", "pcm_f32le"])
def test_a_wav_that_was_cut_is_heard_and_told(tmp_path: Path, sample_format: str) -> None:
    kinds: dict[str, npt.NDArray[Any]] = {
        "pcm_s16le": tone(32_000),
        "pcm_u8": np.full(32_000, 128, dtype=np.uint8),
        "pcm_s24le": tone(32_000).astype(np.int32) << 16,
        "pcm_f32le": as_float(tone(32_000)),
    }
    path = encode(tmp_path / "a.wav", sample_format, kinds[sample_format], 16_000)
    os.truncate(path, path.stat().st_size // 2)
    source = FileSource(path)
    audio = heard(source)
    assert len(audio) == pytest.approx(16_000, abs=100)
    assert "a.wav is cut short: 1.0 of 2.0 s could be read." in str(source.error())
    assert isinstance(source.error(), AudioError)


def test_a_flac_that_was_cut_is_heard_and_told(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(-9000, 9000, 64_000).astype(np.int16)
    path = encode(tmp_path / "a.flac", "flac", noise, 16_000)
    os.truncate(path, path.stat().st_size // 2)
    source = FileSource(path)
    audio = heard(source)
    assert 20_000 < len(audio) < 40_000
    assert np.array_equal(audio[:16_000], noise[:16_000])
    assert "is cut short" in str(source.error())


def test_a_damaged_part_is_passed_over_and_told(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(-9000, 9000, 64_000).astype(np.int16)
    path = encode(tmp_path / "a.mka", "flac", noise, 16_000)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    path.write_bytes(data)
    source = FileSource(path)
    assert len(heard(source)) > 40_000
    assert "is damaged" in str(source.error())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "is a directory"),
        (lambda path: path.touch(), "is empty"),
        (lambda path: path.write_text("These are words, not sounds.\n" * 100), "is no audio that can be read"),
        (lambda path: path.write_bytes(b"RIFF\x24\0\0\0WAVE"), "is no audio that can be read"),
    ],
)
def test_what_is_no_audio_gets_one_clear_message(tmp_path: Path, make: Callable[[Path], object], words: str) -> None:
    path = tmp_path / "sound.wav"
    make(path)
    assert words in refusal(path).message


def pipe_in(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


@pytest.mark.parametrize(
    "path_of",
    [
        pipe_in,
        lambda folder: Path("/dev/zero"),
        lambda folder: Path("-"),
    ],
    ids=["pipe", "device", "-"],
)
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, path_of: Callable[[Path], Path]) -> None:
    path = path_of(tmp_path)
    error = refusal(path)
    assert error.message == f"{path} is not a regular file."
    assert error.advice == "Pipe the audio into `voicebridge run --stdin` instead."
    assert error.code == ExitCode.INPUT


def test_a_file_that_is_called_like_standard_input_is_heard(tmp_path: Path) -> None:
    with contextlib.chdir(tmp_path):
        write_wav(Path("-"), tone(1600))
        assert len(heard(FileSource(Path("-")))) == 1600


def test_a_file_that_does_not_exist_has_its_own_exit_code(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.wav").code == ExitCode.NO_INPUT


@contextmanager
def as_nobody() -> Iterator[None]:
    """Give up root's right to read everything."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", tone(100))
    path.chmod(0)
    with as_nobody():
        error = refusal(path)
    assert "may not be read" in error.message
    assert error.code == ExitCode.NO_INPUT


def test_a_wav_without_samples_is_told(tmp_path: Path) -> None:
    source = FileSource(write_wav(tmp_path / "a.wav", tone(0)))
    try:
        assert len(heard(source)) == 0
        error = source.error()
    except AudioError as refused:
        error = refused
    assert "holds no audio" in str(error)


def test_a_video_without_sound_is_told(tmp_path: Path) -> None:
    import av

    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width = stream.height = 64
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), dtype=np.uint8))))
        container.mux(stream.encode(None))
    assert "holds no audio" in refusal(path).message


def test_hours_of_audio_need_no_more_memory_than_minutes(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    header = write_wav(path, tone(0)).read_bytes()
    hours, data_bytes = 2, 2 * 3600 * 16_000 * 2
    path.write_bytes(
        header[:4] + (data_bytes + 36).to_bytes(4, "little") + header[8:40] + data_bytes.to_bytes(4, "little")
    )
    os.truncate(path, len(header) + data_bytes)  # a sparse file: zeros that take no disk
    meter, source = LevelMeter(), FileSource(path)
    before = psutil.Process().memory_info().rss
    source.start(meter)
    while meter.samples < 16_000 * 600 and source.error() is None:
        pass
    middle = psutil.Process().memory_info().rss
    source.stop()
    assert source.duration_seconds == hours * 3600
    assert middle - before < 30_000_000
