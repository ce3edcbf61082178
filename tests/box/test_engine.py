"""The engine hangs, raises, kills; its model is broken: capture goes on, and what was said is decoded in the end."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.box.figures import Figures
from tests.box.service import MODEL_NAME, STATE, Service
from tests.box.sound import ONE_COMMAND, Sound

FAULT = "/run/engine-fault"
DEADLINE_SECONDS = 5.0
MODEL_FILE = f"{STATE}/models/{MODEL_NAME}/model.bin"


@pytest.fixture
def fallible(service: Service) -> Iterator[Service]:
    """The service with a speech library that fails on demand."""
    service.drop_in("engine", "[Service]\nEnvironment=PYTHONPATH=/srv/tools/engine_faults\n")
    service.set(engine__decode_deadline_seconds=f"{DEADLINE_SECONDS:g}", engine__load_retry_seconds="2")
    service.restart()
    service.wait_hearing()
    yield service
    service.box.run("rm", "-f", FAULT)


def _newest(service: Service) -> dict[str, Any]:
    rows = service.query("SELECT id, status FROM utterances ORDER BY id DESC LIMIT 1")
    return rows[0] if rows else {"id": 0, "status": "none"}


def _wait_newest(service: Service, status: str, after: int = 0, seconds: float = 60.0) -> None:
    """Wait until the newest utterance, younger than ``after``, has a status."""

    def come() -> bool:
        newest = _newest(service)
        return bool(newest["id"] > after and newest["status"] == status)

    service.box.wait_until(come, f"an utterance that is {status}", seconds)


def test_a_hanging_engine_costs_a_restart_and_no_sample(fallible: Service, sound: Sound, figures: Figures) -> None:
    service, before = fallible, fallible.newest("utterances")
    gaps, pid, cursor = service.newest("gaps"), service.pid, service.box.cursor()
    service.box.write(FAULT, "hang")
    sound.play(ONE_COMMAND)
    service.box.wait_until(lambda: service.newest("utterances") > before or None, "a stored utterance", 20)
    began = time.monotonic()
    while_hanging = len(service.gaps_after(gaps))
    left = service.wait_event("stuck_leaving", cursor, DEADLINE_SECONDS + 15)
    service.box.run("rm", FAULT)
    returned = service.wait_ready_after(began, 30)
    _wait_newest(service, "done", before)
    assert service.pid != pid
    told = f"left with {left.get('VB_STATUS', '?')}, READY after {returned:.1f} s, decoded; {while_hanging} gaps"
    bound = f"deadline {DEADLINE_SECONDS:g} s; 0 samples lost while it hung"
    figures.note("engine hangs", 1, told, bound, while_hanging == 0)
    assert while_hanging == 0


def test_an_engine_that_raises_loses_nothing(fallible: Service, sound: Sound, figures: Figures) -> None:
    service, before, pid = fallible, fallible.newest("utterances"), fallible.pid
    gaps = service.newest("gaps")
    service.box.write(FAULT, "raise")
    sound.play(ONE_COMMAND)
    service.box.wait_until(lambda: service.newest("utterances") > before or None, "a stored utterance", 20)
    _wait_newest(service, "failed", before)
    service.box.run("rm", FAULT)
    number = _newest(service)["id"]
    as_service = ["runuser", "--user", "voicebridge", "--", "voicebridge", "--state-dir", STATE]
    service.box.run(*as_service, "retry", str(number))
    _wait_newest(service, "done", before)
    lost = len(service.gaps_after(gaps))
    told = f"set aside with its audio, decoded by `voicebridge retry`; {lost} gaps"
    figures.note("engine raises", 1, told, "0 samples lost", lost == 0 and service.pid == pid)
    assert lost == 0
    assert service.pid == pid


def test_an_utterance_that_kills_three_processes_is_set_aside(
    fallible: Service, sound: Sound, figures: Figures
) -> None:
    service, before, restarts = fallible, fallible.newest("utterances"), fallible.restarts
    service.box.write(FAULT, "die")
    sound.play(ONE_COMMAND)
    service.box.wait_until(lambda: service.newest("utterances") > before or None, "a stored utterance", 20)
    _wait_newest(service, "failed", before)
    service.box.run("rm", FAULT)
    service.wait_hearing()
    deaths, poison = service.restarts - restarts, _newest(service)
    sound.play(ONE_COMMAND)
    _wait_newest(service, "done", after=poison["id"])
    figures.note(
        "poison utterance", 1, f"set aside after {deaths} deaths, the next is decoded", "3 deaths", deaths == 3
    )
    assert deaths == 3


@pytest.mark.parametrize("fault", ["truncated", "bit flipped"])
def test_with_a_broken_model_the_service_hears_spools_and_says_so(
    fallible: Service, sound: Sound, figures: Figures, fault: str
) -> None:
    service, box, before = fallible, fallible.box, fallible.newest("utterances")
    box.run("cp", "-a", MODEL_FILE, "/var/tmp/model.bin")
    if fault == "truncated":
        box.run("truncate", "--size=1000000", MODEL_FILE)
    else:
        box.run("python3", "-c", f"f=open({MODEL_FILE!r},'r+b'); f.seek(2000000); b=f.read(1); f.seek(2000000); "
                "f.write(bytes([b[0]^16]))")  # fmt: skip
    cursor, gaps = box.cursor(), service.newest("gaps")
    service.restart()
    failed = service.wait_event("engine_failed", cursor, 30)
    service.wait_hearing(engine="failed")
    sound.play(ONE_COMMAND)
    box.wait_until(lambda: service.newest("utterances") > before or None, "a stored utterance", 20)
    waiting, pid = _newest(service)["status"], service.pid
    spooled = box.run(f"ls {STATE}/spool").stdout.split()
    box.run("cp", "-a", "/var/tmp/model.bin", MODEL_FILE)
    _wait_newest(service, "done", before)
    told = f"{waiting} with {len(spooled)} file in the spool; mended: decoded; said: {failed['MESSAGE'][:120]}"
    passed = waiting == "pending" and bool(spooled) and service.pid == pid and not service.gaps_after(gaps)
    figures.note(f"model {fault}", 1, told.replace("|", "/"), "hears, spools, says so", passed)
    assert passed
