import os
import time
from pathlib import Path

from voicebridge.settings import paths
from voicebridge.store.checkpoints import FILE_NAME
from voicebridge_bench.outside import Onlooker


def test_a_look_sees_the_process_and_its_files(tmp_path: Path) -> None:
    database = paths.database_path(tmp_path)
    database.write_bytes(b"12345")
    onlooker = Onlooker(os.getpid(), tmp_path, 1.0)
    onlooker.look()
    (look,) = onlooker.seen.looks
    assert look.figures["database"] == 5
    assert look.figures["wal"] == 0
    assert min(look.figures[name] for name in ("rss", "cpu", "threads", "files", "disk_free", "uss")) > 0
    assert onlooker.seen.began == look.monotonic


def test_before_the_state_directory_is_there_its_disk_is_seen_all_the_same(tmp_path: Path) -> None:
    onlooker = Onlooker(os.getpid(), tmp_path / "state", 1.0)
    onlooker.look()
    assert onlooker.seen.looks[0].figures["disk_free"] > 0
    assert onlooker.seen.began is None


def test_lines_are_noted_when_they_are_whole(tmp_path: Path) -> None:
    onlooker = Onlooker(os.getpid(), tmp_path, 1.0)
    file = tmp_path / FILE_NAME
    counts = []
    for text in ("{}\n{}\n{", '"a": 1}\n', ""):
        with file.open("a") as out:
            out.write(text)
        onlooker.look()
        counts.append(len(onlooker.seen.lines_seen))
    assert counts == [2, 3, 3]
    assert onlooker.seen.lines_seen[1] < onlooker.seen.lines_seen[2]


def test_it_looks_until_it_is_over(tmp_path: Path) -> None:
    onlooker = Onlooker(os.getpid(), tmp_path, 1.0)
    answers = iter([False, False, True])
    assert onlooker.look_until(lambda: next(answers), time.monotonic() + 60)
    assert len(onlooker.seen.looks) == 2


def test_it_does_not_look_for_ever(tmp_path: Path) -> None:
    assert not Onlooker(os.getpid(), tmp_path, 1.0).look_until(lambda: False, time.monotonic() - 1)
