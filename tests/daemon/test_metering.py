import subprocess
import sys
from dataclasses import replace

from tests.health.scraping import checkpoint
from tests.health.test_metrics_tallies import settled
from tests.health.test_status import status
from voicebridge.daemon.metering import Metering


def test_what_was_announced_is_in_the_metrics() -> None:
    metering = Metering(status)
    metering.heed(settled(delay_ms=250.0))
    assert b"voicebridge_delay_seconds_sum 0.25\n" in metering.metrics()


def test_every_scrape_reads_the_status_of_its_moment() -> None:
    states = iter([status("deaf"), status("hearing")])
    metering = Metering(lambda: next(states))
    assert b'voicebridge_state{state="deaf"} 1.0\n' in metering.metrics()
    assert b'voicebridge_state{state="deaf"} 0.0\n' in metering.metrics()


def test_the_newest_checkpoint_is_shown_once_there_is_one() -> None:
    metering = Metering(status)
    assert b"\nvoicebridge_threads " not in metering.metrics()
    metering.newest_checkpoint = replace(checkpoint(), threads=9).to_json
    assert b"\nvoicebridge_threads 9.0\n" in metering.metrics()


def test_counting_imports_nothing_heavy() -> None:
    code = "import sys, voicebridge.daemon.metering; print('prometheus_client' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
