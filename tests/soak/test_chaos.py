"""Every fault made to a real daemon, one soon after the other: it hears again, and nothing is lost."""

import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from voicebridge_bench.soak.faults import Injector, bodies
from voicebridge_bench.soak.home import environment_of, make_home, orders_path
from voicebridge_bench.soak.inside.orders import Orders
from voicebridge_bench.soak.journal import Recorder, read_record
from voicebridge_bench.soak.judging import judge
from voicebridge_bench.soak.own import OwnDaemon, Past
from voicebridge_bench.soak.profiles import profile_named
from voicebridge_bench.soak.record import Record
from voicebridge_bench.soak.running import Asked, Conductor, _header, _load, _soak
from voicebridge_bench.soak.trouble import (
    CLOCK_STEP,
    DISK_FULL,
    ENGINE_HANG,
    KILL,
    SOURCE_LOSS,
    STOP,
    Planned,
)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")]
ASKED = Asked(profile_named("chaos"), 136.0, seed=4)
PLANNED = (
    Planned(CLOCK_STEP, 8.0, 5.0, 5.0),
    Planned(STOP, 20.0, 4.0, 5.0),
    # Longer than this profile is ever quiet, so that somebody speaks meanwhile.
    Planned(DISK_FULL, 32.0, 12.0, 5.0),
    Planned(SOURCE_LOSS, 52.0, 6.0, 5.0),
    Planned(KILL, 70.0, 0.0, 5.0),
    Planned(ENGINE_HANG, 81.0, 60.0, 5.0),
)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    folder = tmp_path_factory.mktemp("chaos")
    recorder = Recorder(folder)
    recorder.write(_header(ASKED, attached=False))
    own = OwnDaemon(folder, _load(ASKED), Past(), recorder.write)
    can = bodies(own.lives, own.feed, Orders(orders_path(own.home)), shim=True)
    own._injector = Injector(PLANNED, can, own.lives, recorder.write)
    _soak(Conductor(recorder, ASKED, threading.Event(), lambda _progress: None), own)
    recorder.close()
    return read_record(folder)


def test_every_fault_was_made_and_the_daemon_heard_again(record: Record) -> None:
    assert [fault.kind for fault in record.faults] == [planned.kind for planned in PLANNED]
    for fault in record.faults:
        assert fault.recovered is not None
        assert fault.began <= fault.ended < fault.recovered


def test_the_judge_finds_nothing_wrong(record: Record) -> None:
    judgement = judge(record, ASKED.profile)
    assert [(verdict.code, verdict.sentence, verdict.facts) for verdict in judgement.failed] == []


def test_a_kill_and_a_hang_cost_a_life_each_and_the_rest_none(record: Record) -> None:
    ends = [happened for happened in record.happened if happened.kind in {"killed", "crashed"}]
    assert [happened.kind for happened in ends] == ["killed", "killed"]
    assert "SIGKILL" in ends[0].detail
    assert "status 86" in ends[1].detail


def test_the_disk_and_the_clock_were_really_troubled(record: Record) -> None:
    steps = [checkpoint.content["clock_steps"]["count"] for checkpoint in record.checkpoints]
    assert max(steps) == 2
    assert max(checkpoint.content["errors"]["store_retried"] for checkpoint in record.checkpoints) > 0


def test_while_the_source_was_away_it_said_so(record: Record) -> None:
    loss = next(fault for fault in record.faults if fault.kind == SOURCE_LOSS)
    states = [
        moment for moment in record.happened if moment.kind == "state" and loss.began < moment.at < loss.ended + 1
    ]
    assert any(moment.detail.startswith("deaf") for moment in states)


def test_without_a_compiler_the_clock_and_the_disk_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    home = make_home(tmp_path / "home")
    environment, why = environment_of(home, orders=True)
    home.leave()
    assert "LD_PRELOAD" not in environment
    assert why == "there is no C compiler"
    assert set(bodies_without_shim(tmp_path)) == {KILL, STOP, SOURCE_LOSS, ENGINE_HANG}


def bodies_without_shim(folder: Path) -> list[str]:
    # Nothing is played, so that nothing has to be spoken first.
    load = replace(_load(ASKED), profile=replace(ASKED.profile, load=profile_named("silence").load))
    own = OwnDaemon(folder / "own", load, Past(), lambda _entry: None)
    try:
        return list(bodies(own.lives, own.feed, Orders(orders_path(own.home)), shim=False))
    finally:
        own.leave()
