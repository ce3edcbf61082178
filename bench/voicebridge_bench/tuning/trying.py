"""Successive halving (Jamieson, Talwalkar 2016): all on a few files, the better half on twice as many, and so on."""

import itertools
import json
import math
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from voicebridge.settings import Settings
from voicebridge_bench.accuracy import Spoken, compare
from voicebridge_bench.latency.child import bound_to_us
from voicebridge_bench.tuning.candidates import Candidate, Load
from voicebridge_bench.tuning.scores import Score, Tried, rungs, survivors

FIRST_FILES = 3
FEWEST = 3
"""Candidates that are heard to the end, where there are so many."""
LOOK_SECONDS = 0.2
FILE_SECONDS = 120.0
"""A file that takes longer makes its candidate useless here."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What candidates are tried on, and with."""

    spoken: Sequence[Spoken]
    """In the order in which they are heard."""
    settings: Settings
    models_dir: Path
    scratch: Path
    deadline: float
    """On CLOCK_MONOTONIC; whatever is under way then is ended."""


@dataclass(slots=True)
class Trials:
    """What was tried; filled as it goes on."""

    candidates: Sequence[Candidate]
    scores: list[Score] = field(default_factory=list)
    rounds: list[tuple[int, int]] = field(default_factory=list)
    """Candidates and files of each round that was completed."""
    ended: str = "complete"
    """Why it ended: ``complete``, ``out of time`` or ``interrupted``."""


def try_all(trials: Trials, setting: Setting, progress: Callable[[str, float], None]) -> None:
    """Try until the best were heard on every file, time is up, or Ctrl-C."""
    corpus = setting.scratch / "corpus.npz"
    arrays = {f"file{number}": item.samples for number, item in enumerate(setting.spoken)}
    np.savez(corpus, allow_pickle=False, **arrays)
    trials.scores[:] = [Score(number) for number in range(len(trials.candidates))]
    alive = list(trials.scores)
    began = time.monotonic()
    try:
        steps = rungs(len(setting.spoken), FIRST_FILES)
        for step, files in enumerate(steps):
            title = f"{len(alive)} candidates on {files} of {len(setting.spoken)} files"
            share = (time.monotonic() - began) / max(setting.deadline - began, 1e-9)
            progress(title, min(share, 1.0))
            if not _round(trials, setting, alive, files):
                trials.ended = "out of time"
                break
            trials.rounds.append((len(alive), files))
            if step + 1 < len(steps):
                alive = survivors(alive, max(math.ceil(len(alive) / 2), FEWEST))
    except KeyboardInterrupt:
        trials.ended = "interrupted"
    _forget_half_round(trials)


def _forget_half_round(trials: Trials) -> None:
    """Leave out what some heard in a round that did not end: candidates are compared on the same files only."""
    if trials.ended != "complete" and trials.rounds:
        files = trials.rounds[-1][1]
        for score in trials.scores:
            score.files = {file: one for file, one in score.files.items() if file < files}


def _round(trials: Trials, setting: Setting, alive: Sequence[Score], files: int) -> bool:
    """Have each candidate hear what it has not heard yet of the first files; False when time ran out."""
    in_order = sorted(alive, key=lambda score: score.number)
    for load, group in itertools.groupby(in_order, key=lambda score: trials.candidates[score.number].load):
        scores = {score.number: score for score in group if not score.fault}
        # File by file: when time runs out within a group, its candidates were heard alike.
        jobs = [
            _job(trials.candidates[number], number, file)
            for file in range(files)
            for number, score in scores.items()
            if file not in score.files
        ]
        if jobs and not _work(load, jobs, scores, setting):
            return False
    return True


def _job(candidate: Candidate, number: int, file: int) -> dict[str, Any]:
    return {"candidate": number, "beam_size": candidate.beam_size, "vad_mode": candidate.vad_mode, "file": file}


def _work(load: Load, jobs: Sequence[dict[str, Any]], scores: dict[int, Score], setting: Setting) -> bool:
    """Have a worker do jobs; False when time ran out. What it cannot do is noted as the candidates' fault."""
    order = {
        "settings": settings_with(setting.settings, load).model_dump(mode="json"),
        "models_dir": str(setting.models_dir),
        "corpus": str(setting.scratch / "corpus.npz"),
        "jobs": list(jobs),
    }
    with (setting.scratch / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            bound_to_us([sys.executable, "-P", "-m", "voicebridge_bench.tuning.worker"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    try:
        assert worker.stdin is not None
        with suppress(BrokenPipeError):
            worker.stdin.write(json.dumps(order) + "\n")
            worker.stdin.close()
        done = 0
        for told in _lines(worker, setting.deadline):
            if told is None:
                return False
            if "error" in told:
                _blame(scores, told["error"])
                return True
            if "candidate" in told:
                _note(scores[told["candidate"]], told, setting.spoken)
                done += 1
        if done < len(jobs):
            _blame(scores, _how_it_ended(worker))
        return True
    finally:
        if worker.poll() is None:
            worker.kill()
        worker.wait()


def _lines(worker: "subprocess.Popen[str]", deadline: float) -> Iterator[dict[str, Any] | None]:
    """Yield what a worker tells; None when time is up. One that says nothing for too long is ended."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        assert worker.stdout is not None
        with worker.stdout as stdout:
            for line in stdout:
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, name="tune-reader", daemon=True).start()
    heard = time.monotonic()
    while True:
        if time.monotonic() > deadline:
            yield None
            return
        try:
            line = lines.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            if time.monotonic() - heard > FILE_SECONDS:
                worker.kill()
            continue
        if line is None:
            return
        heard = time.monotonic()
        yield json.loads(line)


def _how_it_ended(worker: "subprocess.Popen[str]") -> str:
    status = worker.wait()
    if status == -9:
        return f"was killed: for lack of memory, or because a file took longer than {FILE_SECONDS:g} s"
    return f"its process ended with status {status}"


def _blame(scores: dict[int, Score], fault: str) -> None:
    for score in scores.values():
        score.fault = fault


def _note(score: Score, told: dict[str, Any], spoken: Sequence[Spoken]) -> None:
    result = compare(spoken[told["file"]], told["text"])
    score.files[told["file"]] = Tried(result.errors, result.words, told["delay_ms"], told["decode_ms"])
    score.memory_mb = max(score.memory_mb, told["memory_mb"])


def settings_with(settings: Settings, load: Load) -> Settings:
    """Return settings with another engine, model, arithmetic and threads."""
    engine = settings.engine.model_copy(update={"kind": load.engine})
    if load.engine == "sphinx":
        return settings.model_copy(update={"engine": engine})
    wanted = {"model": load.model, "device": load.device, "compute_type": load.compute_type, "threads": load.threads}
    return settings.model_copy(update={"engine": engine, "whisper": settings.whisper.model_copy(update=wanted)})
