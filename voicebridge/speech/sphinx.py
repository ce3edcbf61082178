"""The sphinx engine: PocketSphinx, English, with a model inside its package; it decodes in a process of its own."""

import contextlib
import json
import os
import subprocess
import sys
import time
from typing import Any

from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import EngineStarvedError, SpeechError
from voicebridge.domain.ports import EngineInfo
from voicebridge.domain.text import printable
from voicebridge.domain.utterance import Transcript, Word
from voicebridge.settings.schema import SphinxSettings
from voicebridge.speech.sphinx_process import LENGTH

ENGINE = "sphinx"
LANGUAGE = "en"
PACKAGED_MODEL = "en-us"
CLOSE_SECONDS = 2.0
"""How long a process may take to end when its input has ended."""


class SphinxEngine:
    """Decodes with PocketSphinx. All calls come from one thread, with whose end the process ends, too.

    When the process dies in a decode, that decode raises SpeechError and the next one starts a new process;
    ``restarts`` counts them.
    """

    def __init__(self, settings: SphinxSettings) -> None:
        self._model_dir = settings.model_dir.expanduser() if settings.model_dir else None
        self._process: subprocess.Popen[bytes] | None = None
        self._wanted = False
        self.restarts = 0

    @property
    def info(self) -> EngineInfo:
        """The engine and the name of its model."""
        return EngineInfo(ENGINE, self._model_dir.name if self._model_dir else PACKAGED_MODEL)

    @property
    def process_id(self) -> int | None:
        """The process that decodes, for whoever counts memory; None before ``load``."""
        return self._process.pid if self._process else None

    def load(self) -> None:
        """Start the process and wait until its model is there. Raises SpeechError when it cannot be used."""
        if self._process is None:
            self._start()
        self._wanted = True

    def decode(self, audio: Samples, start_sample: int) -> Transcript:
        """Decode an utterance. Raises SpeechError before ``load`` and when the process dies."""
        if not self._wanted:
            raise SpeechError("The sphinx engine is not loaded.")
        started = time.perf_counter()
        if self._process is None:
            self.restarts += 1
            self._start()
        answer = self._ask(audio)
        words = tuple(_word(found, start_sample, len(audio)) for found in answer["words"])
        return Transcript(
            text=" ".join(word.text for word in words),
            engine=ENGINE,
            model=self.info.model,
            decode_ms=(time.perf_counter() - started) * 1000,
            language=LANGUAGE,
            words=words,
        )

    def close(self) -> None:
        """End the process."""
        self._wanted = False
        self._stop()

    def _start(self) -> None:
        if self._model_dir is not None and not self._model_dir.is_dir():
            raise SpeechError(
                f"There is no PocketSphinx model folder {self._model_dir}.",
                "Correct sphinx.model_dir, or leave it out for the English model inside the package.",
            )
        arguments = [str(self._model_dir.absolute())] if self._model_dir else []
        # -P: the working directory is no place to import from. A process group of its own: Ctrl-C is for the parent,
        # which may want this decode's result before it leaves.
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own module, with a path from the settings
                [sys.executable, "-P", "-m", "voicebridge.speech.sphinx_process", str(os.getpid()), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                process_group=0,
            )
        except OSError as error:
            raise EngineStarvedError(
                f"The process that runs PocketSphinx cannot be started: {error.strerror}.",
                "Look for lack of memory or of processes (`free -m`, `ulimit -u`).",
            ) from error
        try:
            reason = self._answer().get("error")
        except SpeechError as died:  # PocketSphinx ends its process over some damaged files
            reason = died.message.rstrip(".")
        if reason is not None:
            self._stop()
            raise SpeechError(
                f"PocketSphinx cannot load its model: {printable(str(reason)) or 'no reason given'}.",
                "Correct sphinx.model_dir, or leave it out for the English model inside the package.",
            )

    def _ask(self, audio: Samples) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdin is not None
        data = audio.astype("<i2", copy=False).tobytes()
        try:
            self._process.stdin.write(LENGTH.pack(len(data)) + data)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._died() from None
        answer = self._answer()
        if "error" in answer:
            raise SpeechError(f"PocketSphinx could not decode: {printable(str(answer['error']))}.")
        return answer

    def _answer(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._died()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _died(self) -> SpeechError:
        status = self._stop()
        return SpeechError(
            f"The process that runs PocketSphinx ended with status {status}.",
            "If it happens again, look for lack of memory in the system's journal.",
        )

    def _stop(self) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(BrokenPipeError):  # what was not written yet is of no use now
                pipe.close() if pipe else None
        try:
            return process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def _word(found: dict[str, Any], start_sample: int, samples: int) -> Word:
    first, last = min(int(found["start"]), samples), min(int(found["end"]), samples)
    return Word(str(found["text"]), start_sample + first, start_sample + last, float(found["probability"]))
