"""What happens to disk and database: locked, corrupt, full, read-only. Nothing that was heard is lost."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.box.disk import ForgetfulDisk
from tests.box.figures import Figures
from tests.box.service import DATABASE, STATE, Service
from tests.box.sound import SPEECH, THREE_COMMANDS, Sound

ALARM_SECONDS = 10.0
RECOVERY_SECONDS = 60.0
RESERVE = "reserve_given_up"
RESERVE_BACK_SECONDS = 150.0


def _codes(status: dict[str, Any]) -> set[str]:
    return {reason["code"] for reason in status["reasons"] if reason["degrades"]}


def _wait_alarm(service: Service, began: float, known: set[str]) -> float:
    """Wait for a reason in the status that was not known before; returns how long after a moment it came."""
    service.wait_status(lambda status: bool(_codes(status) - known), "an alarm", 30)
    return time.monotonic() - began


def _wait_well(service: Service) -> float:
    """Wait until it hears, stores and has settled everything; returns how long that took.

    A reserve that was given up is no fault of the store: it comes back when there has been room for a minute.
    """
    began = time.monotonic()
    service.wait_status(
        lambda status: _codes(status) <= {RESERVE} and status["waiting"] == 0, "well again", RECOVERY_SECONDS
    )
    service.box.wait_until(
        lambda: not service.query("SELECT id FROM utterances WHERE status = 'pending'"), "all settled", RECOVERY_SECONDS
    )
    return time.monotonic() - began


def _heard_and_stored(service: Service, sound: Sound) -> tuple[int, int]:
    """Silence the speaker, and return the utterances of this session that were heard, and that are stored."""
    sound.hush()
    service.box.rest(2.0)  # the last endpoint
    _wait_well(service)
    status = service.status()
    rows = service.query(f"SELECT count(*) AS number FROM utterances WHERE session_id = {status['session_id']}")
    return int(status["utterances"]), int(rows[0]["number"])


def test_a_database_that_another_process_locks_loses_nothing(service: Service, sound: Sound, figures: Figures) -> None:
    service.restart()
    service.wait_hearing()
    pid, gaps, alarms, recoveries = service.pid, service.newest("gaps"), [], []
    seconds = 60 if figures.full else 15
    for _ in range(figures.several):
        holder = _holder(service, seconds)
        began = time.monotonic()
        sound.loop(SPEECH)
        alarms.append(_wait_alarm(service, began, set()))
        holder.communicate(timeout=seconds + 30)
        recoveries.append(_wait_well(service))
        sound.hush()
    heard, stored = _heard_and_stored(service, sound)
    lost, same = len(service.gaps_after(gaps)), service.pid == pid
    told = f"{stored} of {heard} utterances stored, {lost} gaps, {'no ' if same else ''}restart"
    figures.note_seconds("database locked: alarm", alarms, ALARM_SECONDS)
    figures.note_seconds("database free again: well again", recoveries, RECOVERY_SECONDS)
    passed = heard == stored > 0 and not lost and same
    figures.note(f"database locked for {seconds} s", len(alarms), told, "no loss, no restart", passed)
    assert passed


def _holder(service: Service, seconds: float) -> "subprocess.Popen[str]":
    """Return a process that holds the database's write lock for so long."""
    holder = service.box.popen("python3", "/srv/tools/hold_database.py", DATABASE, str(seconds), stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_corrupt_database_is_set_aside_and_a_new_one_begun(service: Service, sound: Sound, figures: Figures) -> None:
    rounds, aside = figures.several, set[str]()
    for seek in range(rounds):
        service.stop()
        service.box.run(f"dd if=/dev/urandom of={DATABASE} bs=4096 count=8 seek={seek} conv=notrunc status=none")
        cursor = service.box.cursor()
        service.start()
        told = service.wait_event("database_set_aside", cursor, 20)
        service.wait_hearing()
        sound.play(THREE_COMMANDS)
        service.wait_announced(3, cursor, 30)
        found = service.box.run(f"ls {STATE}").stdout.split()
        aside |= {name for name in found if name.startswith("voicebridge.db.corrupt") and name in told["MESSAGE"]}
        assert service.query("PRAGMA integrity_check")[0]["integrity_check"] == "ok"
    good = len(aside) == rounds
    told_as = f"set aside as {sorted(aside)}"
    figures.note("database corrupt at start", rounds, told_as, "set aside, named, new one", good)
    assert good


@contextmanager
def _state_on(service: Service, mount: str) -> Iterator[None]:
    """Let the state directory be a mounted file system, with what it held."""
    box = service.box
    service.stop()
    box.run(f"cp -a {STATE} /var/tmp/state && {mount} && cp -a /var/tmp/state/. {STATE}/ && rm -rf /var/tmp/state")
    try:
        service.start()
        service.wait_hearing()
        yield
    finally:
        service.stop()
        box.run("umount", STATE)
        service.start()


def test_a_full_disk_is_told_and_gets_over_by_itself(service: Service, sound: Sound, figures: Figures) -> None:
    owner = service.box.run("stat", "--format=uid=%u,gid=%g", STATE).stdout.strip()
    service.set(store__reserve_mb="8", health__disk_free_mb="16")
    with _state_on(service, f"mount -t tmpfs -o size=128m,mode=0700,{owner} tmpfs {STATE}"):
        pid, gaps, rounds, alarms, recoveries = service.pid, service.newest("gaps"), figures.times(3, 10), [], []
        sound.loop(SPEECH)
        for _ in range(rounds):
            known, began = _codes(service.status()), time.monotonic()
            # What is given up to keep going is filled, too.
            filler = service.box.popen(f"while :; do cat /dev/zero >> {STATE}/filler; sleep 0.2; done 2>/dev/null")
            alarms.append(_wait_alarm(service, began, known))
            service.box.rest(5)
            filler.kill()
            filler.wait()
            service.box.run("pkill", "--full", "cat /dev/zero", check=False)
            service.box.run("pkill", "--full", f"{STATE}/filler", check=False)
            service.box.run("rm", f"{STATE}/filler")
            recoveries.append(_wait_well(service))
        heard, stored = _heard_and_stored(service, sound)
        if figures.full:
            service.wait_status(lambda status: not _codes(status), "the reserve back", RESERVE_BACK_SECONDS)
        lost, same = len(service.gaps_after(gaps)), service.pid == pid
    told = f"{stored} of {heard} utterances stored, {lost} gaps, {'no ' if same else ''}restart"
    in_time = figures.note_seconds("disk full: alarm", alarms, ALARM_SECONDS)
    figures.note_seconds("disk full, freed: well again", recoveries, RECOVERY_SECONDS)
    passed = heard == stored > 0 and not lost and same
    figures.note("disk full", rounds, told, "capture goes on, recovery without restart", passed)
    assert passed
    assert in_time


def test_a_disk_that_turns_read_only_and_back_is_got_over(
    service: Service, sound: Sound, disk: ForgetfulDisk, figures: Figures
) -> None:
    with _state_on(service, f"mount --bind /srv/disk {STATE} && chmod 700 {STATE}"):
        pid, gaps, rounds, alarms, recoveries = service.pid, service.newest("gaps"), figures.times(3, 10), [], []
        sound.loop(SPEECH)
        for _ in range(rounds):
            began = time.monotonic()
            disk.tell("readonly on")
            alarms.append(_wait_alarm(service, began, set()))
            service.box.rest(5)
            disk.tell("readonly off")
            recoveries.append(_wait_well(service))
        heard, stored = _heard_and_stored(service, sound)
        lost, same = len(service.gaps_after(gaps)), service.pid == pid
    told = f"{stored} of {heard} utterances stored, {lost} gaps, {'no ' if same else ''}restart"
    in_time = figures.note_seconds("disk read-only: alarm", alarms, ALARM_SECONDS)
    figures.note_seconds("disk writable again: well again", recoveries, RECOVERY_SECONDS)
    passed = heard == stored > 0 and not lost and same
    figures.note("disk read-only", rounds, told, "capture goes on, recovery without restart", passed)
    assert passed
    assert in_time
