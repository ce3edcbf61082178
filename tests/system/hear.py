"""Hears through a real microphone until its standard input ends; run by tests as a process of its own.

Arguments: the audio settings as JSON, a file for what was heard (raw int16), and, if devices are to be listed before
the microphone is opened, ``list``: it then waits for a line of standard input in between. Tells what happens in
JSON lines. PortAudio reads ALSA's configuration inside the process, so every microphone of the tests needs its own.
"""

import json
import sys
import threading
from pathlib import Path
from typing import Any

from voicebridge.audio.devices import list_inputs
from voicebridge.audio.microphone import Microphone
from voicebridge.audio.ring import Ring
from voicebridge.domain.audio import Gap
from voicebridge.domain.errors import DeviceError
from voicebridge.settings.schema import AudioSettings

_lock = threading.Lock()


def tell(**what: Any) -> None:
    with _lock:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()


def stop_at_the_end_of_input(microphone: Microphone) -> None:
    sys.stdin.read()
    microphone.stop()


def main() -> None:
    if "list" in sys.argv[3:]:
        tell(listed=[device.name for device in list_inputs()])
        sys.stdin.readline()
    ring = Ring(60 * 16_000)
    reader = ring.reader()
    microphone = Microphone(
        AudioSettings.model_validate_json(sys.argv[1]), lambda hearing, detail: tell(hearing=hearing, detail=detail)
    )
    try:
        microphone.start(ring)
    except DeviceError as error:
        tell(refused=error.message, advice=error.advice)
        return
    threading.Thread(target=stop_at_the_end_of_input, args=(microphone,), daemon=True).start()
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
