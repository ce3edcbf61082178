"""What happens to a microphone while a real sound server is killed, stopped, and takes its sources away.

Each test prints when the fault was told and when it was over, in seconds.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.audio.audio_files import write_wav
from tests.pulse import SINK, PulseServer
from tests.system.ears import Hearing, hearing
from voicebridge.settings.schema import CaptureSettings

pytestmark = [pytest.mark.pulse, pytest.mark.slow]

TOLD_SECONDS = 3.0
BACK_SECONDS = 5.0
STALL_SECONDS = CaptureSettings().stall_seconds
AWAY_SECONDS = 4.2
"""Long enough for the pause between two attempts to have grown to 4 s."""


def pass_time(seconds: float) -> None:
    threading.Event().wait(seconds)


def lose(ears: Hearing, fault: Callable[[], object], within_seconds: float = TOLD_SECONDS) -> dict[str, Any]:
    """Bring a fault about; return how it was told."""
    began = time.monotonic()
    fault()
    told = ears.wait_for("hearing")
    assert not told["hearing"]
    print(f"told after {told['at'] - began:.2f} s: {told['detail']}")
    assert told["at"] - began < within_seconds
    return told


def recover(ears: Hearing, remedy: Callable[[], object]) -> None:
    """Undo a fault; it is heard again soon after."""
    remedy()
    undone = time.monotonic()
    told = ears.wait_for("hearing")
    assert told["hearing"]
    print(f"heard again {told['at'] - undone:.2f} s after its return")
    assert told["at"] - undone < BACK_SECONDS


def the_gap(ears: Hearing) -> dict[str, Any]:
    ears.stop()
    (gap,) = ears.gaps
    print(f"a gap of {gap['gap'] / 16_000:.2f} s, {gap['reason']}")
    return gap


def test_the_sound_server_is_killed_and_started_again(pulse: PulseServer, tmp_path: Path) -> None:
    with hearing(pulse, tmp_path, rate=16_000) as ears:
        assert ears.wait_for("hearing")["hearing"]
        lose(ears, pulse.kill)
        pass_time(AWAY_SECONDS)
        assert ears.report()["server"] == "absent"
        recover(ears, pulse.start)
        assert the_gap(ears)["reason"] == "device_lost"


def test_the_only_source_is_unloaded_and_loaded_again(pulse: PulseServer, tmp_path: Path) -> None:
    with hearing(pulse, tmp_path, rate=16_000, device="kitchen_window") as ears:
        assert ears.wait_for("hearing")["hearing"]
        lose(ears, lambda: pulse.unload(SINK))
        pass_time(AWAY_SECONDS)
        report = ears.report()
        assert (report["state"], report["server"], report["attempts"] > 2) == ("lost", "answers", True)
        recover(ears, lambda: pulse.load(SINK))
        assert the_gap(ears)["reason"] == "device_lost"


def wait_for_feed(ears: Hearing, source: str) -> dict[str, Any]:
    """Return the first report that names this source."""
    for _ in range(100):
        if (report := ears.report())["source"] == source:
            return report
        pass_time(0.05)
    raise AssertionError(f"not {source} but {report}")


def test_a_named_microphone_is_not_replaced_by_a_decoy(pulse: PulseServer, tmp_path: Path) -> None:
    pulse.load("decoy")
    try:
        with hearing(pulse, tmp_path, rate=16_000, device="kitchen_window") as ears:
            assert ears.wait_for("hearing")["hearing"]
            wait_for_feed(ears, f"{SINK}.monitor")
            told = lose(ears, lambda: pulse.unload(SINK))
            assert "feeds us from 'decoy.monitor' in its place" in told["detail"]
            assert {"moved": "decoy.monitor", "wanted": f"{SINK}.monitor"}.items() <= ears.told[-2].items()
            pass_time(AWAY_SECONDS)
            assert ears.report()["state"] == "lost"
            recover(ears, lambda: pulse.load(SINK))
            report = wait_for_feed(ears, f"{SINK}.monitor")
            assert not report["moved"]
            assert the_gap(ears)["reason"] == "device_moved"
    finally:
        pulse.unload("decoy")


def test_the_default_microphone_is_followed_to_a_decoy_and_back(pulse: PulseServer, tmp_path: Path) -> None:
    pulse.load("decoy")
    pulse.make_default(f"{SINK}.monitor")
    try:
        with hearing(pulse, tmp_path, rate=16_000) as ears:
            assert ears.wait_for("hearing")["hearing"]
            wait_for_feed(ears, f"{SINK}.monitor")
            began = time.monotonic()
            pulse.unload(SINK)
            told = ears.wait_for("moved")
            print(f"told after {told['at'] - began:.2f} s")
            assert told["moved"] == "decoy.monitor"
            assert told["at"] - began < TOLD_SECONDS
            pass_time(1.0)
            report = ears.report()
            assert (report["state"], report["source"], report["moved"]) == ("hearing", "decoy.monitor", True)
            pulse.load(SINK)
            pulse.make_default(f"{SINK}.monitor")
            report = wait_for_feed(ears, f"{SINK}.monitor")
            assert not report["moved"]
            assert sum("moved" in line and line["moved"] == "decoy.monitor" for line in ears.told) == 1
            pass_time(6.0)  # a source that was just loaded is silent for 2 s, and that is told once it is certain
            ears.stop()
            print([f"{gap['gap'] / 16_000:.2f} s, {gap['reason']}" for gap in ears.gaps])
            # Silent for more than capture.stall_seconds it is opened once more.
            assert {gap["reason"] for gap in ears.gaps} <= {"device_moved", "overflow", "stalled"}
    finally:
        pulse.unload("decoy")


def test_a_sound_server_that_is_stopped_makes_the_teardown_stick_and_is_back_when_it_goes_on(
    pulse: PulseServer, tmp_path: Path
) -> None:
    with hearing(pulse, tmp_path, rate=16_000) as ears:
        assert ears.wait_for("hearing")["hearing"]
        try:
            lose(ears, pulse.freeze, STALL_SECONDS + TOLD_SECONDS)
            pass_time(CaptureSettings().teardown_seconds + 0.5)
            report = ears.report()
        finally:
            recover(ears, pulse.thaw)
        assert (report["state"], report["call"], report["server"]) == ("failed", "teardown", "silent")
        assert "has not closed the microphone" in report["stuck"]
        report = ears.report()
        assert (report["state"], report["call"], report["stuck"]) == ("hearing", "", "")
        assert the_gap(ears)["reason"] == "stalled"


def test_a_microphone_opened_at_a_stopped_sound_server_waits_for_it(pulse: PulseServer, tmp_path: Path) -> None:
    pulse.freeze()
    try:
        with hearing(pulse, tmp_path, rate=16_000, retry=True, capture={"open_seconds": 5.0}) as ears:
            pass_time(7.0)
            report = ears.report()
            assert (report["state"], report["call"], report["server"]) == ("starting", "open", "silent")
            assert report["stuck"] == ""
            recover(ears, pulse.thaw)
            assert the_gap(ears)["start"] == 0
    finally:
        pulse.thaw()


def test_digital_silence_restarts_nothing(pulse: PulseServer, tmp_path: Path) -> None:
    quick = {"frozen_seconds": 0.5, "rate_window_seconds": 2.0}
    with hearing(pulse, tmp_path, rate=16_000, capture=quick) as ears:
        assert ears.wait_for("hearing")["hearing"]
        pass_time(6.0)
        report = ears.report()
        assert (report["state"], report["recoveries"], report["level_peak"]) == ("hearing", 0, 0)
        assert report["zero_seconds"] > 4
        assert report["rate_ratio"] == pytest.approx(1.0, abs=0.05)
        ears.stop()
        assert ears.gaps == []
        assert [line["hearing"] for line in ears.told if "hearing" in line] == [True]


def test_a_constant_signal_is_a_frozen_device(pulse: PulseServer, tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "constant.wav", np.full(16_000 * 6, 5000, dtype=np.int16))
    with hearing(pulse, tmp_path, rate=16_000, capture={"frozen_seconds": 1.0}) as ears:
        assert ears.wait_for("hearing")["hearing"]
        playing = threading.Thread(target=pulse.play, args=(wav,))
        playing.start()
        told = lose(ears, lambda: None, 1.0 + TOLD_SECONDS)
        assert "is frozen: the same value or block came from it for 1." in told["detail"]
        playing.join()
