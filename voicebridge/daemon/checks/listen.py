"""Listens to a microphone for a moment and says how loud it was: run by the microphone check as a process of its own.

Arguments: the audio settings as JSON, and seconds. Prints one JSON object: ``heard`` or ``refused``.
"""

import dataclasses
import json
import os
import sys
import threading

from voicebridge.audio.devices import choose, list_inputs
from voicebridge.audio.level import Level, LevelMeter
from voicebridge.audio.microphone import FIRST_BLOCK_SECONDS, Microphone
from voicebridge.daemon.checks.microphone import Heard, Refused, mean_dbfs
from voicebridge.domain.errors import DeviceError
from voicebridge.settings.schema import AudioSettings

CLIPPED_DBFS = -0.01
"""Peak of a block that reached the end of the scale: 32730 of 32768."""


def listen(settings: AudioSettings, seconds: float) -> Heard:
    """Hear a microphone for so many seconds after its first audio. Raises DeviceError."""
    blocks_dbfs: list[float] = []
    clipped = 0
    first = threading.Event()

    def take(level: Level) -> None:
        nonlocal clipped
        blocks_dbfs.append(level.rms_dbfs)
        clipped += level.peak_dbfs >= CLIPPED_DBFS
        first.set()

    meter = LevelMeter(take)
    microphone = Microphone(settings)
    microphone.start(meter)
    try:
        if first.wait(FIRST_BLOCK_SECONDS):
            threading.Event().wait(seconds)
    finally:
        microphone.stop()
    name = microphone.info.name
    return Heard(name, meter.samples, mean_dbfs(blocks_dbfs), meter.loudest_dbfs, clipped, meter.lost_samples)


def main() -> None:
    """Do what the arguments say, and leave without waiting for a sound library that hangs."""
    settings = AudioSettings.model_validate_json(sys.argv[1]).model_copy(update={"retry": False})
    answer: dict[str, object]
    devices = 0
    try:
        found = list_inputs()
        devices = len(found)
        choose(found, settings.device)
        answer = {"heard": dataclasses.asdict(listen(settings, float(sys.argv[2])))}
    except DeviceError as error:
        answer = {"refused": dataclasses.asdict(Refused(devices, error.message, error.advice))}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
