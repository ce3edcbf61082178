"""What latency and accuracy say to people."""

from voicebridge_bench.components.host import look
from voicebridge_bench.latency import show as latency_show
from voicebridge_bench.latency.results import LatencyResult, SourceTold, spread_of
from voicebridge_bench.rates import show as rates_show
from voicebridge_bench.rates.results import AccuracyResult, AlarmResult, FileRate, Rate, WayResult


def _latency(totals: list[float]) -> LatencyResult:
    return LatencyResult(
        created_at="2026-01-01T00:00:00+00:00",
        seconds=10.0,
        host=look(gpus=0),
        source=SourceTold(name="paced", description="a pipe", reason="as asked", accuracy_ms=1.0, latest_ms=3.0),
        load_processes=2,
        engine="whisper",
        model="base.en",
        settings={},
        corpus="a folder",
        seed=1,
        end_of_speech="the last loud sample",
        delay="to the text",
        pieces=4,
        interrupted=True,
        words=10,
        words_right=9,
        figures={"total": spread_of(totals)} if totals else {},
        ready_share=0.75 if totals else None,
        early_share=1.0 if totals else None,
        delays=[],
        left_out={"not heard": ["one", "two", "three", "four"]},
        warnings=["The machine was busy."],
    )


def test_delays_are_told_with_load_source_and_what_is_missing() -> None:
    told = "\n".join(latency_show.lines(_latency([1000.0, 1100.0, 1200.0])))
    assert "beside 2 busy processes" in told
    assert "paced (as asked): a pipe" in told
    assert "end of speech to text                   3    1100       -       -    1000    1200" in told
    assert "p99 is not given: 3 samples; it needs 100." in told
    assert "Left out, not heard: 4 (one; two; three, ...)" in told
    assert "9 of 10 words" in told
    assert "75% of the texts were ready at the endpoint; 100% were decoded in the pause before it." in told
    assert "Ended early" in told


def test_a_run_without_delays_says_so() -> None:
    assert "No delay could be measured." in list(latency_show.lines(_latency([])))


def _way(files: int, snr_db: float | None) -> WayResult:
    rate = Rate(files=files, words=2 * files, errors=files, rate=0.5, low=0.4 if files > 1 else None, high=0.6)
    file = FileRate(
        collection="room",
        name="a.wav",
        reference="turn on",
        hypothesis="turn",
        words=2,
        substitutions=0,
        deletions=1,
        insertions=0,
        rate=0.5,
        decode_ms=100.0,
        utterances=1,
        rejected=0,
    )
    return WayResult(
        engine="sphinx",
        model="en-us",
        vad="cascade",
        corpus="a folder",
        noise="" if snr_db is None else "pink",
        snr_db=snr_db,
        audio_seconds=10.0,
        real_time_factor=0.25,
        rates={"room": rate, "all": rate},
        files=[file] * files,
    )


def _accuracy(ways: list[WayResult], *, interrupted: bool = False) -> AccuracyResult:
    alarm = AlarmResult(
        engine="sphinx",
        model="en-us",
        vad="cascade",
        sound="music",
        description="synthetic",
        seconds=600.0,
        utterances=2,
        decoded=2,
        texts=1,
        utterances_per_hour=12.0,
        utterances_interval=(1.5, 43.3),
        texts_per_hour=6.0,
    )
    return AccuracyResult(
        created_at="2026-01-01T00:00:00+00:00",
        seconds=1.0,
        host=look(gpus=0),
        normalisation="lower case",
        interval="by bootstrap",
        levels="RMS",
        seed=7,
        interrupted=interrupted,
        warnings=["2 recordings have no transcript."],
        ways=ways,
        false_alarms=[alarm],
    )


def test_rates_are_told_with_interval_normalisation_and_noise() -> None:
    told = "\n".join(rates_show.lines(_accuracy([_way(2, None), _way(2, 10.0)]), with_files=False))
    assert "Words are compared in lower case. Intervals: by bootstrap." in told
    assert "Noise is made by seed 7; RMS." in told
    assert "sphinx en-us, vad cascade, pink noise at 10 dB, on a folder" in told
    assert "word error rate  50.0%  (95 % interval 40.0% to 60.0%)" in told
    assert "said  turn on" in told
    assert "12.0 (1.5 to 43.3); text 6.0  [10 min: synthetic]" in told
    assert "-- 2 recordings have no transcript." in told


def test_a_large_corpus_is_told_by_file_only_when_asked() -> None:
    result = _accuracy([_way(30, None)], interrupted=True)
    short, long = (list(rates_show.lines(result, with_files=wanted)) for wanted in (False, True))
    assert not any("a.wav" in line for line in short)
    assert sum("a.wav" in line for line in long) == 30
    assert short[-1].startswith("Ended early")


def test_a_rate_without_any_error_has_an_upper_bound() -> None:
    faultless = Rate(files=3, words=9, errors=0, rate=0.0, low=0.0, high=0.283)
    way = _way(3, None).model_copy(update={"rates": {"all": faultless}})
    told = "\n".join(rates_show.lines(_accuracy([way]), with_files=False))
    assert "word error rate   0.0%  (no error: at most 28.3%, 95 %)" in told


def test_a_single_file_has_no_interval() -> None:
    told = "\n".join(rates_show.lines(_accuracy([_way(1, None)]), with_files=True))
    assert "interval 4" not in told
