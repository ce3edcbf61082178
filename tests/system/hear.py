"""Hears through a real microphone until its standard input ends; run by tests as a process of its own.

Arguments: the audio settings as JSON (with those of capture under ``capture``), a file for what was heard (raw
int16), and, if devices are to be listed before the microphone is opened, ``list``: it then waits for a line of standard
input in between. Tells what happens in JSON lines, and its report for every line of standard input. PortAudio reads
ALSA's configuration inside the process, so every microphone of the tests needs its own.
"""

import dataclasses
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from voicebridge.audio.devices import list_inputs
from voicebridge.audio.microphone import Microphone
from voicebridge.audio.ring import Ring
from voicebridge.audio.sound_watch import SoundWatch
from voicebridge.audio.supervision import stuck
from voicebridge.audio.supervisor import Outside
from voicebridge.domain.audio import Gap
from voicebridge.domain.errors import DeviceError
from voicebridge.domain.events import CaptureChanged, DeviceMoved, Event
from voicebridge.settings.schema import AudioSettings, CaptureSettings

_lock = threading.Lock()


def tell(**what: Any) -> None:
    with _lock:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()


class Teller:
    """Tells the events of capture."""

    def publish(self, event: Event) -> None:
        if isinstance(event, CaptureChanged):
            tell(hearing=event.hearing, detail=event.detail, first=event.first, at=time.monotonic())
        elif isinstance(event, DeviceMoved):
            tell(moved=event.source, wanted=event.wanted, at=time.monotonic())


def answer_the_input(microphone: Microphone) -> None:
    """Tell the report for every line of input; stop at its end."""
    for _ in sys.stdin:
        report = microphone.report()
        tell(report=dataclasses.asdict(report), stuck=stuck(report, CaptureSettings(), time.monotonic()))
    microphone.stop()


def main() -> None:
    if "list" in sys.argv[3:]:
        tell(listed=[device.name for device in list_inputs()])
        sys.stdin.readline()
    ring = Ring(60 * 16_000)
    reader = ring.reader()
    wanted = json.loads(sys.argv[1])
    capture = CaptureSettings.model_validate(wanted.pop("capture", {}))
    microphone = Microphone(AudioSettings.model_validate(wanted), capture, Teller(), Outside(watch=SoundWatch()))
    try:
        microphone.start(ring)
    except DeviceError as error:
        tell(refused=error.message, advice=error.advice)
        return
    threading.Thread(target=answer_the_input, args=(microphone,), daemon=True).start()
    with Path(sys.argv[2]).open("wb") as file:
        while not reader.ended:
            item = reader.read(0.5)
            if isinstance(item, Gap):
                tell(gap=item.span.samples, start=item.span.start, reason=item.reason)
            elif item is not None:
                file.write(item.samples[: item.valid].tobytes())
    tell(name=microphone.info.name, error=str(microphone.error() or ""), samples=ring.written)


if __name__ == "__main__":
    main()
