"""From what was tried to a result: figures of each candidate, the recommendation and its reasons. Pure but for time."""

import math
import statistics
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from voicebridge.pipeline.decode_pace import MOST_HANGOVERS
from voicebridge.settings import EndpointSettings
from voicebridge_bench.accuracy import NORMALISATION
from voicebridge_bench.components.host import is_busy
from voicebridge_bench.components.results import Host
from voicebridge_bench.pauses import begins_after_ms
from voicebridge_bench.tuning.candidates import VAD_MODES, Candidate
from voicebridge_bench.tuning.results import CandidateResult, Round, TuneResult
from voicebridge_bench.tuning.scores import ALIKE, FEWEST_FOR_P95, Score, choose, difference, finalists
from voicebridge_bench.tuning.trying import Trials

FEW_FILES = 10
FEW_WORDS = 100
ON_TOP = "a microphone, commits and delivery come on top (`voicebridge-bench latency` measures them: about 0.1 s)"


@dataclass(frozen=True, slots=True)
class Frame:
    """What a result says besides what was tried."""

    host: Host
    corpus: str
    corpus_files: int
    seed: int
    allowed_points: float
    budget_seconds: float
    began: float
    left_out: list[str]
    endpoint: EndpointSettings = field(default_factory=EndpointSettings)
    """By which the delays were predicted."""


def sum_up(trials: Trials, frame: Frame) -> TuneResult:
    """Return the result of what was tried so far."""
    final = {score.number for score in finalists(trials.scores)}
    chosen = choose(trials.scores, frame.allowed_points, lambda score: dislike(trials.candidates[score.number]))
    recommended = None if chosen is None else trials.candidates[chosen[0].number]
    return TuneResult(
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=time.monotonic() - frame.began,
        budget_seconds=frame.budget_seconds,
        ended=trials.ended,
        host=frame.host,
        corpus=frame.corpus,
        corpus_files=frame.corpus_files,
        delay=delay_told(frame.endpoint),
        normalisation=NORMALISATION,
        seed=frame.seed,
        allowed_points=frame.allowed_points,
        rounds=[Round(candidates=count, files=files) for count, files in trials.rounds],
        candidates=[
            _candidate(score, trials.candidates[score.number], score.number in final) for score in trials.scores
        ],
        left_out=frame.left_out,
        recommended=None if recommended is None else recommended.title,
        reasons=[] if chosen is None else reasons_for(*chosen, trials, frame.allowed_points),
        settings={} if recommended is None else settings_of(recommended),
        warnings=_warnings(trials, frame, chosen),
    )


def delay_told(endpoint: EndpointSettings) -> str:
    """Return how delays are predicted with these settings, in a sentence without its full stop."""
    told = "true end of speech to the end that the detector sees, plus "
    usual = ", as where text and voice say nothing" if endpoint.mode == "adaptive" else ""
    told += f"endpoint.hangover_ms ({endpoint.hangover_ms} ms{usual}), plus "
    begins_ms = begins_after_ms(endpoint)
    if begins_ms is None:
        return f"{told}the decode of the last utterance, which begins at the endpoint; {ON_TOP}"
    told += (
        f"what of the last utterance's decode does not fit into the pause, in which it begins after {begins_ms:g} ms "
    )
    told += f"(endpoint.speculate_after_ms, tail_ms), or all of it where it takes more than {MOST_HANGOVERS:g} times "
    return f"{told}what is left of the pause and so begins at the endpoint; {ON_TOP}"


def dislike(candidate: Candidate) -> float:
    """Return what speaks against a candidate that is as good as others: a detector that noise fools, more threads.

    What was heard is speech; what a detector makes of noise does not show in it.
    """
    return VAD_MODES.index(candidate.vad_mode) + candidate.load.threads / 100


def reasons_for(chosen: Score, best: Score, trials: Trials, allowed_points: float) -> list[str]:
    """Return why a candidate is recommended, in sentences."""
    count = len(finalists(trials.scores))
    words = sum(one.words for one in chosen.files.values())
    told = f"Its word error rate is {chosen.error_rate:.1%} on {len(chosen.files)} files ({words} words)"
    p95 = chosen.late_percent == 95
    late = f" and {_seconds(chosen.delay_ms(95))} at p95" if p95 else f"; p95 needs {FEWEST_FOR_P95} files"
    found = [f"{told}, its delay {_seconds(chosen.delay_ms())} at the median{late}."]
    if chosen is best:
        found.append(f"Of the {count} candidates that were heard longest none has fewer errors.")
        return found
    low, high = difference(chosen, best)
    more = chosen.error_rate - best.error_rate
    found.append(
        f"The fewest errors has {trials.candidates[best.number].title}: {best.error_rate:.1%}, at a delay of "
        f"{_seconds(best.deciding_ms)} ({'p95' if p95 else 'median'}). The difference, {more:+.1%} "
        f"(95 % interval {low:+.1%} to {high:+.1%}), "
        f"is within the {allowed_points:g} points that are allowed for a shorter delay."
    )
    found.append(
        f"Of those within it, among the {count} candidates that were heard longest, none is quicker by more than "
        f"{100 * ALIKE:g} %."
    )
    return found


def settings_of(candidate: Candidate) -> dict[str, dict[str, str | int]]:
    """Return the settings of a candidate, by section."""
    load = candidate.load
    found: dict[str, dict[str, str | int]] = {"vad": {"mode": candidate.vad_mode}, "engine": {"kind": load.engine}}
    if load.engine == "whisper":
        model = str(Path(load.model).absolute()) if "/" in load.model else load.model
        found["whisper"] = {
            "model": model,
            "device": load.device,
            "compute_type": load.compute_type,
            "threads": load.threads,
            "beam_size": candidate.beam_size,
        }
    return found


def _candidate(score: Score, candidate: Candidate, final: bool) -> CandidateResult:
    tried = list(score.files.values())
    return CandidateResult(
        title=candidate.title,
        candidate=candidate,
        files=len(tried),
        words=sum(one.words for one in tried),
        errors=sum(one.errors for one in tried),
        error_rate=score.error_rate if tried else None,
        missed=score.missed,
        delay_p50_ms=_finite(score.delay_ms()) if tried else None,
        delay_p95_ms=_finite(score.delay_ms(95)) if score.late_percent == 95 else None,
        decode_p50_ms=statistics.median(one.decode_ms for one in tried) if tried else None,
        memory_mb=score.memory_mb,
        fault=score.fault,
        final=final,
    )


def _warnings(trials: Trials, frame: Frame, chosen: tuple[Score, Score] | None) -> list[str]:
    found = [is_busy(frame.host)]
    if chosen is None:
        return [*filter(None, found), "Nothing was tried to the end of a file: nothing is recommended."]
    files, words = len(chosen[0].files), sum(one.words for one in chosen[0].files.values())
    if files < FEW_FILES or words < FEW_WORDS:
        found.append(f"{files} files with {words} words are few: another set of sentences may well say otherwise.")
    if untried := sum(not score.files and not score.fault for score in trials.scores):
        found.append(
            f"Time was up before {untried} of {len(trials.scores)} candidates were tried: give it more minutes."
        )
    if trials.candidates[chosen[0].number].vad_mode == "webrtc":
        found.append(
            "vad.mode webrtc hears speech in noise, too, which did not show here: `accuracy --vad` counts that."
        )
    if trials.ended != "complete":
        found.append(f"It ended early ({trials.ended}): the best were not heard on every file.")
    return [warning for warning in found if warning]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.2f} s" if math.isfinite(milliseconds) else "for ever"
