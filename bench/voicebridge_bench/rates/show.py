"""A result of `accuracy` for people."""

from collections.abc import Iterator

from voicebridge_bench.rates.results import AccuracyResult, AlarmResult, Rate, WayResult

FEW = 20
"""Files of a corpus up to which each is shown."""


def lines(result: AccuracyResult, *, with_files: bool) -> Iterator[str]:
    """Yield what a result says."""
    host = result.host
    yield f"{host.cpu}, {host.cores_usable} cores, {host.memory_gib:g} GiB; voicebridge {host.versions['voicebridge']}"
    yield f"Words are compared in {result.normalisation}. Intervals: {result.interval}."
    if any(way.snr_db is not None for way in result.ways):
        yield f"Noise is made by seed {result.seed}; {result.levels}."
    for warning in result.warnings:
        yield f"-- {warning}"
    for way in result.ways:
        yield ""
        yield from _way_lines(way, with_files=with_files or len(way.files) <= FEW)
    if result.false_alarms:
        yield ""
        yield "Where nobody speaks (utterances an hour, with 95 % interval; and those whose text was believed):"
        yield from (_alarm_line(alarm) for alarm in result.false_alarms)
    if result.interrupted:
        yield ""
        yield "Ended early: this is what was measured until then."


def _way_lines(way: WayResult, *, with_files: bool) -> Iterator[str]:
    noise = f"{way.noise} noise at {way.snr_db:g} dB" if way.snr_db is not None else "clean"
    yield f"{way.engine} {way.model}, vad {way.vad}, {noise}, on {way.corpus}"
    if with_files:
        for file in way.files:
            errors = file.substitutions + file.deletions + file.insertions
            yield f"  {file.collection:9} {file.name:44} {file.rate:6.1%}  {errors:2} of {file.words:2} words"
            if errors:
                yield f"      said  {file.reference}"
                yield f"      heard {file.hypothesis}"
    for name, rate in way.rates.items():
        if name != "all" or len(way.rates) != 2:
            yield _rate_line(name, rate)
    yield f"  decoded in {way.real_time_factor:.2f} of the time that it took to say"


def _rate_line(name: str, rate: Rate) -> str:
    interval = ""
    if rate.low is not None and rate.high is not None:
        interval = f"  (95 % interval {rate.low:.1%} to {rate.high:.1%})"
        if not rate.errors:
            interval = f"  (no error: at most {rate.high:.1%}, 95 %)"
    return f"  {name:9} {rate.files:4} files {rate.words:5} words  word error rate {rate.rate:6.1%}{interval}"


def _alarm_line(alarm: AlarmResult) -> str:
    low, high = alarm.utterances_interval
    return (
        f"  {alarm.engine} {alarm.model}, vad {alarm.vad:8} {alarm.sound:10} {alarm.utterances_per_hour:7.1f} "
        f"({low:.1f} to {high:.1f}); text {alarm.texts_per_hour:.1f}  [{alarm.seconds / 60:g} min: {alarm.description}]"
    )
