"""Every suite for real, with few iterations: the figures are all there, and each of them is more than nothing."""

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.bench.runs import X86
from voicebridge.settings.paths import database_path
from voicebridge.store.database import open_database
from voicebridge.store.search import SearchQuery, search
from voicebridge_bench.components import figure as figures
from voicebridge_bench.components import sounds, targets
from voicebridge_bench.components.host import look
from voicebridge_bench.components.measure import Stopwatch
from voicebridge_bench.components.results import Run
from voicebridge_bench.components.runner import Wish, run
from voicebridge_bench.components.scratch_state import scratch_state
from voicebridge_bench.components.store import RARE_EVERY, RARE_WORD, build_history, filesystem_of
from voicebridge_bench.components.texts import Texts, ended, outcome, transcript
from voicebridge_bench.models import WHISPER_COMMANDS

PLACE = Path("/where/it/was/made")


def _run(name: str, tmp_path: Path, models: Path | None = None, place: Path | None = None) -> Run:
    wish = Wish([figures.suite(name)], 3, targets.load(), X86)
    context = figures.Context(tmp_path, Stopwatch(), models or tmp_path / "models", 500, place)
    return run(wish, context, look(gpus=0), lambda _what, _share: None)


@pytest.mark.parametrize(
    "name",
    [
        *("config", "audio", "vad", "text", "store"),
        pytest.param("speech", marks=pytest.mark.slow),
        pytest.param("start", marks=pytest.mark.slow),
    ],
)
def test_a_suite_brings_every_figure_that_it_names(name: str, tmp_path: Path) -> None:
    found = _run(name, tmp_path)
    [suite] = found.suites
    assert suite.state == "ran", suite.reason
    assert suite.left_out == {}
    names = {one.replace("whisper.*", "whisper.commands") for one in figures.suite(name).names}
    assert set(found.figures) == names
    for figure in found.figures.values():
        assert figure.maximum > 0, figure.name
        assert figures.suite(name).has(figure.name)


@pytest.mark.slow
def test_a_model_in_the_state_directory_is_measured_too(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "mine.en").symlink_to(WHISPER_COMMANDS)
    found = _run("speech", tmp_path, models)
    assert "speech.whisper.mine.en.30s" in found.figures
    assert found.figures["speech.whisper.mine.en.30s"].parameters["model"] == "mine.en"


@pytest.mark.slow
def test_a_model_that_cannot_be_used_is_left_out_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "models" / "torn").mkdir(parents=True)
    found = _run("speech", tmp_path)
    [suite] = found.suites
    assert list(suite.left_out) == ["whisper.torn"]
    # Never "passed"; on a machine that is busy with something else a target may be missed, which is said first.
    assert found.outcome in {"incomplete", "failed"}


def test_the_overhead_is_a_ratio_near_one(tmp_path: Path) -> None:
    from contextlib import ExitStack

    from voicebridge_bench.components.speech import overhead

    with ExitStack() as stack:
        [figure] = overhead(Stopwatch(), stack)
        ratios = [figure.take() for _ in range(4)]
    assert figure.unit == "ratio"
    # Far from what it is, on purpose: other work on the machine falls on one of the two.
    assert 0.2 < float(np.median(ratios)) < 5


def test_a_long_history_is_made_of_the_rows_that_the_real_path_makes(tmp_path: Path) -> None:
    build_history(tmp_path / "state", RARE_EVERY)
    db = open_database(database_path(tmp_path / "state"), read_only=True)
    try:
        hits = search(db, RARE_WORD, SearchQuery())
        assert [hit.record.text for hit in hits] == ["My grandmother calls."]
        assert hits[0].record.settled_sequence is not None
        assert hits[0].record.words[1].text == "grandmother"
        assert db.conn.execute("SELECT count(*) FROM settled").fetchone()[0] == RARE_EVERY
        assert db.conn.execute("SELECT count(*) FROM utterances WHERE status = 'done'").fetchone()[0] == RARE_EVERY
    finally:
        db.close()


def _everything(db: Any) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of utterances and of what their triggers fill, without the moments of settling."""
    rows = list(db.query("SELECT * FROM utterances ORDER BY id"))
    for row in rows:
        del row["settled_at"], row["delay_ms"]
    found = {"utterances": rows, "settled": list(db.query("SELECT utterance_id FROM settled ORDER BY sequence"))}
    vocabulary = "CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab('main', 'utterances_fts', 'instance')"
    db.conn.execute(vocabulary)
    return found | {"words": list(db.query("SELECT * FROM vocabulary ORDER BY term, doc, offset"))}


def test_the_fast_way_ends_in_the_same_tables_as_the_real_path(tmp_path: Path) -> None:
    build_history(tmp_path / "fast", 30)
    source = Texts()
    with scratch_state(tmp_path / "real") as state:
        for number in range(30):
            utterance = ended(state.session_id, number)
            state.spool.append(utterance.key, utterance.started_at, np.zeros(utterance.span.samples, np.int16))
            state.spool.seal(utterance.key, utterance.span.samples)
            pending = state.store.add_pending(utterance)
            heard = transcript(source.next(), utterance.span.start)
            state.store.settle(outcome(pending.utterance_id, heard))
        real = _everything(state.db)
    with closing(open_database(database_path(tmp_path / "fast"))) as db:
        assert _everything(db) == real


def test_a_directory_in_memory_is_known(tmp_path: Path) -> None:
    assert filesystem_of(Path("/proc/self")) == "proc"
    assert filesystem_of(tmp_path)


@pytest.mark.skipif(filesystem_of(Path("/dev/shm")) != "tmpfs", reason="there is no tmpfs at /dev/shm")
def test_commits_in_memory_are_not_held_against_targets() -> None:
    import tempfile

    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        found = _run("store", Path(folder), place=PLACE)
    [suite] = found.suites
    assert suite.facts["filesystem"] == "tmpfs"
    assert "--scratch" in suite.warnings[0]
    # What is named is there when somebody reads it.
    assert suite.warnings[0].startswith(f"{PLACE} is in memory")
    assert {figure.verdict for figure in suite.figures} == {"not judged"}
    assert found.outcome == "incomplete"


def test_sounds_have_the_length_that_was_asked_for() -> None:
    for seconds in (0.5, 3.0):
        for sound in (sounds.silence, sounds.noise, sounds.command_speech, sounds.recorded_speech):
            samples = sound(seconds)
            assert samples.dtype == np.int16
            assert len(samples) == seconds * 16_000


def test_noise_fools_the_cheap_detector_and_not_the_good_one() -> None:
    from voicebridge.settings import VadSettings
    from voicebridge.vad.factory import build_detector

    frames = sounds.noise(4.0).reshape(-1, 320)[50:]
    heard = {}
    for mode in ("webrtc", "silero"):
        detector = build_detector(VadSettings.model_validate({"mode": mode}))
        heard[mode] = sum(detector.is_speech(frame) for frame in frames) / len(frames)
    assert heard["webrtc"] > 0.9
    assert heard["silero"] < 0.1


def test_what_is_measured_in_lots_is_given_out_in_order() -> None:
    lots = iter([[1.0, 2.0], [3.0]])
    pool = figures.Pool(lambda: next(lots))
    assert [pool(), pool(), pool()] == [1.0, 2.0, 3.0]


def test_a_new_round_does_not_take_what_an_old_one_left() -> None:
    lots = iter([[1.0, 2.0], [3.0, 4.0]])
    pool = figures.Pool(lambda: next(lots))
    assert pool() == 1.0
    pool.clear()
    assert pool() == 3.0
