"""The record on the disk: nothing that was written is lost, and a crash spoils one line at most."""

import json
from pathlib import Path

import pytest

from voicebridge.domain.errors import ExitCode, VoicebridgeError
from voicebridge_bench.soak.journal import (
    FILE_NAME,
    MAX_TEXT,
    Recorder,
    read_record,
    soaked_seconds,
    stretches,
)
from voicebridge_bench.soak.record import (
    SCHEMA,
    Announced,
    Checkpoint,
    End,
    Entry,
    Fault,
    Happened,
    Header,
    Heard,
    Lost,
    Played,
    Sample,
)

HEADER = Header(
    schema=SCHEMA,
    version="1",
    profile="office",
    seed=1,
    asked_seconds=100.0,
    speed=1.0,
    checkpoint_seconds=5.0,
    attached=False,
    began_wall=1_800_000_000.0,
    began=1000.0,
    host={"boot_id": "a"},
    settings={"engine.kind": "whisper"},
)
ENTRIES: list[Entry] = [
    Sample(1001.0, 7, 1, 2, None, 3.5, 9, 8, 10, 11, 12, 13),
    Checkpoint(1002.0, {"session_id": 1, "monotonic_seconds": 1002.0}),
    Played(1003.0, 1004.0, 1, 10, 20, "Licht aus, bitte: \u00e4\u2028\x00", "whisper"),
    Announced(1005.0, 1, 1),
    Heard(1, 1, 1, 9, 21, "done", "Licht aus.", 900.0, 1005.0),
    Lost(1, 1, 30, 40, "overflow", None),
    Happened(1006.0, "crashed", 1, "by itself"),
    Fault("kill", 1007.0, 1007.0, 1008.5, 5.0, 1, "state hearing"),
    End(1009.0, "complete"),
]


def sample(at: float) -> Sample:
    return Sample(at, 7, 1, None, None, 0.0, 1, 1, 1, 1, 1, 1)


def write(folder: Path, *entries: Entry, header: Header = HEADER) -> Path:
    recorder = Recorder(folder)
    for entry in (header, *entries):
        recorder.write(entry)
    recorder.close()
    return folder / FILE_NAME


def test_what_was_written_is_read_as_it_was(tmp_path: Path) -> None:
    record = read_record(write(tmp_path, *ENTRIES))
    assert record.header == HEADER
    found = [
        *record.samples,
        *record.checkpoints,
        *record.played,
        *record.announced,
        *record.heard,
        *record.lost,
        *record.happened,
        *record.faults,
        record.end,
    ]
    assert found == ENTRIES


def test_a_folder_is_read_by_its_record(tmp_path: Path) -> None:
    write(tmp_path, *ENTRIES)
    assert read_record(tmp_path) == read_record(tmp_path / FILE_NAME)


def test_every_line_is_there_before_the_next_is_written(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    for count, entry in enumerate([HEADER, *ENTRIES], 1):
        recorder.write(entry)
        assert recorder.path.read_bytes().count(b"\n") == count
    recorder.close()


@pytest.mark.parametrize("cut", [1, 10, 40])
def test_a_torn_last_line_is_passed_over(tmp_path: Path, cut: int) -> None:
    path = write(tmp_path, *ENTRIES)
    path.write_bytes(path.read_bytes()[:-cut])
    record = read_record(path)
    assert record.end is None
    assert len(record.faults) == 1


def test_whoever_goes_on_writes_behind_the_last_whole_line(tmp_path: Path) -> None:
    path = write(tmp_path, *ENTRIES[:-1])
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"kind": "Happened", "at": 10')
    recorder = Recorder(tmp_path)
    recorder.write(Happened(1020.0, "resumed", 1))
    recorder.close()
    assert path.read_bytes().startswith(whole)
    assert read_record(path).happened[-1].kind == "resumed"


def test_a_torn_line_longer_than_a_block_is_cut_off_too(tmp_path: Path) -> None:
    path = write(tmp_path, *ENTRIES[:-1])
    whole = path.read_bytes()
    path.write_bytes(whole + b"x" * 200_000)
    Recorder(tmp_path).close()
    assert path.read_bytes() == whole


def test_what_is_not_known_is_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path)
    later = {"kind": "Announced", "at": 1.0, "life": 1, "utterance": 5, "mood": "good"}
    lines = [later, {"kind": "Weather", "at": 2.0}, {"kind": "Announced", "at": 3.0}, ["no", "object"], 7]
    with path.open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
        file.write("no json\n")
    assert read_record(path).announced == [Announced(1.0, 1, 5)]


def test_the_file_has_a_bound_and_the_end_is_written_beyond_it(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, max_bytes=2000, reserve_bytes=0)
    recorder.write(HEADER)
    for number in range(100):
        recorder.write(sample(1000.0 + number))
    recorder.write(End(1100.0, "complete"))
    recorder.close()
    record = read_record(tmp_path)
    assert recorder.path.stat().st_size < 2200
    assert recorder.left_out == 100 - len(record.samples)
    assert record.end is not None


def heard(number: int) -> Heard:
    return Heard(number, 1, 1, 0, 100, "done", "Yes.", 900.0, 1020.0)


def test_what_the_database_holds_at_the_end_has_room_that_nothing_else_takes(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, max_bytes=8000, reserve_bytes=4000)
    recorder.write(HEADER)
    for number in range(100):
        recorder.write(sample(1000.0 + number))
    for number in range(10):
        recorder.write(heard(number))
    recorder.write(Happened(1100.0, "integrity", 1, "ok"))
    recorder.close()
    record = read_record(tmp_path)
    assert len(record.heard) == 10
    assert record.happened
    assert recorder.left_out == 100 - len(record.samples) > 0


def test_how_much_was_left_out_stands_in_the_last_line(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, max_bytes=4000, reserve_bytes=2000)
    recorder.write(HEADER)
    for number in range(100):
        recorder.write(heard(number))
    recorder.write(End(1100.0, "interrupted", "asked to end after 3 s"))
    recorder.close()
    end = read_record(tmp_path).end
    assert end is not None
    assert end.left_out == recorder.left_out > 0
    assert end.detail == f"asked to end after 3 s; {end.left_out} entries found no place in the record"


@pytest.mark.parametrize(
    "damage",
    [
        {"kind": "Announced", "at": "soon", "life": 1, "utterance": 5},
        {"kind": "Announced", "at": 1.0, "life": 1.5, "utterance": 5},
        {"kind": "Announced", "at": 1.0, "life": True, "utterance": 5},
        {"kind": "Announced", "at": float("nan"), "life": 1, "utterance": 5},
        {"kind": "Announced", "at": float("inf"), "life": 1, "utterance": 5},
        {"kind": "Announced", "at": 1.0, "life": 10**400, "utterance": 5},
        {"kind": "Checkpoint", "at": 1.0, "content": [1]},
        {"kind": "Happened", "at": 1.0, "what": ["a"], "life": 1},
        {"kind": ["a"], "at": 1.0},
        {"kind": None},
    ],
)
def test_a_line_that_was_damaged_is_passed_over(tmp_path: Path, damage: dict[str, object]) -> None:
    path = write(tmp_path)
    with path.open("a") as file:
        file.write(json.dumps(damage) + "\n")
    assert read_record(path) == read_record(write(tmp_path / "whole"))


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        ({"schema": "1"}, "does not begin with what was asked for"),
        ({"began": "x"}, "does not begin with what was asked for"),
        ({"began_wall": 1e300}, "does not begin with what was asked for"),
        ({"began_wall": 1e18}, "at no moment of a calendar"),
        ({"speed": 0.0}, "takes no time"),
    ],
)
def test_a_first_line_that_was_damaged_is_told(tmp_path: Path, damage: dict[str, object], why: str) -> None:
    path = write(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | damage) + "\n")
    with pytest.raises(VoicebridgeError, match=why):
        read_record(path)


@pytest.mark.parametrize("folder", ["/dev/null", "/proc/x", "/dev/null/below"])
def test_a_folder_that_takes_no_record_is_told(folder: str) -> None:
    with pytest.raises(VoicebridgeError, match="No record can be written") as told:
        Recorder(Path(folder))
    assert told.value.code == ExitCode.STORE


def test_a_long_text_is_cut(tmp_path: Path) -> None:
    write(tmp_path, Happened(1.0, "error", 1, "x" * 100_000))
    assert read_record(tmp_path).happened[0].detail == "x" * MAX_TEXT


def test_a_disk_that_takes_no_line_costs_that_line(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).symlink_to("/dev/full")
    recorder = Recorder(tmp_path)
    recorder.write(HEADER)
    assert recorder.left_out == 1
    recorder.close()


def test_of_a_soak_that_was_resumed_only_the_last_end_counts(tmp_path: Path) -> None:
    path = write(tmp_path, sample(1010.0), End(1010.0, "interrupted"), Happened(1500.0, "resumed", 1))
    assert read_record(path).end is None
    recorder = Recorder(tmp_path)
    recorder.write(End(1590.0, "complete"))
    recorder.close()
    assert read_record(path).end == End(1590.0, "complete")


def test_what_the_database_held_at_two_ends_counts_once(tmp_path: Path) -> None:
    first = Heard(1, 1, 1, 0, 100, "pending", "", None, None)
    settled = Heard(1, 1, 1, 0, 100, "done", "Yes.", 900.0, 1020.0)
    checkpoint = Checkpoint(1002.0, {"session_id": 1, "monotonic_seconds": 1002.0})
    gap = Lost(1, 1, 30, 40, "overflow", 1003.0)
    record = read_record(write(tmp_path, checkpoint, first, gap, checkpoint, settled, gap))
    assert (record.heard, record.checkpoints, record.lost) == ([settled], [checkpoint], [gap])


def test_time_between_being_cut_off_and_going_on_was_not_soaked(tmp_path: Path) -> None:
    entries: list[Entry] = [
        sample(1010.0),
        sample(1040.0),
        Happened(1500.0, "resumed", 1),
        sample(1530.0),
        End(1560.0, "complete"),
    ]
    record = read_record(write(tmp_path, *entries))
    assert stretches(record) == [(1000.0, 1040.0), (1500.0, 1560.0)]
    assert soaked_seconds(record) == pytest.approx(100.0)


def test_a_record_that_was_cut_off_has_lasted_until_its_last_line(tmp_path: Path) -> None:
    assert soaked_seconds(read_record(write(tmp_path, sample(1010.0), sample(1042.0)))) == pytest.approx(42.0)
    assert soaked_seconds(read_record(write(tmp_path / "empty"))) == 0


def test_a_folder_without_a_record_is_told(tmp_path: Path) -> None:
    with pytest.raises(VoicebridgeError, match="cannot be read"):
        read_record(tmp_path)


def test_a_file_that_is_no_record_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("hello\n")
    with pytest.raises(VoicebridgeError, match="does not begin with what was asked for"):
        read_record(tmp_path)


def test_a_record_of_a_newer_version_is_not_guessed_at(tmp_path: Path) -> None:
    newer = Header(**{**{name: getattr(HEADER, name) for name in HEADER.__slots__}, "schema": SCHEMA + 1})
    with pytest.raises(VoicebridgeError, match="newer version"):
        read_record(write(tmp_path, header=newer))


def test_two_soaks_do_not_write_into_one_record(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    with pytest.raises(VoicebridgeError, match="A soak is running"):
        Recorder(tmp_path)
    recorder.close()
    Recorder(tmp_path).close()
