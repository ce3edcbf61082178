import dataclasses

from tests.soak import records
from tests.soak.records import BEGAN, HOUR, RATE
from voicebridge_bench.soak.judges.case import Case
from voicebridge_bench.soak.profiles import profile_named
from voicebridge_bench.soak.record import Happened, Record
from voicebridge_bench.soak.told import facts, flat


def told(record: Record) -> dict[str, str]:
    return dict(facts(Case(record, profile_named("office"))))


def test_a_healthy_soak_says_what_was_soaked_and_nothing_of_its_end() -> None:
    found = told(records.healthy(0.5))
    assert found["Soaked"] == "30 min of 30 min"
    assert found["Faults"] == "none injected"
    assert "Ended" not in found


def test_a_hurried_soak_says_how_fast_it_was_and_how_much_it_heard() -> None:
    record = records.healthy(0.5)
    record.header = dataclasses.replace(record.header, speed=20.0)
    record.happened.append(Happened(BEGAN + HOUR / 2, "fed", 1, f"{8 * 3600 * RATE} samples"))
    found = told(record)
    assert found["Soaked"] == "8 h of audio in 30 min"
    assert found["Speed"] == "16.0 times as fast as time (asked for 20 times)"


def test_a_service_that_was_looked_at_has_no_seed_and_no_speech() -> None:
    record = records.healthy(0.5)
    record.header = dataclasses.replace(record.header, attached=True)
    found = told(record)
    assert "Attached" in found
    assert {"Seed", "Speech", "Faults"}.isdisjoint(found)


def test_faults_that_could_not_be_made_here_are_named() -> None:
    record = records.healthy(0.5)
    record.happened.append(Happened(BEGAN, "left_out", 0, "clock_step: there is no compiler"))
    assert told(record)["Left out"] == "clock_step: there is no compiler"


def test_a_record_without_an_end_was_cut_off() -> None:
    record = records.healthy(0.5)
    record.end = None
    assert told(record)["Ended"] == "cut off: the record has no end"


def test_facts_of_the_host_are_told_flat_and_for_people() -> None:
    host = {"boot_id": "x", "cpu": {"model": "A", "cores": 2}, "load": [0.5, 1], "memory_bytes": 8 << 30}
    assert flat(host) == {"cpu model": "A", "cpu cores": "2", "load": "0.5, 1", "memory": "8.0 GiB"}
