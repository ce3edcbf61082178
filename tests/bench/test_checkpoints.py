import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.bench.evidence import FIRST_SAMPLE, INTERVAL, WALL_OFFSET, evidence
from voicebridge.domain.errors import VoicebridgeError
from voicebridge_bench.checkpoint_times import Record, times
from voicebridge_bench.checkpoints import Evidence, compare, write_speech
from voicebridge_bench.claims import Line, worst
from voicebridge_bench.commands.checkpoints import _as_json, table
from voicebridge_bench.endurance import enough
from voicebridge_bench.full_load import EngineLoad
from voicebridge_bench.outside import Outside
from voicebridge_bench.playlist import Piece

Change = Callable[[dict[str, Any]], object]


def dict_of(record: Record) -> dict[str, Any]:
    assert isinstance(record, dict)
    return record


def not_ok(found: Evidence) -> set[str]:
    return {line.figure for line in compare(found, INTERVAL) if not line.ok}


def told(figure: str, found: Evidence) -> Line:
    (line,) = (line for line in compare(found, INTERVAL) if line.figure == figure)
    return line


def changed(number: int, change: Change) -> Evidence:
    found = evidence()
    for written in (found.records, found.lines):
        change(dict_of(written[number]))
    return found


def test_true_records_are_ok_in_every_figure() -> None:
    lines = compare(evidence(), INTERVAL)
    assert [line for line in lines if not line.ok] == []
    assert len(lines) > 30
    assert all(line.compared for line in lines)


@pytest.mark.parametrize(
    ("figure", "change"),
    [
        ("missed, as they say", lambda r: r.update(missed=1)),
        ("checkpoints that were due", lambda r: r.update(monotonic_seconds=r["monotonic_seconds"] + 0.6)),
        ("cost max, ms", lambda r: r.update(cost_ms=5.2)),
        ("uptime, s", lambda r: r.update(uptime_seconds=r["uptime_seconds"] + 2)),
        ("frames received, s since the first", lambda r: r["frames"].update(received=r["frames"]["received"] - 30)),
        ("frames expected, s since the first", lambda r: r["frames"].update(expected=r["frames"]["expected"] + 30)),
        ("level, dBFS", lambda r: r["level"].update(rms_dbfs=r["level"]["rms_dbfs"] + 1.5)),
        ("peak, dBFS", lambda r: r["level"].update(peak_dbfs=r["level"]["peak_dbfs"] - 2)),
        ("wall time, s since the start", lambda r: r.update(at=r["at"] + 0.1)),
        ("resident, MB", lambda r: r["memory"].update(rss_bytes=102_000_000)),
        ("its own memory (USS), MB", lambda r: r["memory"].update(uss_bytes=50_000_000)),
        ("processor time, s", lambda r: r["cpu"].update(user_seconds=r["cpu"]["user_seconds"] + 0.2)),
        ("threads", lambda r: r.update(threads=10)),
        ("open files", lambda r: r.update(open_files=22)),
        ("database, MB", lambda r: r["disk"].update(database_bytes=8192)),
        ("its write-ahead log, MB", lambda r: r["disk"].update(wal_bytes=0)),
        ("free on the disk, MB", lambda r: r["disk"].update(free_bytes=900_000_000)),
        ("utterances heard", lambda r: r["utterances"].update(heard=r["utterances"]["heard"] + 1)),
        ("utterances done", lambda r: r["utterances"].update(done=0)),
        ("utterances rejected", lambda r: r["utterances"].update(rejected=1)),
        ("utterances failed", lambda r: r["utterances"].update(failed=1)),
        ("utterances waiting", lambda r: r["utterances"].update(waiting=0)),
        ("audio decoded, s", lambda r: r["decodes"].update(audio_seconds=9.0)),
        ("delays counted", lambda r: r["delay_session_ms"].update(count=9)),
        ("delay p50, s (off by %)", lambda r: r["delay_session_ms"].update(p50=r["delay_session_ms"]["p50"] * 1.01)),
        ("delay p95, s (off by %)", lambda r: r["delay_session_ms"].update(p95=r["delay_session_ms"]["p95"] * 1.01)),
        ("delay max, s (off by %)", lambda r: r["delay_session_ms"].update(max=None)),
        ("gaps", lambda r: r["gaps"].update(count=1)),
        ("lost, s", lambda r: r["gaps"].update(seconds=0.5)),
    ],
)
def test_one_record_that_says_otherwise_is_not_ok(figure: str, change: Change) -> None:
    assert figure in not_ok(changed(7, change))


def test_a_backlog_that_is_kept_quiet_is_not_ok() -> None:
    assert "backlog, s of audio" in not_ok(changed(10, lambda r: r.update(backlog_seconds=0.0)))


def test_a_checkpoint_that_was_taken_late_is_not_ok() -> None:
    moments = [100.0, 105.0, 110.6, 115.0]
    records = [
        {"monotonic_seconds": now, "uptime_seconds": now - 95, "missed": 0, "state": "hearing"} for now in moments
    ]
    lines = times(records, records, moments, interval_seconds=5, until_monotonic=119)
    assert {line.figure: round(line.off, 3) for line in lines if not line.ok} == {
        "taken after it was due, s": 0.6,
        "seen in the file after it was due, s": 0.6,
    }


@pytest.mark.parametrize("state", ["stopping", "hearing"])
def test_one_more_at_the_stop_stands_beside_the_grid(state: str) -> None:
    moments = [100.0, 105.0, 110.0, 112.9]
    records = [{"monotonic_seconds": now, "uptime_seconds": now - 95, "missed": 0, "state": state} for now in moments]
    lines = times(records, records, moments, interval_seconds=5, until_monotonic=112)
    assert all(line.ok for line in lines) == (state == "stopping")


def test_one_more_soon_after_the_start_stands_beside_the_grid() -> None:
    moments = [110.0, 400.0, 700.0]
    records = [
        {"monotonic_seconds": now, "uptime_seconds": now - 100, "missed": 0, "state": "hearing"} for now in moments
    ]
    lines = times(records, records, moments, interval_seconds=300, until_monotonic=800)
    assert [line for line in lines if not line.ok] == []
    assert lines[0].told == 2


def test_frames_that_do_not_make_the_whole_file_are_not_ok() -> None:
    found = changed(-1, lambda r: r["frames"].update(received=499))
    assert "frames received, of the whole file" in not_ok(found)


def test_a_record_that_is_not_in_the_database_is_missing() -> None:
    found = evidence()
    without = replace(found, records=[*found.records[:5], *found.records[6:]])
    assert {"checkpoints that were due", "the same in the file", "missed, as they say"} <= not_ok(without)
    assert told("checkpoints that were due", without).off == 1


def test_the_last_records_that_were_due_are_missing_too() -> None:
    found = evidence()
    assert told("checkpoints that were due", replace(found, records=found.records[:-2])).off == 2


def test_a_line_that_differs_from_the_database_is_not_ok() -> None:
    found = evidence()
    found.lines[3]["utterances"]["heard"] += 1
    assert not_ok(found) == {"the same in the file"}


def test_a_line_that_comes_late_into_the_file_is_not_ok() -> None:
    found = evidence()
    found.outside.lines_seen[4] += 0.5
    assert "seen in the file after it was due, s" in not_ok(found)


def test_a_first_checkpoint_that_is_late_is_not_ok_though_all_others_keep_step_with_it() -> None:
    found = evidence()
    for record in (*found.records, *found.lines):
        dict_of(record)["uptime_seconds"] += 0.6
    assert "first after the start, s" in not_ok(found)


def test_an_engine_that_rests_proves_nothing() -> None:
    assert not_ok(replace(evidence(), load=EngineLoad(0.5, 10, 1))) == {"engine decoding, share of the time"}


def test_without_records_nothing_is_ok() -> None:
    found = replace(evidence(), records=[], lines=[])
    assert {"checkpoints that were due", "cost, ms", "uptime, s", "resident, MB", "utterances heard"} <= not_ok(found)


def test_without_looks_there_is_nothing_to_compare_with() -> None:
    with pytest.raises(VoicebridgeError, match="not seen from outside"):
        compare(replace(evidence(), outside=Outside()), INTERVAL)


@pytest.mark.parametrize("lost_sight", [False, True])
def test_memory_may_have_been_what_it_was_around_it_where_looks_were_far_apart(lost_sight: bool) -> None:
    found = changed(7, lambda r: r["memory"].update(rss_bytes=120_000_000))
    at = found.records[7]["monotonic_seconds"]
    looks = [seen for seen in found.outside.looks if not (lost_sight and 0.01 < seen.monotonic - at < 0.05)]
    half_a_second_later = min(looks, key=lambda seen: abs(seen.monotonic - at - 0.5))
    looks[looks.index(half_a_second_later)] = replace(
        half_a_second_later, figures={**half_a_second_later.figures, "rss": 130_000_000}
    )
    found.outside.looks[:] = looks
    assert not_ok(found) == (set() if lost_sight else {"resident, MB"})


def test_gaps_of_the_database_must_be_told() -> None:
    gap = {"start_sample": 0, "end_sample": 16_000, "noted_at": WALL_OFFSET + FIRST_SAMPLE + 1}
    assert not_ok(replace(evidence(), gaps=[gap])) == {"gaps", "lost, s"}


def test_delays_of_a_moment_with_many_in_doubt_are_not_compared() -> None:
    found = evidence()
    rows = [{**row, "settled_at": None, "delay_ms": None, "status": "pending"} for row in found.utterances]
    crowd = [{**rows[0], "speech_end": 16_000 * 3 + place, "start_sample": place} for place in range(6)]
    usual = told("delay max, s (off by %)", replace(found, utterances=rows)).compared
    assert told("delay max, s (off by %)", replace(found, utterances=[*rows, *crowd])).compared < usual


def test_the_table_shows_what_is_not_ok_and_what_could_not_be_compared() -> None:
    lines = [Line("threads", 10, 9, 9, 1, 0, 5), Line("gaps", 0, 0, 2, 0, 0, 5), worst("level", [], 1)]
    _, wrong, right, nothing = (" ".join(line.split()) for line in table(lines))
    assert wrong == "threads 10 9 1 0 5 not ok"
    assert right == "gaps 0 0 to 2 0 0 5 ok"
    assert nothing == "level nothing to compare 0 not ok"


def test_json_holds_every_line_and_the_machine() -> None:
    found = evidence()
    lines = [*compare(found, INTERVAL), worst("level", [], 1)]
    written = json.loads(json.dumps(_as_json(found, lines, {"cores": 2}), allow_nan=False))
    assert written["machine"] == {"cores": 2}
    assert not written["passed"]
    assert len(written["lines"]) == len(lines)
    assert written["lines"][-1]["told"] is None
    assert len(written["checkpoints"]) == len(found.records)


def test_the_file_that_is_played_is_in_whole_frames(tmp_path: Path) -> None:
    pieces = list(enough([Piece("a", evidence().played[:16_123])], 3.0, 1.0))
    samples = write_speech(tmp_path / "speech.wav", pieces)
    assert len(pieces) == 2
    assert len(samples) == 320 * math.ceil((3 * 16_000 + 2 * 16_123) / 320)
    assert (tmp_path / "speech.wav").stat().st_size == 44 + 2 * len(samples)
