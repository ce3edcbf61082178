"""Silence is no fault: a day of zeros raises no alarm, and a microphone that delivers zeros is told, not restarted."""

import json
import struct

from tests.box.figures import Figures
from tests.box.service import MODEL_NAME, STATE, Service

RATE = 16_000


def test_a_day_of_digital_silence_raises_no_alarm(service: Service, figures: Figures) -> None:
    box, hours = service.box, figures.times(2, 24)
    data = hours * 3600 * RATE * 2
    header = (
        b"RIFF" + struct.pack("<I", 36 + data) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    )
    zeros = box.root / "var/tmp/zeros.wav"
    with zeros.open("wb") as file:
        file.write(header + b"data" + struct.pack("<I", data))
        file.truncate(len(header) + 8 + data)  # zeros that take no room
    done = box.run(
        *("voicebridge", "--state-dir", "/var/tmp/silence", "--set", f"whisper.model={STATE}/models/{MODEL_NAME}"),
        *("run", "--json", "--file", "/var/tmp/zeros.wav"),
        timeout=1800,
    )
    told = [line for line in done.stdout.splitlines() if "id" in json.loads(line) or "gap" in json.loads(line)]
    database = ["sqlite3", "-readonly", "-json", "/var/tmp/silence/voicebridge.db"]
    events = json.loads(box.run(*database, "SELECT kind FROM events").stdout or "[]")
    alarms = [event["kind"] for event in events if event["kind"] not in {"engine_ready", "capture_began"}]
    passed = not told and not alarms
    figures.note(
        f"{hours} h of digital silence", 1, f"{len(told)} utterances and gaps, alarms: {alarms}", "none", passed
    )
    assert passed
    box.run("rm", "-rf", "/var/tmp/zeros.wav", "/var/tmp/silence")


def test_a_microphone_that_delivers_zeros_is_told_and_not_restarted(service: Service, figures: Figures) -> None:
    service.set(health__zero_seconds="5")
    service.restart()
    service.wait_hearing()
    pid, gaps = service.pid, service.newest("gaps")
    status = service.wait_status(
        lambda status: any(reason["code"] == "digital_silence" for reason in status["reasons"]), "the reason", 20
    )
    service.box.rest(figures.times(15, 120))
    after = service.status()
    same = service.pid == pid and after["watchdog"]["withheld"] == 0 and not service.gaps_after(gaps)
    told = f"state {status['state']}, {after['watchdog']['withheld']} pings withheld"
    figures.note("digital silence from the microphone", 1, told, "told, no restart, ping goes on", same)
    assert same
