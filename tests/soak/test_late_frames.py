"""What comes late was heard, what never comes was not."""

import pytest

from tests.soak import records
from voicebridge_bench.soak.judging import judge
from voicebridge_bench.soak.profiles import profile_named
from voicebridge_bench.soak.record import Checkpoint, Record


def late(seconds: float, again: bool) -> Record:
    """From the tenth checkpoint on so much of the audio is missing; of the eleventh on it is there again, or is not."""
    record = records.healthy(1 / 12)
    record.checkpoints = [
        Checkpoint(
            each.at,
            {
                **each.content,
                "frames": {
                    "received": each.content["frames"]["received"]
                    - (round(50 * seconds) if number == 10 or (number > 10 and not again) else 0)
                },
            },
        )
        for number, each in enumerate(record.checkpoints)
    ]
    return record


@pytest.mark.parametrize(
    ("seconds", "again", "deaf"), [(2.0, True, 0.0), (2.0, False, 1.5), (8.0, True, 3.0), (8.0, False, 7.5)]
)
def test_audio_that_is_heard_a_little_late_is_not_missing(seconds: float, again: bool, deaf: float) -> None:
    verdicts = judge(late(seconds, again), profile_named("office")).verdicts
    [found] = [verdict for verdict in verdicts if verdict.code == "availability"]
    assert found.facts["deaf_seconds"] == pytest.approx(deaf, abs=0.1)
