"""The process is killed."""

import random
import time

from tests.box.figures import Figures
from tests.box.service import Service

READY_SECONDS = 2.0
LIFE_SECONDS = 6.5
"""Between two kills: the unit's start limit (ten in a minute) is for what fails at once, again and again."""


def test_it_is_ready_again_after_kill_9_and_nothing_announced_is_lost(
    service: Service, speech: object, figures: Figures
) -> None:
    kills, chance = figures.times(10, 50), random.Random(3)
    cursor, took, killed = service.box.cursor(), [], time.monotonic()
    for _ in range(kills):
        heard = service.box.cursor()
        service.wait_announced(1, heard)
        service.box.rest(max(chance.uniform(0, 2), LIFE_SECONDS - (time.monotonic() - killed)))
        killed = time.monotonic()
        service.box.run("kill", "-9", str(service.pid))
        took.append(service.wait_ready_after(killed))
    service.wait_hearing()
    announced = service.announced(cursor)
    lost = service.lost(cursor)
    figures.note("announced utterances lost by kill -9", kills, f"{len(lost)} of {len(announced)}", "0", not lost)
    assert figures.note_seconds("kill -9: READY again", took, READY_SECONDS)
    assert not lost
    assert len(announced) >= kills
