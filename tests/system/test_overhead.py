from pathlib import Path

import pytest

from voicebridge_bench.live_room import with_pauses
from voicebridge_bench.rush import Rush, under_load
from voicebridge_bench.speech_corpus import commands

SHORT = Rush(seconds=6, readers=24, never_read=4, rate=40, settle_seconds=0.2)
"""The short form; `voicebridge-bench overhead` is the long one."""


@pytest.mark.slow
def test_a_crowd_costs_no_sample_and_everybody_who_reads_is_served(tmp_path: Path) -> None:
    speech = with_pauses([clip.samples for clip in commands(2, seed=1)], pause_seconds=1.0)
    load = under_load(SHORT, speech, tmp_path / "state")
    print(load)
    assert load.passed, load
    assert set(load.crowd.statuses) == {"200"}
    assert (load.crowd.readers, load.crowd.never_read) == (20, 4)
    assert load.crowd.fewest_utterances >= 1
    assert load.rss_top_mb < load.rss_alone_mb + 50
