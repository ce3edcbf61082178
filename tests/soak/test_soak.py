"""Real soaks of a real daemon, as short as they can be: what is written down agrees with itself."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from voicebridge.daemon.control_client import Client
from voicebridge.domain.errors import VoicebridgeError
from voicebridge.domain.units import FRAME_SAMPLES, SAMPLE_RATE
from voicebridge_bench.soak.attached import Service
from voicebridge_bench.soak.home import make_home
from voicebridge_bench.soak.journal import FILE_NAME, read_record, soaked_seconds
from voicebridge_bench.soak.judging import judge
from voicebridge_bench.soak.own import Load, OwnDaemon, Past
from voicebridge_bench.soak.profiles import profile_named
from voicebridge_bench.soak.record import Entry, Happened, Record
from voicebridge_bench.soak.running import Asked, Progress, attach, begin, resume

pytestmark = pytest.mark.slow
WAIT_SECONDS = 90.0
SOAK_SECONDS = 40.0
ASKED = Asked(profile_named("busy"), SOAK_SECONDS, seed=3)


def kinds(record: Record) -> list[str]:
    return [happened.kind for happened in record.happened]


def wait_until(good: Callable[[], bool]) -> None:
    deadline, pause = time.monotonic() + WAIT_SECONDS, threading.Event()
    while not good():
        assert time.monotonic() < deadline, f"it was not so within {WAIT_SECONDS:g} s"
        pause.wait(0.1)


@pytest.fixture(scope="module")
def shown() -> list[Progress]:
    return []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, shown: list[Progress]) -> Path:
    folder = tmp_path_factory.mktemp("soak")
    begin(ASKED, folder, threading.Event(), shown.append)
    return folder


@pytest.fixture(scope="module")
def record(folder: Path) -> Record:
    return read_record(folder)


def test_it_comes_to_its_end(record: Record) -> None:
    assert record.end is not None
    assert record.end.reason == "complete"
    assert soaked_seconds(record) >= SOAK_SECONDS
    assert [kind for kind in kinds(record) if kind != "state"][:3] == ["started", "session", "ready"]
    assert kinds(record)[-2:] == ["stopped", "integrity"]
    assert not {"crashed", "hang", "error", "killed"} & set(kinds(record))


def test_the_judge_finds_nothing_wrong_with_it(record: Record) -> None:
    judgement = judge(record, ASKED.profile)
    assert [(verdict.code, verdict.sentence) for verdict in judgement.failed] == []
    assert judgement.passed


def test_the_database_is_whole(record: Record) -> None:
    assert record.happened[-1].detail == "ok"


def test_every_piece_that_was_played_was_heard_where_it_was_played(record: Record) -> None:
    assert len(record.played) >= 5
    for piece in record.played:
        assert any(
            heard.life == piece.life
            and heard.start_sample < piece.end_sample
            and piece.start_sample < heard.end_sample
            and heard.status == "done"
            for heard in record.heard
        )


def test_everything_that_was_announced_is_stored(record: Record) -> None:
    announced = [told.utterance for told in record.announced]
    assert len(announced) == len(set(announced)) >= 5
    assert set(announced) <= {heard.utterance for heard in record.heard if heard.text}


def test_no_more_was_heard_than_was_fed(record: Record) -> None:
    [fed] = [int(happened.detail.split()[0]) for happened in record.happened if happened.kind == "fed"]
    assert max(heard.end_sample for heard in record.heard) <= fed
    assert record.checkpoints[-1].content["frames"]["received"] * FRAME_SAMPLES < fed + FRAME_SAMPLES


def test_a_text_is_announced_after_its_piece_was_spoken(record: Record) -> None:
    settled = {heard.utterance: heard for heard in record.heard}
    for told in record.announced:
        spoken = [piece for piece in record.played if piece.start_sample < settled[told.utterance].end_sample]
        assert all(piece.began < told.at for piece in spoken)


def test_checkpoints_are_those_of_the_daemon_and_hold_the_heap(record: Record) -> None:
    # How many there are says how busy the machine is; that none is missing is the judge's to say.
    assert len(record.checkpoints) >= SOAK_SECONDS / record.header.checkpoint_seconds / 2
    assert all(checkpoint.content["memory"]["heap_bytes"] > 1_000_000 for checkpoint in record.checkpoints)
    assert [each.at for each in record.checkpoints] == sorted(each.at for each in record.checkpoints)


def test_samples_are_of_that_process(record: Record, folder: Path) -> None:
    assert len(record.samples) >= SOAK_SECONDS / 2
    assert len({sample.pid for sample in record.samples}) == 1
    last = record.samples[-1]
    assert last.uss_bytes is not None
    assert 50_000_000 < last.uss_bytes < last.rss_bytes
    assert last.threads >= 8
    assert last.open_files >= 10
    assert last.database_bytes > 0
    # It may say something more when it ends.
    assert 0 < last.log_bytes <= (folder / "daemon" / "daemon.log").stat().st_size
    assert last.heap_bytes


def test_it_was_shown_how_far_it_is(record: Record, shown: list[Progress]) -> None:
    assert len(shown) >= SOAK_SECONDS / 2
    assert shown[-1].done > 0.9
    assert shown[-1].state == "hearing"
    assert shown[-1].utterances <= len(record.announced)
    assert [progress.done for progress in shown] == sorted(progress.done for progress in shown)


def test_what_it_ran_on_is_told_without_the_machines_name(record: Record) -> None:
    assert record.header.host["cores"] == os.cpu_count()
    assert os.uname().nodename not in str(record.header.host)


def test_the_folder_of_a_soak_is_not_written_over(folder: Path) -> None:
    before = (folder / FILE_NAME).read_bytes()
    with pytest.raises(VoicebridgeError, match="holds a soak already"):
        begin(ASKED, folder, threading.Event(), lambda _progress: None)
    assert (folder / FILE_NAME).read_bytes() == before


def test_a_soak_that_is_complete_is_not_resumed(folder: Path) -> None:
    with pytest.raises(VoicebridgeError, match="is complete"):
        resume(folder, threading.Event(), lambda _progress: None)


def test_asked_to_stop_it_ends_in_order_and_is_resumed_for_the_rest_of_its_time(tmp_path: Path) -> None:
    stopping = threading.Event()

    def show(progress: Progress) -> None:
        if progress.utterances >= 2 and progress.done >= 0.5:
            stopping.set()

    begin(ASKED, tmp_path, stopping, show)
    partial = read_record(tmp_path)
    assert partial.end is not None
    assert partial.end.reason == "interrupted"
    assert "stopped" in kinds(partial)
    assert {told.utterance for told in partial.announced} <= {heard.utterance for heard in partial.heard}

    resume(tmp_path, threading.Event(), lambda _progress: None)
    whole = read_record(tmp_path)
    assert whole.end is not None
    assert whole.end.reason == "complete"
    assert soaked_seconds(whole) >= SOAK_SECONDS
    resumed = next(happened.at for happened in whole.happened if happened.kind == "resumed")
    # Not all of it again, however busy the machine is.
    assert whole.end.at - resumed < SOAK_SECONDS
    assert {piece.life for piece in whole.played} == {1, 2}
    assert len({heard.session for heard in whole.heard}) == 2
    assert {told.utterance for told in whole.announced} <= {heard.utterance for heard in whole.heard}
    texts = [[piece.text for piece in whole.played if piece.life == life] for life in (1, 2)]
    assert texts[0] != texts[1][: len(texts[0])]


def test_what_is_ended_at_once_has_written_down_what_was_stored(tmp_path: Path) -> None:
    def show(progress: Progress) -> None:
        if progress.utterances >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        begin(ASKED, tmp_path, threading.Event(), show)
    record = read_record(tmp_path)
    assert record.end is not None
    assert (record.end.reason, record.end.detail) == ("interrupted", "asked to end at once")
    assert kinds(record)[-1] in {"integrity", "unread"}
    assert judge(record, ASKED.profile).failed == []
    assert {told.utterance for told in record.announced} <= {heard.utterance for heard in record.heard if heard.text}


def test_a_harness_that_dies_leaves_a_record_and_no_daemon(tmp_path: Path) -> None:
    folder = tmp_path / "soak"
    words = [sys.executable, "-c", "from voicebridge_bench.cli import main; main()", "soak", "--profile", "busy"]
    harness = subprocess.Popen([*words, "--duration", "60s", "--output", str(folder)])

    def announced() -> bool:
        assert harness.poll() is None
        path = folder / FILE_NAME
        return path.exists() and path.stat().st_size > 0 and len(read_record(folder).announced) >= 2

    wait_until(announced)
    pid = read_record(folder).samples[-1].pid
    harness.send_signal(signal.SIGKILL)
    harness.wait()
    # Its standard input has come to an end: it decodes what it has, and leaves.
    wait_until(lambda: not psutil.pid_exists(pid))
    record = read_record(folder)
    assert record.end is None
    assert record.played
    assert record.checkpoints


@pytest.fixture
def entries() -> list[Entry]:
    return []


@pytest.fixture
def daemon(tmp_path: Path, entries: list[Entry]) -> Iterator[OwnDaemon]:
    load = Load(profile_named("busy"), seed=1, speed=1, audio_seconds=60, checkpoint_seconds=1)
    own = OwnDaemon(tmp_path / "service", load, Past(), entries.append)
    own.start()
    over = threading.Event()

    def conduct() -> None:
        while not over.wait(0.1):
            own.look(0)

    thread = threading.Thread(target=conduct, daemon=True)
    thread.start()
    wait_until(lambda: own.lives.hears)
    yield own
    over.set()
    thread.join()
    own.finish()
    own.leave()


def test_a_service_is_looked_at_without_its_words(daemon: OwnDaemon, tmp_path: Path) -> None:
    folder = tmp_path / "attached"
    attach(
        lambda: Client(daemon.home.control),
        Asked(profile_named("office"), 15.0),
        folder,
        threading.Event(),
        lambda _progress: None,
    )
    record = read_record(folder)
    assert record.header.attached
    assert record.end is not None
    assert record.end.reason == "complete"
    assert len(record.checkpoints) >= 5
    assert record.samples[-1].pid == daemon.pid
    assert record.announced
    assert {told.utterance for told in record.announced} <= {heard.utterance for heard in record.heard}
    assert not any(heard.text for heard in record.heard)
    assert not record.played
    assert "crashed" not in kinds(record)


def told_of(entries: list[Entry]) -> list[str]:
    return [getattr(entry, "kind", "") for entry in entries]


def test_a_daemon_that_stands_still_is_noticed_and_so_is_that_it_goes_on(
    daemon: OwnDaemon, entries: list[Entry]
) -> None:
    pid = daemon.pid or 0
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: "hang" in told_of(entries))
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: "went_on" in told_of(entries))
    assert "crashed" not in told_of(entries)


def test_a_daemon_that_dies_is_started_again_and_its_death_is_a_crash(daemon: OwnDaemon, entries: list[Entry]) -> None:
    os.kill(daemon.pid or 0, signal.SIGSEGV)
    wait_until(lambda: told_of(entries).count("ready") == 2)
    crash = next(entry for entry in entries if getattr(entry, "kind", "") == "crashed")
    assert isinstance(crash, Happened)
    assert "SIGSEGV" in crash.detail
    assert crash.life == 1
    assert daemon.lives.life == 2


def test_a_service_that_is_started_anew_meanwhile_has_another_life(daemon: OwnDaemon) -> None:
    seen: list[Entry] = []
    service = Service(lambda: Client(daemon.home.control), seen.append)
    service.start()
    service.look(0)
    first = service.pid
    daemon.lives.expect("killed by the test", -signal.SIGKILL)
    os.kill(daemon.pid or 0, signal.SIGKILL)

    def moved() -> bool:
        service._next_look = 0.0
        service.look(0)
        return service.pid != first and bool(service.status)

    wait_until(moved)
    service.finish()
    service.leave()
    assert told_of(seen).count("started") == 2
    assert "crashed" in told_of(seen)


def test_there_must_be_a_service_to_look_at(tmp_path: Path) -> None:
    home = make_home(tmp_path / "nobody")
    with pytest.raises(VoicebridgeError, match="No daemon listens"):
        attach(lambda: Client(home.control), ASKED, tmp_path / "soak", threading.Event(), lambda _progress: None)
    assert not (tmp_path / "soak").exists()
    home.leave()


def test_audio_that_a_resumed_soak_has_had_counts(record: Record) -> None:
    past = Past.of(record)
    [fed] = [int(happened.detail.split()[0]) for happened in record.happened if happened.kind == "fed"]
    assert past.audio_seconds == pytest.approx(fed / SAMPLE_RATE)
    assert 0 < past.audio_seconds <= soaked_seconds(record)
    assert past.lives == 1
    assert past.sessions == {1: 1}
    assert past.announced.keys() == {told.utterance for told in record.announced}
