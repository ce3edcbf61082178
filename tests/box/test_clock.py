"""The wall clock jumps an hour each way; the monotonic clock does not. Nothing that takes time is disturbed."""

from itertools import pairwise

from tests.box.figures import Figures
from tests.box.service import STATE, Service

OFFSET = "/run/clock-offset"
SHIM = "/usr/local/lib/clock_shim.so"
HOUR = 3600
LONGEST_DELAY_MS = 10_000


def test_a_clock_that_jumps_disturbs_nothing(service: Service, speech: object, figures: Figures) -> None:
    box = service.box
    box.run("gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", SHIM, "/srv/tools/clock_shim.c")
    service.drop_in("clock", f"[Service]\nEnvironment=LD_PRELOAD={SHIM}\n")
    service.set(store__retain_audio="1 days", health__anchor_seconds="1")
    box.write(OFFSET, "0")
    service.restart()
    service.wait_hearing()
    pid, gaps, first = service.pid, service.newest("gaps"), service.newest("utterances")
    jumps = [0, HOUR, 0, -HOUR, 0] * figures.times(1, 5)
    seen = []
    for jump in jumps:
        box.write(OFFSET, str(jump))
        cursor = box.cursor()
        service.wait_announced(2, cursor, 30)
        seen.append(service.status()["written_at"])
    rows = service.query(f"SELECT * FROM utterances WHERE id > {first} AND status = 'done'")
    session = service.status()["session_id"]
    anchors = service.query(f"SELECT * FROM anchors WHERE session_id = {session} ORDER BY id")
    rising = all(
        later["sample_index"] >= earlier["sample_index"] and later["monotonic_seconds"] >= earlier["monotonic_seconds"]
        for earlier, later in pairwise(anchors)
    )
    kept = len(box.run(f"ls {STATE}/audio").stdout.split())
    slowest = max(row["delay_ms"] for row in rows)
    longest = max((row["end_sample"] - row["start_sample"]) / 16_000 for row in rows)
    lost = len(service.gaps_after(gaps))
    moved = max(seen) - min(seen)
    told = f"slowest {slowest:.0f} ms, longest {longest:.1f} s, {kept} audio files kept of {len(rows)}, {lost} gaps"
    passed = rising and not lost and kept >= len(rows) and slowest < LONGEST_DELAY_MS and service.pid == pid
    figures.note("wall clock jumps by an hour", len(jumps) - 1, told, "nothing disturbed, sample time rises", passed)
    assert moved > HOUR, "the shim did not move the clock"
    assert passed
    box.run("rm", OFFSET)
