from dataclasses import replace

import numpy as np

from tests.soak import records
from voicebridge_bench.soak.judges.case import Case
from voicebridge_bench.soak.profiles import profile_named
from voicebridge_bench.soak.series import Series, axis_of, memory, of_samples, processor, thinned, windows


def case(hours: float) -> Case:
    return Case(records.healthy(hours), profile_named("office"))


def test_thinning_keeps_the_highest_and_the_lowest_point() -> None:
    values = np.random.default_rng(1).normal(size=20_000)
    values[777], values[12_345] = 99.0, -99.0
    found = thinned(Series("x", np.arange(20_000.0), values))
    assert len(found.at) <= 1000
    assert (found.values.max(), found.values.min()) == (99.0, -99.0)
    assert (np.diff(found.at) > 0).all()


def test_thinning_keeps_breaks() -> None:
    values = np.ones(20_000)
    values[5000:9000] = np.nan
    found = thinned(Series("x", np.arange(20_000.0), values))
    assert np.isnan(found.values).any()
    assert np.isfinite(found.values).any()


def test_a_line_breaks_where_a_process_ended() -> None:
    found = of_samples(Case(records.crash_loop(0.1), profile_named("office")), "USS", lambda sample: sample.uss_bytes)
    assert np.isnan(found.values).sum() == 8


def test_the_processor_is_told_in_percent_of_one_core() -> None:
    assert np.allclose(np.nanmedian(processor(case(0.2)).values), 12.0)


def test_the_axis_counts_hours_in_a_long_soak_and_minutes_in_a_short_one() -> None:
    assert axis_of(case(8.0)).unit == "hours"
    assert (axis_of(case(0.2)).unit, round(axis_of(case(0.2)).length)) == ("minutes", 12)


def test_windows_of_few_points_are_none() -> None:
    assert not windows(Series("delay", np.arange(30.0), np.ones(30)), 95)
    found = windows(Series("delay", np.arange(100.0), np.ones(100)), 95)
    assert found.name == "p95"
    assert found.values.tolist() == [1.0] * 5


def test_the_memory_drawn_is_the_memory_that_is_judged() -> None:
    record = records.healthy(0.1)
    assert memory(Case(record, profile_named("office"))).name == "USS"
    record.samples = [replace(sample, own_bytes=90_000_000) for sample in record.samples]
    found = memory(Case(record, profile_named("office")))
    assert (found.name, set(found.values)) == ("USS, written to", {90.0})
    record.samples = [replace(sample, own_bytes=None, uss_bytes=None) for sample in record.samples]
    assert memory(Case(record, profile_named("office"))).name == "RSS"
