"""What the judges make of faults, of services that are only looked at, of hurried and of broken-off soaks."""

import dataclasses
from collections.abc import Sequence

import pytest

from tests.soak import records
from tests.soak.records import BEGAN, HOUR, RATE, Life
from voicebridge_bench.soak.judges.case import Case
from voicebridge_bench.soak.judges.spans import merged, seconds, within, without
from voicebridge_bench.soak.judges.words import at_least
from voicebridge_bench.soak.judging import judge
from voicebridge_bench.soak.profiles import profile_named
from voicebridge_bench.soak.record import Announced, Checkpoint, End, Fault, Happened, Heard, Lost, Record
from voicebridge_bench.soak.verdict import Outcome, Verdict

OFFICE, CHAOS = profile_named("office"), profile_named("chaos")


def verdicts(record: Record, profile: str = "office") -> dict[str, Verdict]:
    return {verdict.code: verdict for verdict in judge(record, profile_named(profile)).verdicts}


def red(record: Record, profile: str = "office") -> set[str]:
    return {code for code, verdict in verdicts(record, profile).items() if verdict.outcome is Outcome.FAIL}


def killed(down: float = 0.7, kind: str = "kill") -> Record:
    """A soak of an hour in which the process is killed in the middle, and hears again after some time."""
    record = records.healthy(1.0, 1, [Life(0, 1800, "killed"), Life(1800 + down - 0.6, 3600)])
    hears = BEGAN + 1800 + down
    record.faults.append(Fault(kind, BEGAN + 1799.9, BEGAN + 1799.9, hears, 5.0, 1))
    return record


def test_a_kill_with_a_quick_recovery_is_all_well() -> None:
    record = killed()
    assert red(record, "chaos") == set()
    assert verdicts(record, "chaos")["recovery"].outcome is Outcome.PASS


def test_a_recovery_beyond_its_allowance_is_red() -> None:
    assert red(killed(8.0), "chaos") == {"recovery"}


def test_only_deaf_time_beyond_the_allowance_counts() -> None:
    record = killed(25.0)
    assert red(record, "chaos") == {"recovery", "availability"}
    assert verdicts(record, "chaos")["availability"].facts["deaf_seconds"] == pytest.approx(20.1, abs=0.2)


def test_a_fault_that_is_not_to_end_the_process_does_not_explain_its_death() -> None:
    assert red(killed(kind="disk_full"), "chaos") == {"crashes"}


def test_a_crash_while_a_decode_was_made_hang_is_a_crash() -> None:
    record = killed(kind="engine_hang")
    assert red(record, "chaos") == set()
    record.happened = [
        dataclasses.replace(each, kind="crashed") if each.kind == "killed" else each for each in record.happened
    ]
    assert red(record, "chaos") == {"crashes"}


def test_a_fault_that_was_never_recovered_from_is_red() -> None:
    record = killed()
    record.faults = [dataclasses.replace(record.faults[0], recovered=None)]
    assert red(record, "chaos") == {"recovery"}


def test_a_fault_that_the_end_of_the_soak_cut_short_is_not_held_against_it() -> None:
    record = records.healthy(1.0)
    record.faults.append(Fault("stop", BEGAN + HOUR - 5, BEGAN + HOUR - 1, None, 5.0, 1))
    assert verdicts(record, "chaos")["recovery"].outcome is Outcome.NOT_JUDGED


def test_gaps_and_errors_while_a_fault_lasts_are_explained_and_others_are_not() -> None:
    record = records.healthy(1.0)
    record.faults.append(Fault("disk_full", BEGAN + 600, BEGAN + 615, BEGAN + 615, 5.0, 1))
    inside, outside = BEGAN + 610, BEGAN + 900
    record.happened.append(Happened(inside, "error", 1, "the disk is full"))
    record.lost.append(Lost(1, 1, 0, RATE // 10, "overflow", inside))
    assert red(record, "chaos") == set()
    record.happened.append(Happened(outside, "error", 1, "something else"))
    record.lost.append(Lost(1, 1, 0, RATE // 10, "overflow", outside))
    assert red(record, "chaos") == {"errors", "gaps"}


def test_a_gap_of_unknown_time_needs_a_fault_in_its_life() -> None:
    record = records.healthy(1.0)
    record.lost.append(Lost(1, 1, 0, RATE, "overflow", None))
    assert red(record) == {"gaps"}


def test_a_hang_is_red() -> None:
    record = records.healthy(1.0)
    record.happened.append(Happened(BEGAN + 100, "hang", 1, "it does not answer for 12 s"))
    assert red(record) == {"hangs"}


def test_long_gaps_cost_availability() -> None:
    record = records.healthy(1.0)
    record.lost.append(Lost(1, 1, 0, 30 * RATE, "stalled", BEGAN + 900))
    assert red(record) == {"gaps", "availability"}


def test_frames_while_the_source_stands_are_a_lie() -> None:
    """The feed stood for a minute, and the checkpoints go on as if it had not."""
    record = records.healthy(1.0)
    record.faults.append(Fault("source_loss", BEGAN + 1000, BEGAN + 1060, BEGAN + 1060.2, 5.0, 1))
    assert red(record, "chaos") == {"frames"}


def test_frames_beyond_what_was_fed_are_a_lie_also_where_time_is_no_measure() -> None:
    record = records.healthy(1.0)
    record.header = dataclasses.replace(record.header, speed=20.0)
    assert verdicts(record)["frames"].outcome is Outcome.PASS
    record.checkpoints = [
        Checkpoint(each.at, {**each.content, "frames": {"received": 3 * each.content["frames"]["received"]}})
        for each in record.checkpoints
    ]
    assert verdicts(record)["frames"].outcome is Outcome.FAIL


def test_frames_beyond_what_the_whole_life_was_fed_are_a_lie() -> None:
    record = records.healthy(1.0)
    record.happened.append(Happened(BEGAN + HOUR, "fed", 1, f"{1000 * RATE} samples"))
    assert verdicts(record)["frames"].figure == pytest.approx(HOUR - 1000, abs=60)


def test_a_crash_that_is_never_restarted_from_is_deafness_until_the_end() -> None:
    record = records.healthy(1.0, 1, [Life(0, 1800, "crashed")])
    record.samples += [dataclasses.replace(record.samples[-1], at=BEGAN + 3599)]
    assert {"crashes", "availability"} <= red(record)


def test_a_daemon_that_never_hears_fails_availability() -> None:
    record = records.healthy(0.2)
    record.happened = [moment for moment in record.happened if moment.kind != "ready"]
    assert verdicts(record)["availability"].figure == 0.0


def test_a_running_service_is_judged_by_what_can_be_seen_of_it() -> None:
    record = records.healthy(1.0)
    record.header = dataclasses.replace(record.header, attached=True)
    record.played.clear()
    record.happened = [each for each in record.happened if each.kind != "integrity"]
    record.happened.append(Happened(BEGAN + HOUR, "journal", 1, "read"))
    found = verdicts(record)
    unseen = {code for code, verdict in found.items() if verdict.outcome is Outcome.NOT_JUDGED}
    assert unseen == {"lost", "heard", "word_error", "false_utterances", "recovery", "log", "integrity"}
    assert red(record) == set()
    # Nothing was played: there is nothing but what it says of itself.
    assert found["delay"].sentence.endswith("as the daemon says.")


@pytest.mark.parametrize("told", [[], [Happened(BEGAN + HOUR, "journal", 1, "journalctl does not run")]])
def test_errors_of_a_service_whose_journal_was_not_read_are_not_judged(told: list[Happened]) -> None:
    record = records.healthy(1.0)
    record.header = dataclasses.replace(record.header, attached=True)
    record.happened += told
    verdict = verdicts(record)["errors"]
    assert verdict.outcome is Outcome.NOT_JUDGED
    assert "was not read" in verdict.sentence


def test_without_the_right_to_see_what_is_its_own_all_its_memory_is_judged() -> None:
    record = records.healthy(1.0)
    record.samples = [dataclasses.replace(sample, uss_bytes=None, heap_bytes=None) for sample in record.samples]
    found = verdicts(record)
    assert found["memory"].title == "Memory (RSS)"
    assert found["heap"].outcome is Outcome.NOT_JUDGED


def test_a_hurried_soak_has_no_delays_and_growth_by_the_hour_of_audio() -> None:
    record = records.grow(records.healthy(1.0), uss_bytes=80e6)
    record.header = dataclasses.replace(record.header, speed=8.0)
    record.checkpoints = [
        Checkpoint(each.at, {**each.content, "frames": {"received": 8 * each.content["frames"]["received"]}})
        for each in record.checkpoints
    ]
    record.heard = [dataclasses.replace(heard, delay_ms=None) for heard in record.heard]
    found = verdicts(record)
    assert found["delay"].outcome is found["delay_drift"].outcome is Outcome.NOT_JUDGED
    # An hour at eight times the pace: 80 MB in an hour of time are 10 in one of audio.
    assert found["memory"].figure == pytest.approx(10_000, rel=0.1)
    assert found["memory"].facts["judged_hours"] == pytest.approx(6.4, abs=0.3)
    assert "by the clock 47 min" in found["memory"].sentence


def test_a_record_that_was_cut_off_is_judged_as_far_as_it_goes() -> None:
    record = records.healthy(1.0)
    record.heard.clear()
    record.happened = [each for each in record.happened if each.kind != "integrity"]
    record.end = None
    judgement = judge(record, OFFICE)
    assert not judgement.complete
    assert not judgement.passed
    found = {verdict.code: verdict.outcome for verdict in judgement.verdicts}
    of_the_end = ("lost", "doubled", "heard", "word_error", "false_utterances", "gaps", "delay", "delay_drift")
    assert {found[code] for code in of_the_end} == {Outcome.INCONCLUSIVE}
    assert not judgement.failed


def test_what_the_database_held_before_it_was_resumed_is_not_its_end() -> None:
    record = records.healthy(1.0)
    record.happened.append(Happened(BEGAN + HOUR + 60, "resumed", 1))
    record.end = None
    assert verdicts(record)["heard"].outcome is Outcome.INCONCLUSIVE


def test_a_failed_harness_that_read_nothing_tells_nothing_of_what_was_heard() -> None:
    record = records.healthy(1.0)
    record.heard.clear()
    record.happened = [each for each in record.happened if each.kind != "integrity"]
    record.end = End(BEGAN + HOUR, "failed", "KeyboardInterrupt: ")
    assert red(record) == set()


def test_a_record_without_room_tells_nothing_of_what_was_heard() -> None:
    record = records.healthy(1.0)
    del record.heard[10:]
    record.end = End(BEGAN + HOUR, "complete", left_out=12)
    assert red(record) == set()
    assert "12 entries found no place" in verdicts(record)["lost"].sentence


def ended_while_it_started(detail: str) -> Record:
    record = records.healthy(0.01)
    for kept in (record.checkpoints, record.samples, record.heard, record.played, record.announced):
        kept.clear()
    over = BEGAN + 0.4
    record.happened = [Happened(BEGAN, "started", 1), Happened(over + 0.5, "crashed", 1, detail)]
    record.happened.append(Happened(over + 0.5, "integrity", 1, "ok"))
    record.end = End(over, "interrupted", "asked to end after 0 s")
    return record


def test_a_daemon_that_is_asked_to_leave_while_it_starts_has_not_crashed() -> None:
    record = ended_while_it_started("it ended by itself, status 1")
    assert red(record) == set()
    assert verdicts(record)["availability"].outcome is Outcome.INCONCLUSIVE


def test_a_daemon_that_breaks_while_it_is_asked_to_leave_has_crashed() -> None:
    assert red(ended_while_it_started("it ended by itself, signal SIGSEGV")) == {"crashes"}


def with_frames(record: Record, share: float) -> Record:
    """So much of the audio is reported as heard, from the first frame on."""
    record.checkpoints = [
        Checkpoint(each.at, {**each.content, "frames": {"received": int(share * each.content["frames"]["received"])}})
        for each in record.checkpoints
    ]
    return record


def test_frames_that_are_missing_a_little_each_time_add_up() -> None:
    """Checkpoints of a quick soak are 5 s apart: 9 % are less than half a second of each."""
    record = with_frames(records.healthy(1 / 12), 0.91)
    assert record.header.checkpoint_seconds < 6
    assert red(record) == {"availability"}
    assert verdicts(record)["availability"].figure == pytest.approx(91, abs=1)


def test_frames_that_come_a_little_sooner_or_later_are_not_missing() -> None:
    record = records.healthy(1 / 12)
    record.checkpoints = [
        Checkpoint(each.at, {**each.content, "frames": {"received": each.content["frames"]["received"] - 20 * (n % 2)}})
        for n, each in enumerate(record.checkpoints)
    ]
    assert verdicts(record)["availability"].figure == 100.0


def test_frames_that_are_missing_before_the_first_checkpoint_count() -> None:
    record = records.healthy(1.0)
    record.checkpoints = [
        Checkpoint(each.at, {**each.content, "frames": {"received": each.content["frames"]["received"] - 25 * 50}})
        for each in record.checkpoints
    ]
    assert verdicts(record)["availability"].facts["deaf_seconds"] == pytest.approx(24.5, abs=0.1)


def test_frames_that_are_missing_after_the_last_checkpoint_count() -> None:
    record = records.healthy(1.0)
    newest = record.checkpoints[-1]
    last = {**newest.content, "state": "stopping", "frames": {"received": newest.content["frames"]["received"] + 50}}
    record.checkpoints.append(Checkpoint(BEGAN + HOUR, last))
    deaf = verdicts(record)["availability"].facts["deaf_seconds"]
    assert deaf == pytest.approx(BEGAN + HOUR - newest.at - 1.5, abs=0.1)


def test_a_gap_is_not_explained_by_the_fault_at_its_end() -> None:
    record = records.healthy(1.0)
    record.faults.append(Fault("source_loss", BEGAN + 600, BEGAN + 605, BEGAN + 605.2, 5.0, 1))
    record.lost.append(Lost(1, 1, 0, 60 * RATE, "stalled", BEGAN + 604))
    assert "gaps" in red(record, "chaos")


def test_a_gap_of_unknown_time_is_not_explained_by_a_shorter_fault() -> None:
    record = records.healthy(1.0)
    record.faults.append(Fault("kill", BEGAN + 600, BEGAN + 600, BEGAN + 600.5, 5.0, 1))
    record.lost.append(Lost(1, 1, 0, 8 * RATE, "stalled", None))
    assert "gaps" not in red(record, "chaos")
    record.lost.append(Lost(1, 1, 0, 60 * RATE, "stalled", None))
    assert "gaps" in red(record, "chaos")


def test_the_bound_of_recovery_counts_for_a_fault_that_names_no_allowance_of_its_own() -> None:
    strict = dataclasses.replace(CHAOS, bounds=dataclasses.replace(CHAOS.bounds, recovery_seconds=2.0))
    record = killed(3.0)
    found = {verdict.code: verdict for verdict in judge(record, strict).verdicts}
    assert (found["recovery"].outcome, found["recovery"].bound) == (Outcome.FAIL, 2.0)
    record.faults = [dataclasses.replace(record.faults[0], allowance_seconds=4.0)]
    found = {verdict.code: verdict for verdict in judge(record, strict).verdicts}
    assert (found["recovery"].outcome, found["recovery"].bound) == (Outcome.PASS, 4.0)


def test_a_kill_is_over_when_it_is_made() -> None:
    record = killed(5.05)
    began = record.faults[0].began
    record.faults = [dataclasses.replace(record.faults[0], ended=began + 0.1)]
    assert red(record, "chaos") == {"recovery"}
    assert verdicts(record, "chaos")["recovery"].figure == pytest.approx(5.15)


def test_checkpoints_of_a_short_interval_may_be_late_by_three_seconds() -> None:
    record = records.healthy(0.05)
    every = record.header.checkpoint_seconds
    late = record.checkpoints.pop(10)
    assert every < 3.5
    assert verdicts(record)["checkpoints"].outcome is Outcome.PASS
    record.checkpoints = [each for each in record.checkpoints if not late.at < each.at < late.at + 2 * every]
    assert verdicts(record)["checkpoints"].outcome is Outcome.FAIL


def test_what_a_later_life_tells_has_no_delay() -> None:
    record = killed()
    chosen = [heard for heard in record.heard if heard.life == 1][-30:]
    late = {heard.utterance for heard in chosen}
    record.announced = [
        dataclasses.replace(told, at=told.at + 600, life=2) if told.utterance in late else told
        for told in record.announced
    ]
    found = verdicts(record, "chaos")["delay"]
    assert found.outcome is Outcome.PASS
    assert found.facts["count"] == len(record.heard) - 30


def test_time_between_being_cut_off_and_resumed_is_not_soaked() -> None:
    record = records.healthy(2.0, 1, [Life(0, 3600), Life(5400, 7200)])
    record.happened = [each for each in record.happened if each.at < BEGAN + 3600 or each.life == 2]
    record.happened.append(Happened(BEGAN + 5399, "resumed", 1))
    assert red(record) == set()
    assert verdicts(record)["availability"].facts["run_seconds"] == pytest.approx(5400, abs=20)


def test_two_pieces_that_were_heard_in_one_utterance_are_compared_together() -> None:
    record = records.healthy(0.5)
    first, second = record.heard[3:5]
    text = f"{record.played[3].text} {record.played[4].text}"
    before = verdicts(record)["word_error"].figure
    record.heard[3:5] = [dataclasses.replace(first, end_sample=second.end_sample, text=text)]
    record.announced = [told for told in record.announced if told.utterance != second.utterance]
    after = verdicts(record)["word_error"].figure
    assert before is not None
    assert after is not None
    assert after <= before


def test_what_another_engine_makes_of_the_material_is_not_held_against_it() -> None:
    record = records.healthy(0.5)
    record.header = dataclasses.replace(record.header, settings={"engine.kind": "sphinx"})
    assert verdicts(record)["word_error"].outcome is Outcome.NOT_JUDGED


def test_few_pieces_tell_nothing_of_the_words() -> None:
    record = records.healthy(0.02)
    assert verdicts(record)["word_error"].outcome is Outcome.INCONCLUSIVE


def test_delays_far_above_the_bound_are_red_also_when_they_are_few() -> None:
    record = records.healthy(0.05)
    assert verdicts(record)["delay"].outcome is Outcome.INCONCLUSIVE
    record.announced = [dataclasses.replace(told, at=told.at + 9.0) for told in record.announced]
    record.happened.append(Happened(BEGAN + 200, "integrity", 1, "ok"))
    assert verdicts(record)["delay"].outcome is Outcome.FAIL


def test_text_in_a_room_where_nobody_speaks_is_red_at_once() -> None:
    record = records.healthy(0.1)
    record.played.clear()
    record.heard = [Heard(1, 1, 1, RATE, 2 * RATE, "done", "thank you", 900.0, BEGAN + 3)]
    record.announced = [Announced(BEGAN + 3, 1, 1)]
    assert red(record, "silence") == {"false_utterances"}


def test_what_a_fault_left_of_a_piece_is_nobody_s_invention() -> None:
    record = killed()
    cut = [piece for piece in record.played if piece.life == 1][-1]
    record.played.remove(cut)
    assert verdicts(record, "chaos")["false_utterances"].figure == 0.0


def test_without_any_checkpoint_due_nothing_is_said_of_them() -> None:
    record = records.healthy(0.5)
    record.header = dataclasses.replace(record.header, checkpoint_seconds=7200.0)
    record.checkpoints.clear()
    found = verdicts(record)
    assert found["checkpoints"].outcome is found["frames"].outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("reason", ["interrupted", "failed"])
def test_what_did_not_come_to_its_end_has_not_passed(reason: str) -> None:
    record = records.healthy(0.5)
    record.end = End(BEGAN + HOUR / 2, reason)
    judgement = judge(record, OFFICE)
    assert not judgement.failed
    assert not judgement.passed


@pytest.mark.parametrize(
    ("stretches", "others", "left"),
    [
        ([(0, 10)], [(2, 3), (5, 6)], [(0, 2), (3, 5), (6, 10)]),
        ([(0, 10), (5, 15)], [(12, 20)], [(0, 12)]),
        ([(0, 10)], [(-5, 50)], []),
        ([(0, 10)], [], [(0, 10)]),
    ],
)
def test_time_without_other_time(
    stretches: Sequence[tuple[float, float]], others: Sequence[tuple[float, float]], left: Sequence[tuple[float, float]]
) -> None:
    assert without(stretches, others) == left


def test_what_overlaps_counts_once() -> None:
    assert merged([(5, 6), (0, 2), (1, 3), (4, 4)]) == [(0, 3), (5, 6)]
    assert seconds([(0, 2), (1, 3)]) == 3
    assert within([(0, 10)], 8, 20) == [(8, 10)]


def test_the_chance_of_so_many_by_chance() -> None:
    assert at_least(0, 3.0) == pytest.approx(1.0)
    assert at_least(1, 3.0) == pytest.approx(0.9502, abs=1e-4)
    assert at_least(1, 0.0) == 0.0


def test_a_service_has_an_interval_of_its_own() -> None:
    record = records.healthy(8.0)
    record.header = dataclasses.replace(record.header, attached=True, checkpoint_seconds=5.0)
    assert verdicts(record)["checkpoints"].outcome is Outcome.PASS


def test_the_first_checkpoint_of_a_service_says_nothing_of_its_interval() -> None:
    record = records.healthy(0.02)
    record.header = dataclasses.replace(record.header, attached=True)
    first = record.checkpoints[0]
    record.checkpoints = [Checkpoint(first.at, {**first.content, "interval_seconds": 5.0, "uptime_seconds": 5.0})]
    found = verdicts(record)["checkpoints"]
    assert found.outcome is Outcome.INCONCLUSIVE


def test_what_was_fed_says_how_much_audio_there_was() -> None:
    record = records.healthy(1.0)
    record.header = dataclasses.replace(record.header, speed=20.0, asked_seconds=20 * HOUR)
    record.happened.append(Happened(BEGAN + HOUR, "fed", 1, f"{18 * 3600 * RATE} samples"))
    assert Case(record, OFFICE).pace == pytest.approx(18.0)
