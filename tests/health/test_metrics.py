import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import pytest
from prometheus_client import REGISTRY
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from tests.health.scraping import Source, checkpoint
from tests.health.test_status import status
from voicebridge import __version__
from voicebridge.health.checkpoint import Disk, Heat
from voicebridge.health.metrics import FAMILIES, SCRAPE, Metrics, wants_openmetrics
from voicebridge.health.metrics_family import Kind
from voicebridge.health.metrics_tallies import Tallies
from voicebridge.health.probes import Reason
from voicebridge.health.status import CaptureStatus, WatchdogStatus

UNITS = ("_seconds", "_bytes", "_ratio", "_celsius", "_total", "_info", "_timestamp_seconds")
NO_UNIT = {
    # States, and plain counts of things that come and go.
    "voicebridge_state", "voicebridge_reason", "voicebridge_muted", "voicebridge_session_id",
    "voicebridge_engine_state", "voicebridge_capture_state", "voicebridge_capture_moved",
    "voicebridge_sound_server_state", "voicebridge_capture_attempts", "voicebridge_waiting_utterances",
    "voicebridge_real_time_factor", "voicebridge_queue_length",
    "voicebridge_restarts", "voicebridge_threads", "voicebridge_feed_readers", "voicebridge_throttled",
}  # fmt: skip


def scraped(**changed: Any) -> dict[tuple[str, ...], float]:
    """Return the samples of a scrape by name and label values."""
    return samples_by_name(asdict(replace(status(), **changed)), {})


def samples_by_name(seen: Mapping[str, Any], record: Mapping[str, Any]) -> dict[tuple[str, ...], float]:
    text = Metrics(Source(seen, record), Tallies()).metrics().decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_there_are_more_than_forty_metrics_and_no_two_of_a_name() -> None:
    names = [family.name for family in (*FAMILIES, *SCRAPE)]
    assert len(names) == len(set(names)) > 40


@pytest.mark.parametrize("family", [*FAMILIES, *SCRAPE], ids=lambda family: family.name)
def test_a_metric_is_named_by_the_conventions(family: Any) -> None:
    assert re.fullmatch(r"voicebridge(_[a-z]+)+", family.name)
    assert family.name.endswith("_total") == (family.kind is Kind.COUNTER)
    assert family.name.endswith(UNITS) or family.name in NO_UNIT
    assert family.help.endswith(".")
    assert not {"le", "quantile", "job", "instance"} & set(family.labels)


def test_the_state_is_one_and_every_other_zero() -> None:
    found = scraped(state="deaf")
    states = {key[1]: value for key, value in found.items() if key[0] == "voicebridge_state"}
    assert states == {"starting": 0, "hearing": 0, "degraded": 0, "deaf": 1, "stopping": 0}


def test_a_reason_that_applies_is_one_and_every_other_zero() -> None:
    found = scraped(reasons=(Reason("muted", "Muted.", "Unmute.", degrades=False),))
    assert found["voicebridge_reason", "muted"] == 1
    assert found["voicebridge_reason", "no_frames"] == 0
    assert sum(value for key, value in found.items() if key[0] == "voicebridge_reason") == 1


def test_figures_are_in_base_units() -> None:
    found = scraped(heard_seconds=12.0, level=16384.0, listener_lag_ms=250.0, counters={"ring_overrun_samples": 8000})
    assert found["voicebridge_frames_total",] == 600
    assert found["voicebridge_level_ratio",] == 0.5
    assert found["voicebridge_listener_lag_seconds",] == 0.25
    assert found["voicebridge_ring_overrun_seconds_total",] == 0.5


def test_what_is_not_known_is_missing_and_not_zero() -> None:
    found = scraped(engine_ready_after_seconds=None, capture=CaptureStatus(rate_ratio=None))
    assert ("voicebridge_engine_ready_seconds",) not in found
    assert ("voicebridge_capture_rate_ratio",) not in found
    assert ("voicebridge_watchdog_period_seconds",) not in found


def test_nothing_is_made_of_a_zero_that_is_known() -> None:
    found = scraped(first_sample_after_seconds=0.0, capture=CaptureStatus(rate_ratio=0.0))
    assert found["voicebridge_first_sample_seconds",] == 0
    assert found["voicebridge_capture_rate_ratio",] == 0


def test_counters_of_the_status_are_sorted_by_what_they_count() -> None:
    counters = {
        "writer_refused": 2,
        "bytes_spool": 64,
        "control_denied": 3,
        "http_refused": 4,
        "checkpoints_missed": 5,
        "ring_overrun_samples": 9,
    }
    found = scraped(counters=counters)
    assert found["voicebridge_bound_reached_total", "writer_refused"] == 2
    assert found["voicebridge_stored_bytes", "spool"] == 64
    assert found["voicebridge_control_total", "denied"] == 3
    assert found["voicebridge_http_total", "refused"] == 4
    assert found["voicebridge_checkpoints_total", "missed"] == 5
    assert sum(key[0] == "voicebridge_bound_reached_total" for key in found) == 1


def test_partials_that_no_reader_was_given_are_no_outcome_of_their_decodes() -> None:
    found = scraped(counters={"partials_decoded": 7, "partials_passed_over": 2})
    assert {key[1]: value for key, value in found.items() if key[0] == "voicebridge_partials_total"} == {"decoded": 7}
    assert found["voicebridge_partials_passed_over_total",] == 2


def test_what_became_of_the_texts_of_partials_is_told_apart_from_their_decodes() -> None:
    texts = {"partials_cut": 1, "partials_stable_revisions": 2, "partials_words_committed": 3}
    found = scraped(counters={"partials_decoded": 7, "partials_failed": 1, **texts})
    decodes = {key[1]: value for key, value in found.items() if key[0] == "voicebridge_partials_total"}
    assert decodes == {"decoded": 7, "failed": 1}
    assert {name: found[f"voicebridge_{name}_total",] for name in texts} == texts


def of_checkpoint(record: Mapping[str, Any]) -> dict[tuple[str, ...], float]:
    return samples_by_name(asdict(status()), record)


def test_the_newest_checkpoint_is_told_in_base_units() -> None:
    found = of_checkpoint(checkpoint().to_json())
    assert found["voicebridge_checkpoint_timestamp_seconds",] == checkpoint().at
    assert found["voicebridge_checkpoint_cost_seconds",] == 0.0025
    assert found["voicebridge_delay_percentile_seconds", "p95", "interval"] == 1.5
    assert found["voicebridge_delay_percentile_seconds", "p95", "session"] == 1.25
    assert found["voicebridge_decodes_total", "speculative"] == 9
    assert found["voicebridge_errors_total", "load"] == 1
    assert found["voicebridge_queue_length", "recorder"] == 5
    assert found["voicebridge_thread_cpu_ratio", "listener"] == 0.25
    assert found["voicebridge_database_bytes", "wal"] == 30_000
    assert found["voicebridge_throttled",] == 0
    assert found["voicebridge_clock_step_sum_seconds",] == -1.5


def test_before_the_first_checkpoint_its_figures_are_missing() -> None:
    of_status = set(of_checkpoint({}))
    of_both = set(of_checkpoint(checkpoint().to_json()))
    assert {"voicebridge_uss_bytes", "voicebridge_errors_total"} <= {key[0] for key in of_both - of_status}


def test_what_a_machine_does_not_tell_is_missing() -> None:
    silent = replace(checkpoint(), heat=Heat(None, None, ""), disk=Disk(None, None, None), cost_ms=None)
    names = {key[0] for key in of_checkpoint(silent.to_json())}
    assert (
        not {
            "voicebridge_temperature_celsius",
            "voicebridge_throttled",
            "voicebridge_disk_free_bytes",
            "voicebridge_database_bytes",
            "voicebridge_checkpoint_cost_seconds",
        }
        & names
    )


def test_the_source_of_the_sound_is_told_by_its_states() -> None:
    found = scraped(
        capture=CaptureStatus(state="lost", server="silent", attempts=3, next_attempt_seconds=1.5, moved=True),
        watchdog=WatchdogStatus(30.0, 7, 1),
    )
    assert found["voicebridge_capture_state", "lost"] == found["voicebridge_sound_server_state", "silent"] == 1
    assert found["voicebridge_capture_moved",] == 1
    assert (found["voicebridge_capture_attempts",], found["voicebridge_capture_next_attempt_seconds",]) == (3, 1.5)
    assert (found["voicebridge_watchdog_pings_total",], found["voicebridge_watchdog_withheld_total",]) == (7, 1)


def test_a_device_with_hostile_characters_does_not_break_a_scrape() -> None:
    found = scraped(model='a"b\\c\nd', signs_of_life={'x"} 1\nup': 2.0})
    assert found["voicebridge_engine_info", "whisper", 'a"b\\c\nd'] == 1
    assert ("up",) not in found


def test_the_version_is_told() -> None:
    assert scraped()["voicebridge_build_info", __version__] == 1


def test_the_process_tells_what_every_prometheus_client_tells() -> None:
    found = scraped()
    assert found["process_resident_memory_bytes",] > 1_000_000
    assert found["process_open_fds",] >= 3


def test_a_scrape_says_how_long_it_took() -> None:
    ticks = iter([10.0, 10.25])
    metrics = Metrics(Source(asdict(status()), {}), Tallies(), lambda: next(ticks))
    assert "voicebridge_scrape_seconds 0.25\n" in metrics.metrics().decode()


def test_two_daemons_in_one_process_do_not_meet() -> None:
    before = {metric.name for metric in REGISTRY.collect()}
    for _ in range(2):
        scraped()
    assert {metric.name for metric in REGISTRY.collect()} == before


def test_openmetrics_is_given_where_it_is_asked_for() -> None:
    metrics = Metrics(Source(asdict(status()), {}), Tallies())
    # What Prometheus 2.42 sends.
    accept = (
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;q=0.5"
    )
    body, content_type = metrics.render(accept)
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    names = {family.name for family in openmetrics_families(body.decode())}  # type: ignore[no-untyped-call]  # the library's parser has no types
    assert {"voicebridge_frames", "voicebridge_delay_seconds"} <= names


@pytest.mark.parametrize("accept", ["", "text/plain", "*/*", "application/openmetrics-text;q=0", "\x00;;=,,"])
def test_everybody_else_gets_plain_text(accept: str) -> None:
    body, content_type = Metrics(Source(asdict(status()), {}), Tallies()).render(accept)
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert not body.endswith(b"# EOF\n")


@pytest.mark.parametrize(
    ("accept", "wants"),
    [
        ("application/openmetrics-text", True),
        ("text/plain;q=0.5, Application/OpenMetrics-Text;q=0.5", True),
        ("text/plain, application/openmetrics-text;q=0.9", False),
        ("application/openmetrics-text;q=much", False),
        # The library would give this back in the content type, or raise.
        ("application/openmetrics-text; version=x", True),
    ],
)
def test_the_accept_header_is_taken_by_its_qualities(accept: str, wants: bool) -> None:
    assert wants_openmetrics(accept) is wants
