"""PocketSphinx in a process of its own: ``python -m voicebridge.speech.sphinx_process PARENT_PID [FOLDER]``.

PocketSphinx holds Python's interpreter lock for a whole decode (0.7 s were measured for 4 s of speech), and audio
would be lost meanwhile. This process reads utterances from standard input (a little-endian 32-bit count of bytes, then
int16 audio) and writes one line of JSON for each to standard output; the first line says whether the model was loaded.
It ends when its input ends, is killed by the kernel the moment its parent dies, and is ended by its own alarm when a
decode takes too long.
"""

import json
import os
import re
import signal
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO, TypedDict

from voicebridge.domain.units import SAMPLE_RATE

LENGTH = struct.Struct("<I")
PR_SET_PDEATHSIG = 1
"""prctl(2), linux/prctl.h."""
ALARM_SECONDS = 3600
"""As long as the longest decode deadline that can be set; a process whose parent has gone must not decode for ever."""

_FILLER = re.compile(r"</?s>|<sil>|\[.*\]|\+\+.*\+\+")
_VARIANT = re.compile(r"\(\d+\)$")
"""PocketSphinx numbers the pronunciations of a word: ``or(2)``."""


class FoundWord(TypedDict):
    """One word with its sample indices, counted from the utterance's start, and its posterior probability."""

    text: str
    start: int
    end: int
    probability: float


class ModelFolderError(Exception):
    """A folder that is no PocketSphinx model; the message says why."""


class Recognizer:
    """PocketSphinx over whole utterances; nothing of one reaches the next."""

    def __init__(self, model_dir: Path | None) -> None:
        from pocketsphinx import Decoder

        files = model_files(model_dir) if model_dir else {}
        self._decoder = Decoder(loglevel="FATAL", **files)
        self._frame_samples = SAMPLE_RATE // int(self._decoder.config["frate"])

    def words(self, audio: bytes) -> list[FoundWord]:
        """Return the words in an utterance of int16 audio at 16 kHz."""
        if not audio:
            return []
        # The cepstral mean and the noise estimate of earlier utterances would change this one's result.
        self._decoder.reinit_feat()
        self._decoder.start_utt()
        self._decoder.process_raw(audio, full_utt=True)
        self._decoder.end_utt()
        return [self._word(segment) for segment in self._decoder.seg() or () if not _FILLER.fullmatch(segment.word)]

    def _word(self, segment: Any) -> FoundWord:
        # Posterior probabilities reach 1.0001: PocketSphinx keeps them as logarithms to that base.
        # Its last frame is inclusive.
        return {
            "text": _VARIANT.sub("", segment.word),
            "start": segment.start_frame * self._frame_samples,
            "end": (segment.end_frame + 1) * self._frame_samples,
            "probability": min(1.0, segment.prob),
        }


def model_files(folder: Path) -> dict[str, str]:
    """Return PocketSphinx's ``hmm``, ``lm`` and ``dict`` from a folder. Raises ModelFolderError when one is missing.

    The acoustic model (a folder with ``mdef``) is the folder itself or stands in it, as in the package.
    """
    acoustic = next((path.parent for path in sorted((*folder.glob("mdef*"), *folder.glob("*/mdef*")))), None)
    language = next((path for path in sorted(folder.glob("*.lm.bin")) if "phone" not in path.name), None)
    dictionary = next(iter(sorted(folder.glob("*.dict"))), None)
    parts = {"hmm": acoustic, "lm": language, "dict": dictionary}
    names = {"hmm": "an acoustic model (mdef)", "lm": "a language model (*.lm.bin)", "dict": "a dictionary (*.dict)"}
    if missing := [names[part] for part, path in parts.items() if path is None]:
        raise ModelFolderError(f"{folder} is missing {', '.join(missing)}")
    return {part: str(path) for part, path in parts.items()}


def serve(source: BinaryIO, sink: BinaryIO, model_dir: Path | None) -> None:
    """Answer utterances until the input ends."""
    signal.alarm(ALARM_SECONDS)
    try:
        recognizer = Recognizer(model_dir)
    except (ModelFolderError, RuntimeError, OSError) as error:
        _answer(sink, {"error": str(error)})
        return
    finally:
        # Not while it waits for an utterance: a house may be silent for longer than the alarm.
        signal.alarm(0)
    _answer(sink, {"ready": True})
    while (audio := _read_utterance(source)) is not None:
        signal.alarm(ALARM_SECONDS)
        try:
            answer: dict[str, Any] = {"words": recognizer.words(audio)}
        except RuntimeError as error:
            answer = {"error": str(error)}
        signal.alarm(0)
        _answer(sink, answer)


def die_with(parent_pid: int) -> bool:
    """Have the kernel kill this process when the thread that started it ends; False when the parent is gone already.

    A decode holds the interpreter lock and reads no input, so without this a parent that was killed would leave a
    process behind that takes a core until its decode is done.
    """
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # It may have died before the request: then nobody is left to send the signal.
    return os.getppid() == parent_pid


def _read_utterance(source: BinaryIO) -> bytes | None:
    header = source.read(LENGTH.size)
    if len(header) < LENGTH.size:
        return None
    (count_bytes,) = LENGTH.unpack(header)
    audio = source.read(count_bytes)
    return audio if len(audio) == count_bytes else None


def _answer(sink: BinaryIO, answer: dict[str, Any]) -> None:
    sink.write(json.dumps(answer).encode() + b"\n")
    sink.flush()


if __name__ == "__main__":
    if not die_with(int(sys.argv[1])):
        sys.exit(1)
    try:
        serve(sys.stdin.buffer, sys.stdout.buffer, Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    except BrokenPipeError:
        sys.stderr.close()  # the parent has gone; nobody is left to tell
