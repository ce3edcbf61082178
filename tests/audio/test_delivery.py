"""The thread of a source that can wait closes the sink whatever happens."""

from collections.abc import Iterator

import numpy as np
import pytest

from tests.fakes.sink import MemorySink
from voicebridge.audio.delivery import PIECE_SAMPLES, Delivery
from voicebridge.domain.audio import Samples


def test_long_blocks_are_written_in_pieces() -> None:
    sink, delivery = MemorySink(), Delivery("test")
    delivery.start(iter([np.arange(2 * PIECE_SAMPLES + 1, dtype=np.int16)]), sink)
    sink.wait_for_end()
    assert sink.block_samples == [PIECE_SAMPLES, PIECE_SAMPLES, 1]
    assert delivery.delivered_samples == 2 * PIECE_SAMPLES + 1


def test_a_fault_of_ours_is_logged_and_kept(caplog: pytest.LogCaptureFixture) -> None:
    def blocks() -> Iterator[Samples]:
        yield np.zeros(10, dtype=np.int16)
        raise ZeroDivisionError

    sink, delivery = MemorySink(), Delivery("test")
    delivery.start(blocks(), sink)
    assert len(sink.wait_for_end()) == 10
    delivery.stop()
    assert isinstance(delivery.error(), ZeroDivisionError)
    assert "reading audio failed" in caplog.text
