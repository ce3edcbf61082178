import dataclasses
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from voicebridge.health.probes import Reason
from voicebridge.health.status import CaptureStatus, Status, StatusFile, read_status, status_line


def status(state: str = "hearing") -> Status:
    return Status(
        pid=1,
        session_id=2,
        started_at=3.0,
        written_at=4.0,
        state=state,
        source="a microphone",
        engine="whisper",
        model="base.en",
        engine_state="ready",
        first_sample_after_seconds=0.5,
        engine_ready_after_seconds=None,
        trouble="",
        heard_seconds=5.0,
        speech_seconds=1.0,
        level=12.0,
        listener_lag_ms=1.0,
        utterances=3,
        done=2,
        rejected=1,
        failed=0,
        waiting=0,
        backlog_seconds=0.0,
        gaps=0,
        gap_seconds=0.0,
        counters={"writer_refused": 0},
    )


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    places = (tmp_path / "none" / "status.json", tmp_path / "status.json")
    file = StatusFile(places)
    file.write(status())
    file.write(status("deaf"))
    read = read_status(places)
    assert read is not None
    assert (read["state"], read["schema"], read["done"]) == ("deaf", 2, 2)
    assert read == json.loads(json.dumps(dataclasses.asdict(status("deaf"))))
    assert [path.name for path in tmp_path.iterdir()] == ["status.json"]


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    (tmp_path / "status.tmp").touch(mode=0o644)
    file = StatusFile((tmp_path / "status.json",))
    for _ in range(2):
        file.write(status())
        assert stat.S_IMODE((tmp_path / "status.json").stat().st_mode) == 0o600


def test_nothing_is_left_after_the_end(tmp_path: Path) -> None:
    file = StatusFile((tmp_path / "status.json",))
    file.write(status())
    file.remove()
    assert read_status((tmp_path / "status.json",)) is None


def test_a_status_of_another_schema_or_a_torn_one_is_no_status(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    for content in ('{"schema": 99}', '{"schema"', "[]"):
        path.write_text(content)
        assert read_status((path,)) is None


def test_a_place_that_vanishes_is_counted_and_not_raised(tmp_path: Path) -> None:
    place = tmp_path / "run"
    place.mkdir()
    file = StatusFile((place / "status.json",))
    place.rmdir()
    file.write(status())
    assert file.failures == 1


def test_a_file_that_cannot_be_removed_does_not_disturb_the_end(tmp_path: Path) -> None:
    place = tmp_path / "run"
    place.mkdir()
    file = StatusFile((place / "status.json",))
    place.rmdir()
    place.write_text("no directory")
    file.remove()
    assert file.failures == 1


def test_what_a_kill_left_half_written_goes_with_the_next_end(tmp_path: Path) -> None:
    (tmp_path / "status.tmp").write_text('{"schema"')
    file = StatusFile((tmp_path / "status.json",))
    file.remove()
    assert list(tmp_path.iterdir()) == []


def test_without_any_place_nothing_is_written() -> None:
    file = StatusFile((Path("/proc/voicebridge/status.json"),))
    file.write(status())
    file.remove()
    assert file.path is None


WELL = dataclasses.replace(status(), capture=CaptureStatus(state="hearing", source="Desk"))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "Hearing Desk; whisper base.en ready"),
        (
            {"muted": True, "waiting": 2, "backlog_seconds": 7.4},
            "Hearing Desk; muted; whisper base.en ready; 2 waiting (7 s)",
        ),
        (
            {"state": "degraded", "trouble": "The disk is full."},
            "Degraded: The disk is full; hearing Desk; whisper base.en ready",
        ),
        ({"state": "deaf", "trouble": "It is gone."}, "Deaf: It is gone; whisper base.en ready"),
        ({"state": "starting", "engine_state": "loading"}, "Starting, waiting for Desk; whisper base.en loading"),
        ({"state": "stopping"}, "Stopping; whisper base.en ready"),
        ({"capture": CaptureStatus()}, "Hearing a microphone; whisper base.en ready"),
    ],
)
def test_one_line_says_how_it_is(changes: dict[str, Any], line: str) -> None:
    assert status_line(dataclasses.replace(WELL, **changes)) == line


def test_reasons_are_read_back_with_their_advice(tmp_path: Path) -> None:
    file = StatusFile((tmp_path / "status.json",))
    file.write(dataclasses.replace(WELL, reasons=(Reason("muted", "It is muted.", "Unmute it.", degrades=False),)))
    read = read_status((tmp_path / "status.json",))
    assert read is not None
    assert read["reasons"] == [{"code": "muted", "sentence": "It is muted.", "advice": "Unmute it.", "degrades": False}]
    assert (read["capture"]["source"], read["watchdog"]["period_seconds"]) == ("Desk", None)
