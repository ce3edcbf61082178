import click
import pytest

from tests.soak import records
from tests.soak.records import BEGAN, MB
from voicebridge_bench.soak.figures import length_of_time, told
from voicebridge_bench.soak.judging import judge
from voicebridge_bench.soak.profiles import profile_named
from voicebridge_bench.soak.record import End, Record
from voicebridge_bench.soak.summary import summary
from voicebridge_bench.soak.verdict import Outcome


def lines(record: Record) -> list[str]:
    return click.unstyle(summary(record, judge(record, profile_named("office")))).splitlines()


@pytest.mark.parametrize(
    "record", [records.healthy(0.5), records.crash_loop(0.5), records.grow(records.healthy(0.5), uss_bytes=500 * MB)]
)
def test_it_fits_one_screen(record: Record) -> None:
    found = lines(record)
    assert len(found) <= 30
    assert max(len(line) for line in found) <= 100


def test_the_first_line_says_the_result() -> None:
    assert lines(records.healthy(0.5))[0].startswith("Soak passed: ")
    assert lines(records.crash_loop(0.5))[0].startswith("Soak FAILED: 2 of ")


def test_what_failed_comes_first_with_its_reason() -> None:
    found = lines(records.crash_loop(0.5))
    assert found[3].startswith("FAIL          No crash")
    assert "by itself" in found[4]


def test_a_growth_that_was_not_found_has_the_smallest_that_would_have_been() -> None:
    record = records.healthy(4.0)
    verdicts = {verdict.code: verdict for verdict in judge(record, profile_named("office")).verdicts}
    rows = {line[14:52].strip(): line for line in lines(record)}
    for code, outcome in (("heap", Outcome.PASS), ("memory", Outcome.INCONCLUSIVE)):
        verdict = verdicts[code]
        assert verdict.outcome is outcome
        assert rows[verdict.title].endswith(f", tells {told(verdict.facts['smallest_told'], 'KB/h')}")


def test_a_soak_that_did_not_come_to_its_end_has_not_passed() -> None:
    record = records.healthy(0.5)
    record.end = End(BEGAN + 1800, "interrupted")
    first = lines(record)[0]
    assert first.startswith("Soak incomplete: ")
    assert first.endswith("It did not come to its end.")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "s", "-"),
        (0.0, "/h", "0/h"),
        (2.0, "", "2"),
        (99.5, "%", "99.5 %"),
        (12_345.0, "KB/h", "12.3 MB/h"),
        (1162.4, "KB/h", "1,162 KB/h"),
        (-0.0, "KB/h", "0 KB/h"),
        (0.0000123, "s/h", "0 s/h"),
    ],
)
def test_figures_are_told_with_three_digits(value: float | None, unit: str, text: str) -> None:
    assert told(value, unit) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (61, "1 min 1 s"), (300, "5 min"), (28_801, "8 h")])
def test_times_are_told_in_words(seconds: float, text: str) -> None:
    assert length_of_time(seconds) == text
