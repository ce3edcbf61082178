"""A process that tries candidates of one load: it cannot take the whole of tune with it, and can be ended at any time.

`python -m voicebridge_bench.tuning.worker` reads one JSON order from standard input and writes one JSON object a line.
"""

import json
import sys
from typing import Any

import numpy as np
import psutil

from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import VoicebridgeError
from voicebridge.domain.ports import Detector, Engine, Tunable
from voicebridge.domain.segments import Ended
from voicebridge.pipeline.gate import judge
from voicebridge.settings import Settings
from voicebridge.vad.factory import build_detector
from voicebridge_bench.corpora.levels import end_of_speech
from voicebridge_bench.corpora.offline import heard
from voicebridge_bench.pauses import left_ms


class Worker:
    """Tries candidates on files of the corpus."""

    def __init__(self, settings: Settings, engine: Engine, files: list[Samples]) -> None:
        self._settings = settings
        self._engine = engine
        self._files = files
        self._detectors: dict[str, Detector] = {}
        self._heard: dict[tuple[str, int], list[Ended]] = {}

    def warm_up(self) -> None:
        """Decode once without counting: the first decode takes longer than those after it."""
        self._engine.decode(self._files[0][: 16_000 * 25], 0)

    def try_file(self, beam_size: int, vad_mode: str, file: int) -> dict[str, Any]:
        """Hear a file as the daemon would; ``delay_ms`` is None where nothing was heard in it."""
        if beam_size and isinstance(self._engine, Tunable):
            self._engine.apply(self._settings.whisper.model_copy(update={"beam_size": beam_size}))
        samples, texts, decode_ms, all_ms = self._files[file], [], 0.0, 0.0
        found = self._utterances(vad_mode, file)
        for utterance in found:
            transcript = self._engine.decode(samples[utterance.span.start : utterance.span.end], utterance.span.start)
            decode_ms = transcript.decode_ms
            all_ms += decode_ms
            if not judge(transcript, utterance.speech_ratio, self._settings.gate):
                texts.append(transcript.text)
        delay_ms = None
        if found:
            late_ms = (found[-1].speech.end - end_of_speech(samples)) / 16
            endpoint = self._settings.endpoint
            delay_ms = late_ms + endpoint.hangover_ms + left_ms(decode_ms, endpoint)
        return {"file": file, "text": " ".join(texts), "decode_ms": all_ms, "delay_ms": delay_ms}

    def _utterances(self, mode: str, file: int) -> list[Ended]:
        if (mode, file) not in self._heard:
            detector = self._detectors.get(mode)
            if detector is None:
                detector = build_detector(self._settings.vad.model_copy(update={"mode": mode}))
                self._detectors[mode] = detector
            self._heard[mode, file] = heard(self._files[file], detector, self._settings.endpoint)
        return self._heard[mode, file]


def main() -> int:
    """Follow one order."""
    order = json.loads(sys.stdin.readline())
    try:
        _follow(order)
    except VoicebridgeError as error:
        _tell({"error": str(error)})
        return 1
    return 0


def _follow(order: dict[str, Any]) -> None:
    from pathlib import Path

    from voicebridge.speech.choose import choose_engine

    settings = Settings.model_validate(order["settings"])
    with np.load(order["corpus"]) as corpus:
        files = [corpus[f"file{number}"] for number in range(len(corpus.files))]
    engine = choose_engine(settings, Path(order["models_dir"])).engine
    engine.load()
    try:
        worker = Worker(settings, engine, files)
        worker.warm_up()
        _tell({"loaded": True})
        for job in order["jobs"]:
            found = worker.try_file(job["beam_size"], job["vad_mode"], job["file"])
            _tell({**found, "candidate": job["candidate"], "memory_mb": _memory_mb()})
    finally:
        engine.close()


def _memory_mb() -> float:
    """Return the resident memory of this process and of those that it has started (PocketSphinx has one)."""
    us = psutil.Process()
    return sum(process.memory_info().rss for process in (us, *us.children(recursive=True))) / 1e6


def _tell(told: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
