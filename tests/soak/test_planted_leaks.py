"""Leaks of memory, planted into records with the noise that tests/soak/records.py states (90 KB standard deviation)."""

from functools import lru_cache

import numpy as np

from tests.soak import records
from tests.soak.records import HOUR, KB, MB
from voicebridge_bench.soak.judges.case import Case
from voicebridge_bench.soak.judges.growing import judge
from voicebridge_bench.soak.profiles import profile_named
from voicebridge_bench.soak.record import Record
from voicebridge_bench.soak.verdict import Outcome, Verdict

SEEDS = 20
OFFICE = profile_named("office")


def memory_of(record: Record) -> Verdict:
    return next(verdict for verdict in judge(Case(record, OFFICE)) if verdict.code == "memory")


@lru_cache
def runs(leak: float = 0.0, hours: float = 8.0) -> list[Verdict]:
    """What the judge says of the memory in twenty runs."""
    records_ = (records.healthy(hours, seed) for seed in range(SEEDS))
    return [memory_of(records.grow(record, uss_bytes=leak, rss_bytes=leak)) for record in records_]


def outcomes(leak: float = 0.0, hours: float = 8.0) -> list[Outcome]:
    return [verdict.outcome for verdict in runs(leak, hours)]


def test_the_noise_is_what_is_stated() -> None:
    hours = np.arange(0, 8, 10 / HOUR)
    settled = [records.memory(np.random.default_rng(seed), hours)[hours > 2] for seed in range(SEEDS)]
    assert 75 * KB < np.mean([own.std() for own in settled]) < 100 * KB


def test_100_kb_an_hour_are_caught_in_8_hours_in_19_of_20_runs() -> None:
    found = outcomes(100 * KB)
    assert found.count(Outcome.FAIL) >= 19


def test_a_healthy_process_is_called_leaking_in_1_of_20_runs_at_most() -> None:
    found = outcomes()
    assert found.count(Outcome.FAIL) <= 1
    assert found.count(Outcome.PASS) >= 19


def test_5_mb_a_minute_are_caught_in_5_minutes() -> None:
    found = outcomes(300 * MB, 1 / 12)
    assert found.count(Outcome.FAIL) >= 19


def test_a_healthy_process_is_not_called_anything_after_5_minutes() -> None:
    found = outcomes(hours=1 / 12)
    assert found.count(Outcome.INCONCLUSIVE) >= 19


def test_the_smallest_leak_that_8_hours_can_tell_is_about_100_kb_an_hour() -> None:
    least = [verdict.facts["smallest_told"] for verdict in runs(0.0, 8.0)]
    assert 60 < np.median(least) < 100
