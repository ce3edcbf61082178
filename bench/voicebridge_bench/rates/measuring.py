"""The measurement of `accuracy`: every engine with every detector at every noise level, then where nobody speaks."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from voicebridge.domain.ports import Engine
from voicebridge.domain.units import samples_to_seconds
from voicebridge_bench.accuracy import FEWEST_FILES, NORMALISATION, RESAMPLINGS, Accuracy, Spoken, measure
from voicebridge_bench.components.host import is_busy, look
from voicebridge_bench.corpora.levels import LEVEL_DEFINITION
from voicebridge_bench.corpora.noise import Noise, mixed, seeded
from voicebridge_bench.rates.engines import Wish
from voicebridge_bench.rates.false_alarms import count_alarms, per_hour, poisson_interval, sounds
from voicebridge_bench.rates.hearing import Mode, check_length, detector_of, way_of
from voicebridge_bench.rates.results import AccuracyResult, AlarmResult, FileRate, Rate, WayResult

INTERVAL = (
    f"95 %, percentile bootstrap over files, {RESAMPLINGS} resamplings; null below {FEWEST_FILES} files; "
    "where no word is wrong the exact upper bound, 1 - 0.05^(1/words) (about 3 / words, for independent words)"
)
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Conditions:
    """Under which everything is heard. None among ``snrs_db`` is clean."""

    modes: Sequence[Mode]
    snrs_db: Sequence[float | None]
    noise: Noise
    seed: int
    alarm_seconds: float
    """Of each sound in which nobody speaks; 0 leaves that out."""


@dataclass(frozen=True, slots=True)
class Job:
    """One engine and what it is measured on."""

    wish: Wish
    corpus: str
    spoken: Sequence[Spoken]


def run(jobs: Sequence[Job], conditions: Conditions, left_out: Sequence[str], progress: Progress) -> AccuracyResult:
    """Measure; Ctrl-C ends it with what is known so far. Raises VoicebridgeError."""
    _check(jobs, conditions)
    began, machine = time.monotonic(), look()
    ways: list[WayResult] = []
    alarms: list[AlarmResult] = []
    interrupted = False
    try:
        for job in jobs:
            _measure_job(job, conditions, ways, alarms, progress)
    except KeyboardInterrupt:
        interrupted = True
    return AccuracyResult(
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=time.monotonic() - began,
        host=machine,
        normalisation=NORMALISATION,
        interval=INTERVAL,
        levels=LEVEL_DEFINITION,
        seed=conditions.seed,
        interrupted=interrupted,
        warnings=[warning for warning in (*left_out, is_busy(machine)) if warning],
        ways=ways,
        false_alarms=alarms,
    )


def _check(jobs: Sequence[Job], conditions: Conditions) -> None:
    for mode in conditions.modes:
        for item in (item for job in jobs for item in job.spoken):
            check_length(samples_to_seconds(len(item.samples)), item.name, mode)


def _measure_job(
    job: Job, conditions: Conditions, ways: list[WayResult], alarms: list[AlarmResult], progress: Progress
) -> None:
    engine = job.wish.open()
    engine.load()
    try:
        for mode in conditions.modes:
            # One by one: an interruption keeps those that were measured.
            for snr_db in conditions.snrs_db:
                _measure_way(job, engine, conditions, (mode, snr_db), ways, progress)
            if conditions.alarm_seconds and mode != "none":
                _measure_alarms(job, engine, conditions, mode, alarms, progress)
    finally:
        engine.close()


def _measure_way(
    job: Job,
    engine: Engine,
    conditions: Conditions,
    way: tuple[Mode, float | None],
    ways: list[WayResult],
    progress: Progress,
) -> None:
    mode, snr_db = way
    title = f"{engine.info.engine} {engine.info.model}, vad {mode}, " + (
        "clean" if snr_db is None else f"{snr_db:g} dB"
    )
    done = 0

    def on_file() -> None:
        nonlocal done
        done += 1
        progress(title, done / len(job.spoken))

    heard = (noisy(item, snr_db, conditions) for item in job.spoken)
    found = measure(engine, job.corpus, heard, on_file, way_of(mode, job.wish.settings))
    audio_seconds = sum(samples_to_seconds(len(item.samples)) for item in job.spoken)
    ways.append(
        WayResult(
            engine=found.engine,
            model=found.model,
            vad=mode,
            corpus=job.corpus,
            noise="" if snr_db is None else conditions.noise.name,
            snr_db=snr_db,
            audio_seconds=audio_seconds,
            real_time_factor=sum(file.heard.decode_ms for file in found.files) / 1000 / audio_seconds,
            rates={name: Rate(**asdict(summary)) for name, summary in found.summaries.items()},
            files=files_of(found),
        )
    )


def noisy(item: Spoken, snr_db: float | None, conditions: Conditions) -> Spoken:
    """Return a recording with noise under it; None is clean."""
    if snr_db is None:
        return item
    noise = conditions.noise.make(len(item.samples), seeded(conditions.seed, item.name))
    return Spoken(item.collection, item.name, item.text, mixed(item.samples, noise, snr_db))


def files_of(found: Accuracy) -> list[FileRate]:
    """Return what was found by file."""
    return [
        FileRate(
            collection=file.collection,
            name=file.name,
            reference=file.reference,
            hypothesis=file.hypothesis,
            words=file.words,
            substitutions=file.substitutions,
            deletions=file.deletions,
            insertions=file.insertions,
            rate=file.rate,
            decode_ms=file.heard.decode_ms,
            utterances=file.heard.utterances,
            rejected=file.heard.rejected,
        )
        for file in found.files
    ]


def _measure_alarms(
    job: Job, engine: Engine, conditions: Conditions, mode: Mode, alarms: list[AlarmResult], progress: Progress
) -> None:
    detector = detector_of(mode, job.wish.settings)
    made = sounds(conditions.alarm_seconds, conditions.seed, conditions.noise)
    for number, (name, (description, make)) in enumerate(made.items()):
        progress(f"{engine.info.engine} {engine.info.model}, vad {mode}, {name}", number / len(made))
        found = count_alarms((name, description), make(), detector, engine, job.wish.settings)
        low, high = poisson_interval(found.utterances)
        share = found.texts / found.decoded if found.decoded else 0.0
        alarms.append(
            AlarmResult(
                engine=engine.info.engine,
                model=engine.info.model,
                vad=mode,
                **asdict(found),
                utterances_per_hour=per_hour(found.utterances, found.seconds),
                utterances_interval=(per_hour(low, found.seconds), per_hour(high, found.seconds)),
                texts_per_hour=per_hour(found.utterances * share, found.seconds),
            )
        )
