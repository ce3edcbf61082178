"""Each thread hangs in turn: the watchdog is not fed, systemd starts the process again, nothing is lost."""

import time

import pytest

from tests.box.figures import Figures
from tests.box.machine import monotonic_of
from tests.box.service import Service
from tests.box.sound import Sound
from tests.box.threads import frozen, native_threads, python_threads

VITAL = (
    *("MainThread", "capture", "listener", "store-writer", "transcriber"),
    *("health-keeper", "sound-watch", "control", "machine-look"),
)
"""All but HTTP's."""
SHORT = {"WatchdogSec": 6.0, "sign": 4.0}
LONG = {"WatchdogSec": 20.0, "sign": 10.0}
DECODE_SECONDS = 8.0
"""What a decode may take before it counts as hung: the transcriber is caught in one now and then."""
GRAIN_SECONDS = 8.0
"""A dying process writes where its threads stand, systemd notices, starts the next."""


@pytest.fixture
def impatient(service: Service, figures: Figures) -> dict[str, float]:
    """The service with a short watchdog, so that the short form of the suite is short; the full one takes its own."""
    waits = LONG if figures.full else SHORT
    if not figures.full:
        service.drop_in("watchdog", f"[Service]\nWatchdogSec={waits['WatchdogSec']:g}\n")
    sign, decode = f"{waits['sign']:g}", f"{DECODE_SECONDS:g}"
    service.set(health__sign_of_life_seconds=sign, engine__decode_deadline_seconds=decode)
    service.restart()
    service.wait_hearing()
    return waits


def test_a_frozen_thread_has_the_process_started_again(
    service: Service, sound: Sound, speech: object, impatient: dict[str, float], figures: Figures
) -> None:
    cursor, stayed = service.box.cursor(), []
    took: dict[str, float] = {}
    rounds = figures.times(1, 3)  # a round freezes each of nine threads
    for name in VITAL * rounds:
        service.wait_hearing()
        pid, since = service.pid, service.box.cursor()
        service.wait_announced(1, since)
        threads = python_threads(service.box, pid)
        assert name in threads, f"there is no thread {name} among {sorted(threads)}"
        began = time.monotonic()
        limit = impatient["WatchdogSec"] + impatient["sign"] + GRAIN_SECONDS
        limit += DECODE_SECONDS if name == "transcriber" else 0
        with frozen(service.box, threads[name]):
            try:
                took[name] = max(took.get(name, 0.0), service.wait_ready_after(began, limit))
            except AssertionError:
                stayed.append(name)
    if stayed:
        service.restart()
    service.wait_hearing()
    lost = service.lost(cursor)
    told = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in took.items())
    told += f"; not noticed: {', '.join(stayed)}" if stayed else ""
    bound = f"started again in {impatient['sign']:g} s + {impatient['WatchdogSec']:g} s + {GRAIN_SECONDS:g} s"
    bound += f"; the transcriber in {DECODE_SECONDS:g} s more"
    count = len(VITAL) * rounds
    figures.note("one thread frozen", count, f"at most: {told}", bound, not stayed)
    figures.note("announced utterances lost by frozen threads", count, f"{len(lost)}", "0", not lost)
    assert not stayed
    assert not lost


def _wait_heard_again(service: Service, cursor: str, seconds: float) -> None:
    """Wait until audio arrives again, in this process or in a new one."""
    service.box.wait_until(
        lambda: service.events("capture_back", "capture_began", after=cursor), "hearing again", seconds
    )


def test_frozen_callbacks_have_the_microphone_opened_again_or_the_process_started(
    service: Service, impatient: dict[str, float], figures: Figures
) -> None:
    lost, limit = [], impatient["WatchdogSec"] + impatient["sign"] + GRAIN_SECONDS
    for _ in range(figures.several):
        service.box.rest(2)  # the stream before it is gone with its threads, and the status tells of this one
        service.wait_hearing()
        pid, cursor, began = service.pid, service.box.cursor(), time.monotonic()
        with frozen(service.box, *native_threads(service.box, pid)):
            gone = service.wait_event("capture_lost", cursor, 20)
            lost.append(monotonic_of(gone) - began)
            _wait_heard_again(service, str(gone["__CURSOR"]), limit)
        service.wait_hearing()
    told = f"lost after at most {max(lost):.1f} s, hearing again"
    figures.note("threads of the sound library and the engine frozen", len(lost), told, "hearing again", passed=True)


def test_a_frozen_http_thread_is_told_and_does_not_end_the_process(
    service: Service, impatient: dict[str, float], figures: Figures
) -> None:
    pid, took, codes = service.pid, [], list[str]()
    thread = python_threads(service.box, pid)["http"]
    for _ in range(figures.several):
        began = time.monotonic()
        with frozen(service.box, thread):
            status = service.wait_status(lambda status: status["state"] == "degraded", "degraded", 30)
            took.append(time.monotonic() - began)
            service.box.rest(impatient["WatchdogSec"])
            assert service.pid == pid
        codes = [reason["code"] for reason in status["reasons"]]
        service.wait_status(lambda status: status["state"] == "hearing", "well again", 30)
    told = f"degraded after at most {max(took):.1f} s: {codes}"
    figures.note("HTTP thread frozen", len(took), told, "told, no restart", passed=True)
