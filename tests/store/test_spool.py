"""The spool on disk: what the contract cannot see."""

import os
import stat
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.utterances import noise
from voicebridge.domain.errors import StoreError, StoreUnavailableError
from voicebridge.domain.utterance import UtteranceKey
from voicebridge.store.spool import HEADER, MAX_OPEN_FILES, DirectorySpool

KEY = UtteranceKey(3, 48_000)


@pytest.fixture
def spool(tmp_path: Path) -> DirectorySpool:
    return DirectorySpool(tmp_path / "spool")


def test_a_file_is_named_by_session_and_first_sample_and_is_private(spool: DirectorySpool) -> None:
    spool.append(KEY, 0.0, noise(0.1))
    (path,) = spool.path.iterdir()
    assert path.name == "00000003-000000048000.pcm"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(spool.path.stat().st_mode) == 0o700
    spool.close()


def test_another_process_finds_what_was_appended(spool: DirectorySpool) -> None:
    spool.append(KEY, 12.5, noise(0.1))
    (entry,) = DirectorySpool(spool.path).entries()
    assert (entry.key, entry.started_at, entry.samples, entry.readable) == (KEY, 12.5, 1600, True)
    spool.close()


def test_half_a_sample_at_the_end_is_left_out(spool: DirectorySpool) -> None:
    spool.append(KEY, 0.0, noise(0.1))
    with spool.file_of(KEY).open("ab") as file:
        file.write(b"\x01")
    assert np.array_equal(spool.read(KEY), noise(0.1))
    assert next(spool.entries()).samples == 1600
    spool.close()


@pytest.mark.parametrize("size", [0, 1, HEADER.size - 1])
def test_a_file_torn_in_its_header_holds_no_audio(spool: DirectorySpool, size: int) -> None:
    spool.file_of(KEY).write_bytes(b"V" * size)
    (entry,) = spool.entries()
    assert (entry.samples, entry.readable) == (0, True)
    with pytest.raises(StoreError, match="not the audio of that utterance"):
        spool.read(KEY)


def test_a_torn_file_can_be_opened_again(spool: DirectorySpool) -> None:
    spool.file_of(KEY).write_bytes(b"VBSP")
    spool.append(KEY, 1.0, noise(0.1))
    assert np.array_equal(spool.read(KEY), noise(0.1))
    spool.close()


def test_a_file_that_is_not_ours_is_not_read(spool: DirectorySpool) -> None:
    spool.file_of(KEY).write_bytes(b"something else entirely, and long enough for a header")
    assert not next(spool.entries()).readable
    with pytest.raises(StoreError, match="not the audio of that utterance"):
        spool.read(KEY)


def test_files_with_other_names_are_left_alone(spool: DirectorySpool) -> None:
    (spool.path / "notes.txt").write_text("mine")
    assert list(spool.entries()) == []


def test_a_symbolic_link_is_not_followed(spool: DirectorySpool, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    spool.file_of(KEY).symlink_to(outside)
    with pytest.raises(StoreError, match="symbolic link"):
        spool.append(KEY, 0.0, noise(0.1))
    with pytest.raises(StoreError, match="symbolic link"):
        spool.read(KEY)
    assert not next(spool.entries()).readable
    assert outside.read_bytes() == b"precious"


def test_few_files_are_open_at_once(spool: DirectorySpool) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    keys = [UtteranceKey(1, start) for start in range(3 * MAX_OPEN_FILES)]
    for key in [*keys, *keys]:
        spool.append(key, 0.0, noise(0.1))
    assert len(list(Path("/proc/self/fd").iterdir())) - before <= MAX_OPEN_FILES
    assert all(np.array_equal(spool.read(key), np.concatenate([noise(0.1)] * 2)) for key in keys)
    spool.close()


def test_an_append_that_failed_half_way_is_written_once_when_repeated(spool: DirectorySpool) -> None:
    spool.append(KEY, 0.0, noise(0.1, 1))
    # The piece of a write that a full disk took before it refused the rest.
    with spool.file_of(KEY).open("ab") as file:
        file.write(noise(0.1, 2).tobytes()[:1001])
    spool.append(KEY, 0.0, noise(0.1, 2))
    assert np.array_equal(spool.read(KEY), np.concatenate([noise(0.1, 1), noise(0.1, 2)]))
    spool.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_told_and_the_call_succeeds_once_there_is_space(spool: DirectorySpool) -> None:
    spool.append(KEY, 0.0, noise(0.1, 1))
    descriptor = spool._open[KEY].descriptor
    aside = os.dup(descriptor)
    full = os.open("/dev/full", os.O_RDWR)
    os.dup2(full, descriptor)
    with pytest.raises(StoreUnavailableError, match="disk is full"):
        spool.append(KEY, 0.0, noise(0.1, 2))
    os.dup2(aside, descriptor)
    spool.append(KEY, 0.0, noise(0.1, 2))
    assert np.array_equal(spool.read(KEY), np.concatenate([noise(0.1, 1), noise(0.1, 2)]))
    spool.close()
    os.close(full)
    os.close(aside)


@given(pieces=st.lists(st.integers(0, 3000), min_size=1, max_size=6), data=st.data())
@settings(max_examples=25, deadline=None)
def test_whatever_the_pieces_the_audio_is_the_same(
    pieces: list[int], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    spool = DirectorySpool(tmp_path_factory.mktemp("spool"))
    audio = noise(sum(pieces) / 16_000)
    position = 0
    for piece in pieces:
        spool.append(KEY, 0.0, audio[position : position + piece])
        position += piece
    length = data.draw(st.integers(0, position))
    spool.seal(KEY, length)
    assert np.array_equal(spool.read(KEY), audio[:length])
