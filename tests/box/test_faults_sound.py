"""What happens to the sound: the server is killed or hangs, the source goes and comes back.

Detected means told in the journal (`capture_lost`); back means that audio arrives again, in the same process or in the
one that systemd started because the sound library was stuck.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.box.figures import Figures
from tests.box.machine import monotonic_of
from tests.box.service import Service
from tests.box.sound import DECOY, SINK, Sound

DETECTED_SECONDS = 3.0
BACK_SECONDS = 5.0
READY_SECONDS = 10.0
"""With the orderly stop before it."""
AWAY_SECONDS = 2.0
MONITOR = f"{SINK}.monitor"


@dataclass(slots=True)
class Outages:
    """What a number of outages showed."""

    service: Service
    detected: list[float] = field(default_factory=list)
    back: list[float] = field(default_factory=list)
    without_gap: int = 0

    def one(self, take: Callable[[], None], give_back: Callable[[], None], away_seconds: float = AWAY_SECONDS) -> None:
        """Take the microphone away and give it back; measure, and leave it hearing."""
        service = self.service
        service.wait_hearing()
        cursor, gaps, began = service.box.cursor(), service.newest("gaps"), time.monotonic()
        take()
        lost = service.wait_event("capture_lost", cursor, 30)
        self.detected.append(monotonic_of(lost) - began)
        service.box.rest(away_seconds)
        give_back()
        returned = time.monotonic()
        cursor = str(lost["__CURSOR"])
        heard = service.box.wait_until(
            lambda: service.events("capture_back", "capture_began", after=cursor), "hearing again", 60
        )
        self.back.append(max(0.0, monotonic_of(heard[0]) - returned))
        service.wait_hearing()
        try:
            service.box.wait_until(lambda: service.gaps_after(gaps), "a gap in the store", 3)
        except AssertionError:
            self.without_gap += 1

    def judge(self, figures: Figures, fault: str) -> None:
        """Note the figures, and fail where a bound was missed."""
        count = len(self.back)
        in_time = figures.note_seconds(f"{fault}: detected", self.detected, DETECTED_SECONDS)
        back = figures.note_seconds(f"{fault}: hearing again after its return", self.back, BACK_SECONDS)
        told = f"{count - self.without_gap} of {count} outages have one"
        figures.note(f"{fault}: gaps", count, told, "all", self.without_gap == 0)
        assert in_time
        assert back
        assert self.without_gap == 0


def test_a_killed_sound_server_is_heard_again(service: Service, sound: Sound, figures: Figures) -> None:
    outages = Outages(service)

    def give_back() -> None:
        sound.start()
        sound.wait()

    for _ in range(figures.times(3, 20)):
        outages.one(sound.kill, give_back)
    outages.judge(figures, "sound server killed")


def test_the_only_source_unloaded_and_loaded_is_heard_again(service: Service, sound: Sound, figures: Figures) -> None:
    outages = Outages(service)
    for _ in range(figures.times(3, 20)):
        outages.one(sound.unload, sound.load)
    outages.judge(figures, "only source unloaded, loaded again")


def test_a_decoy_is_not_taken_for_the_source(service: Service, sound: Sound, figures: Figures) -> None:
    sound.load(DECOY)
    try:
        outages, taken_in = Outages(service), 0
        for _ in range(figures.times(3, 20)):
            outages.one(sound.unload, sound.load)
            taken_in += service.status()["capture"]["source"] != MONITOR
    finally:
        sound.unload(DECOY)
    figures.note("with a decoy source: heard the decoy in the end", len(outages.back), f"{taken_in}", "0", not taken_in)
    outages.judge(figures, "the same with a decoy source")
    assert taken_in == 0


def test_a_hanging_sound_server_is_heard_again_when_it_goes_on(
    service: Service, sound: Sound, figures: Figures
) -> None:
    outages = Outages(service)
    try:
        for _ in range(figures.times(3, 20)):
            outages.one(sound.freeze, sound.thaw, away_seconds=6.0)
    finally:
        sound.thaw()
    outages.judge(figures, "sound server stopped with SIGSTOP, continued")


def test_a_hanging_sound_server_is_no_reason_to_start_again_and_again(
    service: Service, sound: Sound, figures: Figures
) -> None:
    seconds, most = 45 if figures.full else 20, 0
    for _ in range(figures.several):
        before = service.restarts
        sound.freeze()
        try:
            service.box.rest(seconds)
            most = max(most, service.restarts - before)
            service.wait_status(lambda status: status["state"] == "deaf", "deaf", 15)
        finally:
            sound.thaw()
        service.wait_hearing(30)
    told, bound = f"at most {most} restarts, deaf", "1 restart at the most, deaf"
    figures.note(f"sound server hangs for {seconds} s", figures.several, told, bound, most <= 1)
    assert most <= 1


def test_without_a_sound_server_the_service_is_ready_and_deaf(service: Service, sound: Sound, figures: Figures) -> None:
    ready, back = [], []
    for _ in range(figures.several):
        sound.kill()
        began = time.monotonic()
        service.restart()
        ready.append(service.ready_monotonic - began)
        service.wait_status(
            lambda status: status["state"] == "deaf" and status["engine_state"] == "ready", "deaf, engine ready", 30
        )
        service.box.rest(5)
        assert service.active
        sound.start()
        returned = time.monotonic()
        service.wait_hearing(30)
        back.append(time.monotonic() - returned)
    figures.note_seconds("restarted without a sound server: READY, deaf", ready, READY_SECONDS)
    assert figures.note_seconds("the sound server comes then: hearing", back, BACK_SECONDS)
